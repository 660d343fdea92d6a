/** Why a request is not done, for whoever sent it: RFC 9457. */
import type { Problem } from "../../wire/problem.ts";

const TITLES = {
  400: "Bad request",
  401: "Who are you?",
  403: "You may not",
  404: "Not found",
  405: "Not that way",
  408: "Too slow",
  409: "Not now",
  413: "Too large",
  415: "Not JSON",
  422: "Not what is wanted",
  500: "A bug",
  503: "Not available",
} as const;

export type RefusalStatus = keyof typeof TITLES;

export class Refusal extends Error {
  readonly status: RefusalStatus;
  readonly errors: readonly string[];
  /** What was changed before it stays changed. */
  readonly keeps: boolean;

  constructor(status: RefusalStatus, detail: string, errors: readonly string[] = [], keeps = false) {
    super(detail);
    this.status = status;
    this.errors = errors;
    this.keeps = keeps;
  }

  get problem(): Problem {
    const errors = this.errors.slice(0, 20).map((line) => line.slice(0, 500));
    const detail = this.message.slice(0, 2000);
    const problem = { type: "about:blank", title: TITLES[this.status], status: this.status, detail } as const;
    return errors.length === 0 ? problem : { ...problem, errors };
  }
}
