import assert from "node:assert/strict";
import { test } from "node:test";
import { ProblemsError } from "../../src/errors.ts";
import type { HostDeclaration } from "../../src/index.ts";
import { hostWith } from "./host.ts";

type Module = HostDeclaration["modules"][number];

/** Everything that is wrong with a host of this module, as it is printed. */
function problemsOf(module: Module): readonly string[] {
  try {
    hostWith(module).check();
    return [];
  } catch (error) {
    assert.ok(error instanceof ProblemsError, `${error}`);
    return error.problems.map(({ what, at, fix }) => {
      assert.ok(
        at.length > 0 && at.every((place) => /\.ts:\d+$/.test(place) && !place.includes("/src/")),
        `${what}: ${at}`,
      );
      return `${what}\n${fix}`;
    });
  }
}

const etc = (name: string, text = ""): Module => ({ environment: { etc: { [name]: { text } } } });
const sudoers = (text: string, name = "sudoers.d/mine"): Module => etc(name, text);
const key = (text: string): Module => ({
  users: { users: { alice: { openssh: { authorizedKeys: { keys: [text] } } } } },
});
const alice = (user: object): Module => ({ users: { users: { alice: user } } });
const disk = (device: string): Module => ({
  disko: {
    devices: { disk: { other: { device, content: { partitions: { a: { size: "1G", content: { type: "swap" } } } } } } },
  },
});
const service = (settings: object): Module => ({
  systemd: { services: { app: { serviceConfig: { ExecStart: "/usr/bin/true", ...settings } } } },
});

const refused: readonly (readonly [what: string, module: Module, says: RegExp])[] = [
  ...["passwd", "shadow", "group", "fstab", "crypttab", "hostname", "localtime", "locale.conf", "nixfleet/fresh"].map(
    (name) => [`/etc/${name}, which is written of the rest`, etc(name, "x"), /would replace what the rest/] as const,
  ),
  ["the hostname, with what to write instead", etc("hostname", "other"), /write hostName of mkHost/],
  [
    "a sudoers file that says nothing",
    sudoers("alice ALL"),
    /no valid sudoers file: line 1, "alice ALL"\nwrite it as: alice ALL=/,
  ],
  [
    "a command without its path",
    sudoers("Defaults env_reset\nalice ALL=(root) NOPASSWD: systemctl restart x"),
    /line 2.*\nwrite each command with its whole path/,
  ],
  ["the second of two commands", sudoers("alice ALL = NOPASSWD: /usr/bin/a, b"), /whole path/],
  ["an alias in small letters", sudoers("Cmnd_Alias tools = /usr/bin/a"), /in capitals/],
  [
    "a sudoers file that sudo ignores",
    sudoers("alice ALL=ALL", "sudoers.d/my.conf"),
    /ignored by sudo.*\nname it sudoers\.d\/my-conf/,
  ],
  ...["~/.ssh/id_ed25519.pub", "/home/alice/.ssh/id_rsa.pub", "./key", "id_ed25519.pub"].map(
    (path) => ["a key that is a path", key(path), /name of a file, not a key\nwrite what is in it/] as const,
  ),
  ["a key that is none", key("AAAAC3NzaC1lZDI1NTE5"), /is no public key\n.*ssh-ed25519/],
  ["a private key", key("-----BEGIN OPENSSH PRIVATE KEY-----"), /private key/],
  [
    "a password file on the root",
    alice({ hashedPasswordFile: "/etc/passwords/alice" }),
    /which every boot replaces.*\n.*\/persist\/passwords\/alice/,
  ],
  [
    "a shell that no package brings",
    alice({ shell: "/usr/bin/zsh" }),
    /no package of this host brings \/usr\/bin\/zsh.*\nenable programs\.zsh, or add "zsh"/,
  ],
  [
    "a group that only a missing package makes",
    alice({ extraGroups: ["docker"] }),
    /no package of this host makes the group docker\nadd "docker\.io"/,
  ],
  ["the same in /bin", alice({ shell: "/bin/fish" }), /add "fish"/],
  ["a locale that does not exist", { hostSpec: { locale: "en_DE.UTF-8" } }, /no locale en_DE\.UTF-8\ndid you mean/],
  [
    "a time zone that does not exist",
    { hostSpec: { timeZone: "Europe/Pariss" } },
    /no time zone.*\ndid you mean Europe\/Paris\?/,
  ],
  ...(
    [
      ["/dev/sda1", "/dev/sda"],
      ["/dev/vdb12", "/dev/vdb"],
      ["/dev/nvme0n1p2", "/dev/nvme0n1"],
      ["/dev/mmcblk0p1", "/dev/mmcblk0"],
      ["/dev/disk/by-id/ata-X_1-part3", "/dev/disk/by-id/ata-X_1"],
    ] as const
  ).map(
    ([device, whole]) => ["a partition as a disk", disk(device), RegExp(`is a partition.*\nwrite ${whole}$`)] as const,
  ),
  [
    "non-free firmware",
    { environment: { systemPackages: ["firmware-iwlwifi"] } },
    /firmware-iwlwifi is not in Debian's main archive.*\nadd "deb .* non-free-firmware" to nixfleet\.debian\.archive/,
  ],
  ["microcode", { environment: { systemPackages: ["intel-microcode"] } }, /non-free-firmware/],
  [
    "a service with nothing to run",
    { systemd: { services: { app: { description: "x" } } } },
    /nothing to run\n.*ExecStart/,
  ],
  ["a service of a user that nobody has", service({ User: "alcie" }), /no user alcie\ndid you mean alice\?/],
  ["a service of a group that nobody has", service({ Group: "nginxx" }), /no group nginxx\n.*users\.packageGroups/],
  [
    "a target that does not exist",
    {
      systemd: {
        services: { app: { wantedBy: ["mutli-user.target"], serviceConfig: { ExecStart: "/usr/bin/true" } } },
      },
    },
    /no mutli-user\.target\ndid you mean multi-user\.target\?/,
  ],
];

