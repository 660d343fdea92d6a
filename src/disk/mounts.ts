/** Which filesystems of a layout are mounted where, and which of them are so now. */
import { posix } from "node:path";
import { contentType } from "../layout/content.ts";
import type { Mapping, Mount, WantedMapping, WantedMount } from "../layout/content-type.ts";
import { type DiskLayout, partitionDevice } from "../layout/gpt.ts";

/**
 * Every mount of a layout, parents first.
 * @param under the folder that stands for `/` of the host
 */
export function wantedMounts(layout: DiskLayout, device: string, under: string): readonly WantedMount[] {
  return layout.partitions
    .flatMap(({ content }, index) =>
      content === null ? [] : contentType(content).mounts(content, partitionDevice(device, index + 1)),
    )
    .map((mount) => ({ ...mount, target: posix.join(under, mount.target).replace(/(.)\/$/, "$1") }))
    .toSorted((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0)); // a parent's path is a prefix
}

/** Everything of a layout that has to be open before it can be mounted. */
export function wantedMappings(layout: DiskLayout, device: string): readonly WantedMapping[] {
  return layout.partitions.flatMap(({ content }, index) =>
    content === null ? [] : contentType(content).mappings(content, partitionDevice(device, index + 1)),
  );
}

/** Those of a layout's mounts that are there, in the order in which they were made. */
export function presentMounts(wanted: readonly WantedMount[], mounts: readonly Mount[]): readonly Mount[] {
  return mounts.filter((mount) => wanted.some((it) => it.target === mount.target && it.source === mount.source));
}

/** Those of a layout's mappings that are open. */
export function presentMappings(
  wanted: readonly WantedMapping[],
  mappings: readonly Mapping[],
): readonly WantedMapping[] {
  return wanted.filter((one) => mappings.some(({ name, source }) => name === one.name && source === one.source));
}
