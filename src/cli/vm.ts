/** `nixfleet vm HOST` */

import { loadHost, planOf } from "../deploy/load-fleet.ts";
import { machineOf, runInTerminal } from "../deploy/vm.ts";
import { findVmDisk, provideVmDisk, type VmDisk, vmDiskLock } from "../deploy/vm-disk.ts";
import { UserError } from "../errors.ts";
import type { Host } from "../fleet/mk-host.ts";
import { temporaryFolder } from "../local/resources.ts";
import { isRoot, requireRoot } from "../local/root.ts";
import type { HostPlan } from "../plan/host.ts";
import { freePort, sshAccess } from "../vm/ssh.ts";
import { say } from "./output.ts";
import { withProgress } from "./progress.ts";

export interface VmFlags {
  readonly sshPort?: string;
  readonly memory: string;
  readonly fresh?: boolean;
}

export async function vm(file: string, name: string, flags: VmFlags): Promise<void> {
  const memory = number("--memory", flags.memory, 256, 1 << 20);
  const sshPort = flags.sshPort === undefined ? await freePort() : await givenPort(flags.sshPort);
  const { host, folder } = await loadHost(file, name);
  const plan = planOf(host, folder);
  await using _lock = await vmDiskLock(plan, folder);
  const { closure, images } = await diskOf(host, plan, folder, flags.fresh ?? false);
  const files = images.map(({ file }) => file);
  const machine = { ...(await machineOf(plan, closure, ...files)), processors: 2 };
  await using keys = await temporaryFolder();
  const access = await sshAccess(keys.path, sshPort);
  say(
    [
      `${name} boots${machine.accelerator === "tcg" ? " (with an emulated processor, because KVM does not work here)" : ""}; ${files.length === 1 ? "its disk is" : "its disks are"} ${files.join(" and ")}`,
      ...(machine.accelerator === "tcg"
        ? ["An emulated processor sometimes hangs in the first seconds: press Ctrl-A X and run this again."]
        : []),
      `This terminal is its console, logged in as root. Ctrl-A X pulls the plug, \`poweroff\` shuts it down.`,
      `From elsewhere: ssh -p ${sshPort} -i ${access.keyFile} -o UserKnownHostsFile=/dev/null root@127.0.0.1`,
    ].join("\n"),
  );
  // Only for a machine that is run here, and never in its closure: see systemd.system-credentials(7).
  const credentials = { ...access.credentials, "agetty.autologin": "root", "login.noauth": "yes" };
  await runInTerminal({ ...machine, memory }, sshPort, credentials);
}

/** Root builds and makes it; for anybody else it has to be there. */
async function diskOf(host: Host, plan: HostPlan, folder: string, fresh: boolean): Promise<VmDisk> {
  const found = isRoot() || fresh ? null : await findVmDisk(plan, folder);
  if (found !== null) return found;
  requireRoot(
    `make a disk for the current declaration of ${plan.hostName}`,
    "its files belong to root and to Debian's users; once the disk exists, the machine runs without root if you can read the cache in NIXFLEET_CACHE",
  );
  return withProgress(`Build ${plan.hostName}`, (onProgress) =>
    provideVmDisk(plan, folder, { fresh, definedAt: (option) => host.definedAt(option), onProgress }),
  );
}

/** @throws UserError where QEMU could not listen on it */
async function givenPort(text: string): Promise<number> {
  const port = number("--ssh-port", text, 1, 65535);
  await freePort(port).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === "EACCES" ? "is reserved for root" : "is in use";
    throw new UserError(`port ${port} ${reason}`, ["choose another with --ssh-port, or omit it to use a free one"]);
  });
  return port;
}

function number(flag: string, text: string, lowest: number, highest: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
  throw new UserError(`${flag} needs a number from ${lowest} to ${highest}, got ${text}`);
}
