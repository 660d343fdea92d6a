/** Arrays and volume groups: each stands in the first partition that is a part of it; in the others is a member. */
import { UserError } from "../errors.ts";
import { type ArrayContent, arrayLabel } from "../layout/array.ts";
import { type Content, contentOf, contentType, isUsedEarly } from "../layout/content.ts";
import type { PartitionRef } from "../layout/content-type.ts";
import { type DiskLayout, partitionDevice } from "../layout/gpt.ts";
import type { MemberContent } from "../layout/member.ts";
import type { PartContent } from "../layout/part.ts";
import { type VolumeGroupContent, volumeDevice } from "../layout/volume-group.ts";
import type { DeclaredArray, DeclaredArrays, DeclaredGroup, DeclaredGroups } from "../layout/volumes.ts";
import { dotted } from "../modules/path.ts";
import { declaredAs, partitionLayouts } from "./partitions.ts";
import { attempt, type PlanProblem } from "./problem.ts";

type Whole = ArrayContent<Content> | VolumeGroupContent<Content>;

/** Those that are declared, each by what its parts say of it. */
export type Volumes = ReadonlyMap<string, Whole>;

/** As they are declared, before their parts are known. @param problems gets those that cannot be made */
export function declaredVolumes(
  host: string,
  arrays: DeclaredArrays,
  groups: DeclaredGroups,
  problems: PlanProblem[],
): Volumes {
  const found = new Map<string, Whole>();
  for (const [name, declared] of Object.entries(arrays)) {
    const made = attempt(problems, () => arrayContent(host, name, declared, problems));
    if (made !== undefined) found.set(keyOf({ of: "mdadm", name }), made);
  }
  for (const [name, declared] of Object.entries(groups)) {
    const made = attempt(problems, () => groupContent(name, declared));
    if (made !== undefined) found.set(keyOf({ of: "lvm_vg", name }), made);
  }
  return found;
}

/** The disks with them in the place of their parts. What is a part of nothing stays one: the checks of the layout say so. */
export function joinVolumes(
  disks: readonly DiskLayout[],
  volumes: Volumes,
  problems: PlanProblem[],
): readonly DiskLayout[] {
  const refs = new Map<string, PartitionRef[]>();
  eachPartition(disks, (content, ref) => findParts(content, ref, volumes, refs));
  for (const [key, whole] of volumes) {
    if (!refs.has(key)) problems.push(withoutParts(whole));
  }
  const owners = new Map<string, Whole>();
  return disks.map((disk) => ({
    ...disk,
    partitions: disk.partitions.map((partition) =>
      partition.content === null
        ? partition
        : { ...partition, content: joined(partition.content, volumes, refs, owners) },
    ),
  }));
}

function eachPartition(disks: readonly DiskLayout[], visit: (content: Content, ref: PartitionRef) => void): void {
  for (const { name: disk, partitions } of disks) {
    for (const { name: partition, content } of partitions) if (content !== null) visit(content, { disk, partition });
  }
}

/** Of each array and group the partitions, in their order. What stands in it is looked into at the first of them. */
function findParts(content: Content, ref: PartitionRef, volumes: Volumes, refs: Map<string, PartitionRef[]>): void {
  const go = (inner: Content | null) => inner !== null && findParts(inner, ref, volumes, refs);
  if (content.kind === "luks") go(content.content);
  if (content.kind !== "part") return;
  const key = keyOf(content);
  const whole = volumes.get(key);
  const before = refs.get(key);
  refs.set(key, [...(before ?? []), ref]);
  if (before !== undefined || whole?.kind !== "array") return;
  go(whole.content);
  for (const partition of whole.partitions) go(partition.content);
}

function joined(
  content: Content,
  volumes: Volumes,
  refs: ReadonlyMap<string, readonly PartitionRef[]>,
  owners: Map<string, Whole>,
): Content {
  const go = <C extends Content | null>(inner: C) => (inner === null ? inner : joined(inner, volumes, refs, owners));
  if (content.kind === "luks") return { ...content, content: go(content.content) };
  if (content.kind !== "part") return content;
  const key = keyOf(content);
  const owner = owners.get(key);
  if (owner !== undefined) return memberOf(owner, content);
  const whole = volumes.get(key);
  if (whole === undefined) return content;
  const own = { ...whole, members: refs.get(key)?.slice(1) ?? [] };
  const made: Whole =
    own.kind === "group"
      ? own
      : {
          ...{ ...own, content: go(own.content) },
          partitions: own.partitions.map((one) => ({ ...one, content: go(one.content) })),
        };
  owners.set(key, made);
  return made;
}

function memberOf(whole: Whole, part: PartContent): MemberContent {
  const signature = contentType(whole).signature(whole) ?? "";
  const [label, of] =
    whole.kind === "array" ? [arrayLabel(whole.name), `array ${whole.name}`] : [null, `volume group ${whole.name}`];
  return { kind: "member", signature, label, of, part, early: isUsedEarly(whole) };
}

function withoutParts(whole: Whole): PlanProblem {
  const [of, type, option] = whole.kind === "array" ? ["mdadm", "mdraid", "name"] : ["lvm_vg", "lvm_pv", "vg"];
  return {
    what: `${dotted(["disko", "devices", of, whole.name])}: no partition belongs to it`,
    at: whole.declaredAt,
    fix: `give one content: { type: "${type}", ${option}: ${JSON.stringify(whole.name)} }, or remove this`,
  };
}

function arrayContent(
  host: string,
  name: string,
  declared: DeclaredArray,
  problems: PlanProblem[],
): ArrayContent<Content> {
  const { level, metadata, extraArgs, content, declaredAt } = declared;
  const path = ["disko", "devices", "mdadm", name];
  const own = { kind: "array", name, level, metadata, extraArgs, members: [], declaredAt } as const;
  if (content?.type === "gpt") {
    const device = `/dev/md/${name}`;
    const table = {
      ...{ path: [...path, "content"], id: `${host} mdadm/${name}` },
      deviceAt: (index: number) => partitionDevice(device, index + 1),
    };
    return { ...own, content: null, partitions: partitionLayouts(table, content.partitions, problems) };
  }
  if (content === null) return { ...own, content, partitions: [] };
  const { type } = content;
  return declaredAs(dotted(path), declaredAt, () => {
    if (Object.keys(content.partitions).length > 0) {
      throw new UserError("content has partitions, but is no gpt", ['write type: "gpt", or remove the partitions']);
    }
    return { ...own, content: contentOf({ ...content, type }, name, `/dev/md/${name}`), partitions: [] };
  });
}

function groupContent(name: string, { lvs, declaredAt }: DeclaredGroup): VolumeGroupContent<Content> {
  const volumes = Object.entries(lvs)
    .sort(([a, one], [b, other]) => one.priority - other.priority || (a < b ? -1 : 1))
    .map(([key, volume]) => ({
      ...{ key, name: volume.name ?? key, size: volume.size, type: volume.lvm_type, pool: volume.pool },
      extraArgs: volume.extraArgs,
      content: declaredAs(dotted(["disko", "devices", "lvm_vg", name, "lvs", key]), declaredAt, () =>
        volume.content === null
          ? null
          : contentOf(volume.content, volume.name ?? key, volumeDevice(name, volume.name ?? key)),
      ),
    }));
  return { kind: "group", name, members: [], volumes, declaredAt };
}

function keyOf({ of, name }: Pick<PartContent, "of" | "name">): string {
  return `${of} ${name}`;
}
