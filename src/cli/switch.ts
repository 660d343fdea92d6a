/** `nixfleet switch HOST…` */
import type { Closure } from "../closure/closure.ts";
import { buildHost } from "../deploy/build.ts";
import { loadFleet, planOf } from "../deploy/load-fleet.ts";
import { switching } from "../deploy/switch.ts";
import { connectedHost } from "../deploy/target-host.ts";
import { UserError } from "../errors.ts";
import { selectHosts } from "../fleet/select-hosts.ts";
import { requireRoot } from "../local/root.ts";
import type { HostPlan } from "../plan/host.ts";
import type { SwitchPlan } from "../plan/switch.ts";
import { across, tellOutcomes } from "./across.ts";
import { print, printJson } from "./output.ts";
import { type OnProgress, withProgress } from "./progress.ts";

interface Options {
  readonly targetHost?: string;
  readonly all?: boolean;
  readonly confirm?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** What became of one host. */
interface Result {
  readonly host: string;
  readonly from: string;
  readonly to: string;
  readonly changes: SwitchPlan;
  readonly isDone: boolean;
  readonly outcome: "as declared" | "would change" | "switched" | "incomplete" | "back" | "partly-back";
  readonly done: readonly string[];
  readonly problems: readonly string[];
}

export async function switchHosts(file: string, patterns: readonly string[], options: Options): Promise<void> {
  const { fleet, folder } = await loadFleet(file);
  const { hosts, isOne } = selectHosts(fleet, patterns, options.all === true);
  const confirm = secondsOf(options);
  if (!options.dryRun) requireRoot("send a closure to a host", "only root can read some of its files");
  const targets = hosts.map((host) => destinationOf(host.hostName, hosts.length, options));
  const plans = hosts.map((host) => planOf(host, folder));
  const build = (plan: HostPlan, onProgress: OnProgress) =>
    buildHost(plan, {
      ...{ fleetFolder: folder, onProgress },
      definedAt: (option) => fleet.hosts.get(plan.hostName)?.definedAt(option) ?? [],
    });
  const change = (plan: HostPlan, closure: Closure, onProgress: OnProgress) =>
    switchOne(
      plan.hostName,
      closure,
      targets[plans.indexOf(plan)],
      { confirm, dryRun: options.dryRun === true },
      onProgress,
    );
  const [only] = plans;
  if (isOne && only !== undefined) {
    const result = await withProgress(`Switch ${only.hostName}`, async (onProgress) =>
      change(only, await build(only, onProgress), onProgress),
    );
    if (options.json) printJson(documentOf(result));
    else print(textOf(result).join("\n"));
    refuseUnfinished(result);
    return;
  }
  const outcomes = await withProgress("Switch", async (onProgress) => {
    const built = await across(plans, 1, onProgress, async (plan, onStep) => ({
      plan,
      hostName: plan.hostName,
      closure: await build(plan, onStep),
    }));
    const failed = built.flatMap(({ host, error, seconds }) =>
      error === null ? [] : [{ host, result: null, error, seconds }],
    );
    const ready = built.flatMap(({ result }) => result ?? []);
    const switched = await across(ready, AT_ONCE, onProgress, async ({ plan, closure }, onStep) => {
      const result = await change(plan, closure, onStep);
      refuseUnfinished(result);
      return result;
    });
    return [...failed, ...switched];
  });
  if (options.json)
    printJson(
      outcomes.map(({ host, result, error }) => ({
        host,
        ...(result === null ? {} : documentOf(result)),
        error: error?.text ?? null,
      })),
    );
  tellOutcomes(outcomes, "switched", rowOf, options);
}

/** Each sends its closure; more at once would share one uplink. */
const AT_ONCE = 8;

/** `null`: as the change wants. */
function secondsOf({ confirm, targetHost }: Options): number | null {
  if (confirm === undefined) return null;
  if (!/^\d{1,4}$/.test(confirm)) {
    throw new UserError(`--confirm wants a number of seconds up to 9999, got ${confirm}`, [
      "0: it never goes back by itself",
    ]);
  }
  if (targetHost === undefined && Number(confirm) > 0) {
    throw new UserError("--confirm needs --target-host: this machine has no connection to be confirmed over");
  }
  return Number(confirm);
}

/** `%h` is the host's name, as in ssh_config(5). */
function destinationOf(host: string, count: number, { targetHost }: Options): string | undefined {
  if (count > 1 && targetHost?.includes("%h") !== true) {
    throw new UserError(`${count} hosts cannot be at one place`, [
      "say where each is: --target-host root@%h, where %h is its name",
    ]);
  }
  return targetHost?.replaceAll("%h", host);
}

async function switchOne(
  host: string,
  closure: Closure,
  destination: string | undefined,
  { confirm, dryRun }: { readonly confirm: number | null; readonly dryRun: boolean },
  onProgress: OnProgress,
): Promise<Result> {
  await using target = await connectedHost(destination);
  const { from, plan, isDone, touchesNetwork, perform } = await switching(closure, target);
  const found = { host, from, to: closure.storePath, changes: plan, isDone, done: [], problems: [] };
  if (isDone) return { ...found, outcome: "as declared" };
  if (dryRun) return { ...found, outcome: "would change" };
  const byDefault = touchesNetwork && destination !== undefined ? CONFIRM : 0;
  return { ...found, ...(await perform(confirm ?? byDefault, onProgress)) };
}

/** In seconds. */
const CONFIRM = 60;

/** @throws UserError where the host is not what is declared now */
function refuseUnfinished({ host, outcome, problems }: Result): void {
  switch (outcome) {
    case "incomplete":
      throw new UserError(`${host} is not completely as declared yet`, [
        ...problems,
        "fix that, then run the command again: it continues from here",
      ]);
    case "back":
    case "partly-back":
      throw new UserError(
        `${host} went back to what it was${outcome === "back" ? "" : ", but not in all"}, and boots what it booted before`,
        [...problems, "fix what cut the connection, and run the command again; --confirm 0 lets it stay all the same"],
      );
    default:
  }
}

function documentOf({ from, to, changes, outcome, done, problems }: Result) {
  return { from, to, ...changes, outcome, done, problems };
}

function rowOf({ outcome, done, changes }: Result): string {
  const first = outcome === "switched" ? `switched: ${done.length} ${done.length === 1 ? "step" : "steps"}` : outcome;
  return [first, ...later(changes)].join("; ");
}

function textOf({ host, outcome, changes, done }: Result): readonly string[] {
  if (outcome === "as declared") return [`${host} is as declared: nothing to do`, ...later(changes)];
  return outcome === "would change" ? wouldDo(host, changes) : [...done, ...later(changes)];
}

function wouldDo(name: string, changes: SwitchPlan): readonly string[] {
  const { unplaced, placed, postponed, written, removed, units } = changes;
  const lines = [
    ...unplaced.map(({ entry, remains }) => `${remains ? "no longer place" : "no longer persist"} ${entry.path}`),
    ...placed.map(({ path }) => `persist ${path} (from the next boot on if it holds data)`),
    ...postponed.map(({ path }) => `persist ${path} with its data from the next boot on`),
    ...written.map((path) => `write ${path}`),
    ...removed.map((path) => `remove ${path}`),
    ...units.stopped.map((unit) => `stop ${unit}`),
    ...units.restarted.map((unit) => `restart ${unit}, if it runs`),
    ...units.started.map((unit) => `start ${unit}`),
  ];
  return [`${name} would`, ...lines.map((line) => `  ${line}`), ...later(changes)];
}

function later({ atNextBoot }: SwitchPlan): string[] {
  return atNextBoot.length === 0 ? [] : [`at the next boot: ${atNextBoot.join(", ")}`];
}
