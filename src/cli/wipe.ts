/** `nixfleet wipe` */
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadHost, planOf } from "../deploy/load-fleet.ts";
import { UserError } from "../errors.ts";
import { CommandError, run } from "../local/process.ts";
import { mountFolder, temporaryFolder } from "../local/resources.ts";
import { requireRoot } from "../local/root.ts";
import { saidBy } from "../local/script-error.ts";
import { scriptParameters } from "../payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../payload/initrd/wipe-files.ts";
import { wipeReport } from "../payload/reports.ts";
import { print, printJson } from "./output.ts";

export interface WipeFlags {
  readonly device: string;
  readonly host?: string;
  readonly closure?: string;
  readonly json?: boolean;
}

/** @throws UserError with what the script said, where the root was not wiped */
export async function wipe(fleetFile: string, flags: WipeFlags): Promise<void> {
  if (!existsSync(flags.device))
    throw new UserError(`there is no device ${flags.device}`, ["run `lsblk --fs` to list devices and their contents"]);
  requireRoot("wipe a filesystem", "the wipe mounts it");
  const { subvolume, retentionDays, keepNewest } =
    flags.host === undefined ? DEFAULTS : await wipeOf(fleetFile, flags.host);
  await using folder = await temporaryFolder();
  // Where no name has a blank, which the script does not look for in a list of mounts.
  await using mountpoint = await mountFolder("/run");
  const conf = join(folder.path, "wipe.conf");
  const report = join(folder.path, "wipe.report");
  const parameters = {
    DEVICE: flags.device,
    ROOT_SUBVOLUME: subvolume,
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
  const outcome = wipeReport(readFileSync(report, "utf8"));
  if (flags.json) printJson(outcome);
  else {
    print(
      outcome.retired === null ? "there was no root to retire" : `retired ${subvolume} as old_roots/${outcome.retired}`,
    );
    if (outcome.pruned.length > 0) print(`pruned ${outcome.pruned.length} old roots: ${outcome.pruned.join(", ")}`);
    print(`made a fresh ${subvolume}${outcome.created === "empty" ? ", empty" : ""}`);
  }
}

const DEFAULTS = { subvolume: "@root", retentionDays: 30, keepNewest: 3 };

async function wipeOf(fleetFile: string, name: string): Promise<typeof DEFAULTS> {
  const { host, folder } = await loadHost(fleetFile, name);
  const plan = planOf(host, folder).wipe;
  if (plan === null) throw new UserError(`${name} has no ephemeral root: nixfleet.impermanence.enable is false`);
  return plan;
}
