/** What every type of content can do: one file a type, each with these verbs, all of them pure. */

import { fnv } from "../fnv.ts";
import type { OptionTree } from "../modules/option.ts";

/** A command that acts on a disk: made here, printed and run elsewhere. */
export interface DiskCommand {
  /** One line for people. */
  readonly does: string;
  readonly program: string;
  readonly args: readonly string[];
  /** What it reads from stdin. */
  readonly input?: string;
  /** It stands in no command line. */
  readonly passphrase?: Passphrase;
}

export interface Passphrase {
  /** The text of a file, without its final line break; `null`: a person is asked for it. */
  readonly file: string | null;
  /** What it opens: `crypted`. */
  readonly of: string;
  readonly as: "stdin" | "PASSWORD";
}

export interface Mount {
  readonly target: string;
  /** `/dev/vda2` */
  readonly source: string;
  /** Which part of the filesystem: `/`, or `/@root` for that subvolume. */
  readonly fsRoot: string;
}

export interface WantedMount extends Mount {
  readonly fsType: string;
  readonly options: readonly string[];
  /** Further devices of the filesystem: the kernel may name any of them as its source. */
  readonly others: readonly string[];
}

/** A partition of a layout, by the names of its disk and its own. */
export interface PartitionRef {
  readonly disk: string;
  readonly partition: string;
}

/** What is written to and mounted from: the device of the partition, or what it is opened as. */
export type DeviceOf = (ref: PartitionRef) => string;

/** What is open: `/dev/mapper/NAME` of a luks, `/dev/md/NAME` of an array, the volume group NAME. */
export interface Mapping {
  readonly kind: "luks" | "array" | "group";
  readonly name: string;
  /** The devices below it. */
  readonly sources: readonly string[];
}

export interface WantedMapping extends Pick<Mapping, "kind" | "name"> {
  readonly source: string;
  readonly open: DiskCommand;
  readonly close: DiskCommand;
}

export type FilesystemType = "btrfs" | "ext2" | "ext3" | "ext4" | "f2fs" | "vfat" | "xfs";

/** A filesystem as the host mounts it. */
export interface MountedFilesystem {
  readonly mountpoint: string;
  readonly label: string;
  readonly fsType: FilesystemType;
  readonly subvolume: string | null;
  readonly mountOptions: readonly string[];
  /** Whether the initrd mounts it, before the real root starts. */
  readonly neededForBoot: boolean;
  /** Where else it is, if it is on several devices. */
  readonly members: readonly PartitionRef[];
}

/** Swap as the host uses it. */
export interface UsedSwap {
  /** `/dev/disk/by-label/swap`, or a file on the running host. */
  readonly source: string;
  /** Of swapon(8), as in fstab(5). */
  readonly options: readonly string[];
  /** Whether the initrd looks there for a hibernated system. */
  readonly resume: boolean;
}

/** What is wrong with a declaration, and what to do about it. */
export interface Problem {
  /** Which option it is about, from where the content or the partition is declared: `size`, `settings.keyFile`. */
  readonly option?: string;
  readonly what: string;
  readonly fix: string;
  /** Where it is declared, if not in the partition: `option` goes on from there. */
  readonly at?: DeclaredAt;
}

export interface DeclaredAt {
  /** `disko.devices.mdadm.raid1` */
  readonly path: string;
  readonly declaredAt: readonly string[];
}

/** Of whichever type. */
export interface AnyContent {
  readonly kind: string;
}

/** Content inside of other content. */
export interface Held<C> {
  readonly content: C;
  /** `/dev/mapper/crypted` */
  readonly device: string;
  /** What people call it. */
  readonly name: string;
  /** Where it is declared, from where the content around it is: `content`. `null`: its problems are found elsewhere. */
  readonly option: string | null;
}

