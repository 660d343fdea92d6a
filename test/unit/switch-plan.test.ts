import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { switching } from "../../src/deploy/switch.ts";
import type { TargetHost } from "../../src/deploy/target-host.ts";
import { foldersAbove } from "../../src/paths.ts";
import { type FilePlan, symlink, textFile } from "../../src/plan/file-plan.ts";
import {
  type Declared,
  isDone,
  type SwitchedEntry,
  type SwitchPlan,
  switchPlan,
  touchesNetwork,
} from "../../src/plan/switch.ts";
import { switchList } from "../../src/plan/switch-list.ts";

function entry(path: string, rest: Partial<SwitchedEntry> = {}): SwitchedEntry {
  return { kind: "directory", path, persistRoot: "/persist", how: "bind", mountOptions: [], within: null, ...rest };
}

const inside = (path: string, outer: string) => entry(path, { within: { path: outer, persistRoot: "/persist" } });

/** From a host that wholly is what one closure declares. */
function plan(before: Partial<Declared>, after: Partial<Declared>): SwitchPlan {
  const [old, now] = [before, after].map((some) => ({
    entries: [],
    parents: [],
    files: [],
    packages: "p",
    rest: {},
    ...some,
  }));
  if (old === undefined || now === undefined) throw new Error();
  const placed = old.entries.filter(({ within, persistRoot }) => within?.persistRoot !== persistRoot);
  return switchPlan({ booted: old, files: [old.files], placed }, now);
}

/** Only what is to be done, in short. */
function summary(plan: SwitchPlan): Record<string, readonly string[]> {
  const all = {
    unplaced: plan.unplaced.map(({ entry, remains }) => (remains ? `${entry.path} for now` : entry.path)),
    placed: plan.placed.map(({ path }) => path),
    postponed: plan.postponed.map(({ path }) => path),
    written: plan.written,
    removed: plan.removed,
    ...plan.units,
    atNextBoot: plan.atNextBoot,
  };
  return Object.fromEntries(Object.entries(all).filter(([, list]) => list.length > 0));
}

const ENTRIES: readonly (readonly [string, SwitchedEntry[], SwitchedEntry[], Record<string, readonly string[]>])[] = [
  ["that is new is placed", [], [entry("/a")], { placed: ["/a"] }],
  ["that is gone is taken away", [entry("/a")], [], { unplaced: ["/a"] }],
  [
    "placed in another way is taken away and placed",
    [entry("/a")],
    [entry("/a", { how: "symlink" })],
    { unplaced: ["/a for now"], placed: ["/a"] },
  ],
  [
    "with other options too",
    [entry("/a")],
    [entry("/a", { mountOptions: ["ro"] })],
    { unplaced: ["/a for now"], placed: ["/a"] },
  ],
  [
    "on another persist root leaves its data behind",
    [entry("/a")],
    [entry("/a", { persistRoot: "/data" })],
    { unplaced: ["/a"], placed: ["/a"] },
  ],
  [
    "with an outer one around it stays in its place until the next boot",
    [entry("/a/b"), entry("/c")],
    [entry("/a"), inside("/a/b", "/a"), entry("/c")],
    { placed: ["/a"] },
  ],
  [
    "that is a link too",
    [entry("/a/b", { how: "symlink" })],
    [entry("/a"), { ...inside("/a/b", "/a"), how: "symlink" }],
    { placed: ["/a"] },
  ],
  [
    "that loses its outer one is placed by itself",
    [entry("/a"), inside("/a/b", "/a")],
    [entry("/a/b")],
    { unplaced: ["/a"], placed: ["/a/b"] },
  ],
  ["inside another is not placed", [entry("/a")], [entry("/a"), inside("/a/b", "/a")], {}],
  [
    "is taken away the innermost first, and inside one of another persist root placed by a boot",
    [entry("/a"), entry("/a/b", { persistRoot: "/data", within: { path: "/a", persistRoot: "/persist" } })],
    [entry("/c"), entry("/c/d", { persistRoot: "/data", within: { path: "/c", persistRoot: "/persist" } })],
    { unplaced: ["/a/b", "/a"], placed: ["/c"], postponed: ["/c/d"] },
  ],
];

