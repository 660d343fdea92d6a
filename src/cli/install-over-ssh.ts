/** `nixfleet install HOST --target-host DESTINATION` */
import { buildHost } from "../deploy/build.ts";
import { firstFiles } from "../deploy/first-files.ts";
import {
  describeFound,
  diskRefusal,
  type FoundDisk,
  type FoundMachine,
  machineRefusal,
} from "../deploy/found-machine.ts";
import { loadHost, planOf } from "../deploy/load-fleet.ts";
import { modulesOf, refuseRamInstaller, unpackedSize } from "../deploy/ram-installer.ts";
import {
  type CameBack,
  installFromMemory,
  lookAtMachine,
  sameDisk,
  startHost,
  startInstaller,
} from "../deploy/takeover.ts";
import { connectedHost } from "../deploy/target-host.ts";
import { UserError } from "../errors.ts";
import { requireRoot } from "../local/root.ts";
import type { HostPlan } from "../plan/host.ts";
import { requireLoader } from "../plan/loader.ts";
import { visibleName } from "../visible.ts";
import { confirmName } from "./confirm.ts";
import { say } from "./output.ts";
import { withProgress } from "./progress.ts";

interface Flags {
  readonly device?: readonly string[];
  readonly file?: readonly string[];
  readonly yesWipe?: readonly string[];
}

export async function installOverSsh(
  file: string,
  name: string,
  destination: string,
  { device = [], file: given = [], yesWipe = [] }: Flags,
): Promise<void> {
  const { host, folder } = await loadHost(file, name);
  const plan = planOf(host, folder);
  requireRoot("install a host", "it sends files that only root reads");
  requireLoader(plan);
  refuseRamInstaller(plan);
  const files = await firstFiles(given, plan);
  // Whatever cannot be done is said before anything is built or asked.
  const machine = await look(destination);
  const wanted = wantedDisk(machine, device, plan);
  const unbuilt = {
    plan,
    modules: new Set(machine.said("module").map((one) => one.replaceAll("-", "_"))),
    unpacked: 0,
    packed: 0,
  };
  refuse(machineRefusal(machine, unbuilt, destination));
  const closure = await withProgress(`Build ${name}`, (onProgress) =>
    buildHost(plan, { fleetFolder: folder, definedAt: (option) => host.definedAt(option), onProgress }),
  );
  const needs = { plan, modules: modulesOf(closure), unpacked: unpackedSize(closure), packed: 0 };
  refuse(machineRefusal(machine, needs, destination));
  const chosen = await confirmed(destination, machine, wanted, yesWipe, plan);
  const came = await withProgress(`Install ${name}`, async (onProgress) => {
    const installer = await startInstaller(destination, machine, closure, needs, onProgress);
    const disk = sameDisk(chosen, installer);
    refuse(diskRefusal(disk, installer, plan));
    await installFromMemory(destination, disk, plan, closure, files, onProgress);
    return startHost(destination, closure, onProgress);
  });
  say(ENDS[came](plan.hostName, destination));
}

const ENDS: Readonly<Record<CameBack, (host: string, destination: string) => string>> = {
  in: (host, destination) => `${destination} is ${host} now`,
  up: (host, destination) =>
    `${host} is installed, and answers on ${destination}, but its declaration lets root log in with no key of yours`,
  away: (host, destination) =>
    `${host} is installed, but does not answer on ${destination}: it may have another address, or not have started; see its console`,
};

async function look(destination: string): Promise<FoundMachine> {
  await using target = await connectedHost(destination);
  return await lookAtMachine(target);
}

function refuse(refusal: UserError | null): void {
  if (refusal !== null) throw refusal;
}

/** `null`: it is asked for. @throws UserError where it cannot be */
function wantedDisk(machine: FoundMachine, given: readonly string[], plan: HostPlan): FoundDisk | null {
  const [first, second] = given;
  if (second !== undefined) throw new UserError("over ssh a host with one disk is installed: give one --device");
  if (first === undefined) return null;
  const path = first.replace(`${plan.disk.disks[0]?.name}=`, "");
  return diskAt(machine, path, plan);
}

function diskAt(machine: FoundMachine, path: string, plan: HostPlan): FoundDisk {
  const found = machine.disks.find((disk) => disk.path === path);
  if (found === undefined) throw new UserError(`the machine has no disk ${path}`, ["it has:", ...listed(machine)]);
  refuse(diskRefusal(found, machine, plan));
  return found;
}

function listed({ disks }: FoundMachine): string[] {
  return disks.flatMap((disk) => [
    `  ${describeFound(disk)}`,
    ...disk.contents.map((line) => `    ${visibleName(line)}`),
  ]);
}

/** @throws UserError unless a disk's name was typed, or given with --yes-wipe */
async function confirmed(
  destination: string,
  machine: FoundMachine,
  wanted: FoundDisk | null,
  yesWipe: readonly string[],
  plan: HostPlan,
): Promise<FoundDisk> {
  const runs = machine.installer === "" ? machine.system : "the installer";
  say(
    [
      `${destination} runs ${visibleName(runs)} and has:`,
      ...listed(machine),
      wanted === null
        ? `${plan.hostName} takes one of the disks, and this erases everything on it`
        : `${wanted.path} becomes the disk of ${plan.hostName}; this erases everything on it`,
    ].join("\n"),
  );
  if (wanted !== null && yesWipe.includes(wanted.path)) return wanted;
  if (wanted !== null) {
    await confirmName(wanted.path);
    return wanted;
  }
  return diskAt(machine, await confirmName(null), plan);
}
