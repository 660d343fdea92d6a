/** An array of mdadm: what its `mdraid` partitions are together. */
import {
  type AnyContent,
  type ContentType,
  command,
  type DeclaredAt,
  type DiskCommand,
  type Held,
  NOT_USED,
  nameProblems,
  type PartitionRef,
} from "./content-type.ts";
import { extraArgsProblems } from "./extra-args.ts";
import { partitionCommands, partitionDevice, type TablePartition } from "./partition-table.ts";
import { MIB } from "./size.ts";

/** It stands in the first of its partitions; in the others is a member. */
export interface ArrayContent<C extends AnyContent = AnyContent> {
  readonly kind: "array";
  /** The host has it as `/dev/md/<name>`. */
  readonly name: string;
  readonly level: number;
  readonly metadata: string;
  readonly extraArgs: readonly string[];
  /** Its further partitions. */
  readonly members: readonly PartitionRef[];
  /** In place of partitions; `null`: there are some, or nothing is in it. */
  readonly content: C | null;
  readonly partitions: readonly TablePartition<C>[];
  readonly declaredAt: readonly string[];
}

interface Level {
  /** The least number of devices. */
  readonly least: number;
  /** Of how many devices it has the room. */
  readonly room: (devices: number) => number;
}

const LEVELS: ReadonlyMap<number, Level> = new Map<number, Level>([
  [0, { least: 2, room: (devices) => devices }],
  [1, { least: 2, room: () => 1 }],
  [4, { least: 3, room: (devices) => devices - 1 }],
  // mdadm makes one of two, which mirrors.
  [5, { least: 2, room: (devices) => devices - 1 }],
  [6, { least: 4, room: (devices) => devices - 2 }],
  [10, { least: 2, room: (devices) => devices / 2 }],
]);

export const array: ContentType<ArrayContent> = {
  options: {},
  signature: () => "linux_raid_member",
  // Its metadata, with room for a bitmap.
  minimum: () => 4 * MIB,
  problems: (content) => {
    const { name, level, members, extraArgs } = content;
    const known = LEVELS.get(level);
    const least = known?.least ?? 0;
    const about = { at: arrayPlace(content) };
    return [
      ...nameProblems("", "the name of the array", name, NAME).map((problem) => ({ ...problem, ...about })),
      ...(known === undefined
        ? [
            {
              ...about,
              option: "level",
              what: `mdadm has no level ${level}`,
              fix: `write one of ${[...LEVELS.keys()].join(", ")}`,
            },
          ]
        : []),
      ...(members.length + 1 >= least
        ? []
        : [
            {
              ...{
                ...about,
                option: "level",
                what: `level ${level} needs ${least} partitions, and the array has ${members.length + 1}`,
              },
              fix: `give a partition of another disk content: { type: "mdraid", name: ${JSON.stringify(name)} }`,
            },
          ]),
      ...extraArgsProblems(extraArgs).map((problem) => ({ ...problem, ...about })),
    ];
  },
  packages: () => ["mdadm"],
  // It gets its name when what it holds is made: until then it is none of this layout.
  create: ({ name, level, metadata, extraArgs, members, partitions }, { device, deviceOf, settle, announce }) => [
    command(`make the array ${name}`, "mdadm", [
      ...["--create", deviceName(name), "--quiet", "--run", "--force", "--homehost=any", `--name=${UNFINISHED}`],
      ...[`--level=${level}`, `--metadata=${metadata}`, `--raid-devices=${members.length + 1}`],
      ...[...extraArgs, device, ...members.map(deviceOf)],
    ]),
    // udev makes its name.
    ...settle,
    ...(partitions.length === 0
      ? []
      : [...partitionCommands({ partitions }, deviceName(name)), ...announce(deviceName(name))]),
  ],
  finish: ({ name, members }, { device, deviceOf, settle }) => {
    const devices = [device, ...members.map(deviceOf)];
    return [
      ...settle,
      stopCommand(name),
      command(`name it ${name}`, "mdadm", [
        ...["--assemble", deviceName(name), "--quiet", "--run", "--homehost=any"],
        ...[`--name=${name}`, "--update=name", ...devices],
      ]),
      ...settle,
      stopCommand(name),
    ];
  },
  mappings: ({ name, members }, device, deviceOf) => [
    {
      ...{ kind: "array", name, source: device, close: stopCommand(name) },
      // udev may have done it meanwhile.
      open: command(`assemble the array ${name}`, "sh", [
        ...["-c", '[ -e "$0" ] || mdadm --assemble --quiet "$0" "$@"', deviceName(name)],
        ...[device, ...members.map(deviceOf)],
      ]),
    },
  ],
  ...NOT_USED,
  describe: ({ name, level, members, partitions }) => [
    {
      holds: `array ${name}, level ${level} on ${members.length + 1} partitions${partitions.length === 0 ? "" : ", with a partition table"}`,
      ...{ mountpoint: "", options: [] },
    },
  ],
};

/** As blkid(8) names it: on every machine it has this name. */
export function arrayLabel(name: string): string {
  return `any:${name}`;
}

export function arrayHolds<C extends AnyContent>({ name, content, partitions }: ArrayContent<C>): readonly Held<C>[] {
  const device = deviceName(name);
  if (content !== null) return [{ content, device, name, option: "content" }];
  return partitions.flatMap((partition, index) =>
    partition.content === null
      ? []
      : // Of partitions src/plan/layout-problems.ts tells what is wrong.
        [
          {
            content: partition.content,
            device: partitionDevice(device, index + 1),
            name: partition.name,
            option: null,
          },
        ],
  );
}

export function arrayPlace({ name, declaredAt }: ArrayContent): DeclaredAt {
  return { path: `disko.devices.mdadm.${name}`, declaredAt };
}

/** Of how many devices it has the room. */
export function dataDevices({ level, members }: ArrayContent): number {
  return Math.max(1, LEVELS.get(level)?.room(members.length + 1) ?? 1);
}

function deviceName(name: string): string {
  return `/dev/md/${name}`;
}

function stopCommand(name: string): DiskCommand {
  return command(`stop the array ${name}`, "mdadm", ["--stop", "--quiet", deviceName(name)]);
}

/** What has it is not whole. */
const UNFINISHED = "unfinished";

/** 32 bytes of the metadata are for `any:NAME`. */
const NAME = 27;
