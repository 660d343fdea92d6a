/** Which filesystems of a host's disks are mounted where, and which of them are so now. */
import { posix } from "node:path";
import { UserError } from "../errors.ts";
import type { Content } from "../layout/content.ts";
import { contentType, memberDevice, membersOf, sharedDepth } from "../layout/content.ts";
import type { DeviceOf, Mapping, Mount, WantedMapping, WantedMount } from "../layout/content-type.ts";
import { type PlacedDisk, partitionDevice } from "../layout/gpt.ts";

/**
 * Every mount of the disks, parents first.
 * @param under the folder that stands for `/` of the host
 */
export function wantedMounts(disks: readonly PlacedDisk[], under: string): readonly WantedMount[] {
  return disks
    .flatMap(({ layout, device }) =>
      layout.partitions.flatMap(({ content }, index) =>
        content === null
          ? []
          : contentType(content).mounts(content, partitionDevice(device, index + 1), deviceOf(disks)),
      ),
    )
    .map((mount) => ({ ...mount, target: posix.join(under, mount.target).replace(/(.)\/$/, "$1") }))
    .toSorted((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0)); // a parent's path is a prefix
}

/** Everything that has to be open before it can be mounted, in the order in which it is opened. */
export function wantedMappings(disks: readonly PlacedDisk[]): readonly WantedMapping[] {
  return inOrder(
    disks.flatMap(({ layout, device }) =>
      layout.partitions.map(({ content }, index) => ({ content, device: partitionDevice(device, index + 1) })),
    ),
  ).flatMap(({ content, device }) =>
    content === null ? [] : contentType(content).mappings(content, device, deviceOf(disks)),
  );
}

/** What stands on several partitions comes after what they are. */
export function inOrder<P extends { readonly content: Content | null }>(partitions: readonly P[]): readonly P[] {
  return partitions.toSorted((a, b) => sharedDepth(a.content) - sharedDepth(b.content));
}

/** @throws UserError for a partition of a disk that is not among these */
export function deviceOf(disks: readonly PlacedDisk[]): DeviceOf {
  return ({ disk, partition }) => {
    const placed = disks.find(({ layout }) => layout.name === disk);
    const index = placed?.layout.partitions.findIndex(({ name }) => name === partition) ?? -1;
    if (placed === undefined || index === -1) {
      throw new UserError(`a filesystem is on the disk ${disk} too`, [
        "leave out --disk: what shares one goes together",
      ]);
    }
    return memberDevice(placed.layout.partitions[index]?.content ?? null, partitionDevice(placed.device, index + 1));
  };
}

/** The disks in groups: those that share a filesystem are formatted together, or not at all. */
export function sharingDisks<D extends Pick<PlacedDisk, "layout">>(disks: readonly D[]): readonly (readonly D[])[] {
  const groups = new Map(disks.map((disk) => [disk.layout.name, [disk]]));
  for (const { layout } of disks) {
    for (const { disk } of layout.partitions.flatMap(({ content }) => membersOf(content))) {
      const [own = [], other = []] = [groups.get(layout.name), groups.get(disk)];
      if (own === other) continue;
      const both = [...own, ...other];
      for (const one of both) groups.set(one.layout.name, both);
    }
  }
  return [...new Set(groups.values())];
}

/** Those of the mounts that are there, in the order in which they were made. */
export function presentMounts(wanted: readonly WantedMount[], mounts: readonly Mount[]): readonly Mount[] {
  return mounts.filter((mount) => wanted.some((it) => it.target === mount.target && isSource(it, mount.source)));
}

export function isSource({ source, others }: Pick<WantedMount, "source" | "others">, device: string): boolean {
  return source === device || others.includes(device);
}

/** Those of the mappings that are open. */
export function presentMappings(
  wanted: readonly WantedMapping[],
  mappings: readonly Mapping[],
): readonly WantedMapping[] {
  return wanted.filter((one) =>
    mappings.some((present) => isMapping(present, one) && present.sources.includes(one.source)),
  );
}

/** Whether it has that name; where it is, is another question. */
export function isMapping(present: Mapping, wanted: Pick<Mapping, "kind" | "name">): boolean {
  return present.kind === wanted.kind && present.name === wanted.name;
}
