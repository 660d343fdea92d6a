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
import type { ConfigOf } from "../../src/modules/option.ts";

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
