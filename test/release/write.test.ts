/** Releases are signed by builders, and read by hosts: keys come and go, power fails, repositories are lost. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after as afterAll, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { openRepository, type Repository } from "../../src/content/repository.ts";
import { createRelease } from "../../src/release/create.ts";
import { DEFAULTS, newKeyFolder, openKeyFolder } from "../../src/release/key-folder.ts";
import { ROLES, type Role, readKeys } from "../../src/release/keys.ts";
import { METADATA, TARGETS } from "../../src/release/paths.ts";
import { listReleases, ReleaseError, readRelease, startTrust } from "../../src/release/read.ts";
import { changeKeys, type KeyAction, refresh } from "../../src/release/rotate.ts";
import type { Release } from "../../src/wire/release.ts";
import { DAY, keys, SignedRepository } from "./signed-repository.ts";

const scratch = mkdtempSync(join(tmpdir(), "nixfleet-release-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let count = 0;

const one = { root: 1, targets: 1, snapshot: 1, timestamp: 1 };
const path = (host: string, digit: string) => `/nix/store/${digit.repeat(32)}-nixfleet-${host}`;

interface Setting {
  readonly counts?: Partial<Record<Role, number>>;
  readonly thresholds?: Partial<Record<Role, number>>;
  readonly keep?: number;
  readonly passphrase?: string;
}

/** A builder, with a host that trusts it. */
async function builder({ counts = {}, thresholds = {}, keep = 20, passphrase }: Setting = {}) {
  const home = join(scratch, `${count++}`);
  await mkdir(home);
  const [folder, place, state] = [join(home, "keys"), join(home, "repository"), join(home, "host")];
  await newKeyFolder({
    folder,
    settings: { version: 1, repository: place, days: DEFAULTS.days, keep },
    counts: { ...one, ...counts },
    thresholds: { ...one, ...thresholds },
    passphrase: passphrase ?? null,
    now: Date.now(),
  });
  await startTrust({ state, root: readFileSync(join(folder, "root.json")) });
  const mirrors = [pathToFileURL(place).href];

  async function at(now = Date.now(), folders: readonly string[] = [folder]) {
    return { keyFolder: await openKeyFolder(folder), keys: await readKeys(folders, passphrase ?? null), now };
  }
  async function using<T>(work: (repository: Repository) => Promise<T>): Promise<T> {
    await using repository = await openRepository(place, { create: true, onWait: () => {} });
    return await work(repository);
  }
  const content = (digit: string, note = "", hosts = ["web1", "web2"], others: readonly string[] = []) => ({
    hosts: Object.fromEntries(hosts.map((host) => [host, path(host, digit)])),
    others,
    commit: null,
    note,
  });
  return {
    folder,
    place,
    state,
    at,
    using,
    content,
    create: async (...said: Parameters<typeof content>) =>
      (await using(async (repository) => createRelease(repository, await at(), content(...said)))).release,
    change: async (action: KeyAction, folders: readonly string[] = [folder]) =>
      await using(async (repository) =>
        changeKeys(repository, await at(Date.now(), folders), action, { folders, passphrase: passphrase ?? null }),
      ),
    refresh: async (now?: number) => await using(async (repository) => refresh(repository, await at(now))),
    reads: async (release: Release) =>
      assert.deepEqual(await readRelease({ state, mirrors, release: release.id }), release),
    lists: async () => (await listReleases({ state, mirrors })).map(({ path: file }) => Number.parseInt(file, 10)),
    names: (part: string) => readdirSync(join(place, part)).sort(),
  };
}

