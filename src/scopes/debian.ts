/** What Debian does on a host that changes, and that one made whole by its closure has no use for. */
import { mkDefault } from "../modules/definition.ts";
import { defineModule } from "../system/options.ts";

const NEEDLESS = [
  // Packages come with the closure; /usr is read-only.
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "dpkg-db-backup.timer",
  // The cache that it would make on every boot is in the closure.
  "ldconfig.service",
  // A generation brings its boot loader.
  "systemd-boot-update.service",
  // It asks on the console, and waits, for what the declaration says.
  "systemd-firstboot.service",
  // For ext4 on LVM.
  "e2scrub_all.timer",
  "e2scrub_reap.service",
];

/** Of base-passwd and systemd, which every host has. */
const USERS =
  "root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt nobody systemd-network";
const GROUPS =
  "root daemon bin sys adm tty disk lp mail news uucp man proxy kmem dialout fax voice cdrom floppy tape sudo audio dip www-data backup operator list irc src shadow utmp video sasl plugdev staff games users nogroup systemd-journal systemd-network input render kvm";

/** Where services of every host keep nothing that a boot does not make again. */
const EPHEMERAL = [
  // A link to the machine-id, by tmpfiles.d.
  "/var/lib/dbus",
  // Of the initrd, which comes with the closure.
  "/var/lib/dracut",
];

export const debian = defineModule(
  {},
  {
    nixfleet: { impermanence: { ephemeral: EPHEMERAL } },
    systemd: { units: Object.fromEntries(NEEDLESS.map((unit) => [unit, mkDefault({ enable: false })])) },
    users: { packageUsers: USERS.split(" "), packageGroups: GROUPS.split(" ") },
  },
);
