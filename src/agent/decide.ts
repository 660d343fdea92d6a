/**
 * What the agent does next: a pure function of what it remembers, what its machine should run, and how the host is. Every step
 * is recorded before it is done, so whoever kills the agent, or cuts the power, finds it going on from there.
 *
 * The host takes itself back without the agent: a switch that nobody confirms goes back, and so does a boot that nobody proves. The
 * agent only confirms, and reads afterwards what became of it. So an agent that is broken, or has no network, confirms nothing.
 */
import type { z } from "zod";
import type { desired as desiredSchema } from "../wire/desired.ts";
import type { AgentState, End, Work } from "./state.ts";

export type Desired = z.infer<typeof desiredSchema>;

export interface Facts {
  readonly bootId: string;
  /** What the kernel was booted with. */
  readonly booted: string;
  /** What the host is now: the same, or what it was switched to. */
  readonly running: string;
  /** The last switch since the boot, and what switch.sh says of it. */
  readonly switch: { readonly closure: string; readonly outcome: string; readonly why: string } | null;
  /** The closure of the newest generation. */
  readonly newest: string | null;
  /** Whether a boot still has to be proved: src/payload/host/prove.sh takes the host back unless it is. */
  readonly proving: boolean;
  /** Whose agent this is. */
  readonly own: string;
  readonly checks: Checks;
  /** Whether a reboot may be made now. */
  readonly inWindow: boolean;
}

export type Checks =
  | { readonly kind: "passing" }
  /** At least one has failed for its own number of times. */
  | { readonly kind: "failing"; readonly why: string }
  /** At least one fails, and not for so long yet; or has not answered yet. */
  | { readonly kind: "unsure"; readonly why: string };

export type Step =
  /** Nothing to do. */
  | { readonly kind: "rest" }
  /** Something goes on by itself, or by others; `soon`: look again in a few seconds. `proof`: what a proof still lacks. */
  | { readonly kind: "wait"; readonly why: string; readonly soon: boolean; readonly proof?: true }
  /** Begin with a change: verify, fetch, look whether it fits. */
  | { readonly kind: "prepare"; readonly work: Work }
  | { readonly kind: "switch"; readonly work: Work }
  | { readonly kind: "boot"; readonly work: Work }
  /** Make it what boots next, and wait. */
  | { readonly kind: "install"; readonly work: Work }
  /** Make what runs what boots next again: somebody wants something else of this host now. */
  | { readonly kind: "withdraw"; readonly work: Work }
  /** Keep what waits to be confirmed: the new generation's agent has reached the control plane, and all checks pass. */
  | { readonly kind: "confirm"; readonly work: Work }
  /** The change has come to its end; `landed` is what runs now because of it. */
  | { readonly kind: "end"; readonly end: End; readonly change: number; readonly landed: Work | null };

/** A power cut is not the release's fault, and a release that crashes the host is tried no third time. */
export const MOST_ATTEMPTS = 2;

/** @param desired null: the control plane was not reached in this run */
export function decide(state: AgentState, desired: Desired | null, facts: Facts): Step {
  const { work } = state;
  if (work === null) return desired === null ? judged(state, facts) : taken(state, desired, facts);
  switch (work.phase) {
    case "preparing":
      return prepared(state, work, desired, facts);
    case "switching":
      return switched(work, desired, facts);
    case "booting":
      return booted(work, desired, facts);
    case "installing":
    case "installed":
    case "withdrawing":
      return installed(work, desired, facts);
  }
}

/** What is remembered before the step is done. */
export function afterStep(state: AgentState, step: Step): AgentState {
  switch (step.kind) {
    case "prepare":
    case "switch":
    case "boot":
    case "install":
    case "withdraw":
      return { ...state, work: step.work };
    case "end":
      return afterEnd(state, step);
    case "wait":
      return state.work === null || !step.proof || state.work.waits === step.why.slice(0, 500)
        ? state
        : { ...state, work: { ...state.work, waits: step.why.slice(0, 500) } };
    default:
      return state;
  }
}

