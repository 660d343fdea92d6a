import assert from "node:assert/strict";
import { test } from "node:test";
import { mkOption } from "../../src/modules/mk-option.ts";
import { mkIf } from "../../src/modules/properties.ts";
import * as types from "../../src/types.ts";
import { config, declares, lists, merged, refuses } from "./modules-evaluation.ts";

test("a submodule knows its name, the values beside an option, and the whole configuration", () => {
  const users = types.attrsOf(
    types.submodule({
      home: mkOption({ type: types.str, default: ({ config, self, name }) => `${config.base}/${name}/${self.shell}` }),
      shell: mkOption({ type: types.str, default: "sh" }),
    }),
  );
  const options = declares({ base: mkOption({ type: types.str, default: "/home" }), users: mkOption({ type: users }) });
  const { users: all } = config(
    options,
    { users: { alice: {}, bob: { shell: "zsh" } } },
    { users: { alice: { shell: "fish" } } },
    { base: "/h" },
  );
  assert.equal(all.alice.home, "/h/alice/fish");
  assert.equal(all.bob.home, "/h/bob/zsh");
});

test("submodules nest, and an error inside one names the whole path", () => {
  const inner = types.submodule({ port: mkOption({ type: types.port }) });
  const type = types.attrsOf(types.submodule({ servers: mkOption({ type: types.listOf(inner) }) }));
  assert.deepEqual(merged(type, { a: { servers: [{ port: 1 }] } }), { a: { servers: [{ port: 1 }] } });
  refuses(/x\.a\.servers\.0\.port: wanted/, () => merged(type, { a: { servers: [{ port: -1 }] } }));
  refuses(/no option x\.a\.server\b.*did you mean x\.a\.servers/s, () => merged(type, { a: { server: [] } }));
});

test("a freeform submodule takes further names, of its type", () => {
  const type = types.freeformSubmodule({ known: mkOption({ type: types.int, default: 1 }) }, types.str);
  assert.deepEqual(merged(type, { other: "x" }), { known: 1, other: "x" });
  refuses(/x\.other: wanted a string/, () => merged(type, { other: 3 }));
});

test("a default in a set of a submodule knows the submodule, and one of the configuration its own name", () => {
  const item = types.submodule({
    deep: { id: mkOption({ type: types.str, default: ({ name, self }) => `${name}:${self.other}` }) },
    other: mkOption({ type: types.int, default: 2 }),
  });
  const named = mkOption({ type: types.str, default: ({ name, self }) => `${name}:${self.n}` });
  const whole = config(lists, declares({ items: mkOption({ type: types.attrsOf(item) }), set: { named } }), {
    items: { a: {} },
  });
  assert.equal(whole.items.a.deep.id, "a:2");
  assert.equal(whole.set.named, "named:1");
});

test("the places that a default is told are those of its submodule's definitions", () => {
  const places = mkOption({
    type: types.listOf(types.str),
    default: ({ places }) => places.map((place) => place.text),
  });
  const item = types.submodule({ places, deep: { places } });
  const options = declares({ items: mkOption({ type: types.attrsOf(item) }) });
  const whole = config(options, { items: { a: {} } }, mkIf(true, { items: { a: {}, b: {} } }));
  assert.equal(whole.items.a.places.length, 2);
  assert.deepEqual(whole.items.a.deep.places, whole.items.a.places);
  for (const place of whole.items.a.places) assert.match(place, /modules-submodules\.test\.ts:\d+$/);
});

test("freeform names merge by name, may be conditional, and come after the declared ones, sorted", () => {
  const type = types.freeformSubmodule({ z: mkOption({ type: types.int, default: 0 }) }, types.listOf(types.int));
  assert.deepEqual(Object.entries(merged(type, { c: [1], b: [2] }, { b: [3], z: 4 }) as object), [
    ["z", 4],
    ["b", [2, 3]],
    ["c", [1]],
  ]);
  refuses(/x\.b\.0: wanted an integer/, () => merged(type, { b: ["x"] }));
});
