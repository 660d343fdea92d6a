/** What a partition can hold. */

import { UserError } from "../errors.ts";
import { submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import { type ConfigOf, isOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import { type ArrayContent, array, arrayHolds, arrayPlace, dataDevices } from "./array.ts";
import type { ContentType, DeclaredAt, Held, PartitionRef, Problem } from "./content-type.ts";
import { type LuksContent, luks, luksContent, luksHolds } from "./luks.ts";
import { type MemberContent, member } from "./member.ts";
import { part } from "./part.ts";
import { type PlainContent, plainContent, plainOptions, plainTypes } from "./plain-content.ts";
import { choice, REFUSED_CONTENT, refusedContentOptions, refusedDevice, refusedHooks } from "./refused.ts";
import { groupHolds, groupPlace, type VolumeGroupContent, volumeGroup } from "./volume-group.ts";

/** A member, an array and a volume group are declared in another place. */
export type Content =
  | PlainContent
  | LuksContent<Content>
  | MemberContent
  | ArrayContent<Content>
  | VolumeGroupContent<Content>;

/** By what is declared as `type`. */
const declaredTypes = { ...plainTypes, luks } as const;

const own = { ...plainOptions, ...luks.options } as const;

export const CONTENT_TYPES = ["filesystem", "btrfs", "swap", "mdraid", "lvm_pv", "luks"] as const;

export const contentOptions = {
  type: mkOption({
    type: choice(types.enum(CONTENT_TYPES), REFUSED_CONTENT),
    description:
      "`filesystem`: vfat, ext4 and others. `btrfs`: with subvolumes. `swap`: swap space. `mdraid`, `lvm_pv`: a part of an array or of a volume group. `luks`: one of these, encrypted.",
  }),
  ...own,
  ...refusedContentOptions,
  ...refusedDevice,
  ...refusedHooks,
} as const;

export const contentOption = types.nullOr(submodule(contentOptions));

export type DeclaredContent = ConfigOf<typeof contentOptions>;

/** The names of everything that content may declare. */
export const contentOptionNames: readonly string[] = Object.keys(contentOptions);

const kinds = {
  ...{ filesystem: plainTypes.filesystem, btrfs: plainTypes.btrfs, swap: plainTypes.swap },
  ...{ part, member, luks, array, group: volumeGroup },
} as const;

function ownType<C extends Content>(content: C): ContentType<C> {
  return kinds[content.kind] as ContentType<Content> as ContentType<C>;
}

/** What stands in it, directly. */
function held(content: Content): readonly Held<Content>[] {
  switch (content.kind) {
    case "luks":
      return luksHolds(content);
    case "array":
      return arrayHolds(content);
    case "group":
      return groupHolds(content);
    default:
      return [];
  }
}

/** It, and all that stands in it. */
export function layers(content: Content | null): readonly Content[] {
  return content === null ? [] : [content, ...held(content).flatMap((one) => layers(one.content))];
}

/** The verbs of its type, and of all that stands in it. */
export function contentType<C extends Content>(_content: C): ContentType<C> {
  return composed as ContentType<Content> as ContentType<C>;
}

const composed: ContentType<Content> = {
  options: {},
  signature: (content) => ownType(content).signature(content),
  minimum: (content) => {
    const inner = held(content).reduce((sum, one) => sum + composed.minimum(one.content), 0);
    const share = content.kind === "array" ? inner / dataDevices(content) : content.kind === "luks" ? inner : 0;
    return ownType(content).minimum(content) + Math.ceil(share);
  },
  problems: (content) => [
    ...ownType(content).problems(content),
    ...held(content).flatMap((one) =>
      one.option === null ? [] : composed.problems(one.content).map((problem) => inside(content, one.option, problem)),
    ),
  ],
  packages: (content) => [
    ...ownType(content).packages(content),
    ...held(content).flatMap((one) => composed.packages(one.content)),
  ],
  create: (content, place) => [
    ...ownType(content).create(content, place),
    ...held(content).flatMap((one) => composed.create(one.content, { ...place, device: one.device, name: one.name })),
    ...(ownType(content).finish?.(content, place) ?? []),
  ],
  mappings: (content, device, deviceOf) => [
    ...ownType(content).mappings(content, device, deviceOf),
    ...held(content).flatMap((one) => composed.mappings(one.content, one.device, deviceOf)),
  ],
  mounts: (content, device, deviceOf) => [
    ...ownType(content).mounts(content, device, deviceOf),
    ...held(content).flatMap((one) => composed.mounts(one.content, one.device, deviceOf)),
  ],
  filesystems: (content) => [
    ...ownType(content).filesystems(content),
    ...held(content).flatMap((one) => composed.filesystems(one.content)),
  ],
  swaps: (content) => [
    ...ownType(content).swaps(content),
    ...held(content).flatMap((one) => composed.swaps(one.content)),
  ],
  describe: (content) => [
    ...ownType(content).describe(content),
    ...held(content).flatMap((one) =>
      composed.describe(one.content).map((row) => ({ ...row, holds: `  ${row.holds}` })),
    ),
  ],
};

function inside(content: Content, option: string | null, problem: Problem): Problem {
  if (problem.at !== undefined) return problem;
  const path = [option, problem.option].filter((one) => one != null).join(".");
  return { ...problem, option: path, ...(declaredBeside(content) ?? {}) };
}

/** Of what is declared beside the disks. */
function declaredBeside(content: Content): { readonly at: DeclaredAt } | null {
  if (content.kind === "array") return { at: arrayPlace(content) };
  return content.kind === "group" ? { at: groupPlace(content) } : null;
}

/** Whether the initrd needs what it holds. */
export function isUsedEarly(content: Content): boolean {
  return layers(content).some((one) => {
    if (one.kind === "member") return one.early;
    const type = ownType(one);
    return (
      type.filesystems(one).some(({ neededForBoot }) => neededForBoot) || type.swaps(one).some(({ resume }) => resume)
    );
  });
}

/** What the host finds it by. A further device of a filesystem has the label of that. */
export function ownLabels(content: Content): readonly string[] {
  return layers(content).flatMap((one) => {
    switch (one.kind) {
      case "filesystem":
      case "btrfs":
      case "swap":
      case "luks":
        return one.label === "" ? [] : [one.label];
      default:
        return [];
    }
  });
}

/** The partitions on which what it holds is too. */
export function membersOf(content: Content | null): readonly PartitionRef[] {
  return layers(content).flatMap((one) => ("members" in one ? one.members : []));
}

/** How many of what it holds stand on several partitions, one on the other: what has less is made first. */
export function sharedDepth(content: Content | null): number {
  return layers(content).filter((one) => "members" in one && one.members.length > 0).length;
}

/** What of a partition is a device of something that stands on several: `/dev/mapper/crypted`. @param device of the partition */
export function memberDevice(content: Content | null, device: string): string {
  const inner = content === null ? [] : held(content);
  const holder = inner.find((one) => layers(one.content).some(({ kind }) => kind === "member"));
  return holder === undefined ? device : memberDevice(holder.content, holder.device);
}

/**
 * @param name of the partition: labels are made of it where none are declared
 * @param device that swap with a random key is on
 * @throws UserError for an option of another type, or where something is missing that has no default
 */
export function contentOf(declared: DeclaredContent, name: string, device: string): Content {
  refuseForeignOptions(declared);
  if (declared.type === "luks") {
    if (declared.content !== null) refuseForeignOptions(declared.content);
    return luksContent(declared, name);
  }
  const { type } = declared;
  return plainContent({ ...declared, type }, name, device);
}

/** The types share one set of options, so that definitions merge before the type is known. */
function refuseForeignOptions(declared: { readonly type: keyof typeof declaredTypes }): void {
  const known = declaredTypes[declared.type].options;
  for (const [name, option] of Object.entries(own)) {
    if (Object.hasOwn(known, name) || !Object.hasOwn(declared, name) || !isOption(option)) continue;
    const value: unknown = (declared as { readonly [name: string]: unknown })[name];
    // A default that is computed cannot be told from a definition.
    if (typeof option.default === "function" || JSON.stringify(value) === JSON.stringify(option.default)) continue;
    const owners = Object.entries(declaredTypes).filter(([, type]) => Object.hasOwn(type.options, name));
    throw new UserError(`a ${declared.type} has no ${name}`, [
      `remove it, or change the type: ${name} is for ${owners.map(([type]) => type).join(" and ")}`,
    ]);
  }
}
