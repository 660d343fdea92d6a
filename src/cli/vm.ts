/** `nixfleet vm HOST` */
import { machineOf, runInTerminal } from "../deploy/vm.ts";
import { findVmDisk, provideVmDisk, type VmDisk, vmDiskLock } from "../deploy/vm-disk.ts";
import { temporaryFolder } from "../machine/resources.ts";
import { isRoot, requireRoot } from "../machine/root.ts";
import { UserError } from "../modules/errors.ts";
import type { HostPlan } from "../plan/host.ts";
import { freePort, sshAccess } from "../vm/ssh.ts";
import { loadHost, planOf } from "./load-fleet.ts";
import { say } from "./output.ts";
import { withProgress } from "./progress.ts";

export interface VmFlags {
  readonly sshPort?: string;
  readonly memory: string;
  readonly fresh?: boolean;
}

export async function vm(file: string, name: string, flags: VmFlags): Promise<void> {
  const memory = number("--memory", flags.memory, 256, 1 << 20);
  const sshPort = flags.sshPort === undefined ? await freePort() : number("--ssh-port", flags.sshPort, 1, 65535);
  const { host, folder } = await loadHost(file, name);
  const plan = planOf(host, folder);
  await using _lock = await vmDiskLock(plan, folder);
  const { closure, image } = await diskOf(plan, folder, flags.fresh ?? false);
  const machine = await machineOf(plan, closure, image);
  await using keys = await temporaryFolder();
  const access = await sshAccess(keys.path, sshPort);
  say(
    [
      `${name} boots${machine.accelerator === "tcg" ? " (the processor is emulated: KVM does not work here)" : ""}; its disk is ${image}`,
      ...(machine.accelerator === "tcg"
        ? ["Such a processor now and then stops in the first seconds: then Ctrl-A X, and run this again."]
        : []),
      `This terminal is its console, logged in as root. Ctrl-A X pulls the plug, \`poweroff\` ends it in order.`,
      `From elsewhere: ssh -p ${sshPort} -i ${access.keyFile} -o UserKnownHostsFile=/dev/null root@127.0.0.1`,
    ].join("\n"),
  );
  // Only for a machine that is run here, and never in its closure: see systemd.system-credentials(7).
  const credentials = { ...access.credentials, "agetty.autologin": "root", "login.noauth": "yes" };
  await runInTerminal({ ...machine, memory }, sshPort, credentials);
}

/** Root builds and makes it; for anybody else it has to be there. */
async function diskOf(plan: HostPlan, folder: string, fresh: boolean): Promise<VmDisk> {
  const found = isRoot() || fresh ? null : await findVmDisk(plan, folder);
  if (found !== null) return found;
  requireRoot(
    `make the disk of ${plan.hostName} as it is declared now`,
    "its files belong to root and to Debian's users; once it is made, it runs without root, if NIXFLEET_CACHE names a cache that you can read",
  );
  return withProgress(`Build ${plan.hostName}`, (onProgress) => provideVmDisk(plan, folder, { fresh, onProgress }));
}

function number(flag: string, text: string, lowest: number, highest: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
  throw new UserError(`${flag} wants a number from ${lowest} to ${highest}, got ${text}`);
}
