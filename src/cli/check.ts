/** `nixfleet check [HOST…]` */
import { existsSync } from "node:fs";
import { type Forgotten, forgottenState } from "../audit/forgotten.ts";
import { hostTree } from "../audit/host-tree.ts";
import { type Misplaced, misplacedOf, misplacedState, misplacedText } from "../audit/misplaced.ts";
import { parseUnit } from "../audit/unit-file.ts";
import { absentShells, absentUnits } from "../audit/verify/absent.ts";
import { type Verified, verifyBuilt } from "../audit/verify/verify.ts";
import type { Closure } from "../closure/closure.ts";
import { findHost, placedProblems } from "../deploy/build.ts";
import { loadFleet, planOf } from "../deploy/load-fleet.ts";
import { type Problem, ProblemsError, problemsIn, UserError } from "../errors.ts";
import type { Host } from "../fleet/mk-host.ts";
import { selectHosts } from "../fleet/select-hosts.ts";
import { compiler } from "../local/package.ts";
import { CommandError, run } from "../local/process.ts";
import type { ValuePath } from "../modules/defined-at.ts";
import { networkWarnings } from "../plan/checks/network.ts";
import { diskWarnings } from "../plan/disk-warnings.ts";
import type { HostPlan } from "../plan/host.ts";
import { loginWarnings } from "../plan/login.ts";
import { isRedundant } from "../plan/nesting.ts";
import type { PersistencePlan } from "../plan/persistence-plan.ts";
import { cachesText, unmentioned, unmentionedText } from "./forgotten.ts";
import { print, printJson, say, shortPaths } from "./output.ts";

interface Finding {
  readonly host: string;
  /** Everything that is wrong; empty: nothing. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
  /** What services lose at the next boot that nobody mentions; only with `--built`. */
  readonly forgotten?: readonly Forgotten[];
}

interface CheckOptions {
  readonly all?: boolean;
  readonly built?: boolean;
  readonly json?: boolean;
}

export async function check(file: string, names: readonly string[], options: CheckOptions): Promise<void> {
  const { fleet, folder } = await loadFleet(file);
  const { hosts } = selectHosts(fleet, names, options.all === true || names.length === 0);
  const findings: Finding[] = [];
  for (const host of hosts) {
    findings.push(await examine(host, folder, options.built === true));
    host.forget();
  }
  // What evaluation finds wrong it says in fewer words, with the option's name; the compiler speaks of what only it knows.
  if (findings.every(({ problems }) => problems.length === 0)) await checkTypes(folder);
  if (options.json) printJson(findings.map(withShortPaths));
  for (const finding of findings) tell(finding, options);
  const failed = findings.filter(({ problems }) => problems.length > 0).length;
  if (failed > 0)
    throw new UserError(`${failed} of ${findings.length} hosts cannot be ${options.built ? "checked" : "built"}`);
  const forgetful = findings.filter(({ forgotten = [] }) => unmentioned(forgotten).length > 0).length;
  if (forgetful > 0)
    throw new UserError(
      `${forgetful} of ${findings.length} hosts would lose state that is neither persisted nor marked ephemeral`,
    );
}

function tell({ host, problems, warnings, forgotten = [] }: Finding, options: CheckOptions): void {
  for (const warning of warnings) say(`${host}: warning: ${warning}`);
  if (problems.length > 0) say(shortPaths(`${host}: ${new ProblemsError(problems).text}`));
  else if (unmentioned(forgotten).length > 0) say(`${host}: ${unmentionedText(forgotten)}`);
  else if (!options.json) print(`${host}: ok`);
  const caches = cachesText(forgotten);
  if (caches !== null && !options.json) say(`${host}: ${caches}`);
}

function withShortPaths(finding: Finding): Finding {
  const problems = finding.problems.map(({ what, at, fix }) => ({
    what: shortPaths(what),
    at: at.map(shortPaths),
    fix: shortPaths(fix),
  }));
  return { ...finding, problems };
}

