/** The commands of a control plane and of those who use it, as people type them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { temporaryFolder } from "../../src/local/resources.ts";
import { releaseIdOf } from "../../src/release/release-id.ts";
import { NIXFLEET } from "../unit/nixfleet-process.ts";
import { Plane, reportOf } from "./plane.ts";

/** Somebody at a terminal, with a home of their own. */
class Person {
  readonly home: string;

  constructor(home: string) {
    this.home = home;
  }

  async types(args: readonly string[], input = "") {
    const child = this.starts(args);
    child.stdin.end(input);
    const ended = once(child, "close");
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const [code] = await ended;
    return { code, stdout, stderr };
  }

  /** The same, when it is to work. @returns stdout */
  async does(args: readonly string[], input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.types(args, input);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  starts(args: readonly string[]) {
    return spawn(NIXFLEET, args, { cwd: this.home, env: { ...process.env, XDG_CONFIG_HOME: this.home } });
  }
}

test("a person logs in, makes a machine and a key known, and reads who did what", async () => {
  await using plane = await Plane.start();
  await using home = await temporaryFolder("/dev/shm");
  const person = new Person(home.path);
  const url = `https://localhost:${plane.plane.port}`;
  const authority = join(plane.folder.path, "authority.crt");

  assert.match((await person.types(["machines"])).stderr, /you are not logged in/);
  const stranger = await person.types(["login", url], plane.key);
  assert.deepEqual([stranger.code, /log in again with --authority/.test(stranger.stderr)], [1, true], stranger.stderr);
  const wrong = await person.types(
    ["login", url, "--authority", authority],
    `nfk_${"0".repeat(12)}_${"a".repeat(43)}\n`,
  );
  assert.deepEqual([wrong.code, existsSync(join(home.path, "nixfleet"))], [1, false]);

  assert.match(await person.does(["login", url, "--authority", authority], `${plane.key}\n`), /^logged in to https/);
  const kept = join(home.path, "nixfleet", "login.json");
  assert.equal(statSync(kept).mode & 0o777, 0o600);

  await person.does(["machines", "add", "web", "--tag", "site:berlin"]);
  assert.match(await person.does(["machines", "enrol", "web"]), /^nfe_\w+_[\w-]+\nenrols web once/);
  assert.match(await person.does(["machines"]), /^web +provisioning +site:berlin +never$/m);
  const key = (await person.does(["keys", "create", "alice", "--role", "deploy"])).split("\n")[0] ?? "";
  const listed = JSON.parse(await person.does(["keys", "--json"]));
  assert.deepEqual(listed.map(({ name }: { name: string }) => name).sort(), ["alice", "first"]);
  await person.does(["login", url, "--authority", authority], key);
  const refused = await person.types(["machines", "enrol", "web"]);
  assert.deepEqual([refused.code, /the key alice is deploy, and this wants admin/.test(refused.stderr)], [1, true]);

  await person.does(["login", url, "--authority", authority], plane.key);
  const did = JSON.parse(await person.does(["audit", "--json", "--who", "key first"]));
  assert.deepEqual(
    did.map(({ action }: { action: string }) => action),
    ["key.create", "machine.token", "machine.create"],
  );
  assert.match((await person.types(["machines", "explode"])).stderr, /machines cannot explode/);
});

test("rollout --watch says how it goes, and its exit code how it ended", async () => {
  await using plane = await Plane.start();
  await using home = await temporaryFolder("/dev/shm");
  const person = new Person(home.path);
  const authority = join(plane.folder.path, "authority.crt");
  await person.does(["login", `https://localhost:${plane.plane.port}`, "--authority", authority], plane.key);
  const certificate = await plane.enrolled("web");
  const closure = `/nix/store/${"1".repeat(32)}-nixfleet-web`;
  const ids = [];
  for (const sequence of [1, 2]) {
    const said = { sequence, commit: null, created: "2026-11-27T00:00:00.000Z", note: "", hosts: { web: closure } };
    const id = releaseIdOf(said);
    await plane.admin("POST", "/releases", { version: 1, id, ...said });
    ids.push(id);
  }
  const [good = "", bad = ""] = ids;

  let sequence = 0;
  const report = async () => {
    const { json: told } = await plane.ask("GET", "/agent/desired", { certificate });
    const isBad = told.target.release === bad;
    const isForLater = told.target.apply === "next-boot";
    const well = { kind: isForLater ? "installed" : "healthy" };
    const outcome = isBad ? { kind: "rejected", release: bad, why: "nginx does not start" } : well;
    const base = reportOf("web", { sequence: ++sequence, change: told.change, outcome, tags: ["declared"] });
    const running = { ...base.running, ...(told.target.kind === "release" && !isBad ? { closure } : {}) };
    assert.equal((await plane.ask("POST", "/agent/report", { certificate, body: { ...base, running } })).status, 200);
  };
  await report();
  const agent = setInterval(() => void report(), 500);
  try {
    await person.does(["machines", "tag", "web", "given"]);
    assert.match(await person.does(["machines", "--tag", "declared"]), /^web +active +declared given /m);
    const done = await person.does(["rollout", "start", good, "--tag", "declared", "--canary", "--watch"]);
    assert.match(done, /: done.*: 1 healthy/);
    const failed = await person.types(["rollout", "start", bad, "--tag", "given", "--watch", "--json"]);
    assert.equal(failed.code, 1);
    assert.equal(JSON.parse(failed.stdout).status, "paused");
    assert.match(failed.stderr, /the rollout is paused: web: nginx does not start/);
    const id = JSON.parse(failed.stdout).id;
    assert.match(await person.does(["rollout", "cancel", id]), /: cancelled/);
    assert.match(await person.does(["rollout"]), /cancelled[\s\S]*done/);
    const again = await person.types(["rollout", "resume", id]);
    assert.match(again.stderr, /the rollout is cancelled: it can be told to resume while it is paused/);
    // What was cancelled lets go of its machines when it is decided next.
    const end = Date.now() + 120_000;
    let begun = await person.types(["rollout", "start", good, "--apply", "next-boot"]);
    while (begun.code !== 0 && Date.now() < end) {
      assert.match(begun.stderr, /which is cancelled and lets it go in a moment: try again/);
      begun = await person.types(["rollout", "start", good, "--apply", "next-boot"]);
    }
    const [later] = begun.stdout.split(":");
    let shown = "";
    while (Date.now() < end && !shown.includes("installed"))
      shown = await person.does(["rollout", "show", later ?? ""]);
    assert.match(shown, /: running: 1 installed and waiting for the next boot$/m);
  } finally {
    clearInterval(agent);
  }
  assert.match(
    (await person.types(["rollout", "start", good, "--waves", "1,x"])).stderr,
    /strategy\.waves\.1: wanted a number/,
  );
});

test("control-plane shows the first key once, is one to a folder, and comes back from a backup with its rollouts paused", async () => {
  await using home = await temporaryFolder("/dev/shm");
  const person = new Person(home.path);
  const first = await started(person, "one");
  const key = /shown this once: (nfk_\S+)/.exec(first.said)?.[1] ?? assert.fail(first.said);
  const second = await person.types(["control-plane", "--state", "one", "--listen", "127.0.0.1:0"]);
  assert.match(second.stderr, /another control plane uses one/);

  const login = ["login", `https://127.0.0.1:${first.port}`, "--authority", "one/authority.crt"];
  await person.does(login, key);
  await person.does(["machines", "add", "web"]);
  await person.does(["control-plane", "backup", "kept.tar", "--state", "one"]);
  assert.equal(statSync(join(home.path, "kept.tar")).mode & 0o777, 0o600);
  assert.match(
    (await person.types(["control-plane", "backup", "kept.tar", "--state", "one"])).stderr,
    /takes no other file's place/,
  );
  assert.match(
    (await person.types(["control-plane", "restore", "kept.tar", "--state", "one"])).stderr,
    /another control plane uses one/,
  );
  await first.end();
  assert.match(
    (await person.types(["control-plane", "restore", "kept.tar", "--state", "one"])).stderr,
    /has a control plane already/,
  );

  await person.does(["control-plane", "restore", "kept.tar", "--state", "two"]);
  const restored = await started(person, "two");
  assert.doesNotMatch(restored.said, /nfk_/);
  // The same authority, key and machine; its next order has a number that was never given.
  await person.does(["login", `https://127.0.0.1:${restored.port}`, "--authority", "two/authority.crt"], key);
  const [web] = JSON.parse(await person.does(["machines", "--json"]));
  assert.deepEqual([web.name, web.change >= 1_000_000_000], ["web", true]);
  assert.equal(
    readFileSync(join(home.path, "two", "authority.crt"), "utf8"),
    readFileSync(join(home.path, "one", "authority.crt"), "utf8"),
  );
  await restored.end();

  writeFileSync(join(home.path, "kept.tar"), readFileSync(join(home.path, "kept.tar")).subarray(0, 5000));
  assert.match(
    (await person.types(["control-plane", "restore", "kept.tar", "--state", "three"])).stderr,
    /is not a backup, or is damaged/,
  );
  assert.match(
    (await person.types(["control-plane", "--database", "postgres://me:secret@x/y"])).stderr,
    /put the whole URL into NIXFLEET_DATABASE/,
  );
});

async function started(person: Person, state: string) {
  const plane = person.starts(["control-plane", "--state", state, "--listen", "127.0.0.1:0"]);
  let said = "";
  plane.stderr.on("data", (part: Buffer) => {
    said += part;
  });
  plane.stdout.on("data", (part: Buffer) => {
    said += part;
  });
  while (!/listens at/.test(said)) {
    assert.equal(plane.exitCode, null, said);
    await new Promise((later) => setTimeout(later, 100));
  }
  await new Promise((later) => setTimeout(later, 200));
  const end = async () => {
    plane.kill("SIGTERM");
    await once(plane, "close");
  };
  return { said, port: Number(/listens at 127\.0\.0\.1:(\d+)/.exec(said)?.[1]), end };
}
