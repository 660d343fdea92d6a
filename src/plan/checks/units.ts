/** Units that systemd would not take, or never start. */

import type { ValuePath } from "../../modules/defined-at.ts";
import { nearestName } from "../../modules/errors.ts";
import type { SystemConfig } from "../../system/options.ts";
import type { UnitSetting } from "../../system/systemd.ts";
import type { PlanProblem } from "../problem.ts";

export function unitNameProblems({ systemd: { services, units } }: SystemConfig): PlanProblem[] {
  const wrong = (name: string, option: string, fix: string): PlanProblem[] => {
    if (/^[A-Za-z0-9:_.\\@-]+\.[a-z]+$/.test(name)) return [];
    const key = option === "services" ? name.replace(/\.service$/, "") : name;
    return [
      { what: `${JSON.stringify(key)} is not the name of a unit`, at: [], fix, option: ["systemd", option, key] },
    ];
  };
  return [
    ...Object.keys(services).flatMap((name) =>
      wrong(`${name}.service`, "services", "write letters, digits and :_.\\@- only"),
    ),
    ...Object.keys(units).flatMap((name) => wrong(name, "units", "write it with its ending, such as backup.timer")),
  ];
}

/** systemd refuses a service with nothing to run, or with a user that the host does not have. */
export function serviceProblems({ systemd, users }: SystemConfig): PlanProblem[] {
  const names = new Set([
    "root",
    "nobody",
    ...Object.values(users.users).map(({ name }) => name),
    ...users.packageUsers,
  ]);
  const groups = new Set([
    "root",
    ...names,
    ...Object.keys(users.groups),
    ...Object.values(users.users).map(({ group }) => group),
    ...users.packageGroups,
  ]);
  return Object.entries(systemd.services).flatMap(([service, { enable, serviceConfig, unitConfig }]): PlanProblem[] => {
    if (!enable) return [];
    const option = ["systemd", "services", service, "serviceConfig"];
    const runs = ["ExecStart", "ExecStop"].some((key) => wordsOf(serviceConfig[key]).some((one) => one.trim() !== ""));
    const isDynamic = isYes(serviceConfig.DynamicUser);
    return [
      ...(runs || unitConfig.SuccessAction !== undefined
        ? []
        : [problem(`systemd.services.${service}: it has nothing to run`, "give it serviceConfig.ExecStart", option)]),
      ...(isDynamic ? [] : stranger(serviceConfig.User, names, "user", [...option, "User"])),
      ...(isDynamic ? [] : stranger(serviceConfig.Group, groups, "group", [...option, "Group"])),
    ];
  });
}

function stranger(
  setting: UnitSetting | undefined,
  known: ReadonlySet<string>,
  what: "user" | "group",
  option: readonly string[],
): PlanProblem[] {
  // Of several the last one counts; with a specifier it is known only on the host.
  const name = wordsOf(setting).at(-1) ?? "";
  if (name === "" || /^\d+$|%/.test(name) || known.has(name)) return [];
  const nearest = nearestName(name, known);
  const [, , service] = option;
  const add = `if a package makes it, add "${name}" to users.package${what === "user" ? "Users" : "Groups"}`;
  const fix = nearest === undefined ? `declare users.${what}s.${name}; ${add}` : `did you mean ${nearest}? ${add}`;
  return [problem(`systemd.services.${service}: the host has no ${what} ${name}`, fix, option)];
}

function wordsOf(setting: UnitSetting | undefined): string[] {
  return [setting ?? []].flat().map(String);
}

function isYes(setting: UnitSetting | undefined): boolean {
  return /^(1|y|yes|t|true|on)$/i.test(wordsOf(setting).at(-1) ?? "");
}

function problem(what: string, fix: string, option: ValuePath): PlanProblem {
  return { what, at: [], fix, option };
}

/** A unit that is wanted by what never starts never starts either. Packages bring targets too, so only a misspelling is certain. */
export function targetProblems({ systemd }: SystemConfig): PlanProblem[] {
  const declared = new Set([...Object.keys(systemd.units), ...TARGETS]);
  const misspelt = (name: string, option: readonly string[], key: string): PlanProblem[] => {
    if (!name.endsWith(".target") || declared.has(name)) return [];
    const nearest = nearestName(
      name.replace(/\.target$/, ""),
      [...declared].map((one) => one.replace(/\.target$/, "")),
    );
    if (nearest === undefined) return [];
    const what = `systemd.${option[1]}.${option[2]}.${key}: systemd has no ${name}`;
    return [problem(what, `did you mean ${nearest}.target?`, [...option, key, { element: name }])];
  };
  const relations = (option: readonly string[], lists: Readonly<Record<string, readonly string[]>>) =>
    Object.entries(lists).flatMap(([key, names]) => names.flatMap((name) => misspelt(name, option, key)));
  return [
    ...Object.entries(systemd.services).flatMap(([name, { wantedBy, requiredBy, after, before, wants, requires }]) =>
      relations(["systemd", "services", name], { wantedBy, requiredBy, after, before, wants, requires }),
    ),
    ...Object.entries(systemd.units).flatMap(([name, { wantedBy, requiredBy }]) =>
      relations(["systemd", "units", name], { wantedBy, requiredBy }),
    ),
  ];
}

/** systemd.special(7). */
const TARGETS = [
  "basic blockdev@ bluetooth boot-complete cryptsetup-pre cryptsetup ctrl-alt-del default emergency exit factory-reset",
  "final first-boot-complete getty-pre getty graphical halt hibernate hybrid-sleep initrd-fs initrd-root-device",
  "initrd-root-fs initrd-switch-root initrd-usr-fs initrd kexec local-fs-pre local-fs machines multi-user network-online",
  "network-pre network nss-lookup nss-user-lookup paths poweroff printer reboot remote-cryptsetup remote-fs-pre remote-fs",
  "remote-veritysetup rescue rpcbind shutdown sigpwr sleep slices smartcard sockets soft-reboot sound ssh-access storage-target-mode",
  "suspend-then-hibernate suspend swap sysinit system-update-pre system-update time-set time-sync timers tpm2 umount usb-gadget",
  "veritysetup-pre veritysetup",
].flatMap((line) => line.split(" ").map((name) => `${name}.target`));
