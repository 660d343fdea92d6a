/** `nixfleet check [HOST…]` */
import { existsSync } from "node:fs";
import { hostOf } from "../fleet/mk-fleet.ts";
import type { Host } from "../fleet/mk-host.ts";
import { CommandError, run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";
import { isRedundant } from "../plan/nesting.ts";
import type { PersistencePlan } from "../plan/persistence.ts";
import { loadFleet, planOf } from "./load-fleet.ts";
import { PACKAGE_ROOT, print, printJson, say, shortPaths } from "./output.ts";

interface Finding {
  readonly host: string;
  readonly error: string | null;
  readonly warnings: readonly string[];
}

export async function check(file: string, names: readonly string[], options: { json?: boolean }): Promise<void> {
  const { fleet, folder } = await loadFleet(file);
  const hosts = names.length === 0 ? [...fleet.hosts.values()] : names.map((name) => hostOf(fleet, name));
  await checkTypes(folder);
  const findings = hosts.map((host) => examine(host, folder));
  if (options.json) printJson(findings);
  for (const { host, error, warnings } of findings) {
    for (const warning of warnings) say(`${host}: warning: ${warning}`);
    if (error !== null) say(shortPaths(`${host}: ${error}`));
    else if (!options.json) print(`${host}: ok`);
  }
  const failed = findings.filter((finding) => finding.error !== null).length;
  if (failed > 0) throw new UserError(`${failed} of ${findings.length} hosts cannot be built`);
}

function examine(host: Host, folder: string): Finding {
  try {
    host.evaluation.force();
    const { persistence } = planOf(host, folder);
    return { host: host.hostName, error: null, warnings: [...host.warnings, ...redundancies(persistence)] };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { host: host.hostName, error: error.text, warnings: [] };
  }
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
