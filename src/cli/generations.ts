/** `nixfleet generations` and `rollback`: of a running host, this machine or another. */
import { z } from "zod";
import { type TargetHost, targetHost } from "../deploy/target-host.ts";
import { UserError } from "../errors.ts";
import { quoted } from "../local/process.ts";
import { scriptError } from "../local/script-error.ts";
import { said } from "./audit.ts";
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
    throw new UserError(`this version of NixFleet cannot read the list of generations of ${target.name}`, [
      "run this on the host itself: nixfleet generations",
    ]);
  }
}

interface RollbackOptions {
  readonly targetHost?: string;
  readonly withState?: boolean;
  readonly yes?: boolean;
}

export async function rollback(number: string | undefined, options: RollbackOptions): Promise<void> {
  if (number !== undefined && !/^(\d+|newest)$/.test(number)) {
    throw new UserError(`${JSON.stringify(number)} is not a generation`, ["give its number, or newest"]);
  }
  if (options.yes && !options.withState) throw new UserError("--yes is for --with-state, which asks for it");
  const target = targetHost(options.targetHost);
  const words = number === undefined ? [] : [number];
  if (!options.withState) return print((await onHost(target, "rollback", words)).trimEnd());
  // What is lost is listed, also where it is then refused.
  const { text, error } = await said(target, "rollback", [...words, "--with-state", ...(options.yes ? ["--yes"] : [])]);
  print(text.trimEnd());
  if (error !== undefined) throw error;
}

/** @throws UserError with what the host's own command said */
export async function onHost(target: TargetHost, command: string, args: readonly string[]): Promise<string> {
  const script = `/etc/nixfleet/${command}.sh`;
  const none = "it has no generations: NixFleet did not install it";
  try {
    return await target.run(
      `[ -e ${script} ] || { echo ${quoted(none)} >&2; exit 1; }; ${["sh", script, ...args].map(quoted).join(" ")}`,
    );
  } catch (error) {
    throw scriptError(error, target.name);
  }
}
