/** The API, over real TLS with real certificates: what each may, and what everybody else is told. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { connect } from "node:tls";
import { openApi } from "../../src/control/api/openapi.ts";
import { ROUTES } from "../../src/control/api/routes.ts";
import { SLOWEST } from "../../src/control/api/server.ts";
import { authorityOf } from "../../src/control/state-folder.ts";
import { releaseIdOf } from "../../src/release/release-id.ts";
import { problem } from "../../src/wire/problem.ts";
import { keyAndRequest, Plane, reportOf, selfSigned, until } from "./plane.ts";

const plane = await Plane.start();
after(() => plane[Symbol.asyncDispose]());

const keys = {
  readonly: String((await plane.admin("POST", "/keys", { name: "reader", role: "readonly" })).key),
  deploy: String((await plane.admin("POST", "/keys", { name: "deployer", role: "deploy" })).key),
  admin: plane.key,
};
const web = await plane.enrolled("web");
const db = await plane.enrolled("db");

const head = [
  "POST /api/v1/machines HTTP/1.1",
  "Host: localhost",
  `Authorization: Bearer ${plane.key}`,
  "Content-Type: application/json",
  "Content-Length: 1000",
].join("\r\n");
// They take their time while the other tests run.
const slowHead = dripping(head);
const slowBody = dripping(`${head}\r\n\r\n{"name": "slow", "tags": [`);

/** A client that sends one more byte now and then, until it is shut out. */
function dripping(begin: string) {
  const socket = connect({ host: "127.0.0.1", port: plane.plane.port, ca: plane.plane.authority });
  let answered = "";
  socket
    .on("error", () => {})
    .on("data", (part) => {
      answered += String(part);
    });
  socket.write(begin);
  const drip = setInterval(() => socket.write(" "), 500);
  const began = performance.now();
  const closed = new Promise<number>((resolve) => {
    socket.on("close", () => {
      clearInterval(drip);
      resolve(performance.now() - began);
    });
  });
  return { closed, answered: () => answered };
}

function closureOf(machine: string, digit = "1"): string {
  return `/nix/store/${digit.repeat(32)}-nixfleet-${machine}`;
}

function release(sequence: number, hosts: Readonly<Record<string, string>>) {
  const said = { sequence, commit: null, created: "2026-11-27T00:00:00.000Z", note: "", hosts };
  return { version: 1, id: releaseIdOf(said), ...said };
}

/** A path that is one, with what parameters there are. */
function pathOf(path: string): string {
  const values: Readonly<Record<string, string>> = {
    machine: "nobody",
    release: "0".repeat(64),
    other: "0".repeat(64),
    rollout: "00000000-0000-4000-8000-000000000000",
    key: "0".repeat(12),
  };
  return path.replace(/:(\w+)/g, (_, name: string) => values[name] ?? assert.fail(name));
}

test("every route lets in whoever it is for, and nobody else", async () => {
  const RANK = ["readonly", "deploy", "admin"] as const;
  for (const { method, path, who } of ROUTES) {
    const ask = (asking: Parameters<Plane["ask"]>[2]) => plane.ask(method.toUpperCase(), pathOf(path), asking);
    const seen = {
      nobody: (await ask({})).status,
      agent: (await ask({ certificate: web })).status,
      ...Object.fromEntries(
        await Promise.all(RANK.map(async (role) => [role, (await ask({ key: keys[role] })).status])),
      ),
    };
    // What is let in is then told that there is no such thing, that its body is not what is wanted, or is answered.
    const inside = (status: unknown) =>
      assert.ok([200, 204, 404, 409, 422].includes(Number(status)), `${method} ${path}: ${status}`);
    if (who === "anyone") {
      for (const status of Object.values(seen)) inside(status);
    } else if (who === "agent") {
      inside(seen.agent);
      for (const one of ["nobody", ...RANK]) assert.equal(seen[one], 401, `${method} ${path} as ${one}`);
    } else {
      assert.deepEqual([seen.nobody, seen.agent], [401, 401], path);
      for (const role of RANK) {
        if (RANK.indexOf(role) < RANK.indexOf(who)) assert.equal(seen[role], 403, `${method} ${path} as ${role}`);
        else inside(seen[role] ?? 0);
      }
    }
  }
  assert.deepEqual(plane.log, []);
});