function afterEnd(state: AgentState, { end, change, landed }: Step & { readonly kind: "end" }): AgentState {
  const next = { ...state, change, end, work: null };
  if (end.kind === "rejected") {
    if (rejectionOf(state, end.release) !== null) return next;
    // The oldest are forgotten: they are also older than what has proved itself since.
    const rejected = [...state.rejected, { release: end.release, why: end.why }].slice(-MOST_REJECTED);
    return { ...next, rejected };
  }
  if (landed === null) return next;
  const proved = end.kind === "healthy" ? Math.max(state.newest, landed.sequence ?? 0) : state.newest;
  return { ...next, release: landed.release, newest: proved };
}

const MOST_REJECTED = 1000;

function taken(state: AgentState, desired: Desired, facts: Facts): Step {
  const { change, target } = desired;
  // Older than what was done here: the control plane was restored from a backup, or somebody plays an old answer.
  if (change < state.change) return judged(state, facts);
  if (change === state.change && state.end.kind !== "refused") return judged(state, facts);
  if (target.kind === "keep") return ended(state, change, null, facts);
  const rejection = target.kind === "release" ? rejectionOf(state, target.release) : null;
  if (rejection !== null) return { kind: "end", change, landed: null, end: rejection };
  const work: Work = {
    change,
    release: target.kind === "release" ? target.release : null,
    closure: target.closure,
    apply: target.kind === "release" ? target.apply : "live",
    acceptStray: target.kind === "release" && target.acceptStray,
    phase: "preparing",
    bootId: facts.bootId,
    attempts: 0,
    sequence: null,
    waits: null,
  };
  return { kind: "prepare", work };
}

function prepared(state: AgentState, work: Work, desired: Desired | null, facts: Facts): Step {
  // Who asked for it may have changed their mind, or wants a pause: without an answer nothing begins.
  if (desired === null) return { kind: "wait", soon: true, why: "the control plane does not answer" };
  if (desired.change !== work.change || desired.target.kind === "keep")
    return taken({ ...state, work: null }, desired, facts);
  const rejection = work.release === null ? null : rejectionOf(state, work.release);
  if (rejection !== null) return { kind: "end", change: work.change, landed: null, end: rejection };
  if (work.attempts >= MOST_ATTEMPTS)
    return back(work, `the host was interrupted ${work.attempts} times while it changed`);
  if (work.release !== null && work.sequence === null) return { kind: "prepare", work };
  if (isThere(work, facts)) return ended(state, work.change, work, facts);
  const begun: Work = { ...work, bootId: facts.bootId, attempts: work.attempts + 1, waits: null };
  if (work.apply === "live") return { kind: "switch", work: { ...begun, phase: "switching" } };
  if (work.apply === "next-boot") return { kind: "install", work: { ...begun, phase: "installing" } };
  if (!facts.inWindow) return { kind: "wait", soon: false, why: "it waits for the maintenance window" };
  return { kind: "boot", work: { ...begun, phase: "booting" } };
}

function isThere(work: Work, facts: Facts): boolean {
  return facts.running === work.closure && (work.apply === "live" || facts.booted === work.closure);
}

function switched(work: Work, desired: Desired | null, facts: Facts): Step {
  const seen = facts.bootId === work.bootId && facts.switch?.closure === work.closure ? facts.switch : null;
  switch (seen?.outcome) {
    case undefined:
      // It was confirmed before the power was cut: then it is a generation, and runs.
      if (facts.bootId !== work.bootId && facts.running === work.closure) return after(work, facts);
      return again(work, facts);
    case "waiting":
      return proof(work, desired, facts);
    case "switched":
    case "incomplete":
      return after(work, facts);
    case "back":
    case "partly-back":
      return back(work, seen?.why || "it did not prove itself in time");
    case "refused":
      return refused(work, seen?.why || "the switch was refused");
    default:
      return { kind: "wait", soon: true, why: `the switch is ${seen?.outcome}` };
  }
}

