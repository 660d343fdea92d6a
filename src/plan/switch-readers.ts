/** Which running programs read a declared file, and whether one of them carries the connection of whoever changes it. */
import { isWithin } from "../paths.ts";

interface Reader {
  /** Folders, or files. */
  readonly reads: readonly string[];
  /** Restarted, where they run, when what they read has changed. */
  readonly units: readonly string[];
  /** Whether a mistake in it can make the host unreachable. */
  readonly connects: boolean;
}

/** Debian's own programs, whose units do not change with the files that they read. To restart a unit of your own, give it a drop-in. */
const READERS: readonly Reader[] = [
  {
    reads: ["/etc/systemd/network", "/etc/systemd/networkd.conf.d"],
    units: ["systemd-networkd.service"],
    connects: true,
  },
  {
    reads: ["/etc/systemd/resolved.conf", "/etc/systemd/resolved.conf.d"],
    units: ["systemd-resolved.service"],
    connects: true,
  },
  { reads: ["/etc/nixfleet/runtime"], units: ["nixfleet-control-plane.service"], connects: false },
  { reads: ["/etc/NetworkManager"], units: ["NetworkManager.service"], connects: true },
  { reads: ["/etc/network"], units: [], connects: true },
  { reads: ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"], units: [], connects: true },
  { reads: ["/etc/nftables.conf", "/etc/nftables.d"], units: ["nftables.service"], connects: true },
  { reads: ["/etc/ufw", "/etc/firewalld", "/etc/wireguard", "/etc/wpa_supplicant"], units: [], connects: true },
  { reads: ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d"], units: ["ssh.service"], connects: true },
  { reads: ["/etc/ssh", "/etc/pam.d", "/etc/security"], units: [], connects: true },
  { reads: ["/etc/sysctl.d", "/etc/sysctl.conf"], units: ["systemd-sysctl.service"], connects: true },
  {
    reads: ["/etc/systemd/timesyncd.conf", "/etc/systemd/timesyncd.conf.d"],
    units: ["systemd-timesyncd.service"],
    connects: false,
  },
  {
    reads: ["/etc/systemd/journald.conf", "/etc/systemd/journald.conf.d"],
    units: ["systemd-journald.service"],
    connects: false,
  },
];

/** Units of the network, and those that let people in over it. */
const CONNECTING =
  /^(systemd-(networkd|resolved)|NetworkManager|networking|wpa_supplicant|wg-quick|nftables|netfilter|ufw|firewalld|iptables|fail2ban|sshd?|tailscaled|openvpn|strongswan|dhcpcd)\b/;

export function readersOf(path: string): readonly string[] {
  return READERS.filter(({ reads }) => reads.some((read) => isWithin(path, read))).flatMap(({ units }) => units);
}

export function isConnectingUnit(unit: string): boolean {
  return CONNECTING.test(unit);
}

/** Also of a folder that holds such a file. */
export function isConnectingPath(path: string): boolean {
  return READERS.some(
    ({ reads, connects }) => connects && reads.some((read) => isWithin(path, read) || isWithin(read, path)),
  );
}
