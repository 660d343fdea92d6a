/** Small evaluations for the tests of the module system; each tells the place of the test that asked for it. */
import assert from "node:assert/strict";
import { UserError } from "../../src/errors.ts";
import { mkEnableOption, mkOption } from "../../src/modules/mk-option.ts";
import { defineModule, evaluateModules, type ModuleLike } from "../../src/modules/module.ts";
import type { OptionTree } from "../../src/modules/option.ts";
import { callerOf } from "../../src/modules/place.ts";
import * as types from "../../src/types.ts";

// biome-ignore lint/suspicious/noExplicitAny: these tests look at values that the types would forbid
export type Loose = any;

export function evaluation(...modules: ModuleLike[]) {
  return evaluateModules(modules, callerOf(evaluation as never));
}

export function config(...modules: ModuleLike[]): Loose {
  return evaluateModules(modules, callerOf(config as never)).config;
}

export const declares = (options: OptionTree) => defineModule({ options });

/** An option of the type, defined by each of the values; what comes out. */
export function merged(type: Parameters<typeof mkOption>[0]["type"], ...values: unknown[]): unknown {
  const modules = [declares({ x: mkOption({ type }) }), ...values.map((x) => ({ x }))];
  const whole = evaluateModules(modules, callerOf(merged as never));
  return whole.plain((whole.config as Loose).x);
}

/** Whether a `UserError` is thrown, and says that. */
export function refuses(message: RegExp, run: () => unknown): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof UserError, `${error}`);
    assert.match(error.text, message);
    return true;
  });
}

export const lists = declares({
  list: mkOption({ type: types.listOf(types.str) }),
  on: mkEnableOption("it"),
  n: mkOption({ type: types.int, default: 1 }),
});