for (const [what, before, after, expected] of ENTRIES) {
  test(`an entry ${what}`, () => {
    assert.deepEqual(summary(plan({ entries: before }, { entries: after })), expected);
  });
}

test("for another owner or mode of an entry nothing is done", () => {
  const owned = (user: string) => ({ entries: [{ ...entry("/a"), user, mode: "0700" }] });
  assert.deepEqual(summary(plan(owned("alice"), owned("bob"))), {});
});

const unit = (name: string, text = "") => textFile(`/etc/systemd/system/${name}`, [text]);
const wanted = (name: string) => symlink(`/etc/systemd/system/multi-user.target.wants/${name}`, `../${name}`);
const masked = (name: string) => symlink(`/etc/systemd/system/${name}`, "/dev/null");

const FILES: readonly (readonly [string, FilePlan[], FilePlan[], Record<string, readonly string[]>])[] = [
  [
    "new, changed and gone",
    [textFile("/etc/a", ["1"]), textFile("/etc/b", ["1"]), textFile("/etc/same", [])],
    [textFile("/etc/a", ["2"]), textFile("/etc/c", ["1"]), textFile("/etc/same", [])],
    { written: ["/etc/a", "/etc/c"], removed: ["/etc/b"] },
  ],
  ["of another mode", [textFile("/etc/a", [])], [textFile("/etc/a", [], "0600")], { written: ["/etc/a"] }],
  [
    "that only a boot can follow",
    [textFile("/etc/fstab", ["1"]), textFile("/usr/x", [])],
    [textFile("/etc/fstab", ["2"])],
    { atNextBoot: ["/etc/fstab", "/usr/x"] },
  ],
  [
    "of a service that is new",
    [],
    [unit("a.service"), wanted("a.service")],
    {
      written: ["/etc/systemd/system/a.service", "/etc/systemd/system/multi-user.target.wants/a.service"],
      started: ["a.service"],
    },
  ],
  [
    "of a service that is changed",
    [unit("a.service", "1"), wanted("a.service")],
    [unit("a.service", "2"), wanted("a.service")],
    { written: ["/etc/systemd/system/a.service"], restarted: ["a.service"] },
  ],
  [
    "of a service that is gone",
    [unit("a.service"), wanted("a.service")],
    [],
    {
      removed: ["/etc/systemd/system/a.service", "/etc/systemd/system/multi-user.target.wants/a.service"],
      stopped: ["a.service"],
    },
  ],
  [
    "of a service that is masked",
    [unit("a.service"), wanted("a.service")],
    [masked("a.service"), wanted("a.service")],
    { written: ["/etc/systemd/system/a.service"], stopped: ["a.service"] },
  ],
  [
    "of a drop-in that is new",
    [],
    [unit("a.service.d/x.conf")],
    { written: ["/etc/systemd/system/a.service.d/x.conf"], restarted: ["a.service"] },
  ],
  [
    "of a drop-in that is gone",
    [unit("a.service.d/x.conf")],
    [],
    { removed: ["/etc/systemd/system/a.service.d/x.conf"], restarted: ["a.service"] },
  ],
  [
    "of a service that one target fewer wants",
    [wanted("a.service"), symlink("/etc/systemd/system/x.target.wants/a.service", "../a.service")],
    [wanted("a.service")],
    { removed: ["/etc/systemd/system/x.target.wants/a.service"] },
  ],
];

for (const [what, before, after, expected] of FILES) {
  test(`declared files ${what}`, () => {
    assert.deepEqual(summary(plan({ files: before }, { files: after })), expected);
  });
}

