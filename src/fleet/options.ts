/** What the modules of a fleet can say: the system's options and those of every scope. */
import type { AnyConfig, Condition, Definition, If } from "../modules/definition.ts";
import { type DefineModule, defineModule as defineAnyModule } from "../modules/module.ts";
import type { ConfigOf } from "../modules/option.ts";
import { mkIf as mkAnyIf } from "../modules/properties.ts";
import type { ScopeOptions } from "../scopes/index.ts";
import type { SystemOptions } from "../system/options.ts";

export type Options = SystemOptions & ScopeOptions;

/** The final configuration of a host. */
export type Config = ConfigOf<Options>;

export const defineModule: DefineModule<Options> = defineAnyModule as DefineModule<Options>;

/** Known names complete in an editor; names that a module declares itself are checked when it is evaluated. */
type OpenConfig<T = Config> = unknown extends T
  ? T
  : T extends boolean | string | number | null | readonly unknown[]
    ? T
    : { readonly [K in keyof T]: OpenConfig<T[K]> } & AnyConfig;

export const mkIf: <C = OpenConfig, D = unknown>(condition: Condition<C>, content: Definition<D, C>) => If<C, D> =
  mkAnyIf;
