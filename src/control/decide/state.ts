/** What a rollout is decided from. The store keeps it, and nothing of it is anywhere else. */
import type { Apply, Target } from "../../wire/desired.ts";
import type { Outcome } from "../../wire/report.ts";
import type { Amount, RolloutStatus } from "../../wire/rollout.ts";

export type Lifecycle = "pending" | "provisioning" | "active" | "maintenance" | "decommissioned";

export interface Rollout {
  readonly id: string;
  readonly release: string;
  readonly status: RolloutStatus;
  /** Why it is in that state, for people. */
  readonly why: string;
  /** Grows with each change of the rollout or of its members: a decision from before such a change is void. */
  readonly version: number;
  /** Which of the waves is on, from 0. */
  readonly wave: number;
  /** How many machines have changed when each wave ends. The last is all of them. */
  readonly waves: readonly Amount[];
  /** How many machines may be under way at a time. */
  readonly atOnce: Amount;
  readonly tolerate: Amount;
  /** In seconds. */
  readonly soak: number;
  readonly patience: number;
  readonly onFailure: "pause" | "revert";
  readonly apply: Apply;
  readonly acceptStray: boolean;
}

export interface Machine {
  readonly name: string;
  readonly lifecycle: Lifecycle;
  /** The number of the last change that it was told. Each order has a new one, and a report names the one that it is of. */
  readonly change: number;
  /** The last change that its agent has asked for and been answered with. */
  readonly fetched: number;
  /** Seconds of the steady clock; null before the first report. */
  readonly lastSeen: number | null;
  /** The closure it said it runs. */
  readonly running: string | null;
  readonly reported: { readonly change: number; readonly outcome: Outcome } | null;
  /** Whether this machine has rejected the rollout's release, in whatever rollout. */
  readonly rejects: boolean;
  /** Whether another rollout has it. */
  readonly held: boolean;
}

interface Told {
  readonly change: number;
  /** Seconds of the steady clock. */
  readonly since: number;
  /** The closure that it ran before, which a revert brings back. */
  readonly previous: string;
}

export type MemberState =
  | { readonly kind: "waiting" }
  | ({ readonly kind: "changing" } & Told)
  /** It has what it was told as its next generation, and waits for its next boot, however long that takes. */
  | ({ readonly kind: "installed" } & Told)
  | ({ readonly kind: "healthy" } & Told)
  /** It was told, and is not healthy. It may be yet. */
  | ({ readonly kind: "failed"; readonly why: string; readonly forgiven: boolean } & Told)
  /** It does not take this release, now or later. */
  | { readonly kind: "rejected"; readonly why: string; readonly forgiven: boolean }
  | ({ readonly kind: "reverting" } & Told)
  | { readonly kind: "reverted" }
  /** It was told to go back, and has not said that it did. The order stands. */
  | { readonly kind: "stuck"; readonly why: string }
  /** Nothing was done to it, or what was done is no longer this rollout's concern. */
  | { readonly kind: "left"; readonly why: string };

export interface Member {
  readonly machine: Machine;
  /** What the release has for it. */
  readonly closure: string;
  readonly state: MemberState;
  /** Whether the rollout still has the machine: no other rollout can take it then. */
  readonly live: boolean;
}

export type StateKind = MemberState["kind"];

/** What a decision needs to know of a rollout's members. There may be very many, of whom few have something to do. */
export interface Members {
  /** How many are in each state. */
  readonly counts: Readonly<Record<StateKind, number>>;
  /** How many have failed or rejected the release, and are not forgiven; and the first of them by name. */
  readonly failures: number;
  readonly firstFailure: Member | null;
  /** Whether the wave waits for one: a machine that is not in maintenance, and is under way, or has not been healthy for long enough. */
  readonly unfinished: boolean;
  /** Everybody whom the decision may be about. Others may be among them. */
  readonly concerned: readonly Member[];
}

/** What shall change. It is applied only if what it was decided from still holds, all of it or nothing. */
export type Decision =
  | {
      readonly kind: "member";
      readonly machine: string;
      readonly from: MemberState["kind"];
      readonly to: MemberState;
      readonly live: boolean;
      readonly order: Order | null;
    }
  | { readonly kind: "rollout"; readonly status: RolloutStatus; readonly wave: number; readonly why: string };

export interface Order {
  /** The machine's last change plus one: void if it has been told something else meanwhile. */
  readonly change: number;
  readonly target: Target;
  /** Takes back what its agent has not seen yet: void if it has. */
  readonly unseen: boolean;
}

export interface Moment {
  /** Seconds of the steady clock. */
  readonly now: number;
  /** A machine that has said nothing for so many seconds is away. */
  readonly awayAfter: number;
}
