import assert from "node:assert/strict";
import { test } from "node:test";
import { mkForce } from "../../src/index.ts";
import { UserError } from "../../src/modules/errors.ts";
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
  ["relative", { directories: ["srv/a"] }, /srv\/a: wants an absolute path; write \/srv\/a/],
  ["with ..", { directories: ["/srv/../etc"] }, /`\.\.` is not allowed/],
  ["with a final slash", { directories: ["/srv/a/"] }, /wants a path without/],
  ["with a doubled slash", { directories: ["/srv//a"] }, /wants a path without/],
  ["with a newline", { directories: ["/srv/a\nb"] }, /newline/],
  ["the root", { directories: ["/"] }, /wants a path without|the root itself/],
  ["below /proc", { directories: ["/proc/a"] }, /nothing below \/proc/],
  ["below /run", { files: ["/run/a"] }, /nothing below \/run/],
  ["below /tmp", { directories: ["/tmp/a"] }, /nothing below \/tmp/],
  ["/nix itself", { directories: ["/nix"] }, /nothing below \/nix/],
  ["below the persist root", { directories: ["/persist/a"] }, /nothing below \/persist/],
  ["a file that the declaration manages", { files: ["/etc/hostname"] }, /would hide \/etc\/hostname/],
  ["a folder that holds such files", { directories: ["/etc"] }, /would hide \/etc\//],
  ["in two ways", { directories: ["/srv/a", { directory: "/srv/a", mode: "0700" }] }, /declared in two ways/],
  ["as a file and as a directory", { directories: ["/srv/a"], files: ["/srv/a"] }, /declared in two ways/],
  [
    "owned by nobody the host has",
    { directories: [{ directory: "/srv/a", user: "eve" }] },
    /no user eve; declare users\.users\.eve/,
  ],
  ["of a group the host has not", { files: [{ file: "/srv/a", group: "eve" }] }, /no group eve; declare/],
  ["below a file", { files: ["/srv/a"], directories: ["/srv/a/b"] }, /\/srv\/a, above it, is declared as a file/],
  ["of an unknown user", { users: { eve: { directories: ["a"] } } }, /no user eve/],
  ["with a mode that is none", { directories: [{ directory: "/srv/a", mode: "0999" }] }, /octal mode/],
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
      error instanceof UserError && error.detail.length === 2 && error.detail.every((line) => /\.ts:\d+/.test(line)),
  );
});

test("a persist root that no filesystem is mounted at is an error: what it holds would be wiped", () => {
  assert.throws(
    () => planWith({ environment: { persistence: { "/data": { directories: ["/srv/a"] } } } }),
    /nothing is mounted at the persist root \/data/,
  );
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
  assert.throws(
    () => planWith(log(false)),
    /\/var\/log is mounted after \/var\/log\S* is placed there, so it would hide what persists/,
  );
  planWith(log(true));
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
