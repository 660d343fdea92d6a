/** What modules have to say about a configuration as a whole. */
import { listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/option.ts";
import * as types from "../modules/types.ts";

export const assertionOptions = {
  assertions: mkOption({
    type: listOf(
      submodule({
        assertion: mkOption({ type: types.bool, description: "What must hold." }),
        message: mkOption({ type: types.nonEmptyStr, description: "What is wrong and what to do, where it does not." }),
        declaredAt: mkOption({
          type: listOf(types.str),
          internal: true,
          default: ({ places }) => places.map((place) => place.text),
        }),
      }),
    ),
    default: [],
    internal: true,
    description: "Conditions that a configuration must meet.",
  }),
  warnings: mkOption({
    type: listOf(types.nonEmptyStr),
    default: [],
    internal: true,
    description: "What the user should know, though it works.",
  }),
} as const;
