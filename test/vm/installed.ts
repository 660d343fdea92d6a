/** A host on the disk of a machine: what most tests of this folder begin with. */
import { join } from "node:path";
import type { Closure } from "../../src/closure/closure.ts";
import { buildHost } from "../../src/deploy/build.ts";
import { imagesOf, provideImages } from "../../src/deploy/image.ts";
import { planOf } from "../../src/deploy/load-fleet.ts";
import { bareMachine } from "../../src/deploy/vm.ts";
import type { Host } from "../../src/fleet/mk-host.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import { uefiFirmware } from "../../src/vm/firmware.ts";
import type { FirmwareMachine } from "../../src/vm/machine.ts";
import type { Firmware } from "../../src/vm/qemu.ts";

/** The tests share the example's lock, and so its package trees. */
export const FLEET_FOLDER: string = join(PACKAGE_ROOT, "examples", "standalone");

export function planOfTested(host: Host): HostPlan {
  return planOf(host, FLEET_FOLDER);
}

export function builtHost(plan: HostPlan): Promise<Closure> {
  return buildHost(plan, { fleetFolder: FLEET_FOLDER });
}

export interface Installed {
  readonly plan: HostPlan;
  readonly closure: Closure;
  readonly image: string;
  /** Boots the image as a real machine would: nothing but the disk says what. */
  readonly machine: () => Promise<FirmwareMachine>;
}

export interface Installation {
  /** Of the disk. */
  readonly size?: string;
  readonly firmware?: "UEFI" | "BIOS";
  /** Whether the disk is to install the host onto another one. */
  readonly installer?: boolean;
}

/** Installs the host into `HOSTNAME.img` in the folder, or adds a generation where that is there already. */
export async function installed(
  host: Host,
  folder: string,
  { size = "8G", firmware = "UEFI", installer = false }: Installation = {},
): Promise<Installed> {
  const plan = planOfTested(host);
  const closure = await builtHost(plan);
  const image = join(folder, `${plan.hostName}${installer ? "-installer" : ""}.img`);
  await provideImages({ plan, closure, images: imagesOf(plan, image, [size]), installer });
  const machine = async () => machineFrom(image, plan, closure, await firmwareOf(firmware, plan, `${image}.variables`));
  return { plan, closure, image, machine };
}

/** The machine that boots this image, of which the host may know nothing. */
export function machineFrom(
  image: string,
  plan: HostPlan,
  closure: Closure,
  firmware: Firmware,
): Promise<FirmwareMachine> {
  return bareMachine(plan, join(closure.folder, "vmlinuz"), image, firmware);
}

/** @param variables the file that keeps those of a UEFI; a BIOS has none */
export async function firmwareOf(kind: "UEFI" | "BIOS", { platform }: HostPlan, variables: string): Promise<Firmware> {
  return kind === "UEFI" ? uefiFirmware(platform, variables) : { kind: "bios" };
}
