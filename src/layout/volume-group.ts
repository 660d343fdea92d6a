/** A volume group of LVM: what its `lvm_pv` partitions are together. */
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
  type Problem,
} from "./content-type.ts";
import { extraArgsProblems } from "./extra-args.ts";
import { MIB } from "./size.ts";

/** It stands in the first of its partitions; in the others is a member. */
export interface VolumeGroupContent<C extends AnyContent = AnyContent> {
  readonly kind: "group";
  readonly name: string;
  /** Its further partitions. */
  readonly members: readonly PartitionRef[];
  /** In the order in which they are made. */
  readonly volumes: readonly LogicalVolume<C>[];
  readonly declaredAt: readonly string[];
}

export interface LogicalVolume<C extends AnyContent = AnyContent> {
  /** Its key in the declaration. */
  readonly key: string;
  readonly name: string;
  /** `8G`, or a part of something in percent: `100%FREE`. */
  readonly size: string;
  /** Of lvcreate(8): `raid1`; `null`: as it likes. */
  readonly type: string | null;
  /** The thin pool that it is in. */
  readonly pool: string | null;
  readonly extraArgs: readonly string[];
  readonly content: C | null;
}

/** A tag of LVM's: what has it is not whole. */
export const UNFINISHED = "unfinished";

export const THIN_POOL = "thin-pool";

export const volumeGroup: ContentType<VolumeGroupContent> = {
  options: {},
  signature: () => "LVM2_member",
  // LVM's own metadata, and an extent.
  minimum: () => 8 * MIB,
  problems: (group) => {
    const at = groupPlace(group);
    return [
      ...lvmNameProblems("", "the name of the volume group", group.name),
      ...(group.volumes.length === 0
        ? [
            {
              option: "lvs",
              what: "the volume group has no volumes",
              fix: 'add lvs: { root: { size: "100%FREE", content: { … } } }',
            },
          ]
        : []),
      ...group.volumes.flatMap((volume) => volumeProblems(volume, group)),
    ].map((problem) => ({ ...problem, at }));
  },
  packages: ({ volumes }) => [
    "lvm2",
    ...(volumes.some(({ type }) => type === THIN_POOL) ? ["thin-provisioning-tools"] : []),
  ],
  create: ({ name, volumes, members }, { device, deviceOf }) => [
    command(`make the volume group ${name}`, "vgcreate", [
      ...["--quiet", "--yes", "--addtag", UNFINISHED, "--", name, device, ...members.map(deviceOf)],
    ]),
    ...volumes.map((volume) => createCommand(name, volume)),
  ],
  finish: ({ name }, { settle }) => [
    ...settle,
    closeCommand(name),
    command(`${name} is whole`, "vgchange", ["--quiet", "--deltag", UNFINISHED, "--", name]),
  ],
  mappings: ({ name }, source) => [
    {
      ...{ kind: "group", name, source, close: closeCommand(name) },
      open: command(`activate the volume group ${name}`, "vgchange", ["--quiet", "--activate", "y", "--", name]),
    },
  ],
  ...NOT_USED,
  describe: ({ name, volumes, members }) => [
    {
      holds: `volume group ${name}${members.length === 0 ? "" : ` on ${members.length + 1} partitions`}: ${volumes
        .map((volume) => `${volume.name} (${volume.size})`)
        .join(", ")}`,
      ...{ mountpoint: "", options: [] },
    },
  ],
};

export function groupHolds<C extends AnyContent>({ name, volumes }: VolumeGroupContent<C>): readonly Held<C>[] {
  return volumes.flatMap((volume) =>
    volume.content === null
      ? []
      : [
          {
            ...{ content: volume.content, device: volumeDevice(name, volume.name), name: volume.name },
            option: `lvs.${volume.key}.content`,
          },
        ],
  );
}

export function groupPlace({ name, declaredAt }: VolumeGroupContent): DeclaredAt {
  return { path: `disko.devices.lvm_vg.${name}`, declaredAt };
}

