/** A host reads releases from servers that are hostile, with the answers that TUF 1.0 wants. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { METADATA, TARGETS } from "../../src/release/paths.ts";
import { followRoot, ReleaseError, type ReleaseErrorKind, readRelease, startTrust } from "../../src/release/read.ts";
import type { Release } from "../../src/wire/release.ts";
import { type Answer, mirror } from "../content/mirror.ts";
import { aRelease, type Keys, keys, SignedRepository } from "./signed-repository.ts";

const scratch = mkdtempSync(join(tmpdir(), "nixfleet-release-"));
after(() => rmSync(scratch, { recursive: true }));
let count = 0;
const folder = () => join(scratch, `${count++}`);

const one = aRelease(1);
const two = aRelease(2);
/** For servers that would keep a host waiting. */
const IMPATIENT = { silence: 1000, whole: 3000 };

/** A fleet with releases 1 and 2, and a host that has read number 2. */
async function fleet(made: Keys = keys(), thresholds = {}) {
  const repository = new SignedRepository(folder());
  const root = repository.root(made, { version: 1, by: made.root }, thresholds);
  repository.all([one], 1, made);
  await mkdir(folder());
  const before = new SignedRepository(folder());
  await cp(repository.folder, before.folder, { recursive: true });
  repository.all([one, two], 2, made);
  const state = folder();
  await startTrust({ state, root });
  const read = (release: string, ...mirrors: readonly string[]) =>
    readRelease({ state, release, mirrors: mirrors.length > 0 ? mirrors : [pathToFileURL(repository.folder).href] });
  return {
    keys: made,
    repository,
    before,
    root,
    state,
    read,
    url: (of: SignedRepository) => pathToFileURL(of.folder).href,
  };
}

function is(kind: ReleaseErrorKind) {
  return (error: unknown) => {
    assert.ok(error instanceof ReleaseError, String(error));
    assert.equal(error.kind, kind, error.text);
    return true;
  };
}

describe("a host", () => {
  test("reads any release that is listed, over the web too", async () => {
    const { read, repository } = await fleet();
    await using site = await mirror(repository.folder);
    assert.deepEqual(await read(two.id, `${site.url}/`), two);
    assert.deepEqual(await read(one.id, site.url), one);
    assert.deepEqual(await read(one.id), one);
  });

  test("knows no release that was never signed", async () => {
    const { read } = await fleet();
    await assert.rejects(read(aRelease(3).id), is("noSuchRelease"));
  });

  test("asks each mirror, and says of each what is wrong with it", async () => {
    const { read, repository, before, url } = await fleet();
    await using site = await mirror(repository.folder, (_, response) => {
      response.writeHead(500).end();
      return true;
    });
    assert.deepEqual(await read(two.id, "http://127.0.0.1:1", site.url, url(before), url(repository)), two);
    await assert.rejects(read(two.id, "http://127.0.0.1:1", site.url, url(before)), (error) => {
      is("rollback")(error);
      assert.match((error as ReleaseError).text, /ECONNREFUSED/);
      assert.match((error as ReleaseError).text, /500/);
      return true;
    });
  });

  test("reads no release where nothing says which keys it trusts, and makes no folder for it", async () => {
    const { repository, url, root } = await fleet();
    const state = folder();
    await assert.rejects(readRelease({ state, mirrors: [url(repository)], release: one.id }), is("noTrust"));
    await assert.rejects(followRoot({ state, root }), is("noTrust"));
    assert.ok(!readdirSync(scratch).includes(state.slice(scratch.length + 1)));
  });
});

