/** How disks are partitioned, formatted and mounted. */
import { contentOf, contentType, isUsedEarly } from "../layout/content.ts";
import type { MountedFilesystem, UsedSwap } from "../layout/content-type.ts";
import { type DiskLayout, PARTITION_CODES, type PartitionLayout } from "../layout/gpt.ts";
import type { LuksContent } from "../layout/luks.ts";
import { parseSize } from "../layout/size.ts";
import { UserError } from "../modules/errors.ts";
import type { SystemConfig } from "../system/options.ts";
import { type DiskProblem, diskProblems, type Subject } from "./disk-problems.ts";

export type { DiskLayout, PartitionLayout };

export interface DiskPlan {
  readonly disks: readonly DiskLayout[];
}

type DeclaredDisk = SystemConfig["disko"]["devices"]["disk"][string];
type DeclaredPartition = DeclaredDisk["content"]["partitions"][string];

/**
 * The disks of a configuration, their partitions in the order in which they are made.
 * @throws UserError with everything that is wrong with them, and where it is declared
 */
export function diskPlan(config: SystemConfig): DiskPlan {
  const declared = config.disko.devices.disk;
  const plan = { disks: Object.entries(declared).map(([name, disk]) => diskLayout(name, disk)) };
  // A host that is declared without disks is told so by who wants to boot it.
  const problems = plan.disks.length === 0 ? [] : diskProblems(plan);
  if (problems.length === 0) return plan;
  throw new UserError(
    problems.length === 1
      ? "the disk layout cannot be made"
      : `the disk layout cannot be made: ${problems.length} problems`,
    problems.flatMap((problem) => problemLines(problem, declared)),
  );
}

function diskLayout(name: string, disk: DeclaredDisk): DiskLayout {
  const { partitions } = disk.content;
  return {
    name,
    device: disk.device,
    imageSize: disk.imageSize === null ? null : parseSize(disk.imageSize),
    partitions: Object.entries(partitions)
      .sort(([nameA, a], [nameB, b]) => a.priority - b.priority || (nameA < nameB ? -1 : 1))
      .map(([partition, declared]) => partitionLayout(name, partition, declared)),
  };
}

function partitionLayout(
  disk: string,
  key: string,
  { label, type, size, content, declaredAt }: DeclaredPartition,
): PartitionLayout {
  const name = label ?? key;
  try {
    return {
      name,
      type: PARTITION_CODES[type],
      size: size === "100%" ? null : parseSize(size),
      content: content === null ? null : contentOf(content, name),
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`disk ${disk}, partition ${key}: ${error.message}`, [
      `at ${declaredAt.join(", ")}`,
      ...error.detail,
    ]);
  }
}

function problemLines({ what, fix, subjects }: DiskProblem, disks: SystemConfig["disko"]["devices"]["disk"]): string[] {
  const places = new Set(subjects.flatMap((subject) => placesOf(subject, disks)));
  return [what, ...(places.size === 0 ? [] : [`  at ${[...places].join(", ")}`]), `  ${fix}`];
}

/** Where it is declared. A partition is found by its name in the table, which need not be its key. */
function placesOf(
  { disk: name, partition }: Subject,
  disks: SystemConfig["disko"]["devices"]["disk"],
): readonly string[] {
  const disk = disks[name];
  if (disk === undefined) return [];
  if (partition === undefined) return disk.declaredAt;
  return Object.entries(disk.content.partitions)
    .filter(([key, { label }]) => (label ?? key) === partition)
    .flatMap(([, { declaredAt }]) => declaredAt);
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

export function usedSwaps(plan: DiskPlan): readonly UsedSwap[] {
  return contents(plan).flatMap((content) => contentType(content).swaps(content));
}

/** What has to be opened, and whether the initrd has to. */
export function encryptedContents(plan: DiskPlan): readonly { readonly luks: LuksContent; readonly early: boolean }[] {
  return contents(plan).flatMap((content) =>
    content.kind === "luks" ? [{ luks: content, early: isUsedEarly(content) }] : [],
  );
}

/** The Debian packages without which the host does not use its disks. */
export function diskPackages(plan: DiskPlan): readonly string[] {
  return contents(plan).flatMap((content) => contentType(content).packages(content));
}

function contents(plan: DiskPlan) {
  return plan.disks.flatMap(({ partitions }) =>
    partitions.flatMap(({ content }) => (content === null ? [] : [content])),
  );
}
