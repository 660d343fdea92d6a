/** A host's closure with all that belongs in it: the declared files, the initrd's, and those of the running host. */

import { type BuildOptions, buildClosure, type Closure, findClosure } from "../closure/closure.ts";
import type { Activation } from "../closure/tree/activation.ts";
import { type Problem, ProblemsError } from "../errors.ts";
import type { ValuePath } from "../modules/defined-at.ts";
import { hostFiles } from "../payload/host/files.ts";
import { initrdFiles } from "../payload/initrd/files.ts";
import { bindFstab, entriesList, ownersList, parentsConfig, tmpfilesConfig } from "../plan/activation.ts";
import { declaredList } from "../plan/declared-list.ts";
import type { HostPlan } from "../plan/host.ts";
import { type Managed, managedConfig, managedFstab, managedInside } from "../plan/managed.ts";
import type { PlanProblem } from "../plan/problem.ts";

type DefinedAt = (option: ValuePath) => readonly string[];

export interface HostBuildOptions extends BuildOptions {
  /** Where an option is defined: what is found while building can say so too. */
  readonly definedAt?: DefinedAt;
}

/** @throws UserError as buildClosure does */
export async function buildHost(plan: HostPlan, { definedAt, ...options }: HostBuildOptions): Promise<Closure> {
  try {
    return await buildClosure(withHostFiles(plan), activation, options);
  } catch (error) {
    throw definedAt === undefined ? error : withPlaces(error, definedAt);
  }
}

/** An error whose problems name their options, with the places of those. */
export function withPlaces(error: unknown, definedAt: DefinedAt): unknown {
  return error instanceof ProblemsError ? new ProblemsError(placedProblems(error.problems, definedAt)) : error;
}

export function placedProblems(problems: readonly PlanProblem[], definedAt: DefinedAt): readonly Problem[] {
  return problems.map((problem) =>
    problem.at.length > 0 || problem.option === undefined ? problem : { ...problem, at: definedAt(problem.option) },
  );
}

/** A host's closure, if it is built as it is declared and locked now. */
export function findHost(
  plan: HostPlan,
  options: Pick<BuildOptions, "fleetFolder" | "cache">,
): Promise<Closure | null> {
  return findClosure(withHostFiles(plan), activation, options);
}

function withHostFiles(plan: HostPlan): HostPlan {
  if (plan.own !== undefined) throw new Error("the plan was made without the fleet's folder: call planOf");
  return { ...plan, files: [...plan.files, ...hostFiles(plan)].sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

function managedOf({ persistence, files }: HostPlan): readonly Managed[] {
  return managedInside(persistence.entries, files);
}

const activation: Activation = (plan) => ({
  initrd: initrdFiles(plan),
  texts: {
    "tmpfiles.conf": tmpfilesConfig(plan.persistence) + managedConfig(managedOf(plan)),
    fstab: bindFstab(plan.persistence),
    "managed.fstab": managedFstab(managedOf(plan)),
    "entries.list": entriesList(plan.persistence.entries),
    // Not those within what is yet to be copied.
    "parents.conf": parentsConfig(plan.persistence, plan.persistence.entries),
    "owners.list": ownersList(plan.persistence),
    "declared.list": declaredList(plan),
    // What `changes.sh` compares.
    "persists.list": plan.persistence.entries.map(({ path }) => `${path}\n`).join(""),
  },
});