test("no route lets in a key or a certificate that is expired, revoked, unknown, forged, or of another machine", async () => {
  const file = new DatabaseSync(join(plane.folder.path, "fleet.db"), { timeout: 10_000 });
  const day = 86_400_000;
  const [past, future] = [new Date(Date.now() - 1000).toISOString(), new Date(Date.now() + day).toISOString()];
  const key = async (column?: "expires" | "revoked") => {
    const made = await plane.admin("POST", "/keys", { name: "bad", role: "admin" });
    if (column !== undefined) file.prepare(`update keys set ${column} = ? where id = ?`).run(past, made.id);
    return String(made.key);
  };
  const authority = await authorityOf(plane.folder.path, Date.now());
  /** As the control plane issues them; what its database says of it is another matter. */
  const certificate = async (
    issuedAt: number,
    row: { machine: string; expires: string; revoked: string | null } | null,
  ) => {
    const own = await keyAndRequest(plane.folder.path, "bad");
    const issued = (await authority.agentCertificate(own.request, "web", issuedAt)) ?? assert.fail();
    const insert = file.prepare("insert into certificates (serial, machine, expires, revoked) values (?, ?, ?, ?)");
    if (row !== null) insert.run(issued.serial, row.machine, row.expires, row.revoked);
    return { certificate: issued.certificate, key: own.key };
  };
  const good = { machine: "web", expires: future, revoked: null };
  const owned = await authority.serverCertificate(["web"], Date.now());
  const bad: Readonly<Record<string, Parameters<Plane["ask"]>[2]>> = {
    "an expired key": { key: await key("expires") },
    "a revoked key": { key: await key("revoked") },
    "a key that is not": { key: `nfk_${"0".repeat(12)}_${"A".repeat(43)}` },
    "an expired certificate": { certificate: await certificate(Date.now() - 31 * day, good) },
    "one that is not good yet": { certificate: await certificate(Date.now() + day, good) },
    "one that the database has as expired": { certificate: await certificate(Date.now(), { ...good, expires: past }) },
    "a revoked one": { certificate: await certificate(Date.now(), { ...good, revoked: past }) },
    "one that the database has not": { certificate: await certificate(Date.now(), null) },
    "one that the database has for another": { certificate: await certificate(Date.now(), { ...good, machine: "db" }) },
    "a server's": { certificate: owned },
    "one signed by itself": { certificate: await selfSigned(plane.folder.path, "web", "7f") },
  };
  assert.equal((await plane.ask("GET", "/machines", { key: await key() })).status, 200);
  assert.equal(
    (await plane.ask("GET", "/agent/desired", { certificate: await certificate(Date.now(), good) })).status,
    200,
  );
  for (const { method, path, who } of ROUTES) {
    if (who === "anyone") continue;
    for (const [what, asking] of Object.entries(bad)) {
      const { status, text } = await plane.ask(method.toUpperCase(), pathOf(path), asking);
      assert.equal(status, 401, `${method} ${path} with ${what}: ${text}`);
    }
  }
  file.close();
  assert.deepEqual(plane.log, []);
});

test("a readonly key changes nothing", () => {
  for (const { method, path, who } of ROUTES) {
    if (who === "readonly") assert.equal(method, "get", path);
  }
});

test("a key that is wrong, revoked or expired opens nothing, and the database holds none", async () => {
  const made = await plane.admin("POST", "/keys", { name: "short", role: "admin", days: 1 });
  assert.equal((await plane.ask("GET", "/machines", { key: made.key })).status, 200);
  for (const wrong of [`${made.key}x`, made.key.slice(0, -1), made.key.toUpperCase(), "", "nfk_", made.id]) {
    assert.equal((await plane.ask("GET", "/machines", { key: wrong })).status, 401, wrong);
  }
  await plane.admin("DELETE", `/keys/${made.id}`);
  assert.equal((await plane.ask("GET", "/machines", { key: made.key })).status, 401);
  for (const name of readdirSync(plane.folder.path).filter((one) => one.startsWith("fleet.db"))) {
    const bytes = readFileSync(join(plane.folder.path, name)).toString("latin1");
    for (const key of [made.key, ...Object.values(keys)]) {
      const [, secret] = /^nfk_[^_]+_(.{43})$/.exec(String(key)) ?? assert.fail();
      assert.ok(!bytes.includes(secret ?? assert.fail()), name);
    }
  }
  for (const name of readdirSync(plane.folder.path)) {
    if (name.endsWith(".key")) continue; // the test's own
    assert.equal(statSync(plane.folder.path).mode & 0o077, 0);
  }
});

