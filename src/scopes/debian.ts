/** What Debian does on a host that changes, and that one made whole by its closure has no use for. */
import { mkDefault } from "../modules/properties.ts";
import { defineModule } from "../system/options.ts";
import type { OnNixos, ScopeConfig } from "./on-nixos.ts";

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
export const USERS: readonly string[] =
  "root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt nobody systemd-network".split(
    " ",
  );
export const GROUPS: readonly string[] =
  "root daemon bin sys adm tty disk lp mail news uucp man proxy kmem dialout fax voice cdrom floppy tape sudo audio dip www-data backup operator list irc src shadow utmp video sasl plugdev staff games users nogroup systemd-journal systemd-network input render kvm".split(
    " ",
  );

/** Where services of every host keep nothing that a boot does not make again. */
const EPHEMERAL = [
  // A link to the machine-id, by tmpfiles.d.
  "/var/lib/dbus",
  // Of the initrd, which comes with the closure.
  "/var/lib/dracut",
  // A certificate that nobody can verify: host-secrets.sh makes another.
  "/etc/ssl/certs/ssl-cert-snakeoil.pem",
  "/etc/ssl/private/ssl-cert-snakeoil.key",
];

/** Releases that get everything by themselves. */
const ROLLING = ["testing", "unstable", "sid", "experimental"];

function withoutSecurity(debian: {
  readonly suite: string;
  readonly archive: readonly string[];
  readonly defaultArchive: boolean;
}): readonly string[] {
  const { suite, archive, defaultArchive } = debian;
  if (defaultArchive || ROLLING.includes(suite)) return [];
  if (archive.some((line) => line.includes(`${suite}-security`))) return [];
  return [
    `the host gets no security updates: nixfleet.debian.defaultArchive is false, and no line of nixfleet.debian.archive has the suite ${suite}-security; add one, or remove defaultArchive`,
  ];
}

export const debian = defineModule(
  {},
  {
    nixfleet: { impermanence: { ephemeral: EPHEMERAL } },
    warnings: ({ nixfleet }) => withoutSecurity(nixfleet.debian),
    systemd: { units: Object.fromEntries(NEEDLESS.map((unit) => [unit, mkDefault({ enable: false })])) },
    users: { packageUsers: USERS, packageGroups: GROUPS },
  },
);

export const debianOnNixos: OnNixos<ScopeConfig<typeof debian>> = {
  enabled: () => true,
  units: new RegExp(`^(${NEEDLESS.map((unit) => unit.replaceAll(".", "\\.")).join("|")})$`),
  lost: ({ nixfleet }) =>
    nixfleet.debian.archive.length === 0
      ? []
      : ["nixfleet.debian.archive: packages come from nixpkgs, and none from an archive of your own"],
};
