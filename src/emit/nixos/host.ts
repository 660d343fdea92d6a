/** A host as a NixOS module: everything that follows from its configuration, and what does not. */
import { UserError } from "../../errors.ts";
import type { Host } from "../../fleet/mk-host.ts";
import type { Config } from "../../fleet/options.ts";
import { homesOf } from "../../plan/homes.ts";
import type { HostPlan } from "../../plan/host.ts";
import type { NixSet, OnNixos } from "../../scopes/on-nixos.ts";
import { scopesOnNixos } from "../../scopes/scopes-on-nixos.ts";
import { accountsOf, accountsPart } from "./accounts.ts";
import { disksPart } from "./disks.ts";
import { entriesOnNixos } from "./entries.ts";
import { impermanencePart } from "./impermanence.ts";
import { merged } from "./merge.ts";
import { nixModule } from "./nix.ts";
import { nixPackages } from "./packages.ts";
import type { Part } from "./part.ts";
import { preservationPart } from "./preservation.ts";
import { servicesPart } from "./services.ts";
import { systemPart } from "./system.ts";

export type Persistence = "preservation" | "impermanence";

export interface HostOnNixos {
  readonly module: string;
  /** What is not the same there, each in one sentence. */
  readonly lost: readonly string[];
}

/** @throws UserError where something has no name on NixOS, or the host would not boot there */
export function hostOnNixos(host: Host, plan: HostPlan, persistence: Persistence): HostOnNixos {
  const { config } = host;
  refuseGrub(plan);
  const enabled: readonly OnNixos<Config>[] = Object.values(scopesOnNixos).filter((scope) => scope.enabled(config));
  const covers = (pattern: (scope: OnNixos<Config>) => RegExp | undefined) => (name: string) =>
    enabled.some((scope) => pattern(scope)?.test(name) === true);
  const accounts = accountsOf(plan, Object.assign({}, ...enabled.map(({ groups }) => groups)));
  const entries = entriesOnNixos(plan, Object.assign({}, ...enabled.map(({ paths }) => paths?.(config))), accounts);
  const names = config.environment.systemPackages.filter(
    (name) => !enabled.some(({ packages }) => brings(packages, name)),
  );
  const { packages, leftOut } = nixPackages([...new Set(names)], config.environment.nixPackages);
  const parts: readonly Part[] = [
    systemPart(config, plan),
    disksPart(plan.disk),
    wipePart(plan),
    ...(plan.persistence.entries.length === 0
      ? []
      : [
          persistence === "preservation"
            ? preservationPart(entries)
            : impermanencePart(entries, [...homesOf(config).values()]),
        ]),
    accountsPart(config, plan, accounts),
    ...enabled.map((scope) => ({ options: scope.options?.(config) ?? {}, lost: scope.lost?.(config) ?? [] })),
    {
      options: packages.length === 0 ? {} : { environment: { systemPackages: packages } },
      lost: leftOut.map((name) => `${name} is left out, as environment.nixPackages says`),
    },
    servicesPart(config, { etc: covers(({ etc }) => etc), unit: covers(({ units }) => units) }),
  ];
  const lost = [...new Set(parts.flatMap((part) => part.lost))];
  return { module: moduleText(plan.hostName, merged(...parts.map(({ options }) => options)), lost), lost };
}

function brings(packages: readonly string[] | RegExp | undefined, name: string): boolean {
  return packages instanceof RegExp ? packages.test(name) : packages?.includes(name) === true;
}

function wipePart({ wipe }: HostPlan): Part {
  if (wipe === null) return { options: {}, lost: [] };
  const { retentionDays, keepNewest, onFailure } = wipe;
  return {
    options: { nixfleet: { wipe: { enable: true, retentionDays, keepNewest, onFailure } } },
    lost: [
      "what a program puts in the place of a linked file is in the old root after the next boot, and not carried to the persist root",
      "what a path held before it was declared is in the old root after the next boot: copy it to the persist root first",
    ],
  };
}

function refuseGrub({ hostName, wipe, loader }: HostPlan): void {
  if (wipe === null || loader.esps.length > 0) return;
  throw new UserError(
    `${hostName} boots by a BIOS, and NixOS keeps GRUB's menu in /boot, which its wipe would retire`,
    ["use a layout that a UEFI boots, such as diskoTemplates.btrfsImpermanence"],
  );
}

function moduleText(hostName: string, options: NixSet, lost: readonly string[]): string {
  const header = [
    `${hostName}, as NixFleet declares it. It was written by \`nixfleet emit nixos\`; nobody has built or booted it there.`,
    "",
    "What is not the same on NixOS:",
    ...lost.flatMap((line) => wrapped(`- ${line}`)),
  ];
  const known = ORDER.filter((name) => Object.hasOwn(options, name));
  const further = Object.keys(options).filter((name) => !ORDER.includes(name));
  const inOrder = Object.fromEntries([...known, ...further].map((name) => [name, options[name] ?? null]));
  return nixModule(header, inOrder, COMMENTS);
}

const ORDER = [
  ...["networking", "time", "i18n", "console", "nixpkgs", "hardware", "boot", "disko", "fileSystems", "nixfleet"],
  ...[
    "preservation",
    "environment",
    "users",
    "security",
    "services",
    "programs",
    "virtualisation",
    "systemd",
    "system",
  ],
];

const COMMENTS = new Map([
  [
    "hardware",
    ["The initrd has the drivers of every disk, as Debian's; nixos-generate-config finds those of one machine."],
  ],
  ["nixfleet", ["nixfleet/nix/README.md says what a boot does then."]],
  ["system", ["The release with which the host was first installed: it stays when nixpkgs moves on."]],
]);

function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > 96) {
      lines.push(line);
      line = " ";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