describe("a release", () => {
  test("has the next number, and hosts read it", async () => {
    const fleet = await builder();
    const first = await fleet.create("1", "the first");
    await fleet.reads(first);
    const second = await fleet.create("2");
    await fleet.reads(second);
    await fleet.reads(first);
    assert.deepEqual([first.sequence, second.sequence], [1, 2]);
    assert.deepEqual(await fleet.lists(), [2, 1]);
  });

  test("of some hosts leaves the others of the fleet as they were, and those that are gone out", async () => {
    const fleet = await builder();
    await fleet.create("1", "", ["web1", "web2", "old"]);
    const next = await fleet.create("2", "", ["web1"], ["web1", "web2"]);
    assert.deepEqual(next.hosts, { web1: path("web1", "2"), web2: path("web2", "1") });
  });

  test("that says what the newest says is that one, unless it has a note", async () => {
    const fleet = await builder();
    const first = await fleet.create("1", "because");
    assert.deepEqual(await fleet.create("1"), first);
    assert.equal((await fleet.create("1", "again")).sequence, 2);
  });

  test("stays listed until there are newer ones as many as are kept; its file goes with it", async () => {
    const fleet = await builder({ keep: 3 });
    const first = await fleet.create("1");
    for (const digit of "2345678") await fleet.create(digit);
    assert.deepEqual(await fleet.lists(), [8, 7, 6]);
    assert.equal(fleet.names(TARGETS).length, 3);
    assert.ok(fleet.names(METADATA).length < 13, fleet.names(METADATA).join());
    await assert.rejects(
      fleet.reads(first),
      (error) => error instanceof ReleaseError && error.kind === "noSuchRelease",
    );
  });

  test("of two builders at once has a number of its own", async () => {
    const fleet = await builder();
    const made = await Promise.all(["1", "2", "3"].map((digit) => fleet.create(digit)));
    assert.deepEqual(made.map(({ sequence }) => sequence).sort(), [1, 2, 3]);
    assert.deepEqual(await fleet.lists(), [3, 2, 1]);
  });
});

describe("keys", () => {
  for (const role of ROLES) {
    test(`of the ${role} are replaced for real: hosts follow, and the old key signs nothing more`, async () => {
      const fleet = await builder();
      const first = await fleet.create("1");
      await fleet.reads(first);
      const stolen = await readKeys([fleet.folder], null);
      const { added, removed } = await fleet.change({ kind: "rotate", role });
      assert.deepEqual([added.length, removed.length], [1, 1]);
      await fleet.reads(first);
      await fleet.reads(await fleet.create("2"));
      assert.deepEqual(
        readdirSync(fleet.folder).filter((name) => name.endsWith(".retired")).length,
        1,
        "the old key's file is put aside",
      );
      await assert.rejects(
        fleet.using(async (repository) =>
          role === "root"
            ? changeKeys(
                repository,
                { ...(await fleet.at()), keys: stolen },
                { kind: "add", role: "root" },
                { folders: [], passphrase: null },
              )
            : createRelease(repository, { ...(await fleet.at()), keys: stolen }, fleet.content("3")),
        ),
        new RegExp(`${role} wants 1 signatures, and 0`),
      );
      assert.deepEqual(await fleet.lists(), [2, 1]);
    });
  }

  test("are wanted in the number that the threshold says, wherever their files are; what is revoked counts no more", async () => {
    const fleet = await builder({ counts: { root: 3, targets: 3 }, thresholds: { root: 2, targets: 2 } });
    const first = await fleet.create("1");
    const stick = join(scratch, `${count++}`);
    await mkdir(stick);
    const roots = readdirSync(fleet.folder).filter((name) => /^root-.*\.pem$/.test(name));
    for (const name of roots.slice(1)) renameSync(join(fleet.folder, name), join(stick, name));
    const targets = readdirSync(fleet.folder).filter((name) => name.startsWith("targets-"));
    const key = /-(\w{8})/.exec(targets[0] ?? "")?.[1] ?? "";
    await assert.rejects(fleet.change({ kind: "revoke", key }), /root wants 2 signatures, and 1/);
    await fleet.reads(first);
    await fleet.change({ kind: "revoke", key }, [fleet.folder, stick]);
    const second = await fleet.create("2");
    await fleet.reads(second);
    const other = /-(\w{8})/.exec(targets[1] ?? "")?.[1] ?? "";
    await assert.rejects(
      fleet.change({ kind: "revoke", key: other }, [fleet.folder, stick]),
      /targets would have 1 keys, and want 2/,
    );
    await fleet.change({ kind: "add", role: "targets" }, [fleet.folder, stick]);
    await fleet.change({ kind: "revoke", key: other }, [fleet.folder, stick]);
    await fleet.change({ kind: "rotate", role: "root" }, [fleet.folder, stick]);
    await fleet.reads(await fleet.create("3"));
    await fleet.change({ kind: "threshold", role: "targets", threshold: 1 });
    await fleet.reads(await fleet.create("4"));
  });

  test("are files that only their owner reads, and open with the passphrase alone", async () => {
    const fleet = await builder({ passphrase: "correct horse" });
    await fleet.reads(await fleet.create("1"));
    const files = readdirSync(fleet.folder).filter((name) => name.endsWith(".pem"));
    assert.equal(files.length, 4);
    for (const name of files) {
      const file = join(fleet.folder, name);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.match(readFileSync(file, "utf8"), /BEGIN ENCRYPTED PRIVATE KEY/);
    }
    assert.equal(statSync(fleet.folder).mode & 0o777, 0o700);
    for (const wrong of [null, "battery staple"]) await assert.rejects(readKeys([fleet.folder], wrong), /passphrase/);
    chmodSync(join(fleet.folder, files[0] ?? ""), 0o640);
    await assert.rejects(readKeys([fleet.folder], "correct horse"), /others can read/);
  });

  test("are made once: a folder that has some is left alone, and a threshold that nobody could meet refused", async () => {
    const fleet = await builder();
    const before = readdirSync(fleet.folder);
    const again = {
      folder: fleet.folder,
      settings: { version: 1 as const, repository: null, ...DEFAULTS },
      passphrase: null,
      now: 0,
    };
    await assert.rejects(newKeyFolder({ ...again, counts: one, thresholds: one }), /holds something/);
    assert.deepEqual(readdirSync(fleet.folder), before);
    const elsewhere = join(scratch, `${count++}`);
    await assert.rejects(
      newKeyFolder({ ...again, folder: elsewhere, counts: one, thresholds: { ...one, targets: 2 } }),
      /nothing could be signed/,
    );
    assert.ok(!existsSync(elsewhere));
  });
});

