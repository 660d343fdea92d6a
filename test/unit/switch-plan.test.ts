import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type FilePlan, symlink, textFile } from "../../src/plan/files.ts";
import { foldersAbove, isRedundant } from "../../src/plan/nesting.ts";
import { type Running, type SwitchedEntry, type SwitchPlan, switchList, switchPlan } from "../../src/plan/switch.ts";

function entry(path: string, rest: Partial<SwitchedEntry> = {}): SwitchedEntry {
  const persistRoot = rest.persistRoot ?? "/persist";
  const source = `${persistRoot}${path}`;
  return { kind: "directory", path, source, persistRoot, how: "bind", mountOptions: [], within: null, ...rest };
}

const inside = (path: string, outer: string) => entry(path, { within: { path: outer, persistRoot: "/persist" } });

function running({ entries = [], files = [], packages = "p", rest = {} }: Partial<Running>): Running {
  return { entries, files, packages, rest };
}

/** Only what is to be done, in short. */
function summary(plan: SwitchPlan): Record<string, readonly string[]> {
  const all = {
    unplaced: plan.unplaced.map(({ entry, remains }) => (remains ? `${entry.path} for now` : entry.path)),
    placed: plan.placed.map(({ entry, inside }) => [entry.path, ...inside].join(" with ")),
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
    "with an outer one around it stays, and its data with it",
    [entry("/a/b"), entry("/c")],
    [entry("/a"), inside("/a/b", "/a"), entry("/c")],
    { placed: ["/a with /a/b"] },
  ],
  [
    "that is a link gives way to an outer one",
    [entry("/a/b", { how: "symlink" })],
    [entry("/a"), { ...inside("/a/b", "/a"), how: "symlink" }],
    { unplaced: ["/a/b for now"], placed: ["/a with /a/b"] },
  ],
  [
    "that loses its outer one is placed by itself",
    [entry("/a"), inside("/a/b", "/a")],
    [entry("/a/b")],
    { unplaced: ["/a"], placed: ["/a/b"] },
  ],
  ["inside another is not placed", [entry("/a")], [entry("/a"), inside("/a/b", "/a")], {}],
  [
    "is taken away the innermost first, and placed the outermost first",
    [entry("/a"), entry("/a/b", { persistRoot: "/data", within: { path: "/a", persistRoot: "/persist" } })],
    [entry("/c"), entry("/c/d", { persistRoot: "/data", within: { path: "/c", persistRoot: "/persist" } })],
    { unplaced: ["/a/b", "/a"], placed: ["/c", "/c/d"] },
  ],
];

for (const [what, before, after, expected] of ENTRIES) {
  test(`an entry ${what}`, () => {
    assert.deepEqual(summary(switchPlan(running({ entries: before }), running({ entries: after }))), expected);
  });
}

test("for another owner or mode of an entry nothing is done", () => {
  const owned = (user: string) => running({ entries: [{ ...entry("/a"), user, mode: "0700" } as SwitchedEntry] });
  assert.deepEqual(summary(switchPlan(owned("alice"), owned("bob"))), {});
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
    assert.deepEqual(summary(switchPlan(running({ files: before }), running({ files: after }))), expected);
  });
}

test("what only a boot brings is named: other packages, and each other part of the plan", () => {
  const plan = switchPlan(
    running({ rest: { users: 1, boot: 1, wipe: { a: 1 } } }),
    running({ packages: "q", rest: { users: 2, boot: 1, wipe: { a: 2 } } }),
  );
  assert.deepEqual(summary(plan), { atNextBoot: ["packages, with the kernel among them", "users", "wipe"] });
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
      const plan = switchPlan(running({ entries: drawn }), running({ entries: drawn }));
      assert.deepEqual(summary(plan), {});
      assert.equal(switchList(plan, []), "");
    }),
  );
});

test("there and back, what was placed is taken away, but for what an outer entry covers meanwhile", () => {
  fc.assert(
    fc.property(entries, entries, (a, b) => {
      const [there, back] = [
        switchPlan(running({ entries: a }), running({ entries: b })),
        switchPlan(running({ entries: b }), running({ entries: a })),
      ];
      const paths = (list: readonly { readonly entry: SwitchedEntry }[]) => list.map((each) => each.entry.path);
      const covering = new Set([
        ...[...there.placed, ...back.placed].flatMap((placement) => placement.inside),
        ...[...a, ...b].filter(isRedundant).map(({ path }) => path),
      ]);
      const uncovered = (list: readonly string[]) => list.filter((path) => !covering.has(path)).sort();
      assert.deepEqual(uncovered(paths(there.placed)), uncovered(paths(back.unplaced)));
      assert.deepEqual(uncovered(paths(there.unplaced)), uncovered(paths(back.placed)));
    }),
  );
});

test("the list has a line each, tabs between, and whose home a path is in", () => {
  const plan = switchPlan(
    running({ entries: [entry("/home/al/old one")] }),
    running({
      entries: [entry("/home/al/new", { mountOptions: ["ro", "x-a"] }), entry("/home/alfred", { how: "symlink" })],
    }),
  );
  assert.equal(
    switchList(plan, [{ name: "al", home: "/home/al" }]),
    [
      "unplace\tdirectory\tbind\tal\t/persist\t/home/al/old one\t/persist/home/al/old one\tgone",
      "place\tdirectory\tbind\tbind,ro,x-a\tal\tnone\t/persist\t/home/al/new",
      "place\tdirectory\tsymlink\tbind\t-\tnone\t/persist\t/home/alfred",
      "",
    ].join("\n"),
  );
});
