/** One release brought to chosen machines, in waves. */
import { z } from "zod";
import { apply } from "./desired.ts";
import { machineName, releaseId, tag, version } from "./names.ts";

/** A number of machines, or a part of them: `3`, `10%`. */
export const amount = z
  .string()
  .regex(/^(\d{1,6}|\d{1,3}(\.\d{1,2})?%)$/, "wanted a number of machines or a percentage, such as 3 or 10%")
  .refine((given) => !given.endsWith("%") || Number.parseFloat(given) <= 100, "more than 100%");

export const strategy = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("all-at-once") }),
  /** One machine, then the rest. */
  z.strictObject({ kind: z.literal("canary") }),
  /** Each wave says how many machines have changed when it ends. The last one is all of them. */
  z.strictObject({ kind: z.literal("staged"), waves: z.array(amount).min(1).max(20) }),
]);

const seconds = z
  .int()
  .min(0)
  .max(7 * 86_400);

export const rolloutRequest = z.strictObject({
  version,
  release: releaseId,
  /** Which machines of the release: all of them, those named, or those with any of the tags. */
  machines: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("all") }),
    z.strictObject({ kind: z.literal("named"), names: z.array(machineName).min(1).max(20_000) }),
    z.strictObject({ kind: z.literal("tagged"), tags: z.array(tag).min(1).max(50) }),
  ]),
  strategy,
  /** How many machines of a wave may be under way at a time: with `reboot`, so many are down. */
  atOnce: amount.default("100%"),
  /** How many machines may fail before the rollout stops. */
  tolerate: amount.default("0"),
  /** How long a wave's machines have to be healthy before the next one begins. */
  soak: seconds.default(0),
  /** How long a machine may take from being told to being healthy. */
  patience: z
    .int()
    .min(60)
    .max(7 * 86_400)
    .default(1800),
  onFailure: z.enum(["pause", "revert"]).default("pause"),
  apply: apply.default("live"),
  acceptStray: z.boolean().default(false),
});

export const rolloutStatus = z.enum(["pending", "running", "paused", "reverting", "done", "failed", "cancelled"]);

export type Amount = z.infer<typeof amount>;
export type Strategy = z.infer<typeof strategy>;
export type RolloutRequest = z.infer<typeof rolloutRequest>;
export type RolloutStatus = z.infer<typeof rolloutStatus>;
