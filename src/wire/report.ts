/** What an agent says of its host. */
import { z } from "zod";
import { closurePath, counter, releaseId, tags, text, version } from "./names.ts";

/** How the change of that number ended here, or that it has not yet. */
export const outcome = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("working"), doing: text(200) }),
  /** The generation is what boots next. Nothing else happens until somebody reboots the host. */
  z.strictObject({ kind: z.literal("installed") }),
  /** The new generation runs, has reached the control plane, and its checks have passed. */
  z.strictObject({ kind: z.literal("healthy") }),
  /** It runs what it should, and checks fail. */
  z.strictObject({ kind: z.literal("unhealthy"), why: text(1000) }),
  /** The host has gone back by itself, and does not try this release again. */
  z.strictObject({ kind: z.literal("rejected"), release: releaseId, why: text(1000) }),
  /** The change was not begun: no room, data that would be orphaned, a signature that is missing. It is tried again. */
  z.strictObject({ kind: z.literal("refused"), why: text(1000) }),
]);

export const check = z.strictObject({ name: text(100), passes: z.boolean(), says: text(300) });

export const report = z.strictObject({
  version,
  /** Grows with each report, so that one that arrives late changes nothing. */
  sequence: counter,
  /** The last change that the agent has taken from the control plane; 0 before the first. What it says is of this one. */
  change: counter,
  outcome,
  running: z.strictObject({
    closure: closurePath,
    release: releaseId.nullable(),
    bootId: z.uuid(),
    proved: z.boolean(),
  }),
  checks: z.array(check).max(100),
  /** How many paths nothing declares, on the running root and under the persist roots; null: not counted. */
  drift: z.strictObject({ undeclared: counter, stray: counter }).nullable(),
  /** Those that the host declares. Agents that know of none say nothing. */
  tags: tags.optional(),
  agent: text(50),
});

export type Report = z.infer<typeof report>;
export type Outcome = z.infer<typeof outcome>;
