/** The files that a declaration puts into the pristine root. */
import { crypttabLine } from "../layout/luks.ts";
import { UserError } from "../modules/errors.ts";
import { isAbsolutePath } from "../modules/types.ts";
import { checkTimeZone } from "../system/host-spec.ts";
import type { SystemConfig } from "../system/options.ts";
import { lateMounts } from "./boot.ts";
import { type DiskPlan, encryptedContents, usedSwaps } from "./disk.ts";
import { fstabLine } from "./fstab.ts";
import { unitFiles } from "./units.ts";

export type FilePlan = TextFilePlan | SymlinkPlan;

export interface TextFilePlan {
  readonly kind: "text";
  /** Absolute, on the running host: `/etc/hostname`. */
  readonly path: string;
  readonly text: string;
  /** Octal, four digits: `0644`. */
  readonly mode: string;
}

export interface SymlinkPlan {
  readonly kind: "symlink";
  readonly path: string;
  /** What the link says, relative or absolute. */
  readonly target: string;
}

/** Sorted by path. @throws UserError where a file in /etc has no contents, or two files have one path */
export function filesPlan(config: SystemConfig, disk: DiskPlan): readonly FilePlan[] {
  checkTimeZone(config.hostSpec.timeZone);
  const files = [
    ...identityFiles(config),
    ...networkFiles(config),
    ...kernelFiles(config, disk),
    ...unitFiles(config.systemd),
    ...etcFiles(config),
  ];
  // What somebody declares in environment.etc replaces the framework's own.
  const byPath = new Map(files.map((file) => [file.path, file]));
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function textFile(path: string, lines: readonly string[], mode = "0644"): TextFilePlan {
  return { kind: "text", path, text: lines.map((line) => `${line}\n`).join(""), mode };
}

export function symlink(path: string, target: string): SymlinkPlan {
  return { kind: "symlink", path, target };
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
    ...Object.values(users.users)
      .filter((user) => user.openssh.authorizedKeys.keys.length > 0)
      .map((user) => textFile(`/etc/ssh/authorized_keys.d/${user.name}`, user.openssh.authorizedKeys.keys)),
  ];
}

/** systemd-networkd and -resolved; a name service that fails must not cost the boot, so nothing waits for them. */
function networkFiles({ networking }: SystemConfig): FilePlan[] {
  if (!networking.useDHCP) return [];
  return [
    textFile("/etc/systemd/network/80-dhcp.network", ["[Match]", "Name=en* eth*", "", "[Network]", "DHCP=yes"]),
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
    // `nofail`: a missing ESP or swap is no reason not to boot.
    textFile("/etc/fstab", [
      ...lateMounts(disk).map(({ device, mountpoint, fsType, options }) =>
        fstabLine(device, mountpoint, fsType, [...options, "nofail"]),
      ),
      ...usedSwaps(disk).map(({ source, options }) => fstabLine(source, "none", "swap", [...options, "nofail"])),
    ]),
    ...crypttabFiles(disk),
    ...(kernelModules.length > 0 ? [textFile("/etc/modules-load.d/nixfleet.conf", kernelModules)] : []),
    ...(settings.length > 0 ? [textFile("/etc/sysctl.d/60-nixfleet.conf", settings)] : []),
  ];
}

/** What the initrd has opened stands in it too: else it would be closed while the host still runs. */
function crypttabFiles(disk: DiskPlan): FilePlan[] {
  const lines = encryptedContents(disk).map(({ luks, early }) =>
    early ? crypttabLine(luks, null, ["x-initrd.attach"]) : crypttabLine(luks, luks.settings.keyFile, ["nofail"]),
  );
  return lines.length === 0 ? [] : [textFile("/etc/crypttab", lines)];
}

function etcFiles(config: SystemConfig): FilePlan[] {
  return Object.entries(config.environment.etc).flatMap(([name, file]): FilePlan[] => {
    const path = `/etc/${name}`;
    const option = `environment.etc.${JSON.stringify(name)}`;
    if (!isAbsolutePath(path))
      throw new UserError(`${option} is not a path below /etc`, [
        "write it without `.`, `..`, `//` and slashes at the ends",
      ]);
    if (!file.enable) return [];
    if ((file.text === null) === (file.target === null))
      throw new UserError(`${option} wants either \`text\` or \`target\``);
    if (file.target !== null) return [symlink(path, file.target)];
    const text = file.text ?? "";
    return [{ kind: "text", path, text: text === "" || text.endsWith("\n") ? text : `${text}\n`, mode: file.mode }];
  });
}