describe("a server that has no keys", () => {
  const LIES: Readonly<Record<string, readonly [ReleaseErrorKind, Answer]>> = {
    "never ends its root": ["wrongContent", endless("2.root.json")],
    "never ends its timestamp": ["wrongContent", endless("timestamp.json")],
    "never ends its snapshot": ["wrongContent", endless("snapshot.json")],
    "never ends its targets": ["wrongContent", endless("targets.json")],
    "never ends a release": ["wrongContent", endless(".2.json")],
    "cuts a release off": ["unreachable", cut(".2.json")],
    "says that half a release is the whole": ["wrongContent", half(".2.json")],
    "says that half its targets are the whole": ["wrongContent", half("targets.json")],
    "leads elsewhere": [
      "unreachable",
      (path, response) => {
        response.writeHead(302, { location: `http://127.0.0.1:1/${path}` }).end();
        return true;
      },
    ],
    "has a page for whatever it lacks": [
      "wrongContent",
      (path, response) => {
        if (!path.endsWith("2.root.json")) return false;
        response.end("<html>Welcome</html>");
        return true;
      },
    ],
    "has no snapshot": ["unreachable", missing("2.snapshot.json")],
    "has none of its releases": ["unreachable", missing(".2.json")],
    "flips a bit in a release": ["wrongContent", flipped(".2.json")],
    "flips a bit in its timestamp": ["notSigned", flipped("timestamp.json")],
  };
  for (const [what, [kind, answer]] of Object.entries(LIES)) {
    test(`that ${what} costs an error, and the next mirror is asked`, async () => {
      const { read, repository, url } = await fleet();
      await using site = await mirror(repository.folder, answer);
      await assert.rejects(read(two.id, site.url), is(kind));
      assert.deepEqual(await read(two.id, site.url, url(repository)), two);
    });
  }

  const WAITS: Readonly<Record<string, Answer>> = {
    "never answers": () => true,
    "sends a byte now and then": (_, response) => {
      const ticking = setInterval(() => response.write(" "), 100);
      response.on("close", () => clearInterval(ticking));
      return true;
    },
  };
  for (const [what, answer] of Object.entries(WAITS)) {
    test(`that ${what} is given up`, async () => {
      const { state, repository } = await fleet();
      await using site = await mirror(repository.folder, answer);
      await assert.rejects(
        readRelease({ state, mirrors: [site.url], release: two.id, patience: IMPATIENT }),
        is("unreachable"),
      );
    });
  }

  test("cannot bring back what was there before the newest that the host has seen", async () => {
    const { read, before, url } = await fleet();
    await read(one.id);
    await assert.rejects(read(one.id, url(before)), is("rollback"));
  });

  test("cannot mix an old snapshot or old targets with a new timestamp", async () => {
    const { read, repository, before } = await fleet();
    for (const name of ["snapshot", "targets"]) {
      const place = `${METADATA}/2.${name}.json`;
      const now = repository.read(place);
      repository.write(place, before.read(`${METADATA}/1.${name}.json`));
      await assert.rejects(read(one.id), is("wrongContent"));
      repository.write(place, now);
    }
    assert.deepEqual(await read(one.id), one);
  });

  test("cannot give one release for another", async () => {
    const { read, repository } = await fleet();
    const [from = "", to = ""] = [".1.json", ".2.json"].map((end) =>
      readdirSync(join(repository.folder, TARGETS)).find((name) => name.endsWith(end)),
    );
    repository.write(`${TARGETS}/${to}`, repository.read(`${TARGETS}/${from}`));
    await assert.rejects(read(two.id), is("wrongContent"));
  });

  test("cannot freeze a host for longer than its timestamp is good", async () => {
    const { read, repository, keys: made } = await fleet();
    repository.all([one, two], 3, made, { timestamp: -1 });
    await assert.rejects(read(two.id), is("expired"));
    repository.all([one, two], 4, made, { snapshot: -1 });
    await assert.rejects(read(two.id), is("expired"));
    repository.all([one, two], 5, made, { targets: -1 });
    await assert.rejects(read(two.id), is("expired"));
    repository.all([one, two], 6, made);
    assert.deepEqual(await read(two.id), two);
  });
});

describe("who has some keys", () => {
  test("signs nothing without all that are wanted", async () => {
    const made = keys({ targets: 3 });
    const { read, repository } = await fleet(made, { targets: 2 });
    await read(two.id);
    const [first] = made.targets;
    assert.ok(first);
    const targets = repository.targets([aRelease(3)], { version: 3, by: [first] });
    const snapshot = repository.snapshot({ version: 3, text: targets }, { version: 3, by: made.snapshot });
    repository.timestamp({ version: 3, text: snapshot }, { version: 3, by: made.timestamp });
    await assert.rejects(read(aRelease(3).id), is("notSigned"));
    // Twice the same key is one key.
    const twice = JSON.parse(targets.toString());
    twice.signatures.push(twice.signatures[0]);
    const text = Buffer.from(JSON.stringify(twice));
    repository.write(`${METADATA}/3.targets.json`, text);
    const other = repository.snapshot({ version: 3, text }, { version: 4, by: made.snapshot });
    repository.timestamp({ version: 4, text: other }, { version: 4, by: made.timestamp });
    await assert.rejects(read(aRelease(3).id), is("wrongContent"));
  });

  test("of the timestamp and the snapshot lists no release of its own", async () => {
    const { read, repository, keys: made } = await fleet();
    repository.all([aRelease(3)], 3, { ...keys(), snapshot: made.snapshot, timestamp: made.timestamp });
    await assert.rejects(read(aRelease(3).id), is("notSigned"));
  });

  test("of the targets lists what is no release in vain: another name, another number, another form", async () => {
    const { read, repository, keys: made } = await fleet();
    const three = aRelease(3);
    const told: readonly (readonly [Release, string])[] = [
      [three, JSON.stringify({ ...three, hosts: two.hosts })],
      [three, JSON.stringify(two)],
      [{ ...three, sequence: 9 }, JSON.stringify(three)],
      [three, JSON.stringify({ ...three, extra: true })],
      [three, "[]"],
      [three, "no JSON"],
    ];
    for (const [index, [listed, text]] of told.entries()) {
      const version = 3 + index;
      const targets = repository.targets([listed], { version, by: made.targets }, new Map([[three.id, text]]));
      const snapshot = repository.snapshot({ version, text: targets }, { version, by: made.snapshot });
      repository.timestamp({ version, text: snapshot }, { version, by: made.timestamp });
      await assert.rejects(read(three.id), is("wrongContent"));
    }
  });
});

