import assert from "node:assert/strict";
import { test } from "node:test";
import { ProblemsError, UserError } from "../../src/errors.ts";
import { mkForce } from "../../src/index.ts";
import { octalMode } from "../../src/plan/mode.ts";
import { planOfDevices } from "./disko-examples.ts";
import { hostWith, planWith } from "./host.ts";

const persist = (lists: object) => ({ environment: { persistence: { "/persist": lists } } });

function entry(path: string, ...modules: Parameters<typeof planWith>[number][]) {
  const found = planWith(...modules).persistence.entries.find((candidate) => candidate.path === path);
  assert.ok(found, `${path} is not in the plan`);
  return found;
}

test("the lists of the page are persisted, each with its purpose", () => {
  const { entries } = planWith().persistence;
  const paths = entries.map(({ kind, path }) => (kind === "directory" ? `${path}/` : path));
  assert.deepEqual(paths, [
    "/etc/NetworkManager/system-connections/",
    "/etc/machine-id",
    "/etc/nixos/",
    "/home/alice/.keys/",
    "/home/alice/.local/share/nix/",
    "/home/alice/.ssh/known_hosts",
    "/var/lib/nixos/",
    "/var/lib/systemd/",
    "/var/log/",
  ]);
  assert.deepEqual(
    entries.filter(({ purpose }) => purpose === ""),
    [],
  );
});

test("nothing is persisted where the root is not ephemeral", () => {
  assert.deepEqual(planWith({ nixfleet: { impermanence: { enable: false } } }).persistence.entries, []);
  assert.equal(planWith({ nixfleet: { impermanence: { enable: false } } }).wipe, null);
});

test("user-level mounts are hidden from file managers", () => {
  assert.deepEqual(entry("/home/alice/.keys").mountOptions, ["x-gvfs-hide"]);
  assert.deepEqual(entry("/var/log").mountOptions, []);
});

test("a string is an entry of root's, or of the user's in a home", () => {
  const log = entry("/srv/data", persist({ directories: ["/srv/data"] }));
  assert.deepEqual([log.user, log.group, log.mode, log.source], ["root", "root", "0755", "/persist/srv/data"]);
  const notes = entry("/home/alice/notes", { home: { persistence: { "/persist": { directories: ["notes"] } } } });
  assert.deepEqual([notes.user, notes.group, notes.source], ["alice", "alice", "/persist/home/alice/notes"]);
});

test("the home of any declared user can be persisted, wherever it is", () => {
  const module = {
    users: { users: { bob: { home: "/srv/bob", group: "users" } }, groups: { users: { gid: 100 } } },
    ...persist({ users: { bob: { directories: ["mail"] } } }),
  };
  const mail = entry("/srv/bob/mail", module);
  assert.deepEqual([mail.user, mail.group, mail.source], ["bob", "users", "/persist/srv/bob/mail"]);
});

test("owner, mode and mount options are as declared, a mode in four digits", () => {
  const declared = entry(
    "/srv/a",
    persist({
      mountOptions: ["noexec"],
      directories: [{ directory: "/srv/a", user: "alice", mode: "700", mountOptions: ["nosuid", "noexec"] }],
    }),
  );
  assert.deepEqual(
    [declared.user, declared.group, declared.mode, declared.mountOptions],
    ["alice", "alice", "0700", ["noexec", "nosuid"]],
  );
});

test("folders above entries belong to root outside homes, to the user inside, or to whom the entry's `parent` says", () => {
  const { parents } = planWith(
    persist({
      directories: ["/srv/deep/er/data"],
      users: { alice: { directories: [{ directory: "a/b", parent: { mode: "0700" } }] } },
    }),
  ).persistence;
  const owners = Object.fromEntries(parents.map(({ path, user, mode }) => [path, `${user} ${mode}`]));
  assert.equal(owners["/srv/deep/er"], "root 0755");
  assert.equal(owners["/home"], "root 0755");
  assert.equal(owners["/home/alice"], "alice 0700");
  assert.equal(owners["/home/alice/a"], "alice 0700");
  assert.equal(owners["/home/alice/.local"], "alice 0755");
});