function booted(work: Work, desired: Desired | null, facts: Facts): Step {
  // It was recorded, and the host has not gone down: do it again, which changes nothing.
  if (facts.bootId === work.bootId) return { kind: "boot", work };
  return rebooted(work, desired, facts) ?? again(work, facts);
}

/** @returns null where another generation is what boots */
function rebooted(work: Work, desired: Desired | null, facts: Facts): Step | null {
  if (facts.booted === work.closure) return facts.proving ? proof(work, desired, facts) : after(work, facts);
  if (facts.newest === work.closure) return back(work, "it did not come up, or did not prove itself in time");
  return null;
}

function installed(work: Work, desired: Desired | null, facts: Facts): Step {
  const isRebooted = facts.bootId !== work.bootId;
  // What has booted proves itself or is rejected, also if something else is wanted by now.
  const step = isRebooted ? rebooted(work, desired, facts) : null;
  if (step !== null) return step;
  if (work.phase === "withdrawing" || (desired !== null && desired.change > work.change))
    return { kind: "withdraw", work: { ...work, phase: "withdrawing" } };
  if (work.phase === "installing") return isRebooted ? again(work, facts) : { kind: "install", work };
  if (!isRebooted && facts.newest === work.closure)
    return { kind: "wait", soon: false, why: "it waits until somebody reboots the host" };
  // Whoever installs something else by hand has decided: it does not come back by itself.
  return back(work, "another generation was installed on this host before it booted");
}

/** Only the agent that came with the closure can prove it. */
function proof(work: Work, desired: Desired | null, facts: Facts): Step {
  if (facts.own !== work.closure)
    return { kind: "wait", soon: true, proof: true, why: "its own agent has not started yet" };
  if (desired === null) return { kind: "wait", soon: true, proof: true, why: "the control plane does not answer" };
  if (facts.checks.kind !== "passing") return { kind: "wait", soon: true, proof: true, why: facts.checks.why };
  return { kind: "confirm", work };
}

/** Nothing of it runs: as if it had never begun, but that it counts. */
function again(work: Work, facts: Facts): Step {
  return { kind: "prepare", work: { ...work, phase: "preparing", bootId: facts.bootId } };
}

function after(work: Work, facts: Facts): Step {
  const end: End = facts.checks.kind === "failing" ? { kind: "unhealthy", why: facts.checks.why } : { kind: "healthy" };
  return { kind: "end", change: work.change, landed: work, end };
}

function back(work: Work, said: string): Step {
  const why = [said, ...(work.waits === null ? [] : [work.waits])].join("; ").slice(0, 1000);
  const end: End =
    work.release === null ? { kind: "unhealthy", why } : { kind: "rejected", release: work.release, why };
  return { kind: "end", change: work.change, landed: null, end };
}

function refused(work: Work, why: string): Step {
  return { kind: "end", change: work.change, landed: null, end: { kind: "refused", why } };
}

/** A change that asks for what is there. */
function ended(state: AgentState, change: number, landed: Work | null, facts: Facts): Step {
  const now = judgement(facts) ?? { kind: "healthy" };
  return state.change === change && state.end.kind === now.kind && landed === null
    ? { kind: "rest" }
    : { kind: "end", change, landed, end: now };
}

/** Between changes: what the checks make of the last one. */
function judged(state: AgentState, facts: Facts): Step {
  const { end } = state;
  const now = judgement(facts);
  if (now === null || (end.kind !== "healthy" && end.kind !== "unhealthy")) return { kind: "rest" };
  if (JSON.stringify(now) === JSON.stringify(end)) return { kind: "rest" };
  return { kind: "end", change: state.change, landed: null, end: now };
}

function judgement({ checks }: Facts): End | null {
  if (checks.kind === "unsure") return null;
  return checks.kind === "passing" ? { kind: "healthy" } : { kind: "unhealthy", why: checks.why };
}

function rejectionOf({ rejected }: AgentState, release: string): End | null {
  const found = rejected.find((one) => one.release === release);
  return found === undefined ? null : { kind: "rejected", release, why: found.why };
}
