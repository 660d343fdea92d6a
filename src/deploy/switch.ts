/** A running host becomes what a new closure declares. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Closure, StoreObject } from "../closure/closure.ts";
import { CommandError, quoted } from "../machine/process.ts";
import { saidBy } from "../machine/refusal.ts";
import { UserError } from "../modules/errors.ts";
import { entriesConfig, parentsConfig } from "../plan/activation.ts";
import { type SwitchPlan, switchList, switchPlan } from "../plan/switch.ts";
import { type DescribedClosure, describedClosure } from "./running.ts";
import { sendObject } from "./send-object.ts";
import type { TargetHost } from "./target-host.ts";

export interface Switching {
  /** The closure that the host has been running. */
  readonly from: string;
  readonly plan: SwitchPlan;
  /** Brings the closure there, and does it. @throws UserError where nothing was changed */
  readonly perform: (onProgress: (step: string) => void) => Promise<Switched>;
}

export interface Switched {
  /** What was done, a line each. */
  readonly done: readonly string[];
  /** What failed; doing it again goes on with that. */
  readonly problems: readonly string[];
}

/** @throws UserError where the target is not that host, or does not run NixFleet */
export async function switching(closure: Closure, target: TargetHost): Promise<Switching> {
  const from = await runningClosure(target);
  const read = (name: string) => target.run(`cat ${quoted(join(from, name))}`);
  const before = describedClosure(from, await read("plan.json"), await read("manifest.json"));
  const own = (name: string) => readFileSync(join(closure.folder, name), "utf8");
  const after = describedClosure(closure.storePath, own("plan.json"), own("manifest.json"));
  if (before.hostName !== after.hostName) {
    throw new UserError(`${target.name} is the host ${before.hostName}, not ${after.hostName}`, [
      "name the other with --target-host, or switch the host that runs there",
    ]);
  }
  const plan = switchPlan(before, after);
  return {
    from,
    plan,
    perform: async (onProgress) => {
      for (const object of [closure.packages, closure]) await send(object, target, onProgress);
      onProgress("making it the newest generation");
      const generation = await addGeneration(closure, target);
      onProgress("changing the running host");
      const { done, problems } = await perform(closure, from, after, plan, target);
      return { done: [...generation, ...done], problems };
    },
  };
}

/** What the host was last switched to, or else booted with. */
async function runningClosure(target: TargetHost): Promise<string> {
  const found = await target.run(
    `cat /run/nixfleet/closure 2>/dev/null || sed -n 's/.*"closure":"\\([^"]*\\)".*/\\1/p' /run/nixfleet/activation.json`,
    {},
  );
  const closure = found.trim();
  if (/^\/nix\/store\/[\w.+-]+$/.test(closure)) return closure;
  throw new UserError(`${target.name} does not say which closure it runs`, [
    "it wants to have been booted by NixFleet: /run/nixfleet/activation.json is not there, or names none",
  ]);
}

async function send(object: StoreObject, target: TargetHost, onProgress: (step: string) => void): Promise<void> {
  const there = await target.run(`[ -e ${quoted(object.storePath)} ] && echo yes || :`);
  if (there.trim() === "yes") return;
  const name = object.storePath.slice("/nix/store/".length);
  onProgress(`copying ${name} to ${target.name}`);
  await sendObject(object, target);
}

/** So that it is what boots next. */
async function addGeneration(closure: Closure, target: TargetHost): Promise<readonly string[]> {
  const script = `${closure.storePath}/root/etc/nixfleet/add-generation.sh`;
  const said = await target.run(
    `if [ -e /etc/nixfleet/generations.conf ]; then sh ${quoted(script)} ${quoted(closure.storePath)}; fi`,
  );
  return lines(said);
}

const FOLDER = "/run/nixfleet/switch";

async function perform(
  closure: Closure,
  from: string,
  after: DescribedClosure,
  plan: SwitchPlan<DescribedClosure["entries"][number]>,
  target: TargetHost,
): Promise<Switched> {
  const files = {
    list: switchList(plan, after.homes),
    "parents.conf": parentsConfig(after),
    "entries.conf": entriesConfig(plan.placed.map(({ entry }) => entry)),
  };
  await target.run(`umask 077 && rm -rf ${FOLDER} && mkdir -p ${FOLDER}`);
  for (const [name, text] of Object.entries(files)) await target.run(`cat >${FOLDER}/${name}`, { input: text });
  const script = `${closure.storePath}/root/etc/nixfleet/switch.sh`;
  try {
    const done = await target.run(["sh", script, closure.storePath, from, FOLDER].map(quoted).join(" "));
    return { done: lines(done), problems: [] };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { done: lines(error.stdout), problems: saidBy(error) };
  }
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
