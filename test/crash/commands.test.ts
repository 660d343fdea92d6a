/**
 * What a power cut leaves of the commands that move what persists: `restore`, `stray remove` and `undo`, snapshots of `state`,
 * and taking all back. `NIXFLEET_SEED=N` repeats a run, `NIXFLEET_CUTS=N` sets how many points of each are tried.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { entry } from "../btrfs/activation-root.ts";
import { CLOSURE } from "../btrfs/audited-host.ts";
import { COMMAND_COMMITS, type CommandScenario, type Host, tryCommandCuts } from "./command-cuts.ts";
import { SEED } from "./random.ts";

const CUTS = Number(process.env.NIXFLEET_CUTS ?? 10);

const NEW = "/nix/store/new-nixfleet-test";
const APP = entry("directory", "/var/lib/app", "bind");

const SCENARIOS: readonly CommandScenario[] = [
  {
    name: "nixfleet restore: what it brings back is there whole or not at all",
    declares: { pristine: (root) => mkdirSync(join(root, "srv")) },
    arrange: async (host) => {
      writeFiles(join(host.root, "srv/notes"), "lost");
      await host.boot("2026-11-23 01:00:00");
    },
    act: async (host) => ok(host, "restore", "/srv/notes", "--to", "/persist/notes"),
    check: async (host, said) => {
      const place = join(host.persist, "notes");
      if (said) assert.ok(existsSync(place));
      if (existsSync(place)) checkFiles(place, "lost");
      ok(host, "restore", "/srv/notes", "--to", "/persist/more");
      checkFiles(join(host.persist, "more"), "lost");
      assert.ok(!existsSync(join(host.persist, ".nixfleet-restoring")));
    },
  },
  {
    name: "nixfleet stray remove: it is where it was, or in the trash, from where it comes back",
    declares: {},
    arrange: async (host) => {
      await host.generation(1, "abc-nixfleet-test", {});
      writeFiles(join(host.persist, "srv/was"), "stray");
    },
    act: async (host) => ok(host, "stray", "remove", "/persist/srv/was"),
    check: async (host, said) => {
      const there = existsSync(join(host.persist, "srv/was"));
      assert.equal(trash(host).length, there ? 0 : 1);
      if (said) assert.ok(!there);
      if (!there) ok(host, "stray", "undo");
      checkFiles(join(host.persist, "srv/was"), "stray");
    },
  },
  {
    name: "nixfleet stray undo: it is back, or still in the trash",
    declares: {},
    arrange: async (host) => {
      await host.generation(1, "abc-nixfleet-test", {});
      writeFiles(join(host.persist, "srv/was"), "stray");
      ok(host, "stray", "remove", "/persist/srv/was");
    },
    act: async (host) => ok(host, "stray", "undo"),
    check: async (host, said) => {
      if (said) assert.ok(existsSync(join(host.persist, "srv/was")));
      if (!existsSync(join(host.persist, "srv/was"))) ok(host, "stray", "undo");
      checkFiles(join(host.persist, "srv/was"), "stray");
      assert.equal(trash(host).length, 0);
    },
  },
  {
    name: "a snapshot of what persists is whole or not there, and then the boot makes it",
    declares: { entries: [APP], second: true },
    arrange: twoGenerations,
    act: async (host) => ok(host, "state", "switch", NEW),
    check: async (host, said) => {
      assert.ok(!said || states(host).length === 1);
      host.runs("new-nixfleet-test");
      ok(host, "state", "boot");
      // Two, where the power was cut before it was noted that there is one.
      assert.ok(states(host).length >= 1);
      for (const { name } of states(host)) {
        for (const number of ["0", "1"]) checkFiles(join(host.fs.top, "old_state", name, number, "app"), "one");
      }
      checkBoth(host, "one");
    },
  },
  {
    name: "nixfleet state restore: what was there and what was saved are never both gone",
    declares: { entries: [APP], second: true },
    arrange: async (host) => {
      await twoGenerations(host);
      ok(host, "state", "switch", NEW);
      writeBoth(host, "two");
    },
    act: async (host) => ok(host, "state", "restore", "/persist/app", "--from", "1"),
    check: async (host, said) => {
      const place = join(host.persist, "app");
      const isBack = existsSync(place) && readFileSync(join(place, "small"), "utf8") === "one";
      if (said) assert.ok(isBack);
      if (existsSync(place)) checkFiles(place, isBack ? "one" : "two");
      if (!isBack) ok(host, "state", "restore", "/persist/app", "--from", "1");
      checkFiles(place, "one");
      const [{ name = "" } = {}] = trash(host);
      checkFiles(join(host.persist, ".nixfleet/trash", name, "data"), "two");
    },
  },
  {
    name: "nixfleet rollback --with-state: the order is for the next boot, or there is none",
    declares: { entries: [APP], second: true },
    arrange: async (host) => {
      await newGenerationRan(host);
    },
    act: async (host) => {
      host.runs("new-nixfleet-test");
      ok(host, "state", "order", CLOSURE);
    },
    check: async (host, said) => {
      const back = await host.bootOf(CLOSURE);
      if (said) assert.equal(back?.outcome, "back");
      checkTakenBack(host, back === null ? "two" : "one");
      const again = await host.bootOf(CLOSURE);
      assert.equal(again, null);
      ok(host, "state", "order", CLOSURE);
    },
  },
  {
    name: "the boot that takes back what persists: the next one finishes it, or it has not begun",
    declares: { entries: [APP], second: true },
    arrange: async (host) => {
      await newGenerationRan(host);
      ok(host, "state", "order", CLOSURE);
    },
    act: async (host) => void (await host.bootOf(CLOSURE)),
    check: async (host, said, random) => {
      // The same one, whose order it is; or another, which only finishes what has begun.
      const next = random % 2 === 0 ? CLOSURE : NEW;
      await host.bootOf(next);
      const isBack = readFileSync(join(host.persist, "app/small"), "utf8") === "one";
      if (said || next === CLOSURE) assert.ok(isBack);
      checkTakenBack(host, isBack ? "one" : "two");
      writeBoth(host, "later");
      await host.bootOf(CLOSURE);
      checkBoth(host, "later");
    },
  },
];

// Half of the time is spent waiting for commits.
describe("after a power cut", { concurrency: 2 }, () => {
  for (const scenario of SCENARIOS) {
    for (const commits of COMMAND_COMMITS) {
      test(`${scenario.name}, committed ${commits}`, async (t) => {
        const { requests, cuts } = await tryCommandCuts(scenario, commits, CUTS, SEED);
        t.diagnostic(`${cuts} of the points between ${requests} requests`);
      });
    }
  }
});

/** What persists has changed since the one before it. */
async function newGenerationRan(host: Host): Promise<void> {
  await twoGenerations(host);
  ok(host, "state", "switch", NEW);
  await host.bootOf(NEW);
  writeBoth(host, "two");
}

