/** Whatever is sent to the API: no answer is a fault of ours, and none tells of our insides. The requests are made from its own document. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { openApi } from "../../src/control/api/openapi.ts";
import { problem } from "../../src/wire/problem.ts";
import { type Answered, Plane, reportOf } from "./plane.ts";
import { postgresServer } from "./postgres.ts";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

const server = await postgresServer();
const planes = [
  { name: "SQLite", plane: await Plane.start(), runs: 250 },
  { name: "PostgreSQL", plane: await Plane.start(await server.database()), runs: 250 },
];
after(async () => {
  for (const { plane } of planes) await plane[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly body: unknown;
}

const operations: readonly Operation[] = Object.entries(JSON.parse(JSON.stringify(openApi("0"))).paths).flatMap(
  ([path, methods]) =>
    Object.entries(Object(methods)).map(([method, of]) => {
      const { parameters, requestBody } = Object(of);
      return { method: method.toUpperCase(), path, parameters, body: requestBody?.content["application/json"].schema };
    }),
);

const NAMES = [
  "web",
  "nobody",
  "0".repeat(64),
  "00000000-0000-4000-8000-000000000000",
  "..",
  "%00",
  "a/b",
  "🐈",
  "'; drop table machines; --",
];
const word = fc.oneof(
  fc.constantFrom(...NAMES),
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.integer().map(String),
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom(null, [], {}, "", 1e308, -0, "\u0000", "x".repeat(5000)),
);

/** Something that a JSON schema allows, or in one place nearly so. */
function like(schema: unknown, depth = 0): fc.Arbitrary<unknown> {
  const of = Object(schema);
  if (depth > 6) return value;
  const choices = of.anyOf ?? of.oneOf;
  if (Array.isArray(choices)) return wild(fc.oneof(...choices.map((one) => like(one, depth + 1))));
  if (of.const !== undefined) return wild(fc.constant(of.const));
  if (Array.isArray(of.enum)) return wild(fc.constantFrom(...of.enum));
  switch (of.type) {
    case "object": {
      const fields = Object.entries(of.properties ?? {}).map(([name, one]) => [name, like(one, depth + 1)] as const);
      const object = fc.record(Object.fromEntries(fields), { requiredKeys: of.required ?? [] });
      if (fields.length > 0) return wild(object);
      return wild(
        fc.dictionary(fc.constantFrom("web", "db", "__proto__"), like(of.additionalProperties, depth + 1), {
          maxKeys: 3,
        }),
      );
    }
    case "array":
      return wild(fc.array(like(of.items, depth + 1), { maxLength: 4 }));
    case "integer":
    case "number":
      return wild(fc.oneof(fc.integer({ min: 0, max: 100 }), fc.maxSafeInteger()));
    case "string":
      if (typeof of.pattern === "string") return wild(fc.stringMatching(new RegExp(of.pattern, "u")));
      return wild(fc.string({ maxLength: 50 }));
    case "boolean":
      return wild(fc.boolean());
    default:
      return value;
  }
}

function wild(usual: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 15, arbitrary: usual }, { weight: 1, arbitrary: value });
}

const request = fc.constantFrom(...operations).chain((operation) =>
  fc.record({
    operation: fc.constant(operation),
    path: fc.array(word, { minLength: 3, maxLength: 3 }),
    query: fc.dictionary(
      fc.oneof(
        fc.constantFrom("cursor", "limit", ...operation.parameters.map(({ name }) => name)),
        fc.string({ maxLength: 5 }),
      ),
      fc.oneof(fc.integer().map(String), word),
      { maxKeys: 3 },
    ),
    body: operation.body === undefined ? fc.option(value, { nil: undefined }) : like(operation.body),
    asAgent: fc.boolean(),
  }),
);

for (const { name, plane, runs } of planes) {
  test(`no request makes a fault, and no answer tells of the insides: ${name}`, async () => {
    const certificate = await plane.enrolled("web");
    await plane.ask("POST", "/agent/report", { certificate, body: reportOf("web") });
    await fc.assert(
      fc.asyncProperty(request, async ({ operation, path, query, body, asAgent }) => {
        let next = 0;
        const filled = operation.path.replace(/\{\w+\}/g, () =>
          encodeURIComponent((path[next++] ?? "").toWellFormed()),
        );
        const asked = new URLSearchParams(
          Object.entries(query).map(([name, one]): [string, string] => [name.toWellFormed(), one.toWellFormed()]),
        );
        const who = asAgent ? { certificate } : { key: plane.key };
        harmless(await plane.ask(operation.method, `${filled}?${asked}`, { ...who, body }));
        assert.deepEqual(plane.log, []);
      }),
      { numRuns: runs },
    );
    assert.equal((await plane.ask("GET", "/machines", { key: plane.key })).status, 200);
  });

  test(`paths, methods and headers that nobody documented are refused as cleanly: ${name}`, async () => {
    const method = fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE");
    const header = fc.stringMatching(/^[\x20-\x7e]{0,60}$/);
    const anywhere = fc
      .array(word, { maxLength: 5 })
      .map((words) => `/${words.map((one) => encodeURIComponent(one.toWellFormed())).join("/")}`);
    await fc.assert(
      fc.asyncProperty(method, anywhere, header, header, async (how, path, authorization, idempotency) => {
        const headers = { Authorization: authorization, "Idempotency-Key": idempotency };
        const answered = await plane.ask(how, `/api/v1${path}`, { headers });
        if (how === "HEAD") return;
        harmless(answered);
      }),
      { numRuns: 60 },
    );
  });
}

test("what strangers send leaves nothing in memory", async () => {
  const [{ plane } = assert.fail()] = planes;
  const large = "x".repeat(250_000);
  const round = async () => {
    for (let number = 0; number < 50; number++) {
      const key = number % 2 === 0 ? plane.key : `nfk_${String(number).padStart(12, "0")}_${"A".repeat(43)}`;
      await plane.ask("POST", "/machines", { key, raw: JSON.stringify({ name: `${number}${large}` }) });
      await plane.ask("POST", `/agent/enrol?${number}`, { raw: `{"version":1,"machine":"m${number}",` });
      await plane.ask("GET", `/machines/${number}?${number}=${number}`, {
        key,
        headers: { [`X-${number}`]: large.slice(0, 9000) },
      });
      await plane.ask("GET", `/${number}`, {});
    }
    collect();
    return process.memoryUsage().heapUsed;
  };
  await round();
  const before = await round();
  const grown = (await round()) - before;
  assert.ok(grown < 512 * 1024, `200 requests leave ${(grown / 1024).toFixed(0)} KiB`);
});

function harmless({ status, text, json, headers }: Answered): void {
  assert.ok(status < 500, text);
  assert.doesNotMatch(text, /\.ts\b|\\n +at |node_modules|sqlite|constraint/i);
  if (status >= 400) {
    assert.equal(headers["content-type"], "application/problem+json");
    assert.ok(problem.safeParse(json).success, text);
  }
}
