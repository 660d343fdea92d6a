/** The option reference: every declared option, those of submodules among them. */
import { isOption, type OptionTree } from "../modules/option.ts";
import type { Path } from "../modules/path.ts";
import { scopes } from "../scopes/index.ts";
import { systemOptionTrees } from "../system/options.ts";

export interface OptionEntry {
  /** `users.users.<name>.uid` */
  readonly path: string;
  readonly type: string;
  /** As one would write it; `null`: it has none, and must be defined before it is read. */
  readonly default: string | null;
  readonly example: string | null;
  readonly description: string;
}

/** Sorted by path. */
export function optionReference(): readonly OptionEntry[] {
  const trees: readonly OptionTree[] = [...systemOptionTrees, ...Object.values(scopes).map((scope) => scope.options)];
  return trees.flatMap((tree) => entriesIn(tree, [])).sort((a, b) => (a.path < b.path ? -1 : 1));
}

function entriesIn(tree: OptionTree, path: Path): OptionEntry[] {
  return Object.entries(tree).flatMap(([name, node]) => {
    const here = [...path, name];
    if (!isOption(node)) return entriesIn(node, here);
    if (node.internal) return [];
    const written = (value: unknown) =>
      value === undefined ? null : typeof value === "function" ? "computed" : JSON.stringify(value);
    const entry = {
      path: here.join("."),
      type: node.type.description,
      default: node.defaultText ?? written(node.default),
      example: written(node.example),
      description: node.description,
    };
    return [
      entry,
      ...(node.type.inner === undefined
        ? []
        : entriesIn(node.type.inner, [...here, ...(node.type.named ? ["<name>"] : [])])),
    ];
  });
}
