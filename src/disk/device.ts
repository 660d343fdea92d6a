/** What a block device is and holds, found out without changing it. */
import { constants } from "node:fs";
import { open, readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import type { Mapping } from "../layout/content-type.ts";
import { formatSize } from "../layout/size.ts";
import { groupOfDevice } from "../layout/volume-group.ts";
import { never } from "../local/interruption.ts";
import { CommandError, run } from "../local/process.ts";
import { visibleName } from "../visible.ts";

export interface BlockDevice {
  /** Its own name, with links resolved: `/dev/vda`. */
  readonly path: string;
  /** As in lsblk(8): `disk`, `part`, `loop` … */
  readonly type: string;
  /** In bytes. */
  readonly size: number;
  readonly model: string | null;
  /** Of all disks that the kernel has seen since it booted, the how-manieth: another disk in its place has another. */
  readonly sequence: string | null;
  readonly readOnly: boolean;
  /** Why it cannot be written to now, each on a line: `/dev/vda1 is mounted on /boot`. */
  readonly uses: readonly string[];
  /** What it holds (not looked at while it is in use), each on a line: `a gpt partition table`, `partition ESP (512M): vfat labelled BOOT`. */
  readonly contents: readonly string[];
}

/**
 * Looks at a block device.
 * @throws UserError when there is none of that name, listing those that there are
 */
export async function inspectDevice(device: string): Promise<BlockDevice> {
  const path = await blockDevicePath(device);
  const found = await lsblk(path);
  if (found === undefined) {
    throw new UserError(`${device} has no medium`, ["it is a block device, but its size is 0", ...(await available())]);
  }
  const inUse = await uses(path, found);
  return {
    path,
    type: found.type,
    size: found.size,
    model: found.model?.trim() || null,
    sequence: await readFile(`/sys/class/block/${basename(path)}/diskseq`, "utf8").catch(() => null),
    readOnly: found.ro,
    uses: inUse,
    contents: inUse.length > 0 ? [] : await contents(path),
  };
}

/** A device in one line: `/dev/vda (8G, QEMU HARDDISK)`. */
export function describeDevice({ path, size, model }: BlockDevice): string {
  return `${path} (${[formatSize(size), ...(model === null ? [] : [visibleName(model)])].join(", ")})`;
}

/** The device node that a name leads to, with links such as those of /dev/disk/by-id resolved. */
async function blockDevicePath(device: string): Promise<string> {
  const path = await realpath(device).catch(() => null);
  if (path === null) throw new UserError(`there is no device ${device}`, await available());
  if ((await stat(path)).isBlockDevice()) return path;
  throw new UserError(`${device} is not a block device`, [
    "to make a disk image in a file, use --image instead of --device",
    ...(await available()),
  ]);
}

async function available(): Promise<string[]> {
  const devices = (await lsblkTree([])).filter(({ type, size }) => (type === "disk" || type === "loop") && size > 0);
  if (devices.length === 0) return ["this machine has no disks"];
  const lines = devices.map(
    ({ path, size, model }) => `  ${path} ${formatSize(size)}${model ? ` ${visibleName(model.trim())}` : ""}`,
  );
  return ["this machine has:", ...lines];
}

interface LsblkDevice {
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly model: string | null;
  readonly ro: boolean;
  readonly mountpoints: readonly (string | null)[];
  readonly children?: readonly LsblkDevice[];
}

/** Nothing for a device without a medium, such as a loop device that no file is attached to. */
async function lsblk(path: string): Promise<LsblkDevice | undefined> {
  const found = await lsblkTree([path]).catch((error: unknown) => {
    // lsblk(8): 32 means that it showed none of the devices.
    if (error instanceof CommandError && error.exitCode === 32) return [];
    throw error;
  });
  return found.find(({ size }) => size > 0);
}

async function lsblkTree(devices: readonly string[], signal?: AbortSignal): Promise<readonly LsblkDevice[]> {
  const columns = "PATH,TYPE,SIZE,MODEL,RO,MOUNTPOINTS";
  const stdout = await run("lsblk", ["--json", "--tree", "--bytes", "--output", columns, ...devices], {
    ...(signal === undefined ? {} : { signal }),
  });
  return (JSON.parse(stdout) as { blockdevices: readonly LsblkDevice[] }).blockdevices;
}

/** What is open on this machine. Undoing needs to know it, so asking is not interruptible. */
export async function openMappings(): Promise<readonly Mapping[]> {
  const own = await arrayNames();
  const found: Mapping[] = [];
  const add = (kind: Mapping["kind"], name: string, sources: readonly string[]) => {
    const index = found.findIndex((one) => one.kind === kind && one.name === name);
    const known = index === -1 ? [] : found.splice(index, 1).flatMap((one) => one.sources);
    found.push({ kind, name, sources: [...new Set([...known, ...sources])] });
  };
  const visit = ({ path, type, children = [] }: LsblkDevice, below: readonly string[]): void => {
    const here = own.get(path) ?? path;
    if (type === "crypt") add("luks", path.replace("/dev/mapper/", ""), below.slice(-1));
    else if (type === "lvm") add("group", groupOfDevice(path), below);
    else if (here.startsWith(ARRAYS) && type !== "part") add("array", here.slice(ARRAYS.length), below.slice(-1));
    for (const child of children) visit(child, [...below, here]);
  };
  for (const device of await lsblkTree([], never)) visit(device, []);
  return found;
}

/** By the kernel's own names those that people gave: `/dev/md127p1` is `/dev/md/raid1p1`. */
export async function arrayNames(): Promise<ReadonlyMap<string, string>> {
  const names = await readdir(ARRAYS).catch(() => []);
  const links = await Promise.all(
    names.map(async (name) => [await realpath(join(ARRAYS, name)).catch(() => ""), join(ARRAYS, name)] as const),
  );
  return new Map(links);
}

const ARRAYS = "/dev/md/";

/** A mount, swap space, or a holder (LUKS, LVM, RAID), here or on anything that is built on the device. */
async function uses(path: string, found: LsblkDevice): Promise<readonly string[]> {
  const known = knownUses(found);
  if (known.length > 0) return known;
  // The kernel knows better than any list: a mount in another namespace shows up only here.
  const busy = await open(path, constants.O_RDONLY | constants.O_EXCL).then(
    async (handle) => {
      await handle.close();
      return false;
    },
    (error: NodeJS.ErrnoException) => {
      if (error.code === "EBUSY") return true;
      throw error;
    },
  );
  return busy ? [`${path} is in use, perhaps mounted in a container`] : [];
}

function knownUses({ path, mountpoints, children = [] }: LsblkDevice): string[] {
  const mounts = mountpoints.filter((mountpoint) => mountpoint !== null);
  return [
    ...mounts.map((it) =>
      it === "[SWAP]" ? `${path} is swap space in use` : `${path} is mounted on ${visibleName(it)}`,
    ),
    ...children.flatMap((child) => [
      ...(child.type === "part" ? [] : [`${path} is part of ${visibleName(child.path)} (${child.type})`]),
      ...knownUses(child),
    ]),
  ];
}

async function contents(path: string): Promise<readonly string[]> {
  const stdout = await run("wipefs", ["--json", "--no-act", "--", path]);
  // Of a device without any, older ones print nothing at all.
  const { signatures } = JSON.parse(stdout || '{"signatures":[]}') as { signatures: readonly { type: string }[] };
  const types = new Set(signatures.map((signature) => signature.type));
  const table = ["gpt", "dos"].find((type) => types.has(type));
  if (table === undefined) return Promise.all([...types].map(() => filesystem(path, null)).slice(0, 1));
  return [`a ${table} partition table`, ...(await partitions(path))];
}

interface Sfdisk {
  readonly partitiontable: {
    readonly label: string;
    readonly sectorsize?: number;
    readonly partitions?: readonly {
      readonly start: number;
      readonly size: number;
      readonly type: string;
      readonly uuid?: string;
      readonly name?: string;
    }[];
  };
}

export interface Partition {
  /** In bytes, as its size. */
  readonly start: number;
  readonly size: number;
  readonly type: string;
  /** Empty where there is none, as in an MBR. */
  readonly uuid: string;
  readonly name: string;
}

/**
 * Read from the disk itself: the kernel may not know its partitions. `null`: there is no table of that kind, or it is damaged.
 * @param kind by default any
 */
export async function partitionTable(path: string, kind?: "gpt" | "dos"): Promise<readonly Partition[] | null> {
  const stdout = await run("sfdisk", ["--json", "--", path]).catch((error: unknown) => {
    if (error instanceof CommandError) return null;
    throw error;
  });
  if (stdout === null) return null;
  const { label, sectorsize = 512, partitions: found = [] } = (JSON.parse(stdout) as Sfdisk).partitiontable;
  if (kind !== undefined && kind !== label) return null;
  return found.map(({ start, size, type, uuid = "", name = "" }) => ({
    start: start * sectorsize,
    size: size * sectorsize,
    type,
    uuid,
    name,
  }));
}

/** As udev has it: in small letters. */
export async function partitionTableId(path: string): Promise<string> {
  return (await filesystemTags(path, null)).get("PTUUID") ?? "";
}

async function partitions(path: string): Promise<readonly string[]> {
  const found = (await partitionTable(path)) ?? []; // of a damaged one, wipefs has named the kind already
  return Promise.all(
    found.map(async (partition, index) => {
      const holds = await filesystem(path, partition);
      return `partition ${visibleName(partition.name) || index + 1} (${formatSize(partition.size)}): ${holds}`;
    }),
  );
}

/** What blkid(8) finds in a range of the device. */
export async function filesystemTags(
  path: string,
  range: Pick<Partition, "start" | "size"> | null,
): Promise<ReadonlyMap<string, string>> {
  const bounds = range === null ? [] : ["--offset", String(range.start), "--size", String(range.size)];
  const args = ["--probe", "--output", "export", ...bounds, "--", path];
  const stdout = await run("blkid", args).catch((error: unknown) => {
    // blkid(8): 2 means that it found nothing, 8 that it found several things.
    if (error instanceof CommandError && (error.exitCode === 2 || error.exitCode === 8)) return "";
    throw error;
  });
  return new Map(stdout.split("\n").map((line) => [line.split("=")[0] ?? "", line.slice(line.indexOf("=") + 1)]));
}

async function filesystem(path: string, range: Pick<Partition, "start" | "size"> | null): Promise<string> {
  const tags = await filesystemTags(path, range);
  const type = tags.get("TYPE");
  const label = tags.get("LABEL");
  return type === undefined ? "data of an unknown kind" : `${type}${label === undefined ? "" : ` labelled ${label}`}`;
}

/** The volume groups of this machine, each with a device of it and its tags. */
export async function volumeGroups(
  ...devices: readonly string[]
): Promise<readonly { readonly device: string; readonly group: string; readonly tags: readonly string[] }[]> {
  const args = ["--reportformat", "json", "--options", "pv_name,vg_name,vg_tags", "--quiet", ...devices];
  const stdout = await run("pvs", args).catch((error: unknown) => {
    if (error instanceof CommandError) return "";
    throw error;
  });
  if (stdout === "") return [];
  const { report } = JSON.parse(stdout) as {
    readonly report: readonly { readonly pv: readonly Readonly<Record<"pv_name" | "vg_name" | "vg_tags", string>>[] }[];
  };
  return report.flatMap(({ pv }) =>
    pv.map(({ pv_name: device, vg_name: group, vg_tags: tags }) => ({ device, group, tags: tags.split(",") })),
  );
}