describe("time", () => {
  test("has signatures renewed when half of it is over, the timestamp always, the others as far as their keys are here", async () => {
    const fleet = await builder();
    await fleet.create("1");
    const versions = () => fleet.names(METADATA).filter((name) => /^\d/.test(name));
    const soon = await fleet.refresh(Date.now() + DAY);
    assert.deepEqual(versions(), ["1.root.json", "1.snapshot.json", "1.targets.json"]);
    assert.ok(Date.parse(soon.expires.timestamp) > Date.now() + 14 * DAY);
    await fleet.refresh(Date.now() + 60 * DAY);
    assert.deepEqual(versions(), ["1.root.json", "1.snapshot.json", "1.targets.json", "2.snapshot.json"]);
    for (const name of readdirSync(fleet.folder)) {
      if (/^(root|targets)-.*pem$/.test(name)) renameSync(join(fleet.folder, name), join(scratch, name));
    }
    await fleet.refresh(Date.now() + 400 * DAY);
    assert.ok(!versions().includes("2.root.json") && !versions().includes("2.targets.json"));
    for (const name of readdirSync(scratch)) {
      if (/^(root|targets)-.*pem$/.test(name)) renameSync(join(scratch, name), join(fleet.folder, name));
    }
    await fleet.refresh(Date.now() + 400 * DAY);
    assert.ok(versions().includes("2.root.json") && versions().includes("2.targets.json"));
    assert.deepEqual(await fleet.lists(), [1]);
  });
});

