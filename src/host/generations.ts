/** The host's generations: the scripts that record them and make their boot entries, and what these need to know. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { scriptParameters } from "../initrd/files.ts";
import { type FilePlan, symlink, type TextFilePlan, textFile } from "../plan/files.ts";
import type { HostPlan } from "../plan/host.ts";
import { installParameters } from "./install.ts";

/** Where a host's filesystems are for the scripts: on the running host, or below a folder of the builder. */
export interface GenerationPlace {
  /** The folder that its `@nix` is mounted on. */
  readonly nix: string;
  readonly esp: EspPlace | null;
  /** The device of the partition that holds GRUB. */
  readonly grub: string | null;
  /** Names the closure that runs there; `null`: none does. */
  readonly kernelCommandLine: string | null;
  /** For the kernel, besides those of the closure: what this disk is for. */
  readonly kernelParameters?: readonly string[];
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
export function generationParameters({ hostName, loader, boot }: HostPlan, place: GenerationPlace): string {
  const nix = boot.mounts.find(({ mountpoint }) => mountpoint === "/nix");
  const subvolume = nix?.options.findLast((option) => option.startsWith("subvol=")) ?? "subvol=";
  return scriptParameters({
    HOST_NAME: hostName,
    NIX: place.nix,
    ESP: place.esp?.kind === "folder" ? place.esp.path : "",
    ESP_IMAGE: place.esp?.kind === "unmounted" ? place.esp.path : "",
    GRUB: place.grub ?? "",
    GRUB_NUMBER: loader.biosBoot?.number ?? "",
    NIX_SUBVOLUME: subvolume.slice("subvol=".length).replace(/^\/+/, ""),
    LIMIT: loader.configurationLimit,
    TIMEOUT: loader.timeout,
    TRIES: loader.tries,
    KERNEL_COMMAND_LINE: place.kernelCommandLine ?? "",
    KERNEL_PARAMETERS: place.kernelParameters?.join(" ") ?? "",
  });
}

/** A script of this folder, for the builder to run. */
export function hostScript(name: "add-generation" | "generations" | "rollback" | "gc" | "store-object"): string {
  return join(import.meta.dirname, `${name}.sh`);
}

/** For the pristine root: the scripts, and the units by which a boot proves its generation. */
export function generationFiles(plan: HostPlan): readonly FilePlan[] {
  if (plan.loader.esp === null && plan.loader.biosBoot === null) return [];
  const install = installParameters(plan);
  return [
    ...SCRIPTS.map((name) => scriptFile(name)),
    textFile("/etc/nixfleet/generations.conf", [generationParameters(plan, hostPlace(plan)).trimEnd()]),
    ...(install === null
      ? []
      : [
          scriptFile("install.sh"),
          textFile("/etc/nixfleet/install.conf", [install.trimEnd()]),
          scriptFile("installer.sh"),
          staticFile(`${UNITS}/nixfleet-installer.service`, "nixfleet-installer.service"),
          symlink(`${UNITS}/multi-user.target.wants/nixfleet-installer.service`, "../nixfleet-installer.service"),
        ]),
    staticFile(`${UNITS}/boot-complete.target.d/nixfleet.conf`, "boot-complete.conf"),
    staticFile(`${UNITS}/nixfleet-generation.service`, "nixfleet-generation.service"),
    symlink(`${UNITS}/multi-user.target.wants/nixfleet-generation.service`, "../nixfleet-generation.service"),
    ...(plan.loader.esp === null
      ? []
      : [
          textFile(`${UNITS}/systemd-bless-boot.service.d/nixfleet.conf`, [
            "[Unit]",
            `RequiresMountsFor=${plan.loader.esp}`,
          ]),
        ]),
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
  "prune-generations.sh",
  "rollback.sh",
  "store-object.sh",
  "systemd-boot.sh",
];

const UNITS = "/etc/systemd/system";

/** The place of the running host. */
function hostPlace({ loader }: HostPlan): GenerationPlace {
  return {
    nix: "/nix",
    esp: loader.esp === null ? null : { kind: "folder", path: loader.esp },
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
