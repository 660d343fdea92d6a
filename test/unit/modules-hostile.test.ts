import assert from "node:assert/strict";
import { test } from "node:test";
import { mkOption } from "../../src/modules/mk-option.ts";
import { Place } from "../../src/modules/place.ts";
import { mkIf, mkMerge } from "../../src/modules/properties.ts";
import * as types from "../../src/types.ts";
import { config, declares, evaluation, type Loose, lists, merged, refuses } from "./modules-evaluation.ts";

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

test("options deep below others evaluate without exhausting the stack", () => {
  const names = Array.from({ length: 500 }, (_, i) => `o${i}`);
  const options = declares(Object.fromEntries(names.map((name) => [name, mkOption({ type: types.int })])));
  const chain = Object.fromEntries(names.map((name, i) => [name, i === 0 ? 1 : (c: Loose) => c[`o${i - 1}`] + 1]));
  assert.equal(config(options, chain).o499, 500);
});

const HOSTILE = ["__proto__", "constructor", "toString", "hasOwnProperty", "then", "toJSON", "kind", "", "a.b", "0"];
/** An object with that key, also where the literal would set the prototype. */
const keyed = (name: string, value: unknown): Loose => Object.fromEntries([[name, value]]);

test("any name can be an option, a set of options, a name in a set, and a freeform name", () => {
  for (const name of HOSTILE) {
    const int = mkOption({ type: types.int, default: 1 });
    const options = [
      declares({ o: keyed(name, int) }),
      declares({ o: { other: int }, s: keyed(name, { inner: int }) }),
      declares({
        attrs: mkOption({ type: types.attrsOf(types.int) }),
        any: mkOption({ type: types.anything }),
        free: mkOption({ type: types.freeformSubmodule({}, types.int) }),
        sub: mkOption({
          type: types.attrsOf(types.submodule({ own: mkOption({ type: types.str, default: ({ name }) => name }) })),
        }),
      }),
    ];
    const whole = evaluation(
      ...options,
      { o: keyed(name, 2), s: keyed(name, { inner: 3 }), attrs: keyed(name, 4), any: keyed(name, 5) },
      { free: keyed(name, 6), sub: keyed(name, {}), any: { more: 7 } },
    );
    const config = whole.config as Loose;
    assert.deepEqual(
      [config.o[name], config.s[name].inner, config.attrs[name], config.free[name], config.sub[name].own],
      [2, 3, 4, 6, name],
      name,
    );
    assert.deepEqual(Object.keys(config.any).sort(), [name, "more"].sort());
    const all = whole.all() as Loose;
    assert.deepEqual(Object.entries(all.attrs), [[name, 4]]);
    assert.deepEqual(Object.entries(all.free), [[name, 6]]);
    assert.equal(whole.explain(["o", name]).value, 2);
    assert.equal(Object.getPrototypeOf(all.attrs), Object.prototype);
  }
  assert.deepEqual(Object.keys(Object.prototype), []);
});

test("names that nobody declares are refused, whatever every object has", () => {
  const inner = declares({ set: { n: mkOption({ type: types.int, default: 1 }) } });
  for (const name of HOSTILE) {
    refuses(/there is no option/, () => config(lists, keyed(name, 1)).n);
    refuses(/there is no option set\./, () => config(inner, { set: keyed(name, 1) }).set.n);
  }
  refuses(/there is no option toString/, () => `${config(lists)}`);
});

test("a set can be awaited and turned into JSON, though nobody declares then and toJSON", async () => {
  const whole = config(lists);
  assert.equal(await whole, whole);
  assert.equal(JSON.stringify(whole), '{"list":[],"on":false,"n":1}');
});

test("what is no plain object is not taken for a set", () => {
  class Fancy {
    n = 2;
  }
  const set = declares({
    set: mkOption({ type: types.attrsOf(types.int) }),
    deep: { n: mkOption({ type: types.int }) },
  });
  for (const value of [new Fancy(), new Date(0), new Map(), [], null, 3, "text", Symbol("s")]) {
    refuses(/^set: wanted a set/, () => config(set, { set: value }).set);
    refuses(/^deep holds options, so it wants an object/, () => config(set, { deep: value }).deep.n);
  }
  assert.deepEqual(config(set, { set: Object.assign(Object.create(null), { a: 1 }) }).set, { a: 1 });
});

test("anything passes instances on as they are, and refuses two different ones", () => {
  const date = new Date(0);
  assert.equal(merged(types.anything, date, date), date);
  refuses(/: a Date instance and a Date instance/, () => merged(types.anything, date, new Date(0)));
  refuses(/defined more than once/, () => merged(types.anything, {}, []));
});

test("the configuration cannot be written to", () => {
  const whole = config(lists, {
    n: (c: Loose) => {
      c.on = true;
      return 1;
    },
  });
  refuses(/the value of n could not be computed: TypeError/, () => whole.n);
  assert.throws(() => {
    whole.more = 1;
  }, TypeError);
  assert.throws(() => {
    delete whole.n;
  }, TypeError);
  assert.equal(whole.on, false);
});

test("what a module is made of is not written to, and serves many evaluations", () => {
  const module = deepFreeze({
    options: { o: { p: mkOption({ type: types.listOf(types.int), default: [0] }) } },
    config: { o: { p: [1] } },
  });
  const more = declares({ o: { q: mkOption({ type: types.int, default: 1 }) } });
  for (let i = 0; i < 2; i++)
    assert.deepEqual(evaluation(module, more, { o: { p: [2] } }).all(), { o: { p: [1, 2], q: 1 } });
  assert.deepEqual(evaluation(module).all(), { o: { p: [1] } });
});

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || value instanceof Place) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}

test("sets and values nest deeply, and what is without end is an error", () => {
  let options: Loose = mkOption({ type: types.int, default: 3 });
  let value: unknown = 1;
  let wrapped: unknown = 4;
  for (let i = 0; i < 300; i++) {
    options = { x: options };
    value = { v: [value] };
    wrapped = mkIf(true, mkMerge([wrapped]));
  }
  assert.match(JSON.stringify(evaluation(declares(options)).all()), /^({"x":){300}3}{300}$/);
  assert.match(JSON.stringify(merged(types.anything, value)), /^({"v":\[){300}1/);
  assert.equal(config(lists, { n: wrapped }).n, 4);
  const circle: Loose = {};
  circle.self = circle;
  refuses(/x could not be computed: it is nested too deeply, or contains itself\n.*\.test\.ts:\d+/, () =>
    merged(types.anything, circle),
  );
});
