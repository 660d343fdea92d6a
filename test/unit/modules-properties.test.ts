import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../src/errors.ts";
import { mkOption } from "../../src/modules/mk-option.ts";
import { defineModule, evaluateModules } from "../../src/modules/module.ts";
import { callerOf } from "../../src/modules/place.ts";
import { mkDefault, mkForce, mkIf, mkMerge, mkOrder, mkOverride } from "../../src/modules/properties.ts";
import * as types from "../../src/types.ts";

const options = defineModule({
  options: {
    n: mkOption({ type: types.int, default: 0 }),
    set: mkOption({ type: types.attrsOf(types.int), default: {} }),
    nested: mkOption({
      type: types.attrsOf(
        types.submodule({
          a: mkOption({ type: types.int, default: 0 }),
          b: mkOption({ type: types.bool, default: false }),
        }),
      ),
      default: {},
    }),
    list: mkOption({ type: types.listOf(types.int), default: [] }),
  },
});

/** Everything, or the error without its places: those name modules in their order. */
function outcome(modules: readonly object[]): unknown {
  try {
    return evaluateModules([options, ...modules], callerOf(outcome)).all();
  } catch (error) {
    if (error instanceof UserError) return { failed: true };
    throw error;
  }
}

const value = fc.integer({ min: 0, max: 2 });
const wrapped = <T>(inner: fc.Arbitrary<T>) =>
  fc.oneof(
    inner,
    inner.map((v) => mkDefault(v)),
    inner.map((v) => mkForce(v)),
    fc.tuple(fc.integer({ min: 1, max: 2000 }), inner).map(([p, v]) => mkOverride(p, v)),
    fc.tuple(fc.boolean(), inner).map(([c, v]) => mkIf(c, v)),
    fc.tuple(fc.boolean(), inner).map(([c, v]) => mkIf(() => c, v)),
    inner.map((v) => () => v),
    inner.map((v) => mkMerge([v, mkIf(false, v)])),
  );
const key = fc.constantFrom("x", "y", "z");
const module = wrapped(
  fc.record(
    {
      n: wrapped(value),
      set: wrapped(fc.dictionary(key, wrapped(value), { maxKeys: 3 })),
      nested: wrapped(
        fc.dictionary(key, fc.record({ a: wrapped(value), b: wrapped(fc.boolean()) }, { requiredKeys: [] }), {
          maxKeys: 2,
        }),
      ),
    },
    { requiredKeys: [] },
  ),
).filter((m) => typeof m === "object") as fc.Arbitrary<object>;
const modules = fc.array(module, { maxLength: 5 });

test("merging does not depend on the order of the modules", () => {
  fc.assert(
    fc.property(
      modules.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
      ([list, shuffled]) => assert.equal(JSON.stringify(outcome(shuffled)), JSON.stringify(outcome(list))),
    ),
    { numRuns: 500 },
  );
});

test("evaluation is deterministic", () => {
  fc.assert(
    fc.property(modules, (list) => assert.equal(JSON.stringify(outcome(list)), JSON.stringify(outcome(list)))),
    { numRuns: 300 },
  );
});

test("mkForce beats everything that is not forced", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc
          .oneof(
            value,
            value.map((v) => mkDefault(v)),
          )
          .map((n) => ({ n })),
        { maxLength: 5 },
      ),
      value,
      fc.nat(5),
      (list, n, at) => {
        const config = outcome(list.toSpliced(at, 0, { n: mkForce(n) } as never)) as { n: number };
        assert.equal(config.n, n);
      },
    ),
  );
});

test("mkDefault yields to everything that is not a default", () => {
  fc.assert(
    fc.property(
      fc.array(
        value.map((n) => ({ n: mkDefault(n) })),
        { maxLength: 5 },
      ),
      value,
      fc.nat(5),
      (list, n, at) => {
        const config = outcome(list.toSpliced(at, 0, { n } as never)) as { n: number };
        assert.equal(config.n, n);
      },
    ),
  );
});

test("a list has the elements of all modules, by mkOrder and then in the order of the modules", () => {
  const part = fc.record({
    order: fc.option(fc.integer({ min: 1, max: 3000 })),
    elements: fc.array(fc.nat(), { maxLength: 3 }),
  });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const config = outcome(
        parts.map(({ order, elements }) => ({ list: order === null ? elements : mkOrder(order, elements) })),
      ) as { list: number[] };
      const wanted = parts
        .toSorted((a, b) => (a.order ?? 1000) - (b.order ?? 1000))
        .flatMap(({ elements }) => elements);
      assert.deepEqual(config.list, wanted);
    }),
  );
});

test("mkIf(true) is what it holds, mkIf(false) is nothing, mkMerge is its parts, a function is what it returns", () => {
  fc.assert(
    fc.property(modules, module, (list, one) => {
      const json = (...all: unknown[]) => JSON.stringify(outcome(all as object[]));
      assert.equal(json(...list, mkIf(true, one)), json(...list, one));
      assert.equal(
        json(
          ...list,
          mkIf(() => false, one),
        ),
        json(...list),
      );
      assert.equal(json(mkMerge(list)), json(...list));
      assert.equal(json(...list, { config: () => one }), json(...list, one));
    }),
    { numRuns: 200 },
  );
});
