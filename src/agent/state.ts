/** What the agent must not forget: the shape of it, and its text. The first line is the SHA-256 of the rest. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { apply } from "../wire/desired.ts";
import { closurePath, counter, machineName, releaseId, text } from "../wire/names.ts";

/** A change that is on its way. */
export const workSchema = z.strictObject({
  change: counter,
  /** null: it goes back to what ran here before. */
  release: releaseId.nullable(),
  closure: closurePath,
  apply,
  acceptStray: z.boolean(),
  /**
   * preparing: nothing of this host is changed. switching: the running host becomes the closure, until it is confirmed.
   * booting: the closure is the next generation, and the host boots it. installing: it becomes the next generation, and installed: it is,
   * until somebody reboots the host. withdrawing: what runs becomes the next generation again.
   */
  phase: z.enum(["preparing", "switching", "booting", "installing", "installed", "withdrawing"]),
  /** The boot in which the phase began. */
  bootId: z.uuid(),
  /** How often the host began to change. */
  attempts: counter,
  /** Of the release, once its signatures were read. */
  sequence: counter.nullable(),
  /** What its proof waited for last: why it was taken back, if it was. */
  waits: text(500).nullable(),
});

/** How the last change ended. */
export const endSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("healthy") }),
  z.strictObject({ kind: z.literal("unhealthy"), why: text(1000) }),
  z.strictObject({ kind: z.literal("rejected"), release: releaseId, why: text(1000) }),
  z.strictObject({ kind: z.literal("refused"), why: text(1000) }),
]);

export const stateSchema = z.strictObject({
  version: z.literal(1),
  machine: machineName,
  /** Of the last report. */
  report: counter,
  /** The last change that ended, or was taken; 0 before the first. */
  change: counter,
  end: endSchema,
  work: workSchema.nullable(),
  /** The release that runs, and the newest that ever proved itself here. */
  release: releaseId.nullable(),
  newest: counter,
  /** What was taken back here: never tried again, unless somebody says so on this host. */
  rejected: z.array(z.strictObject({ release: releaseId, why: text(1000) })).max(1000),
});

export type Work = z.infer<typeof workSchema>;
export type End = z.infer<typeof endSchema>;
export type AgentState = z.infer<typeof stateSchema>;

/** Of a host that was enrolled just now. */
export function firstState(machine: string): AgentState {
  return {
    version: 1,
    machine,
    report: 0,
    change: 0,
    end: { kind: "healthy" },
    work: null,
    release: null,
    newest: 0,
    rejected: [],
  };
}

export function stateText(state: AgentState): string {
  const body = `${JSON.stringify(state)}\n`;
  return `${sha256(body)}\n${body}`;
}

/** @returns null for what is not as it was written */
export function stateIn(text: string): AgentState | null {
  const line = text.indexOf("\n");
  const body = text.slice(line + 1);
  if (line < 0 || text.slice(0, line) !== sha256(body)) return null;
  try {
    return stateSchema.parse(JSON.parse(body));
  } catch {
    return null;
  }
}

function sha256(body: string): string {
  return createHash("sha256").update(body).digest("hex");
}