for (const [what, module, says] of refused) {
  test(`check refuses what surely fails: ${what}`, () => {
    const problems = problemsOf(module);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] ?? "", says);
  });
}

const accepted: readonly (readonly [what: string, module: Module])[] = [
  [
    "other files of /etc, also the framework's that a person may want otherwise",
    {
      environment: {
        etc: {
          hosts: { text: "127.0.0.1 localhost" },
          "resolv.conf": { text: "nameserver 192.0.2.1" },
          "passwd-other": { text: "" },
        },
      },
    },
  ],
  ["a file that is taken back", { environment: { etc: { fstab: { enable: false } } } }],
  [
    "sudoers of every kind",
    sudoers(
      [
        "# a comment",
        "",
        "#includedir /etc/sudoers.d",
        "@include /etc/more",
        "Defaults:alice !lecture, timestamp_timeout=5",
        "Defaults!/usr/bin/a noexec",
        "User_Alias ADMINS = alice, %sudo",
        "Cmnd_Alias TOOLS = /usr/bin/a, \\",
        "  /usr/bin/b -x",
        "ADMINS ALL=(ALL:ALL) NOPASSWD: SETENV: TOOLS, !/usr/bin/c, sudoedit /etc/x",
        "%sudo ALL=(ALL:ALL) ALL",
        "#1000 ALL = (root) /usr/bin/a x=y\\,z",
        "alice host1,host2 = /usr/bin/a",
        "bob ALL=(ALL) sha256:abcd /usr/bin/a",
        "alice ALL=(ALL) ^/usr/bin/x.*$",
        "carl ALL=ALL : OTHER=/usr/bin/a",
      ].join("\n"),
    ),
  ],
  [
    "keys with options, of security keys, with the end of their line",
    key('from="192.0.2.0/24",no-pty sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5 a\n'),
  ],
  [
    "a password file on a persist root, and below an entry",
    {
      users: { users: { alice: { hashedPasswordFile: "/persist/alice" }, bob: { hashedPasswordFile: "/etc/pw/bob" } } },
      environment: { persistence: { "/persist": { directories: ["/etc/pw"] } } },
    },
  ],
  [
    "a password file anywhere on a root that stays",
    { nixfleet: { impermanence: { enable: false } }, users: { users: { alice: { hashedPasswordFile: "/etc/pw" } } } },
  ],
  [
    "a shell that a scope brings",
    { programs: { zsh: { enable: true } }, users: { users: { alice: { shell: "/usr/bin/zsh" } } } },
  ],
  [
    "a group that a package makes, and one that nobody knows",
    {
      environment: { systemPackages: ["docker-ce"] },
      users: { users: { alice: { extraGroups: ["docker", "video", "mine"] } } },
    },
  ],
  [
    "a group of one's own, and of a package that nobody knows",
    {
      users: {
        groups: { docker: {} },
        packageGroups: ["libvirt"],
        users: { alice: { extraGroups: ["docker", "libvirt"] } },
      },
    },
  ],
  ["a shell of one's own, that nobody can know", alice({ shell: "/usr/local/bin/mine" })],
  ["locales with a variant, and of three letters", { hostSpec: { locale: "sr_RS.UTF-8@latin" } }],
  ["disks whose names end in digits", disk("/dev/nvme1n1")],
  [
    "firmware with its archive",
    {
      environment: { systemPackages: ["firmware-iwlwifi"] },
      nixfleet: { debian: { archive: ["deb http://example.org/debian trixie main non-free-firmware"] } },
    },
  ],
  ["free firmware", { environment: { systemPackages: ["firmware-linux-free"] } }],
  [
    "dynamic users, ids, specifiers, and users of packages",
    {
      users: { packageUsers: ["redis"] },
      systemd: {
        services: {
          a: { serviceConfig: { ExecStart: "/usr/bin/true", User: "who", DynamicUser: true } },
          b: { serviceConfig: { ExecStart: "/usr/bin/true", User: 1234, Group: "redis" } },
          "c@": { serviceConfig: { ExecStart: "/usr/bin/true", User: "%i" } },
        },
      },
    },
  ],
  [
    "a service that is only masked, or only stops",
    {
      systemd: {
        services: {
          a: { enable: false },
          b: { serviceConfig: { Type: "oneshot", RemainAfterExit: true, ExecStop: "/usr/bin/true" } },
        },
      },
    },
  ],
  [
    "targets of packages and of one's own",
    {
      systemd: {
        units: { "mine.target": { sections: { Unit: {} } } },
        services: {
          app: {
            wantedBy: ["mine.target", "nvidia-cdi-something.target"],
            serviceConfig: { ExecStart: "/usr/bin/true" },
          },
        },
      },
    },
  ],
];

for (const [what, module] of accepted) {
  test(`check takes ${what}`, () => assert.deepEqual(problemsOf(module), []));
}

test("a key has no final newline in the file that sshd reads", () => {
  const plan = hostWith(key("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI alice\n")).check();
  const file = plan.files.find(({ path }) => path === "/etc/ssh/authorized_keys.d/alice");
  assert.deepEqual(file?.kind === "text" && file.text, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI alice\n");
});
