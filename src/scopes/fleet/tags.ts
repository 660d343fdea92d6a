/** The tags that a host declares: each of them once, and no more than a report carries. */
import { listOf } from "../../modules/collections.ts";
import { problem } from "../../modules/errors.ts";
import type { ListShape, OptionType } from "../../modules/option.ts";
import { dotted } from "../../modules/path.ts";
import { strMatching } from "../../modules/types.ts";
import { MOST_TAGS, TAG, TAG_IN_WORDS } from "../../tag.ts";

const list = listOf(strMatching(TAG, TAG_IN_WORDS));

export const tagList: OptionType<readonly string[], ListShape<string>> = {
  ...list,
  merge(definitions, at) {
    const tags = [...new Set(list.merge(definitions, at))];
    if (tags.length <= MOST_TAGS) return tags;
    throw problem(
      `${dotted(at.path)}: wanted at most ${MOST_TAGS} tags, got ${tags.length}`,
      definitions,
      "remove some: a rollout chooses by them, and inventories are kept elsewhere",
    );
  },
};
