/** The agent against a real control plane, over real TLS. What it does to a host, the virtual machines' test shows. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { createServer } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { bootInto } from "../../src/agent/act.ts";
import { agentStatus } from "../../src/agent/agent-status.ts";
import { readIdentity, writeIdentity } from "../../src/agent/identity.ts";
import { MemoryLost, readState, writeState } from "../../src/agent/memory.ts";
import { provedFile, provingFile } from "../../src/agent/places.ts";
import { type Check, readSettings } from "../../src/agent/settings.ts";
import type { Work } from "../../src/agent/state.ts";
import { Authority, newAuthority } from "../../src/control/api/authority.ts";

import { DATABASE_FILE } from "../../src/control/state-folder.ts";
import { openDatabase } from "../../src/control/store/database.ts";

import { run } from "../../src/local/process.ts";
import type { Plane } from "../control/plane.ts";
import { aRelease, DAY } from "../release/signed-repository.ts";
import { enrolled, standIn } from "./enrolled.ts";
import { type AgentHost, MACHINE, RUNNING } from "./host.ts";

/** A rollout of release 1, whose closure for this host is what `closure` says. */
async function rollout(plane: Plane, host: AgentHost, release = aRelease(1)) {
  await plane.admin("POST", "/releases", release);
  await plane.admin("POST", "/rollouts", {
    version: 1,
    release: release.id,
    machines: { kind: "named", names: [MACHINE] },
    strategy: { kind: "all-at-once" },
  });
  // Until it is decided, and told.
  for (let tries = 0; tries < 50; tries++) {
    await host.run();
    if ((await readState(host.places.memory)).change > 0) return;
    await new Promise((later) => setTimeout(later, 200));
  }
}

test("a host enrols with a token, once, and says how it is; nobody else can read what it keeps", async () => {
  await using given = await enrolled();
  const { host, machine, token } = given;
  const { soon } = await host.run();
  assert.equal(soon, false, host.log.join("\n"));
  const seen = await machine();
  assert.deepEqual([seen.lifecycle, seen.running, seen.outcome.kind], ["active", RUNNING, "healthy"]);
  assert.deepEqual(seen.report.checks, [{ name: "fine", passes: true, says: "" }]);
  assert.deepEqual([seen.tags, seen.declaredTags], [["web"], ["web"]]);
  for (const file of ["state", "identity"]) assert.equal(statSync(join(host.places.memory, file)).mode & 0o077, 0);
  assert.match(readFileSync(join(given.folder.path, "metrics.prom"), "utf8"), /^nixfleet_agent_healthy 1$/m);
  const used = await token();
  await host.enrol(used);
  await assert.rejects(host.enrol(used), /was used before/);
});

test("a check that fails often enough makes the machine unhealthy, and healthy again when it passes", async () => {
  await using given = await enrolled();
  const { host, machine } = given;
  const flag = join(given.folder.path, "flag");
  const check: Check = {
    kind: "exec",
    name: "flag",
    interval: 1,
    timeout: 5,
    failures: 2,
    command: ["test", "-e", flag],
  };
  host.declare({ checks: [check] });
  assert.equal((await host.run()).soon, true);
  assert.equal((await machine()).outcome.kind, "healthy", "one failure is none yet");
  const file = join(host.places.runtime, "agent-checks.json");
  const later = () => writeFileSync(file, readFileSync(file, "utf8").replace(/"at":[\d.]+/, '"at":0'));
  later();
  await host.run();
  assert.equal((await machine()).outcome.kind, "unhealthy");
  writeFileSync(flag, "");
  later();
  await host.run();
  assert.equal((await machine()).outcome.kind, "healthy");
});

test("a release is refused where its closure is another than the control plane says, where it is not signed, and where it is too old", async () => {
  await using given = await enrolled();
  const { host, plane, machine } = given;
  const signed = aRelease(1);
  await rollout(plane, host, signed);
  const seen = await machine();
  assert.equal(seen.outcome.kind, "refused");
  // The signed release is read, and the pull, which `false` stands for here, is refused.
  assert.match(host.log.join("\n"), /fetching/);
  const state = await readState(host.places.memory);
  await writeState(host.places.memory, { ...state, newest: 5 });
  await host.run();
  const after = await readState(host.places.memory);
  assert.match(after.end.kind === "refused" ? after.end.why : "", /number 1, and 5 has proved itself/);
});

