/** `nixfleet options [WORD]` */
import { type OptionEntry, optionReference } from "../fleet/reference.ts";
import { UserError } from "../modules/errors.ts";
import { print, printJson } from "./output.ts";

export function options(word: string | undefined, { json }: { json?: boolean }): void {
  const wanted = word?.toLowerCase() ?? "";
  const found = optionReference().filter((entry) =>
    `${entry.path} ${entry.description}`.toLowerCase().includes(wanted),
  );
  if (found.length === 0) throw new UserError(`no option has ${word} in its name or description`);
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