test("a token enrols once, the machine that it is for, and soon", async () => {
  await plane.admin("POST", "/machines", { name: "late" });
  const { request } = await keyAndRequest(plane.folder.path, "late");
  const enrol = async (machine: string, token: string) =>
    (await plane.ask("POST", "/agent/enrol", { body: { version: 1, machine, token, request } })).status;
  const token = async () => String((await plane.admin("POST", "/machines/late/token")).token);

  const stolen = await token();
  assert.equal(await enrol("web", stolen), 403);
  // Whoever was shown it has used it up.
  assert.equal(await enrol("late", stolen), 403);
  const [old, good] = [await token(), await token()];
  assert.equal(await enrol("late", old), 403);
  assert.equal(await enrol("late", good), 201);
  assert.equal(await enrol("late", good), 403);
  assert.equal(await enrol("late", "nfe_0"), 403);
  const slow = await token();
  const file = new DatabaseSync(join(plane.folder.path, "fleet.db"), { timeout: 10_000 });
  file.prepare("update tokens set expires = ?").run(new Date(Date.now() - 1).toISOString());
  file.close();
  assert.equal(await enrol("late", slow), 403);
  assert.equal((await plane.admin("GET", "/machines/late")).lifecycle, "active");
});

test("a request for a certificate that another key has signed, or of another kind, gets none", async () => {
  await plane.admin("POST", "/machines", { name: "odd" });
  const { request } = await keyAndRequest(plane.folder.path, "odd");
  const lines = request.trimEnd().split("\n");
  const body = Buffer.from(lines.slice(1, -1).join(""), "base64");
  body[body.length - 1] = (body[body.length - 1] ?? 0) ^ 1;
  const forged = [lines[0], body.toString("base64"), lines.at(-1)].join("\n");
  const other = (await keyAndRequest(plane.folder.path, "odd384", "secp384r1")).request;
  for (const wrong of [
    forged,
    other,
    "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
  ]) {
    const { token } = await plane.admin("POST", "/machines/odd/token");
    const answered = await plane.ask("POST", "/agent/enrol", {
      body: { version: 1, machine: "odd", token, request: wrong },
    });
    assert.equal(answered.status, 422, answered.text);
  }
});

test("an agent sees and changes its own machine, whatever it says, and a revoked certificate is good for nothing", async () => {
  const told = await plane.ask("GET", "/agent/desired", { certificate: web });
  assert.deepEqual([told.status, told.json.target], [200, { kind: "keep" }]);
  assert.equal((await plane.ask("POST", "/agent/report", { certificate: web, body: reportOf("db") })).json.kept, true);
  assert.equal((await plane.admin("GET", "/machines/db")).seen, null);
  // The same again, as if it arrived late.
  assert.equal(
    (await plane.ask("POST", "/agent/report", { certificate: web, body: reportOf("web") })).json.kept,
    false,
  );

  const gone = await plane.enrolled("gone");
  const { request } = await keyAndRequest(plane.folder.path, "gone2");
  const renewed = await plane.ask("POST", "/agent/renew", { certificate: gone, body: { version: 1, request } });
  assert.equal(renewed.status, 201);
  assert.equal((await plane.ask("GET", "/agent/desired", { certificate: gone })).status, 200);
  assert.equal((await plane.admin("POST", "/machines/gone/revoke")).certificates, 2);
  assert.equal((await plane.ask("GET", "/agent/desired", { certificate: gone })).status, 401);
});

test("a certificate of another authority, and the control plane's own kind of key, are nobody", async () => {
  await using other = await Plane.start();
  const stranger = await other.enrolled("web");
  assert.equal((await plane.ask("GET", "/agent/desired", { certificate: stranger })).status, 401);
  // The same name and number as the real one, which anybody on the network may have seen.
  const { serialNumber } = new X509Certificate(web.certificate);
  const forged = await selfSigned(plane.folder.path, "web", serialNumber);
  assert.equal(new X509Certificate(forged.certificate).serialNumber, serialNumber);
  assert.equal((await plane.ask("GET", "/agent/desired", { certificate: forged })).status, 401);
});

