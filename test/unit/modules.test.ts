import assert from "node:assert/strict";
import { test } from "node:test";
import {
  mkAfter,
  mkBefore,
  mkDefault,
  mkForce,
  mkIf,
  mkMerge,
  mkOrder,
  mkOverride,
} from "../../src/modules/definition.ts";
import { UserError } from "../../src/modules/errors.ts";
import { defineModule, evaluateModules, type ModuleLike } from "../../src/modules/module.ts";
import { mkEnableOption, mkOption, type OptionTree } from "../../src/modules/option.ts";
import { callerOf } from "../../src/modules/place.ts";
import * as types from "../../src/types.ts";

// biome-ignore lint/suspicious/noExplicitAny: these tests look at values that the types would forbid
type Loose = any;

function evaluation(...modules: ModuleLike[]) {
  return evaluateModules(modules, callerOf(evaluation as never));
}

function config(...modules: ModuleLike[]): Loose {
  return evaluation(...modules).config;
}

const declares = (options: OptionTree) => defineModule({ options });

/** An option of the type, defined by each of the values; what comes out. */
function merged(type: Parameters<typeof mkOption>[0]["type"], ...values: unknown[]): unknown {
  const options = declares({ x: mkOption({ type }) });
  const whole = evaluation(options, ...values.map((x) => ({ x })));
  return whole.plain((whole.config as Loose).x);
}

function refuses(message: RegExp, run: () => unknown): void {
  assert.throws(run, (error) => error instanceof UserError && message.test(error.text));
}

const lists = declares({
  list: mkOption({ type: types.listOf(types.str) }),
  on: mkEnableOption("it"),
  n: mkOption({ type: types.int, default: 1 }),
});

test("each type takes its values and names itself where it refuses one", () => {
  const good: readonly (readonly [Loose, unknown])[] = [
    [types.bool, false],
    [types.int, -3],
    [types.intBetween(1, 3), 3],
    [types.positiveInt, 1],
    [types.unsignedInt, 0],
    [types.port, 65535],
    [types.str, ""],
    [types.nonEmptyStr, "a"],
    [types.strMatching(/a+/), "aaa"],
    [types.lines, "a\nb"],
    [types.absolutePath, "/a b/ü"],
    [types.enum(["a", "b"]), "b"],
    [types.nullOr(types.int), null],
    [types.nullOr(types.int), 3],
    [types.either(types.int, types.str), "a"],
    [types.oneOf([types.int, types.str, types.bool]), true],
    [types.anything, { a: [1, { b: null }] }],
  ];
  for (const [type, value] of good) assert.deepEqual(merged(type, value), value, type.description);
  const bad: readonly (readonly [Loose, unknown, RegExp])[] = [
    [types.bool, 0, /wanted true or false, got 0/],
    [types.int, 1.5, /wanted an integer, got 1.5/],
    [types.int, Number.NaN, /wanted an integer, got NaN/],
    [types.int, "1", /wanted an integer, got "1"/],
    [types.intBetween(1, 3), 4, /from 1 to 3/],
    [types.positiveInt, 0, /at least 1/],
    [types.unsignedInt, -1, /at least 0/],
    [types.port, 65536, /0 to 65535/],
    [types.str, 3, /a string/],
    [types.nonEmptyStr, " ", /not empty/],
    [types.strMatching(/a+/), "ab", /matches/],
    [types.strMatching(/a+/), "a\n", /matches/],
    [types.lines, 3, /text/],
    [types.absolutePath, "a", /absolute path/],
    [types.absolutePath, "/a/../b", /absolute path/],
    [types.absolutePath, "/a/", /absolute path/],
    [types.enum(["a", "b"]), "c", /one of "a", "b"/],
    [types.nullOr(types.int), "x", /an integer/],
    [types.either(types.int, types.str), true, /an integer or a string/],
    [types.listOf(types.str), "x", /a list/],
    [types.listOf(types.str), ["a", 3], /x\.1: wanted a string/],
    [types.attrsOf(types.int), [], /a set/],
    [types.attrsOf(types.int), { a: "b" }, /x\.a: wanted an integer/],
    [types.attrsOf(types.int), new Date(0), /a set/],
    [types.submodule({}), null, /an object/],
  ];
  for (const [type, value, message] of bad) refuses(message, () => merged(type, value));
});

