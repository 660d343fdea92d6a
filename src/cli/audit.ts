/** `nixfleet drift`, `roots` and the like: the host's own commands, on this machine or another. */
import { type TargetHost, targetHost } from "../deploy/target-host.ts";
import { UserError } from "../errors.ts";
import { CommandError, quoted } from "../local/process.ts";
import { scriptError } from "../local/script-error.ts";
import { print, printError, printJson } from "./output.ts";

export interface AuditOptions {
  readonly targetHost?: string;
  readonly json?: boolean;
}

/** What a command of the host takes: its words, then its options as they were given here. */
export async function audit(
  command: string,
  words: readonly string[],
  { targetHost: destination, json, ...given }: AuditOptions & Readonly<Record<string, unknown>>,
): Promise<void> {
  const options = Object.entries(given).flatMap(([name, value]) => {
    const option = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return value === true ? [option] : typeof value === "string" ? [option, value] : [];
  });
  const target = targetHost(destination);
  const { text, error } = await said(target, command, [...words, ...options, ...(json ? ["--json"] : [])]);
  if (json) printJson(JSON.parse(text));
  else if (text !== "") print(text.trimEnd());
  if (error === undefined) return;
  const found = new UserError(`${target.name}: nixfleet ${command} found what it was to look for`);
  if (!json) throw found;
  // The answer is the one document.
  printError(found);
  process.exitCode = 1;
}

/** An answer may come with a failure: that is one too. @throws UserError with what the host's own command said */
export async function said(
  target: TargetHost,
  command: string,
  args: readonly string[],
): Promise<{ readonly text: string; readonly error?: unknown }> {
  const script = `/etc/nixfleet/${command}.sh`;
  const none =
    "it has no such command: no NixFleet of this version has made it. Switch it to a closure of today, and reboot";
  const line = `[ -e ${script} ] || { echo ${quoted(none)} >&2; exit 1; }; ${["sh", script, ...args].map(quoted).join(" ")}`;
  try {
    return { text: await target.run(line) };
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === 1 && error.stdout !== "") {
      return { text: error.stdout, error: scriptError(error, target.name) };
    }
    throw scriptError(error, target.name);
  }
}
