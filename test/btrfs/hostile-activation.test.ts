/** What a user plants in his home on the persist root, and changes there while root activates, as that user. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { quoted, run } from "../../src/local/process.ts";
import type { PersistenceEntry } from "../../src/plan/persistence-plan.ts";
import { visibleName } from "../../src/visible.ts";
import { ALICE, activate, entry, freshRoot, type Root } from "./activation-root.ts";

const OWNED = { user: "alice", group: "alice" };
const ENTRIES = [
  ...["a", "b/deep", "c/deep", "d"].map((name) => entry("directory", `/home/alice/${name}`, "bind", OWNED)),
  entry("directory", "/home/alice/e", "symlink", OWNED),
  entry("file", "/home/alice/f/file", "bind", OWNED),
  entry("file", "/home/alice/g/file", "symlink", OWNED),
];
const KEYS = "alice /persist/home/alice/.keys";

/** A persist root that holds things of root's, beside a home that its user has to himself. */
async function rootWithSecrets(further: readonly PersistenceEntry[] = []): Promise<Root> {
  const root = await freshRoot([...ENTRIES, ...further]);
  const secrets = join(root.path, "persist/secrets");
  mkdirSync(join(secrets, "folder/deep"), { recursive: true });
  mkdirSync(join(root.path, "persist/var")); // a parent of the harness's plan
  const numbered = Array.from({ length: 300 }, (_, i) => `folder/${i}`);
  for (const name of ["file", "folder/file", "folder/deep/file", ...numbered]) {
    writeFileSync(join(secrets, name), "root's");
  }
  chmodSync(join(secrets, "file"), 0o600);
  for (const home of ["home/alice", "persist/home/alice"]) {
    mkdirSync(join(root.path, home), { recursive: true });
    chownSync(join(root.path, home), ALICE, ALICE);
  }
  chmodSync(root.scratch, 0o755);
  return root;
}

/** Everything outside of the home: names, owners, modes, kinds and contents. */
async function outside(root: Root): Promise<string> {
  const script = `cd ${quoted(join(root.path, "persist"))} && find . \\( -path ./home/alice -o -path ./.nixfleet \\) -prune -o -printf '%p %U:%G %m %y %l\\n' |
    sort && find secrets -type f -exec cat {} +`;
  return run("sh", ["-c", script]);
}

/** As the host will see them. */
async function mountsBelow({ path }: Root): Promise<readonly string[]> {
  const targets = await run("findmnt", ["--list", "--noheadings", "--output", "TARGET"]);
  return targets
    .split("\n")
    .filter((target) => target.startsWith(`${path}/`))
    .map((target) => target.slice(path.length))
    .sort();
}

function asAlice(root: Root, script: string): readonly string[] {
  const id = String(ALICE);
  const command = `cd ${quoted(join(root.path, "persist/home/alice"))} && ${script}`;
  return ["--reuid", id, "--regid", id, "--clear-groups", "--", "sh", "-c", command];
}

const planted: readonly (readonly [what: string, script: string])[] = [
  ["links in place of entries", "ln -s ../../secrets/folder a; ln -s ../../secrets/folder d; ln -s ../../secrets e"],
  ["links above entries", "for name in b c f g; do ln -s ../../secrets/folder $name; done"],
  ["absolute links", 'for name in a b c d e f g .keys; do ln -s "$PWD/../../secrets/folder" $name; done'],
  ["pipes", "mkdir b f g .keys; mkfifo a b/deep c d e f/file g/file .keys/pipe"],
  [
    "other names of root's files",
    "mkdir f g .keys; for to in f/file g/file .keys/key; do ln ../../secrets/folder/file $to || :; done",
  ],
  ["links in .keys", "mkdir -p .keys/x; ln -s ../../../secrets .keys/out; ln -s ../../../../secrets/file .keys/x/file"],
];

for (const [what, script] of planted) {
  test(`activation leaves all outside a home as it is, whatever its user planted there: ${what}`, async () => {
    await using root = await rootWithSecrets();
    await run("setpriv", asAlice(root, script));
    const before = await outside(root);
    activate(root, { KEYS });
    assert.equal(await outside(root), before);
  });
}

test("no link of a user's is followed to mount: not to show him what is another's, nor to put his over what is root's", async () => {
  const name = "/home/alice/with space, # and \\";
  const inner = "/home/alice/d/inner";
  const within = { path: "/home/alice/d", persistRoot: "/persist" };
  const nested = { ...OWNED, source: `/other${inner}`, persistRoot: "/other", within };
  await using root = await rootWithSecrets([
    entry("directory", name, "bind", OWNED),
    entry("directory", inner, "bind", nested),
    entry("directory", "/srv/linked", "bind"),
  ]);
  const place = (path: string) => join(root.path, path);
  for (const made of ["etc/deep", "other/home/alice/d/inner", "persist/bob", "persist/real", "persist/srv"]) {
    mkdirSync(place(made), { recursive: true });
  }
  await run("setpriv", asAlice(root, `ln -s ../../bob a && ln -s / ${quoted(join(".", name.slice(12)))}`));
  await run("setpriv", asAlice(root, "mkdir -p b/deep d && ln -s ../../../../etc d/inner"));
  // As where the root is that of the boot before.
  await run("setpriv", asAlice(root, "ln -s ../../etc ../../../home/alice/b"));
  symlinkSync("../real", place("persist/srv/linked")); // root's own
  const { report } = activate(root);
  const mounted = await mountsBelow(root);
  assert.deepEqual(mounted, ["/home/alice/d", "/srv/linked", "/usr"]);
  for (const path of ["/home/alice/a", "/home/alice/b/deep", name, inner]) {
    assert.ok(
      report.problems.some((it: string) => it.startsWith(`${visibleName(path)} is not placed: `)),
      path,
    );
  }
});

test("folders that become links while activation runs lead it nowhere", async () => {
  await using root = await rootWithSecrets();
  await run("setpriv", asAlice(root, "mkdir -p .keys/swapped b c f g"));
  const keys = quoted(join(root.path, "persist/home/alice/.keys/swapped"));
  activate(root, { KEYS });
  const before = await outside(root);
  // A shell would be too slow to be met.
  const swap = `exec perl -e 'while (1) { for (@ARGV) {
    rename $_, "$_.kept"; symlink "$ENV{PWD}/../../secrets/folder", $_; select undef, undef, undef, 0.0005;
    unlink $_; rename "$_.kept", $_; select undef, undef, undef, 0.0005;
  } }' .keys/swapped b c f g`;
  const swapping = spawn("setpriv", ["--pdeathsig", "KILL", ...asAlice(root, swap)], { stdio: "ignore" });
  try {
    for (let round = 0; round < 20; round++) {
      // Files of root's among the keys, for there to be something to give, called as those in the folder it should miss.
      await run("sh", ["-c", `cd -P ${keys} && [ "$PWD" = ${keys} ] && touch $(seq 0 299)`]).catch(() => {});
      rmSync(join(root.path, "persist/.nixfleet/keys-given"), { recursive: true });
      activate(root, { KEYS });
    }
  } finally {
    swapping.kill("SIGKILL");
    await once(swapping, "close");
  }
  assert.equal(await outside(root), before);
});
