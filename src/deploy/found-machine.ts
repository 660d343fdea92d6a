/** A machine that runs something else, as it says itself: whether the installer of a host can run in its memory. */
import { UserError } from "../errors.ts";
import { formatSize, MIB } from "../layout/size.ts";
import type { HostPlan } from "../plan/host.ts";
import { requiredBytes } from "../plan/layout-problems.ts";

export interface FoundMachine {
  /** What runs there, for people: `Debian GNU/Linux 13 (trixie)`. */
  readonly system: string;
  /** The id of its boot. */
  readonly boot: string;
  /** The store path of the closure whose installer runs there already; empty: none does. */
  readonly installer: string;
  readonly disks: readonly FoundDisk[];
  readonly memory: { readonly total: number; readonly available: number };
  /** The port of its ssh server. */
  readonly port: string;
  /** Kernel parameters that name its consoles. */
  readonly consoles: readonly string[];
  /** Names of files with the keys of its ssh server. */
  readonly hostKeys: readonly string[];
  /** What else it said, each name with all its values. */
  readonly said: (name: string) => readonly string[];
}

export interface FoundDisk {
  readonly path: string;
  readonly size: number;
  readonly model: string | null;
  readonly readOnly: boolean;
  /** What it holds, each on a line. */
  readonly contents: readonly string[];
  /** What stays the same when another kernel gives it another name. */
  readonly identity: string;
}

interface LsblkDevice {
  readonly path: string;
  readonly type: string;
  readonly size: number | string;
  readonly model: string | null;
  readonly serial: string | null;
  readonly wwn: string | null;
  readonly ro: boolean | string;
  readonly fstype: string | null;
  readonly label: string | null;
  readonly mountpoint: string | null;
  readonly ptuuid: string | null;
  readonly uuid: string | null;
  readonly children?: readonly LsblkDevice[];
}

/** @param text what src/payload/takeover/look.sh prints */
export function readMachine(text: string): FoundMachine {
  const values = Map.groupBy(
    text.split("\n").flatMap((line) => (line.includes("\t") ? [line] : [])),
    (line) => line.slice(0, line.indexOf("\t")),
  );
  const said = (name: string) => (values.get(name) ?? []).map((line) => line.slice(line.indexOf("\t") + 1));
  const one = (name: string) => said(name)[0] ?? "";
  const disks = said("disks").flatMap(readDisks);
  return {
    system: one("system") || "another system",
    boot: one("boot"),
    installer: one("installer"),
    disks: disks.filter(({ type, size }) => type === "disk" && Number(size) > 0).map(foundDisk),
    memory: { total: Number(one("memory")) * 1024, available: Number(one("available")) * 1024 },
    port: one("port"),
    consoles: said("console"),
    hostKeys: said("host-key"),
    said,
  };
}

function readDisks(text: string): readonly LsblkDevice[] {
  try {
    return (JSON.parse(text) as { blockdevices: LsblkDevice[] }).blockdevices;
  } catch {
    throw new UserError("its lsblk lists the disks in a form that nobody knows", [
      "it has to be of util-linux 2.33 or newer",
    ]);
  }
}

function foundDisk(disk: LsblkDevice): FoundDisk {
  const { path, size, model, serial, wwn, ro, ptuuid, uuid } = disk;
  return {
    path,
    size: Number(size),
    model: model?.trim() || null,
    readOnly: ro === true || ro === "1",
    contents: contentsOf(disk),
    identity: JSON.stringify([Number(size), ...[serial, wwn, ptuuid, uuid].map((one) => one?.trim() ?? null)]),
  };
}

function contentsOf({ path, type, size, fstype, label, mountpoint, children = [] }: LsblkDevice): string[] {
  const what = [
    fstype,
    label === null ? null : `labelled ${label}`,
    mountpoint === null ? null : `mounted on ${mountpoint}`,
  ];
  const own = what.filter((one) => one !== null);
  const line =
    own.length > 0 || type !== "disk" ? [`${path} (${formatSize(Number(size))}): ${own.join(", ") || type}`] : [];
  return [...line, ...children.flatMap(contentsOf)];
}

/** What the installer of a host needs. */
export interface InstallerNeeds {
  readonly plan: HostPlan;
  /** The kernel modules that the host has, `-` and `_` being one. */
  readonly modules: ReadonlySet<string>;
  /** What its closure takes in memory, and on the way there, in bytes. */
  readonly unpacked: number;
  readonly packed: number;
}