test("a program of Debian's reads its files again, and what may cut a connection is known", () => {
  const file = (path: string) => [textFile(path, ["changed"])];
  for (const [files, restarted, connects] of [
    [file("/etc/systemd/network/10-lan.network"), ["systemd-networkd.service"], true],
    [file("/etc/ssh/sshd_config.d/keys.conf"), ["ssh.service"], true],
    [file("/etc/ssh/authorized_keys.d/alice"), [], true],
    [file("/etc/sysctl.d/60-nixfleet.conf"), ["systemd-sysctl.service"], true],
    [file("/etc/systemd/journald.conf.d/small.conf"), ["systemd-journald.service"], false],
    [file("/etc/systemd/networks"), [], false],
    [[unit("nftables.service")], ["nftables.service"], true],
    [[unit("sshguard.service")], ["sshguard.service"], false],
    [[unit("wg-quick@wg0.service.d/x.conf")], ["wg-quick@wg0.service"], true],
  ] as const) {
    const changed = plan({}, { files });
    assert.deepEqual(changed.units.restarted, restarted);
    assert.equal(touchesNetwork(changed), connects, files[0]?.path);
    assert.equal(touchesNetwork(plan({ files }, {})), connects);
  }
  assert.ok(touchesNetwork(plan({}, { entries: [entry("/etc/ssh")] })));
  assert.ok(touchesNetwork(plan({ entries: [entry("/etc/NetworkManager/system-connections")] }, {})));
  assert.ok(!touchesNetwork(plan({}, { entries: [entry("/srv")], files: file("/etc/motd") })));
});

test("what only a boot brings is named: other packages, and each other part of the plan", () => {
  const brought = plan(
    { rest: { users: 1, boot: 1, wipe: { a: 1 } } },
    { packages: "q", rest: { users: 2, boot: 1, wipe: { a: 2 } } },
  );
  assert.deepEqual(summary(brought), { atNextBoot: ["packages, with the kernel among them", "users", "wipe"] });
});

for (const [whose, parent] of [
  ["a user's", { user: "alice", mode: "0755" }],
  ["open to a group", { user: "root", mode: "0775" }],
  ["open to all", { user: "0", mode: "1777" }],
] as const) {
  test(`an entry below a folder that is ${whose} is for the next boot`, () => {
    const parents = [
      { path: "/a", user: "root", mode: "0755" },
      { path: "/a/b", ...parent },
    ];
    const entries = [entry("/a/b/c"), entry("/a/bc"), entry("/a/d/e")];
    assert.deepEqual(summary(plan({}, { entries, parents })), { placed: ["/a/bc", "/a/d/e"], postponed: ["/a/b/c"] });
  });
}

test("after a switch that failed in part the files of both closures count, and what a boot brings is told since the boot", () => {
  const [first, second] = ["1", "2"].map((text) => [
    textFile("/etc/a", [text]),
    textFile(`/etc/only-${text}`, []),
    textFile("/etc/fstab", [text]),
  ]);
  if (first === undefined || second === undefined) throw new Error();
  const booted = { packages: "p", files: first, rest: {} };
  const after = { entries: [], parents: [], packages: "p", rest: {}, files: first };
  const back = switchPlan({ booted, files: [first, second], placed: [] }, after);
  assert.deepEqual(summary(back), { written: ["/etc/a", "/etc/only-1"], removed: ["/etc/only-2"] });
  assert.ok(!isDone(back));
  const settled = switchPlan({ booted, files: [second], placed: [] }, { ...after, files: second });
  assert.deepEqual(summary(settled), { atNextBoot: ["/etc/fstab"] });
  assert.ok(isDone(settled));
});

test("an entry that holds what the closure manages waits for the next boot, and so does what is in it", () => {
  const text = (content: string) => [textFile("/etc/a/own", [content]), textFile("/etc/b", [content])];
  const [none, some] = [{ files: text("1") }, { entries: [entry("/etc/a")], files: text("2") }];
  assert.deepEqual(summary(plan(none, some)), {
    written: ["/etc/b"],
    postponed: ["/etc/a"],
    atNextBoot: ["/etc/a/own"],
  });
  assert.deepEqual(summary(plan(some, none)), { written: ["/etc/b"], atNextBoot: ["/etc/a", "/etc/a/own"] });
});

