/** Whether a disk plan can be made at all: what can be said without looking at a device. */
import { contentType, isUsedEarly } from "../layout/content.ts";
import { nameProblems, type Problem } from "../layout/content-type.ts";
import type { DiskLayout, PartitionLayout } from "../layout/gpt.ts";
import { formatSize, MIB } from "../layout/size.ts";
import type { DiskPlan } from "./disk.ts";

export interface DiskProblem extends Problem {
  /** What it is about. */
  readonly subjects: readonly Subject[];
}

export interface Subject {
  readonly disk: string;
  /** The GPT partition name; without one, the disk as a whole. */
  readonly partition?: string;
}

/** Everything that is wrong with a plan; empty: nothing. */
export function diskProblems(plan: DiskPlan): readonly DiskProblem[] {
  return [
    ...alike(plan.disks, ({ device }) => [device]).map(([device, disks]) => ({
      what: `two disks are on the device ${device}`,
      fix: "give each the name of its own: those in /dev/disk/by-id stay the same",
      subjects: disks.map(({ name }) => ({ disk: name })),
    })),
    ...plan.disks.flatMap(layoutProblems),
    ...acrossPartitions(plan),
  ];
}

/** The smallest device that a layout fits on, in bytes. */
export function requiredBytes(layout: DiskLayout): number {
  return layout.partitions.reduce((sum, partition) => sum + (partition.size ?? minimum(partition)), TABLE_SIZE);
}

/** The two copies of the partition table and the alignment of the first and last partition. */
const TABLE_SIZE = 2 * MIB;

function minimum({ content }: PartitionLayout): number {
  return content === null ? MIB : contentType(content).minimum(content);
}

/** Labels, mountpoints and names that may stand once only on a host. */
function acrossPartitions(plan: DiskPlan): DiskProblem[] {
  const found = plan.disks.flatMap(({ name: disk, partitions }) =>
    partitions.flatMap(({ name, content }) =>
      content === null ? [] : [{ subject: { disk, partition: name }, content, type: contentType(content) }],
    ),
  );
  const mountpoints = (one: (typeof found)[number]) =>
    one.type.filesystems(one.content).map(({ mountpoint }) => mountpoint);
  const labels = ({ content }: (typeof found)[number]) =>
    [content.label, ...(content.kind === "luks" ? [content.content.label] : [])].filter((label) => label !== "");
  const mappings = (one: (typeof found)[number]) => one.type.mappings(one.content, "").map(({ name }) => name);
  const twice = (
    values: (one: (typeof found)[number]) => readonly string[],
    what: (value: string) => string,
    fix: string,
  ) =>
    alike(found, values).map(([value, ones]) => ({ what: what(value), fix, subjects: ones.map((one) => one.subject) }));
  return [
    ...twice(labels, (it) => `two filesystems are labelled ${it}`, "label one otherwise: the host finds them by label"),
    ...twice(mountpoints, (it) => `two filesystems are mounted on ${it}`, "give one another mountpoint, or none"),
    ...twice(mappings, (it) => `two luks are opened as ${it}`, "give one another name"),
    ...found.flatMap(({ subject, content }) =>
      content.kind === "luks" && content.passwordFile === null && !content.enrollTpm2 && isUsedEarly(content)
        ? [
            {
              what: `disk ${subject.disk}, partition ${subject.partition}: nothing opens this luks at boot, since its key file is elsewhere`,
              fix: "give it a passwordFile instead, or enrollTpm2: true",
              subjects: [subject],
            },
          ]
        : [],
    ),
    ...found.flatMap((one) =>
      mountpoints(one)
        .filter((mountpoint) => CLOSURE_OWN.has(mountpoint))
        .map((mountpoint) => ({
          what: `${mountpoint} cannot be a filesystem of its own: ${CLOSURE_OWN.get(mountpoint)}`,
          fix: "remove the mountpoint, or mount it elsewhere",
          subjects: [one.subject],
        })),
    ),
    ...(found.some((one) => mountpoints(one).includes("/"))
      ? []
      : [
          {
            what: "no filesystem is mounted on /",
            fix: 'give a subvolume or an ext4 filesystem mountpoint: "/"',
            subjects: plan.disks.map(({ name }) => ({ disk: name })),
          },
        ]),
  ];
}

