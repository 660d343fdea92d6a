/** `nixfleet show HOST [OPTION]` */
import { inspect } from "node:util";
import { loadHost } from "../deploy/load-fleet.ts";
import { endedAtOnce } from "../local/interruption.ts";
import { PRIORITY } from "../modules/definition.ts";
import { shown } from "../modules/errors.ts";
import type { Explanation } from "../modules/evaluate.ts";
import { dotted } from "../modules/path.ts";
import { print, printJson, shortPaths } from "./output.ts";

export async function show(
  file: string,
  name: string,
  option: string | undefined,
  options: { why?: boolean; json?: boolean },
): Promise<void> {
  const { host } = await loadHost(file, name);
  using _ = endedAtOnce();
  const explanation = host.evaluation.explain(option === undefined ? [] : parsePath(option));
  const value = host.evaluation.plain(explanation.value);
  if (options.json) printJson(options.why ? { value, definitions: explanation.definitions } : value);
  else {
    print(inspect(value, { depth: null, maxArrayLength: null, breakLength: 100 }));
    if (options.why) print(shortPaths(reasons(explanation)));
  }
}

/** `a.b."c.d"` → `["a", "b", "c.d"]` */
export function parsePath(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|[^."]+/g)].map(([whole, quoted]) =>
    quoted === undefined ? whole : JSON.parse(`"${quoted}"`),
  );
}

function reasons({ path, option, definitions }: Explanation): string {
  const lines = definitions.map(({ place, value, priority, state }) => {
    const strength = Object.entries(PRIORITY).find(([, number]) => number === priority)?.[0] ?? `priority ${priority}`;
    const why = {
      used: "used",
      yields: `overridden by a stronger definition`,
      inactive: "its condition does not hold",
    }[state];
    return `  ${place.text}: ${shown(value)} (${strength === "normal" ? "" : `${strength}, `}${why})`;
  });
  if (definitions.length === 0)
    lines.push(
      option === undefined
        ? "  it is a set of options"
        : `  not defined; its default is declared at ${option.place.text}`,
    );
  return [`${dotted(path)} comes from`, ...lines].join("\n");
}
