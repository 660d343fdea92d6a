/** `nixfleet wipe` */
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { scriptParameters, WIPE_SCRIPT } from "../initrd/files.ts";
import { CommandError, run } from "../machine/process.ts";
import { saidBy } from "../machine/refusal.ts";
import { mountFolder, temporaryFolder } from "../machine/resources.ts";
import { requireRoot } from "../machine/root.ts";
import { UserError } from "../modules/errors.ts";
import type { WipePlan } from "../plan/wipe.ts";
import { loadHost, planOf } from "./load-fleet.ts";
import { print, printJson } from "./output.ts";

export interface WipeFlags {
  readonly device: string;
  readonly host?: string;
  readonly closure?: string;
  readonly json?: boolean;
}

const reportSchema = z.object({
  outcome: z.enum(["wiped", "skipped", "failed", "interrupted"]),
  reason: z.string().nullable(),
  steps: z.array(z.object({ name: z.string(), milliseconds: z.number() })),
  retired: z.string().nullable(),
  pruned: z.array(z.string()),
  created: z.string().nullable(),
  closure: z.string().nullable(),
});

/** @throws UserError with what the script said, where the root was not wiped */
export async function wipe(fleetFile: string, flags: WipeFlags): Promise<void> {
  if (!existsSync(flags.device))
    throw new UserError(`there is no device ${flags.device}`, ["`lsblk --fs` lists the devices and what they hold"]);
  requireRoot("wipe a filesystem", "it is mounted for that");
  const { retentionDays, keepNewest } = flags.host === undefined ? DEFAULTS : await retentionOf(fleetFile, flags.host);
  await using folder = await temporaryFolder();
  // Where no name has a blank, which the script does not look for in a list of mounts.
  await using mountpoint = await mountFolder("/run");
  const conf = join(folder.path, "wipe.conf");
  const report = join(folder.path, "wipe.json");
  const parameters = {
    DEVICE: flags.device,
    RETENTION_DAYS: retentionDays,
    KEEP_NEWEST: keepNewest,
    PRUNE: "yes",
    CLOSURE_ROOT: flags.closure === undefined ? "" : `@nix/store/${flags.closure.replace(/^\/nix\/store\//, "")}/root`,
    MOUNTPOINT: mountpoint.path,
    REPORT: report,
  };
  await writeFile(conf, scriptParameters(parameters));
  try {
    await run("sh", [WIPE_SCRIPT, conf]);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new UserError(`${flags.device} was not wiped`, saidBy(error));
  }
  const outcome = reportSchema.parse(JSON.parse(readFileSync(report, "utf8")));
  if (flags.json) printJson(outcome);
  else {
    print(outcome.retired === null ? "there was no root to retire" : `retired @root as old_roots/${outcome.retired}`);
    if (outcome.pruned.length > 0) print(`pruned ${outcome.pruned.length} old roots: ${outcome.pruned.join(", ")}`);
    print(`made a fresh @root${outcome.created === "empty" ? ", empty" : ""}`);
  }
}

const DEFAULTS = { retentionDays: 30, keepNewest: 3 };

async function retentionOf(fleetFile: string, name: string): Promise<Pick<WipePlan, "retentionDays" | "keepNewest">> {
  const { host, folder } = await loadHost(fleetFile, name);
  const plan = planOf(host, folder).wipe;
  if (plan === null) throw new UserError(`the root of ${name} stays: nixfleet.impermanence.enable is false`);
  return plan;
}
