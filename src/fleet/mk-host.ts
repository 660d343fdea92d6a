/** One host: its name, its platform and its modules. */

import { mkDefault } from "../modules/definition.ts";
import { nearestName, shown, UserError } from "../modules/errors.ts";
import type { Evaluation } from "../modules/evaluate.ts";
import {
  defineModule as defineAnyModule,
  evaluateModules,
  type Module,
  type ModuleLike,
  moduleAt,
  type PlainModule,
} from "../modules/module.ts";
import { callerOf, type Place } from "../modules/place.ts";
import { type HostPlan, hostPlan } from "../plan/host.ts";
import { scopes } from "../scopes/index.ts";
import { hostSpecOptions } from "../system/host-spec.ts";
import { type SystemConfig, systemOptionTrees } from "../system/options.ts";
import type { Config, Options } from "./options.ts";

export interface HostDeclaration {
  /** As in RFC 1123. No module can change it. */
  readonly hostName: string;
  readonly platform: SystemConfig["hostSpec"]["platform"];
  /** Defaults that modules may override. */
  readonly hostSpec?: Partial<Omit<Config["hostSpec"], "hostName" | "platform">>;
  readonly modules: readonly (Module<never> | Module | PlainModule<Options>)[];
}

export interface Host {
  readonly kind: typeof HOST;
  readonly hostName: string;
  /** Where it is declared. */
  readonly place: Place;
  /** The final configuration, and how it came about; evaluated when it is first asked for. */
  readonly evaluation: Evaluation;
  readonly config: Config;
  /** Whatever works but should be known. */
  readonly warnings: readonly string[];
  /** @throws UserError for whatever is wrong with the declaration, its assertions among it */
  plan(): HostPlan;
}

export const HOST: unique symbol = Symbol("mkHost");

/** Declares a host. @throws UserError for a name or a platform that no host can have */
export function mkHost(declaration: HostDeclaration): Host {
  return new DeclaredHost(declaration, callerOf(mkHost));
}

const PLATFORMS = ["x86_64-linux", "aarch64-linux"];
const systemModules: readonly ModuleLike[] = [
  ...systemOptionTrees.map((options) => defineAnyModule({ options })),
  ...Object.values(scopes),
];

class DeclaredHost implements Host {
  readonly kind: typeof HOST = HOST;
  readonly hostName: string;
  readonly place: Place;
  readonly #modules: readonly ModuleLike[];
  #evaluation: Evaluation | undefined;

  constructor(declaration: HostDeclaration, place: Place) {
    const { hostName, platform, hostSpec = {}, modules } = declaration;
    const at = [`at ${place.text}`];
    if (!hostSpecOptions.hostSpec.hostName.type.accepts(hostName)) {
      throw new UserError(`${shown(hostName)} is not a host name`, [
        ...at,
        `wanted ${hostSpecOptions.hostSpec.hostName.type.description}`,
      ]);
    }
    if (!PLATFORMS.includes(platform)) {
      const nearest = nearestName(String(platform), PLATFORMS);
      throw new UserError(`host ${hostName}: unknown platform ${shown(platform)}`, [
        ...at,
        nearest ? `did you mean ${nearest}?` : `known are ${PLATFORMS.join(" and ")}`,
      ]);
    }
    const fixed = ["hostName", "platform"].find((name) => Object.hasOwn(hostSpec, name));
    if (fixed !== undefined)
      throw new UserError(`host ${hostName}: hostSpec cannot set ${fixed}`, [
        ...at,
        `set \`${fixed}\` of mkHost itself`,
      ]);
    if (!Array.isArray(modules))
      throw new UserError(`host ${hostName}: \`modules\` wants a list, got ${shown(modules)}`, at);
    this.hostName = hostName;
    this.place = place;
    this.#modules = [
      ...systemModules,
      moduleAt({ config: { hostSpec: { hostName, platform } } }, place),
      moduleAt({ config: { hostSpec: { ...mkDefault(hostSpec), place } } }, place),
      ...modules,
    ];
  }

  get evaluation(): Evaluation {
    this.#evaluation ??= evaluateModules(this.#modules, this.place);
    return this.#evaluation;
  }

  get config(): Config {
    return this.evaluation.config as Config;
  }

  get warnings(): readonly string[] {
    return this.config.warnings;
  }

  plan(): HostPlan {
    const failed = this.config.assertions.filter((one) => !one.assertion);
    if (failed.length > 0) {
      throw new UserError(
        failed.length === 1 ? "an assertion failed" : `${failed.length} assertions failed`,
        failed.map((one) => `${one.message} (asserted at ${one.declaredAt.join(", ")})`),
      );
    }
    return hostPlan(this.config);
  }
}

export function isHost(value: unknown): value is Host {
  return value instanceof DeclaredHost;
}
