/** What others send is read strictly: nothing unknown, nothing without a bound. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { desired } from "../../src/wire/desired.ts";
import { certificate, enrol, renew } from "../../src/wire/enrolment.ts";
import { problem } from "../../src/wire/problem.ts";
import { release } from "../../src/wire/release.ts";
import { report } from "../../src/wire/report.ts";
import { amount, rolloutRequest } from "../../src/wire/rollout.ts";

const MESSAGES = { report, desired, enrol, renew, certificate, release, rolloutRequest, problem };

const REPORT = {
  version: 1,
  sequence: 1,
  change: 0,
  outcome: { kind: "healthy" },
  running: {
    closure: "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixfleet-web",
    release: null,
    bootId: "c0ffee00-0000-4000-8000-000000000000",
    proved: true,
  },
  checks: [],
  drift: { undeclared: 0, stray: 0 },
  agent: "0.1.0",
};

test("a report is read, and one with something unknown, of another version or without an end is refused", () => {
  // One without tags is an older agent's.
  for (const good of [REPORT, { ...REPORT, tags: ["web", "site:berlin"] }]) assert.deepEqual(report.parse(good), good);
  const wrong: readonly Record<string, unknown>[] = [
    { ...REPORT, version: 2 },
    { ...REPORT, also: 1 },
    { ...REPORT, change: -1 },
    { ...REPORT, change: 1.5 },
    { ...REPORT, sequence: 2 ** 53 },
    { ...REPORT, outcome: { kind: "rejected", why: "x".repeat(1001) } },
    { ...REPORT, outcome: { kind: "splendid" } },
    { ...REPORT, tags: ["Web"] },
    { ...REPORT, tags: ["w".repeat(64)] },
    { ...REPORT, tags: Array.from({ length: 51 }, (_, index) => `t${index}`) },
    { ...REPORT, outcome: { kind: "unhealthy", why: "\0" } },
    { ...REPORT, outcome: { kind: "unhealthy", why: "\ud800" } },
    { ...REPORT, running: { ...REPORT.running, closure: "/nix/store/../../etc" } },
    { ...REPORT, checks: Array.from({ length: 101 }, () => ({ name: "x", passes: true, says: "" })) },
  ];
  for (const one of wrong) assert.equal(report.safeParse(one).success, false, JSON.stringify(one).slice(0, 200));
});

test("every message is strict, and everything in it has a bound", () => {
  for (const [name, schema] of Object.entries(MESSAGES)) {
    for (const direction of ["input", "output"] as const) walk(z.toJSONSchema(schema, { io: direction }), name);
  }
});

function walk(schema: unknown, path: string): void {
  if (typeof schema !== "object" || schema === null) return;
  const part = { ...schema } as Readonly<Record<string, unknown>>;
  if (part.type === "string" && part.enum === undefined && part.const === undefined) {
    assert.ok(part.maxLength !== undefined || part.pattern !== undefined || part.format !== undefined, path);
  }
  if (part.type === "array") assert.ok(part.maxItems !== undefined, path);
  if (part.type === "integer") assert.ok(part.maximum !== undefined && part.minimum !== undefined, path);
  if (part.properties !== undefined) assert.equal(part.additionalProperties, false, path);
  for (const [key, value] of Object.entries(part)) walk(value, `${path}.${key}`);
}

test("an amount is a number of machines, or a percentage up to 100", () => {
  for (const good of ["0", "1", "250", "10%", "0.5%", "100%"]) assert.ok(amount.safeParse(good).success, good);
  for (const bad of ["", "-1", "101%", "1e3", "10 %", "½", "1.5", "100.01%"])
    assert.ok(!amount.safeParse(bad).success, bad);
});

test("a release has at least one host, and its names and closures are such", () => {
  const good = {
    version: 1,
    id: "a".repeat(64),
    sequence: 3,
    commit: null,
    created: "2026-11-27T01:00:00.000Z",
    note: "",
  };
  const closure = REPORT.running.closure;
  assert.ok(release.safeParse({ ...good, hosts: { web: closure } }).success);
  for (const hosts of [{}, { "-web": closure }, { web: "/nix/store/x" }, { web: 1 }]) {
    assert.ok(!release.safeParse({ ...good, hosts }).success, JSON.stringify(hosts));
  }
});