test("a host that enrols anew has one certificate: the one from before is good for nothing", async () => {
  const before = await plane.enrolled("anew");
  const { token } = await plane.admin("POST", "/machines/anew/token");
  const { key, request } = await keyAndRequest(plane.folder.path, "anew");
  const { json } = await plane.ask("POST", "/agent/enrol", { body: { version: 1, machine: "anew", token, request } });
  const after = { certificate: String(json.certificate), key };
  assert.equal((await plane.ask("GET", "/agent/desired", { certificate: before })).status, 401);
  assert.equal((await plane.ask("GET", "/agent/desired", { certificate: after })).status, 200);
});

test("a release is known by what it says, and one that says something else is refused", async () => {
  const good = release(1, { web: closureOf("web"), db: closureOf("db") });
  assert.equal((await plane.ask("POST", "/releases", { key: keys.deploy, body: good })).status, 201);
  assert.equal((await plane.ask("POST", "/releases", { key: keys.deploy, body: good })).status, 201);
  const forged = { ...good, hosts: { web: closureOf("web", "2") } };
  assert.equal((await plane.ask("POST", "/releases", { key: keys.deploy, body: forged })).status, 422);
  const same = release(1, { web: closureOf("web", "2") });
  assert.equal((await plane.ask("POST", "/releases", { key: keys.deploy, body: same })).status, 409);
  const next = release(2, { web: closureOf("web", "2"), db: closureOf("db") });
  await plane.admin("POST", "/releases", next);
  const { changes } = await plane.admin("GET", `/releases/${good.id}/diff/${next.id}`);
  assert.deepEqual(changes, [{ machine: "web", before: closureOf("web"), after: closureOf("web", "2") }]);
});

test("a rollout changes the machines that report, and what is done twice with one Idempotency-Key is done once", async () => {
  for (const [name, certificate] of Object.entries({ web, db })) {
    await plane.ask("POST", "/agent/report", { certificate, body: reportOf(name, { sequence: 10 }) });
  }
  const next = release(3, { web: closureOf("web", "3"), db: closureOf("db", "3") });
  await plane.admin("POST", "/releases", next);
  const body = { version: 1, release: next.id, machines: { kind: "all" }, strategy: { kind: "all-at-once" } };
  const asking = { key: keys.deploy, body, headers: { "Idempotency-Key": "once" } };
  const first = await plane.ask("POST", "/rollouts", asking);
  const second = await plane.ask("POST", "/rollouts", asking);
  assert.deepEqual([first.status, second.status, second.json], [201, 201, first.json], first.text);
  const other = await plane.ask("POST", "/rollouts", { ...asking, body: { ...body, tolerate: "1" } });
  assert.equal(other.status, 422);
  // Without it, the machines are in a rollout already.
  assert.equal((await plane.ask("POST", "/rollouts", { key: keys.deploy, body })).status, 409);

  const status = async () => (await plane.admin("GET", `/rollouts/${first.json.id}`)).status;
  for (let sequence = 11; (await status()) !== "done"; sequence++) {
    assert.ok(sequence < 60, await status());
    for (const [name, certificate] of Object.entries({ web, db })) {
      const { json: told } = await plane.ask("GET", "/agent/desired", { certificate });
      const closure = told.target.kind === "release" ? told.target.closure : closureOf(name, "0");
      const report = reportOf(name, { sequence, change: told.change });
      const running = { ...report.running, closure };
      await plane.ask("POST", "/agent/report", { certificate, body: { ...report, running } });
    }
    await new Promise((later) => setTimeout(later, 300));
  }
  assert.deepEqual((await plane.admin("GET", `/rollouts/${first.json.id}`)).machines, { healthy: 2 });
  // What nobody asked for is in the audit log, too: when it began, and why it ended.
  const { items } = await plane.admin("GET", `/audit?subject=${first.json.id}&who=the%20control%20plane`);
  const seen = items.map(({ before, after }: { before: { status: string }; after: { status: string } }) => [
    before.status,
    after.status,
  ]);
  assert.deepEqual(seen, [
    ["running", "done"],
    ["pending", "running"],
  ]);
});

test("an answer with a secret is given once, also to whoever asks again with its Idempotency-Key", async () => {
  const asking = {
    key: keys.admin,
    body: { name: "twice", role: "readonly" },
    headers: { "Idempotency-Key": "secret" },
  };
  assert.equal((await plane.ask("POST", "/keys", asking)).status, 201);
  assert.equal((await plane.ask("POST", "/keys", asking)).status, 409);
});

