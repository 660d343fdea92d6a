/** What surely fails, found in the declaration alone. Each check stands by itself, so that one that cannot run hides no other. */
import type { SystemConfig } from "../../system/options.ts";
import { attempt, type PlanProblem } from "../problem.ts";
import { keyProblems, passwordFileProblems, shellProblems } from "./accounts.ts";
import { deviceProblems } from "./disks.ts";
import { etcProblems } from "./etc.ts";
import { groupProblems } from "./groups.ts";
import { localeProblems, timeZoneProblems } from "./host-spec.ts";
import { networkProblems } from "./network.ts";
import { firmwareProblems } from "./packages.ts";
import { serviceProblems, targetProblems, unitNameProblems } from "./units.ts";

const CHECKS: readonly ((config: SystemConfig) => readonly PlanProblem[])[] = [
  timeZoneProblems,
  localeProblems,
  keyProblems,
  passwordFileProblems,
  shellProblems,
  groupProblems,
  deviceProblems,
  firmwareProblems,
  networkProblems,
  unitNameProblems,
  serviceProblems,
  targetProblems,
  etcProblems,
];

export function checkDeclaration(config: SystemConfig, problems: PlanProblem[]): void {
  for (const check of CHECKS) attempt(problems, () => problems.push(...check(config)));
}
