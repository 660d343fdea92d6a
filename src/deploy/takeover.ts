/**
 * Installs a host over ssh onto a machine that runs something else. The host's own installer is started in its memory, in place
 * of what runs there (kexec), with the machine's ssh keys, its network, and those whose keys let root in. Until that erases the
 * disk, a reboot brings back what was there.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Closure } from "../closure/closure.ts";
import { UserError } from "../errors.ts";
import { interruption, never } from "../local/interruption.ts";
import { CommandError, quoted, run } from "../local/process.ts";
import { temporaryFolder } from "../local/resources.ts";
import { scriptError } from "../local/script-error.ts";
import { FIRST_PROGRAM, TAKEOVER_SCRIPTS, takeoverFile } from "../payload/takeover/files.ts";
import type { HostPlan } from "../plan/host.ts";
import { type FirstFile, placeFirstFiles } from "./first-files.ts";
import {
  type FoundDisk,
  type FoundMachine,
  type InstallerNeeds,
  machineRefusal,
  readMachine,
} from "./found-machine.ts";
import { writeInstaller } from "./ram-installer.ts";
import { connectedHost, type TargetHost, targetHost, Unreachable } from "./target-host.ts";

type OnProgress = (step: string) => void;

/** @throws UserError where it cannot be reached, or is no machine for this */
export async function lookAtMachine(target: TargetHost): Promise<FoundMachine> {
  try {
    return readMachine(await target.run("sh -s", { input: takeoverFile("look.sh") }));
  } catch (error) {
    throw scriptError(error, target.name);
  }
}

/**
 * Starts the installer in the machine's memory, unless it runs there, and returns the machine as that sees it. Nothing on
 * its disks is changed.
 */
export async function startInstaller(
  destination: string,
  machine: FoundMachine,
  closure: Closure,
  needs: InstallerNeeds,
  onProgress: OnProgress,
): Promise<FoundMachine> {
  if (machine.installer === closure.storePath) return machine;
  {
    await using target = await connectedHost(destination);
    await using folder = await temporaryFolder();
    const file = join(folder.path, "initrd");
    onProgress("packing the installer");
    await writeInstaller(closure, file);
    const initrd = await readFile(file);
    const refusal = machineRefusal(machine, { ...needs, packed: initrd.length }, destination);
    if (refusal !== null) throw refusal;
    await loadInstaller(target, machine, closure, initrd, onProgress);
    onProgress("starting the installer");
    await target.run(
      `setsid -f sh -c ${quoted(`sleep 1; sync; echo u >/proc/sysrq-trigger; sleep 1; perl ${PLACE}/kexec.pl start || systemctl reboot --force`)} </dev/null >/dev/null 2>&1`,
    );
  }
  const found = await reached(destination, async (host) => {
    const now = await lookAtMachine(host);
    return now.boot === machine.boot ? null : now;
  });
  if (found?.installer === closure.storePath) return found;
  throw new UserError(
    found === null
      ? `the installer does not answer on ${destination}`
      : `${destination} started again, but not as the installer: ${found.system} runs there`,
    [
      "nothing on its disks was changed: a reboot of the machine brings back what was there",
      "its console says what happened; or install it from a stick or a rescue system",
    ],
  );
}

/** In memory. */
const PLACE = "/run/nixfleet-takeover";

