/** The content `btrfs`: a btrfs filesystem, with subvolumes or mounted as a whole. */
import type { ConfigOf } from "../modules/option.ts";
import {
  type ContentType,
  command,
  type DiskCommand,
  labelFrom,
  labelProblems,
  type PartitionRef,
} from "./content-type.ts";
import { extraArgs, extraArgsOption, extraArgsProblems } from "./extra-args.ts";
import { labelOption, mountingOptions, mountOptionsOf } from "./filesystem.ts";
import { formatSize, MIB } from "./size.ts";
import { type SubvolumeLayout, subvolumeProblems, subvolumes, subvolumesOption } from "./subvolume.ts";
import { type SwapFile, swapFileProblems, swapFiles, swapFilesOption, usedSwapFiles } from "./swap-file.ts";

export interface BtrfsContent {
  readonly kind: "btrfs";
  readonly label: string;
  /** Where its top is mounted; `null`: nowhere, as where only subvolumes are. */
  readonly mountpoint: string | null;
  readonly mountOptions: readonly string[];
  readonly neededForBoot: boolean;
  readonly swap: readonly SwapFile[];
  readonly subvolumes: readonly SubvolumeLayout[];
  /** For mkfs.btrfs. */
  readonly extraArgs: readonly string[];
  /** Its further devices. */
  readonly members: readonly PartitionRef[];
}

export type { SubvolumeLayout };

const options = {
  label: labelOption,
  extraArgs: extraArgsOption,
  ...mountingOptions,
  swap: swapFilesOption,
  subvolumes: subvolumesOption,
} as const;

export const btrfs: ContentType<BtrfsContent> & { readonly options: typeof options } = {
  options,
  signature: () => "btrfs",
  // mkfs.btrfs takes no less than 109 MiB.
  minimum: (content) =>
    mountable(content)
      .flatMap(({ swap }) => swap)
      .reduce((sum, { size }) => sum + size, 256 * MIB),
  problems: ({ label, mountpoint, swap, subvolumes, extraArgs }) => [
    ...labelProblems("btrfs", label, LABEL),
    ...twice(subvolumes.map(({ name }) => name)).map((name) => ({
      option: "subvolumes",
      what: `two subvolumes are named ${name}`,
      fix: "remove one of them; a leading slash in a name is ignored",
    })),
    ...subvolumes.flatMap(subvolumeProblems),
    ...swapFileProblems("swap", `the btrfs ${label}`, mountpoint, swap),
    ...extraArgsProblems(extraArgs),
    ...extraArgs
      .filter((word) => word.startsWith("/"))
      .map((device) => ({
        option: "extraArgs",
        what: `${device} is no partition of this host's disks that holds nothing else`,
        fix: "a further device of a btrfs is a partition without content, or a luks without content: name it as /dev/disk/by-partlabel/disk-DISK-PARTITION, or /dev/mapper/NAME",
      })),
  ],
  packages: () => ["btrfs-progs"],
  create: ({ label, swap, subvolumes, extraArgs, members }, { device, name, scratch, deviceOf }) => [
    command(`format ${name} as btrfs`, "mkfs.btrfs", [
      ...["--quiet", "--force", ...extraArgs, device],
      ...members.map(deviceOf),
    ]),
    command(`make a folder to mount ${name} on`, "mkdir", ["--parents", "--", scratch]),
    command(`mount all of ${name} there`, "mount", [
      ...["-t", "btrfs", "-o", ["subvolid=5", ...deviceOptions(members.map(deviceOf))].join(",")],
      ...["--", device, scratch],
    ]),
    ...swapCommands(scratch, swap),
    ...subvolumes.flatMap((subvolume) => {
      const path = `${scratch}/${subvolume.name}`;
      const above = subvolume.name.split("/").slice(0, -1).join("/");
      return [
        ...(above === "" || subvolumes.some((one) => one.name === above)
          ? []
          : [command(`make the folder ${above}`, "mkdir", ["--parents", "--", `${scratch}/${above}`])]),
        command(`make the subvolume ${subvolume.name}`, "btrfs", ["subvolume", "create", path]),
        ...swapCommands(path, subvolume.swap),
      ];
    }),
    // What has its label is whole.
    command(`label it ${label}`, "btrfs", ["filesystem", "label", scratch, label]),
    command(`unmount ${name} again`, "umount", ["--", scratch]),
    command("remove the folder", "rmdir", ["--", scratch]),
  ],
  mappings: () => [],
  mounts: (content, source, deviceOf) =>
    mountable(content).flatMap(({ name, mountpoint, mountOptions }) => {
      if (mountpoint === null) return [];
      const others = content.members.map(deviceOf);
      const options = [name === "" ? "subvolid=5" : `subvol=${name}`, ...deviceOptions(others), ...mountOptions];
      return [{ target: mountpoint, source, fsRoot: `/${name}`, fsType: "btrfs", options, others }];
    }),
  filesystems: (content) =>
    mountable(content).flatMap(({ name, mountpoint, mountOptions, neededForBoot }) =>
      mountpoint === null
        ? []
        : [
            {
              ...{ mountpoint, label: content.label, fsType: "btrfs" as const },
              ...{ subvolume: name === "" ? "/" : name, mountOptions, neededForBoot, members: content.members },
            },
          ],
    ),
  swaps: (content) => mountable(content).flatMap(({ mountpoint, swap }) => usedSwapFiles(mountpoint, swap)),
  describe: (content) =>
    mountable(content).map(({ name, mountpoint, mountOptions, swap }) => {
      const holds = [name, ...swap.map((file) => `(${formatSize(file.size)} of swap)`)].filter((it) => it !== "");
      if (name !== "") return { holds: `  ${holds.join(" ")}`, mountpoint: mountpoint ?? "-", options: mountOptions };
      const on = content.members.length === 0 ? [] : [`on ${content.members.length + 1} devices`];
      return {
        holds: [`btrfs ${content.label}`, ...on, ...holds].join(" "),
        mountpoint: mountpoint ?? "",
        options: mountOptions,
      };
    }),
};

