/** Whether this machine's KVM runs Linux guests, or the processor must be emulated. */
import { constants } from "node:fs";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { arch } from "node:os";
import { join } from "node:path";
import { run } from "../local/process.ts";
import type { Platform } from "../plan/host.ts";
import { type Accelerator, qemuCommand } from "./qemu.ts";
import { qemuProgram } from "./qemu-program.ts";

/**
 * `kvm` if it can run this kernel, else `tcg`. The answer is found once per boot of this machine.
 *
 * That /dev/kvm is there says little: inside some virtual machines it runs a boot sector and stops at the first unusual
 * instruction of Linux. So the kernel itself is the probe. Without an initrd and a root, it starts all of its parts and
 * then panics, and that panic is what we want to see.
 * @param cacheFolder where the answer is kept
 */
export async function workingAccelerator(
  platform: Platform,
  kernel: string,
  cacheFolder: string,
): Promise<Accelerator> {
  if (platform !== hostPlatform() || !(await isWritable("/dev/kvm"))) return "tcg";
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  const file = join(cacheFolder, "accelerator");
  const known = (await readFile(file, "utf8").catch(() => "")).trim().split(" ");
  if (known[0] === boot && (known[1] === "kvm" || known[1] === "tcg")) return known[1];
  const found = (await kvmRuns(platform, kernel)) ? "kvm" : "tcg";
  // Another user's cache is only read.
  await mkdir(cacheFolder, { recursive: true })
    .then(() => writeFile(file, `${boot} ${found}\n`))
    .catch(() => {});
  return found;
}

/** In milliseconds; a working KVM needs about one second. */
const PROBE_TIME = 10_000;

async function kvmRuns(platform: Platform, kernel: string): Promise<boolean> {
  const [program, ...args] = qemuCommand({
    program: await qemuProgram(platform),
    platform,
    accelerator: "kvm",
    memory: 512,
    disks: [],
    kernel,
    initrd: null,
    kernelParameters: ["panic=-1"],
    sshPort: null,
    credentials: {},
    console: { kind: "stdio" },
    controlSocket: null,
  });
  const probe = new AbortController();
  let panicked = false;
  const time = setTimeout(() => probe.abort(), PROBE_TIME);
  try {
    await run(program, args, {
      signal: probe.signal,
      onLine: (line) => {
        if (/Kernel panic - not syncing: VFS/.test(line)) panicked = true;
        // Then QEMU stops the guest and stays.
        if (panicked || /KVM internal error/.test(line)) probe.abort();
      },
    });
  } catch (error) {
    // Killed at our wish, or failed, as KVM on such a machine may: emulation will tell what else is wrong.
    if (!probe.signal.aborted && !(error instanceof Error)) throw error;
  } finally {
    clearTimeout(time);
  }
  return panicked;
}

function hostPlatform(): Platform | null {
  const platforms: Readonly<Record<string, Platform>> = { x64: "x86_64-linux", arm64: "aarch64-linux" };
  return platforms[arch()] ?? null;
}

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}
