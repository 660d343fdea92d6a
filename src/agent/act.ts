/** What the agent does to its host: it runs the scripts that `switch`, `pull` and `rollback` run, and nothing else. */
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { switchFiles, switchInput } from "../deploy/carry-switch.ts";
import { readHost } from "../deploy/found-host.ts";
import { switchTo } from "../deploy/switch.ts";
import { UserError } from "../errors.ts";
import { writeDurably } from "../local/durable-file.ts";
import { CommandError, run } from "../local/process.ts";
import { switchPlan } from "../plan/switch.ts";
import { readNewest } from "./facts.ts";
import { type Places, provedFile, provingFile, stored } from "./places.ts";
import { changesOfData, describedAt, objection } from "./preflight.ts";
import type { Settings } from "./settings.ts";
import type { AgentState, Work } from "./state.ts";

/** The change is not begun, and tried again. */
export class Refused extends UserError {}

/**
 * Everything before the first thing that changes: signatures, content, and whether it fits.
 * @param tell what an administrator has to know of it
 * @returns the work, with the number of its release
 * @throws UserError
 */
export async function prepare(
  places: Places,
  settings: Settings,
  state: AgentState,
  work: Work,
  root: Uint8Array,
  tell: (line: string) => void,
): Promise<Work> {
  const sequence = work.release === null ? null : await verified(places, settings, state, work, work.release, root);
  if (work.release !== null)
    await asRoot(places, ["sh", join(places.scripts, "pull.sh"), work.closure, ...settings.contentRepositories]);
  else if (!existsSync(join(stored(places, work.closure), "cmdline")))
    throw new Refused(`${work.closure} is not in the store any more`);
  const after = await describedAt(places, work.closure);
  // What was switched to counts: the last boot may have known less.
  const { booted, closures } = await found(places);
  const running = closures.at(-1);
  const before = running === undefined ? booted : await describedAt(places, running);
  const against = objection(before, after, settings.machine, work.acceptStray || work.release === null);
  if (against !== null) throw new Refused(against);
  // Something else boots a host that has no generations.
  if (existsSync(join(places.scripts, "generations.conf")))
    await asRoot(places, ["sh", join(places.scripts, "add-generation.sh"), "--check", work.closure]);
  for (const line of changesOfData(before, after)) tell(line);
  return { ...work, sequence };
}

async function verified(
  places: Places,
  { contentRepositories, machine }: Settings,
  state: AgentState,
  work: Work,
  release: string,
  root: Uint8Array,
): Promise<number> {
  const { followRoot, readRelease } = await import("../release/read.ts"); // a poll has no need of it
  const trust = join(places.memory, "trust");
  await followRoot({ state: trust, root });
  const { sequence, hosts } = await readRelease({ state: trust, mirrors: contentRepositories, release });
  if (hosts[machine] !== work.closure) {
    throw new Refused(
      `the release has ${hosts[machine] ?? "nothing"} for ${machine}, and the control plane says ${work.closure}`,
    );
  }
  if (sequence < state.newest)
    throw new Refused(`the release is number ${sequence}, and ${state.newest} has proved itself here`);
  return sequence;
}

/** Makes the running host what the closure says. It goes on by itself, and goes back by itself. */
export async function beginSwitch(places: Places, { confirm }: Settings, work: Work): Promise<void> {
  const host = await found(places);
  const after = await describedAt(places, work.closure);
  const what = switchTo(work.closure, switchPlan(host, after), after, host);
  const script = join(stored(places, work.closure), "root/etc/nixfleet/switch-start.sh");
  await asRoot(places, ["sh", script, work.closure], switchInput(switchFiles(what, confirm)));
}

export async function confirmSwitch(places: Places, work: Work): Promise<void> {
  await run("sh", [join(places.scripts, "confirm.sh"), work.closure], { env: { RUNTIME: places.runtime } });
}

/** The closure is the next generation; the host boots it, and goes back unless it is proved. */
export async function bootInto(places: Places, settings: Settings, work: Work): Promise<void> {
  await installForBoot(places, settings, work);
  await asRoot(places, ["systemctl", "--no-block", "reboot"]);
}

/** The closure is the next generation: whoever boots it goes back unless it is proved. */
export async function installForBoot(places: Places, { confirm }: Settings, work: Work): Promise<void> {
  // First: from the moment that it can boot, it has to be proved.
  await writeDurably(provingFile(places), `${work.closure}\n${confirm}\n`, 0o600);
  try {
    await asRoot(places, ["sh", join(places.scripts, "add-generation.sh"), work.closure]);
  } catch (error) {
    if ((await readNewest(places)) !== work.closure) await forgetBoot(places);
    throw error;
  }
}

/** What runs is the next generation again. */
export async function withdrawFromBoot(places: Places, running: string): Promise<void> {
  await asRoot(places, ["sh", join(places.scripts, "add-generation.sh"), running]);
  await forgetBoot(places);
}

export async function confirmBoot(places: Places): Promise<void> {
  await writeFile(provedFile(places), "");
}

/** What a boot that was given up has left. */
export async function forgetBoot(places: Places): Promise<void> {
  await rm(provingFile(places), { force: true });
}

function found({ nix, runtime, scripts }: Places) {
  const env = { NIX: nix, RUNTIME: runtime, SCRIPTS: scripts };
  return readHost({ name: "this host", run: (command) => run("sh", ["-c", command], { env }) });
}

async function asRoot(places: Places, argv: readonly string[], input = ""): Promise<void> {
  const [program = "", ...args] = [...places.asRoot, ...argv];
  try {
    await run(program, args, { input });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const said = error.detail.slice(1).map((line) => line.replace(/^nixfleet: /, ""));
    throw new Refused(said.at(-1) ?? error.message, said.slice(0, -1));
  }
}