/** Why the installer cannot run there: nothing has been changed yet. `null`: it can. */
export function machineRefusal(machine: FoundMachine, needs: InstallerNeeds, name: string): UserError | null {
  const { said, memory } = machine;
  const { plan, modules, unpacked, packed } = needs;
  const refuse = (why: string, ...fix: readonly string[]) => new UserError(`${name}: ${why}`, [...fix, STICK]);
  const one = (key: string) => said(key)[0] ?? "";
  if (one("uid") !== "0") return refuse("only root can install a host", "log in as root: --target-host root@ADDRESS");
  const [missing] = said("missing");
  if (missing !== undefined)
    return refuse(`${missing} is not there`, `on Debian: apt-get install ${PACKAGES[missing] ?? missing}`);
  const processor = plan.platform === "x86_64-linux" ? "x86_64" : "aarch64";
  if (one("processor") !== processor)
    return refuse(`its processor is ${one("processor")}, and ${plan.hostName} is for ${plan.platform}`);
  const wants = plan.loader.esps.length > 0 ? ["uefi"] : [];
  const loads = [...wants, ...(plan.loader.biosBoot === null ? [] : ["bios"])];
  if (!loads.includes(one("firmware")))
    return refuse(
      `it was started by ${one("firmware") === "bios" ? "a BIOS" : "UEFI"}, and the layout of ${plan.hostName} is not for that`,
      "choose a layout for it: see docs/install.md, What boots it",
    );
  if (machine.installer === "") {
    if (one("no-kexec") !== "") return refuse("its kernel was built without kexec: it starts no other");
    if (one("kexec-disabled") !== "0")
      return refuse("its kernel starts no other (kexec_load_disabled is 1)", "reboot it");
    if (!["", "none"].includes(one("lockdown")))
      return refuse(
        `its kernel is locked down (${one("lockdown")}), as with Secure Boot, and starts no other`,
        "turn Secure Boot off in its firmware: the host wants that too",
      );
    if (said("keys").length === 0)
      return refuse(
        "root has no authorized_keys, and the installer lets only keys in",
        "put your key there: ssh-copy-id root@ADDRESS",
      );
    if (machine.hostKeys.length === 0) return refuse("it has no ssh keys of its own in /etc/ssh");
    if (!said("carried").includes(one("address")))
      return refuse(
        `${one("address") || "its address"} is not on a network card itself, but on a bridge, a bond, a VLAN or a tunnel`,
        "the installer has the addresses of network cards only",
      );
    const unknown = said("module").find((module) => !modules.has(module.replaceAll("-", "_")));
    if (unknown !== undefined)
      return refuse(
        `its disk or network needs the kernel module ${unknown}, which the kernel of ${plan.hostName} does not have`,
        'choose another: boot.kernelPackage: "linux-image-amd64"',
      );
    // The kernel lets a root in memory have half of what is left beside the archive that it comes from.
    const total = 2 * unpacked + packed + 128 * MIB;
    if (memory.total < total)
      return refuse(`it has ${formatSize(memory.total)} of memory, and the installer needs ${formatSize(total)}`);
    const available = 2 * packed + 64 * MIB;
    if (memory.available < available)
      return refuse(
        `only ${formatSize(memory.available)} of its memory is free, and loading the installer needs ${formatSize(available)}`,
        "stop what uses it",
      );
  }
  return null;
}

const STICK = "otherwise install it from a stick or a rescue system: see docs/install.md";

const PACKAGES: Readonly<Record<string, string>> = { perl: "perl-base", ip: "iproute2", lsblk: "util-linux" };

/** Why the host cannot be put onto a disk. */
export function diskRefusal({ path, size, readOnly, identity }: FoundDisk, { disks }: FoundMachine, plan: HostPlan) {
  const [layout] = plan.disk.disks;
  const needed = layout === undefined ? 0 : requiredBytes(layout);
  if (readOnly) return new UserError(`${path} is read-only`);
  if (size < needed)
    return new UserError(
      `${path} is too small: it has ${formatSize(size)}, and the partitions of ${plan.hostName} need ${formatSize(needed)}`,
    );
  if (disks.filter((disk) => disk.identity === identity).length > 1)
    return new UserError(
      `${path} cannot be told from another disk of the machine by what stays the same in the installer`,
      ["they have the same size and no serial number: give it a partition table first, which has an id"],
    );
  return null;
}

/** A disk in one line: `/dev/vda (8G, QEMU HARDDISK)`. */
export function describeFound({ path, size, model }: FoundDisk): string {
  return `${path} (${[formatSize(size), ...(model === null ? [] : [model])].join(", ")})`;
}
