import assert from "node:assert/strict";
import { test } from "node:test";
import { mkOption } from "../../src/modules/mk-option.ts";
import { defineModule } from "../../src/modules/module.ts";
import {
  mkAfter,
  mkBefore,
  mkDefault,
  mkForce,
  mkIf,
  mkMerge,
  mkOrder,
  mkOverride,
} from "../../src/modules/properties.ts";
import * as types from "../../src/types.ts";
import { config, declares, evaluation, type Loose, lists, refuses } from "./modules-evaluation.ts";

test("priorities: mkForce beats, mkDefault yields, mkOverride says how much, and the nearest to the value counts", () => {
  const n = (...values: unknown[]) => config(lists, ...values.map((value) => ({ n: value }))).n;
  assert.equal(n(2, mkForce(3)), 3);
  assert.equal(n(mkDefault(2), 3), 3);
  assert.equal(n(mkDefault(2)), 2);
  assert.equal(n(mkOverride(10, 2), mkForce(3)), 2);
  assert.equal(n(mkForce(mkDefault(2)), 3), 3);
  assert.equal(config(lists, mkForce({ n: 2 }), { n: 3 }).n, 2);
  assert.equal(config(lists, defineModule({ config: mkDefault({ n: 2 }) }), { n: 3 }).n, 3);
});

test("orders: mkBefore and mkAfter place a list's elements, mkOrder between them, the rest as imported", () => {
  const list = (...values: unknown[]) => config(lists, ...values.map((value) => ({ list: value }))).list.join("");
  assert.equal(list(["c"], mkBefore(["b"]), mkAfter(["e"]), ["d"], mkOrder(1, ["a"])), "abcde");
  const imported = defineModule({ config: { list: ["i"] } as Loose });
  assert.equal(config(lists, { list: ["a"] }, { imports: [imported], config: { list: ["b"] } }).list.join(""), "aib");
});

test("mkMerge is several definitions, each with its own condition", () => {
  const module = mkMerge([{ list: ["a"] }, mkIf(false, { list: ["b"] }), mkIf(({ on }) => on, { list: ["c"] })]);
  assert.deepEqual(config(lists, { on: true }, module).list, ["a", "c"]);
  assert.deepEqual(config(lists, { list: mkMerge([["a"], mkIf(true, ["b"])]) }).list, ["a", "b"]);
});

test("of conditions in each other all must hold", () => {
  for (const [outer, inner] of [
    [false, true],
    [true, false],
    [false, false],
    [true, true],
  ] as const) {
    const wanted = outer && inner ? ["a"] : [];
    assert.deepEqual(config(lists, { list: mkIf(outer, mkIf(inner, ["a"])) }).list, wanted);
    assert.deepEqual(
      config(
        lists,
        mkIf(() => outer, { list: mkMerge([mkIf(inner, ["a"])]) }),
      ).list,
      wanted,
    );
  }
});

test("a list's element, or a set's value, whose condition does not hold is not there", () => {
  const set = declares({ set: mkOption({ type: types.attrsOf(types.int) }) });
  assert.deepEqual(config(lists, set, { list: ["a", mkIf(false, "b")], set: { a: mkIf(false, 1), b: 2 } }).list, ["a"]);
  assert.deepEqual(config(set, { set: { a: mkIf(false, 1), b: 2 } }).set, { b: 2 });
});

test("a module imported twice, by whomever, counts once", () => {
  const shared = defineModule({ config: { list: ["s"] } as Loose });
  const a = defineModule({ imports: [shared] });
  const b = { imports: [shared, a] };
  assert.deepEqual(config(lists, shared, a, b, shared).list, ["s"]);
});

test("undefined is no definition", () => {
  assert.equal(config(lists, { n: undefined }).n, 1);
});

test("the configuration can be listed, spread and turned into JSON", () => {
  const whole = config(lists, { n: 2 });
  assert.deepEqual(Object.keys(whole), ["list", "on", "n"]);
  assert.deepEqual({ ...whole }, { list: [], on: false, n: 2 });
  assert.equal(JSON.stringify(whole), '{"list":[],"on":false,"n":2}');
  assert.ok("n" in whole && !("m" in whole));
});

test("explain says which definitions made a value, and which did not count", () => {
  const whole = evaluation(lists, { n: 2 }, { n: mkForce(3) }, { n: mkIf(false, 4) });
  const { value, definitions } = whole.explain(["n"]);
  assert.equal(value, 3);
  assert.deepEqual(
    definitions.map(({ value, state }) => [value, state]),
    [
      [2, "yields"],
      [3, "used"],
      [4, "inactive"],
    ],
  );
  for (const { place } of definitions) assert.match(place.text, /modules\.test\.ts:\d+$/);
});

test("explain leads into sets and submodules", () => {
  const users = declares({
    users: mkOption({ type: types.attrsOf(types.submodule({ uid: mkOption({ type: types.int }) })) }),
  });
  const whole = evaluation(users, { users: { alice: { uid: mkForce(1) } } });
  assert.deepEqual(
    whole.explain(["users", "alice", "uid"]).definitions.map(({ value }) => value),
    [1],
  );
  refuses(/did you mean users\.alice\.uid/, () => whole.explain(["users", "alice", "uidd"]));
  refuses(/did you mean users\.alice/, () => whole.explain(["users", "alicf"]));
});