test("a release that nobody signed is refused", async () => {
  await using given = await enrolled();
  const { host, plane } = given;
  await rollout(plane, host, aRelease(3));
  const { end } = await readState(host.places.memory);
  assert.match(end.kind === "refused" ? end.why : "", /there is no release/);
});

test("an agent that does not know any more which keys it trusts begins nothing anew", async () => {
  await using given = await enrolled();
  const { host, plane } = given;
  const file = join(host.places.memory, "trust", "trust");
  rmSync(file);
  await rollout(plane, host);
  const { end } = await readState(host.places.memory);
  assert.match(end.kind === "refused" ? end.why : "", /does not say which keys are trusted/);
  assert.ok(!existsSync(file));
});

for (const [what, damage] of [
  ["lost", (file: string) => rmSync(file)],
  ["damaged", (file: string) => writeFileSync(file, readFileSync(file, "utf8").replace('"newest":0', '"newest":1'))],
] as const) {
  test(`an agent whose memory is ${what} does nothing, and says so`, async () => {
    await using given = await enrolled();
    const { host, machine, token } = given;
    damage(join(host.places.memory, "state"));
    await assert.rejects(host.run(), (error) => error instanceof MemoryLost);
    assert.equal((await machine()).report, null);
    const { lines, healthy } = await agentStatus(host.places);
    assert.equal(healthy, false);
    assert.match(lines.join("\n"), /nothing is applied here/);
    await host.enrol(await token());
    await host.run();
    assert.equal((await machine()).outcome.kind, "healthy");
  });
}

test("a server that is not the control plane gets nothing, not even the token", async () => {
  await using given = await enrolled();
  const { host, token } = given;
  const authority = await Authority.open(await newAuthority(Date.now()));
  const { certificate, key } = await authority.serverCertificate(["localhost"], Date.now());
  let asked = 0;
  const server = createServer({ cert: certificate, key }, (_, answer) => {
    asked += 1;
    answer.end("{}");
  }).listen(0);
  await once(server, "listening");
  const address = server.address();
  host.declare({
    controlPlane: `https://localhost:${typeof address === "object" && address !== null ? address.port : 0}`,
  });
  await assert.rejects(host.enrol(await token()), /cannot be reached/);
  await host.run();
  assert.match(host.log.join("\n"), /cannot be reached/);
  assert.equal(asked, 0);
  server.close();
});

test("a control plane that is away changes nothing; the next report says all of it", async () => {
  await using given = await enrolled();
  const { host, machine } = given;
  await host.run();
  const before = await readState(host.places.memory);
  host.declare({ controlPlane: "https://localhost:1" });
  await host.run();
  await host.run();
  const after = await readState(host.places.memory);
  assert.deepEqual({ ...after, report: before.report }, before);
  host.declare({});
  await host.run();
  assert.equal((await machine()).report.sequence, before.report + 3);
});

const ANSWERS: Readonly<Record<string, (answer: ServerResponse) => void>> = {
  "with 500s": (answer) => answer.writeHead(500).end("{}"),
  "with something that is no JSON": (answer) => answer.end("<html>"),
  "with orders of another version": (answer) =>
    answer.end(JSON.stringify({ version: 2, change: 9, target: { kind: "keep" }, askAgain: 5 })),
  "without end": (answer) => {
    answer.on("error", () => {});
    const more = () => void (answer.write("x".repeat(65536)) ? setImmediate(more) : answer.once("drain", more));
    more();
  },
  "by ending the connection": (answer) => answer.destroy(),
  "later than the agent waits": (answer) => void setTimeout(() => answer.end("{}"), 5 * WAITS).unref(),
  "a byte at a time": (answer) => {
    const each = setInterval(() => answer.write(" "), WAITS / 10);
    answer.on("close", () => clearInterval(each));
  },
};

/** In milliseconds, in place of the 45 seconds. */
const WAITS = 1000;

