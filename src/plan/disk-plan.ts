/** The plan of disks, and what others need from it. */
import { contentType, isUsedEarly, layers, ownLabels } from "../layout/content.ts";
import type { MountedFilesystem, UsedSwap } from "../layout/content-type.ts";
import type { DiskLayout } from "../layout/gpt.ts";
import type { LuksContent } from "../layout/luks.ts";
import type { NodevFilesystem } from "../layout/nodev.ts";
import { randomEncryptionLine } from "../layout/swap.ts";

export interface DiskPlan {
  readonly disks: readonly DiskLayout[];
  /** Filesystems without a disk, such as a tmpfs on /tmp. */
  readonly nodev: readonly NodevFilesystem[];
}

/** Every mountpoint of the plan, those above before those below. */
export function mountedFilesystems(plan: DiskPlan): readonly MountedFilesystem[] {
  return contents(plan)
    .flatMap((content) => contentType(content).filesystems(content))
    .sort((a, b) => (a.mountpoint < b.mountpoint ? -1 : 1));
}

/** What is mounted at exactly this path. */
export function filesystemAt(plan: DiskPlan, mountpoint: string): MountedFilesystem | undefined {
  return mountedFilesystems(plan).find((filesystem) => filesystem.mountpoint === mountpoint);
}

/** What the host finds its filesystems, swap and encrypted devices by. */
export function labelsOf(plan: DiskPlan): readonly string[] {
  return contents(plan).flatMap(ownLabels);
}

export function usedSwaps(plan: DiskPlan): readonly UsedSwap[] {
  return contents(plan).flatMap((content) => contentType(content).swaps(content));
}

/** Devices to open, and whether the initrd opens them. */
export function encryptedContents(plan: DiskPlan): readonly { readonly luks: LuksContent; readonly early: boolean }[] {
  return contents(plan)
    .flatMap(layers)
    .flatMap((content) => (content.kind === "luks" ? [{ luks: content, early: isUsedEarly(content) }] : []));
}

/** Lines of crypttab(5) for swap with a random key. */
export function randomEncryptionLines(plan: DiskPlan): readonly string[] {
  return contents(plan)
    .flatMap(layers)
    .flatMap((content) =>
      content.kind === "swap" && content.randomEncryption !== null
        ? [randomEncryptionLine(content, content.randomEncryption)]
        : [],
    );
}

/** The arrays of mdadm and the volume groups of LVM, and whether the initrd needs what they hold. */
export function volumesOf(
  plan: Pick<DiskPlan, "disks">,
): readonly { readonly kind: "array" | "group"; readonly name: string; readonly early: boolean }[] {
  return contents(plan)
    .flatMap(layers)
    .flatMap((content) =>
      content.kind === "array" || content.kind === "group"
        ? [{ kind: content.kind, name: content.name, early: isUsedEarly(content) }]
        : [],
    );
}

/** The Debian packages without which the host does not use its disks. */
export function diskPackages(plan: DiskPlan): readonly string[] {
  return contents(plan).flatMap((content) => contentType(content).packages(content));
}

function contents(plan: Pick<DiskPlan, "disks">) {
  return plan.disks.flatMap(({ partitions }) =>
    partitions.flatMap(({ content }) => (content === null ? [] : [content])),
  );
}
