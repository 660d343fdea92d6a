/** Groups of packages that the host does not have. A build would find them too, but minutes later. */
import type { SystemConfig } from "../../system/options.ts";
import type { PlanProblem } from "../problem.ts";

export function groupProblems({ users, environment }: SystemConfig): PlanProblem[] {
  const packages = new Set(environment.systemPackages);
  const known = new Set([...Object.keys(users.groups), ...Object.keys(users.users), ...users.packageGroups]);
  return Object.entries(users.users).flatMap(([user, { extraGroups }]) =>
    extraGroups.flatMap((group): PlanProblem[] => {
      const bringers = GROUPS.get(group);
      if (bringers === undefined || known.has(group) || bringers.some((one) => packages.has(one))) return [];
      return [
        {
          what: `users.users.${user}.extraGroups: no package of this host makes the group ${group}`,
          at: [],
          fix: `add "${bringers[0]}" to environment.systemPackages, or enable what brings it; if another package makes it, add "${group}" to users.packageGroups`,
          option: ["users", "users", user, "extraGroups", { element: group }],
        },
      ];
    }),
  );
}

/** Groups that Debian's base does not have, with the packages of trixie that make each. */
const GROUPS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    docker: ["docker.io", "docker-ce"],
    libvirt: ["libvirt-daemon-system", "libvirt-daemon-system-systemd"],
    "libvirt-qemu": ["libvirt-daemon-system"],
    wireshark: ["wireshark-common", "wireshark", "tshark"],
    lpadmin: ["cups-daemon", "cups"],
    scanner: ["sane-utils", "libsane-common", "sane-airscan"],
    bluetooth: ["bluez"],
    incus: ["incus", "incus-base"],
    "incus-admin": ["incus", "incus-base"],
    lxd: ["lxd"],
    postgres: ["postgresql-common", "postgresql"],
    mysql: ["mariadb-server", "default-mysql-server"],
    redis: ["redis-server", "redis"],
    "ssl-cert": ["ssl-cert"],
    "Debian-exim": ["exim4-base", "exim4"],
    prometheus: ["prometheus", "prometheus-node-exporter"],
    gpio: ["raspi-gpio"],
    i2c: ["i2c-tools"],
    vboxusers: ["virtualbox"],
    nix: ["nix-bin", "nix-setup-systemd"],
    "nix-users": ["nix-setup-systemd"],
    "debian-tor": ["tor"],
    realtime: ["rtkit"],
    pipewire: ["pipewire-bin", "pipewire"],
    colord: ["colord"],
    davfs2: ["davfs2"],
    plocate: ["plocate"],
    tss: ["tpm-udev", "tpm2-tools"],
    fwupd: ["fwupd"],
  }),
);
