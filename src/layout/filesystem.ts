/** The content `filesystem`: vfat or ext4. */
import { listOf } from "../modules/collections.ts";
import { UserError } from "../modules/errors.ts";
import { type ConfigOf, mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { type ContentType, command, labelProblems } from "./content-type.ts";
import { MIB } from "./size.ts";

export interface FilesystemContent {
  readonly kind: "filesystem";
  readonly format: "vfat" | "ext4";
  readonly label: string;
  /** `null`: made, but not mounted. */
  readonly mountpoint: string | null;
  readonly mountOptions: readonly string[];
  readonly neededForBoot: boolean;
}

/** What everything that can be mounted declares. */
export const mountingOptions = {
  mountpoint: mkOption({
    type: types.nullOr(types.absolutePath),
    default: null,
    description: "Where it is mounted; null: nowhere.",
  }),
  mountOptions: mkOption({
    type: listOf(types.strMatching(/[^\s,]+/, "one mount option, without commas or spaces")),
    default: [],
    example: ["noatime"],
    description: "Options of mount(8).",
  }),
  neededForBoot: mkOption({
    type: types.bool,
    default: ({ config, self }) =>
      self.mountpoint === "/" ||
      self.mountpoint === "/nix" ||
      [config.environment, config.home].some(({ persistence }) => Object.hasOwn(persistence, self.mountpoint ?? "")),
    defaultText: "true for /, /nix and persist roots",
    description: "Whether the initrd mounts it, before the real root starts.",
  }),
} as const;

export const labelOption = mkOption({
  type: types.nullOr(types.str),
  default: null,
  description: "The label, by which the host finds it; null: the partition's name. In a `luks` it has to be given.",
});

const options = {
  format: mkOption({
    type: types.nullOr(types.enum(["vfat", "ext4"])),
    default: null,
    description: "The format of a `filesystem`: vfat for an ESP, ext4 for Linux.",
  }),
  label: labelOption,
  ...mountingOptions,
} as const;

export const filesystem: ContentType<FilesystemContent> & { readonly options: typeof options } = {
  options,
  signature: ({ format }) => format,
  // The ESP holds a kernel and an initrd, at least; mkfs.ext4 makes a journal from 8 MiB on.
  minimum: ({ format }) => (format === "vfat" ? 64 : 16) * MIB,
  problems: ({ format, label }) => [
    ...labelProblems(format, label, format === "vfat" ? VFAT_LABEL : EXT4_LABEL),
    ...(format === "vfat" && /[.+:=]/.test(label)
      ? [{ what: `the vfat label ${label} has other characters than vfat can have`, fix: "leave out . + : and =" }]
      : []),
  ],
  packages: ({ format }) => (format === "ext4" ? ["e2fsprogs"] : []),
  create: ({ format, label }, { device, name }) => [
    format === "vfat"
      ? // Firmware may read only FAT32 from an ESP, and mkfs.vfat makes FAT16 of small ones.
        command(`format ${name} as vfat`, "mkfs.vfat", ["-F", "32", "-n", label, device])
      : command(`format ${name} as ext4`, "mkfs.ext4", ["-q", "-F", "-L", label, "--", device]),
  ],
  mappings: () => [],
  mounts: ({ format, mountpoint, mountOptions }, source) =>
    mountpoint === null ? [] : [{ target: mountpoint, source, fsRoot: "/", fsType: format, options: mountOptions }],
  filesystems: ({ format, label, mountpoint, mountOptions, neededForBoot }) =>
    mountpoint === null ? [] : [{ mountpoint, label, fsType: format, subvolume: null, mountOptions, neededForBoot }],
  swaps: () => [],
  describe: ({ format, label, mountpoint, mountOptions }) => [
    { holds: `${format} ${label}`, mountpoint: mountpoint ?? "-", options: mountOptions },
  ],
};

export function filesystemContent(declared: ConfigOf<typeof options>, label: string): FilesystemContent {
  const { format, mountpoint, mountOptions, neededForBoot } = declared;
  if (format === null) throw new UserError("a filesystem wants a format", ['add format: "vfat" or format: "ext4"']);
  return { kind: "filesystem", format, label, mountpoint, mountOptions, neededForBoot };
}

const VFAT_LABEL = 11;
const EXT4_LABEL = 16;
