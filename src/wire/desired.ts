/** What a machine should run, as the control plane tells its agent. */
import { z } from "zod";
import { closurePath, counter, releaseId, version } from "./names.ts";

/**
 * `live`: switch now, what needs a reboot waits. `reboot`: boot the new generation. `next-boot`: install it, and wait for somebody to reboot
 * the host.
 */
export const apply = z.enum(["live", "reboot", "next-boot"]);

export const target = z.discriminatedUnion("kind", [
  /** Stay as you are. */
  z.strictObject({ kind: z.literal("keep") }),
  /** Bring this release. The agent believes its signatures, and this message nothing. */
  z.strictObject({
    kind: z.literal("release"),
    release: releaseId,
    closure: closurePath,
    apply,
    /** Data that the release orphans is accepted. */
    acceptStray: z.boolean(),
  }),
  /** Go back to a generation that this host has run before. It takes nothing from anywhere. */
  z.strictObject({ kind: z.literal("return"), closure: closurePath }),
]);

export const desired = z.strictObject({
  version,
  /** Of this machine, and growing: what a report says is of the change that it names. */
  change: counter,
  target,
  /** When to ask again, in seconds. */
  askAgain: z.int().min(1).max(86_400),
});

export type Target = z.infer<typeof target>;
export type Apply = z.infer<typeof apply>;
