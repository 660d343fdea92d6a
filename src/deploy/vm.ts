/** A host in a virtual machine: what QEMU needs to know of its closure. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { defaultCacheFolder } from "../closure/cache.ts";
import type { Closure } from "../closure/closure.ts";
import { closureCommandLine, generationCommandLine } from "../closure/command-line.ts";
import { temporaryFolder } from "../machine/resources.ts";
import { UserError } from "../modules/errors.ts";
import type { HostPlan } from "../plan/host.ts";
import { workingAccelerator } from "../vm/accelerator.ts";
import { bootOptions, type FirmwareMachine, type KernelMachine, type MachineOptions } from "../vm/machine.ts";
import { type Firmware, qemuCommand } from "../vm/qemu.ts";

/** The machine that boots the host from this disk image. */
export async function machineOf(plan: HostPlan, closure: Closure, image: string): Promise<KernelMachine> {
  const kernel = join(closure.folder, "vmlinuz");
  return {
    platform: plan.platform,
    accelerator: await workingAccelerator(plan.platform, kernel, defaultCacheFolder()),
    disks: [image],
    kernel,
    initrds: [join(closure.folder, "initrd"), join(closure.folder, "host.cpio")],
    kernelParameters: generationCommandLine(closureCommandLine(plan.boot), closure.storePath).split(" "),
  };
}

/**
 * The machine that boots this disk image as a real one would: nothing but the disk says what.
 * @param kernel one to find out with whether KVM works here
 */
export async function bareMachine(
  { platform }: Pick<HostPlan, "platform">,
  kernel: string,
  image: string,
  firmware: Firmware,
): Promise<FirmwareMachine> {
  const accelerator = await workingAccelerator(platform, kernel, defaultCacheFolder());
  return { platform, accelerator, disks: [image], firmware };
}

/** Runs the machine on this terminal until it is off. @throws UserError when QEMU fails */
export async function runInTerminal(
  machine: MachineOptions,
  sshPort: number,
  credentials: Readonly<Record<string, string>>,
): Promise<void> {
  await using folder = await temporaryFolder();
  const [program, ...args] = qemuCommand({
    ...machine,
    memory: machine.memory ?? 1024,
    ...(await bootOptions(machine, folder.path)),
    sshPort,
    credentials,
    console: { kind: "terminal" },
    controlSocket: null,
  });
  // However this process ends, QEMU ends with it.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", program, ...args], { stdio: "inherit" });
  const [code] = await once(child, "close");
  if (code !== 0) throw new UserError(`${program} failed (exit ${code})`);
}
