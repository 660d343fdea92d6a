/** `nixfleet check [HOST…]` */
import { existsSync } from "node:fs";
import { findHost } from "../deploy/build.ts";
import { hostOf } from "../fleet/mk-fleet.ts";
import type { Host } from "../fleet/mk-host.ts";
import { CommandError, run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";
import type { HostPlan } from "../plan/host.ts";
import { isRedundant } from "../plan/nesting.ts";
import type { PersistencePlan } from "../plan/persistence.ts";
import { type Forgotten, forgottenState } from "../state/forgotten.ts";
import { cachesText, unmentioned, unmentionedText } from "./forgotten.ts";
import { loadFleet, planOf } from "./load-fleet.ts";
import { PACKAGE_ROOT, print, printJson, say, shortPaths } from "./output.ts";

interface Finding {
  readonly host: string;
  readonly error: string | null;
  readonly warnings: readonly string[];
  /** What services lose at the next boot that nobody mentions; only with `--built`. */
  readonly forgotten?: readonly Forgotten[];
}

interface CheckOptions {
  readonly built?: boolean;
  readonly json?: boolean;
}

export async function check(file: string, names: readonly string[], options: CheckOptions): Promise<void> {
  const { fleet, folder } = await loadFleet(file);
  const hosts = names.length === 0 ? [...fleet.hosts.values()] : names.map((name) => hostOf(fleet, name));
  await checkTypes(folder);
  const findings: Finding[] = [];
  for (const host of hosts) findings.push(await examine(host, folder, options.built === true));
  if (options.json) printJson(findings);
  for (const finding of findings) tell(finding, options);
  const failed = findings.filter((finding) => finding.error !== null).length;
  if (failed > 0)
    throw new UserError(`${failed} of ${findings.length} hosts cannot be ${options.built ? "checked" : "built"}`);
  const forgetful = findings.filter(({ forgotten = [] }) => unmentioned(forgotten).length > 0).length;
  if (forgetful > 0)
    throw new UserError(`${forgetful} of ${findings.length} hosts would forget state that nobody mentions`);
}

function tell({ host, error, warnings, forgotten = [] }: Finding, options: CheckOptions): void {
  for (const warning of warnings) say(`${host}: warning: ${warning}`);
  if (error !== null) say(shortPaths(`${host}: ${error}`));
  else if (unmentioned(forgotten).length > 0) say(`${host}: ${unmentionedText(forgotten)}`);
  else if (!options.json) print(`${host}: ok`);
  const caches = cachesText(forgotten);
  if (caches !== null && !options.json) say(`${host}: ${caches}`);
}

async function examine(host: Host, folder: string, built: boolean): Promise<Finding> {
  try {
    host.evaluation.force();
    const plan = planOf(host, folder);
    const warnings = [...host.warnings, ...redundancies(plan.persistence)];
    const finding = { host: host.hostName, error: null, warnings };
    return built ? { ...finding, forgotten: await forgottenBy(host, plan, folder) } : finding;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { host: host.hostName, error: error.text, warnings: [] };
  }
}

async function forgottenBy(host: Host, plan: HostPlan, folder: string): Promise<readonly Forgotten[]> {
  // A root that stays forgets nothing.
  if (plan.wipe === null) return [];
  const closure = await findHost(plan, { fleetFolder: folder });
  if (closure === null) {
    throw new UserError("it is not built as it is declared now", [`run: nixfleet build ${host.hostName}`]);
  }
  return forgottenState(closure.folder, plan.persistence, host.config.nixfleet.impermanence.ephemeral);
}

function redundancies({ entries }: PersistencePlan): string[] {
  return entries
    .filter(isRedundant)
    .map(
      ({ path, within, declaredAt }) =>
        `${path} is redundant: it is inside ${within?.path}, which persists (declared at ${declaredAt.join(", ")})`,
    );
}

/** The compiler's own errors, where the fleet's folder is set up for it, as `nixfleet init` does. */
async function checkTypes(folder: string): Promise<void> {
  if (!existsSync(`${folder}/tsconfig.json`)) return;
  try {
    await run(`${PACKAGE_ROOT}/node_modules/.bin/tsc`, ["--noEmit", "--pretty", "false", "--project", folder], {
      cwd: folder,
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const problems = error.stdout.split("\n").filter((line) => /^\S.*error TS/.test(line));
    throw new UserError(
      `the fleet has ${problems.length === 1 ? "a type error" : `${problems.length} type errors`}`,
      problems,
    );
  }
}
