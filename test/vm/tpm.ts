/** A TPM for virtual machines. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface Tpm extends AsyncDisposable {
  /** For QEMU. */
  readonly socket: string;
}

/**
 * Starts one; what it has sealed is in the folder, for the next that is started with it. One machine can use it, and if
 * that is killed, another; it ends with a machine that ends in order.
 */
export async function startTpm(folder: string): Promise<Tpm> {
  const socket = join(folder, "tpm");
  const args = ["socket", "--tpm2", "--tpmstate", `dir=${folder}`, "--ctrl", `type=unixio,path=${socket}`];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", "swtpm", ...args], { stdio: "ignore" });
  const ended = once(child, "close");
  while (!existsSync(socket) && child.exitCode === null) await sleep(20);
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}
