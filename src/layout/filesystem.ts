/** The content `filesystem`: one that is mounted as a whole. */

import { UserError } from "../errors.ts";
import { listOf } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import type { ConfigOf } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { isWithin } from "../paths.ts";
import { type ContentType, command, labelFrom, labelProblems } from "./content-type.ts";
import { extraArgs, extraArgsOption, extraArgsProblems } from "./extra-args.ts";
import { choice } from "./refused.ts";
import { MIB } from "./size.ts";

export interface FilesystemContent {
  readonly kind: "filesystem";
  readonly format: FilesystemFormat;
  readonly label: string;
  /** `null`: made, but not mounted. */
  readonly mountpoint: string | null;
  readonly mountOptions: readonly string[];
  readonly neededForBoot: boolean;
  /** For the program that formats. */
  readonly extraArgs: readonly string[];
}

export type FilesystemFormat = keyof typeof FORMATS;

interface Format {
  /** The most characters of a label. */
  readonly label: number;
  readonly characters?: RegExp;
  readonly labelFlags: readonly string[];
  /** The least size, in bytes. */
  readonly minimum: number;
  /** Before a label and a device. */
  readonly command: readonly [program: string, ...args: readonly string[]];
  readonly packages: readonly string[];
}

const EXT = { label: 16, labelFlags: ["-L"], minimum: 16 * MIB, packages: ["e2fsprogs"] } as const;

const FORMATS = {
  // The ESP holds a kernel and an initrd, at least. Firmware may read only FAT32 from it, and mkfs.vfat makes FAT16 of
  // small ones.
  vfat: {
    ...{ label: 11, characters: /^[\w@-]+$/, labelFlags: ["-n"], minimum: 64 * MIB },
    ...{ command: ["mkfs.vfat", "-F", "32"], packages: [] },
  },
  // mke2fs makes a journal from 8 MiB on.
  ext2: { ...EXT, command: ["mkfs.ext2", "-q", "-F"] },
  ext3: { ...EXT, command: ["mkfs.ext3", "-q", "-F"] },
  ext4: { ...EXT, command: ["mkfs.ext4", "-q", "-F"] },
  xfs: { label: 12, labelFlags: ["-L"], minimum: 300 * MIB, command: ["mkfs.xfs", "-q", "-f"], packages: ["xfsprogs"] },
  f2fs: {
    ...{ label: 255, labelFlags: ["-l"], minimum: 64 * MIB },
    ...{ command: ["mkfs.f2fs", "-q", "-f"], packages: ["f2fs-tools"] },
  },
} as const satisfies Readonly<Record<string, Format>>;

/** What everything that can be mounted declares. */
export const mountingOptions = {
  mountpoint: mkOption({
    type: types.nullOr(types.absolutePath),
    default: null,
    description: "Where it is mounted. null: nowhere.",
  }),
  mountOptions: mkOption({
    type: listOf(types.strMatching(/[^\s]+/, "mount options, without spaces")),
    default: [],
    example: ["noatime"],
    description: "Options of mount(8).",
  }),
  neededForBoot: mkOption({
    type: types.bool,
    default: ({ config, self }) =>
      ["/", "/nix", "/var/log"].includes(self.mountpoint ?? "") ||
      [config.environment, config.home].some(({ persistence }) => holdsPersistRoot(self.mountpoint, persistence)),
    defaultText: "true for /, /nix, /var/log and what holds a persist root",
    description: "Whether the initrd mounts it, before the host's own systemd starts.",
  }),
} as const;

function holdsPersistRoot(
  mountpoint: string | null,
  persistence: Readonly<Record<string, { readonly enable: boolean; readonly persistentStoragePath: string }>>,
): boolean {
  return Object.values(persistence).some(
    ({ enable, persistentStoragePath: root }) =>
      enable && mountpoint !== null && mountpoint !== "/" && isWithin(root, mountpoint),
  );
}

export const labelOption = mkOption({
  type: types.nullOr(types.str),
  default: null,
  description:
    "The label by which the host finds it. null: the label in `extraArgs`, else the name of the partition or of the `luks`.",
});

