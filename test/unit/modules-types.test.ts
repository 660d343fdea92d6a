import assert from "node:assert/strict";
import { test } from "node:test";
import { mkEnableOption, mkOption } from "../../src/modules/mk-option.ts";
import { mkDefault, mkForce, mkIf } from "../../src/modules/properties.ts";
import * as types from "../../src/types.ts";
import { config, declares, type Loose, merged, refuses } from "./modules-evaluation.ts";

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
    [types.absolutePath, "/"],
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
  refuses(/: 1 and 2\n +at .*modules-types\.test\.ts:\d+\n.*mkForce/, () => merged(types.int, 1, 2));
  refuses(/: null and 1\n/, () => merged(types.nullOr(types.int), null, 1));
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

test("types describe themselves from what they are made of", () => {
  const described: readonly (readonly [Loose, string])[] = [
    [types.listOf(types.port), "a list, each element an integer from 0 to 65535"],
    [types.attrsOf(types.nullOr(types.str)), "a set, each value null or a string"],
    [types.oneOf([types.int, types.str, types.bool]), "an integer or a string or true or false"],
    [types.coercedTo(types.str, Number, types.int), "an integer, or a string"],
    [types.strMatching(/a/, "an a"), "an a"],
    [types.enum(["a", 'b"']), 'one of "a", "b\\""'],
  ];
  for (const [type, text] of described) assert.equal(type.description, text);
});

test("a pattern matches the whole string, each time, whatever its flags", () => {
  for (const flags of ["", "g", "y", "m", "i", "u", "gm"]) {
    const type = types.strMatching(new RegExp("a+|b", flags));
    for (let i = 0; i < 3; i++)
      assert.deepEqual(
        ["aaa", "b", "ab", "aa\nb", "\naa", ""].map(type.accepts),
        [true, true, false, false, false, false],
        flags,
      );
  }
  assert.ok(types.strMatching(/^a$/).accepts("a"));
});

test("either takes the first type that all definitions are of", () => {
  const type = types.either(types.listOf(types.int), types.int);
  assert.deepEqual(merged(type, [1], [2]), [1, 2]);
  refuses(/: \[1\] and 2\n/, () => merged(type, [1], 2));
});

test("coercedTo converts inside lists, merges what it converted, and tells all that it takes", () => {
  const entry = types.coercedTo(
    types.str,
    (path) => ({ path }),
    types.submodule({ path: mkOption({ type: types.str }), mode: mkOption({ type: types.str, default: "0755" }) }),
  );
  assert.deepEqual(merged(types.listOf(entry), ["/a", { path: "/b", mode: "0700" }]), [
    { path: "/a", mode: "0755" },
    { path: "/b", mode: "0700" },
  ]);
  assert.deepEqual(
    merged(
      types.coercedTo(types.str, (text) => [text], types.listOf(types.str)),
      "a",
      ["b"],
    ),
    ["a", "b"],
  );
  refuses(/x\.0: wanted an object with its own options, or a string, got 3/, () => merged(types.listOf(entry), [3]));
});

test("anything takes conditions, priorities and functions at any depth", () => {
  const value = {
    a: mkIf(false, 1),
    b: mkForce(2),
    c: ({ x }: Loose) => Object.keys(x).length,
    l: [mkIf(false, 0), () => 1],
  };
  assert.deepEqual(merged(types.anything, { b: mkForce(2), a: mkIf(false, 1), l: [mkIf(false, 0), () => 1] }), {
    b: 2,
    l: [1],
  });
  assert.deepEqual(merged(types.anything, { b: 1, d: mkDefault({ e: 1 }) }, { b: mkForce(2), d: { f: 2 } }), {
    b: 2,
    d: { f: 2 },
  });
  refuses(/depends on itself/, () => merged(types.anything, value));
  refuses(/x\.a\.b is defined more than once/, () => merged(types.anything, { a: { b: 1 } }, { a: { b: 2 } }));
});

test("a default is a definition like others, but for its priority: it may be conditional, and count for nothing", () => {
  const options = declares({
    on: mkEnableOption("it"),
    list: mkOption({ type: types.listOf(types.int), default: mkIf(({ on }: Loose) => on, [1]) as Loose }),
    n: mkOption({ type: types.int, default: (() => undefined) as Loose }),
  });
  assert.deepEqual(config(options, { on: true }).list, [1]);
  assert.deepEqual(config(options).list, []);
  refuses(/n has no value/, () => config(options).n);
});

test("merged names are sorted, whoever defines them first", () => {
  assert.deepEqual(Object.keys(merged(types.attrsOf(types.int), { b: 1, c: 1 }, { a: 1 }) as object), ["a", "b", "c"]);
  assert.deepEqual(Object.keys(merged(types.anything, { b: 1, a: 1 }) as object), ["a", "b"]);
});
