/** Filesystems over several devices: disko names the further ones among the arguments of mkfs.btrfs. */
import { btrfs } from "../layout/btrfs.ts";
import type { Content } from "../layout/content.ts";
import { isUsedEarly, layers } from "../layout/content.ts";
import type { PartitionRef } from "../layout/content-type.ts";
import { type DiskLayout, type PartitionLayout, partitionDevice } from "../layout/gpt.ts";
import type { MemberContent } from "../layout/member.ts";

/**
 * The same disks, where each filesystem knows its further devices, and these that they belong to it. A device that is no
 * empty partition stays among the arguments: the checks of the layout say so.
 */
export function joinMembers(disks: readonly DiskLayout[]): readonly DiskLayout[] {
  const owners = new Map<PartitionLayout, MemberContent>();
  const holders = disks.map((disk) => ({
    ...disk,
    partitions: disk.partitions.map((partition) => {
      const { content } = partition;
      return content === null ? partition : { ...partition, content: withMembers(content, disks, owners) };
    }),
  }));
  return holders.map((disk, diskIndex) => ({
    ...disk,
    partitions: disk.partitions.map((partition, index) => {
      const declared = disks[diskIndex]?.partitions[index];
      const member = declared === undefined ? undefined : owners.get(declared);
      if (member === undefined) return partition;
      const { content } = partition;
      return { ...partition, content: content?.kind === "luks" ? { ...content, content: member } : member };
    }),
  }));
}

/** A btrfs, or an array, on several devices. */
export interface Spread {
  /** Of an array: its name. */
  readonly label: string;
  /** For people, in the order of the numbers that btrfs gives them, from 1, or mdadm, from 0. */
  readonly devices: readonly string[];
  /** Whether the initrd needs it. */
  readonly early: boolean;
}

export interface SpreadFilesystem extends Spread {
  /** Whether it is declared that it may be mounted without one of them. */
  readonly degraded: boolean;
}

export function spreadFilesystems(disks: readonly DiskLayout[]): readonly SpreadFilesystem[] {
  return eachLayer(disks, (content, ref) => {
    if (content.kind !== "btrfs" || content.members.length === 0) return [];
    const mounted = btrfs.filesystems(content);
    return [
      {
        ...{ label: content.label, devices: devicesOf(disks, [ref, ...content.members]), early: isUsedEarly(content) },
        degraded: mounted.some(({ mountOptions }) => mountOptions.includes("degraded")),
      },
    ];
  });
}

export function spreadArrays(disks: readonly DiskLayout[]): readonly Spread[] {
  return eachLayer(disks, (content, ref) =>
    content.kind === "array"
      ? [
          {
            ...{ label: content.name, devices: devicesOf(disks, [ref, ...content.members]) },
            early: isUsedEarly(content),
          },
        ]
      : [],
  );
}

function eachLayer<T>(
  disks: readonly DiskLayout[],
  visit: (content: Content, ref: PartitionRef) => readonly T[],
): readonly T[] {
  return disks.flatMap((disk) =>
    disk.partitions.flatMap(({ name, content }) =>
      layers(content).flatMap((one) => visit(one, { disk: disk.name, partition: name })),
    ),
  );
}

function devicesOf(disks: readonly DiskLayout[], refs: readonly PartitionRef[]): readonly string[] {
  return refs.map(({ disk, partition }) => {
    const device = disks.find(({ name }) => name === disk)?.device;
    return `the partition ${partition} of the disk ${disk} (${device})`;
  });
}

function withMembers(
  content: Content,
  disks: readonly DiskLayout[],
  owners: Map<PartitionLayout, MemberContent>,
): Content {
  const inner = content.kind === "luks" ? content.content : content;
  if (inner?.kind !== "btrfs") return content;
  const found = new Map<string, Place>();
  for (const word of inner.extraArgs) {
    const place = placesOf(disks).find(({ names }) => names.includes(word));
    if (place === undefined || owners.has(place.partition)) continue;
    found.set(word, place);
    owners.set(place.partition, {
      ...{
        kind: "member",
        signature: "btrfs",
        label: inner.label,
        of: `btrfs ${inner.label}`,
        part: null,
        early: isUsedEarly(content),
      },
    });
  }
  if (found.size === 0) return content;
  const joined = {
    ...inner,
    extraArgs: inner.extraArgs.filter((word) => !found.has(word)),
    members: [...found.values()].map(({ disk, partition }) => ({ disk, partition: partition.name })),
  };
  return content.kind === "luks" ? { ...content, content: joined } : joined;
}

interface Place {
  readonly disk: string;
  readonly partition: PartitionLayout;
  /** By which a layout may mean it. */
  readonly names: readonly string[];
}

/** The partitions that hold nothing yet. disko calls a partition `disk-DISK-PARTITION` where nothing else is declared. */
function placesOf(disks: readonly DiskLayout[]): readonly Place[] {
  return disks.flatMap(({ name: disk, device, partitions }) =>
    partitions.flatMap((partition, index): readonly Place[] => {
      const { name, uuid, content } = partition;
      if (content?.kind === "luks") {
        return content.content === null ? [{ disk, partition, names: [`/dev/mapper/${content.name}`] }] : [];
      }
      if (content !== null) return [];
      const partlabels = [`disk-${disk}-${name}`, name].map((it) => `/dev/disk/by-partlabel/${it}`);
      const names = [partitionDevice(device, index + 1), ...partlabels, `/dev/disk/by-partuuid/${uuid}`];
      return [{ disk, partition, names }];
    }),
  );
}