describe("new keys", () => {
  test("are believed when enough of the old and of the new root keys have signed them; revoked ones no more", async () => {
    const { read, repository, keys: old } = await fleet();
    await read(two.id);
    const now = keys();
    repository.root(now, { version: 2, by: [...old.root, ...now.root] });
    repository.all([one, two, aRelease(3)], 3, now);
    assert.deepEqual(await read(aRelease(3).id), aRelease(3));
    repository.all([aRelease(4)], 4, old);
    await assert.rejects(read(aRelease(4).id), is("notSigned"));
  });

  test("are not believed without the old ones, without themselves, or below the threshold", async () => {
    const old = keys({ root: 3 });
    const { read, repository } = await fleet(old, { root: 2 });
    const [a, b, c] = old.root;
    assert.ok(a && b && c);
    const now = keys({ root: 2 });
    for (const by of [now.root, [a, ...now.root], [a, b]]) {
      repository.root(now, { version: 2, by }, { root: 2 });
      await assert.rejects(read(two.id), is("notSigned"));
    }
    // Keys removed until the threshold cannot be met any more.
    repository.root({ ...old, targets: [] }, { version: 2, by: [a, b] }, { root: 2 });
    await assert.rejects(read(two.id), is("notSigned"));
  });

  test("skip no version, and none comes back", async () => {
    const { read, repository, keys: made } = await fleet();
    const text = repository.root(made, { version: 3, by: made.root });
    repository.write(`${METADATA}/2.root.json`, text);
    await assert.rejects(read(two.id), is("wrongContent"));
    repository.write(`${METADATA}/2.root.json`, repository.read(`${METADATA}/1.root.json`));
    await assert.rejects(read(two.id), is("rollback"));
  });

  test("bring a host through many versions at once, and expired ones between", async () => {
    const { read, repository, keys: first } = await fleet();
    let before = first;
    for (const version of [2, 3, 4, 5]) {
      const now = keys();
      repository.root(now, { version, by: [...before.root, ...now.root], days: version === 5 ? 365 : -1 });
      before = now;
    }
    repository.all([one, two], 3, before);
    assert.deepEqual(await read(two.id), two);
    const last = keys();
    repository.root(last, { version: 6, by: [...before.root, ...last.root], days: -1 });
    repository.all([one, two], 4, last);
    await assert.rejects(read(two.id), is("expired"));
  });

  for (const stolen of [["timestamp"], ["timestamp", "snapshot"]] as const) {
    test(`recover a host that a thief of the ${stolen.join(" and ")} keys has brought forward by many versions`, async () => {
      const { read, repository, keys: old } = await fleet();
      await read(two.id);
      const targets = { version: 2, text: repository.read(`${METADATA}/2.targets.json`) };
      const version = 1_000_000;
      const snapshot =
        stolen.length === 2
          ? { version, text: repository.snapshot(targets, { version, by: old.snapshot }) }
          : { version: 2, text: repository.read(`${METADATA}/2.snapshot.json`) };
      repository.timestamp(snapshot, { version, by: old.timestamp });
      await read(two.id);
      repository.all([one, two], 3, old);
      await assert.rejects(read(two.id), is("rollback"));
      const now = keys();
      const replaced = { ...old, ...Object.fromEntries(stolen.map((role) => [role, now[role]])) };
      repository.root(replaced, { version: 2, by: old.root });
      repository.all([one, two, aRelease(3)], 3, replaced);
      assert.deepEqual(await read(aRelease(3).id), aRelease(3));
      // And the memory holds again.
      const text = repository.read(`${METADATA}/3.snapshot.json`);
      repository.timestamp({ version: 3, text }, { version: 2, by: replaced.timestamp });
      await assert.rejects(read(two.id), is("rollback"));
    });
  }

  test("of the snapshot alone recover it too, although the timestamp keeps its key", async () => {
    const { read, repository, keys: old } = await fleet();
    const targets = { version: 2, text: repository.read(`${METADATA}/2.targets.json`) };
    const version = 1_000_000;
    const text = repository.snapshot(targets, { version, by: old.snapshot });
    repository.timestamp({ version, text }, { version: 3, by: old.timestamp });
    await read(two.id);
    const replaced = { ...old, snapshot: keys().snapshot };
    repository.root(replaced, { version: 2, by: old.root });
    repository.all([one, two], 4, replaced);
    assert.deepEqual(await read(two.id), two);
  });
});

