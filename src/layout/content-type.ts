/** What every type of content can do: one file a type, each with these verbs, all of them pure. */
import type { OptionTree } from "../modules/option.ts";

/** A command that acts on a disk: made here, printed and run elsewhere. */
export interface DiskCommand {
  /** One line for people. */
  readonly does: string;
  readonly program: string;
  readonly args: readonly string[];
  /** What it reads from stdin. */
  readonly input?: string;
  /** A file with a passphrase, which reaches the command without its final line break and stands in no command line. */
  readonly passphrase?: { readonly file: string; readonly as: "stdin" | "PASSWORD" };
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
}

/** A device of the kernel's device mapper: `/dev/mapper/<name>` over `source`. */
export interface Mapping {
  readonly name: string;
  readonly source: string;
}

export interface WantedMapping extends Mapping {
  readonly open: DiskCommand;
  readonly close: DiskCommand;
}

/** A filesystem as the host mounts it. */
export interface MountedFilesystem {
  readonly mountpoint: string;
  readonly label: string;
  readonly fsType: "btrfs" | "ext4" | "vfat";
  readonly subvolume: string | null;
  readonly mountOptions: readonly string[];
  /** Whether the initrd mounts it, before the real root starts. */
  readonly neededForBoot: boolean;
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
  readonly what: string;
  readonly fix: string;
}

/** What creating depends on besides the content itself. */
export interface CreationPlace {
  /** A device to write to: `/dev/vda2`. */
  readonly device: string;
  /** What people call it: the partition's name. */
  readonly name: string;
  /** A folder for mounting a new filesystem for a moment; made and removed by the commands. */
  readonly scratch: string;
  /** Whether a TPM is to be enrolled where a layout asks for that: not for an image, whose machine is another. */
  readonly tpm: boolean;
}

/** One type of content, such as btrfs. `C` is what a layout says of it. */
export interface ContentType<C> {
  /** What can be declared. */
  readonly options: OptionTree;
  /** As blkid(8) names it, when it has been created whole: its label is written last. */
  readonly signature: (content: C) => string;
  /** The least size, in bytes. */
  readonly minimum: (content: C) => number;
  readonly problems: (content: C) => readonly Problem[];
  /** Debian packages without which a host does not use it. */
  readonly packages: (content: C) => readonly string[];
  /** How it is made; what was there before is forgotten already. */
  readonly create: (content: C, place: CreationPlace) => readonly DiskCommand[];
  /** What is opened before anything is mounted, and closed after all is unmounted. */
  readonly mappings: (content: C, device: string) => readonly WantedMapping[];
  /** What is mounted, below `/`; unmounting is the same backwards. */
  readonly mounts: (content: C, device: string) => readonly WantedMount[];
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

/** What keeps a name from being one, in a partition table, in /dev/disk/by-label and in fstab, unescaped. */
export function nameProblems(what: string, name: string, limit: number, length: number): readonly Problem[] {
  if (name === "") return [{ what: `${what} is missing`, fix: "give it one, of letters and digits" }];
  if (!/^[\w@.+:=-]+$/.test(name)) {
    return [
      { what: `${what} ${JSON.stringify(name)} has other characters`, fix: "use letters, digits and @._+:=- only" },
    ];
  }
  if (length <= limit) return [];
  return [
    { what: `${what} ${JSON.stringify(name)} has ${length} characters`, fix: `at most ${limit} fit: shorten it` },
  ];
}

export function labelProblems(type: string, label: string, limit: number): readonly Problem[] {
  // Labels are counted in bytes, but other characters than those of one byte are refused anyway.
  return nameProblems(`the ${type} label`, label, limit, label.length);
}
