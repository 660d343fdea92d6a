/** `nixfleet man`: the manual page, made from the commands; see man-pages(7) and groff_man(7). */
import type { CommandUnknownOpts as Command, Option } from "@commander-js/extra-typings";
import { PACKAGE } from "../local/package.ts";
import { visible } from "./completion.ts";
import { ENVIRONMENT } from "./help.ts";
import { print } from "./output.ts";

export function man(program: Command): void {
  print(manualPage(program).trimEnd());
}

export function manualPage(program: Command): string {
  return [
    `.TH NIXFLEET 1 "" "NixFleet ${PACKAGE.version}"`,
    ".SH NAME",
    `nixfleet \\- ${roff(PACKAGE.description)}`,
    ".SH SYNOPSIS",
    ".B nixfleet",
    "[\\fIoptions\\fR] \\fIcommand\\fR",
    ".SH OPTIONS",
    ...program.options.flatMap(described),
    ".SH COMMANDS",
    ...visible(program).flatMap((command) => [
      `.SS nixfleet ${roff(command.name())} ${roff(command.usage())}`,
      `${roff(command.description())}.`,
      ...command.options.flatMap(described),
    ]),
    ".SH ENVIRONMENT",
    ...ENVIRONMENT.flatMap(([name, does]) => [".TP", `.B ${roff(name)}`, `${roff(does)}.`]),
    ".SH EXIT STATUS",
    "0: success. 1: failure; the reason is on stderr. 2: wrong usage. 130: interrupted by Ctrl\\-C.",
    "",
  ].join("\n");
}

function described({ flags, description, defaultValue }: Option): string[] {
  const otherwise = typeof defaultValue === "string" ? ` (default: ${roff(defaultValue)})` : "";
  return [".TP", `.B ${roff(flags)}`, `${roff(description)}${otherwise}.`];
}

function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/, "\\&$1");
}
