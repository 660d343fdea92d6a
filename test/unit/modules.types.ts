/** What the compiler must and must not accept. `tsc` checks it; nothing runs it. */
import {
  type Config,
  defineModule,
  diskoTemplates,
  mkEnableOption,
  mkFleet,
  mkForce,
  mkHost,
  mkIf,
  mkOption,
  roles,
  types,
} from "../../src/index.ts";
import { defineModule as coreModule, type OptionsOf } from "../../src/modules/module.ts";
import type { ConfigOf } from "../../src/modules/option.ts";
import { mkIf as coreIf, mkAfter, mkDefault, mkMerge, mkOrder, mkOverride } from "../../src/modules/properties.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_T extends true>(): void {}

const options = {
  a: mkOption({ type: types.nullOr(types.int), default: null }),
  b: mkOption({ type: types.listOf(types.enum(["x", "y"])), default: ["x"] }),
  c: mkOption({
    type: types.attrsOf(types.submodule({ d: mkOption({ type: types.str }), e: { f: mkEnableOption("f") } })),
  }),
  g: mkOption({ type: types.oneOf([types.int, types.str]), default: 1 }),
  h: mkOption({ type: types.coercedTo(types.str, (text) => text.length, types.int), default: "three" }),
} as const;

type Inferred = ConfigOf<typeof options>;
holds<Equal<Inferred["a"], number | null>>();
holds<Equal<Inferred["b"], readonly ("x" | "y")[]>>();
holds<Equal<Inferred["c"][string]["d"], string>>();
holds<Equal<Inferred["c"][string]["e"]["f"], boolean>>();
holds<Equal<Inferred["g"], number | string>>();
holds<Equal<Inferred["h"], number>>();
holds<Equal<Config["users"]["users"][string]["uid"], number | null>>();
holds<Equal<Config["services"]["openssh"]["ports"], readonly number[]>>();

// @ts-expect-error a default is of the option's type
mkOption({ type: types.int, default: "1" });

export const good = defineModule(
  { options },
  mkIf(({ a, services }) => a === 3 && services.openssh.enable, {
    b: ["x", mkIf(({ g }) => g === 1, "y")],
    c: { one: { d: ({ hostSpec }) => hostSpec.userName, e: { f: mkForce(true) } } },
    h: "text",
    environment: { systemPackages: ({ b }) => [...b] },
  }),
);

export const inOneObject = defineModule({
  options,
  config: { b: ({ a }) => (a === null ? [] : ["y"]), c: { one: { d: "x" } } },
});

export const importing = defineModule({ imports: [good] }, { a: ({ h }) => h });

// @ts-expect-error wrong type of a value
defineModule({ options }, { a: "3" });
// @ts-expect-error wrong type inside mkForce
defineModule({ options }, { a: mkForce("3") });
// @ts-expect-error wrong type inside mkIf around all
defineModule({ options }, mkIf(true, { a: "3" }));
// @ts-expect-error wrong type in a list
defineModule({ options }, { b: ["z"] });
// @ts-expect-error wrong type in a submodule
defineModule({ options }, { c: { one: { d: 3 } } });
// @ts-expect-error no such option in a submodule
defineModule({ options }, { c: { one: { dd: "x" } } });
// @ts-expect-error no such option
defineModule({ options }, { aa: 3 });
// @ts-expect-error wrong type of what a function returns
defineModule({ options }, { a: ({ g }) => `${g}` });
// @ts-expect-error no such option is read
defineModule({ options }, { a: ({ gg }) => gg });
// @ts-expect-error wrong type in one object
defineModule({ options, config: { a: "3" } });

const declaration = { hostName: "a", platform: "x86_64-linux" } as const;

export default mkFleet([
  mkHost({
    ...declaration,
    hostSpec: { userName: "alice" },
    modules: [
      roles.workstation,
      good,
      { nixfleet: { impermanence: { enable: true } } },
      diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
    ],
  }),
]);

// @ts-expect-error an option of a plain module has the wrong type
mkHost({ ...declaration, modules: [{ nixfleet: { impermanence: { enable: "yes" } } }] });
// @ts-expect-error there is no such option
mkHost({ ...declaration, modules: [{ nixfleet: { impermanance: { enable: true } } }] });
// @ts-expect-error a disk template wants a disk
diskoTemplates.btrfs({});
// @ts-expect-error a platform that is none
mkHost({ hostName: "a", platform: "riscv64-linux", modules: [] });

// Below: the module system by itself, without the options of a host.

