/** Hosts pull what was published from web servers, of which some are hostile. Stores are on real btrfs. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Closure } from "../../src/closure/closure.ts";
import { CONTENTS_PROGRAM, objectDifferences } from "../../src/closure/store/digest.ts";
import { CommandError, run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { PULL_FILES } from "../../src/payload/host/generations.ts";
import { filesystem } from "../btrfs/wipe-filesystem.ts";
import { LARGE, nameOf, packagesOf, published, testClosure } from "./closures.ts";
import { type Answer, type Mirror, mirror } from "./mirror.ts";

describe("nixfleet pull", () => {
  test("brings a closure and its packages, all as they were built", async () => {
    await using fleet = await testFleet();
    await using site = await mirror(fleet.repository);
    await fleet.pull(fleet.second, site);
    await fleet.isThere(fleet.second);
    assert.deepEqual(readdirSync(join(fleet.nix, "nixfleet")).sort(), ["locks", "whole"]);
  });

  test("asks only for what changed, where the host has the one before it, and nothing where it has it all", async () => {
    await using fleet = await testFleet();
    await using site = await mirror(fleet.repository);
    await fleet.pull(fleet.first, site);
    const first = site.sent;
    site.asked.length = 0;
    await fleet.pull(fleet.second, site);
    await fleet.isThere(fleet.second);
    assert.ok(site.asked.length <= 6, site.asked.join());
    assert.ok(site.sent - first < first / 20, `${site.sent - first} of ${first} bytes`);
    site.asked.length = 0;
    await fleet.pull(fleet.second, site);
    assert.deepEqual(site.asked, []);
  });

  test("equal files of generations share what they take", async () => {
    await using fleet = await testFleet();
    await using site = await mirror(fleet.repository);
    await fleet.pull(fleet.first, site);
    await run("sync", ["-f", fleet.nix]);
    await fleet.pull(fleet.second, site);
    await run("sync", ["-f", fleet.nix]);
    const [, , shared = ""] =
      (await run("btrfs", ["filesystem", "du", "-s", "--raw", join(fleet.nix, "store")]))
        .trim()
        .split("\n")
        .at(-1)
        ?.trim()
        .split(/\s+/) ?? [];
    assert.ok(Number(shared) >= LARGE, `${shared} bytes are shared`);
  });

  test("a damaged object is brought anew, and nothing of it is taken for good", async () => {
    await using fleet = await testFleet();
    await using site = await mirror(fleet.repository);
    await fleet.pull(fleet.first, site);
    await fleet.pull(fleet.second, site);
    // The packages of both, one of them without a trace in its times.
    await run("perl", ["-e", FLIP, join(fleet.nix, "store", packagesOf(fleet.second), "usr/large")]);
    await run("perl", ["-e", FLIP, join(fleet.nix, "store", packagesOf(fleet.first), "usr/large")]);
    await fleet.pull(fleet.second, site);
    await fleet.isThere(fleet.second);
  });

  const LIES: Readonly<Record<string, Answer>> = {
    "flips a bit in whatever it sends": (path, response, content) => {
      if (!path.endsWith(".zst")) return false;
      const bytes = content();
      const at = bytes.length >> 1;
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      response.end(bytes);
      return true;
    },
    "cuts everything off": (_, response, content) => {
      const bytes = content();
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, bytes.length - 5), () => response.destroy());
      return true;
    },
    "says that the half is the whole": (_, response, content) => {
      const bytes = content();
      response.end(bytes.subarray(0, bytes.length >> 1));
      return true;
    },
    "never ends": (path, response) => {
      if (path.includes("list")) return false;
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 1)));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
      return true;
    },
    "sends a list that never ends": (path, response) => {
      if (!path.includes("list")) return false;
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536, 1)));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
      return true;
    },
    "leads to somewhere else": (path, response) => {
      response.writeHead(302, { location: `/elsewhere/${path}` }).end("look there");
      return true;
    },
    "sends another file for each": (path, response, content) => {
      if (!path.startsWith("files/")) return false;
      response.end(Buffer.concat([content(), content()]));
      return true;
    },
    "says 200 to whatever it does not have": (_, response) => {
      response.end("<html>Welcome</html>");
      return true;
    },
    "ends each connection at once": (_, response) => {
      response.destroy();
      return true;
    },
  };
  for (const [what, lie] of Object.entries(LIES)) {
    test(`a server that ${what}: an error, or the next mirror, and never a wrong closure`, async () => {
      await using fleet = await testFleet();
      await using good = await mirror(fleet.repository);
      await using bad = await mirror(fleet.repository, (path, response, content, request) => {
        const missing = !existsSync(join(fleet.repository, path));
        return lie(path, response, () => (missing ? Buffer.from("missing") : content()), request);
      });
      const failure = await fleet.fails(fleet.second, bad);
      assert.equal(failure.exitCode, AGAIN, failure.text);
      // A runtime of a single file may have come right.
      assert.deepEqual(
        fleet.objects().filter((name) => !name.includes("-runtime-")),
        [],
      );
      await fleet.pull(fleet.second, bad, good);
      await fleet.isThere(fleet.second);
      assert.ok(!bad.asked.some((path) => path.startsWith("elsewhere")));
    });
  }

  test("a server with an old state: what it does not have yet is an error, and comes from the next one", async () => {
    await using fleet = await testFleet();
    await using old = await mirror(fleet.oldRepository);
    await using now = await mirror(fleet.repository);
    const { exitCode, text } = await fleet.fails(fleet.second, old);
    assert.equal(exitCode, AGAIN);
    assert.match(text, /no mirror has \w{32}-nixfleet-test/);
    await fleet.pull(fleet.second, old, now);
    await fleet.isThere(fleet.second);
  });

  test("what comes slower than anybody waits for is given up", { timeout: 120_000 }, async () => {
    await using fleet = await testFleet();
    await using slow = await mirror(fleet.repository, (path, response, content) => {
      if (!path.startsWith("files/")) return false;
      const bytes = content();
      let at = 0;
      const drip = setInterval(() => {
        if (response.destroyed || at >= bytes.length) return clearInterval(drip);
        response.write(bytes.subarray(at, at + 5));
        at += 5;
      }, 1000);
      return true;
    });
    await using good = await mirror(fleet.repository);
    await fleet.pull(fleet.second, slow, good);
    await fleet.isThere(fleet.second);
  });

  test("cut off at any byte it goes on, and what came is not asked for again", async () => {
    await using fleet = await testFleet();
    let left = 0;
    await using site = await mirror(fleet.repository, (path, response, content, request) => {
      if (!existsSync(join(fleet.repository, path))) return false;
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const bytes = content().subarray(start);
      const size = bytes.length + start;
      if (bytes.length === 0) return false;
      const range = { "content-range": `bytes ${start}-${size - 1}/${size}` };
      response.writeHead(start > 0 ? 206 : 200, { "content-length": bytes.length, ...(start > 0 ? range : {}) });
      const some = bytes.subarray(0, left);
      left -= some.length;
      site.sent += some.length;
      if (some.length === bytes.length) response.end(some);
      else response.write(some, () => response.destroy());
      return true;
    });
    let runs = 0;
    for (; !fleet.objects().includes(nameOf(fleet.second)); runs++) {
      assert.ok(runs < 100);
      left = 60_000;
      await fleet.pull(fleet.second, site).catch((error) => assert.equal(error.exitCode, AGAIN, String(error)));
    }
    await fleet.isThere(fleet.second);
    const { size } = await folderSize(join(fleet.repository, "files"));
    assert.ok(runs > 10 && site.sent < 1.5 * size + 60_000, `${runs} runs, ${site.sent} of ${size} bytes`);
  });

  test("two at once: the second waits, and has nothing to do", async () => {
    await using fleet = await testFleet();
    await using site = await mirror(fleet.repository);
    await Promise.all([fleet.pull(fleet.second, site), fleet.pull(fleet.second, site)]);
    await fleet.isThere(fleet.second);
    assert.equal(new Set(site.asked).size, site.asked.length);
  });

  test("without room it says so, and leaves none of it there", async () => {
    await using fleet = await testFleet();
    await using site = await mirror(fleet.repository);
    await run("dd", ["if=/dev/urandom", `of=${fleet.nix}/filling`, "bs=64k"]).catch(() => {});
    const { exitCode, text } = await fleet.fails(fleet.second, site);
    assert.equal(exitCode, 74, text);
    assert.match(text, /there is no room for \w{32}-/);
    assert.equal(existsSync(join(fleet.nix, "nixfleet/pull")), false);
    await rm(join(fleet.nix, "filling"));
    await fleet.pull(fleet.second, site);
    await fleet.isThere(fleet.second);
  });

  test("what is no closure, and no URL, is refused before anybody is asked", async () => {
    await using fleet = await testFleet();
    const name = nameOf(fleet.second);
    for (const argv of [
      ...["../x", "..", ".new-x", ".lock"].map((one) => [one, "http://127.0.0.1"]),
      [name, "--output=/etc/passwd"],
      [name, "gopher://x"],
      [name, 'http://x"'],
      [name],
    ]) {
      const { exitCode } = await fleet.failsWith(argv);
      assert.equal(exitCode, 2, argv.join(" "));
    }
  });
});

const AGAIN = 75;
/** A byte, and the times stay. */
const FLIP =
  '@s = stat $ARGV[0]; open F, "+<", $ARGV[0]; sysread F, $b, 1; seek F, 0, 0; syswrite F, $b ^ "\\1"; close F; utime @s[8, 9], $ARGV[0]';

