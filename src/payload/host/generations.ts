/** The host's generations: the scripts that record them and make their boot entries, and what these need to know. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CONTENTS_PROGRAM } from "../../closure/store/digest.ts";
import { labelsOf } from "../../plan/disk-plan.ts";
import { type FilePlan, symlink, type TextFilePlan, textFile } from "../../plan/file-plan.ts";
import type { HostPlan } from "../../plan/host.ts";
import type { LoaderPlan } from "../../plan/loader.ts";
import { scriptParameters } from "../initrd/pieces.ts";
import { installParameters } from "./install.ts";

/** Where a host's filesystems are for the scripts: on the running host, or below a folder of the builder. */
export interface GenerationPlace {
  /** The folder that its `@nix` is mounted on. */
  readonly nix: string;
  readonly esps: readonly EspPlace[];
  /** The device of the partition that holds GRUB. */
  readonly grub: string | null;
  /** Names the closure that runs there; `null`: none does. */
  readonly kernelCommandLine: string | null;
  /** For the kernel, besides those of the closure: what this disk is for. */
  readonly kernelParameters?: readonly string[];
  /** The disks of the host; by default those of the machine that the scripts run on. */
  readonly disks?: readonly string[];
}

/**
 * Of a disk that installs its host. Whoever has such a disk in his hands is root on its console: a host has no password
 * of its own, and those that persist are not on this disk.
 * @param disk the UUID of its partition table: see installer.rules
 */
export function installerParameters(disk: string): readonly string[] {
  return [
    `nixfleet.installer=${disk}`,
    "systemd.set_credential=agetty.autologin:root",
    "systemd.set_credential=login.noauth:yes",
  ];
}

export type EspPlace = { readonly kind: "folder" | "unmounted"; readonly path: string };

/** The file of parameters that the scripts take with `--conf`. */
export function generationParameters({ hostName, loader, boot, disk }: HostPlan, place: GenerationPlace): string {
  const nix = boot.mounts.find(({ mountpoint }) => mountpoint === "/nix");
  return scriptParameters({
    HOST_NAME: hostName,
    NIX: place.nix,
    ESPS: place.esps.map(({ kind, path }) => (kind === "folder" ? path : `unmounted:${path}`)).join("\n"),
    GRUB: place.grub ?? "",
    GRUB_NUMBER: loader.biosBoot?.number ?? "",
    NIX_SUBVOLUME: nix?.subvolume?.replace(/^\/+/, "") ?? "",
    LIMIT: loader.configurationLimit,
    TIMEOUT: loader.timeout,
    TRIES: loader.tries,
    KERNEL_COMMAND_LINE: place.kernelCommandLine ?? "",
    KERNEL_PARAMETERS: place.kernelParameters?.join(" ") ?? "",
    LABELS: labelsOf(disk).join("\n"),
    DISKS: (place.disks ?? []).join("\n"),
  });
}

/** A script of this folder, for the builder to run. */
export function hostScript(
  name:
    | "add-generation"
    | "generations"
    | "rollback"
    | "gc"
    | "verify"
    | "store-object"
    | "place-host"
    | "copy-closure"
    | "read-host",
): string {
  return join(import.meta.dirname, `${name}.sh`);
}

/** What pull.sh wants beside it, and itself: by its name, where it is here. */
export const PULL_FILES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["lock.sh", "store-object.sh", "pull.sh", "pull.pl"].map((name) => [name, join(import.meta.dirname, name)]),
  ),
  "contents.pl": CONTENTS_PROGRAM,
};

