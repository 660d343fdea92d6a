/** `nixfleet switch HOST` */
import { buildHost } from "../deploy/build.ts";
import { switching } from "../deploy/switch.ts";
import { targetHost } from "../deploy/target-host.ts";
import { requireRoot } from "../machine/root.ts";
import { UserError } from "../modules/errors.ts";
import type { SwitchPlan } from "../plan/switch.ts";
import { loadHost, planOf } from "./load-fleet.ts";
import { print, printJson } from "./output.ts";
import { withProgress } from "./progress.ts";

interface Options {
  readonly targetHost?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export async function switchHost(file: string, name: string, options: Options): Promise<void> {
  const { folder, host } = await loadHost(file, name);
  const plan = planOf(host, folder);
  if (!options.dryRun) requireRoot("send a closure to a host", "some of its files are for root alone to read");
  const target = targetHost(options.targetHost);
  const title = `Switch ${name}`;
  const closure = await withProgress(title, (onProgress) => buildHost(plan, { fleetFolder: folder, onProgress }));
  const { from, plan: changes, perform } = await switching(closure, target);
  const same = from === closure.storePath;
  const { done, problems } = same || options.dryRun ? { done: [], problems: [] } : await withProgress(title, perform);
  if (options.json) printJson({ from, to: closure.storePath, ...changes, done, problems });
  else if (same) print(`${name} is what is declared: nothing is done`);
  else print(options.dryRun ? wouldDo(name, changes) : [...done, ...later(changes)].join("\n"));
  if (problems.length > 0) {
    throw new UserError(`${name} is not wholly as declared yet`, [
      ...problems,
      "mend that, and run the command again: it goes on from here",
    ]);
  }
}

function wouldDo(name: string, changes: SwitchPlan): string {
  const { unplaced, placed, written, removed, units } = changes;
  const lines = [
    ...unplaced.map(({ entry, remains }) => `${remains ? "no longer place" : "no longer persist"} ${entry.path}`),
    ...placed.map(({ entry }) => `persist ${entry.path}, with what it holds now`),
    ...written.map((path) => `write ${path}`),
    ...removed.map((path) => `remove ${path}`),
    ...units.stopped.map((unit) => `stop ${unit}`),
    ...units.restarted.map((unit) => `restart ${unit}, if it runs`),
    ...units.started.map((unit) => `start ${unit}`),
  ];
  return [`${name} would`, ...lines.map((line) => `  ${line}`), ...later(changes)].join("\n");
}

function later({ atNextBoot }: SwitchPlan): string[] {
  return atNextBoot.length === 0 ? [] : [`the next boot brings: ${atNextBoot.join(", ")}`];
}
