/** What a scope is on NixOS: each scope says so beside itself. */
import { UserError } from "../errors.ts";
import { shown } from "../modules/errors.ts";
import type { OptionsOf } from "../modules/module.ts";
import type { ConfigOf } from "../modules/option.ts";
import type { SystemConfig } from "../system/options.ts";

/** A value of the Nix language. */
export type NixValue = string | number | boolean | null | NixCode | Forced | Commented | readonly NixValue[] | NixSet;

export interface NixSet {
  readonly [name: string]: NixValue;
}

/** An expression, in one line: `pkgs.zsh`. */
export class NixCode {
  readonly code: string;

  constructor(code: string) {
    this.code = code;
  }
}

/** A value that counts alone, whatever else NixOS adds to the option: `lib.mkForce`. */
export class Forced {
  readonly value: NixValue;

  constructor(value: NixValue) {
    this.value = value;
  }
}

/** An item of a list, with a line above it for people. */
export class Commented {
  readonly comment: string;
  readonly value: NixValue;

  constructor(comment: string, value: NixValue) {
    this.comment = comment;
    this.value = value;
  }
}

/** A package of nixpkgs, by its attribute: `zsh`. */
export function nixPackage(attribute: string): NixCode {
  return new NixCode(`pkgs.${attribute}`);
}

/** What JSON can say, Nix can. @throws UserError for what is neither */
export function asNix(value: unknown): NixValue {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean")
    return value;
  if (Array.isArray(value)) return value.map(asNix);
  if (typeof value !== "object") throw new UserError(`${shown(value)} is no value that Nix has`);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, asNix(inner)]));
}

/** The configuration as a scope knows it. */
export type ScopeConfig<Scope> = SystemConfig & ConfigOf<OptionsOf<Scope>>;

/** @see scopesOnNixos, which has that of every scope */
export interface OnNixos<Config> {
  readonly enabled: (config: Config) => boolean;
  readonly options?: (config: Config) => NixSet;
  /** Debian packages that come with these options. */
  readonly packages?: readonly string[] | RegExp;
  /** Files in /etc that these options write, by their path below it. */
  readonly etc?: RegExp;
  /** Services and units that NixOS has its own of, or needs none of. */
  readonly units?: RegExp;
  /** Of the paths that persist those that are another one's, or elsewhere; `null`: nothing is kept there. */
  readonly paths?: (config: Config) => PathsOnNixos;
  /** What Debian's groups are called; `null`: there is none. */
  readonly groups?: Readonly<Record<string, string | null>>;
  /** What is not the same, each in one sentence. */
  readonly lost?: (config: Config) => readonly string[];
}

export type PathsOnNixos = Readonly<Record<string, PathOnNixos | null>>;

/** What is not said is as in the plan. */
export interface PathOnNixos {
  readonly path?: string;
  readonly user?: string;
  readonly group?: string;
  readonly mode?: string;
}