test("the same path declared alike by two modules is one entry with two declarers", () => {
  const twice = planWith(
    persist({ directories: ["/srv/a"] }),
    persist({ directories: [{ directory: "/srv/a", purpose: "data" }] }),
  );
  const same = twice.persistence.entries.filter(({ path }) => path === "/srv/a");
  assert.equal(same.length, 1);
  assert.equal(same[0]?.purpose, "data");
});

test("an entry inside another is told by it, whatever is between, and by no neighbour", () => {
  const nested = persist({ directories: ["/srv/a", "/srv/a-b", "/srv/a/x/y"] });
  assert.equal(entry("/srv/a/x/y", nested).within?.path, "/srv/a");
  assert.equal(entry("/srv/a-b", nested).within, null);
});

test("a file that a program may replace is a link; who wants a bind mount says so", () => {
  const files = persist({ files: ["/srv/f", { file: "/srv/b", how: "bind" }] });
  assert.deepEqual([entry("/srv/f", files).how, entry("/srv/b", files).how], ["symlink", "bind"]);
});

test("a bare path agrees with any fuller declaration of it, whoever says what, and in whichever order", () => {
  const bare = persist({ directories: ["/srv/a", "/var/log", "/etc/NetworkManager/system-connections"] });
  const full = persist({
    hideMounts: true,
    directories: [{ directory: "/srv/a", user: "alice", mode: "0700", mountOptions: ["noexec"], how: "bind" }],
    files: ["/etc/machine-id"],
  });
  for (const modules of [
    [bare, full],
    [full, bare],
  ]) {
    const one = entry("/srv/a", ...modules);
    assert.deepEqual([one.user, one.group, one.mode], ["alice", "alice", "0700"]);
    assert.deepEqual(one.mountOptions, ["x-gvfs-hide", "noexec"]);
    const id = entry("/etc/machine-id", ...modules);
    assert.deepEqual([id.how, id.mode], ["bind", "0444"], "as the framework says it");
    assert.equal(entry("/etc/NetworkManager/system-connections", ...modules).mode, "0700");
  }
});

test("what a person declares beats what the framework does, word by word", () => {
  const keys = entry("/home/alice/.keys", {
    home: { persistence: { "/persist": { directories: [{ directory: ".keys", mode: "0750" }] } } },
  });
  assert.deepEqual([keys.mode, keys.user], ["0750", "alice"]);
  const known = planWith({
    home: { persistence: { "/persist": { directories: [{ directory: ".ssh", mode: "0711" }] } } },
  }).persistence.entries.find(({ path }) => path === "/home/alice/.ssh");
  assert.equal(known?.mode, "0711", "the framework's `parent` of known_hosts says 0700");
});

test("entries of the framework are taken back, or moved to another persist root, one by one", () => {
  const state = { "@state": { mountpoint: "/state" } };
  const { persistence } = planWith(
    persist({ directories: [{ directory: "/etc/nixos", enable: false }] }),
    {
      environment: {
        persistence: {
          state: { persistentStoragePath: "/state", purpose: "not backed up", directories: ["/var/log"] },
        },
      },
      home: { persistence: { "/state": { directories: [".keys"] } } },
    },
    {
      disko: { devices: { disk: { main: { content: { partitions: { root: { content: { subvolumes: state } } } } } } } },
    },
  );
  const at = (path: string) => persistence.entries.find((one) => one.path === path);
  assert.equal(at("/etc/nixos"), undefined);
  assert.equal(at("/var/log")?.source, "/state/var/log");
  assert.deepEqual(
    [at("/home/alice/.keys")?.source, at("/home/alice/.keys")?.mode],
    ["/state/home/alice/.keys", "0700"],
  );
  assert.deepEqual(persistence.keys, [{ path: "/state/home/alice/.keys", user: "alice", group: "alice" }]);
  assert.deepEqual(persistence.roots, [
    { path: "/persist", name: "/persist", purpose: "" },
    { path: "/state", name: "state", purpose: "not backed up" },
  ]);
});

