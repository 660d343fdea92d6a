/** What a host's initrd, and its pruning later, are made of: this folder's files, as far as the plan needs them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../modules/errors.ts";
import { linkedFiles } from "../plan/activation.ts";
import type { BootMount } from "../plan/boot.ts";
import { type FilePlan, symlink, textFile } from "../plan/files.ts";
import type { HostPlan } from "../plan/host.ts";
import { unitText } from "../plan/units.ts";

/** Units, scripts and their parameters, by absolute path in the initrd. @throws UserError for a plan that cannot boot */
export function initrdFiles(plan: HostPlan): readonly FilePlan[] {
  return [
    ...scripts(
      "/usr/lib/nixfleet",
      "report.sh",
      "ids.sh",
      "shipped.sh",
      "links.sh",
      "replaced-files.sh",
      "activate.sh",
    ),
    conf("/etc/nixfleet/activate.conf", {
      MACHINE_ID: machineIdSource(plan),
      ID_MAPS: sourceOf(plan, "/var/lib/nixos"),
      KEYS: plan.persistence.keys.map(({ user, path }) => `${user} ${path}`).join("\n"),
      ROOT_DEVICE: plan.wipe === null ? "" : (mountAt(plan, "/")?.device ?? ""),
      STATE: `${plan.persistence.persistRoot}/.nixfleet`,
    }),
    unitFile("nixfleet-activate.service"),
    // What these begin once the root is there must find it complete, and must not begin without.
    ...["initrd-fs.target", "initrd-parse-etc.service", "initrd-cleanup.service"].map((unit) =>
      relation(unit, "requires", "nixfleet-activate.service"),
    ),
    ...plan.boot.mounts.filter(({ mountpoint }) => mountpoint !== "/").flatMap(mountFiles),
    ...(plan.boot.initrdKernelModules.length === 0
      ? []
      : [textFile("/etc/modules-load.d/nixfleet.conf", plan.boot.initrdKernelModules)]),
    ...(plan.boot.crypttab.length === 0 ? [] : [textFile("/etc/crypttab", plan.boot.crypttab)]),
    ...wipeFiles(plan),
    ...installerRules(plan),
  ];
}

/** For the pristine root: what goes on with the work on the running host. Paths on the host. */
export function continuationFiles(plan: HostPlan): readonly FilePlan[] {
  return [...pruneFiles(plan), ...machineIdFiles(plan), ...linkedFilesList(plan), ...installerRules(plan)];
}

/** What the next boot has to know of this root: its links that a program may have replaced. */
function linkedFilesList({ persistence }: HostPlan): readonly FilePlan[] {
  return [{ kind: "text", path: "/etc/nixfleet/files.list", text: linkedFiles(persistence), mode: "0644" }];
}

/** A disk that installs its host has nothing to do with what that machine's own disk holds. */
function installerRules({ loader }: HostPlan): readonly FilePlan[] {
  if (loader.esp === null && loader.biosBoot === null) return [];
  return [textFile("/etc/udev/rules.d/90-nixfleet-installer.rules", [readStatic("installer.rules").trimEnd()])];
}

/** They prune what the wipe leaves. */
function pruneFiles(plan: HostPlan): readonly FilePlan[] {
  const parameters = wipeParameters(plan);
  if (parameters === null) return [];
  return [
    ...scripts("/etc/nixfleet", "report.sh", "filesystem.sh", "old-roots.sh", "prune.sh"),
    conf("/etc/nixfleet/wipe.conf", parameters),
    unitFile("nixfleet-prune.service"),
    relation("multi-user.target", "wants", "nixfleet-prune.service"),
  ];
}

/** A unit of Debian's takes a bound /etc/machine-id for a temporary one, and would fail. */
function machineIdFiles(plan: HostPlan): readonly FilePlan[] {
  return machineIdSource(plan) === "" ? [] : [symlink(`${UNITS}/systemd-machine-id-commit.service`, "/dev/null")];
}

/** The script that `nixfleet wipe` runs, with a file of `scriptParameters` as its argument. */
export const WIPE_SCRIPT: string = join(import.meta.dirname, "wipe.sh");

/** Lines of NAME='value', which the scripts source. @throws UserError for a name that no shell has */
export function scriptParameters(parameters: Readonly<Record<string, string | number>>): string {
  return Object.entries(parameters)
    .map(([name, value]) => {
      if (!/^[A-Z][A-Z_]*$/.test(name)) throw new UserError(`${JSON.stringify(name)} is not the name of a parameter`);
      return `${name}='${String(value).replaceAll("'", "'\\''")}'\n`;
    })
    .join("");
}

const UNITS = "/etc/systemd/system";

