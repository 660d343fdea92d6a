/**
 * What the packages of every host recommend. A closure is made without recommendations, which would bring a mail server
 * with `cron`; but some of them protect a host, and whoever knows Debian counts on them. So each is decided here, and a
 * test holds that none is missing.
 */
export interface Recommendation {
  readonly packages: readonly string[];
  readonly taken: boolean;
  readonly because: string;
}

export const RECOMMENDED: readonly Recommendation[] = [
  {
    packages: ["linux-sysctl-defaults"],
    taken: true,
    because:
      "no links to what is another's, no files and pipes of another's in shared folders, no source routing; ping for everybody",
  },
  {
    packages: ["libpam-systemd"],
    taken: true,
    because:
      "a login is a session: a limit for its user's processes, which are ended with the host in order; lingering",
  },
  {
    packages: ["apparmor"],
    taken: false,
    because:
      "nothing that listens on every host has a profile, and loading them costs each boot; a host whose programs have one adds it",
  },
  {
    packages: ["systemd-timesyncd"],
    taken: false,
    because: "it asks servers of others; a host that wants the time from the network adds it",
  },
  {
    packages: ["shim-signed"],
    taken: false,
    because: "what it would start is not signed: docs/security.md says what that means",
  },
  {
    packages: ["ca-certificates", "bash-completion"],
    taken: false,
    because: "the scope base has them",
  },
  {
    packages: ["systemd-cryptsetup", "cryptsetup", "dmsetup", "kpartx", "lvm2", "mdadm", "default-dbus-system-bus"],
    taken: false,
    because: "the disk layout brings what it needs",
  },
  {
    packages: [
      "libnss-myhostname",
      "libnss-resolve",
      "libnss-systemd",
      "libidn2-0",
      "efibootmgr",
      "os-prober",
      "binutils",
    ],
    taken: false,
    because: "names of other kinds, and tools that nothing here calls: they protect nothing",
  },
  {
    packages: [
      ...["bsdextrautils", "console-setup", "debconf-i18n", "e2fsprogs-l10n", "krb5-locales", "libgpm2", "manpages"],
      ...["ncurses-term", "psmisc", "xauth"],
    ],
    taken: false,
    because: "comfort at a prompt; a host that wants it adds it",
  },
];

/** Those that every host has. */
export const TAKEN: readonly string[] = RECOMMENDED.filter(({ taken }) => taken).flatMap(({ packages }) => packages);
