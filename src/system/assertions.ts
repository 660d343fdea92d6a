/** What modules have to say about a configuration as a whole. */
import { listOf, submodule } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";

export const assertionOptions = {
  assertions: mkOption({
    type: listOf(
      submodule({
        assertion: mkOption({ type: types.bool, description: "What must hold." }),
        message: mkOption({
          type: types.nonEmptyStr,
          description: "Where it does not hold: what is wrong and what to do.",
        }),
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
    description: "Things that work but that the user should know.",
  }),
} as const;
