/** What a person may put where an object is wanted: each is told as an error of his, with the file and line. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../../src/errors.ts";
import {
  defineModule,
  diskoTemplates,
  mkAfter,
  mkDefault,
  mkEnableOption,
  mkFleet,
  mkHost,
  mkIf,
  mkMerge,
  mkOption,
  mkOrder,
  mkOverride,
  types,
} from "../../src/index.ts";

const BAD: readonly unknown[] = [
  null,
  undefined,
  0,
  Number.NaN,
  "",
  "text",
  true,
  1n,
  Symbol("odd"),
  [],
  [null],
  [[]],
  {},
  { a: 1 },
  Object.create(null),
  new Map([["a", 1]]),
  new Date(0),
  new (class Odd {})(),
  () => ({}),
  () => null,
  mkIf,
  mkDefault(null),
  mkIf(true, []),
  mkOption({ type: types.str }),
  defineModule({}),
];

const host = (more: object) => ({
  hostName: "test",
  platform: "x86_64-linux",
  modules: [diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" })],
  ...more,
});
// biome-ignore lint/suspicious/noExplicitAny: what the compiler refuses is what is tried here
type Any = any;
const call = (f: Any, ...args: unknown[]) => f(...args);
const whole = (declaration: unknown) => {
  const declared = call(mkHost, declaration);
  declared.evaluation.force();
  declared.plan();
  return call(mkFleet, [declared]);
};
const inModule = (module: unknown) => whole(host({ modules: [...host({}).modules, module] }));

const places: Readonly<Record<string, (bad: unknown) => unknown>> = {
  "the argument of mkHost": (bad) => whole(bad),
  hostName: (bad) => whole(host({ hostName: bad })),
  platform: (bad) => whole(host({ platform: bad })),
  hostSpec: (bad) => whole(host({ hostSpec: bad })),
  "hostSpec.userName": (bad) => whole(host({ hostSpec: { userName: bad } })),
  "hostSpec.timeZone": (bad) => whole(host({ hostSpec: { timeZone: bad } })),
  modules: (bad) => whole(host({ modules: bad })),
  "one of the modules": inModule,
  "the argument of mkFleet": (bad) => call(mkFleet, bad),
  "a host of mkFleet": (bad) => call(mkFleet, [bad]),
  "the argument of defineModule": (bad) => inModule(call(defineModule, bad)),
  "the second argument of defineModule": (bad) => inModule(call(defineModule, {}, bad)),
  imports: (bad) => inModule(call(defineModule, { imports: bad })),
  "one of the imports": (bad) => inModule(call(defineModule, { imports: [bad] })),
  "imports of a plain object": (bad) => inModule({ imports: bad }),
  options: (bad) => inModule(call(defineModule, { options: bad })),
  "one of the options": (bad) => inModule(call(defineModule, { options: { own: bad } })),
  config: (bad) => inModule(call(defineModule, { config: bad })),
  "a set of options": (bad) => inModule({ environment: bad }),
  "the sets of persist roots": (bad) => inModule({ environment: { persistence: bad } }),
  "a persist root": (bad) => inModule({ environment: { persistence: { "/persist": bad } } }),
  "a list of entries": (bad) => inModule({ environment: { persistence: { "/persist": { directories: bad } } } }),
  "an entry": (bad) => inModule({ environment: { persistence: { "/persist": { directories: [bad] } } } }),
  "the path of an entry": (bad) =>
    inModule({ environment: { persistence: { "/persist": { files: [{ file: bad }] } } } }),
  "the parent of an entry": (bad) =>
    inModule({ environment: { persistence: { "/persist": { directories: [{ directory: "/srv/a", parent: bad }] } } } }),
  "a user": (bad) => inModule({ users: { users: { bob: bad } } }),
  "a disk": (bad) => inModule({ disko: { devices: { disk: { other: bad } } } }),
  "a service": (bad) => inModule({ systemd: { services: { own: bad } } }),
  "settings of a service": (bad) => inModule({ systemd: { services: { own: { serviceConfig: bad } } } }),
  "a file in /etc": (bad) => inModule({ environment: { etc: { own: bad } } }),
  "contents of mkMerge": (bad) => inModule(call(mkMerge, bad)),
  "one of mkMerge": (bad) => inModule(call(mkMerge, [bad])),
  "the condition of mkIf": (bad) => inModule(call(mkIf, bad, { environment: {} })),
  "the content of mkIf": (bad) => inModule(call(mkIf, true, bad)),
  "the priority of mkOverride": (bad) => inModule({ networking: { useDHCP: call(mkOverride, bad, true) } }),
  "the order of mkOrder": (bad) => inModule({ environment: { systemPackages: call(mkOrder, bad, ["vim"]) } }),
  "the content of mkAfter": (bad) => inModule({ environment: { systemPackages: call(mkAfter, bad) } }),
  "the argument of mkOption": (bad) => inModule(call(defineModule, { options: { own: call(mkOption, bad) } })),
  "the type of mkOption": (bad) => inModule(call(defineModule, { options: { own: call(mkOption, { type: bad }) } })),
  "the element of listOf": (bad) =>
    inModule(
      call(defineModule, { options: { own: mkOption({ type: call(types.listOf, bad) }) }, config: { own: [1] } }),
    ),
  "the inside of submodule": (bad) =>
    inModule(
      call(defineModule, { options: { own: mkOption({ type: call(types.submodule, bad) }) }, config: { own: {} } }),
    ),
  "the values of enum": (bad) =>
    inModule(call(defineModule, { options: { own: mkOption({ type: call(types.enum, bad) }) }, config: { own: "a" } })),
  "the argument of mkEnableOption": (bad) =>
    inModule(call(defineModule, { options: { own: call(mkEnableOption, bad) } })),
  "the argument of a template": (bad) => whole(host({ modules: [call(diskoTemplates.btrfsImpermanence, bad)] })),
  "the disk of a template": (bad) =>
    whole(host({ modules: [call(diskoTemplates.luksBtrfsImpermanence, { disk: bad, passwordFile: bad })] })),
};

/** Of the right kind, and wrong only as a part of the whole host: told without a place. */
const OF_THE_HOST =
  /there is no time zone|no disk has a filesystem with the mountpoint|wants either `text` or `target`/;

for (const [place, put] of Object.entries(places)) {
  test(`whatever stands for ${place} is right, or an error of who wrote it, with its file and line`, () => {
    for (const [index, bad] of BAD.entries()) {
      try {
        put(bad);
      } catch (error) {
        const which = `${index}: ${typeof bad}`;
        assert.ok(error instanceof UserError, `${which}: ${error instanceof Error ? error.stack : error}`);
        if (!OF_THE_HOST.test(error.text)) assert.match(error.text, /bad-values\.test\.ts:\d+/, which);
      }
    }
  });
}
