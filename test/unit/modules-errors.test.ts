import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { UserError } from "../../src/errors.ts";
import { nearestName, shown } from "../../src/modules/errors.ts";
import { mkEnableOption, mkOption } from "../../src/modules/mk-option.ts";
import { defineModule } from "../../src/modules/module.ts";
import { Place } from "../../src/modules/place.ts";
import { mkForce, mkIf, mkMerge } from "../../src/modules/properties.ts";
import * as types from "../../src/types.ts";
import { config, declares, type Loose, lists, refuses } from "./modules-evaluation.ts";

test("an undeclared option is an error with the nearest declared name and the place, also when it is only read", () => {
  refuses(/no option lits\n.*modules-errors\.test\.ts:\d+\n.*did you mean list\?/, () => config(lists, { lits: [] }).n);
  refuses(
    /no option lits\n +at .*modules-errors\.test\.ts:\d+\n.*did you mean list\?/,
    () => config(lists, { n: ({ lits }: Loose) => lits.length }).n,
  );
  refuses(/`nixfleet options`/, () => config(lists, { somethingElse: 1 }).n);
});

test("an option is declared once; the error names both places", () => {
  refuses(
    /declared twice\n.*\.ts:\d+, .*\.ts:\d+/,
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

test("what a user's function throws is told with the place of its definition", () => {
  const whole = config(lists, { n: ({ list }: Loose) => list.foo.bar });
  refuses(/the value of n could not be computed: TypeError: .*\n.*modules-errors\.test\.ts:\d+/, () => whole.n);
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

test("an error says what is wrong, where, and what to do, in these words", () => {
  const here = import.meta.filename;
  const line = lineOf("the definition that is wrong");
  const texts: readonly (readonly [() => unknown, string])[] = [
    [
      () => config(lists, { n: mkForce("x") }).n, // the definition that is wrong
      `n: wanted an integer, got "x"\n  at ${here}:${line}`,
    ],
    [
      () => config(lists, { n: mkIf(true, 2) }, { n: mkMerge([3]) }).n,
      "n is defined more than once, and the definitions cannot be merged: 2 and 3\n" +
        `  at ${here}:${line + 4}\n` +
        "  remove all but one, or wrap the one that shall win in mkForce(…) or the one that shall yield in mkDefault(…)",
    ],
    [
      () => config(lists, { n: mkIf((c: Loose) => c.n > 1, 2) }).n,
      `n depends on itself: n → n\n  at ${here}:${line + 10}\n` +
        "  break the circle: give one of them a value that does not read the next",
    ],
    [
      () => config(lists, mkIf(true, { lisst: [] })).n,
      `there is no option lisst\n  at ${here}:${line + 15}\n  did you mean list?`,
    ],
  ];
  for (const [run, text] of texts) {
    assert.throws(run, (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(error.text, text);
      return true;
    });
  }
});

/** The line of this file with such a comment. */
function lineOf(comment: string): number {
  const lines = readFileSync(import.meta.filename, "utf8").split("\n");
  return lines.findIndex((line) => line.endsWith(`// ${comment}`)) + 1;
}

const AT = /.*modules-errors\.test\.ts:\d+/.source;
const nested = declares({ a: { b: mkOption({ type: types.int, default: 1 }), c: mkOption({ type: types.int }) } });

test("each error names the option by its path, and the places", () => {
  const thrower = () => {
    throw new TypeError("oh");
  };
  const cases: readonly (readonly [RegExp, () => unknown])[] = [
    [RegExp(`^a\\.b: wanted an integer, got true\n  at ${AT}$`), () => config(nested, { a: { b: true } }).a.b],
    [
      RegExp(`^a\\.b is defined more.*1 and 2\n  at ${AT}\n`),
      () => config(nested, { a: { b: 1 } }, { a: { b: 2 } }).a.b,
    ],
    [RegExp(`^there is no option a\\.d\n  at ${AT}\n`), () => config(nested, { a: { d: 1 } }).a.b],
    [RegExp(`^there is no option a\\.d\n  at ${AT}\n`), () => config(nested, { a: { b: (c: Loose) => c.a.d } }).a.b],
    [RegExp(`^a holds options.*got 3\n  at ${AT}$`), () => config(nested, { a: 3 }).a.b],
    [/^a\.c has no value, and no default\n {2}at \S+:\d+\n {2}define it as an integer$/, () => config(nested).a.c],
    [
      RegExp(`^r is read-only, but it is defined 2 times\n  at ${AT}(, ${AT})?\n  remove`),
      () => config(declares({ r: mkOption({ type: types.int, readOnly: true }) }), { r: 1 }, { r: 1 }).r,
    ],
    [
      RegExp(`^a\\.b depends on itself: a\\.b → a\\.c → a\\.b\n  at ${AT}(, ${AT})?\n`),
      () => config(nested, { a: { b: (c: Loose) => c.a.c, c: (c: Loose) => c.a.b } }).a.b,
    ],
    [
      RegExp(`^the option a\\.b is declared twice\n  at ${AT}(, ${AT})?\n  rename`),
      () => config(nested, declares({ a: { b: mkOption({ type: types.int }) } })),
    ],
    [
      RegExp(`^a condition of mkIf is 1, but it must be true or false\n  at ${AT}$`),
      () => config(nested, { a: { b: mkIf(1 as Loose, 2) } }).a.b,
    ],
    [
      RegExp(`^the value of a\\.b could not.*TypeError: oh\n  at ${AT}$`),
      () => config(nested, { a: { b: thrower } }).a.b,
    ],
    [
      RegExp(`^the condition of mkIf could not.*oh\n  at ${AT}$`),
      () => config(nested, mkIf(thrower, { a: { b: 2 } })).a.b,
    ],
    [
      RegExp(`^the default of d could not.*oh\n  at ${AT}$`),
      () => config(declares({ d: mkOption({ type: types.int, default: thrower }) })).d,
    ],
    [
      RegExp(`^d could not be computed.*oh\n  at ${AT}$`),
      () => config(declares({ d: mkOption({ type: types.coercedTo(types.str, thrower, types.int) }) }), { d: "" }).d,
    ],
    [
      RegExp(`^a\\.b is defined as an option.*\n  at ${AT}\n.*\`options\``),
      () => config(nested, { a: { b: mkEnableOption("") } }).a.b,
    ],
    [RegExp(`^a is defined as a module.*\n  at ${AT}\n.*\`imports\``), () => config(nested, { a: nested }).a.b],
    [RegExp(`^the configuration is defined as a module.*\n  at ${AT}`), () => config(nested, mkIf(true, nested)).a.b],
    [
      RegExp(`^x\\.y is declared as 3, which is no option\n  at ${AT}`),
      () => defineModule({ options: { x: { y: 3 as Loose } } }),
    ],
    [RegExp(`^mkMerge wants a list, got {}\n  at ${AT}`), () => mkMerge({} as Loose)],
    [RegExp(`^imports wants a list.*\n  at ${AT}`), () => defineModule({ imports: nested as Loose })],
    [RegExp(`^a module is wanted, got undefined\n  at ${AT}`), () => config(undefined as Loose)],
  ];
  for (const [message, run] of cases) refuses(message, run);
});

test("what a user's function throws may be anything, and the next read throws it again", () => {
  for (const thrown of ["text", null, undefined, new UserError("mine", ["detail"])]) {
    const whole = config(nested, {
      a: {
        b: () => {
          throw thrown;
        },
      },
    });
    const said =
      thrown instanceof UserError ? /^mine\n {2}detail$/ : /could not be computed: ("text"|null|undefined)\n/;
    refuses(said, () => whole.a.b);
    refuses(said, () => whole.a.b);
  }
});

test("of names that are equally near the first declared is meant, and none that is far", () => {
  assert.equal(nearestName("lisp", ["port", "list", "lisa"]), "list");
  assert.equal(nearestName("ENABLE", ["enable"]), "enable");
  assert.equal(nearestName("directories", ["files", "users"]), undefined);
});

test("a value is shown in one short line, whatever it is", () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  class Disk {}
  const cases: readonly (readonly [unknown, string])[] = [
    [3n, "3n"],
    [Symbol("s"), "Symbol(s)"],
    ["a\nb", '"a\\nb"'],
    [circle, "an object"],
    [[circle], "a list"],
    [new Date(0), "a Date instance"],
    [new Disk(), "a Disk instance"],
    [Promise.resolve(), "a Promise instance"],
    ["x".repeat(100), `"${"x".repeat(76)}…`],
    [Object.create(null), "{}"],
  ];
  for (const [value, text] of cases) assert.equal(shown(value), text);
  refuses(/n: wanted an integer, got an object/, () => config(lists, { n: circle }).n);
});

test("a place is the file and line of the call, whatever the folder is called", () => {
  const frames: readonly (readonly [string, string])[] = [
    ["at file:///home/a/fleet.ts:12:34", "/home/a/fleet.ts:12"],
    ["at firefox (file:///home/a/fleet.ts:12:34)", "/home/a/fleet.ts:12"],
    ["at Object.<anonymous> (/home/a/fleet.cjs:1:2)", "/home/a/fleet.cjs:1"],
    ["at async file:///home/my%20fleet%25/%C3%BC.ts:1:2", "/home/my fleet%/ü.ts:1"],
    ["at f (file:///home/a(b)/fleet.ts:1:2)", "/home/a(b)/fleet.ts:1"],
    ["at <anonymous>", "an unknown place"],
  ];
  for (const [frame, text] of frames) assert.equal(new Place({ stack: `Error\n    ${frame}` }).text, text);
  assert.equal(new Place({}).text, "an unknown place");
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 7;
  assert.match(mkIf(true, 1).place.text, /modules-errors\.test\.ts:\d+$/);
  assert.equal(Error.stackTraceLimit, 7);
  Error.stackTraceLimit = limit;
});
