/** What a person can tell a rollout, and in which states. */
import type { RolloutStatus } from "../../wire/rollout.ts";

export const COMMANDS = {
  pause: { from: ["pending", "running"], to: "paused" },
  /** The failures that stopped it are forgiven: the next one stops it again. */
  resume: { from: ["paused"], to: "running" },
  /** What has changed stays. */
  cancel: { from: ["pending", "running", "paused", "done"], to: "cancelled" },
  revert: { from: ["running", "paused", "done", "cancelled"], to: "reverting" },
} as const satisfies Record<string, { readonly from: readonly RolloutStatus[]; readonly to: RolloutStatus }>;

export type RolloutCommand = keyof typeof COMMANDS;

/** What it can be told now. */
export function commandsIn(status: RolloutStatus): readonly RolloutCommand[] {
  return (Object.keys(COMMANDS) as RolloutCommand[]).filter((command) => mayCommand(command, status));
}

export function mayCommand(command: RolloutCommand, status: RolloutStatus): boolean {
  return COMMANDS[command].from.some((one) => one === status);
}