async function examine(host: Host, folder: string, built: boolean): Promise<Finding> {
  try {
    const plan = planOf(host, folder, () => host.check());
    const closure = built ? await builtClosure(host, plan, folder) : null;
    const verified = closure === null ? NOTHING : await examineBuilt(closure, host, plan);
    if (verified.problems.length > 0) throw new ProblemsError(verified.problems);
    const warnings = [
      ...host.warnings,
      ...verified.warnings,
      ...loginWarnings(host.config, host.config.services.openssh),
      ...networkWarnings(host.config),
      ...diskWarnings(plan.disk, plan.loader),
      ...redundancies(plan.persistence),
      ...misplaced(host, plan, closure).map(misplacedText),
    ];
    const finding = { host: host.hostName, problems: [], warnings };
    if (!built) return finding;
    const forgotten =
      closure === null
        ? []
        : forgottenState(closure.folder, plan.persistence, host.config.nixfleet.impermanence.ephemeral);
    return { ...finding, forgotten };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { host: host.hostName, problems: problemsIn(error), warnings: [] };
  }
}

/** What the closure's own programs say of it, and what it lacks. */
async function examineBuilt({ folder }: Closure, host: Host, plan: HostPlan): Promise<Verified> {
  const definedAt = (option: ValuePath) => host.definedAt(option);
  const { problems, warnings } = await verifyBuilt(folder, plan, definedAt);
  const tree = hostTree(folder);
  const absent = [...absentShells(tree, plan), ...absentUnits(tree, host.config)];
  return { problems: [...problems, ...placedProblems(absent, definedAt)], warnings };
}

const NOTHING: Verified = { problems: [], warnings: [] };

/** `null` for a root that stays, which forgets nothing. @throws UserError where it is not built */
async function builtClosure(host: Host, plan: HostPlan, folder: string): Promise<Closure | null> {
  if (plan.wipe === null) return null;
  const closure = await findHost(plan, { fleetFolder: folder });
  if (closure !== null) return closure;
  throw new UserError("the current declaration is not built", [`run: nixfleet build ${host.hostName}`]);
}

/** Of the services that are declared, and where the host is built of those that its packages bring. */
function misplaced(host: Host, { persistence }: HostPlan, closure: Closure | null): readonly Misplaced[] {
  if (closure !== null) return misplacedState(closure.folder, persistence);
  return Object.entries(host.config.systemd.services).flatMap(([name, { enable, serviceConfig }]) => {
    const lines = Object.entries(serviceConfig).flatMap(([key, value]) =>
      [value].flat().map((one) => `${key}=${one}\n`),
    );
    return enable
      ? misplacedOf(`${name}.service`, parseUnit([`[Service]\n${lines.join("")}`]), persistence.entries)
      : [];
  });
}

/** Of what a person declares, inside what a person declares: of the framework's entries nobody has to know. */
function redundancies({ entries }: PersistencePlan): string[] {
  const byFramework = new Set(entries.filter((entry) => entry.byFramework).map(({ path }) => path));
  return entries
    .filter((entry) => isRedundant(entry) && !entry.byFramework && !byFramework.has(entry.within?.path ?? ""))
    .map(
      ({ path, within, declaredAt }) =>
        `${path} is redundant: ${within?.path} already persists it (declared at ${declaredAt.join(", ")})`,
    );
}

/** The compiler's own errors, where the fleet's folder is set up for it, as `nixfleet init` does. */
async function checkTypes(folder: string): Promise<void> {
  if (!existsSync(`${folder}/tsconfig.json`)) return;
  try {
    await run(process.execPath, [compiler(), "--noEmit", "--pretty", "false", "--project", folder], { cwd: folder });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const problems = error.stdout.split("\n").filter((line) => /^\S.*error TS/.test(line));
    throw new UserError(
      `the fleet has ${problems.length === 1 ? "a type error" : `${problems.length} type errors`}`,
      problems,
    );
  }
}
