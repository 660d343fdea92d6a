/** `nixfleet build HOST…` */
import type { Closure } from "../closure/closure.ts";
import { buildHost } from "../deploy/build.ts";
import { loadFleet, planOf } from "../deploy/load-fleet.ts";
import { selectHosts } from "../fleet/select-hosts.ts";
import { across, tellOutcomes } from "./across.ts";
import { asRootOfNamespace } from "./as-root.ts";
import { print, printJson } from "./output.ts";
import { type OnProgress, withProgress } from "./progress.ts";

interface Options {
  readonly all?: boolean;
  readonly json?: boolean;
}

export async function build(file: string, patterns: readonly string[], options: Options): Promise<void> {
  await asRootOfNamespace();
  const { fleet, folder } = await loadFleet(file);
  const { hosts, isOne } = selectHosts(fleet, patterns, options.all === true);
  const titled = (text: string) => (isOne ? text : "Build");
  const plans = new Map([...fleet.hosts].map(([name, host]) => [name, planOf(host, folder)]));
  const chosen = hosts.flatMap(({ hostName }) => plans.get(hostName) ?? []);
  const made = async (plan: (typeof chosen)[number], onProgress: OnProgress): Promise<Closure> =>
    buildHost(plan, {
      ...{ fleetFolder: folder, fleet: [...plans.values()], onProgress },
      definedAt: (option) => fleet.hosts.get(plan.hostName)?.definedAt(option) ?? [],
    });
  const [only] = chosen;
  if (isOne && only !== undefined) {
    const closure = await withProgress(titled(`Build ${only.hostName}`), (onProgress) => made(only, onProgress));
    if (options.json) printJson(closure);
    else print(closure.storePath);
    return;
  }
  // One after the other: a cache has one builder at a time, and what hosts share is made for the first of them.
  const outcomes = await withProgress("Build", (onProgress) => across(chosen, 1, onProgress, made));
  if (options.json)
    printJson(outcomes.map(({ host, result, error }) => ({ host, closure: result, error: error?.text ?? null })));
  tellOutcomes(outcomes, "built", ({ storePath, fresh }) => (fresh ? storePath : `${storePath}, as it was`), options);
}