describe("a builder", () => {
  const STEPS: readonly (readonly [
    string,
    (fleet: Awaited<ReturnType<typeof builder>>, repository: Repository) => Promise<unknown>,
  ])[] = [
    ["a release", async (fleet, repository) => createRelease(repository, await fleet.at(), fleet.content("2"))],
    ...ROLES.map(
      (role) =>
        [
          `other ${role} keys`,
          async (fleet: Awaited<ReturnType<typeof builder>>, repository: Repository) =>
            changeKeys(
              repository,
              await fleet.at(),
              { kind: "rotate", role },
              { folders: [fleet.folder], passphrase: null },
            ),
        ] as const,
    ),
  ];
  for (const [what, step] of STEPS) {
    test(`killed at any file of ${what} leaves what hosts can read, or bring in order by a refresh; no version is signed twice`, async () => {
      for (let allowed = 0, killed = true; killed; allowed++) {
        killed = false;
        const fleet = await builder();
        const first = await fleet.create("1");
        await fleet.reads(first);
        const seen = new Map<string, string>();
        const note = () => {
          for (const name of fleet.names(METADATA).filter((one) => /^\d/.test(one))) {
            const text = readFileSync(join(fleet.place, METADATA, name), "utf8");
            assert.equal(seen.get(name) ?? text, text, name);
            seen.set(name, text);
          }
        };
        await fleet.using(async (repository) => {
          let left = allowed;
          const add: Repository["add"] = async (files) => {
            for await (const file of files) {
              if (left-- <= 0) {
                killed = true;
                throw new Error("killed");
              }
              await repository.add(only(file));
            }
          };
          await step(fleet, { ...repository, add }).catch((error: Error) => assert.equal(error.message, "killed"));
        });
        note();
        // New root keys, and an old timestamp: nothing is believed, and nothing is lost.
        await fleet.reads(first).catch((error) => assert.ok(killed && error.kind === "notSigned", error.text));
        await fleet.refresh();
        note();
        await fleet.reads(first);
        const next = await fleet.create("3");
        note();
        await fleet.reads(next);
        assert.ok(next.sequence > 1);
      }
    });
  }

  test("goes on where the repository is lost, or is an old copy, and hosts follow", async () => {
    const fleet = await builder();
    await fleet.create("1");
    await fleet.change({ kind: "rotate", role: "root" });
    await fleet.change({ kind: "rotate", role: "timestamp" });
    const third = await fleet.create("2");
    await fleet.reads(third);
    rmSync(fleet.place, { recursive: true });
    await fleet.refresh();
    assert.deepEqual(await fleet.lists(), []);
    const next = await fleet.create("3");
    await fleet.reads(next);
    assert.equal(next.sequence, 3, "no number is given twice");
    await cp(fleet.place, `${fleet.place}.old`, { recursive: true });
    await fleet.create("4");
    const newest = await fleet.create("5");
    await fleet.reads(newest);
    rmSync(fleet.place, { recursive: true });
    renameSync(`${fleet.place}.old`, fleet.place);
    const after = await fleet.create("6");
    await fleet.reads(after);
    assert.deepEqual(await fleet.lists(), [6, 3]);
    // A host that has never seen any of it follows the roots from the first one.
    const state = join(scratch, `${count++}`);
    await startTrust({ state, root: readFileSync(join(fleet.place, METADATA, "1.root.json")) });
    assert.deepEqual(
      await readRelease({ state, mirrors: [pathToFileURL(fleet.place).href], release: after.id }),
      after,
    );
  });

  test("signs nothing that somebody else has put into the repository", async () => {
    const fleet = await builder();
    await fleet.create("1");
    const stranger = new SignedRepository(fleet.place);
    const others = keys();
    stranger.all([], 9, others);
    const second = await fleet.create("2");
    await fleet.reads(second);
    assert.deepEqual(await fleet.lists(), [2, 1]);
    assert.ok(fleet.names(METADATA).includes("2.targets.json"));
    stranger.root(others, { version: 2, by: others.root });
    await assert.rejects(fleet.create("3"), /not signed by the root before it/);
    stranger.root(others, { version: 1, by: others.root });
    await assert.rejects(fleet.create("3"), /other keys have signed/);
  });

  test("with a clone of the key folder goes on from what another has done", async () => {
    const fleet = await builder();
    await fleet.create("1");
    const clone = join(scratch, `${count++}`);
    await mkdir(clone);
    for (const name of readdirSync(fleet.folder).filter((one) => one !== "trust")) {
      await cp(join(fleet.folder, name), join(clone, name), { recursive: true });
    }
    await fleet.change({ kind: "rotate", role: "snapshot" });
    const made = await fleet.using(async (repository) =>
      createRelease(
        repository,
        {
          keyFolder: await openKeyFolder(clone),
          keys: [...(await readKeys([clone], null)), ...(await readKeys([fleet.folder], null))],
          now: Date.now(),
        },
        fleet.content("2"),
      ),
    );
    await fleet.reads(made.release);
    assert.deepEqual(readdirSync(join(clone, "roots")).sort(), ["1.root.json", "2.root.json"]);
  });
});

async function* only<T>(item: T): AsyncGenerator<T> {
  yield item;
}
