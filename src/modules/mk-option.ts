/** Declares options. */
import { requireObject, requireText, requireType } from "./arguments.ts";
import { OPTION, type Option, type OptionScope, type OptionType, type Shaped } from "./option.ts";
import { callerOf } from "./place.ts";
import { bool } from "./types.ts";

export interface OptionSpec<V, S> {
  readonly type: OptionType<V, S>;
  readonly default?: DefaultOf<S>;
  readonly defaultText?: string;
  readonly example?: unknown;
  readonly description?: string;
  readonly readOnly?: boolean;
  readonly internal?: boolean;
}

type DefaultOf<S> = Shaped<S, never> | ((scope: OptionScope) => Shaped<S, never>);

/** Declares an option. Without a default, a module must define it before anything reads it. */
export function mkOption<V, S>(spec: OptionSpec<V, S>): Option<V, S> {
  requireObject(spec, "mkOption", mkOption);
  requireType(spec.type, "mkOption", mkOption);
  return { kind: OPTION, description: "", readOnly: false, internal: false, ...spec, place: callerOf(mkOption) };
}

/** An option `enable`, off by default. `what` completes "Whether to enable …". */
export function mkEnableOption(what: string): Option<boolean> {
  requireText(what, "mkEnableOption", mkEnableOption);
  return {
    ...mkOption({ type: bool, default: false, example: true, description: `Whether to enable ${what}.` }),
    place: callerOf(mkEnableOption),
  };
}
