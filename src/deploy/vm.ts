/** A host in a virtual machine: what QEMU needs to know of its closure. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { defaultCacheFolder } from "../closure/store/cache.ts";
import { closureCommandLine, generationCommandLine } from "../closure/tree/command-line.ts";
import { UserError } from "../errors.ts";
import { interruption } from "../local/interruption.ts";
import { temporaryFolder } from "../local/resources.ts";
import type { HostPlan } from "../plan/host.ts";
import { workingAccelerator } from "../vm/accelerator.ts";
import { bootOptions, type FirmwareMachine, type KernelMachine, type MachineOptions } from "../vm/machine.ts";
import { type Firmware, qemuCommand } from "../vm/qemu.ts";
import { qemuProgram } from "../vm/qemu-program.ts";

/** The machine that boots the host from these disk images. */
export async function machineOf(
  plan: HostPlan,
  closure: Closure,
  ...images: readonly string[]
): Promise<KernelMachine> {
  const kernel = join(closure.folder, "vmlinuz");
  return {
    platform: plan.platform,
    accelerator: await workingAccelerator(plan.platform, kernel, defaultCacheFolder()),
    disks: images,
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
    program: await qemuProgram(machine.platform),
    memory: machine.memory ?? 1024,
    ...(await bootOptions(machine, folder.path)),
    sshPort,
    credentials,
    console: { kind: "terminal" },
    controlSocket: null,
  });
  // However this process ends, QEMU ends with it.
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", program, ...args], { stdio: "inherit" });
  const stop = (): void => void child.kill();
  interruption.addEventListener("abort", stop);
  const [code] = await once(child, "close");
  interruption.throwIfAborted();
  if (code !== 0) throw new UserError(`${program} failed (exit ${code})`);
}
