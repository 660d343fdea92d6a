/** The firmware of a machine: SeaBIOS, which QEMU brings, or OVMF for UEFI. */
import { existsSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { Platform } from "../plan/host.ts";
import type { UefiFirmware } from "./qemu.ts";
import { qemuProgram } from "./qemu-program.ts";

/**
 * UEFI without Secure Boot.
 * @param variables the file that keeps the machine's variables; made if it is not there
 * @throws UserError when the firmware is not installed
 */
export async function uefiFirmware(platform: Platform, variables: string): Promise<UefiFirmware> {
  const { share } = await qemuProgram(platform);
  const { debianPackage, ...files } = FILES[platform];
  const [code, empty] = [join(share, files.code), join(share, files.empty)];
  if (!existsSync(code)) {
    throw new UserError("there is no UEFI firmware for virtual machines", [
      `install it with: apt-get install ${debianPackage}`,
    ]);
  }
  if (!existsSync(variables)) await copyFile(empty, variables);
  return { kind: "uefi", code, variables };
}

const FILES = {
  "x86_64-linux": {
    code: "OVMF/OVMF_CODE_4M.fd",
    empty: "OVMF/OVMF_VARS_4M.fd",
    debianPackage: "ovmf",
  },
  "aarch64-linux": {
    code: "AAVMF/AAVMF_CODE.fd",
    empty: "AAVMF/AAVMF_VARS.fd",
    debianPackage: "qemu-efi-aarch64",
  },
} as const;
