/** disko's `extraArgs`: more arguments for the program that formats. */
import { listOf } from "../modules/collections.ts";
import { mkOption } from "../modules/mk-option.ts";
import * as types from "../modules/types.ts";
import type { Problem } from "./content-type.ts";

export const extraArgsOption = mkOption({
  type: listOf(types.nonEmptyStr),
  default: [],
  example: ["-m", "0"],
  description: "More arguments of mkfs.",
});

export interface ExtraArgs {
  /** What the flags for a label say. */
  readonly label: string | null;
  /** Those that go on to the program. */
  readonly rest: readonly string[];
}

/**
 * @param labelFlags nixfleet sets the label itself: `["-L", "--label"]`
 * @param already what the command has anyway: `["-f"]`
 */
export function extraArgs(declared: readonly string[], labelFlags: readonly string[], already: string[]): ExtraArgs {
  const rest: string[] = [];
  let label: string | null = null;
  let isLabel = false;
  for (const word of words(declared)) {
    const [flag = "", value] = word.split("=", 2);
    if (isLabel) label = word;
    else if (value !== undefined && labelFlags.includes(flag)) label = value;
    else if (!already.includes(word) && !labelFlags.includes(word)) rest.push(word);
    isLabel = !isLabel && labelFlags.includes(word);
  }
  return { label, rest };
}

/** disko puts them into a shell's command line, so one of them may be several words: `-d raid1`. */
export function words(declared: readonly string[]): readonly string[] {
  return declared.flatMap((one) => one.trim().split(/\s+/));
}

/** Quotes and variables would be the shell's: no shell sees them here. */
export function extraArgsProblems(args: readonly string[], option = "extraArgs"): readonly Problem[] {
  return args
    .filter((word) => /["'$`\\]/.test(word))
    .map((word) => ({
      option,
      what: `${word} uses shell syntax, but no shell reads it`,
      fix: "write it without quotes and variables",
    }));
}