test("equal definitions of a single value are one; different ones show both values, places and the way out", () => {
  assert.equal(merged(types.int, 3, 3), 3);
  refuses(/1 at .*modules\.test\.ts:\d+\n.*2 at .*modules\.test\.ts:\d+\n.*mkForce/, () => merged(types.int, 1, 2));
  refuses(/null at .*\n.*1 at/, () => merged(types.nullOr(types.int), null, 1));
});

test("lists are joined, sets merged by name, lines joined line by line", () => {
  assert.deepEqual(merged(types.listOf(types.int), [1], [2, 3]), [1, 2, 3]);
  assert.deepEqual(merged(types.attrsOf(types.listOf(types.int)), { b: [1] }, { a: [2], b: [3] }), {
    a: [2],
    b: [1, 3],
  });
  assert.equal(merged(types.lines, "a", "b"), "a\nb");
  assert.deepEqual(merged(types.anything, { a: { b: 1 }, l: [1] }, { a: { c: 2 }, l: [2] }), {
    a: { b: 1, c: 2 },
    l: [1, 2],
  });
});

test("coercedTo converts what is of the one type and takes the other as it is", () => {
  const type = types.coercedTo(types.str, (text) => text.length, types.int);
  assert.equal(merged(type, "abc", 3), 3);
});

test("what nobody defines is empty where its type has an empty value, else it is an error that names the option", () => {
  const options = declares({
    list: mkOption({ type: types.listOf(types.int) }),
    set: mkOption({ type: types.attrsOf(types.int) }),
    maybe: mkOption({ type: types.nullOr(types.int) }),
    inner: mkOption({ type: types.submodule({ a: mkOption({ type: types.int, default: 3 }) }) }),
    bare: { int: mkOption({ type: types.int }) },
  });
  const whole = config(options);
  assert.deepEqual([whole.list, whole.set, whole.maybe, whole.inner.a], [[], {}, null, 3]);
  refuses(/bare\.int has no value.*define it as an integer/s, () => whole.bare.int);
});

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

test("a value may be a function of the configuration at any depth", () => {
  const set = declares({ set: mkOption({ type: types.attrsOf(types.listOf(types.int)) }) });
  assert.deepEqual(
    config(lists, set, { n: 7, set: ({ n }: Loose) => ({ a: [n, ({ n }: Loose) => n + 1], b: ({ n }: Loose) => [n] }) })
      .set,
    { a: [7, 8], b: [7] },
  );
});

test("a list's element, or a set's value, whose condition does not hold is not there", () => {
  const set = declares({ set: mkOption({ type: types.attrsOf(types.int) }) });
  assert.deepEqual(config(lists, set, { list: ["a", mkIf(false, "b")], set: { a: mkIf(false, 1), b: 2 } }).list, ["a"]);
  assert.deepEqual(config(set, { set: { a: mkIf(false, 1), b: 2 } }).set, { b: 2 });
});

test("a condition is looked at only for options that are defined below it, and once", () => {
  let calls = 0;
  const module = defineModule({
    options: { mine: { enable: mkEnableOption("mine") } },
    config: mkIf(
      ({ mine }) => {
        calls += 1;
        return mine.enable;
      },
      { list: ["a"], n: 5 } as Loose,
    ),
  });
  const whole = config(lists, module, { mine: { enable: true } });
  assert.equal(whole.on, false);
  assert.equal(whole.mine.enable, true); // the module itself may define what its condition reads
  assert.equal(calls, 0);
  assert.deepEqual([whole.list, whole.n], [["a"], 5]);
  assert.equal(calls, 1);
});

test("a function under a condition that does not hold is not called", () => {
  const throwing = () => {
    throw new Error("called");
  };
  assert.equal(config(lists, { n: mkIf(false, throwing) }).n, 1);
  assert.deepEqual(config(lists, mkIf(false, { list: throwing })).list, []);
});

test("a value is computed once", () => {
  let calls = 0;
  const whole = config(lists, {
    n: () => {
      calls += 1;
      return 3;
    },
  });
  assert.deepEqual([whole.n, whole.n, calls], [3, 3, 1]);
});

