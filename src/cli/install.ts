/** `nixfleet install HOST` */
import { existsSync } from "node:fs";
import { realpath, rm } from "node:fs/promises";
import { buildHost } from "../deploy/build.ts";
import { firstFiles } from "../deploy/first-files.ts";
import { type ImageRequest, imagesOf, provideImages, refuseImages } from "../deploy/image.ts";
import { type Claim, claimDevices, inspectAgain, installOnDevices } from "../deploy/install.ts";
import { loadHost, planOf } from "../deploy/load-fleet.ts";
import { describeDevice } from "../disk/device.ts";
import { type DiskImage, refuseAttached } from "../disk/image.ts";
import { UserError } from "../errors.ts";
import type { PlacedDisk } from "../layout/gpt.ts";
import { formatSize } from "../layout/size.ts";
import { requireRoot } from "../local/root.ts";
import type { HostPlan } from "../plan/host.ts";
import { requireLoader } from "../plan/loader.ts";
import { confirmName } from "./confirm.ts";
import { installOverSsh } from "./install-over-ssh.ts";
import { say } from "./output.ts";
import { withProgress } from "./progress.ts";

export interface InstallFlags {
  /** A device; where a host has several disks, NAME=DEVICE for each. */
  readonly device?: readonly string[];
  readonly image?: string;
  /** Of new images: SIZE, or NAME=SIZE for one of several. */
  readonly size?: readonly string[];
  /** LOCAL=PATH: what is to be on a persist root at the first boot. */
  readonly file?: readonly string[];
  readonly yesWipe?: readonly string[];
  /** A machine that runs something else, as an ssh destination. */
  readonly targetHost?: string;
}

export async function install(file: string, name: string, flags: InstallFlags): Promise<void> {
  if (flags.targetHost !== undefined) {
    if (flags.image !== undefined) throw new UserError("an image is on this machine: leave out --target-host");
    return installOverSsh(file, name, flags.targetHost, flags);
  }
  const { host, folder } = await loadHost(file, name);
  const plan = planOf(host, folder);
  if ((flags.device === undefined) === (flags.image === undefined)) {
    throw new UserError("choose a target: --device DEVICE or --image FILE");
  }
  requireRoot("install a host", "it formats and mounts a disk");
  requireLoader(plan);
  // Whatever cannot be done is said before anything is asked or built.
  await using claim = flags.device === undefined ? null : await claimDevices(installTargets(plan, flags.device));
  const images = flags.image === undefined ? [] : imagesOf(plan, flags.image, flags.size);
  refuseImages(images);
  const first = await firstFiles(flags.file ?? [], plan);
  const closure = await withProgress(`Build ${name}`, (onProgress) =>
    buildHost(plan, { fleetFolder: folder, definedAt: (option) => host.definedAt(option), onProgress }),
  );
  const given = { plan, closure, firstFiles: first };
  if (claim !== null) await ontoDevices(given, claim, flags.yesWipe ?? []);
  else await ontoImages(given, images, flags.yesWipe ?? []);
}

type Given = Required<Pick<ImageRequest, "plan" | "closure" | "firstFiles">>;

async function ontoDevices(given: Given, claim: Claim, yesWipe: readonly string[]): Promise<void> {
  const { plan } = given;
  const disks = await inspectAgain(claim);
  for (const { layout, device } of disks) {
    const partitions = layout.partitions.map(
      ({ name, size }) => `${name} ${size === null ? "(the rest)" : formatSize(size)}`,
    );
    say(
      [
        `${describeDevice(device)} becomes the disk ${layout.name} of ${plan.hostName}: ${partitions.join(", ")}`,
        ...(device.contents.length === 0
          ? ["  it holds no known data"]
          : ["  this erases everything on it:", ...device.contents.map((line) => `    ${line}`)]),
      ].join("\n"),
    );
    await confirm(device.path, yesWipe);
  }
  await withProgress(`Install ${plan.hostName}`, (onProgress) => installOnDevices({ ...given, claim, onProgress }));
  say(`${plan.hostName} is installed: it boots from ${disks.map(({ device }) => device.path).join(" and ")}`);
}

async function ontoImages(given: Given, images: readonly DiskImage[], yesWipe: readonly string[]): Promise<void> {
  const { hostName } = given.plan;
  const there = images.map(({ file }) => file).filter((file) => existsSync(file));
  for (const file of there) {
    say(`${file} exists; this erases everything in it`);
    await confirm(file, yesWipe);
    await refuseAttached(file);
  }
  for (const file of there) await rm(file);
  await withProgress(`Install ${hostName}`, (onProgress) => provideImages({ ...given, images, onProgress }));
  say(`${hostName} is installed: it boots from ${images.map(({ file }) => file).join(" and ")}`);
}

/** @throws UserError unless the name was typed, or given with --yes-wipe */
async function confirm(path: string, yesWipe: readonly string[]): Promise<void> {
  const allowed = await Promise.all(yesWipe.map((one) => realpath(one).catch(() => one)));
  if (allowed.includes(await realpath(path))) return;
  await confirmName(path);
}

/** The disks of a host and the devices that they are to be on. */
export function installTargets(plan: HostPlan, given: readonly string[]): readonly PlacedDisk[] {
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
      `give a device for each: ${names.map((name) => `--device ${name}=/dev/…`).join(" ")}`,
    ]);
  }
  return disks.map((layout) => ({ layout, device: byName.get(layout.name) ?? "" }));
}