test("a path is written as people write it: with slashes and dots that say nothing, a mode in letters", () => {
  const module = persist({
    directories: [{ directory: "/srv//a/", mode: "u=rwx,g=rx,o=" }],
    users: { alice: { directories: ["./mail/"] } },
  });
  assert.equal(entry("/srv/a", module).mode, "0750");
  assert.equal(entry("/home/alice/mail", module).user, "alice");
  const home = entry("/home/alice", { home: { persistence: { "/persist": { directories: ["."] } } } });
  assert.deepEqual([home.user, home.mode], ["alice", "0700"]);
  assert.deepEqual(
    ["g+w", "o-rx", "a=rx", "=r", "u+s,g+s,+t", "go="].map((mode) => octalMode(mode, 0o755)),
    ["0775", "0750", "0555", "0444", "7755", "0700"],
  );
});

test("lists in the words of impermanence and of preservation say the same here", () => {
  const impermanence = persist({
    hideMounts: true,
    directories: [
      "/var/log/",
      "/var/lib/bluetooth",
      "/var/lib/systemd/coredump",
      { directory: "/var/lib/colord", user: "alice", group: "alice", mode: "u=rwx,g=rx,o=" },
    ],
    files: [
      "/etc/machine-id",
      "/etc/ssh/ssh_host_ed25519_key",
      { file: "/var/keys/secret", parentDirectory: { mode: "u=rwx,g=,o=" } },
    ],
    users: { alice: { directories: ["Music", { directory: ".gnupg", mode: "0700" }], files: [".screenrc"] } },
  });
  const preservation = persist({
    directories: [
      { directory: "/var/lib/nixos", inInitrd: true },
      { directory: "/srv/x", how: "bindmount" },
    ],
    files: [
      { file: "/etc/machine-id", inInitrd: true, how: "bindmount" },
      { file: "/var/lib/app/seed", how: "symlink", configureParent: true, createLinkTarget: true },
    ],
    users: {
      root: { directories: [{ directory: ".ssh", mode: "0700" }], home: "/root" },
      other: { username: "alice", commonMountOptions: ["noexec"], directories: ["games"] },
    },
  });
  assert.equal(entry("/var/lib/colord", impermanence, preservation).mode, "0750");
  assert.equal(entry("/root/.ssh", impermanence, preservation).user, "root");
  assert.equal(entry("/srv/x", preservation).how, "bind");
  assert.deepEqual(entry("/home/alice/games", preservation).mountOptions, ["noexec"]);
  assert.throws(
    () => planWith(persist({ users: { alice: { home: "/users/alice", directories: ["x"] } } })),
    /the home of alice is said to be \/users\/alice, but it is \/home\/alice/,
  );
  const { parents } = planWith(impermanence).persistence;
  assert.equal(parents.find(({ path }) => path === "/var/keys")?.mode, "0700");
  const directories = [{ directory: "a", method: "symlink" as const }, "b"];
  const homeManager = (more: object) => ({ home: { persistence: { "/persist": { directories, ...more } } } });
  assert.equal(entry("/home/alice/a", homeManager({})).how, "symlink");
  assert.equal(entry("/home/alice/b", homeManager({ defaultDirectoryMethod: "bindfs", allowOther: true })).how, "bind");
  assert.equal(entry("/home/alice/b", homeManager({ defaultDirectoryMethod: "symlink" })).how, "symlink");
  assert.throws(
    () => hostWith(homeManager({ removePrefixDirectory: true })).evaluation.force(),
    (error) => error instanceof UserError && /as it is in the home/.test(error.text),
  );
});