const NOT_HERE = "a host's own filesystems must store Linux owners and modes";

const options = {
  format: mkOption({
    type: choice(types.nullOr(types.enum(["vfat", "ext2", "ext3", "ext4", "xfs", "f2fs", "btrfs"])), {
      bcachefs: { why: "Debian has no bcachefs-tools", instead: 'write format: "btrfs"' },
      zfs: { why: "Debian's kernel has no ZFS", instead: 'write format: "btrfs"' },
      ntfs: { why: NOT_HERE, instead: 'write format: "ext4", or "vfat" if other systems must read it' },
      exfat: { why: NOT_HERE, instead: 'write format: "ext4", or "vfat" if other systems must read it' },
      swap: { why: "swap space has its own type", instead: 'write type: "swap" instead of type and format' },
    }),
    default: null,
    description:
      "The format of a `filesystem`: vfat for an ESP; ext4, ext2, ext3, xfs or f2fs for Linux; or btrfs without subvolumes.",
  }),
  label: labelOption,
  extraArgs: extraArgsOption,
  ...mountingOptions,
} as const;

export const filesystem: ContentType<FilesystemContent> & { readonly options: typeof options } = {
  options,
  signature: ({ format }) => format,
  minimum: ({ format }) => FORMATS[format].minimum,
  problems: ({ format, label, extraArgs }) => [
    ...labelProblems(format, label, FORMATS[format].label),
    ...(format === "vfat" && /[.+:=]/.test(label)
      ? [
          {
            option: "label",
            what: `the vfat label ${label} has characters that vfat does not allow`,
            fix: "leave out . + : and =",
          },
        ]
      : []),
    ...extraArgsProblems(extraArgs),
  ],
  packages: ({ format }) => FORMATS[format].packages,
  create: ({ format, label, extraArgs }, { device, name }) => {
    const {
      command: [program, ...args],
      labelFlags: [labelFlag],
    } = FORMATS[format];
    // mkfs.vfat and mkfs.f2fs know no `--`; a device has a name like /dev/vda2.
    return [command(`format ${name} as ${format}`, program, [...args, ...extraArgs, labelFlag, label, device])];
  },
  mappings: () => [],
  mounts: ({ format, mountpoint, mountOptions }, source) =>
    mountpoint === null
      ? []
      : [{ target: mountpoint, source, fsRoot: "/", fsType: format, options: mountOptions, others: [] }],
  filesystems: ({ format, label, mountpoint, mountOptions, neededForBoot }) =>
    mountpoint === null
      ? []
      : [{ mountpoint, label, fsType: format, subvolume: null, mountOptions, neededForBoot, members: [] }],
  swaps: () => [],
  describe: ({ format, label, mountpoint, mountOptions }) => [
    { holds: `${format} ${label}`, mountpoint: mountpoint ?? "-", options: mountOptions },
  ],
};

/** @param name of the partition, or of the `luks` */
export function filesystemContent(
  declared: ConfigOf<typeof options>,
  format: FilesystemFormat,
  name: string,
): FilesystemContent {
  const { mountpoint, neededForBoot } = declared;
  const { label: limit, characters, labelFlags, command } = { characters: undefined, ...FORMATS[format] };
  const args = extraArgs(declared.extraArgs, labelFlags, format === "vfat" ? [] : command.slice(1));
  const label = declared.label ?? args.label ?? labelFrom(name, limit, characters);
  const mountOptions = mountOptionsOf(declared.mountOptions);
  return { kind: "filesystem", format, label, mountpoint, mountOptions, neededForBoot, extraArgs: args.rest };
}

/** @throws UserError for a filesystem without one */
export function formatOf({ format }: Pick<ConfigOf<typeof options>, "format">): FilesystemFormat | "btrfs" {
  if (format !== null) return format;
  throw new UserError("a filesystem needs a format", ['add format: "vfat" or format: "ext4"']);
}

/** One string may hold several of them. */
export function mountOptionsOf(declared: readonly string[]): readonly string[] {
  return declared.flatMap((one) => one.split(",").filter((option) => option !== ""));
}
