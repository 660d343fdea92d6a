/** The files that a declaration puts into the pristine root. */

import { crypttabLine } from "../layout/luks.ts";
import type { SystemConfig } from "../system/options.ts";
import { type BootMount, lateMounts } from "./boot.ts";
import { type DiskPlan, encryptedContents, randomEncryptionLines, usedSwaps } from "./disk-plan.ts";
import { type FilePlan, type SourcePlan, symlink, textFile } from "./file-plan.ts";
import { fstabLine } from "./fstab.ts";
import { homeFiles } from "./home-mounts.ts";
import { unitFiles } from "./units.ts";

/** Sorted by path. */
export function filesPlan(config: SystemConfig, disk: DiskPlan): readonly FilePlan[] {
  const files = [
    ...identityFiles(config),
    ...networkFiles(config),
    ...kernelFiles(config, disk),
    ...homeFiles(config, disk),
    ...unitFiles(config.systemd),
    ...etcFiles(config),
  ];
  // Declared files in environment.etc replace the framework's own.
  const byPath = new Map(files.map((file) => [file.path, file]));
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function identityFiles({ hostSpec, users }: SystemConfig): FilePlan[] {
  return [
    textFile("/etc/hostname", [hostSpec.hostName]),
    textFile("/etc/hosts", [
      "127.0.0.1 localhost",
      `127.0.1.1 ${hostSpec.hostName}`,
      "::1 localhost ip6-localhost ip6-loopback",
    ]),
    symlink("/etc/localtime", `/usr/share/zoneinfo/${hostSpec.timeZone}`),
    textFile("/etc/timezone", [hostSpec.timeZone]),
    textFile("/etc/locale.conf", [`LANG=${hostSpec.locale}`]),
    symlink("/etc/default/locale", "../locale.conf"),
    symlink(
      "/etc/systemd/system/default.target",
      `/usr/lib/systemd/system/${hostSpec.isGraphical ? "graphical" : "multi-user"}.target`,
    ),
    textFile("/etc/vconsole.conf", [`KEYMAP=${hostSpec.keyMap}`]),
    // Debian's own tmpfiles.d replaces it with a link at every boot, unless an earlier line names it: tmpfiles.d(5).
    textFile("/etc/tmpfiles.d/00-nixfleet.conf", ["f /etc/vconsole.conf - - - -"]),
    ...Object.values(users.users)
      .filter((user) => user.openssh.authorizedKeys.keys.length > 0)
      .map((user) => textFile(`/etc/ssh/authorized_keys.d/${user.name}`, user.openssh.authorizedKeys.keys)),
  ];
}

/** systemd-networkd and -resolved; a name service that fails must not cost the boot, so nothing waits for them. */
function networkFiles({ networking }: SystemConfig): FilePlan[] {
  if (networking.backend !== "systemd-networkd") return [];
  const dhcp = ["[Match]", "Name=en* eth*", "", "[Network]", "DHCP=yes"];
  return [
    ...(networking.useDHCP ? [textFile("/etc/systemd/network/80-dhcp.network", dhcp)] : []),
    symlink(
      "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
      "/usr/lib/systemd/system/systemd-networkd.service",
    ),
    symlink(
      "/etc/systemd/system/sockets.target.wants/systemd-networkd.socket",
      "/usr/lib/systemd/system/systemd-networkd.socket",
    ),
    symlink("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
  ];
}

function kernelFiles(config: SystemConfig, disk: DiskPlan): FilePlan[] {
  const { kernelModules, kernel } = config.boot;
  const settings = Object.entries(kernel.sysctl).map(([name, value]) => `${name} = ${value}`);
  return [
    // Swap may be missing: that is no reason not to boot.
    textFile("/etc/fstab", [
      ...lateMounts(disk).map((mount) => lateLine(mount, disk)),
      ...disk.nodev.map(({ device, mountpoint, fsType, mountOptions }) =>
        fstabLine(device, mountpoint, fsType, mountOptions),
      ),
      ...usedSwaps(disk).map(({ source, options }) => fstabLine(source, "none", "swap", [...options, "nofail"])),
    ]),
    ...crypttabFiles(disk),
    ...(kernelModules.length > 0 ? [textFile("/etc/modules-load.d/nixfleet.conf", kernelModules)] : []),
    ...(settings.length > 0 ? [textFile("/etc/sysctl.d/60-nixfleet.conf", settings)] : []),
  ];
}

/**
 * Services start once it is mounted. If it is missing the boot stops: otherwise they would write to the root that is gone at
 * the next boot. Only the ESP and filesystems with `nofail` may be missing; the boot waits for these too.
 */
function lateLine({ device, mountpoint, fsType, options }: BootMount, { disks }: DiskPlan): string {
  const esp = disks
    .flatMap(({ partitions }) => partitions)
    .some(({ type, content }) => type === "esp" && content?.kind === "filesystem" && content.mountpoint === mountpoint);
  const more = esp ? ["nofail"] : options.includes("nofail") ? ["x-systemd.before=local-fs.target"] : [];
  return fstabLine(device, mountpoint, fsType, [...new Set([...options, ...more])], isChecked(fsType) ? 2 : 0);
}

/** Of the others either nothing is checked before they are mounted, or they do it themselves. */
export function isChecked(fsType: string): boolean {
  return /^(ext[234]|vfat)$/.test(fsType);
}

/** Devices that the initrd opened are in it too: otherwise they would be closed while the host still runs. */
function crypttabFiles(disk: DiskPlan): FilePlan[] {
  const lines = [
    ...encryptedContents(disk)
      .filter(({ luks }) => luks.content !== null)
      .map(({ luks, early }) =>
        early ? crypttabLine(luks, null, ["x-initrd.attach"]) : crypttabLine(luks, luks.settings.keyFile, ["nofail"]),
      ),
    ...randomEncryptionLines(disk),
  ];
  return lines.length === 0 ? [] : [textFile("/etc/crypttab", lines)];
}

function etcFiles({ environment }: SystemConfig): FilePlan[] {
  return declaredFiles(environment).flatMap(([path, { text, target, mode }]): FilePlan[] => {
    if (target !== null) return [symlink(path, target)];
    if (text === null) return [];
    return [
      { kind: "text", path, text: text === "" || text.endsWith("\n") ? text : `${text}\n`, mode: mode ?? "0644" },
    ];
  });
}

/** What is copied from the fleet's folder. */
export function sourcesPlan({ environment }: SystemConfig): readonly SourcePlan[] {
  return declaredFiles(environment).flatMap(([path, { source, mode }]) =>
    source === null ? [] : [{ kind: "source" as const, path, source, mode }],
  );
}

function declaredFiles({ etc, opt }: SystemConfig["environment"]) {
  const below = (folder: string, files: typeof etc) =>
    Object.entries(files).map(([name, file]) => [`${folder}/${name}`, file] as const);
  return [...below("/etc", etc), ...below("/opt", opt)].filter(([, { enable }]) => enable);
}