test("priorities at an option, around a set, around a module, and in each other: the innermost counts", () => {
  const tree = declares({
    a: { n: mkOption({ type: types.int, default: 0 }), m: mkOption({ type: types.int, default: 0 }) },
  });
  const n = (...modules: object[]) => config(tree, ...modules).a.n;
  assert.equal(n({ a: mkForce({ n: 1 }) }, { a: { n: 2 } }), 1);
  assert.equal(n({ a: mkDefault({ n: 1 }) }, { a: { n: 2 } }), 2);
  assert.equal(n(mkForce({ a: mkDefault({ n: 1 }) }), { a: { n: 2 } }), 2);
  assert.equal(n(mkDefault({ a: { n: mkForce(1), m: 5 } }), { a: { n: 2 } }), 1);
  assert.equal(n(mkOverride(60, { a: { n: 1 } }), mkOverride(70, { a: { n: 2 } })), 1);
  assert.equal(n(mkForce(mkIf(false, { a: { n: 1 } })), { a: { n: 2 } }), 2);
  assert.equal(n(mkIf(true, mkForce(mkMerge([{ a: { n: 1 } }, { a: { m: 1 } }]))), { a: { n: 2, m: 2 } }), 1);
  const part = config(tree, mkDefault({ a: { n: 1, m: 1 } }), { a: { n: 2 } }).a;
  assert.deepEqual([part.n, part.m], [2, 1]); // a priority around a set is one for each option in it
});

test("a priority inside a set of the user's names, or a submodule, is among that name's definitions", () => {
  const item = types.submodule({ n: mkOption({ type: types.int, default: 0 }) });
  const set = declares({
    set: mkOption({ type: types.attrsOf(types.int) }),
    items: mkOption({ type: types.attrsOf(item) }),
  });
  assert.deepEqual(config(set, { set: { a: mkDefault(1), b: 1 } }, { set: { a: 2 } }).set, { a: 2, b: 1 });
  assert.deepEqual(config(set, { set: mkForce({ a: 1 }) }, { set: { b: 2 } }).set, { a: 1 });
  const items = config(set, { items: { a: { n: 1 } } }, { items: { a: { n: mkForce(2) }, b: mkIf(false, {}) } }).items;
  assert.equal(items.a.n, 2);
  assert.deepEqual(Object.keys(items), ["a"]);
});

test("an order around a set or a module is that of each list below; lines are ordered too", () => {
  const options = declares({
    t: { list: mkOption({ type: types.listOf(types.str) }), text: mkOption({ type: types.lines }) },
  });
  const { t } = config(
    options,
    mkAfter({ t: { list: ["c"], text: "c" } }),
    { t: { list: ["b"], text: "b" } },
    { t: mkBefore({ list: ["a"], text: "a" }) },
    { t: { list: mkOrder(1400, ["b2"]) } },
  );
  assert.deepEqual([t.list, t.text], [["a", "b", "b2", "c"], "a\nb\nc"]);
  const sets = declares({ s: mkOption({ type: types.attrsOf(types.listOf(types.int)) }) });
  assert.deepEqual(config(sets, { s: mkAfter({ a: [2] }) }, { s: { a: mkOrder(1200, [1]) } }).s, { a: [1, 2] });
});

test("imports come before the module that has them, depth first, also when they import each other", () => {
  const module = (name: string, imports: object[] = []) => ({ imports, config: { list: [name] } });
  const a = module("a");
  const b = module("b", [a]);
  const c = module("c", [b, a, module("d")]);
  a.imports.push(c);
  assert.equal(config(lists, c).list.join(""), "abdc");
  assert.equal(config(lists, a).list.join(""), "bdca");
});

test("a read-only option with a default takes one definition beside it", () => {
  const options = declares({ fixed: mkOption({ type: types.int, readOnly: true, default: 1 }) });
  assert.equal(config(options).fixed, 1);
  assert.equal(config(options, { fixed: 2 }, { fixed: mkIf(false, 3) }).fixed, 2);
});

test("internal options are evaluated, but left out of what is printed", () => {
  let computed = 0;
  const hidden = mkOption({ type: types.int, internal: true, default: () => ++computed });
  const whole = evaluation(lists, declares({ hidden, set: { hidden } }));
  assert.deepEqual(whole.all(), { list: [], on: false, n: 1, set: {} });
  assert.equal(computed, 0);
  whole.force();
  assert.equal(computed, 2);
});

test("explain tells the place of each definition, through imports, conditions and merges", () => {
  const imported = defineModule({ config: { n: mkDefault(1) } as Loose });
  const importer = defineModule({ imports: [imported], config: mkMerge([mkIf(true, { n: 5 } as Loose)]) });
  const lines = [imported, importer].map((module) => module.place.text);
  const { definitions, option } = evaluation(lists, importer).explain(["n"]);
  assert.deepEqual(
    definitions.map(({ place, state, priority }) => [place.text, state, priority]),
    [
      [lines[0], "yields", 1000],
      [lines[1], "used", 100],
    ],
  );
  const merging = mkMerge([{ n: 7 }]);
  assert.deepEqual(
    evaluation(lists, merging)
      .explain(["n"])
      .definitions.map(({ place }) => place.text),
    [merging.place.text],
  );
  assert.equal(option?.description, "");
  assert.deepEqual(evaluation(lists).explain(["n"]).definitions, []);
  assert.equal(evaluation(lists).explain([]).option, undefined);
});
