/** A running host becomes what a new closure declares. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { UserError } from "../errors.ts";
import { entryConfig } from "../plan/activation.ts";
import type { PersistenceEntry } from "../plan/persistence-plan.ts";
import { isDone, type SwitchPlan, switchPlan, touchesNetwork } from "../plan/switch.ts";
import { switchList } from "../plan/switch-list.ts";
import { carrySwitch, type Switch, type Switched } from "./carry-switch.ts";
import { type FoundHost, readHost } from "./found-host.ts";
import { type DescribedClosure, describedClosure } from "./running.ts";
import { sendClosure } from "./send-closure.ts";
import type { TargetHost } from "./target-host.ts";

export interface Switching {
  /** What the host was switched to last, or booted with. */
  readonly from: string;
  readonly plan: SwitchPlan;
  /** Whether the host is what is declared, and boots into it. */
  readonly isDone: boolean;
  /** Whether what it changes may cut the connection. */
  readonly touchesNetwork: boolean;
  /**
   * Brings the closure there, and does it.
   * @param confirm how many seconds the host waits for a new connection before it goes back; 0: it stays as it is
   * @throws UserError where nothing was changed
   */
  readonly perform: (confirm: number, onProgress: (step: string) => void) => Promise<Switched>;
}

/** @throws UserError where the target is not that host, or does not run NixFleet */
export async function switching(closure: Closure, target: TargetHost): Promise<Switching> {
  const found = await readHost(target);
  const own = (name: string) => readFileSync(join(closure.folder, name), "utf8");
  const after = describedClosure(closure.storePath, own("plan.json"), own("manifest.json"));
  if (found.booted.hostName !== after.hostName) {
    throw new UserError(`${target.name} is the host ${found.booted.hostName}, not ${after.hostName}`, [
      "name the other with --target-host, or switch the host that runs there",
    ]);
  }
  const plan = switchPlan(found, after);
  const isSettled = found.closures.length === 1 && found.closures[0] === closure.storePath;
  const bootsNext = found.newest === null || found.newest === closure.storePath;
  return {
    from: found.closures.at(-1) ?? "",
    plan,
    isDone: isSettled && isDone(plan) && bootsNext,
    touchesNetwork: touchesNetwork(plan),
    perform: async (confirm, onProgress) => {
      await sendClosure(closure, target, { onObject: (name) => onProgress(`copying ${name} to ${target.name}`) });
      onProgress("changing the running host");
      return carrySwitch(switchTo(closure.storePath, plan, after, found), target, confirm, onProgress);
    },
  };
}

export function switchTo(
  closure: string,
  plan: SwitchPlan<PersistenceEntry>,
  { parents }: Pick<DescribedClosure, "parents">,
  { closures, placedList }: Pick<FoundHost, "closures" | "placedList">,
): Switch {
  const made = plan.placed.flatMap((entry) =>
    entryConfig(entry, parents)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => `${entry.path}\t${line}\n`),
  );
  return { closure, from: closures, lists: { list: switchList(plan), made: made.join(""), placed: placedList } };
}
