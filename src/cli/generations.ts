/** `nixfleet generations`, `rollback` and `gc`: of a running host, this machine or another. */
import { z } from "zod";
import { type TargetHost, targetHost } from "../deploy/target-host.ts";
import { quoted } from "../machine/process.ts";
import { refusal } from "../machine/refusal.ts";
import { print, printJson, table } from "./output.ts";

interface Options {
  readonly targetHost?: string;
  readonly json?: boolean;
}

const generationSchema = z.object({
  number: z.number(),
  /** When it was installed, in UTC. */
  date: z.string(),
  closure: z.string(),
  /** What the boot loader knows of it: good, not proved, passed over. */
  state: z.string(),
  runs: z.boolean(),
  /** Whether a rollback has chosen it for the next boots. */
  chosen: z.boolean(),
  changes: z.string(),
});

export async function generations(options: Options): Promise<void> {
  const text = await onHost(targetHost(options.targetHost), "generations", ["--json"]);
  const found = z.array(generationSchema).parse(JSON.parse(text));
  if (options.json) printJson(found);
  else
    print(
      table(
        ["", "installed", "state", "what changed"],
        found.map(({ number, date, state, runs, chosen, changes }) => [
          String(number),
          date,
          [state, ...(runs ? ["running"] : []), ...(chosen ? ["chosen for the next boot"] : [])].join(", "),
          changes,
        ]),
      ),
    );
}

export async function rollback(number: string | undefined, options: Options): Promise<void> {
  print((await onHost(targetHost(options.targetHost), "rollback", number === undefined ? [] : [number])).trimEnd());
}

export async function gc(options: Options & { readonly keep?: string; readonly dryRun?: boolean }): Promise<void> {
  const args = [
    ...(options.keep === undefined ? [] : ["--keep", options.keep]),
    ...(options.dryRun ? ["--dry-run"] : []),
  ];
  const said = (await onHost(targetHost(options.targetHost), "gc", args)).trimEnd();
  print(said === "" ? "there is nothing to delete" : said);
}

/** @throws UserError with what the host's own command said */
async function onHost(target: TargetHost, command: string, args: readonly string[]): Promise<string> {
  try {
    return await target.run(["sh", `/etc/nixfleet/${command}.sh`, ...args].map(quoted).join(" "));
  } catch (error) {
    throw refusal(error, target.name);
  }
}
