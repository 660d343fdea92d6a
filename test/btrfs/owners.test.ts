/** Owners and modes as systemd-tmpfiles makes them, of entries that lie in each other, on the first boot and the next. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../src/errors.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { ownersList, tmpfilesConfig } from "../../src/plan/activation.ts";
import type { PersistencePlan } from "../../src/plan/persistence-plan.ts";
import { drawnEntries, persisting } from "../nested-entries.ts";
import { planWith } from "../unit/host.ts";

const IDS: Readonly<Record<string, number>> = { root: 0, alice: 1234, bob: 1235 };

test("every entry, and every folder above, is made whose it is, and a second boot finds nothing to say", async () => {
  let made = 0;
  await fc.assert(
    fc.asyncProperty(drawnEntries, async (drawn) => {
      const plan = persisting(drawn);
      if (plan instanceof UserError) return;
      made++;
      await using root = await emptyRoot();
      for (const boot of ["first", "second"]) {
        assert.equal(create(root.path, plan), "", `${boot} boot of ${JSON.stringify(drawn)}`);
        for (const { source, ...entry } of plan.entries) {
          if (entry.kind === "directory" || entry.how === "bind")
            assert.equal(owner(root.path, source), said(entry), source);
        }
        for (const parent of plan.parents) {
          for (const on of parent.on) assert.equal(owner(root.path, on + parent.path), said(parent), on + parent.path);
        }
      }
    }),
    { numRuns: 40 },
  );
  assert.ok(made > 10);
});

test("a folder above an entry that was too open on the persist root is closed by the next boot", async () => {
  const plan = planWith({
    environment: { persistence: { "/persist": { directories: ["/var/lib/private/app", "/root/notes"] } } },
  }).persistence;
  await using root = await emptyRoot();
  for (const path of ["persist/var/lib/private/app", "persist/root/notes"])
    mkdirSync(join(root.path, path), { recursive: true });
  for (const path of ["persist/var/lib/private", "persist/root"]) chmodSync(join(root.path, path), 0o755);
  chmodSync(join(root.path, "persist/var/lib/private/app"), 0o711);
  assert.equal(create(root.path, plan), "");
  assert.equal(owner(root.path, "/persist/var/lib/private"), "0:0 0700");
  assert.equal(owner(root.path, "/persist/root"), "0:0 0700");
  assert.equal(owner(root.path, "/persist/var/lib/private/app"), "0:0 0711", "an entry that exists keeps its own");
  assert.doesNotMatch(ownersList(plan), /private/, "nobody says whose a service's private folder is");
});

test("a home on a filesystem of its own is made there once, from the skeleton, and one that is there keeps what it holds", async () => {
  const subvolumes = { "@home": { mountpoint: "/home", neededForBoot: true } };
  const plan = planWith(
    { users: { users: { bob: {}, carol: {}, dave: {}, eve: {} } } },
    { disko: { devices: { disk: { main: { content: { partitions: { root: { content: { subvolumes } } } } } } } } },
  ).persistence;
  const people = ["alice", "bob", "carol", "dave", "eve"];
  await using root = await emptyRoot(people);
  const home = (path: string) => join(root.path, "home", path);
  mkdirSync(join(root.path, "etc/skel/.config"), { recursive: true });
  writeFileSync(join(root.path, "etc/skel/.bashrc"), "shipped");
  mkdirSync(home("bob"), { recursive: true });
  writeFileSync(home("bob/.bashrc"), "mine");
  mkdirSync(home("carol")); // an empty subvolume, say
  mkdirSync(join(root.path, "secret"));
  symlinkSync("../secret", home("dave"));
  for (let boot = 0; boot < 2; boot++) {
    create(root.path, plan);
    for (const [name, id] of [
      ["alice", 1000],
      ["carol", 1002],
      ["eve", 1004],
    ] as const) {
      for (const [path, mode] of [
        ["", "0700"],
        ["/.bashrc", "0644"],
        ["/.config", "0755"],
      ] as const) {
        if (boot === 1 && path === "/.bashrc") continue;
        assert.equal(owner(root.path, `/home/${name}${path}`), `${id}:${id} ${mode}`, name + path);
      }
    }
    for (const name of ["alice", "carol", "eve"]) rmSync(home(`${name}/.bashrc`), { force: true });
    assert.equal(readFileSync(home("bob/.bashrc"), "utf8"), "mine");
    assert.equal(owner(root.path, "/home/bob/.bashrc"), "0:0 0644", "what a home holds is not touched");
    assert.deepEqual(readdirSync(join(root.path, "secret")), [], "no link is followed");
    assert.equal(owner(root.path, "/secret"), "0:0 0755");
  }
  assert.ok(!existsSync(home("alice/.bashrc")), "who deletes it has deleted it");
});

test("systemd-tmpfiles knows users by names with dots and capitals, and large ids", async () => {
  const plan = planWith({
    users: { users: { "Anna.Maria": { uid: 1_200_001 } } },
    environment: { persistence: { "/persist": { users: { "Anna.Maria": { directories: ["mail"] } } } } },
  }).persistence;
  await using root = await emptyRoot(["Anna.Maria"], 1_200_001);
  const entries = plan.entries.filter(({ user }) => user === "Anna.Maria");
  assert.equal(
    create(root.path, { ...plan, entries, parents: plan.parents.filter(({ user }) => user !== "alice") }),
    "",
  );
  assert.equal(owner(root.path, "/persist/home/Anna.Maria/mail"), "1200001:1200001 0755");
  assert.equal(owner(root.path, "/home/Anna.Maria"), "1200001:1200001 0700");
});

async function emptyRoot(people: readonly string[] = [], first = 1000) {
  const folder = await temporaryFolder();
  mkdirSync(join(folder.path, "etc"));
  const accounts =
    people.length === 0 ? Object.entries(IDS) : [["root", 0], ...people.map((name, n) => [name, first + n])];
  writeFileSync(join(folder.path, "etc/passwd"), accounts.map(([name, id]) => `${name}:x:${id}:${id}::/:\n`).join(""));
  writeFileSync(join(folder.path, "etc/group"), accounts.map(([name, id]) => `${name}:x:${id}:\n`).join(""));
  await run("chown", ["0:0", folder.path]);
  return folder;
}

/** What it says, but for accounts that this root has not. */
function create(root: string, plan: PersistencePlan): string {
  writeFileSync(join(root, "tmpfiles.conf"), tmpfilesConfig(plan));
  return spawnSync("systemd-tmpfiles", [`--root=${root}`, "--create", join(root, "tmpfiles.conf")], {
    encoding: "utf8",
  }).stderr;
}

function owner(root: string, path: string): string {
  const { uid, gid, mode } = lstatSync(join(root, path));
  return `${uid}:${gid} ${(mode & 0o7777).toString(8).padStart(4, "0")}`;
}

function said({ user, group, mode }: { readonly user: string; readonly group: string; readonly mode: string }): string {
  return `${IDS[user]}:${IDS[group]} ${mode}`;
}
