/** How many machines a wave has, and which come first. */
import { hash } from "node:crypto";
import type { Amount, Strategy } from "../../wire/rollout.ts";
import type { Members, Rollout } from "./state.ts";

export function wavesOf(strategy: Strategy): readonly Amount[] {
  switch (strategy.kind) {
    case "all-at-once":
      return ["100%"];
    case "canary":
      return ["1", "100%"];
    case "staged":
      return strategy.waves.at(-1) === "100%" ? strategy.waves : [...strategy.waves, "100%"];
  }
}

/** How many of `all` machines have changed when the wave ends: at least one, and no fewer than when the wave before it did. */
export function waveGoal(waves: readonly Amount[], wave: number, all: number): number {
  const goals = waves.slice(0, wave + 1).map((amount) => Math.max(1, machinesIn(amount, all, Math.ceil)));
  return Math.min(all, Math.max(0, ...goals));
}

export function total(counts: Members["counts"]): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** How many machines have begun: whoever is left out has not. */
export function begunIn(counts: Members["counts"]): number {
  return total(counts) - counts.waiting - counts.left;
}

/** How many machines have been told and are not what they were told to be yet: they change, or wait for their next boot. */
export function underWayIn({ changing, installed }: Members["counts"]): number {
  return changing + installed;
}

/** How many more machines the wave that is on can take. */
export function roomIn({ waves, wave }: Rollout, counts: Members["counts"]): number {
  return Math.max(0, waveGoal(waves, wave, total(counts)) - begunIn(counts));
}

/** How many more machines may be under way; at least one may. Whoever went into maintenance while it changed is still under way. */
export function slotsIn({ atOnce }: Rollout, counts: Members["counts"]): number {
  return Math.max(0, waveGoal([atOnce], 0, total(counts)) - underWayIn(counts));
}

/** How many begin in one decision: of a larger wave the others begin in the next, so a decision never reads the whole fleet. */
const IN_ONE_DECISION = 1000;

export function mayBegin(rollout: Rollout, counts: Members["counts"]): number {
  return Math.min(roomIn(rollout, counts), slotsIn(rollout, counts), IN_ONE_DECISION);
}

/** How many of `all` machines may fail. */
export function tolerated(amount: Amount, all: number): number {
  return machinesIn(amount, all, Math.floor);
}

function machinesIn(amount: Amount, all: number, round: (count: number) => number): number {
  if (!amount.endsWith("%")) return Number.parseInt(amount, 10);
  // Hundredths of a percent are whole numbers: 0.07 * 100 is 7.000000000000001, which rounds up to 8.
  return round((Math.round(Number.parseFloat(amount) * 100) * all) / 10_000);
}

/** Where a machine stands in the order of a release: another place in each, so that none is always first. */
export function place(machine: string, release: string): string {
  return hash("sha256", `${release}\n${machine}`);
}