describe("what a host remembers", () => {
  test("is refused where it is damaged, in whatever way, and not replaced", async () => {
    const { read, state, root } = await fleet();
    await read(two.id);
    const file = join(state, "trust");
    const good = readFileSync(file);
    const damages: readonly Uint8Array[] = [
      Buffer.alloc(0),
      good.subarray(0, good.length - 1),
      Buffer.concat([good, Buffer.from(" ")]),
      Buffer.alloc(good.length),
      Buffer.from(good.toString().replace("version", "Version")),
    ];
    for (const damage of damages) {
      writeFileSync(file, damage);
      await assert.rejects(read(two.id), is("damagedTrust"));
      for (const say of [startTrust, followRoot]) await assert.rejects(say({ state, root }), is("damagedTrust"));
      assert.deepEqual(readFileSync(file), Buffer.from(damage));
    }
    writeFileSync(file, good);
    assert.deepEqual(await read(two.id), two);
  });

  test("begins with a closure's root, once, and only with one that is signed by itself", async () => {
    const { root, keys: made, repository } = await fleet();
    const state = folder();
    const unsigned = repository.root(made, { version: 1, by: keys().root });
    for (const bad of [unsigned, Buffer.from("{}"), Buffer.from("")]) {
      await assert.rejects(startTrust({ state, root: bad }), is("notSigned"));
    }
    assert.deepEqual(await startTrust({ state, root }), { kind: "started", version: 1 });
    assert.deepEqual(await startTrust({ state, root }), { kind: "kept", version: 1 });
  });

  test("stays when a closure names an older root, or one several versions newer, and moves on to the next if it is signed", async () => {
    const { root, keys: made, repository, state, read } = await fleet();
    await read(two.id);
    const now = keys();
    const stranger = new SignedRepository(folder());
    const others = keys();
    await assert.rejects(
      followRoot({ state, root: stranger.root(others, { version: 1, by: others.root }) }),
      is("otherRoot"),
    );
    await assert.rejects(
      followRoot({ state, root: stranger.root(others, { version: 2, by: others.root }) }),
      is("otherRoot"),
    );
    assert.deepEqual(await followRoot({ state, root: stranger.root(others, { version: 3, by: others.root }) }), {
      kind: "kept",
      version: 1,
    });
    assert.deepEqual(await read(two.id), two);
    const next = repository.root(now, { version: 2, by: [...made.root, ...now.root] });
    assert.deepEqual(await followRoot({ state, root: next }), { kind: "advanced", version: 2 });
    assert.deepEqual(await followRoot({ state, root }), { kind: "kept", version: 2 });
    repository.all([one, two], 3, made);
    await assert.rejects(read(two.id), is("notSigned"));
    repository.all([one, two], 3, now);
    assert.deepEqual(await read(two.id), two);
  });
});

function endless(end: string): Answer {
  return (path, response) => {
    if (!path.endsWith(end)) return false;
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, 32)));
      if (!response.destroyed) response.once("drain", more);
    };
    more();
    return true;
  };
}

function cut(end: string): Answer {
  return (path, response, content) => {
    if (!path.endsWith(end)) return false;
    const bytes = content();
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, bytes.length - 5), () => response.destroy());
    return true;
  };
}

function half(end: string): Answer {
  return changed(end, (bytes) => bytes.subarray(0, bytes.length >> 1));
}

function flipped(end: string): Answer {
  return changed(end, (bytes) => Buffer.from(bytes.toString().replace(/\d/, (digit) => `${(Number(digit) + 1) % 10}`)));
}

function missing(end: string): Answer {
  return (path, response) => {
    if (!path.endsWith(end)) return false;
    response.writeHead(404).end();
    return true;
  };
}

function changed(end: string, change: (bytes: Buffer) => Buffer): Answer {
  return (path, response, content) => {
    if (!path.endsWith(end)) return false;
    response.end(change(content()));
    return true;
  };
}
