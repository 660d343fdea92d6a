/**
 * Random histories of a host on a real btrfs: boots, power failures, clocks that jump, leftovers, settings that change.
 * `NIXFLEET_SEED=N` repeats a run, `NIXFLEET_HISTORIES=N` sets how many.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { type Filesystem, filesystem, has, names, prune, subvolume, wipe } from "../btrfs/wipe-filesystem.ts";
import { type Event, history, isOldRootName, mayBePruned, nameOf, timeOf } from "./history.ts";
import { killedWipe } from "./killed-wipe.ts";
import { SEED } from "./random.ts";
import { tree } from "./tree.ts";

const HISTORIES = Number(process.env.NIXFLEET_HISTORIES ?? 40);

test("whatever happens to a host, its old roots are in order and go only when they are due", async () => {
  await fc.assert(
    fc.asyncProperty(history, async (events) => {
      await using fs = await filesystem();
      const host = new Host(fs);
      for (const event of events) await host.live(event);
    }),
    { seed: SEED, numRuns: HISTORIES },
  );
});

class Host {
  readonly #fs: Filesystem;
  #clock = Date.parse("2026-11-23T00:03:12Z");
  #boots = 0;
  /** Of @persist, @nix and all that others have put into old_roots. */
  readonly #untouchable = new Map<string, string>();

  constructor(fs: Filesystem) {
    this.#fs = fs;
    for (const path of ["@persist", "@nix"]) this.#protect(path);
  }

  async live(event: Event): Promise<void> {
    const before = this.#oldRoots();
    const { top } = this.#fs;
    switch (event.kind) {
      case "boot":
        this.#clock += event.minutes * 60_000;
        await this.#boot(event);
        break;
      case "leftover": {
        const path = `old_roots/${event.name}`;
        if (has(this.#fs, path) || this.#untouchable.has(path)) return;
        mkdirSync(join(top, "old_roots"), { recursive: true });
        if (event.what === "folder") mkdirSync(join(top, path));
        else if (event.what === "link") symlinkSync("../@persist", join(top, path));
        else await subvolume(top, path);
        // A subvolume under a name of the wipe's is one of its old roots.
        if (event.what !== "subvolume" || !isOldRootName(event.name)) this.#protect(path);
        break;
      }
      case "interrupted":
        if (event.left === "@root.new" && !has(this.#fs, "@root.new")) await subvolume(top, "@root.new");
        else if (event.left === "no @root" && has(this.#fs, "@root")) this.#retireByHand();
        break;
      case "prune": {
        if (!has(this.#fs, "old_roots")) return;
        const now = this.#parameters(event);
        const { exitCode, stderr } = prune(this.#fs, now);
        assert.equal(exitCode, 0, stderr);
        this.#checkPruned(before, this.#oldRoots(), event, true);
      }
    }
    for (const [path, was] of this.#untouchable) assert.equal(tree(join(top, path)), was, `${path} has changed`);
  }

  async #boot(event: Event & { kind: "boot" }): Promise<void> {
    const fs = this.#fs;
    const mark = `${this.#boots++}`;
    const inUse = has(fs, "@root");
    if (inUse) writeFileSync(join(fs.top, "@root/mark"), mark);
    const parameters = { ...this.#parameters(event), PRUNE: event.prune };
    let before = this.#oldRoots();
    if (event.killedAfter !== null) {
      await killedWipe(fs, event.killedAfter, parameters);
      const after = this.#oldRoots();
      this.#checkPruned(new Map([...before, ...after]), after, event, false);
      before = after;
      this.#clock += 1000;
    }
    const newestBefore = this.#newest();
    const rootBefore = has(fs, "@root");
    const now = this.#parameters(event);
    const { exitCode, stderr, report } = wipe(fs, { ...parameters, ...now });
    assert.equal(exitCode, 0, stderr);
    const others = names(fs).filter((name) => name !== "@root.reserve");
    assert.deepEqual(others, ["@nix", "@persist", "@root", "old_roots"]);
    assert.deepEqual(names(fs, "@root"), ["etc"]);
    const after = this.#oldRoots();
    const { retired } = report;
    assert.equal(retired !== null, rootBefore);
    if (retired !== null) {
      assert.ok(newestBefore === undefined || retired > newestBefore, `${retired} is after ${newestBefore}`);
      if (newestBefore === undefined || timeOf(newestBefore) < this.#clock) assert.equal(retired, nameOf(this.#clock));
      before.set(retired, after.get(retired) ?? "");
    }
    const gone = this.#checkPruned(before, after, event, event.prune === "yes");
    assert.deepEqual([...report.pruned].sort(), gone);
    if (event.prune === "") assert.deepEqual(gone, []);
    const marks = [...after].sort().flatMap(([, one]) => (one === "" ? [] : [Number(one)]));
    assert.deepEqual(
      marks,
      marks.toSorted((a, b) => a - b),
      "the names sort as the boots did",
    );
    if (inUse) assert.ok(gone.length > 0 || [...after.values()].includes(mark), `the root of boot ${mark} is lost`);
  }

  /** What is gone was due, and if `all`, what was due is gone. */
  #checkPruned(before: Marks, after: Marks, settings: Retention, all: boolean): readonly string[] {
    const gone = [...before.keys()].filter((name) => !after.has(name)).sort();
    const newest = [...before.keys(), this.#newest() ?? ""].sort().at(-1) ?? "";
    const due = mayBePruned([...before.keys()], newest, this.#clock, settings.retentionDays, settings.keepNewest);
    if (all) assert.deepEqual(gone, due);
    else
      assert.ok(
        gone.every((name) => due.includes(name)),
        `gone: ${gone}; due: ${due}`,
      );
    for (const [name, mark] of after) assert.equal(mark, before.get(name), `${name} has changed`);
    return gone;
  }

  /** As a crash between the two renames leaves it. */
  #retireByHand(): void {
    const newest = this.#newest();
    const time = newest === undefined ? this.#clock : Math.max(this.#clock, timeOf(newest) + 1);
    mkdirSync(join(this.#fs.top, "old_roots"), { recursive: true });
    renameSync(join(this.#fs.top, "@root"), join(this.#fs.top, "old_roots", nameOf(time)));
  }

  #parameters({ retentionDays, keepNewest }: Retention) {
    const NOW = new Date(this.#clock).toISOString().slice(0, 19).replace("T", " ");
    return { NOW, RETENTION_DAYS: retentionDays, KEEP_NEWEST: keepNewest };
  }

  #newest(): string | undefined {
    return names(this.#fs, "old_roots").filter(isOldRootName).at(-1);
  }

  /** The subvolumes of the wipe's in old_roots, and the mark in each. */
  #oldRoots(): Map<string, string> {
    const own = names(this.#fs, "old_roots").filter(
      (name) => isOldRootName(name) && !this.#untouchable.has(`old_roots/${name}`),
    );
    return new Map(
      own.map((name) => {
        const mark = join(this.#fs.top, "old_roots", name, "mark");
        return [name, existsSync(mark) ? readFileSync(mark, "utf8") : ""];
      }),
    );
  }

  #protect(path: string): void {
    this.#untouchable.set(path, tree(join(this.#fs.top, path)));
  }
}

type Marks = ReadonlyMap<string, string>;

interface Retention {
  readonly retentionDays: number;
  readonly keepNewest: number;
}
