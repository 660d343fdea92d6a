/** The document of the API is made from its routes, and what changes something is never open to those who only read. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { openApi } from "../../src/control/api/openapi.ts";
import { ROUTES } from "../../src/control/api/routes.ts";
import { API_PAGE, withReference } from "./api-reference.ts";

test("each operation has a name of its own, says who may use it, and how a refusal looks", () => {
  const operations = Object.values(openApi("0").paths).flatMap((methods) => Object.values(methods).map(Object));
  assert.equal(operations.length, ROUTES.length);
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length);
  for (const { operationId, responses, "x-role": role, summary } of operations) {
    assert.ok(["anyone", "agent", "readonly", "deploy", "admin"].includes(role), operationId);
    assert.ok(responses.default.content["application/problem+json"], operationId);
    assert.match(summary, /\.$/, operationId);
  }
});

test("only enrolment is open to whoever comes", () => {
  assert.deepEqual(
    ROUTES.filter(({ who }) => who === "anyone").map(({ path }) => path),
    ["/agent/enrol"],
  );
});

test("docs/api.md has every route as the control plane has it (node test/unit/api-reference.ts writes it)", () => {
  const page = readFileSync(API_PAGE, "utf8");
  assert.equal(page, withReference(page), "run: node_modules/.bin/node test/unit/api-reference.ts");
});