test("what only the framework declares inside a folder that a person declares lives where that does", () => {
  const state = { "@state": { mountpoint: "/nix/state" } };
  const { entries } = planWith(
    { environment: { persistence: { "/nix/state": { directories: ["/var/lib", "/home"] } } } },
    { home: { persistence: { "/persist": { directories: [".keys"] } } } },
    {
      disko: { devices: { disk: { main: { content: { partitions: { root: { content: { subvolumes: state } } } } } } } },
    },
  ).persistence;
  const rootOf = (path: string) => entries.find((one) => one.path === path)?.persistRoot;
  assert.equal(rootOf("/var/lib/systemd"), "/nix/state");
  assert.equal(rootOf("/home/alice/.ssh/known_hosts"), "/nix/state");
  assert.equal(rootOf("/home/alice/.keys"), "/persist", "a person says so");
  assert.equal(rootOf("/var/log"), "/persist");
});

test("a persist root that ends with the home, as older lists have it, is the one to which the home is added", () => {
  const { entries, roots } = planWith({
    home: { persistence: { "/persist/home/alice": { directories: ["x"] } } },
  }).persistence;
  assert.equal(entries.find(({ path }) => path === "/home/alice/x")?.persistRoot, "/persist");
  assert.deepEqual(
    roots.map(({ path, name }) => [path, name]),
    [["/persist", "/persist"]],
  );
});

test("whole folders persist, also those in which the declaration manages a file", () => {
  const { persistence } = planWith(
    {
      services: { openssh: { enable: true } },
      users: { users: { alice: { openssh: { authorizedKeys: { keys: ["ssh-x y"] } } } } },
    },
    persist({
      directories: ["/etc/ssh", "/var/lib", "/home", "/root"],
      users: { alice: { directories: [".config", ".ssh", ".local"] } },
    }),
  );
  const own = persistence.entries.filter(({ byFramework, within }) => byFramework && within === null);
  assert.deepEqual(
    own.map(({ path }) => path),
    ["/etc/NetworkManager/system-connections", "/etc/machine-id", "/etc/nixos", "/var/log"],
  );
});

test("a persist root may be a folder of what is mounted, and is refused in what is read-only or late", () => {
  const inFolder = entry("/srv/a", {
    environment: { persistence: { "/persist/system": { directories: ["/srv/a"] } } },
  });
  assert.equal(inFolder.source, "/persist/system/srv/a");
  const { boot } = planWith(
    { home: { persistence: { "/big/state": { directories: ["w"] } } } },
    {
      disko: {
        devices: {
          disk: {
            main: {
              content: { partitions: { root: { content: { subvolumes: { "@big": { mountpoint: "/big" } } } } } },
            },
          },
        },
      },
    },
  );
  assert.ok(boot.mounts.some(({ mountpoint }) => mountpoint === "/big"));
  assert.throws(
    () => planWith({ environment: { persistence: { "/nix/state": { directories: ["/srv/a"] } } } }),
    /persist root \/nix\/state is in \/nix, which is read-only/,
  );
});

test("the group of an entry is its owner's primary group, unless somebody declares another", () => {
  const users = { users: { users: { alice: { group: "users" } }, groups: { users: { gid: 100 } } } };
  const module = persist({
    directories: [
      { directory: "/srv/a", user: "alice" },
      { directory: "/srv/b", user: "alice", group: "adm" },
      { directory: "/srv/c/d", parent: { user: "alice" } },
    ],
  });
  assert.equal(entry("/srv/a", users, module).group, "users");
  assert.equal(entry("/srv/b", users, module).group, "adm");
  const { parents } = planWith(users, module).persistence;
  assert.equal(parents.find(({ path }) => path === "/srv/c")?.group, "users");
});

