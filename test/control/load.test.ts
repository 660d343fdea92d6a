/** A hundred agents at once, over real TLS: none waits for long, none gets an error, and what is answered is kept. `npm run bench` has 10,000. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { DATABASE_FILE } from "../../src/control/state-folder.ts";
import { openDatabase } from "../../src/control/store/database.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { agentsIn, enrolAll, pollAll } from "./agents.ts";
import { Plane } from "./plane.ts";

test("those who come and say nothing hold nobody up for long, and do not keep a control plane from ending", async () => {
  const plane = await Plane.start();
  const silent = Array.from({ length: 350 }, () => connect(plane.plane.port, "127.0.0.1").on("error", () => {}));
  await Promise.all(silent.map((socket) => once(socket, "connect")));
  // Half of them go away while they wait.
  for (const socket of silent.slice(0, 175)) socket.destroy();
  for (let times = 0; times < 3; times++) {
    const began = performance.now();
    assert.equal((await plane.ask("GET", "/health")).status, 200);
    assert.ok(performance.now() - began < 8_000);
  }
  const began = performance.now();
  await plane[Symbol.asyncDispose]();
  assert.ok(performance.now() - began < 15_000);
  for (const socket of silent) socket.destroy();
  assert.deepEqual(plane.log, []);
});

test("a hundred agents enrol, report, and come back all at once after an outage: no error, and nothing is lost", async () => {
  await using folder = await temporaryFolder("/dev/shm");
  const database = join(folder.path, DATABASE_FILE);
  const agents = await agentsIn(database, 100);
  const at = ({ plane }: Plane) => ({ url: `https://127.0.0.1:${plane.port}`, authority: plane.authority });
  const first = await Plane.start(null, folder);
  assert.deepEqual((await enrolAll(agents, at(first), 100)).errors, []);
  assert.deepEqual((await pollAll(agents, at(first), { every: 2, times: 2 })).errors, []);
  await first.plane[Symbol.asyncDispose]();
  const during = await pollAll(agents, at(first), { every: 0, times: 1 });
  assert.equal(during.errors.length, 100);
  const second = await Plane.start(null, folder);
  assert.deepEqual((await pollAll(agents, at(second), { every: 0, times: 1 })).errors, []);
  assert.deepEqual([...first.log, ...second.log], []);
  await second.plane[Symbol.asyncDispose]();
  const db = await openDatabase(database);
  const kept = await db.selectFrom("machines").select(["name", "sequence"]).execute();
  await db.destroy();
  const wanted = new Map(agents.map((agent) => [agent.machine, agent.kept]));
  assert.deepEqual(new Map(kept.map(({ name, sequence }) => [name, sequence])), wanted);
  assert.ok(agents.every((agent) => agent.kept === 3));
});