/** @param name of the partition, or of the `luks` */
export function btrfsContent(declared: BtrfsDeclaration, name: string): BtrfsContent {
  const { mountpoint, neededForBoot } = declared;
  const args = extraArgs(declared.extraArgs, ["-L", "--label"], ["-f", "--force", "-q", "--quiet"]);
  return {
    ...{ kind: "btrfs", label: declared.label ?? args.label ?? labelFrom(name, LABEL), mountpoint },
    ...{ mountOptions: mountOptionsOf(declared.mountOptions), neededForBoot, swap: swapFiles(declared.swap) },
    // Those among the arguments are found when all partitions are known: src/plan/members.ts.
    ...{ subvolumes: subvolumes(declared.subvolumes), extraArgs: args.rest, members: [] },
  };
}

export type BtrfsDeclaration = ConfigOf<typeof options>;

/** BTRFS_LABEL_SIZE without the final zero. */
const LABEL = 255;

/** The whole, with no name, and its subvolumes. */
function mountable(content: BtrfsContent): readonly SubvolumeLayout[] {
  return [{ ...content, name: "" }, ...content.subvolumes];
}

/** So that the kernel finds them where no udev has told it of them. */
function deviceOptions(devices: readonly string[]): readonly string[] {
  return devices.map((device) => `device=${device}`);
}

function swapCommands(folder: string, files: readonly SwapFile[]): readonly DiskCommand[] {
  return files.map(({ path, size }) =>
    command(`make a swap file of ${formatSize(size)} in it`, "btrfs", [
      ...["filesystem", "mkswapfile", "--size", String(size)],
      `${folder}/${path}`,
    ]),
  );
}

function twice(names: readonly string[]): readonly string[] {
  return names.filter((name, index) => names.indexOf(name) !== index);
}