/** Some paths, each with an outer one where there is one, as the plan of a host has them. */
const entries = fc
  .uniqueArray(
    fc.record({
      path: fc.constantFrom("/a", "/a/b", "/a/b/c", "/a/x", "/d", "/d/e", "/f"),
      how: fc.constantFrom("bind" as const, "symlink" as const),
      persistRoot: fc.constantFrom("/persist", "/data"),
    }),
    { selector: ({ path }) => path },
  )
  .map((drawn) => {
    const byPath = new Map<string, (typeof drawn)[number]>(drawn.map((one) => [one.path, one]));
    return drawn
      .map(({ path, ...rest }) => {
        const outer = byPath.get(foldersAbove(path).findLast((above) => byPath.has(above)) ?? "");
        return entry(path, { ...rest, within: outer ? { path: outer.path, persistRoot: outer.persistRoot } : null });
      })
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  });

test("switching to what runs already does nothing", () => {
  fc.assert(
    fc.property(entries, (drawn) => {
      const same = plan({ entries: drawn }, { entries: drawn });
      assert.deepEqual(summary(same), {});
      assert.equal(switchList(same), "");
    }),
  );
});

test("what a switch takes away and places is the difference, but for what an outer entry holds from the next boot on", () => {
  fc.assert(
    fc.property(entries, entries, (a, b) => {
      const { unplaced, placed, postponed } = plan({ entries: a }, { entries: b });
      const key = ({ path, how, persistRoot }: SwitchedEntry) => `${path} ${how} ${persistRoot}`;
      const [before, after] = [a, b].map(
        (some) => new Set(some.filter(({ within, persistRoot }) => within?.persistRoot !== persistRoot).map(key)),
      );
      const now = new Set([...(before ?? [])]);
      for (const { entry: gone } of unplaced) now.delete(key({ ...gone, within: null }));
      for (const one of [...placed, ...postponed]) now.add(key(one));
      const held = b.filter(({ within, persistRoot }) => within?.persistRoot === persistRoot).map(({ path }) => path);
      const rest = [...now].filter((one) => !after?.has(one)).map((one) => one.split(" ")[0] ?? "");
      assert.deepEqual(
        [...(after ?? [])].filter((one) => !now.has(one)),
        [],
      );
      assert.deepEqual(
        rest.filter((path) => !held.includes(path)),
        [],
      );
    }),
  );
});

test("the list has a line each, in which every field has its name", () => {
  const changed = plan(
    { entries: [entry("/old one")] },
    {
      entries: [
        entry("/new", { mountOptions: ["ro", "x-a"] }),
        entry("/link", { how: "symlink" }),
        entry("/home/al/x"),
      ],
      parents: [{ path: "/home/al", user: "al", mode: "0700" }],
    },
  );
  assert.equal(
    switchList(changed),
    [
      "unplace\tpath=/old one\thow=bind\tpersistRoot=/persist\tremains=no",
      "place\tpath=/new\tkind=directory\thow=bind\tpersistRoot=/persist\toptions=ro,x-a",
      "place\tpath=/link\tkind=directory\thow=symlink\tpersistRoot=/persist\toptions=-",
      "postpone\tpath=/home/al/x",
      "",
    ].join("\n"),
  );
});

test("a machine that is no host of NixFleet's is told so, and nothing is tried there", async () => {
  const asked: string[] = [];
  const run = async (command: string) => {
    asked.push(command);
    return execFileSync("/bin/sh", ["-c", command.replaceAll("/run/nixfleet", "/nonexistent")], { encoding: "utf8" });
  };
  const closure = { storePath: "/nix/store/x", folder: "/nonexistent", packages: { storePath: "", folder: "" } };
  const target: TargetHost = { name: "root@elsewhere", run, argv: () => [], anew: () => target };
  await assert.rejects(
    switching({ ...closure, digest: "", runtime: null, fresh: false }, target),
    /root@elsewhere is not a NixFleet host/,
  );
  assert.equal(asked.length, 1);
});
