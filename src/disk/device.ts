/** What a block device is and holds, found out without changing it. */
import { constants } from "node:fs";
import { open, readFile, realpath, stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Mapping } from "../layout/content-type.ts";
import { formatSize } from "../layout/size.ts";
import { never } from "../machine/interruption.ts";
import { CommandError, run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";

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
  return `${path} (${[formatSize(size), ...(model === null ? [] : [model])].join(", ")})`;
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
    ({ path, size, model }) => `  ${path} ${formatSize(size)}${model ? ` ${model.trim()}` : ""}`,
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

/** The encrypted devices that are open on this machine. Undoing needs to know them, so asking is not interruptible. */
export async function openMappings(): Promise<readonly Mapping[]> {
  const below = ({ path, children = [] }: LsblkDevice): Mapping[] =>
    children.flatMap((child) => [
      ...(child.type === "crypt" ? [{ name: child.path.replace("/dev/mapper/", ""), source: path }] : []),
      ...below(child),
    ]);
  return (await lsblkTree([], never)).flatMap(below);
}

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
    ...mounts.map((it) => (it === "[SWAP]" ? `${path} is swap space in use` : `${path} is mounted on ${it}`)),
    ...children.flatMap((child) => [
      ...(child.type === "part" ? [] : [`${path} is part of ${child.path} (${child.type})`]),
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
      readonly name?: string;
    }[];
  };
}

export interface Partition {
  /** In bytes, as its size. */
  readonly start: number;
  readonly size: number;
  readonly type: string;
  readonly name: string;
}

/** Read from the disk itself: the kernel may not know its partitions. `null`: there is no table, or it is damaged. */
export async function partitionTable(path: string): Promise<readonly Partition[] | null> {
  const stdout = await run("sfdisk", ["--json", "--", path]).catch((error: unknown) => {
    if (error instanceof CommandError) return null;
    throw error;
  });
  if (stdout === null) return null;
  const { sectorsize = 512, partitions: found = [] } = (JSON.parse(stdout) as Sfdisk).partitiontable;
  return found.map(({ start, size, type, name = "" }) => ({
    start: start * sectorsize,
    size: size * sectorsize,
    type,
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
      return `partition ${partition.name || index + 1} (${formatSize(partition.size)}): ${holds}`;
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
