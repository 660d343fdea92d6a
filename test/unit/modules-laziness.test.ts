import assert from "node:assert/strict";
import { test } from "node:test";
import { mkEnableOption, mkOption } from "../../src/modules/mk-option.ts";
import { defineModule } from "../../src/modules/module.ts";
import { mkIf, mkMerge } from "../../src/modules/properties.ts";
import * as types from "../../src/types.ts";
import { config, declares, type Loose, lists, refuses } from "./modules-evaluation.ts";

test("a value may be a function of the configuration at any depth", () => {
  const set = declares({ set: mkOption({ type: types.attrsOf(types.listOf(types.int)) }) });
  assert.deepEqual(
    config(lists, set, { n: 7, set: ({ n }: Loose) => ({ a: [n, ({ n }: Loose) => n + 1], b: ({ n }: Loose) => [n] }) })
      .set,
    { a: [7, 8], b: [7] },
  );
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
  refuses(/^a depends on itself: a → b → a\n +at .*modules-laziness\.test\.ts:\d+\n/, () => whole.a);
  refuses(/^b depends on itself/, () => whole.b);
});

test("a condition that throws harms only the options below it", () => {
  const failing = mkIf(
    () => {
      throw new Error("looked at");
    },
    { list: ["a"] },
  );
  const whole = config(lists, failing, { n: 2 });
  assert.deepEqual([whole.n, whole.on], [2, false]);
  refuses(/looked at/, () => whole.list);
});

test("a condition above an option of the module itself may read another of them", () => {
  const module = defineModule({
    options: { m: { enable: mkEnableOption("m"), level: mkOption({ type: types.int, default: 0 }) } },
    config: mkMerge([
      mkIf(({ m }: Loose) => m.enable, { m: { level: 2 } } as Loose),
      mkIf(({ m }: Loose) => m.level > 1, { on: true } as Loose),
    ]),
  });
  assert.equal(config(lists, module, { m: { enable: true } }).on, true);
  assert.equal(config(lists, module).on, false);
});

test("looking at the names of a set computes none of its values", () => {
  const whole = config(lists, {
    n: () => {
      throw new Error("computed");
    },
  });
  assert.deepEqual(Object.keys(whole), ["list", "on", "n"]);
  assert.ok("n" in whole && Object.hasOwn(whole, "n"));
});

test("submodules are evaluated one by one, and each option of one by itself", () => {
  const calls: string[] = [];
  const item = types.submodule({
    a: mkOption({ type: types.int, default: ({ name }) => calls.push(name) }),
    b: mkOption({ type: types.int, default: ({ self }) => self.a + 1 }),
  });
  const whole = config(declares({ s: mkOption({ type: types.attrsOf(item) }) }), { s: { x: {}, y: { a: 5 }, z: {} } });
  assert.equal(whole.s.y.b, 6);
  assert.deepEqual(calls, []);
  assert.deepEqual([whole.s.z.b, whole.s.z.b, whole.s.z.a], [2, 2, 1]);
  assert.deepEqual(calls, ["z"]);
});

test("a function in the place of a set may read whatever it does not define; else the chain names the set", () => {
  const options = declares({ a: mkOption({ type: types.int, default: 1 }), set: { b: mkOption({ type: types.int }) } });
  assert.equal(config(options, { set: (c: Loose) => ({ b: c.a + 1 }) }).set.b, 2);
  const at = /.*modules-laziness\.test\.ts:\d+/.source;
  refuses(
    RegExp(`^set\\.b depends on itself: set\\.b → set → set\\.b\n  at ${at}, ${at}\n`),
    () => config(options, { set: (c: Loose) => ({ b: c.set.b }) }).set.b,
  );
  refuses(
    RegExp(`^the configuration depends on itself: the configuration → a → .*\n  at ${at}, ${at}\n`),
    () => config(options, { imports: [], config: (c: Loose) => ({ set: { b: c.a } }) }).set.b,
  );
});

test("a cycle through submodules, lists and defaults names every step", () => {
  const item = types.submodule({
    a: mkOption({ type: types.int, default: ({ self }) => self.b }),
    b: mkOption({ type: types.int, default: ({ config }) => config.total }),
  });
  const options = declares({
    items: mkOption({ type: types.listOf(item) }),
    total: mkOption({ type: types.int, default: ({ config }) => config.items[0].a }),
  });
  const at = /.*\.test\.ts:\d+/.source;
  refuses(
    RegExp(`^total depends on itself: total → items\\.0\\.a → items\\.0\\.b → total\n  at ${at}, ${at}, ${at}\n`),
    () => config(options, { items: [{}] }).total,
  );
});