test("a home on a filesystem of its own is made there: by the initrd where it mounts that, else by the running host", () => {
  const on = (mountpoint: string, neededForBoot: boolean) => ({
    disko: {
      devices: {
        disk: {
          main: {
            content: { partitions: { root: { content: { subvolumes: { "@x": { mountpoint, neededForBoot } } } } } },
          },
        },
      },
    },
  });
  const bob = { users: { users: { bob: { home: "/srv/homes/bob" } } } };
  const files = (...modules: Parameters<typeof planWith>) => {
    const plan = planWith(...modules);
    return {
      early: plan.persistence.parents.filter(({ fromSkeleton }) => fromSkeleton).map(({ path }) => path),
      late: plan.files.filter(({ path }) => /nixfleet-home-.*\.service$|nixfleet\/homes/.test(path)),
    };
  };
  assert.deepEqual(files(bob), { early: [], late: [] }, "the closure's root has them");
  assert.deepEqual(files(bob, on("/srv", true)), { early: ["/srv/homes/bob"], late: [] });
  assert.deepEqual(files(on("/home", true)).early, ["/home/alice"]);
  assert.throws(() => files(on("/home", true), persist({ directories: ["/home"] })), /which would hide the filesystem/);
  const { early, late } = files(bob, on("/srv", false));
  assert.deepEqual(early, []);
  const text = late
    .map((file) => (file.kind === "text" ? file.text : file.kind === "symlink" ? file.target : ""))
    .join("\n");
  assert.match(text, /^C "\/srv\/homes\/bob" 0700 bob bob - \/etc\/skel$/m);
  assert.match(text, /^RequiresMountsFor="\/srv\/homes\/bob"$/m);
  assert.match(text, /^ConditionDirectoryNotEmpty=!\/srv\/homes\/bob$/m);
});

test("an owner may be declared, come with a package that somebody names, or be a number", () => {
  const owners = persist({
    directories: [
      { directory: "/srv/a", user: "postgres" },
      { directory: "/srv/b", user: "1234", group: "adm" },
      { directory: "/srv/c", user: "alice", group: "www-data" },
    ],
  });
  assert.equal(entry("/srv/a", { users: { packageUsers: ["postgres"] } }, owners).group, "postgres");
});

test("every entry knows the file and line of the module that declares it", () => {
  for (const { declaredAt } of planWith(persist({ files: ["/srv/f"] })).persistence.entries) {
    assert.match(declaredAt.join(), /^\/.*\.ts:\d+$/);
  }
});

