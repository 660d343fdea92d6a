/** `nixfleet generations`, `rollback` and `gc`: of a running host, this machine or another. */
import { z } from "zod";
import { type TargetHost, targetHost } from "../deploy/target-host.ts";
import { quoted } from "../machine/process.ts";
import { refusal } from "../machine/refusal.ts";
import { UserError } from "../modules/errors.ts";
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
  const found = await generationsOf(targetHost(options.targetHost));
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

async function generationsOf(target: TargetHost): Promise<readonly z.infer<typeof generationSchema>[]> {
  const text = await onHost(target, "generations", ["--json"]);
  try {
    return z.array(generationSchema).parse(JSON.parse(text));
  } catch {
    throw new UserError(`${target.name} lists its generations in a way that this version of NixFleet does not know`, [
      "ask on the host itself: nixfleet generations",
    ]);
  }
}

export async function rollback(number: string | undefined, options: Options): Promise<void> {
  if (number !== undefined && !/^(\d+|newest)$/.test(number)) {
    throw new UserError(`${JSON.stringify(number)} is not a generation`, ["wanted its number, or newest"]);
  }
  print((await onHost(targetHost(options.targetHost), "rollback", number === undefined ? [] : [number])).trimEnd());
}

export async function gc(options: Options & { readonly keep?: string; readonly dryRun?: boolean }): Promise<void> {
  if (options.keep !== undefined && !/^[1-9]\d*$/.test(options.keep)) {
    throw new UserError(`--keep wants a number of generations, at least 1, got ${options.keep}`);
  }
  const args = [
    ...(options.keep === undefined ? [] : ["--keep", options.keep]),
    ...(options.dryRun ? ["--dry-run"] : []),
  ];
  const said = (await onHost(targetHost(options.targetHost), "gc", args)).trimEnd();
  print(said === "" ? "there is nothing to delete" : said);
}

/** @throws UserError with what the host's own command said */
async function onHost(target: TargetHost, command: string, args: readonly string[]): Promise<string> {
  const script = `/etc/nixfleet/${command}.sh`;
  const none = "it has no generations: NixFleet has not installed it";
  try {
    return await target.run(
      `[ -e ${script} ] || { echo ${quoted(none)} >&2; exit 1; }; ${["sh", script, ...args].map(quoted).join(" ")}`,
    );
  } catch (error) {
    throw refusal(error, target.name);
  }
}
