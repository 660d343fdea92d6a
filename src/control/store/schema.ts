/** The tables. What is a union or a list is kept as JSON; booleans are 0 and 1; times are UTC in ISO 8601, unless they are steady. */
import type { Generated } from "kysely";
import type { RolloutStatus } from "../../wire/rollout.ts";
import type { Lifecycle, MemberState } from "../decide/state.ts";

export const ROLES = ["readonly", "deploy", "admin"] as const;
export type Role = (typeof ROLES)[number];

export interface Schema {
  machines: MachineRow;
  /** `declared`: 1 for what the host says of itself, 0 for what an operator has given it. */
  machine_tags: { machine: string; tag: string; declared: number };
  rejections: { machine: string; release: string; why: string; at: string };
  releases: ReleaseRow;
  release_hosts: { release: string; machine: string; closure: string };
  rollouts: RolloutRow;
  members: MemberRow;
  tokens: { hash: string; machine: string; expires: string };
  certificates: { serial: string; machine: string; expires: string; revoked: string | null };
  keys: KeyRow;
  audit: AuditRow;
  events: EventRow;
  answers: { key_id: string; idempotency_key: string; request: string; status: number; body: string; at: string };
  /** One row: the steady clock, and from where the numbers of changes go on. */
  clock: { id: number; steady: number; wall: number; change_floor: number };
  /** One row: which instance runs the rollouts, and how often it has said so. */
  leader: { id: number; holder: string; beat: number };
}

export interface MachineRow {
  name: string;
  lifecycle: Lifecycle;
  created: string;
  change: number;
  fetched: number;
  target: string;
  sequence: number | null;
  last_seen: number | null;
  seen_at: string | null;
  running: string | null;
  running_release: string | null;
  reported_change: number | null;
  outcome: string | null;
  /** What kind it is, to count by. */
  outcome_kind: string | null;
  report: string | null;
}

export interface ReleaseRow {
  id: string;
  sequence: number;
  commit_id: string | null;
  created: string;
  note: string;
  /** How many. */
  hosts: Generated<number>;
}

export interface RolloutRow {
  id: string;
  release: string;
  status: RolloutStatus;
  why: string;
  version: number;
  wave: number;
  request: string;
  created: string;
  created_by: string;
  /** How many machines were in which state when it ended. null: they are counted when somebody asks. */
  counts: Generated<string | null>;
}

export interface MemberRow {
  rollout: string;
  machine: string;
  closure: string;
  state: MemberState["kind"];
  change: number | null;
  since: number | null;
  previous: string | null;
  why: string | null;
  forgiven: number;
  live: number;
}

export interface KeyRow {
  id: string;
  name: string;
  role: Role;
  hash: string;
  created: string;
  expires: string;
  revoked: string | null;
}

export interface AuditRow {
  id: Generated<number>;
  at: string;
  who: string;
  action: string;
  subject: string;
  before: string | null;
  after: string | null;
}

export interface EventRow {
  id: Generated<number>;
  at: string;
  machine: string;
  kind: string;
  detail: string;
}