test("a value that depends on itself is an error that prints the chain, each with file and line", () => {
  const options = declares({ a: mkOption({ type: types.int }), b: mkOption({ type: types.int }) });
  const whole = config(options, { a: ({ b }: Loose) => b }, { b: mkIf(({ a }: Loose) => a > 1, 2) });
  refuses(
    /^a depends on itself\n +a at .*modules\.test\.ts:\d+\n +→ b at .*modules\.test\.ts:\d+\n +→ a\n/,
    () => whole.a,
  );
  refuses(/^b depends on itself/, () => whole.b);
});

test("an undeclared option is an error with the nearest declared name and the place, also when it is only read", () => {
  refuses(/no option lits\n.*modules\.test\.ts:\d+\n.*did you mean list\?/, () => config(lists, { lits: [] }).n);
  refuses(
    /no option lits\n +read at .*modules\.test\.ts:\d+\n.*did you mean list\?/,
    () => config(lists, { n: ({ lits }: Loose) => lits.length }).n,
  );
  refuses(/`nixfleet options`/, () => config(lists, { somethingElse: 1 }).n);
});

test("an option is declared once; the error names both places", () => {
  refuses(
    /declared twice\n.*\.ts:\d+\n.*\.ts:\d+/,
    () => config(lists, declares({ n: mkOption({ type: types.int }) })).n,
  );
  refuses(
    /option n is declared twice/,
    () => config(lists, declares({ n: { inner: mkOption({ type: types.int }) } })).n,
  );
});

test("a read-only option takes one definition", () => {
  const options = declares({ fixed: mkOption({ type: types.int, readOnly: true }) });
  assert.equal(config(options, { fixed: 1 }).fixed, 1);
  refuses(/read-only, but it is defined 2 times/, () => config(options, { fixed: 1 }, { fixed: mkForce(2) }).fixed);
});

test("a module imported twice, by whomever, counts once", () => {
  const shared = defineModule({ config: { list: ["s"] } as Loose });
  const a = defineModule({ imports: [shared] });
  const b = { imports: [shared, a] };
  assert.deepEqual(config(lists, shared, a, b, shared).list, ["s"]);
});

test("what a user's function throws is told with the place of its definition", () => {
  const whole = config(lists, { n: ({ list }: Loose) => list.foo.bar });
  refuses(/the value of n could not be computed: TypeError: .*\n.*modules\.test\.ts:\d+/, () => whole.n);
  refuses(/condition of mkIf is "yes"/, () => config(lists, { n: mkIf((() => "yes") as Loose, 2) }).n);
});

test("a module that is no module is told what it is", () => {
  refuses(/a module is wanted, got 3/, () => config(3 as Loose));
  refuses(/then call it/, () => config((() => lists) as Loose));
  refuses(/both `config` and `list`.*config: \{/s, () => config(lists, { config: {}, list: [] }).n);
  refuses(
    /holds options, so it wants an object, got \["a"\]/,
    () => config(declares({ a: { b: mkEnableOption("b") } }), { a: ["a"] }).a.b,
  );
});

test("undefined is no definition", () => {
  assert.equal(config(lists, { n: undefined }).n, 1);
});

test("names that every JavaScript object has are options like others", () => {
  for (const name of ["constructor", "toString", "hasOwnProperty", "valueOf"]) {
    refuses(/there is no option/, () => config(lists)[name]);
    assert.equal(config(declares({ [name]: mkOption({ type: types.int }) }), { [name]: 3 })[name], 3);
    assert.deepEqual(Object.keys(merged(types.attrsOf(types.int), { [name]: 1 }) as object), [name]);
  }
  const polluting = JSON.parse('{"x": {"__proto__": {"polluted": 1}}}');
  const set = evaluation(declares({ x: mkOption({ type: types.attrsOf(types.anything) }) }), polluting).all() as Loose;
  assert.deepEqual(Object.keys(set.x), ["__proto__"]);
  assert.equal(({} as Loose).polluted, undefined);
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

test("options deep below others evaluate without exhausting the stack", () => {
  const names = Array.from({ length: 500 }, (_, i) => `o${i}`);
  const options = declares(Object.fromEntries(names.map((name) => [name, mkOption({ type: types.int })])));
  const chain = Object.fromEntries(names.map((name, i) => [name, i === 0 ? 1 : (c: Loose) => c[`o${i - 1}`] + 1]));
  assert.equal(config(options, chain).o499, 500);
});
