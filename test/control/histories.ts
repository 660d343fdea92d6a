/** Random histories of a fleet, with everything that goes wrong in one. */
import fc from "fast-check";
import { COMMANDS, type RolloutCommand } from "../../src/control/decide/command.ts";
import type { Lifecycle } from "../../src/control/decide/state.ts";
import { wavesOf } from "../../src/control/decide/waves.ts";
import type { Apply } from "../../src/wire/desired.ts";
import type { Strategy } from "../../src/wire/rollout.ts";

export type Event =
  | { readonly kind: "passes"; readonly seconds: number }
  | { readonly kind: "jumps"; readonly seconds: number }
  /** Decides and applies; the process is killed after so many decisions. */
  | { readonly kind: "step"; readonly rollout: number; readonly killedAfter: number }
  /** Another instance decides now, and applies that later, after whatever happened meanwhile. */
  | { readonly kind: "decides"; readonly rollout: number }
  | { readonly kind: "applies"; readonly batch: number }
  | { readonly kind: "polls"; readonly machine: number; readonly lost: boolean }
  | { readonly kind: "acts"; readonly machine: number; readonly how: "well" | "rejects" | "refuses" | "breaks" }
  /** Somebody reboots it. */
  | { readonly kind: "boots"; readonly machine: number }
  | { readonly kind: "says"; readonly machine: number; readonly delivered: boolean }
  | { readonly kind: "delivers"; readonly report: number }
  | { readonly kind: "round"; readonly bad: number }
  | { readonly kind: "lifecycle"; readonly machine: number; readonly to: Lifecycle }
  | { readonly kind: "command"; readonly rollout: number; readonly command: RolloutCommand }
  | { readonly kind: "create"; readonly release: number; readonly plan: Plan; readonly some: readonly number[] };

export interface Plan {
  readonly strategy: Strategy;
  readonly atOnce: string;
  readonly tolerate: string;
  readonly soak: number;
  readonly onFailure: "pause" | "revert";
  readonly apply: Apply;
}

const amount = fc.oneof(
  fc.integer({ min: 0, max: 6 }).map(String),
  fc.integer({ min: 0, max: 100 }).map((part) => `${part}%`),
);
const strategy: fc.Arbitrary<Strategy> = fc.oneof(
  fc.constant({ kind: "all-at-once" } as const),
  fc.constant({ kind: "canary" } as const),
  fc.array(amount, { minLength: 1, maxLength: 4 }).map((waves) => ({ kind: "staged", waves }) as const),
);
export const plan: fc.Arbitrary<Plan> = fc.record({
  strategy,
  atOnce: fc.oneof(fc.constant("100%"), amount),
  tolerate: fc.oneof(fc.constant("0"), amount),
  soak: fc.constantFrom(0, 0, 30, 600),
  onFailure: fc.constantFrom("pause", "revert"),
  apply: fc.constantFrom("live", "next-boot"),
});

const index = fc.nat({ max: 9 });
const seconds = fc.oneof(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 100_000 }));

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("passes" as const), seconds }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("jumps" as const),
      seconds: fc.integer({ min: -1_000_000, max: 1_000_000 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("step" as const),
      rollout: index,
      killedAfter: fc.oneof(fc.constant(1000), fc.nat({ max: 3 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("decides" as const), rollout: index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("applies" as const), batch: index }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("polls" as const), machine: index, lost: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("acts" as const),
      machine: index,
      how: fc.constantFrom("well" as const, "well" as const, "rejects" as const, "refuses" as const, "breaks" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("boots" as const), machine: index }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("says" as const), machine: index, delivered: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delivers" as const), report: index }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("round" as const), bad: fc.nat({ max: 30 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("lifecycle" as const),
      machine: index,
      to: fc.constantFrom("active" as const, "active" as const, "maintenance" as const, "decommissioned" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("command" as const),
      rollout: index,
      command: fc.constantFrom(...Object.keys(COMMANDS).filter((one): one is RolloutCommand => one in COMMANDS)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("create" as const),
      release: fc.nat({ max: 2 }),
      plan,
      some: fc.array(index, { minLength: 1, maxLength: 10 }),
    }),
  },
);

export const history: fc.Arbitrary<{
  readonly machines: number;
  readonly plan: Plan;
  readonly events: readonly Event[];
}> = fc.record({
  machines: fc.integer({ min: 1, max: 10 }),
  plan,
  events: fc.array(event, { maxLength: 80, size: "max" }),
});

export const CAREFUL: Plan = {
  strategy: { kind: "canary" },
  atOnce: "100%",
  tolerate: "0",
  soak: 0,
  onFailure: "pause",
  apply: "live",
};

/** Of two machines, in CAREFUL: a decision from when a wave did not wait for one of them is applied when it does. */
export const BACK_FROM_MAINTENANCE: readonly Event[] = [
  { kind: "step", rollout: 0, killedAfter: 1000 },
  ...[0, 1].map((machine) => ({ kind: "lifecycle", machine, to: "maintenance" }) as const),
  { kind: "decides", rollout: 0 },
  ...[0, 1].map((machine) => ({ kind: "lifecycle", machine, to: "active" }) as const),
  { kind: "applies", batch: 0 },
];

/** Of one machine, in CAREFUL: it rejects the release after it was decided that a second rollout brings it. */
export const REJECTED_MEANWHILE: readonly Event[] = [
  ...Array.from({ length: 5 }, () => ({ kind: "round", bad: -1 }) as const),
  { kind: "create", release: 0, plan: CAREFUL, some: [0] },
  { kind: "step", rollout: 1, killedAfter: 1 },
  { kind: "decides", rollout: 1 },
  { kind: "acts", machine: 0, how: "rejects" },
  { kind: "says", machine: 0, delivered: true },
  { kind: "applies", batch: 0 },
];

export function rolloutOf(number: number, release: number, { strategy: how, ...rest }: Plan) {
  return {
    id: `rollout ${number}`,
    release: String(release).repeat(64),
    status: "pending" as const,
    why: "",
    version: 0,
    wave: 0,
    waves: wavesOf(how),
    patience: 1800,
    acceptStray: false,
    ...rest,
  };
}
