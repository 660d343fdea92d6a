/** Whether the partitions of one disk can be made. */
import { contentType, layers } from "../layout/content.ts";
import type { Problem } from "../layout/content-type.ts";
import { FIRST, type Place, WHOLE } from "../layout/extent.ts";
import { BOOTABLE, type DiskLayout, type PartitionLayout } from "../layout/gpt.ts";
import { mbrCode } from "../layout/partition-types.ts";
import { formatSize, MIB } from "../layout/size.ts";

export interface DiskProblem extends Problem {
  /** What it is about. */
  readonly subjects: readonly Subject[];
  /** Where it is declared, if not with those. */
  readonly declaredAt?: readonly string[];
}

export interface Subject {
  readonly disk: string;
  /** The GPT partition name; without one, the disk as a whole. */
  readonly partition?: string;
}

export function layoutProblems(disk: DiskLayout): DiskProblem[] {
  const { name, partitions, imageSize } = disk;
  const rest = partitions.filter(({ size, leaves, share }) => size === null && leaves === 0 && share === undefined);
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
    ...(rest.length === 1 && partitions.at(-1)?.name !== rest[0]?.name
      ? [
          {
            what: `disk ${name}: ${rest[0]?.name} takes the rest of the disk, but is not the last partition`,
            fix: "leave out its priority, or give it a size",
            subjects: about(...rest),
          },
        ]
      : []),
    ...spaceProblems(disk),
    ...(disk.table === "dos" ? mbrProblems(disk) : []),
    ...(requiredBytes(disk) === Number.POSITIVE_INFINITY
      ? [
          {
            what: `disk ${name}: the partitions take more than 100% of the disk`,
            fix: 'make one smaller, or write size: "100%" in the last: the rest',
            subjects: whole,
          },
        ]
      : imageSize !== null && imageSize < requiredBytes(disk)
        ? [
            {
              what: `disk ${name}: the partitions need ${formatSize(requiredBytes(disk))}, its image has ${formatSize(imageSize)}`,
              fix: "make imageSize larger, or the partitions smaller",
              subjects: whole,
            },
          ]
        : []),
    ...partitions.flatMap((partition) =>
      partitionProblems(partition).map((problem) => ({ option: "", ...problem, subjects: about(partition) })),
    ),
  ];
}

const GPT = 'write type: "gpt" for the table: a UEFI and a BIOS boot from it too';

/** What only a GPT has. */
function mbrProblems({ name: disk, partitions }: DiskLayout): DiskProblem[] {
  const whole = [{ disk }];
  return [
    ...(partitions.length > 4
      ? [{ what: `disk ${disk}: an msdos table has room for 4 partitions`, fix: GPT, subjects: whole }]
      : []),
    ...partitions.flatMap(({ name, type, uuid, attributes, content }) => {
      const about = (option: string, what: string): DiskProblem => ({
        ...{ option, what, fix: GPT, subjects: [{ disk, partition: name }] },
      });
      const isRandom = layers(content).some((one) => one.kind === "swap" && one.randomEncryption !== null);
      return [
        ...(mbrCode(type) === null ? [about("type", `an msdos table has no partitions of the type ${type}`)] : []),
        ...(isRandom
          ? [
              about(
                "content.randomEncryption",
                "the host finds this swap by the UUID of its partition, which an msdos table does not have",
              ),
            ]
          : uuid !== null
            ? [about("uuid", "a partition of an msdos table has no UUID of its own")]
            : []),
        ...attributes
          .filter((bit) => bit !== BOOTABLE)
          .map(() => about("attributes", "a partition of an msdos table has no attributes")),
      ];
    }),
  ];
}

/** Whether the partitions at the end of the disk fit into what the one before them leaves. */
function spaceProblems({ name: disk, partitions }: DiskLayout): DiskProblem[] {
  return partitions.flatMap((partition, index) => {
    if (partition.size !== null || partition.leaves === 0) return [];
    const after = partitions.slice(index + 1).reduce((sum, one) => sum + (one.size ?? minimum(one)), 0);
    if (after <= partition.leaves) return [];
    return [
      {
        option: "end",
        what: `it leaves ${formatSize(partition.leaves)} at the end of the disk, and the partitions after it need ${formatSize(after)}`,
        fix: `write end: "-${after / MIB}M", or make them smaller`,
        subjects: [{ disk, partition: partition.name }],
      },
    ];
  });
}