async function loadInstaller(
  target: TargetHost,
  machine: FoundMachine,
  closure: Closure,
  initrd: Buffer,
  onProgress: OnProgress,
): Promise<void> {
  const clear = `! mountpoint -q ${PLACE} || umount ${PLACE}`;
  const put = (name: string, input: string | Uint8Array) => target.run(`cat >${PLACE}/${name}`, { input });
  const vmlinuz = await readFile(join(closure.folder, "vmlinuz"));
  const room = Math.ceil((initrd.length + vmlinuz.length) / 1024) + 8192;
  await target.run(
    `umask 077; mkdir -p ${PLACE}; ${clear}; mount -t tmpfs -o mode=0700,size=${room}k nixfleet-takeover ${PLACE}`,
  );
  try {
    onProgress(`sending the installer (${Math.ceil(initrd.length / 1024 ** 2)} MiB)`);
    await put("vmlinuz", vmlinuz);
    await put("initrd", initrd);
    for (const [name, text] of Object.entries(TAKEOVER_SCRIPTS)) await put(name, text);
    onProgress("loading the installer");
    const parameters = [
      `rdinit=${FIRST_PROGRAM}`,
      `nixfleet.closure=${closure.storePath}`,
      // What fails there ends where it began.
      "panic=30",
      ...machine.consoles,
    ].join(" ");
    const words = ["sh", `${PLACE}/prepare.sh`, PLACE, closure.storePath, machine.port, parameters];
    await target.run(words.map(quoted).join(" "));
  } catch (error) {
    await target.run(`${clear}; rmdir ${PLACE}`, { signal: never }).catch(() => {});
    throw loadError(error, target.name);
  }
}

/** What kexec_file_load(2) says, by its number. */
const REASONS: Readonly<Record<string, string>> = {
  1: "its kernel is locked down, as with Secure Boot: turn that off in the firmware, which the host wants too",
  12: "it has not enough free memory: stop what uses it",
  38: "its kernel was built without kexec",
  99: "it has not enough free memory in one piece: reboot it, and try again",
  126: "its kernel wants a signature: turn Secure Boot off",
  129: "its kernel wants a signature: turn Secure Boot off",
};

function loadError(error: unknown, name: string): unknown {
  if (!(error instanceof CommandError)) return error;
  const [, number = "", text = ""] = /^(\d+)\t(.*)$/m.exec(error.detail.join("\n")) ?? [];
  if (number === "") return scriptError(error, name);
  return new UserError(`${name} cannot start the installer: ${text}`, [
    REASONS[number] ?? "its console may say more",
    "nothing was changed; otherwise install it from a stick or a rescue system: see docs/install.md",
  ]);
}

/** The disk that was chosen, as the installer calls it. @throws UserError where that is not certain: nothing is erased */
export function sameDisk(chosen: FoundDisk, { disks }: FoundMachine): FoundDisk {
  const [found, another] = disks.filter(({ identity }) => identity === chosen.identity);
  if (found !== undefined && another === undefined) return found;
  throw new UserError(`the installer does not find ${chosen.path} for certain, so nothing was erased`, [
    ...disks.map(({ path, identity }) => `there is ${path}: ${identity}`),
    `chosen was ${chosen.identity}`,
    "the installer goes on running: run the command again and choose the disk by the name that it has there",
  ]);
}

/**
 * Erases the disk, and installs the host on it. The machine's own ssh key becomes the host's.
 * @throws UserError when it fails; then the installer still runs, and it can be done again
 */
export async function installFromMemory(
  destination: string,
  disk: FoundDisk,
  plan: HostPlan,
  closure: Closure,
  files: readonly FirstFile[],
  onProgress: OnProgress,
): Promise<void> {
  await using target = await connectedHost(destination);
  try {
    await sendFirstFiles(target, plan, closure, files);
    const key = plan.persistence.entries.find(({ path }) => path === HOST_KEYS)?.source;
    if (key !== undefined) await target.run(keepHostKey(`${FIRST}${key}`));
    // As a unit: one that lost its connection may still be at it.
    const unit = "systemd-run --quiet --unit=nixfleet-install --collect --wait --pipe";
    const install = `sh /etc/nixfleet/install.sh ${quoted(disk.path)} --yes-wipe`;
    await target.run(
      `systemctl --quiet stop nixfleet-install 2>/dev/null; ${unit} --setenv=FIRST=${FIRST} ${install}`,
      {
        onLine: (line) => onProgress(line.replace(/^nixfleet: /, "")),
      },
    );
  } catch (error) {
    const failed = scriptError(error, destination);
    if (!(failed instanceof UserError)) throw failed;
    throw new UserError(failed.message, [
      ...failed.detail,
      "the installer goes on running in the machine's memory: fix the cause, then run the command again",
    ]);
  }
}

