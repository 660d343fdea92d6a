/** Errors for the person who caused them. */
import { visible } from "./visible.ts";

/** An error that the command line prints without a stack: one line first, then details. */
export class UserError extends Error {
  readonly detail: readonly string[];

  constructor(message: string, detail: readonly string[] = []) {
    super(message);
    this.name = new.target.name;
    this.detail = detail;
  }

  /** The whole text, as it can be printed: the message, then each detail on an indented line. */
  get text(): string {
    return [this.message, ...this.detail.map((line) => `  ${line}`)].map(visible).join("\n");
  }
}

/** What is wrong with a declaration. */
export interface Problem {
  readonly what: string;
  /** Each `file:line` that it is declared at; empty where nobody knows. */
  readonly at: readonly string[];
  /** What to do; empty where `what` says it already. */
  readonly fix: string;
}

/** Everything that is wrong with a declaration: at least one problem. */
export class ProblemsError extends UserError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const [first = NOTHING, ...others] = problems;
    if (others.length === 0) super(first.what, detailLines(first));
    else super(`${problems.length} problems`, problems.flatMap(problemLines));
    this.problems = problems;
  }
}

/** Of whatever a user is told. */
export function problemsIn(error: UserError): readonly Problem[] {
  if (error instanceof ProblemsError) return error.problems;
  return [{ what: error.message, at: [], fix: error.detail.join("; ") }];
}

/** What it is, and below it where, and what to do. */
export function problemLines(problem: Problem): string[] {
  return [problem.what, ...detailLines(problem).map((line) => `  ${line}`)];
}

function detailLines({ at, fix }: Problem): string[] {
  return [...(at.length === 0 ? [] : [`at ${at.join(", ")}`]), ...(fix === "" ? [] : [fix])];
}

const NOTHING: Problem = { what: "nothing is wrong", at: [], fix: "" };
