/** The content `btrfs`: a btrfs filesystem with subvolumes. */
import { attrsOf, submodule } from "../modules/collections.ts";
import { type ConfigOf, mkOption } from "../modules/option.ts";
import { type ContentType, command, labelProblems, type Problem } from "./content-type.ts";
import { labelOption, mountingOptions } from "./filesystem.ts";
import { formatSize, MIB, parseSize, sizeType } from "./size.ts";

export interface BtrfsContent {
  readonly kind: "btrfs";
  readonly label: string;
  readonly subvolumes: readonly SubvolumeLayout[];
}

export interface SubvolumeLayout {
  /** `@root` */
  readonly name: string;
  /** `null`: made, but not mounted. */
  readonly mountpoint: string | null;
  readonly mountOptions: readonly string[];
  readonly neededForBoot: boolean;
  readonly swap: readonly SwapFile[];
}

/** A file of swap space at the top of a subvolume. */
export interface SwapFile {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
}

const options = {
  label: labelOption,
  subvolumes: mkOption({
    type: attrsOf(
      submodule({
        ...mountingOptions,
        swap: mkOption({
          type: attrsOf(submodule({ size: mkOption({ type: sizeType, description: "The size of the file." }) })),
          default: {},
          example: { swapfile: { size: "4G" } },
          description: "Swap files at the top of the subvolume, by name.",
        }),
      }),
    ),
    default: {},
    description: "The subvolumes of a `btrfs`, by name.",
  }),
} as const;

export const btrfs: ContentType<BtrfsContent> & { readonly options: typeof options } = {
  options,
  signature: () => "btrfs",
  // mkfs.btrfs takes no less than 109 MiB.
  minimum: ({ subvolumes }) =>
    256 * MIB + subvolumes.flatMap(({ swap }) => swap).reduce((sum, { size }) => sum + size, 0),
  problems: ({ label, subvolumes }) => [
    ...labelProblems("btrfs", label, LABEL),
    ...subvolumes.flatMap(subvolumeProblems),
  ],
  packages: () => ["btrfs-progs"],
  create: ({ label, subvolumes }, { device, name, scratch }) => [
    command(`format ${name} as btrfs`, "mkfs.btrfs", ["--quiet", "--force", device]),
    command(`make a folder to reach ${name} by`, "mkdir", ["--parents", "--", scratch]),
    command(`mount all of ${name} there`, "mount", ["-t", "btrfs", "-o", "subvolid=5", "--", device, scratch]),
    ...subvolumes.flatMap((subvolume) => [
      command(`make the subvolume ${subvolume.name}`, "btrfs", ["subvolume", "create", `${scratch}/${subvolume.name}`]),
      ...subvolume.swap.map((file) =>
        command(`make ${formatSize(file.size)} of swap in it`, "btrfs", [
          ...["filesystem", "mkswapfile", "--size", String(file.size)],
          `${scratch}/${subvolume.name}/${file.name}`,
        ]),
      ),
    ]),
    // What has its label is whole.
    command(`label it ${label}`, "btrfs", ["filesystem", "label", scratch, label]),
    command(`unmount ${name} again`, "umount", ["--", scratch]),
    command("remove the folder", "rmdir", ["--", scratch]),
  ],
  mappings: () => [],
  mounts: ({ subvolumes }, source) =>
    subvolumes.flatMap(({ name, mountpoint, mountOptions }) => {
      if (mountpoint === null) return [];
      const options = [`subvol=${name}`, ...mountOptions];
      return [{ target: mountpoint, source, fsRoot: `/${name}`, fsType: "btrfs", options }];
    }),
  filesystems: ({ label, subvolumes }) =>
    subvolumes.flatMap(({ name, mountpoint, mountOptions, neededForBoot }) =>
      mountpoint === null
        ? []
        : [{ mountpoint, label, fsType: "btrfs" as const, subvolume: name, mountOptions, neededForBoot }],
    ),
  swaps: ({ subvolumes }) =>
    subvolumes.flatMap(({ mountpoint, swap }) =>
      mountpoint === null
        ? []
        : swap.map(({ name }) => ({ source: `${mountpoint}/${name}`, options: [], resume: false })),
    ),
  describe: ({ label, subvolumes }) => [
    { holds: `btrfs ${label}`, mountpoint: "", options: [] },
    ...subvolumes.map(({ name, mountpoint, mountOptions, swap }) => ({
      holds: `  ${[name, ...swap.map((file) => `(${formatSize(file.size)} of swap)`)].join(" ")}`,
      mountpoint: mountpoint ?? "-",
      options: mountOptions,
    })),
  ],
};

export function btrfsContent(declared: ConfigOf<typeof options>, label: string): BtrfsContent {
  const subvolumes = Object.entries(declared.subvolumes).map(([name, subvolume]) => ({
    name,
    mountpoint: subvolume.mountpoint,
    mountOptions: subvolume.mountOptions,
    neededForBoot: subvolume.neededForBoot,
    swap: Object.entries(subvolume.swap).map(([file, { size }]) => ({ name: file, size: parseSize(size) })),
  }));
  return { kind: "btrfs", label, subvolumes };
}

/** BTRFS_LABEL_SIZE without the final zero. */
const LABEL = 255;

function subvolumeProblems({ name, mountpoint, swap }: SubvolumeLayout): readonly Problem[] {
  const bad = [name, ...swap.map((file) => file.name)].filter(
    (one) => !/^[^/\s,-][^/\s,]*$/.test(one) || one === "." || one === "..",
  );
  return [
    ...bad.map((one) => ({
      what: `${JSON.stringify(one)} cannot be the name of a subvolume or a file in it`,
      fix: "write it like @root, without slashes, blanks and commas",
    })),
    ...(swap.length > 0 && mountpoint === null
      ? [{ what: `the subvolume ${name} has swap, but is mounted nowhere`, fix: "give it a mountpoint, such as /swap" }]
      : []),
  ];
}