/** For the pristine root: the scripts, and the units by which a boot proves its generation. */
export function generationFiles(plan: HostPlan): readonly FilePlan[] {
  if (plan.loader.esps.length === 0 && plan.loader.biosBoot === null) return [];
  const install = installParameters(plan);
  return [
    ...SCRIPTS.map((name) => scriptFile(name)),
    staticFile("/etc/nixfleet/pull.pl", "pull.pl"),
    textFile("/etc/nixfleet/contents.pl", [readFileSync(CONTENTS_PROGRAM, "utf8").trimEnd()]),
    textFile("/etc/nixfleet/generations.conf", [generationParameters(plan, hostPlace(plan)).trimEnd()]),
    ...(install === null
      ? []
      : [
          ...["install.sh", "place-host.sh", "copy-closure.sh", "embed-grub.sh"].map((name) => scriptFile(name)),
          textFile("/etc/nixfleet/install.conf", [install.trimEnd()]),
          scriptFile("installer.sh"),
          staticFile(`${UNITS}/nixfleet-installer.service`, "nixfleet-installer.service"),
          symlink(`${UNITS}/multi-user.target.wants/nixfleet-installer.service`, "../nixfleet-installer.service"),
        ]),
    staticFile(`${UNITS}/nixfleet-verify.service`, "nixfleet-verify.service"),
    staticFile(`${UNITS}/nixfleet-verify.timer`, "nixfleet-verify.timer"),
    symlink(`${UNITS}/timers.target.wants/nixfleet-verify.timer`, "../nixfleet-verify.timer"),
    staticFile(`${UNITS}/boot-complete.target.d/nixfleet.conf`, "boot-complete.conf"),
    staticFile(`${UNITS}/nixfleet-generation.service`, "nixfleet-generation.service"),
    symlink(`${UNITS}/multi-user.target.wants/nixfleet-generation.service`, "../nixfleet-generation.service"),
    ...blessingFiles(plan.loader),
    ...(plan.loader.biosBoot === null
      ? []
      : [
          scriptFile("bless-grub.sh"),
          staticFile(`${UNITS}/nixfleet-bless-grub.service`, "nixfleet-bless-grub.service"),
          symlink(`${UNITS}/basic.target.wants/nixfleet-bless-grub.service`, "../nixfleet-bless-grub.service"),
        ]),
  ];
}

const SCRIPTS = [
  "add-generation.sh",
  "changes.sh",
  "esp.sh",
  "gc.sh",
  "generation-report.sh",
  "generation-store.sh",
  "generations.sh",
  "grub.sh",
  "own-disks.sh",
  "prune-generations.sh",
  "pull.sh",
  "rollback.sh",
  "store-object.sh",
  "systemd-boot.sh",
  "verify.sh",
];

const UNITS = "/etc/systemd/system";

/**
 * systemd knows one ESP. Of several, another may be the one that the firmware boots from, and one may be missing: then ours
 * says on each of them that the generation works.
 */
function blessingFiles({ esps }: LoaderPlan): readonly FilePlan[] {
  if (esps.length === 0) return [];
  const drop = `${UNITS}/systemd-bless-boot.service.d/nixfleet.conf`;
  if (esps.length === 1) return [textFile(drop, ["[Unit]", ...esps.map((path) => `RequiresMountsFor=${path}`)])];
  const mounts = ["[Unit]", ...esps.map((path) => `WantsMountsFor=${path}`)];
  return [
    scriptFile("bless-esps.sh"),
    textFile(drop, [...mounts, "[Service]", "ExecStart=", "ExecStart=/bin/sh /etc/nixfleet/bless-esps.sh"]),
    textFile(`${UNITS}/nixfleet-generation.service.d/esps.conf`, mounts),
  ];
}

/** The place of the running host. */
function hostPlace({ loader }: HostPlan): GenerationPlace {
  return {
    nix: "/nix",
    esps: loader.esps.map((path) => ({ kind: "folder", path })),
    grub: loader.biosBoot === null ? null : `/dev/disk/by-partlabel/${loader.biosBoot.name}`,
    kernelCommandLine: "/proc/cmdline",
  };
}

function scriptFile(name: string): FilePlan {
  return { ...staticFile(`/etc/nixfleet/${name}`, name), mode: "0755" };
}

function staticFile(path: string, name: string): TextFilePlan {
  return { kind: "text", path, text: readFileSync(join(import.meta.dirname, name), "utf8"), mode: "0644" };
}
