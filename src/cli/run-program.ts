/** A command line from its arguments to its exit code. */
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { CommanderError } from "commander";
import { UserError } from "../errors.ts";
import { Interrupted, interruption, unwindOnInterrupt } from "../local/interruption.ts";
import { printError, printJsonError } from "./output.ts";

/** Runs what the arguments of this process say, and ends it. */
export async function runProgram(program: CommandUnknownOpts): Promise<never> {
  unwindOnInterrupt();
  // Nobody reads any more, `head` or a terminal that was closed: what is done is done to its end, or undone, all the same.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  return await end(await exitCode(program));
}

async function exitCode(program: CommandUnknownOpts): Promise<number> {
  try {
    await program.parseAsync();
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode !== 0 && wantsJson()) printJsonError(new UserError(error.message.replace(/^error: /, "")));
      return error.exitCode === 0 ? 0 : 2;
    }
    // What a signal has ended says so in many ways; this is why.
    const reason = interruption.aborted ? interruption.reason : error;
    printError(reason);
    if (wantsJson()) printJsonError(reason);
    return reason instanceof Interrupted ? reason.exitCode : 1;
  }
}

function wantsJson(): boolean {
  const given = process.argv.slice(2);
  const end = given.indexOf("--");
  return given.slice(0, end < 0 ? given.length : end).includes("--json");
}

/** Ends this process, although the fleet's file may hold a server or a timer open. */
async function end(code: number): Promise<never> {
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((written) => stream.write("", () => written()));
  }
  process.exit(code);
}
