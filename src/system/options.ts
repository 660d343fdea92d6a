/** All options that a host has before any scope adds its own. */

import { type DefineModule, defineModule as defineAnyModule } from "../modules/module.ts";
import type { ConfigOf, DefinitionsOf } from "../modules/option.ts";
import { assertionOptions } from "./assertions.ts";
import { bootOptions } from "./boot.ts";
import { broughtOptions } from "./brought.ts";
import { diskoOptions } from "./disko.ts";
import { environmentOptions } from "./environment.ts";
import { healthCheckOptions } from "./health-checks.ts";
import { hostSpecOptions } from "./host-spec.ts";
import { networkingOptions } from "./networking.ts";
import { persistenceOptions } from "./persistence.ts";
import { systemdOptions } from "./systemd.ts";
import { userOptions } from "./users.ts";

export const systemOptionTrees = [
  assertionOptions,
  bootOptions,
  broughtOptions,
  diskoOptions,
  environmentOptions,
  healthCheckOptions,
  hostSpecOptions,
  networkingOptions,
  persistenceOptions,
  systemdOptions,
  userOptions,
] as const;

export type SystemOptions = typeof assertionOptions &
  typeof bootOptions &
  typeof broughtOptions &
  typeof diskoOptions &
  typeof environmentOptions &
  typeof healthCheckOptions &
  typeof hostSpecOptions &
  typeof networkingOptions &
  typeof persistenceOptions &
  typeof systemdOptions &
  typeof userOptions;

/** The final configuration, as far as the system's own options go. */
export type SystemConfig = ConfigOf<SystemOptions>;

export type SystemDefinitions = DefinitionsOf<SystemOptions, SystemConfig>;

/** `defineModule` for modules of this project: it knows the system's options. */
export const defineModule: DefineModule<SystemOptions> = defineAnyModule as DefineModule<SystemOptions>;