const own = {
  free: mkOption({ type: types.freeformSubmodule({ known: mkOption({ type: types.bool }) }, types.int) }),
  any: mkOption({ type: types.anything }),
  nested: { deep: { list: mkOption({ type: types.listOf(types.submodule({ n: mkOption({ type: types.int }) })) }) } },
  pick: mkOption({ type: types.either(types.enum(["x"]), types.listOf(types.str)), default: "x" }),
  entry: mkOption({
    type: types.coercedTo(types.str, (path) => ({ path }), types.submodule({ path: mkOption({ type: types.str }) })),
  }),
  maybe: mkOption({ type: types.nullOr(types.submodule({ n: mkOption({ type: types.int }) })) }),
} as const;

type Own = ConfigOf<typeof own>;
holds<Equal<Own["free"]["known"], boolean>>();
holds<Equal<Own["free"]["other"], number | boolean>>();
holds<Equal<Own["any"], unknown>>();
holds<Equal<Own["nested"]["deep"]["list"][number]["n"], number>>();
holds<Equal<Own["pick"], "x" | readonly string[]>>();
holds<Equal<Own["entry"]["path"], string>>();
holds<Equal<NonNullable<Own["maybe"]>["n"], number>>();
holds<null extends Own["maybe"] ? true : false>();

const owner = coreModule({ options: own });
holds<Equal<OptionsOf<typeof owner>, typeof own>>();

export const everyForm = coreModule({
  imports: [owner],
  config: {
    free: { known: mkDefault(true), other: () => 3 },
    any: [{ a: 1 }, "b"],
    nested: { deep: coreIf(true, { list: mkAfter([{ n: 1 }, coreIf(false, { n: () => 2 })]) }) },
    pick: mkMerge([["x"], mkAfter(["y"])]),
    entry: "path",
    maybe: mkOverride(10, { n: mkOrder(1, 3) }),
  },
});
export const otherForms = coreModule({ imports: [owner], config: { entry: { path: "p" }, maybe: null, pick: "x" } });

// What a condition or a function sees is exactly the configuration: that is what an editor completes.
coreModule(
  { imports: [owner] },
  coreIf(
    ({ nested, pick }) => {
      holds<Equal<typeof nested.deep.list, readonly { readonly n: number }[]>>();
      holds<Equal<typeof pick, "x" | readonly string[]>>();
      return nested.deep.list.length > 0;
    },
    { maybe: ({ nested }) => ({ n: nested.deep.list.length }) },
  ),
);

// Through an import of an import.
const middle = coreModule({ imports: [owner], options: { more: mkEnableOption("more") } });
holds<Equal<ConfigOf<OptionsOf<typeof middle>>["more"], boolean>>();
coreModule({ imports: [middle] }, { more: ({ pick }) => pick === "x", any: ({ more }) => more });

// @ts-expect-error an imported option has its type
coreModule({ imports: [middle] }, { more: "yes" });
// @ts-expect-error what nobody imports is not there
coreModule({ imports: [owner] }, { more: true });
// @ts-expect-error wrong type inside mkMerge
coreModule({ imports: [owner] }, { free: mkMerge([{ known: 1 }]) });
// @ts-expect-error wrong type inside mkDefault inside mkIf
coreModule({ imports: [owner] }, { nested: coreIf(true, { deep: mkDefault({ list: [{ n: "1" }] }) }) });
// @ts-expect-error wrong type in a list of submodules, under a condition
coreModule({ imports: [owner] }, { nested: { deep: { list: [coreIf(true, { n: "1" })] } } });
// @ts-expect-error no such option in a list of submodules
coreModule({ imports: [owner] }, { nested: { deep: { list: [{ m: 1 }] } } });
// @ts-expect-error neither of the two types
coreModule({ imports: [owner] }, { pick: 3 });
// @ts-expect-error a freeform name has the freeform type
coreModule({ imports: [owner] }, { free: { other: "x" } });
// @ts-expect-error not what is coerced, nor what it is coerced to
coreModule({ imports: [owner] }, { entry: 3 });
// @ts-expect-error a set stands where options are
coreModule({ imports: [owner] }, { nested: { deep: 3 } });
coreModule(
  { imports: [owner] },
  // @ts-expect-error a condition gives true or false
  coreIf(({ pick }) => pick, { pick: "x" }),
);
coreModule(
  { imports: [owner] },
  // @ts-expect-error a condition reads what is declared
  coreIf(({ picks }) => picks === "x", { pick: "x" }),
);
// @ts-expect-error the configuration is read only
coreModule({ imports: [owner] }, { any: (config) => (config.pick = "x") });
// @ts-expect-error a list is read only
coreModule({ imports: [owner] }, { any: ({ nested }) => nested.deep.list.sort() });
// @ts-expect-error a default that is computed is of the type too
mkOption({ type: types.int, default: () => "1" });
// @ts-expect-error a default is one of the enumerated
mkOption({ type: types.enum(["a"]), default: "b" });
// @ts-expect-error what is no option is not declared
coreModule({ options: { a: 3 } });
