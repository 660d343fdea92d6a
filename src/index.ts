/** The public API: what a `fleet.ts` imports. */

export { type Fleet, mkFleet } from "./fleet/mk-fleet.ts";
export { type Host, type HostDeclaration, mkHost } from "./fleet/mk-host.ts";
export { type Config, defineModule, mkIf, type Options } from "./fleet/options.ts";
export { mkEnableOption, mkOption } from "./modules/mk-option.ts";
export { mkAfter, mkBefore, mkDefault, mkForce, mkMerge, mkOrder, mkOverride } from "./modules/properties.ts";
export { roles } from "./roles/index.ts";
export { scopes } from "./scopes/index.ts";
export * as diskoTemplates from "./system/disko-templates.ts";
export * as types from "./types.ts";
