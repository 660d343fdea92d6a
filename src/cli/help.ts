/** How `--help` looks, on a narrow terminal too. */
import type { CommandUnknownOpts as Command, Help, HelpConfiguration } from "@commander-js/extra-typings";

/** The variables that a user sets. */
export const ENVIRONMENT: readonly (readonly [name: string, does: string])[] = [
  ["NIXFLEET_CACHE", "the folder for packages and closures (default: ~/.cache/nixfleet)"],
  ["NIXFLEET_DATABASE", "postgres://…, with its password: the control plane's database"],
  ["NIXFLEET_SSHOPTS", "options for ssh, separated by spaces, used with --target-host"],
];

const MINIMUM = 36;

export const helpLayout: HelpConfiguration = {
  showGlobalOptions: true,
  minWidthToWrap: 20,
  formatItem(term: string, termWidth: number, description: string, helper: Help): string {
    const width = helper.helpWidth ?? 80;
    const beside = width - termWidth - 4;
    const indent = beside < MINIMUM ? 6 : termWidth + 4;
    const wrapped = helper.boxWrap(description, width - indent).replaceAll("\n", `\n${" ".repeat(indent)}`);
    if (description === "") return `  ${term}`;
    return beside < MINIMUM
      ? `  ${term}\n${" ".repeat(indent)}${wrapped}`
      : `  ${term.padEnd(termWidth + 2)}${wrapped}`;
  },
};

export function environmentHelp(helper: Help): string {
  const width = Math.max(...ENVIRONMENT.map(([name]) => name.length));
  const items = ENVIRONMENT.map(([name, does]) => helper.formatItem(name, width, does, helper));
  return ["", "Environment:", ...items].join("\n");
}

/** The help of a command, as wide as it is going to be printed. */
export function preparedHelp(command: Command): Help {
  const helper = command.createHelp();
  const { getOutHelpWidth } = command.configureOutput();
  helper.prepareContext({ helpWidth: getOutHelpWidth?.() ?? 80 });
  return helper;
}
