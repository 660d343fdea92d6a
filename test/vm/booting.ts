/** What the tests boot a host by, and when it is up. */
import type { Platform } from "../../src/plan/host.ts";
import { uefiFirmware } from "../../src/vm/firmware.ts";
import type { Machine } from "../../src/vm/machine.ts";
import type { Firmware } from "../../src/vm/qemu.ts";

/** @param variables the file that keeps those of an UEFI; a BIOS has none */
export async function firmwareOf(kind: "UEFI" | "BIOS", platform: Platform, variables: string): Promise<Firmware> {
  return kind === "UEFI" ? uefiFirmware(platform, variables) : { kind: "bios" };
}

/** Resolves when the machine has started whatever it starts by itself. @param timeout until it answers, in milliseconds */
export function comesUp(timeout: number) {
  return async (machine: Machine): Promise<void> => {
    await machine.waitForSsh(timeout);
    await machine.ssh("systemctl is-system-running --wait || true");
  };
}
