/** `nixfleet options [WORD…]` */

import { UserError } from "../errors.ts";
import { type OptionEntry, optionReference } from "../fleet/reference.ts";
import { print, printJson } from "./output.ts";

export function options(words: readonly string[], { json }: { json?: boolean }): void {
  const wanted = words.map((word) => word.toLowerCase());
  const found = optionReference().filter((entry) => {
    const searched = text(entry).toLowerCase();
    return wanted.every((word) => searched.includes(word));
  });
  if (found.length === 0) {
    throw new UserError(`no option has ${words.join(" and ")} in its name, description, type or example`, [
      "`nixfleet options` lists all options",
    ]);
  }
  if (json) printJson(found);
  else print(found.map(text).join("\n\n"));
}

function text(entry: OptionEntry): string {
  return [
    entry.path,
    `  ${entry.description}`,
    `  type: ${entry.type}`,
    ...(entry.default === null ? [] : [`  default: ${entry.default}`]),
    ...(entry.example === null ? [] : [`  example: ${entry.example}`]),
  ].join("\n");
}