const CLOSURE = "it comes with the closure, read-only";
const KERNEL = "it is the kernel's";

/** Mountpoints that would hide what the host boots from, each with the reason. */
const CLOSURE_OWN: ReadonlyMap<string, string> = new Map([
  ...["/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix/store"].map((path) => [path, CLOSURE] as const),
  ["/etc", "it is made anew from the declaration"],
  ...["/proc", "/sys", "/dev", "/run"].map((path) => [path, KERNEL] as const),
]);

function layoutProblems(disk: DiskLayout): DiskProblem[] {
  const { name, partitions, imageSize } = disk;
  const rest = partitions.filter(({ size }) => size === null);
  const about = (...ones: readonly PartitionLayout[]): Subject[] =>
    ones.map((one) => ({ disk: name, partition: one.name }));
  const whole = [{ disk: name }];
  return [
    ...(partitions.length === 0
      ? [
          {
            what: `disk ${name} has no partitions`,
            fix: "declare content.partitions, or use a template",
            subjects: whole,
          },
        ]
      : []),
    ...alike(partitions, (partition) => [partition.name]).map(([partition]) => ({
      what: `disk ${name}: two partitions are named ${partition}`,
      fix: "give one another label",
      subjects: [{ disk: name, partition }],
    })),
    ...(rest.length > 1
      ? [
          {
            what: `disk ${name}: ${rest.map((it) => it.name).join(" and ")} each take the rest of the disk`,
            fix: "give all but the last a size",
            subjects: about(...rest),
          },
        ]
      : []),
    ...(rest.length === 1 && partitions.at(-1)?.size !== null
      ? [
          {
            what: `disk ${name}: ${rest[0]?.name} takes the rest of the disk, but is not the last partition`,
            fix: "leave out its priority, or give it a size",
            subjects: about(...rest),
          },
        ]
      : []),
    ...(imageSize !== null && imageSize < requiredBytes(disk)
      ? [
          {
            what: `disk ${name}: the partitions need ${formatSize(requiredBytes(disk))}, its image has ${formatSize(imageSize)}`,
            fix: "make imageSize larger, or the partitions smaller",
            subjects: whole,
          },
        ]
      : []),
    ...partitions.flatMap((partition) =>
      partitionProblems(partition).map(({ what, fix }) => ({
        what: `disk ${name}, partition ${partition.name}: ${what}`,
        fix,
        subjects: about(partition),
      })),
    ),
  ];
}

function partitionProblems(partition: PartitionLayout): readonly Problem[] {
  const { name, type, size, content } = partition;
  return [
    ...nameProblems("the partition's name", name, GPT_NAME_UNITS, name.length),
    ...sizeProblems(size, minimum(partition)),
    ...(type === "esp" && !(content?.kind === "filesystem" && content.format === "vfat")
      ? [
          {
            what: "firmware reads only vfat from an ESP",
            fix: 'give it content { type: "filesystem", format: "vfat" }',
          },
        ]
      : []),
    ...(type === "bios-boot" && content !== null
      ? [{ what: "GRUB overwrites what a partition of type EF02 holds", fix: "give it no content" }]
      : []),
    ...(content === null ? [] : contentType(content).problems(content)),
  ];
}

/** UEFI specification, table 5-6: 36 UTF-16 code units, which is what JavaScript counts. */
const GPT_NAME_UNITS = 36;

function sizeProblems(size: number | null, least: number): readonly Problem[] {
  if (size === null) return [];
  if (!Number.isSafeInteger(size) || size <= 0 || size % MIB !== 0) {
    return [
      { what: `the size ${size} is not a multiple of 1M`, fix: "partitions are aligned to that: write it in M or G" },
    ];
  }
  if (size >= least) return [];
  return [
    {
      what: `the size ${formatSize(size)} is too small`,
      fix: `it needs at least ${formatSize(least)} for what it holds`,
    },
  ];
}

/** What several of them have in common, each with those that have it. */
function alike<T>(ones: readonly T[], values: (one: T) => readonly string[]): (readonly [string, readonly T[]])[] {
  const owners = new Map<string, T[]>();
  for (const one of ones) {
    for (const value of values(one)) owners.set(value, [...(owners.get(value) ?? []), one]);
  }
  return [...owners].filter(([, found]) => found.length > 1);
}