async function testFleet() {
  const stack = new AsyncDisposableStack();
  const scratch = stack.use(await temporaryFolder());
  const disk = stack.use(await filesystem({ bare: true }));
  const nix = join(disk.top, "nix");
  await mkdir(join(nix, "store"), { recursive: true });
  const store = join(scratch.path, "store");
  const repository = join(scratch.path, "repository");
  const oldRepository = join(scratch.path, "old");
  const first = await testClosure(store, "first");
  await published(first, repository);
  await cp(repository, oldRepository, { recursive: true });
  const second = await testClosure(store, "second");
  await published(second, repository);
  const env = { NIX: nix, CONTENTS: CONTENTS_PROGRAM };
  const pullWith = (argv: readonly string[]) => run("sh", [PULL_FILES["pull.sh"] ?? "", ...argv], { env });
  const pull = (closure: Closure, ...mirrors: readonly Mirror[]) =>
    pullWith([closure.storePath, ...mirrors.map(({ url }) => url)]);
  const failsWith = async (argv: readonly string[]) => {
    const error = await pullWith(argv).then(
      () => assert.fail("it did not fail"),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof CommandError, String(error));
    return error;
  };
  const all = stack.move();
  return {
    ...{ nix, repository, oldRepository, first, second, pull, failsWith },
    fails: (closure: Closure, ...mirrors: readonly Mirror[]) =>
      failsWith([closure.storePath, ...mirrors.map(({ url }) => url)]),
    objects: () => readdirSync(join(nix, "store")),
    async isThere(closure: Closure) {
      for (const name of [nameOf(closure), packagesOf(closure)]) {
        assert.deepEqual(await objectDifferences(join(nix, "store", name), name), []);
      }
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function folderSize(folder: string): Promise<{ size: number }> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => statSync(join(folder, name)));
  return { size: files.reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0) };
}
