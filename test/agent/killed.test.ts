/** The agent, a process, is killed for good at each of its steps; the next one goes on. */
import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { test } from "node:test";
import { readState } from "../../src/agent/memory.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import type { PersistenceEntry } from "../../src/plan/persistence-plan.ts";
import { type Report, report as reportSchema } from "../../src/wire/report.ts";
import { aRelease } from "../release/signed-repository.ts";
import { ChangingHost } from "./changing-host.ts";
import { enrolled, standIn } from "./enrolled.ts";
import { keptEntry, MACHINE, RUNNING } from "./host.ts";

const RELEASE = aRelease(1);
const NEXT = RELEASE.hosts[MACHINE] ?? "";

/** A host whose control plane always says the same: release 1, whatever it is told. */
async function told(apply: "live" | "reboot", entries: readonly PersistenceEntry[] = []) {
  const stack = new AsyncDisposableStack();
  const before = stack.use(await temporaryFolder());
  const { host, plane, folder } = stack.use(await enrolled());
  const target = { kind: "release", release: RELEASE.id, closure: NEXT, apply, acceptStray: false };
  const desired = JSON.stringify({ version: 1, change: 1, target, askAgain: 60 });
  const reports: Report[] = [];
  const answer = async (response: ServerResponse, request: IncomingMessage) => {
    if (request.method === "POST") reports.push(reportSchema.parse(await json(request)));
    response.end(request.method === "GET" ? desired : "{}");
  };
  stack.use(await standIn(plane, host, (response, request) => void answer(response, request)));
  const changing = new ChangingHost(host, folder.path, before.path, { closure: NEXT, entries });
  return { changing, reports, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Until it has come to an end. @returns how often the agent ran */
async function finish(changing: ChangingHost): Promise<number> {
  for (let runs = 1; runs <= 12; runs++) {
    await changing.settle();
    await changing.agent.run().catch((error: unknown) => {
      // What the killed one had started ends in a moment.
      if (!/another agent is running/.test(String(error))) throw error;
    });
    if ((await readState(changing.agent.places.memory)).end.kind !== "healthy") return runs;
    if (await isOver(changing)) return runs;
  }
  assert.fail(`it never came to an end:\n${changing.agent.log.join("\n")}`);
}

async function isOver({ agent }: ChangingHost): Promise<boolean> {
  const { change, work } = await readState(agent.places.memory);
  return change === 1 && work === null;
}

/** Until the agent begins to change the host it does the same for both. */
let alike = 0;

for (const [apply, what] of [
  ["live", "switch"],
  ["reboot", "reboot"],
] as const) {
  test(`killed before or after any of its steps, the agent ends where it would have ended, once: ${apply}`, async () => {
    await using given = await told(apply);
    const { changing } = given;
    const { memory } = changing.agent.places;
    let kills = 0;
    for (let runs = 1; !(await isOver(changing)); runs++) {
      assert.ok(runs < 8, changing.agent.log.join("\n"));
      changing.keep();
      for (let step = runs === 1 ? alike : 0; ; step++) {
        changing.restore();
        const { killed, code, said } = await changing.process(step);
        if (!killed) {
          assert.equal(code, 0, said);
          break;
        }
        kills += 1;
        const { work } = await readState(memory);
        if (runs === 1 && (work === null || work.phase === "preparing")) alike = step;
        await finish(changing);
        const { end, release, newest } = await readState(memory);
        const where = `run ${runs}, step ${step}:\n${changing.agent.log.splice(0).join("\n")}`;
        assert.deepEqual([end.kind, release, newest], ["healthy", RELEASE.id, 1], where);
        assert.deepEqual(changing.generations(), [RUNNING, NEXT], where);
        assert.equal(changing.done(what), 1, where);
      }
      await changing.settle();
    }
    assert.ok(kills > 15, `only ${kills} points were tried`);
  });
}

test("an agent that dies whenever it begins to switch rejects the release, and begins it no third time", async () => {
  await using given = await told("live");
  const { changing } = given;
  changing.switchWith("kill -KILL $PPID; exit 1");
  const ends: (string | null)[] = [];
  while (!(await isOver(changing))) {
    ends.push((await changing.process(-1)).killed ? "killed" : "ended");
    assert.ok(ends.length < 6, ends.join());
  }
  assert.deepEqual(ends, ["killed", "killed", "ended"]);
  const { end } = await readState(changing.agent.places.memory);
  assert.equal(end.kind, "rejected");
  await changing.process(-1);
  assert.equal(changing.done("begun"), 2);
});

test("a release without room on the ESP is refused before anything is changed, and done once there is room", async () => {
  await using given = await told("live");
  const { changing, reports } = given;
  changing.checkWith("echo 'nixfleet: the EFI system partition is full: 3 MiB are free, 45 are needed' >&2; exit 1");
  assert.equal(await finish(changing), 1);
  const why = "the EFI system partition is full: 3 MiB are free, 45 are needed";
  assert.deepEqual(reports.at(-1)?.outcome, { kind: "refused", why });
  assert.deepEqual([changing.done("switch"), changing.generations()], [0, [RUNNING]]);
  changing.checkWith("");
  await changing.agent.run();
  assert.equal((await readState(changing.agent.places.memory)).work?.phase, "switching");
});

test("what a release does to persisted data is in the log, and in what the host says while it changes", async () => {
  await using given = await told("live", [keptEntry("/srv/new")]);
  const { changing, reports } = given;
  await changing.agent.run();
  assert.match(changing.agent.log.join("\n"), /^change 1: \/srv\/new persists from now on$/m);
  assert.deepEqual(reports.at(-1)?.outcome, { kind: "working", doing: "switching; /srv/new persists from now on" });
});

test("two agents at once: one does it all, and the other nothing", async () => {
  await using given = await told("live");
  const { changing } = given;
  changing.switchWith("sleep 2");
  const [one, other] = await Promise.all([changing.process(-1), changing.process(-1)]);
  const said = [one, other].map((agent) => agent.said).join("");
  assert.deepEqual([one.code, other.code].toSorted(), [0, 1], said);
  assert.match(said, /another agent is running here/);
  assert.deepEqual([changing.done("pull"), changing.done("begun")], [1, 1]);
});

test("a memory without room begins nothing, and takes nothing back that proves itself; with room again it goes on", async () => {
  for (const [fullBefore, switches] of [
    [1, 0],
    [2, 1],
    [3, 1],
  ] as const) {
    await using given = await told("live");
    await using small = await smallMemory(given.changing);
    const { changing } = given;
    for (let run = 1; run < fullBefore; run++) await changing.agent.run();
    await small.fill();
    for (let run = 0; run < 3; run++) {
      await changing.settle();
      await changing.agent.run().catch((error: unknown) => assert.match(String(error), /cannot be written.*ENOSPC/));
    }
    assert.equal(changing.done("switch"), switches);
    small.empty();
    await finish(changing);
    const { end, release } = await readState(changing.agent.places.memory);
    assert.deepEqual([end.kind, release, changing.done("switch")], ["healthy", RELEASE.id, 1]);
  }
});

/** The agent's memory on a disk of its own. */
async function smallMemory({ agent: { places } }: ChangingHost) {
  await using copy = await temporaryFolder();
  cpSync(places.memory, copy.path, { recursive: true });
  await run("mount", ["-t", "tmpfs", "-o", "size=256k,mode=0700", "none", places.memory]);
  cpSync(copy.path, places.memory, { recursive: true });
  const filled = join(places.memory, "filled");
  return {
    fill: () => assert.rejects(run("dd", ["if=/dev/zero", `of=${filled}`, "bs=4k"])),
    empty: () => rmSync(filled),
    [Symbol.asyncDispose]: async () => void (await run("umount", [places.memory])),
  };
}