const FIRST = "/run/nixfleet/first";

/** Where the scope openssh has them: src/scopes/openssh.ts. */
const HOST_KEYS = "/etc/ssh/host-keys";

/** So that who knows the machine knows the host. */
function keepHostKey(folder: string): string {
  const key = "/etc/nixfleet/takeover/keys/ssh_host_ed25519_key";
  return [
    `[ -s ${key} ] || exit 0`,
    `mkdir -p ${quoted(folder)}`,
    `chmod 700 ${quoted(folder)}`,
    `cp ${key} ${quoted(folder)}/`,
    `ssh-keygen -y -f ${key} >${quoted(folder)}/ssh_host_ed25519_key.pub`,
  ].join("; ");
}

async function sendFirstFiles(
  target: TargetHost,
  plan: HostPlan,
  closure: Closure,
  files: readonly FirstFile[],
): Promise<void> {
  await target.run(`rm -rf ${FIRST}; mkdir -p -m 0700 /run/nixfleet; mkdir -m 0755 ${FIRST}`);
  if (files.length === 0) return;
  await using folder = await temporaryFolder();
  for (const { path } of plan.persistence.roots) await mkdir(join(folder.path, path), { recursive: true, mode: 0o755 });
  await placeFirstFiles(files, plan, closure, folder.path);
  await using kept = await temporaryFolder();
  await run("tar", ["--numeric-owner", "-C", folder.path, "-cf", join(kept.path, "first.tar"), "."]);
  await target.run(`tar -C ${FIRST} -xpf - && chmod 0755 ${FIRST}`, {
    input: await readFile(join(kept.path, "first.tar")),
  });
}

/** `in`: it runs the host, and lets root in. `up`: it answers, and lets root in no more. `away`: it does not answer. */
export type CameBack = "in" | "up" | "away";

/** Leaves the installer, and waits for the host. */
export async function startHost(destination: string, closure: Closure, onProgress: OnProgress): Promise<CameBack> {
  await targetHost(destination).run("setsid -f sh -c 'sleep 1; systemctl reboot' </dev/null >/dev/null 2>&1");
  onProgress("waiting for the host");
  const came = await reached(
    destination,
    async (host) => {
      const said = await host.run("cat /proc/cmdline; cat /etc/nixfleet/takeover/closure 2>/dev/null || echo host");
      return said.includes(`nixfleet.closure=${closure.storePath}`) && said.endsWith("\nhost\n") ? "in" : null;
    },
    (error) => (error.detail.some((line) => /Permission denied/.test(line)) ? "up" : null),
  );
  return came ?? "away";
}

/** How long a machine may take to start, in seconds; an emulated one takes minutes. */
const PATIENCE = 600;
/** How long an answer may take, in seconds. */
const ANSWER = 60;

/** Asks over new connections until there is an answer. `null`: it was out of reach for that long. */
async function reached<T>(
  destination: string,
  ask: (host: TargetHost) => Promise<T | null>,
  unreachable: (error: Unreachable) => T | null = () => null,
): Promise<T | null> {
  const end = performance.now() + PATIENCE * 1000;
  while (performance.now() < end) {
    await sleep(3000, null, { signal: interruption });
    const time = AbortSignal.timeout(ANSWER * 1000);
    const host = targetHost(destination);
    const signal = AbortSignal.any([interruption, time]);
    try {
      const answer = await ask({ ...host, run: (command, options) => host.run(command, { ...options, signal }) });
      if (answer !== null) return answer;
    } catch (error) {
      interruption.throwIfAborted();
      if (error instanceof Unreachable) {
        // Not to be waited out: somebody else may answer there.
        if (error.detail.some((line) => /Host key verification failed/.test(line))) throw error;
        const answer = unreachable(error);
        if (answer !== null) return answer;
      } else if (!time.aborted) throw error;
    }
  }
  return null;
}