test("whatever changed something is in the audit log, with who, what, before and after", async () => {
  await plane.admin("PUT", "/machines/web/tags", { tags: ["site:berlin", "web"] });
  const { items } = await plane.admin("GET", "/audit?action=machine.tags");
  assert.deepEqual(items[0].who, "key first");
  assert.deepEqual([items[0].subject, items[0].before, items[0].after], ["web", [], ["site:berlin", "web"]]);
  const csv = await plane.ask("GET", "/audit?format=csv&limit=500", { key: keys.admin });
  assert.match(csv.text, /^id,at,who,action,subject,before,after\r\n/);
  for (const action of [
    "machine.create",
    "machine.enrol",
    "machine.token",
    "key.create",
    "key.revoke",
    "release.create",
    "rollout.create",
  ]) {
    assert.ok(csv.text.includes(`,${action},`), action);
  }
  assert.ok(!/nf[ke]_[0-9a-f]{12}_/.test(csv.text));
});

test("a host declares tags of its own, which an operator neither gives nor takes away", async () => {
  const certificate = await plane.enrolled("tagged");
  const says = async (sequence: number, tags: readonly string[] | undefined) => {
    const body = reportOf("tagged", { sequence, ...(tags === undefined ? {} : { tags }) });
    return (await plane.ask("POST", "/agent/report", { certificate, body })).status;
  };
  const given = async (tags: readonly string[]) => {
    const answer = await plane.admin("PUT", "/machines/tagged/tags", { tags });
    return [answer.tags, answer.declaredTags];
  };
  const withTag = async (tag: string) =>
    (await plane.admin("GET", `/machines?tag=${tag}`)).items.map(({ name }: { name: string }) => name);
  assert.equal(await says(1, ["both", "declared"]), 200);
  assert.deepEqual(await given(["both", "given"]), [
    ["both", "declared", "given"],
    ["both", "declared"],
  ]);
  for (const tag of ["both", "declared", "given"]) assert.deepEqual(await withTag(tag), ["tagged"]);
  assert.deepEqual(await given([]), [
    ["both", "declared"],
    ["both", "declared"],
  ]);
  for (const wrong of [["Both"], Array.from({ length: 51 }, (_, index) => `t${index}`)]) {
    assert.equal(await says(2, wrong), 422);
  }
  const { items } = await plane.admin("GET", "/machines/tagged/events");
  assert.deepEqual(items[0].detail, { before: [], after: ["both", "declared"] });
  // As an older agent reports, or a host that declares none any more.
  assert.equal(await says(2, undefined), 200);
  assert.deepEqual(await withTag("both"), []);
});

test("a machine that waits for its next boot is named, and asked to ask no more often than others", async () => {
  const certificate = await plane.enrolled("desk");
  await plane.ask("POST", "/agent/report", { certificate, body: reportOf("desk") });
  const next = release(4, { desk: closureOf("desk", "4") });
  await plane.admin("POST", "/releases", next);
  const all = { machines: { kind: "all" }, strategy: { kind: "all-at-once" } };
  const { id } = await plane.admin("POST", "/rollouts", { version: 1, release: next.id, ...all, apply: "next-boot" });
  const desired = async () => (await plane.ask("GET", "/agent/desired", { certificate })).json;
  const machines = async () => (await plane.admin("GET", `/rollouts/${id}`)).machines;
  await until(async () => (await machines()).changing === 1);
  const { change, target, askAgain } = await desired();
  assert.equal(target.apply, "next-boot");
  const outcome = { kind: "installed" };
  await plane.ask("POST", "/agent/report", { certificate, body: reportOf("desk", { sequence: 2, change, outcome }) });
  await until(async () => (await machines()).installed === 1);
  const { items } = await plane.admin("GET", `/rollouts/${id}/machines`);
  assert.deepEqual(
    [items[0].machine, items[0].state, items[0].why],
    ["desk", "installed", "it waits for its next boot"],
  );
  assert.ok((await desired()).askAgain > askAgain);
  const listed = await plane.admin("GET", "/machines?outcome=installed");
  assert.deepEqual([listed.items.length, listed.items[0].running], [1, closureOf("desk", "0")]);
  await plane.admin("POST", `/rollouts/${id}/revert`);
  await until(async () => (await desired()).target.kind === "return");
});