function partitionProblems(partition: PartitionLayout): readonly Problem[] {
  const { name, type, size, content } = partition;
  return [
    ...gptNameProblems(name),
    ...sizeProblems(size, minimum(partition)),
    ...[partition.start ?? partition.share?.begins.bytes ?? 0, partition.leaves]
      .filter((bytes) => bytes % MIB !== 0)
      .map((bytes) => ({
        option: bytes === partition.leaves ? "end" : "start",
        what: `${bytes} is not a multiple of 1M`,
        fix: "partitions are aligned to that: write it in M or G",
      })),
    ...partition.attributes
      .filter((bit) => bit > 2 && bit < 48)
      .map((bit) => ({ option: "attributes", what: `the bit ${bit} is reserved`, fix: "write 0, 1, 2 or 48 to 63" })),
    ...(type === "esp" && layers(content).some(({ kind }) => kind === "array" || kind === "member")
      ? [
          {
            option: "content",
            what: "an ESP cannot be part of an array: systemd-boot counts the tries of a generation on the ESP that it starts from, and the halves of the array would differ",
            fix: 'give each ESP content { type: "filesystem", format: "vfat" } with its own mountpoint, such as /boot and /boot2: nixfleet keeps them alike',
          },
        ]
      : []),
    ...(type === "esp" &&
    !layers(content).some(({ kind }) => kind === "array" || kind === "member") &&
    !(content?.kind === "filesystem" && content.format === "vfat")
      ? [
          {
            option: "content",
            what: "firmware reads only vfat from an ESP",
            fix: 'give it content { type: "filesystem", format: "vfat" }',
          },
        ]
      : []),
    ...(type === "bios-boot" && content !== null
      ? [
          {
            option: "content",
            what: "GRUB overwrites what a partition of type EF02 holds",
            fix: "give it no content",
          },
        ]
      : []),
    ...(content === null ? [] : contentType(content).problems(content)).map((problem) =>
      problem.at === undefined
        ? { ...problem, option: problem.option === undefined ? "content" : `content.${problem.option}` }
        : problem,
    ),
  ];
}

/** What sfdisk's script can hold: the rest it takes as it is. */
function gptNameProblems(name: string): readonly Problem[] {
  const option = "label";
  if (name === "") return [{ option, what: "the partition's name is missing", fix: "give it one" }];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) {
    const what = `the partition's name ${JSON.stringify(name)} has control characters`;
    return [{ option, what, fix: "leave them out" }];
  }
  if (name.length <= GPT_NAME_UNITS) return [];
  const what = `the partition's name ${JSON.stringify(name)} has ${name.length} characters`;
  return [{ option, what, fix: `at most ${GPT_NAME_UNITS} fit: shorten it` }];
}

/** UEFI specification, table 5-6: 36 UTF-16 code units, which is what JavaScript counts. */
const GPT_NAME_UNITS = 36;

function sizeProblems(size: number | null, least: number): readonly Problem[] {
  if (size === null) return [];
  if (!Number.isSafeInteger(size) || size <= 0 || size % MIB !== 0) {
    return [
      {
        option: "size",
        what: `the size ${size} is not a multiple of 1M`,
        fix: "partitions are aligned to that: write it in M or G",
      },
    ];
  }
  if (size >= least) return [];
  return [
    {
      option: "size",
      what: `the size ${formatSize(size)} is too small`,
      fix: `it needs at least ${formatSize(least)} for what it holds`,
    },
  ];
}

/** The smallest device that a layout fits on, in bytes; infinite: it fits on none. */
export function requiredBytes({ partitions }: DiskLayout): number {
  let end = FIRST;
  const needed = partitions.flatMap((partition) => {
    const { start, size, leaves, share } = partition;
    const begins = share?.begins ?? (start === null ? end : { hundredths: 0, bytes: start });
    const least = size ?? minimum(partition);
    const ends = share?.ends ?? { ...begins, bytes: begins.bytes + least };
    const needs = [
      diskFor(end, begins, 0),
      diskFor(begins, ends, least),
      // The alignment of the last one, with the other copy of the table.
      diskFor(ends, { hundredths: WHOLE, bytes: 0 }, leaves + MIB),
    ];
    end = ends;
    return needs;
  });
  return Math.max(2 * MIB, ...needed);
}

/** The smallest disk on which so many bytes fit between two places. */
function diskFor(from: Place, to: Place, bytes: number): number {
  const missing = bytes - (to.bytes - from.bytes);
  const part = (to.hundredths - from.hundredths) / WHOLE;
  if (missing <= 0 && part >= 0) return 0;
  if (part <= 0) return Number.POSITIVE_INFINITY;
  // A place in percent is rounded down.
  return part === 1 ? missing : (Math.ceil(missing / part / MIB) + Math.ceil(1 / part)) * MIB;
}

function minimum({ content }: PartitionLayout): number {
  return content === null ? MIB : contentType(content).minimum(content);
}

/** What several of them have in common, each with those that have it. */
export function alike<T>(
  ones: readonly T[],
  values: (one: T) => readonly string[],
): (readonly [string, readonly T[]])[] {
  const owners = new Map<string, T[]>();
  for (const one of ones) {
    for (const value of values(one)) owners.set(value, [...(owners.get(value) ?? []), one]);
  }
  return [...owners].filter(([, found]) => found.length > 1);
}
