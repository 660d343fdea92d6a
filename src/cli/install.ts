/** `nixfleet install HOST` */
import { existsSync } from "node:fs";
import { realpath, rm } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import type { Closure } from "../closure/closure.ts";
import { buildHost } from "../deploy/build.ts";
import { provideImage, refuseImage } from "../deploy/image.ts";
import { type Claim, claimDevices, type InstallTarget, inspectAgain, installOnDevices } from "../deploy/install.ts";
import { describeDevice } from "../disk/device.ts";
import { refuseAttached } from "../disk/image.ts";
import { formatSize, parseSize } from "../layout/size.ts";
import { interruption } from "../machine/interruption.ts";
import { requireRoot } from "../machine/root.ts";
import { UserError } from "../modules/errors.ts";
import type { HostPlan } from "../plan/host.ts";
import { requireLoader } from "../plan/loader.ts";
import { loadHost, planOf } from "./load-fleet.ts";
import { say } from "./output.ts";
import { withProgress } from "./progress.ts";

export interface InstallFlags {
  /** A device; where a host has several disks, NAME=DEVICE for each. */
  readonly device?: readonly string[];
  readonly image?: string;
  readonly size: string;
  readonly yesWipe?: readonly string[];
}

export async function install(file: string, name: string, flags: InstallFlags): Promise<void> {
  const { host, folder } = await loadHost(file, name);
  const plan = planOf(host, folder);
  if ((flags.device === undefined) === (flags.image === undefined)) {
    throw new UserError("say where to: --device DEVICE, or --image FILE");
  }
  requireRoot("install a host", "it writes to a device, and mounts what it makes");
  requireLoader(plan);
  // Whatever cannot be done is said before anything is asked or built.
  await using claim = flags.device === undefined ? null : await claimDevices(installTargets(plan, flags.device));
  if (flags.image !== undefined) refuseImage(plan, flags.image, parseSize(flags.size));
  const closure = await withProgress(`Build ${name}`, (onProgress) =>
    buildHost(plan, { fleetFolder: folder, onProgress }),
  );
  if (claim !== null) await ontoDevices(plan, closure, claim, flags.yesWipe ?? []);
  else if (flags.image !== undefined) await ontoImage(plan, closure, flags.image, flags);
}

async function ontoDevices(plan: HostPlan, closure: Closure, claim: Claim, yesWipe: readonly string[]): Promise<void> {
  const disks = await inspectAgain(claim);
  for (const { layout, device } of disks) {
    const partitions = layout.partitions.map(
      ({ name, size }) => `${name} ${size === null ? "(the rest)" : formatSize(size)}`,
    );
    say(
      [
        `${describeDevice(device)} becomes the disk ${layout.name} of ${plan.hostName}: ${partitions.join(", ")}`,
        ...(device.contents.length === 0
          ? ["  nothing was found on it"]
          : ["  EVERYTHING ON IT WILL BE LOST:", ...device.contents.map((line) => `    ${line}`)]),
      ].join("\n"),
    );
    await confirm(device.path, yesWipe);
  }
  await withProgress(`Install ${plan.hostName}`, (onProgress) =>
    installOnDevices({ plan, closure, claim, onProgress }),
  );
  say(`${plan.hostName} is installed: it boots from ${disks.map(({ device }) => device.path).join(" and ")}`);
}

async function ontoImage(
  plan: HostPlan,
  closure: Closure,
  image: string,
  { size, yesWipe }: InstallFlags,
): Promise<void> {
  if (existsSync(image)) {
    say(`${image} exists: EVERYTHING IN IT WILL BE LOST`);
    await confirm(image, yesWipe ?? []);
    await refuseAttached(image);
    await rm(image);
  }
  await withProgress(`Install ${plan.hostName}`, (onProgress) =>
    provideImage({ plan, closure, file: image, size: parseSize(size), onProgress }),
  );
  say(`${plan.hostName} is installed: it boots from ${image}`);
}

/** @throws UserError unless the name was typed, or given with --yes-wipe */
async function confirm(path: string, yesWipe: readonly string[]): Promise<void> {
  const allowed = await Promise.all(yesWipe.map((one) => realpath(one).catch(() => one)));
  if (allowed.includes(await realpath(path))) return;
  const refusal = new UserError(`${path} was not confirmed, so nothing was written`, [
    `type its name when asked, or add: --yes-wipe ${path}`,
  ]);
  if (!process.stdin.isTTY) throw refusal;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`To go on, type ${path}: `, { signal: interruption });
    if (answer.trim() !== path) throw refusal;
  } finally {
    terminal.close();
  }
}

/** The disks of a host and the devices that they are to be on. */
export function installTargets(plan: HostPlan, given: readonly string[]): readonly InstallTarget[] {
  const { disks } = plan.disk;
  const names = disks.map(({ name }) => name);
  const [only, second] = disks;
  if (only !== undefined && second === undefined && given.length === 1) {
    const [device = ""] = given;
    return [{ layout: only, device: device.startsWith(`${only.name}=`) ? device.slice(only.name.length + 1) : device }];
  }
  const byName = new Map(given.map((text) => [text.split("=")[0], text.slice(text.indexOf("=") + 1)]));
  const unknown = [...byName.keys()].find((name) => !names.includes(name ?? ""));
  const missing = names.find((name) => !byName.has(name));
  if (unknown !== undefined || missing !== undefined || byName.size !== given.length) {
    throw new UserError(`${plan.hostName} has ${disks.length} disks: ${names.join(", ")}`, [
      `name a device for each: ${names.map((name) => `--device ${name}=/dev/…`).join(" ")}`,
    ]);
  }
  return disks.map((layout) => ({ layout, device: byName.get(layout.name) ?? "" }));
}
