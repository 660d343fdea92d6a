/** How a scope persists: where the root is ephemeral, on the host's own persist root. */
import { IF, type If } from "../modules/definition.ts";
import { callerOf } from "../modules/place.ts";
import type { SystemConfig } from "../system/options.ts";

/**
 * For `environment.persistence` and `home.persistence` alike: `persisted({ directories: ["/var/lib/docker"] })`.
 * The entries are declared where this is called.
 */
export function persisted<const Entries>(entries: Entries): If<SystemConfig, Readonly<Record<string, Entries>>> {
  return {
    kind: IF,
    condition: ({ nixfleet }) => nixfleet.impermanence.enable,
    content: ({ nixfleet }) => ({ [nixfleet.impermanence.persistRoot]: entries }),
    place: callerOf(persisted),
  };
}
