/** `nixfleet rollout`: brings a release to machines, and watches it. */
import { randomUUID } from "node:crypto";
import { setTimeout as later } from "node:timers/promises";
import { z } from "zod";
import { ask, type Login, readLogin } from "../control/client.ts";
import { COMMANDS } from "../control/decide/command.ts";
import { UserError } from "../errors.ts";
import { WIRE_VERSION } from "../wire/names.ts";
import { type RolloutRequest, rolloutRequest } from "../wire/rollout.ts";
import { print, printJson, say, table } from "./output.ts";
import { everything, understood } from "./pages.ts";

export interface RolloutOptions {
  readonly tag?: readonly string[];
  readonly waves?: string;
  readonly canary?: boolean;
  readonly atOnce: string;
  readonly tolerate: string;
  readonly soak: string;
  readonly patience: string;
  readonly onFailure: string;
  readonly apply: string;
  readonly acceptStray?: boolean;
  readonly watch?: boolean;
  readonly json?: boolean;
}

const rollout = z.looseObject({
  id: z.string(),
  release: z.string(),
  status: z.string(),
  why: z.string(),
  wave: z.number(),
  waves: z.array(z.string()),
  created: z.string(),
  machines: z.record(z.string(), z.number()),
});
type Rollout = z.infer<typeof rollout>;

export async function rolloutCommand(
  action: string,
  id: string | undefined,
  hosts: readonly string[],
  options: RolloutOptions,
): Promise<void> {
  const known = ["start", "list", "show", ...Object.keys(COMMANDS)];
  if (!known.includes(action)) throw new UserError(`rollout cannot ${action}`, [`wanted ${known.join(", ")}`]);
  if (action === "list") return await list(await readLogin(), options);
  if (id === undefined)
    throw new UserError(`which ${action === "start" ? "release" : "rollout"}?`, [`nixfleet rollout ${action} ID`]);
  if (action === "start") {
    const body = rolloutOf(id, hosts, options);
    return await startRollout(await readLogin(), body, options);
  }
  const login = await readLogin();
  const path = `/rollouts/${encodeURIComponent(id)}`;
  const answer = await ask(login, action === "show" ? "GET" : "POST", action === "show" ? path : `${path}/${action}`);
  await tell(login, understood(rollout, answer), options);
}

/** @throws UserError, with `watch`, unless it is done in the end */
export async function startRollout(login: Login, body: RolloutRequest, options: RolloutOptions): Promise<void> {
  const answer = await ask(login, "POST", "/rollouts", { body, idempotencyKey: randomUUID() });
  await tell(login, understood(rollout, answer), options);
}

async function tell(login: Login, found: Rollout, options: RolloutOptions): Promise<void> {
  if (options.watch) return await watch(login, found, options);
  if (options.json) return printJson(found);
  print(described(found));
}

/** @throws UserError where the options make no rollout */
export function rolloutOf(release: string, hosts: readonly string[], options: RolloutOptions): RolloutRequest {
  if (hosts.length > 0 && options.tag !== undefined) throw new UserError("give hosts or --tag, not both");
  if (options.canary && options.waves !== undefined) throw new UserError("give --canary or --waves, not both");
  const { success, data, error } = rolloutRequest.safeParse({
    version: WIRE_VERSION,
    release,
    machines:
      hosts.length > 0
        ? { kind: "named", names: hosts }
        : options.tag
          ? { kind: "tagged", tags: options.tag }
          : { kind: "all" },
    strategy: options.waves
      ? { kind: "staged", waves: options.waves.split(",") }
      : { kind: options.canary ? "canary" : "all-at-once" },
    atOnce: options.atOnce,
    tolerate: options.tolerate,
    soak: Number(options.soak),
    patience: Number(options.patience),
    onFailure: options.onFailure,
    apply: options.apply,
    acceptStray: options.acceptStray === true,
  });
  if (success) return data;
  throw new UserError(
    "that is not a rollout",
    error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`),
  );
}

async function list(login: Login, { json }: RolloutOptions): Promise<void> {
  const found = await everything(login, "/rollouts", rollout);
  if (json) return printJson(found);
  const row = ({ id, status, created, release, ...rest }: Rollout) => [
    id,
    status,
    created,
    release.slice(0, 8),
    counted(rest),
  ];
  print(table(["rollout", "status", "began", "release", "machines"], found.map(row)));
}

/** Until it has ended, or waits for somebody. @throws UserError unless every machine is well */
async function watch(login: Login, begun: Rollout, { json }: RolloutOptions): Promise<void> {
  let [found, shown] = [begun, ""];
  while (["pending", "running", "reverting"].includes(found.status)) {
    const text = described(found);
    if (text !== shown) say(text);
    shown = text;
    await later(2000);
    found = understood(rollout, await ask(login, "GET", `/rollouts/${found.id}`));
  }
  if (json) printJson(found);
  else print(described(found));
  if (found.status !== "done") throw new UserError(`the rollout is ${found.status}: ${found.why}`);
}

function described(found: Rollout): string {
  const { id, status, why, wave, waves } = found;
  const which = waves.length > 1 ? `, wave ${wave} of ${waves.length} (${waves.join(", ")})` : "";
  return `${id}: ${status}${which}: ${counted(found)}${why === "" ? "" : `: ${why}`}`;
}

function counted({ machines }: Pick<Rollout, "machines">): string {
  return Object.entries(machines)
    .map(([state, count]) => `${count} ${state}${state === "installed" ? " and waiting for the next boot" : ""}`)
    .join(", ");
}