test("lists come in pages that miss nothing, and filter by tag", async () => {
  const names: string[] = [];
  for (let cursor = ""; ; ) {
    const page = await plane.admin("GET", `/machines?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`);
    names.push(...page.items.map(({ name }: { name: string }) => name));
    if (page.next === null) break;
    cursor = page.next;
  }
  assert.deepEqual(names, [...new Set(names)].sort());
  assert.ok(names.includes("web") && names.includes("db"));
  const tagged = await plane.admin("GET", "/machines?tag=site:berlin");
  assert.deepEqual(
    tagged.items.map(({ name }: { name: string }) => name),
    ["web"],
  );
});

test("a body that is too large, too deep, not JSON, or not UTF-8 is refused, and said so", async () => {
  const key = keys.admin;
  const cases: readonly (readonly [number, string | Buffer, Readonly<Record<string, string>>])[] = [
    [413, "x".repeat(300_000), {}],
    [400, `{"a":${"[".repeat(50)}${"]".repeat(50)}}`, {}],
    [400, "{", {}],
    // What takes a backtracking reader minutes, and stops everybody else meanwhile.
    [400, `"${'\\"'.repeat(120_000)}`, {}],
    [400, '"['.repeat(120_000), {}],
    [400, `{"a":"${"[".repeat(50)}","b":`, {}],
    [422, `{"a":"\\"${"[".repeat(50)}"}`, {}],
    [400, Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), {}],
    [415, "{}", { "Content-Type": "text/plain" }],
    [422, '{"name":"x","__proto__":{"admin":true}}', {}],
    [422, '{"name":"x","constructor":1}', {}],
    [422, "null", {}],
  ];
  for (const [status, raw, headers] of cases) {
    const began = performance.now();
    const answered = await plane.ask("POST", "/machines", { key, raw, headers });
    assert.ok(performance.now() - began < 5_000, `${raw.slice(0, 10)} takes long`);
    assert.equal(answered.status, status, answered.text);
    assert.equal(answered.headers["content-type"], "application/problem+json");
    assert.ok(problem.safeParse(answered.json).success, answered.text);
  }
  // Nobody's body is read at all.
  assert.equal((await plane.ask("POST", "/machines", { raw: "x".repeat(300_000) })).status, 401);
});

test("a client that goes away in the middle of its body is no fault of the control plane", async () => {
  const socket = connect({ host: "127.0.0.1", port: plane.plane.port, ca: plane.plane.authority });
  socket.on("error", () => {}).resume();
  const head = [
    "POST /api/v1/agent/enrol HTTP/1.1",
    "Host: localhost",
    "Content-Type: application/json",
    "Content-Length: 100",
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n{`);
  await new Promise((later) => setTimeout(later, 200));
  socket.destroy();
  await new Promise((later) => setTimeout(later, 200));
  assert.deepEqual(plane.log, []);
});

test("whoever runs Prometheus reads how the fleet is, with a key", async () => {
  assert.equal((await plane.ask("GET", "/metrics")).status, 401);
  const { text } = await plane.ask("GET", "/metrics", { key: keys.readonly });
  assert.match(text, /^nixfleet_machines\{lifecycle="active",outcome="healthy"\} 3$/m);
  assert.match(text, /^nixfleet_rollouts\{status="done"\} 1$/m);
});

test("the OpenAPI document has every route, and is served", async () => {
  const { json } = await plane.ask("GET", "/api/v1/openapi.json");
  assert.deepEqual(json, JSON.parse(JSON.stringify(openApi(json.info.version))));
  const operations = Object.values<Record<string, unknown>>(json.paths).flatMap((one) => Object.keys(one));
  assert.equal(operations.length, ROUTES.length);
});

test("a client that is slow holds no connection for ever, disturbs nobody, and nothing of its body is done", async () => {
  for (const { closed, answered } of [slowHead, slowBody]) {
    assert.ok((await closed) < SLOWEST + 10_000);
    assert.match(answered(), /^HTTP\/1\.1 408 |^$/);
  }
  assert.equal((await plane.ask("GET", "/machines/slow", { key: plane.key })).status, 404);
  assert.deepEqual(plane.log, []);
});
