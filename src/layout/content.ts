/** What a partition can hold. */
import { submodule } from "../modules/collections.ts";
import { UserError } from "../modules/errors.ts";
import { type ConfigOf, isOption, mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";
import type { ContentType } from "./content-type.ts";
import { type LuksContent, luks, luksContent } from "./luks.ts";
import { type PlainContent, plainContent, plainOptions, plainTypes } from "./plain-content.ts";

export type Content = PlainContent | LuksContent;

const contentTypes = { ...plainTypes, luks } as const;

const options = {
  type: mkOption({
    type: types.enum(["filesystem", "btrfs", "swap", "luks"]),
    description:
      "`filesystem`: vfat or ext4. `btrfs`: with subvolumes. `swap`: swap space. `luks`: one of these, encrypted.",
  }),
  ...plainOptions,
  ...luks.options,
} as const;

export const contentOption = types.nullOr(submodule(options));

export function contentType<C extends Content>(content: C): ContentType<C> {
  return contentTypes[content.kind] as ContentType<Content> as ContentType<C>;
}

/** Whether the initrd needs what it holds. */
export function isUsedEarly(content: Content): boolean {
  const type = contentType(content);
  return (
    type.filesystems(content).some(({ neededForBoot }) => neededForBoot) ||
    type.swaps(content).some(({ resume }) => resume)
  );
}

/**
 * @param label where none is declared
 * @throws UserError for an option of another type, or where something is missing that has no default
 */
export function contentOf(declared: ConfigOf<typeof options>, label: string): Content {
  refuseForeignOptions(declared);
  if (declared.type === "luks") {
    if (declared.content !== null) refuseForeignOptions(declared.content);
    return luksContent(declared, declared.label ?? label);
  }
  const { type } = declared;
  return plainContent({ ...declared, type }, declared.label ?? label);
}

/** The types share one set of options, so that definitions merge before the type is known. */
function refuseForeignOptions(declared: { readonly type: keyof typeof contentTypes }): void {
  const own = contentTypes[declared.type].options;
  for (const [name, option] of Object.entries(options)) {
    if (name === "type" || Object.hasOwn(own, name) || !Object.hasOwn(declared, name) || !isOption(option)) continue;
    const value: unknown = (declared as { readonly [name: string]: unknown })[name];
    // A default that is computed cannot be told from a definition.
    if (typeof option.default === "function" || JSON.stringify(value) === JSON.stringify(option.default)) continue;
    const owners = Object.entries(contentTypes).filter(([, type]) => Object.hasOwn(type.options, name));
    throw new UserError(`a ${declared.type} has no ${name}`, [
      `remove it, or change the type: ${name} is for ${owners.map(([type]) => type).join(" and ")}`,
    ]);
  }
}