async function twoGenerations(host: Host): Promise<void> {
  await host.generation(1, "abc-nixfleet-test", {});
  await host.generation(2, "new-nixfleet-test", { entries: [APP] });
  ok(host, "state", "boot");
  writeBoth(host, "one");
}

/** On both persist roots, whichever it is; and what was replaced is a snapshot, as it is where another generation just boots. */
function checkTakenBack(host: Host, text: "one" | "two"): void {
  checkBoth(host, text);
  const all = states(host);
  const replaced = all.filter(({ generation }) => generation === 2);
  if (text === "one") assert.ok(replaced.length >= 1);
  for (const { name, generation } of all) {
    for (const number of ["0", "1"]) {
      checkFiles(join(host.fs.top, "old_state", name, number, "app"), generation === 1 ? "one" : "two");
    }
  }
}

function writeBoth(host: Host, text: string): void {
  for (const root of ["persist", "second"]) writeFiles(join(host.root, root, "app"), text);
}

function checkBoth(host: Host, text: string): void {
  for (const root of ["persist", "second"]) checkFiles(join(host.root, root, "app"), text);
}

/** What goes into a block of metadata, and what does not. */
function writeFiles(folder: string, text: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "small"), text);
  writeFileSync(join(folder, "large"), text.repeat(20_000));
}

function checkFiles(folder: string, text: string): void {
  assert.equal(readFileSync(join(folder, "small"), "utf8"), text);
  assert.ok(readFileSync(join(folder, "large"), "utf8") === text.repeat(20_000), `${folder}/large is not whole`);
}

function ok(host: Host, ...command: readonly [string, ...string[]]): void {
  const { status, stderr } = host.command(...command);
  assert.equal(status, 0, stderr);
}

function states(host: Host): readonly { readonly name: string; readonly generation: number }[] {
  return JSON.parse(host.command("state", "--json").stdout);
}

function trash(host: Host): readonly { readonly name: string }[] {
  return JSON.parse(host.command("stray", "trash", "--json").stdout);
}
