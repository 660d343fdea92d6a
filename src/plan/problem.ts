/** Problems of plans, collected before any is shown. */
import { type Problem, problemsIn, UserError } from "../errors.ts";
import type { ValuePath } from "../modules/defined-at.ts";

/** A problem as a plan knows it. Its reader looks up where the option is defined. */
export interface PlanProblem extends Problem {
  readonly option?: ValuePath;
}

/** What `make` makes; `undefined` where it throws, which is then among the problems. */
export function attempt<T>(problems: PlanProblem[], make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    problems.push(...problemsIn(error));
    return undefined;
  }
}
