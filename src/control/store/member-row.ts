/** The state of a rollout's member, as columns. */
import type { MemberState } from "../decide/state.ts";
import type { MemberRow } from "./schema.ts";

type Columns = Pick<MemberRow, "state" | "change" | "since" | "previous" | "why" | "forgiven">;

const NONE = { change: null, since: null, previous: null, why: null, forgiven: 0 } as const;

export function memberColumns(state: MemberState): Columns {
  switch (state.kind) {
    case "waiting":
    case "reverted":
      return { ...NONE, state: state.kind };
    case "changing":
    case "installed":
    case "healthy":
    case "reverting":
      return { ...NONE, state: state.kind, change: state.change, since: state.since, previous: state.previous };
    case "failed": {
      const { change, since, previous, why, forgiven } = state;
      return { state: "failed", change, since, previous, why, forgiven: forgiven ? 1 : 0 };
    }
    case "rejected":
      return { ...NONE, state: "rejected", why: state.why, forgiven: state.forgiven ? 1 : 0 };
    case "stuck":
    case "left":
      return { ...NONE, state: state.kind, why: state.why };
  }
}

/** @throws Error if the columns do not belong together: nothing is decided from a database that is damaged */
export function memberState(row: Columns): MemberState {
  const forgiven = row.forgiven === 1;
  switch (row.state) {
    case "waiting":
    case "reverted":
      return { kind: row.state };
    case "changing":
    case "installed":
    case "healthy":
    case "reverting":
      return { kind: row.state, ...told(row) };
    case "failed":
      return { kind: "failed", ...told(row), why: row.why ?? "", forgiven };
    case "rejected":
      return { kind: "rejected", why: row.why ?? "", forgiven };
    case "stuck":
    case "left":
      return { kind: row.state, why: row.why ?? "" };
  }
}

function told({ change, since, previous, state }: Columns) {
  if (change === null || since === null || previous === null) {
    throw new Error(`the database has a machine that is ${state}, and not since when`);
  }
  return { change, since, previous };
}