/** As the kernel's device mapper calls it: a hyphen in a name is two. */
export function volumeDevice(group: string, volume: string): string {
  return `/dev/mapper/${[group, volume].map((name) => name.replaceAll("-", "--")).join("-")}`;
}

/** The volume group that a device of the device mapper is in. */
export function groupOfDevice(device: string): string {
  const [group = ""] = device.replace("/dev/mapper/", "").replaceAll("--", "\0").split("-");
  return group.replaceAll("\0", "-");
}

function createCommand(group: string, { name, size, type, pool, extraArgs }: LogicalVolume): DiskCommand {
  const flag = pool !== null ? "--virtualsize" : size.includes("%") ? "--extents" : "--size";
  // Of what is free, as disko has it.
  const amount = size.endsWith("%") ? `${size}FREE` : size;
  const isThin = type === "thinlv" || type === "thin";
  return command(`make the volume ${name}`, "lvcreate", [
    ...["--quiet", "--yes", flag, amount, "--name", name],
    ...(type === null || isThin ? [] : ["--type", type]),
    ...(pool === null ? [] : ["--thinpool", pool]),
    ...[...extraArgs, "--", group],
  ]);
}

function closeCommand(name: string): DiskCommand {
  return command(`deactivate the volume group ${name}`, "vgchange", ["--quiet", "--activate", "n", "--", name]);
}

function volumeProblems(volume: LogicalVolume, { volumes }: VolumeGroupContent): readonly Problem[] {
  const { key, name, size, type, pool, extraArgs, content } = volume;
  const isThin = type === "thinlv" || type === "thin";
  const pools = volumes.filter((one) => one.type === THIN_POOL);
  const about = (option: string, what: string, fix: string) => ({ option: `lvs.${key}.${option}`, what, fix });
  return [
    ...lvmNameProblems(`lvs.${key}`, "the name of the volume", name),
    ...(volumes.some((one) => one !== volume && one.name === name)
      ? [about("name", `two volumes are named ${name}`, "give one another name")]
      : []),
    ...(isThin === (pool !== null)
      ? []
      : [
          about(
            "pool",
            "only a volume of the type thinlv has a pool, and it needs one",
            'add pool and lvm_type: "thinlv", or remove both',
          ),
        ]),
    ...(pool !== null && !pools.some((one) => one.name === pool)
      ? [
          about(
            "pool",
            `there is no thin pool ${pool}`,
            `declare it: lvs: { ${pool}: { size: "10G", lvm_type: "thin-pool" } }`,
          ),
        ]
      : []),
    ...(pool !== null && size.includes("%")
      ? [
          about(
            "size",
            "the size of a thinlv cannot be in percent",
            "write it in M or G; together they may be larger than the pool",
          ),
        ]
      : []),
    ...(type === THIN_POOL && content !== null
      ? [
          about(
            "content",
            "a thin pool holds only volumes",
            'give the content to a volume with lvm_type: "thinlv" and pool',
          ),
        ]
      : []),
    ...(content?.kind === "part"
      ? [
          about(
            "content",
            "a volume cannot be part of another array or volume group",
            "give the array or the volume group its own partition",
          ),
        ]
      : []),
    ...extraArgsProblems(extraArgs, `lvs.${key}.extraArgs`),
  ];
}

/** lvm(8), "VALID NAMES", without what only LVM itself may use. */
function lvmNameProblems(option: string, what: string, name: string): readonly Problem[] {
  const problems = nameProblems(option, what, name, NAME);
  if (problems.length > 0) return problems;
  const isOwn =
    /^(-|\.\.?$|snapshot|pvmove)|[@:=]|_([cmrt]?image|[cv]?data|meta|mlog|pmspare|tdata|tmeta|vorigin)/.test(name);
  return isOwn ? [{ option, what: `LVM does not accept ${what}: ${name}`, fix: "use letters, digits and _" }] : [];
}

/** Together they are a name of the device mapper. */
const NAME = 60;