for (const [how, answer] of Object.entries(ANSWERS)) {
  test(`a control plane that answers ${how} changes nothing`, async ({ mock }) => {
    const timeout = AbortSignal.timeout;
    mock.method(AbortSignal, "timeout", (milliseconds: number) => timeout(Math.min(milliseconds, WAITS)));
    await using given = await enrolled();
    const { host, plane } = given;
    await using _ = await standIn(plane, host, answer);
    const began = performance.now();
    const before = await readState(host.places.memory);
    await host.run();
    assert.deepEqual(await readState(host.places.memory), { ...before, report: before.report + 1 });
    assert.ok(performance.now() - began < 4 * WAITS + 3000, "it asked, and reported, and waited no longer");
    assert.match(host.log.join("\n"), /answers 500|cannot be reached|another version|not delivered/);
  });
}

test("a control plane whose certificate is of another time changes nothing, and the log says what the clock says", async () => {
  for (const [days, why] of [
    [400, /not yet valid.*this host's clock says 20/],
    [-400, /expired.*this host's clock says 20/],
  ] as const) {
    await using given = await enrolled();
    const { host, plane } = given;
    await using _ = await standIn(plane, host, (answer) => answer.end("{}"), Date.now() + days * DAY);
    const before = await readState(host.places.memory);
    await host.run();
    assert.deepEqual(await readState(host.places.memory), { ...before, report: before.report + 1 });
    assert.match(host.log.join("\n"), why);
  }
});

test("a certificate is renewed once half of its life is over, and not by a clock that stands at 1970", async () => {
  await using given = await enrolled();
  const { host } = given;
  const { memory } = host.places;
  const identity = await readIdentity(memory);
  await host.run();
  assert.equal((await readIdentity(memory)).certificate, identity.certificate);
  await writeIdentity(memory, { ...identity, renewAfter: new Date(Date.now() - 1000).toISOString() });
  await host.run();
  const renewed = await readIdentity(memory);
  assert.notEqual(renewed.certificate, identity.certificate);
  assert.notEqual(renewed.key, identity.key);
  await host.run();
  assert.match(host.log.join("\n"), /^$/);
});

test("drift is counted once an hour, of this boot and closure, and is not known where it cannot be counted", async () => {
  await using given = await enrolled();
  const { host, machine, folder } = given;
  const says = async () => {
    await host.run();
    await host.run(); // it is counted after the report
    return (await machine()).drift;
  };
  assert.equal(await says(), null);
  host.scripts({
    "drift.sh": `echo '{"drift": [{"path": "/etc/new"}, {"path": "/opt"}]}'`,
    "stray.sh": `echo '{"stray": [{}]}'`,
  });
  assert.equal(await says(), null, "it is not asked again so soon");
  host.boot(2);
  assert.deepEqual(await says(), { undeclared: 2, stray: 1 });
  host.scripts({ "drift.sh": "echo no JSON" });
  assert.deepEqual(await says(), { undeclared: 2, stray: 1 });
  rmSync(join(folder.path, "run/agent-drift.json"));
  assert.equal(await says(), null);
});

test("a full disk and metrics that cannot be written are said, and end no run", async () => {
  await using given = await enrolled("2m");
  const { host, machine, folder } = given;
  host.declare({ metrics: join(folder.path, "nowhere/metrics.prom") });
  await host.run();
  assert.match(host.log.join("\n"), /^no metrics: .*nowhere/m);
  const { sequence } = (await machine()).report;
  const filled = join(folder.path, "filled");
  await assert.rejects(run("dd", ["if=/dev/zero", `of=${filled}`, "bs=4k"]));
  await host.run();
  assert.match(host.log.join("\n"), /^what happened here cannot be written down: .*ENOSPC/m);
  assert.equal((await machine()).report.sequence, sequence);
  rmSync(filled);
  await host.run();
  assert.equal((await machine()).report.sequence, sequence + 1);
});

/** A host that was told to install release 1 for its next boot, and whose agent was killed as it began. */
async function installing() {
  const given = await enrolled();
  const { host } = given;
  const generations = join(host.places.nix, "nixfleet/generations");
  host.scripts({
    "add-generation.sh": `cd '${generations}'; newest=$(ls | sort -n | tail -n 1)
      [ "$(head -n 1 "$newest")" = "$1" ] || echo "$1" >"$((newest + 1))"`,
  });
  const closure = RUNNING.replace(/1{32}/, "2".repeat(32));
  const work: Work = {
    change: 3,
    release: aRelease(1).id,
    closure,
    apply: "next-boot",
    acceptStray: false,
    phase: "installing",
    bootId: "c0ffee00-0000-4000-8000-000000000001",
    attempts: 1,
    sequence: 1,
    waits: null,
  };
  await writeState(host.places.memory, { ...(await readState(host.places.memory)), work });
  const newest = () => readFileSync(join(generations, String(readdirSync(generations).length)), "utf8").split("\n")[0];
  return { ...given, closure, newest };
}

test("what is installed for the next boot has to be proved once it boots; until then the agent says so, in no hurry", async () => {
  await using given = await installing();
  const { host, closure, newest, machine } = given;
  for (let runs = 0; runs < 2; runs++) assert.deepEqual(await host.run(), { soon: false });
  assert.equal(newest(), closure);
  assert.equal(readFileSync(provingFile(host.places), "utf8").split("\n")[0], closure);
  const said = await machine();
  assert.deepEqual([said.outcome, said.reported, said.running], [{ kind: "installed" }, 3, RUNNING]);
  assert.match((await agentStatus(host.places)).lines.join("\n"), /on its way: change 3, installed/);

  host.boot(2);
  writeFileSync(join(host.places.proc, "cmdline"), `nixfleet.closure=${closure}\n`);
  await host.run();
  assert.deepEqual([(await machine()).outcome.kind, (await machine()).running], ["working", closure]);
  assert.ok(existsSync(provedFile(host.places)), host.log.join("\n"));
  rmSync(provingFile(host.places)); // as prove.sh does then
  await host.run();
  assert.deepEqual([(await machine()).outcome, (await machine()).reported], [{ kind: "healthy" }, 3]);
});

test("what is installed for the next boot is taken back when something else is wanted before", async () => {
  await using given = await installing();
  const { host, plane, closure, newest, machine } = given;
  await host.run();
  assert.equal(newest(), closure);
  const db = await openDatabase(join(plane.folder.path, DATABASE_FILE));
  await db.updateTable("machines").set({ change: 4 }).execute();
  await db.destroy();
  await host.run();
  assert.equal(newest(), RUNNING);
  assert.ok(!existsSync(provingFile(host.places)));
  assert.deepEqual([(await machine()).outcome, (await machine()).reported], [{ kind: "healthy" }, 4]);
});

test("before a generation can boot it is written down that it has to be proved; one that is refused leaves nothing", async () => {
  await using given = await enrolled();
  const { host, folder } = given;
  const closure = RUNNING.replace(/1/g, "2");
  const done = join(folder.path, "done");
  const newest = join(host.places.nix, "nixfleet/generations/2");
  const root = (adding: string) => {
    const script = join(folder.path, "as-root.sh");
    writeFileSync(
      script,
      `echo "$* $(cat '${provingFile(host.places)}')" >>'${done}'; case $2 in */add-generation.sh) ${adding} ;; esac`,
    );
    return { ...host.places, asRoot: ["sh", script] };
  };
  const settings = await readSettings(host.places.settings);
  const work = { closure } as Work;
  await bootInto(root(`echo ${closure} >'${newest}'`), settings, work);
  const scripts = host.places.scripts;
  const proving = `${closure} ${settings.confirm}`;
  assert.deepEqual(
    readFileSync(done, "utf8").replaceAll(`\n${settings.confirm}`, ` ${settings.confirm}`).trim().split("\n"),
    [`sh ${scripts}/add-generation.sh ${closure} ${proving}`, `systemctl --no-block reboot ${proving}`],
  );
  await assert.rejects(bootInto(root("exit 1"), settings, work));
  assert.ok(existsSync(provingFile(host.places)), "it has become a generation before");
  rmSync(newest);
  await assert.rejects(bootInto(root("exit 1"), settings, work));
  assert.ok(!existsSync(provingFile(host.places)));
});
