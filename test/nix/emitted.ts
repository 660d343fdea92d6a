/** An emitted flake, evaluated: what its hosts have, of the options that stand in a plan. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { EmittedFile } from "../../src/emit/nixos/flake.ts";
import { NIX_TESTS, type Nix } from "./nix.ts";

const owned = { user: z.string(), group: z.string(), mode: z.string() };
const strings = z.array(z.string());

const preserved = z.object({
  ...owned,
  how: z.enum(["bindmount", "symlink", "_intermediate"]),
  configureParent: z.boolean(),
  createLinkTarget: z.boolean(),
  inInitrd: z.boolean(),
  mountOptions: strings,
});
const impermanent = {
  directories: z.array(z.object({ ...owned, directory: z.string(), hideMount: z.boolean(), allowTrash: z.boolean() })),
  files: z.array(z.object({ file: z.string(), method: z.enum(["auto", "symlink"]), parentDirectory: z.object(owned) })),
};

const host = z.object({
  failed: strings,
  networking: z.object({ hostName: z.string(), useDHCP: z.boolean() }),
  time: z.object({ timeZone: z.string() }),
  i18n: z.object({ defaultLocale: z.string() }),
  console: z.object({ keyMap: z.string() }),
  nixpkgs: z.object({ hostPlatform: z.string() }),
  fileSystems: z.record(
    z.string(),
    z.object({ device: z.string(), fsType: z.string(), options: strings, neededForBoot: z.boolean() }),
  ),
  swapDevices: z.array(z.object({ device: z.string() })),
  boot: z.object({
    kernelParams: strings,
    kernelModules: strings,
    resumeDevice: z.string(),
    kernel: z.object({ sysctl: z.record(z.string(), z.unknown()) }),
    initrd: z.object({
      systemd: z.object({ enable: z.boolean(), emergencyAccess: z.union([z.boolean(), z.string()]) }),
      luks: z.object({ devices: z.record(z.string(), z.unknown()) }),
    }),
    loader: z.object({ timeout: z.number(), "systemd-boot": z.object({ configurationLimit: z.number() }) }),
  }),
  nixfleet: z.object({
    wipe: z.object({
      enable: z.boolean(),
      device: z.string(),
      retentionDays: z.number(),
      keepNewest: z.number(),
      onFailure: z.string(),
    }),
  }),
  users: z.object({
    mutableUsers: z.boolean(),
    users: z.record(
      z.string(),
      z.object({
        isNormalUser: z.boolean(),
        isSystemUser: z.boolean(),
        uid: z.number().nullable(),
        group: z.string(),
        extraGroups: strings,
        description: z.string(),
        home: z.string(),
        shell: z.string().nullable(),
        hashedPasswordFile: z.string().nullable(),
        openssh: z.object({ authorizedKeys: z.object({ keys: strings }) }),
      }),
    ),
    groups: z.record(z.string(), z.object({ gid: z.number().nullable() })),
  }),
  preservation: z
    .object({
      enable: z.boolean(),
      preserveAt: z.record(
        z.string(),
        z.object({
          directories: z.array(preserved.extend({ directory: z.string() })),
          files: z.array(preserved.extend({ file: z.string() })),
        }),
      ),
    })
    .optional(),
  environment: z.object({
    systemPackages: strings,
    etc: z.record(
      z.string(),
      z.object({ text: z.string().nullable(), source: z.string().nullable(), mode: z.string() }),
    ),
    persistence: z
      .record(z.string(), z.object({ ...impermanent, users: z.record(z.string(), z.object(impermanent)) }))
      .optional(),
  }),
  services: z.record(z.string(), z.unknown()),
  virtualisation: z.record(z.string(), z.unknown()),
  systemd: z.object({
    suppressedSystemUnits: strings,
    services: z.record(z.string(), z.looseObject({ after: strings, environment: z.record(z.string(), z.string()) })),
    units: z.record(z.string(), z.object({ text: z.string().nullable(), wantedBy: strings })),
  }),
});

export type EmittedHost = z.infer<typeof host>;

/** The hosts of the flake in the folder, each file parsed and all of it evaluated strictly. */
export async function evaluatedHosts(
  { evaluate, parse }: Nix,
  folder: string,
  files: readonly EmittedFile[],
): Promise<ReadonlyMap<string, EmittedHost>> {
  for (const { path } of files) await parse(join(folder, path));
  const packages = packagesIn(folder, files);
  const value = await evaluate(
    `import ${join(NIX_TESTS, "fleet.nix")} { folder = ${folder}; packages = [ ${packages} ]; }`,
  );
  return new Map(Object.entries(z.record(z.string(), host).parse(value)));
}

/** For the stub of nixpkgs: what these files take from it, as a list of Nix. */
export function packagesIn(folder: string, files: readonly EmittedFile[]): string {
  const named = new Set(["bash", "btrfs-progs", "coreutils", "gnused", "util-linux"]);
  for (const { path } of files) {
    for (const [, name = ""] of readFileSync(join(folder, path), "utf8").matchAll(/\bpkgs\.([\w-]+)/g)) named.add(name);
  }
  return [...named].map((name) => JSON.stringify(name)).join(" ");
}