const refused: readonly (readonly [what: string, lists: object, message: RegExp])[] = [
  [
    "relative",
    { directories: ["srv/a"] },
    /srv\/a cannot be persisted: it wants an absolute path\n +at .*\n +write \/srv\/a/,
  ],
  ["with ..", { directories: ["/srv/../etc"] }, /`\.\.` is not allowed/],
  ["with a newline", { directories: ["/srv/a\nb"] }, /newline/],
  ["the root", { directories: ["/"] }, /the root itself/],
  ["below /proc", { directories: ["/proc/a"] }, /nothing below \/proc/],
  ["below /run", { files: ["/run/a"] }, /nothing below \/run/],
  ["below /tmp", { directories: ["/tmp/a"] }, /nothing below \/tmp/],
  ["/nix itself", { directories: ["/nix"] }, /nothing below \/nix/],
  ["below the persist root", { directories: ["/persist/a"] }, /nothing below \/persist/],
  ...["/etc/hostname", "/etc/hosts", "/etc/localtime", "/etc/fstab", "/etc/locale.conf"].map(
    (path) =>
      [
        "a file that the declaration manages",
        { files: [path] },
        /cannot be persisted: the declaration makes it/,
      ] as const,
  ),
  ["below what the packages say of themselves", { directories: ["/var/lib/dpkg/info"] }, /would hide \/var\/lib\/dpkg/],
  [
    "a link to a folder that holds such files",
    { directories: [{ directory: "/etc/systemd", how: "symlink" }] },
    /would hide \/etc\/systemd/,
  ],
  ["a folder that holds such files", { directories: ["/etc"] }, /would hide \/etc\//],
  [
    "with two modes",
    {
      directories: [
        { directory: "/srv/a", mode: "0755" },
        { directory: "/srv/a/", mode: "u=rwx,go=" },
      ],
    },
    /\/srv\/a is declared with two modes: 0755 and 0700\n +at \S+\.ts:\d+, \S+\.ts:\d+\n +make them alike, or remove one/,
  ],
  [
    "with two owners, of which one is said by an entry below",
    {
      directories: [
        { directory: "/srv/a", user: "alice" },
        { directory: "/srv/a/b", parent: { user: "www-data" } },
      ],
    },
    /\/srv\/a is declared with two owners: alice and www-data/,
  ],
  [
    "with mount options that contradict each other",
    {
      directories: [
        { directory: "/srv/a", mountOptions: ["exec"] },
        { directory: "/srv/a", mountOptions: ["noexec"] },
      ],
    },
    /\/srv\/a is declared with two mount options that contradict each other: exec and noexec/,
  ],
  ["as a file and as a directory", { directories: ["/srv/a"], files: ["/srv/a"] }, /declared with two kinds/],
  [
    "deep in what another user could exchange",
    {
      directories: [{ directory: "/srv/a", user: "alice" }, { directory: "/srv/a/b", user: "www-data" }, "/srv/a/b/c"],
    },
    /\/srv\/a\/b\/c cannot be persisted: \/srv\/a\/b, above it, is www-data's in \/srv\/a, which is alice's/,
  ],
  [
    "where others may enter what systemd keeps closed",
    { directories: [{ directory: "/var/lib/private/app", parent: { mode: "0755" } }] },
    /\/var\/lib\/private has the mode 0755.*\n.*\n +write mode: "0700"/,
  ],
  ["with a parent of nobody's", { directories: [{ directory: "/srv/a/b", parent: { user: "eve" } }] }, /no user eve/],
  [
    "owned by nobody the host has",
    { directories: [{ directory: "/srv/a", user: "eve" }] },
    /no user eve\n +at .*\n +declare users\.users\.eve/,
  ],
  ["of a group the host has not", { files: [{ file: "/srv/a", group: "eve" }] }, /no group eve\n +at .*\n +declare/],
  ["below a file", { files: ["/srv/a"], directories: ["/srv/a/b"] }, /\/srv\/a, above it, is a file/],
  ["of an unknown user", { users: { eve: { directories: ["a"] } } }, /no user eve/],
  ["with a mode that is none", { directories: [{ directory: "/srv/a", mode: "0999" }] }, /a mode such as 0755/],
  ["out of a home with ..", { users: { alice: { directories: ["../../etc"] } } }, /`\.\.` is not allowed/],
];

for (const [what, lists, message] of refused) {
  test(`an entry is refused: ${what}`, () => {
    assert.throws(
      () => hostWith(persist(lists)).plan(),
      (error) => error instanceof UserError && message.test(error.text),
    );
  });
}

test("all that is wrong is told at once, each with where it is declared", () => {
  assert.throws(
    () => planWith(persist({ directories: ["a", "/proc/b"] })),
    (error) =>
      error instanceof ProblemsError &&
      error.problems.length === 2 &&
      error.problems.every(({ at }) => at.length === 1 && at.every((place) => /\.ts:\d+$/.test(place))),
  );
});

test("a persist root that no filesystem is mounted at is an error: what it holds would be wiped", () => {
  assert.throws(
    () => planWith({ environment: { persistence: { "/data": { directories: ["/srv/a"] } } } }),
    /nothing is mounted at the persist root \/data/,
  );
});

test("who has but one persist root, of another name, is told how NixFleet's own entries get there", () => {
  const content = { type: "filesystem", format: "vfat", mountpoint: "/boot" };
  const subvolumes = {
    "@root": { mountpoint: "/" },
    "@nix": { mountpoint: "/nix" },
    "@persistent": { mountpoint: "/persistent" },
  };
  const devices = {
    disk: {
      main: {
        device: "/dev/vda",
        content: {
          partitions: {
            ESP: { size: "1G", type: "EF00", content },
            root: { size: "100%", content: { type: "btrfs", subvolumes } },
          },
        },
      },
    },
  };
  const nixfleet = { impermanence: { enable: true } };
  const environment = { persistence: { "/persistent": { directories: ["/srv/a"] } } };
  assert.throws(
    () => planOfDevices(devices, { nixfleet, environment }),
    (error) =>
      error instanceof UserError &&
      /the persist root \/persist,[\s\S]*write nixfleet: \{ impermanence: \{ persistRoot: "\/persistent" \} \}/.test(
        error.text,
      ),
  );
  const told = { impermanence: { enable: true, persistRoot: "/persistent" } };
  const { persistence } = planOfDevices(devices, { nixfleet: told, environment });
  assert.deepEqual([...new Set(persistence.entries.map(({ persistRoot }) => persistRoot))], ["/persistent"]);
});

test("a persist root is mounted before its entries are placed, whoever declares them, or refused", () => {
  const onDisk = (subvolume: { mountpoint: string; neededForBoot?: boolean }) => ({
    disko: {
      devices: {
        disk: { main: { content: { partitions: { root: { content: { subvolumes: { "@hd": subvolume } } } } } } },
      },
    },
  });
  const homes = { home: { persistence: { "/hd": { directories: ["w"] } } } };
  const { boot } = planWith(homes, onDisk({ mountpoint: "/hd" }));
  assert.ok(boot.mounts.some(({ mountpoint }) => mountpoint === "/hd"));
  assert.throws(
    () => planWith(homes, onDisk({ mountpoint: "/hd", neededForBoot: false })),
    /the persist root \/hd is mounted after its entries are placed/,
  );
});

test("a filesystem that is mounted late, and would hide what persists, is an error that names both", () => {
  const log = (neededForBoot: boolean) => ({
    disko: {
      devices: {
        disk: {
          main: {
            content: {
              partitions: {
                root: { content: { subvolumes: { "@log": { mountpoint: "/var/log", neededForBoot } } } },
              },
            },
          },
        },
      },
    },
  });
  const entry = { environment: { persistence: { "/persist": { directories: ["/var/log/app"] } } } };
  assert.throws(
    () => planWith(log(false), entry),
    /\/var\/log is mounted after \/var\/log\S* is placed there, so it would hide what persists/,
  );
  planWith(log(true), entry);
});

test("a filesystem at the very place of an entry takes that of the framework's, and is an error that says so with a person's", () => {
  const mount = (mountpoint: string, neededForBoot: boolean) => ({
    disko: {
      devices: {
        disk: {
          main: {
            content: { partitions: { root: { content: { subvolumes: { "@x": { mountpoint, neededForBoot } } } } } },
          },
        },
      },
    },
  });
  const { persistence, boot } = planWith(mount("/var/log", true));
  assert.ok(persistence.entries.every(({ path }) => path !== "/var/log"));
  assert.ok(boot.mounts.some(({ mountpoint }) => mountpoint === "/var/log"));
  for (const how of ["bind", "symlink"] as const) {
    const own = { environment: { persistence: { "/persist": { directories: [{ directory: "/srv/own", how }] } } } };
    assert.throws(
      () => planWith(mount("/srv/own", true), own),
      /\/srv\/own is persisted, which would hide the filesystem that is mounted on \/srv\/own/,
    );
    assert.throws(() => planWith(mount("/srv/own", false), own), /\/srv\/own is mounted after \/srv\/own is placed/);
  }
  const log = { environment: { persistence: { "/persist": { directories: ["/var/log"] } } } };
  assert.throws(() => planWith(mount("/var/log", true), log), /\/var\/log is persisted, which would hide/);
});

test("a store on another filesystem than an ephemeral root is an error: the root is a snapshot of what is in it", () => {
  const disk = {
    device: "/dev/vdb",
    content: {
      partitions: {
        store: {
          size: "100%" as const,
          content: { type: "btrfs" as const, subvolumes: { "@nix": { mountpoint: "/nix" } } },
        },
      },
    },
  };
  const elsewhere = {
    content: { partitions: { root: { content: { subvolumes: { "@nix": { mountpoint: mkForce(null) } } } } } },
  };
  assert.throws(
    () => planWith({ disko: { devices: { disk: { main: elsewhere, store: disk } } } }),
    /wants \/nix on the same btrfs as @root/,
  );
});
