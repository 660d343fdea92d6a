/** `nixfleet agent` on a host: src/closure/tree/bundles.ts makes one file of it. */
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { Command } from "@commander-js/extra-typings";
import { agentStatus } from "../agent/agent-status.ts";
import { enrol } from "../agent/enrol.ts";
import { readState, writeState } from "../agent/memory.ts";
import { HOST } from "../agent/places.ts";
import { runAgent } from "../agent/run.ts";
import { readSettings } from "../agent/settings.ts";
import { UserError } from "../errors.ts";
import { PACKAGE } from "../local/package.ts";
import { print } from "./output.ts";
import { runProgram } from "./run-program.ts";

/** EX_TEMPFAIL of sysexits.h(3head): the unit starts it again soon. */
const SOON = 75;

interface Options {
  readonly status?: true;
  readonly once?: true;
  readonly authority?: string;
  readonly tokenFile?: string;
}

const program = new Command("nixfleet").version(PACKAGE.version).exitOverride();
program
  .command("agent [action] [what]")
  .description("do what the control plane wants of this host, once; or enrol this host, or clear a rejected RELEASE")
  .option("--once", "exit with 0 also if something is still going on")
  .option("--status", "show what the agent remembers, and change nothing")
  .option("--authority <file>", "with enrol: who signs the control plane's certificate (default: as declared)")
  .option("--token-file <file>", "with enrol: read the token from this file, not from stdin")
  .action(agent);
await runProgram(program);

async function agent(action: string | undefined, what: string | undefined, options: Options): Promise<void> {
  if (options.status) {
    const { lines, healthy } = await agentStatus(HOST);
    for (const line of lines) print(line);
    if (!healthy) process.exitCode = 1;
    return;
  }
  switch (action ?? "run") {
    case "run": {
      const { soon } = await runAgent(HOST, process.execPath, print);
      if (soon && !options.once) process.exitCode = SOON;
      return;
    }
    case "enrol":
      return await enrolHere(what, options);
    case "clear":
      return await clear(what ?? "");
    default:
      throw new UserError(`agent cannot ${action}`, ["wanted nothing, enrol [URL], or clear RELEASE"]);
  }
}

async function enrolHere(url: string | undefined, { authority, tokenFile }: Options): Promise<void> {
  const settings = await readSettings(HOST.settings);
  const given = tokenFile === undefined ? await text(process.stdin) : await readFile(tokenFile, "utf8");
  // `nixfleet machines enrol` prints for how long it is good, below it.
  const token = given.split("\n")[0]?.trim() ?? "";
  const signer = await readFile(authority ?? settings.authority, "utf8");
  await enrol(HOST, settings, { url: url ?? settings.controlPlane, authority: signer, identity: null }, token);
  print(`${settings.machine} is enrolled at ${url ?? settings.controlPlane}`);
}

async function clear(release: string): Promise<void> {
  const state = await readState(HOST.memory);
  if (!state.rejected.some((one) => one.release === release)) {
    throw new UserError(`this host has not rejected ${release}`, ["nixfleet agent --status lists what it has"]);
  }
  await writeState(HOST.memory, { ...state, rejected: state.rejected.filter((one) => one.release !== release) });
  print(`${release} may be tried here again`);
}