/** What creating depends on besides the content itself. */
export interface CreationPlace {
  /** A device to write to: `/dev/vda2`. */
  readonly device: string;
  /** What people call it: the partition's name. */
  readonly name: string;
  /** Of its further devices. */
  readonly deviceOf: DeviceOf;
  /** A folder for mounting a new filesystem for a moment; made and removed by the commands. */
  readonly scratch: string;
  /** Waits for udev, where it runs. */
  readonly settle: readonly DiskCommand[];
  /** Lets the kernel, and udev, know of the partitions on a device. */
  readonly announce: (device: string) => readonly DiskCommand[];
  /** Whether a TPM is to be enrolled where a layout asks for that: not for an image, whose machine is another. */
  readonly tpm: boolean;
}

/** One type of content, such as btrfs, without what it holds. `C` is what a layout says of it. */
/** What the host does with a content that it neither mounts nor swaps to. */
export const NOT_USED = { mounts: () => [], filesystems: () => [], swaps: () => [] } as const;

/** A content that somebody else makes: in its own place nothing is done. */
export const MADE_ELSEWHERE = { ...NOT_USED, packages: () => [], create: () => [], mappings: () => [] } as const;

export interface ContentType<C> {
  /** What can be declared. */
  readonly options: OptionTree;
  /** As blkid(8) names it, when it has been created whole: its label is written last. `null`: there is nothing to find. */
  readonly signature: (content: C) => string | null;
  /** The least size, in bytes. */
  readonly minimum: (content: C) => number;
  readonly problems: (content: C) => readonly Problem[];
  /** Debian packages without which a host does not use it. */
  readonly packages: (content: C) => readonly string[];
  /** How it is made; what was there before is forgotten already. */
  readonly create: (content: C, place: CreationPlace) => readonly DiskCommand[];
  /** After what it holds is made, if it holds something. */
  readonly finish?: (content: C, place: CreationPlace) => readonly DiskCommand[];
  /** What is opened before anything is mounted, and closed after all is unmounted. */
  readonly mappings: (content: C, device: string, deviceOf: DeviceOf) => readonly WantedMapping[];
  /** What is mounted, below `/`; unmounting is the same backwards. */
  readonly mounts: (content: C, device: string, deviceOf: DeviceOf) => readonly WantedMount[];
  /** What the host mounts. */
  readonly filesystems: (content: C) => readonly MountedFilesystem[];
  /** What the host swaps to. */
  readonly swaps: (content: C) => readonly UsedSwap[];
  readonly describe: (content: C) => readonly ContentRow[];
}

/** A line of the table that `nixfleet plan` prints. */
export interface ContentRow {
  readonly holds: string;
  readonly mountpoint: string;
  readonly options: readonly string[];
}

export function command(does: string, program: string, args: readonly string[]): DiskCommand {
  return { does, program, args };
}

export function byLabel(label: string): string {
  return `/dev/disk/by-label/${label}`;
}

/** What keeps a name from being one, in /dev/disk/by-label and in fstab, unescaped. */
export function nameProblems(option: string, what: string, name: string, limit: number): readonly Problem[] {
  if (name === "") return [{ option, what: `${what} is missing`, fix: "give it one, of letters and digits" }];
  if (!PLAIN.test(name)) {
    const fix = "use letters, digits and @._+:=- only";
    return [{ option, what: `${what} ${JSON.stringify(name)} has characters that are not allowed`, fix }];
  }
  if (name.length <= limit) return [];
  const fix = `at most ${limit} fit: shorten it`;
  return [{ option, what: `${what} ${JSON.stringify(name)} has ${name.length} characters`, fix }];
}

export function labelProblems(type: string, label: string, limit: number): readonly Problem[] {
  // Labels are counted in bytes, but other characters than those of one byte are refused anyway.
  return nameProblems("label", `the ${type} label`, label, limit);
}

/** A label for who declared none: the name of the partition, or what fits of it and 4 digits that tell it from others. */
export function labelFrom(name: string, limit: number, allowed: RegExp = PLAIN): string {
  if (name === "" || (allowed.test(name) && name.length <= limit)) return name;
  const plain = [...name].map((character) => (allowed.test(character) ? character : "_")).join("");
  return `${plain.slice(0, limit - 5)}-${digits(name)}`;
}

const PLAIN = /^[\w@.+:=-]+$/;

/** Four of them, in hexadecimal. */
function digits(name: string): string {
  return (fnv(name) & 0xffff).toString(16).padStart(4, "0");
}