function wipeFiles(plan: HostPlan): FilePlan[] {
  const parameters = wipeParameters(plan);
  if (plan.wipe === null || parameters === null) return [];
  return [
    ...scripts("/usr/lib/nixfleet", "filesystem.sh", "old-roots.sh", "wipe.sh"),
    conf("/etc/nixfleet/wipe.conf", {
      ...parameters,
      LABEL_LINK: mountAt(plan, "/")?.device ?? "",
      KERNEL_COMMAND_LINE: "/proc/cmdline",
      NIX_SUBVOLUME: subvolumeAt(plan, "/nix"),
    }),
    unitFile("nixfleet-wipe.service"),
    ...(plan.wipe.onFailure === "halt"
      ? [
          relation("sysroot.mount", "requires", "nixfleet-wipe.service"),
          textFile(`${UNITS}/nixfleet-wipe.service.d/halt.conf`, [readStatic("nixfleet-wipe-halt.conf").trimEnd()]),
        ]
      : [relation("sysroot.mount", "wants", "nixfleet-wipe.service")]),
  ];
}

function wipeParameters({ wipe }: HostPlan): Readonly<Record<string, string | number>> | null {
  if (wipe === null) return null;
  return {
    LABEL: wipe.label,
    RETENTION_DAYS: wipe.retentionDays,
    KEEP_NEWEST: wipe.keepNewest,
    ON_FAILURE: wipe.onFailure,
  };
}

/** Empty where it is not persisted. */
function machineIdSource({ persistence }: HostPlan): string {
  return persistence.entries.find(({ path }) => path === "/etc/machine-id")?.source ?? "";
}

/** Where a path below an entry has its data; empty where it is not persisted. */
function sourceOf({ persistence }: HostPlan, path: string): string {
  const entry = persistence.entries.findLast((one) => one.path === path || path.startsWith(`${one.path}/`));
  return entry === undefined ? "" : `${entry.persistRoot}${path}`;
}

/** `@nix`, without which the wipe could not find the pristine root. */
function subvolumeAt(plan: HostPlan, mountpoint: string): string {
  const subvolume = mountAt(plan, mountpoint)?.options.findLast((option) => option.startsWith("subvol="));
  if (subvolume === undefined) {
    throw new UserError(`an ephemeral root wants a btrfs subvolume mounted at ${mountpoint} during boot`, [
      "use diskoTemplates.btrfsImpermanence, or give the disk layout such a subvolume",
    ]);
  }
  return subvolume.slice("subvol=".length).replace(/^\/+/, "");
}

function mountAt({ boot }: HostPlan, mountpoint: string): BootMount | undefined {
  return boot.mounts.find((mount) => mount.mountpoint === mountpoint);
}

/** A filesystem that activation needs: where it cannot be mounted, nothing is activated. */
function mountFiles({ mountpoint, device, fsType, options }: BootMount): FilePlan[] {
  const name = `${escapeUnitName(`sysroot${mountpoint}`)}.mount`;
  const escaped = (text: string) => text.replaceAll("%", "%%");
  return [
    textFile(`${UNITS}/${name}`, [
      unitText({
        Unit: { DefaultDependencies: "no", Before: "nixfleet-activate.service" },
        Mount: {
          What: escaped(device),
          Where: escaped(`/sysroot${mountpoint}`),
          Type: fsType,
          Options: escaped(options.join(",")),
        },
      }).trimEnd(),
    ]),
    relation("nixfleet-activate.service", "requires", name),
  ];
}

/** As systemd-escape(1) `--path` does: `sysroot/var/my-lib` → `sysroot-var-my\x2dlib`. */
function escapeUnitName(path: string): string {
  return [...Buffer.from(path)]
    .map((byte, index) => {
      const character = String.fromCharCode(byte);
      if (character === "/") return "-";
      if (/[A-Za-z0-9:_]/.test(character) || (character === "." && index > 0)) return character;
      return `\\x${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");
}

function scripts(folder: string, ...names: readonly string[]): FilePlan[] {
  return names.map((name) => ({ kind: "text", path: `${folder}/${name}`, text: readStatic(name), mode: "0755" }));
}

function conf(path: string, parameters: Readonly<Record<string, string | number>>): FilePlan {
  return { kind: "text", path, text: scriptParameters(parameters), mode: "0644" };
}

function unitFile(name: string): FilePlan {
  return { kind: "text", path: `${UNITS}/${name}`, text: readStatic(name), mode: "0644" };
}

function relation(unit: string, kind: "wants" | "requires", needed: string): FilePlan {
  return symlink(`${UNITS}/${unit}.${kind}/${needed}`, `../${needed}`);
}

function readStatic(name: string): string {
  return readFileSync(join(import.meta.dirname, name), "utf8");
}
