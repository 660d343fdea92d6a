/** The hosts that a command line means. */
import { UserError } from "../errors.ts";
import { type Fleet, hostOf } from "./mk-fleet.ts";
import type { Host } from "./mk-host.ts";

export interface Selection {
  readonly hosts: readonly Host[];
  /** Whether one host was named, in full: what is said of it needs no table. */
  readonly isOne: boolean;
}

/**
 * @param patterns names, or globs in which `*` is any text and `?` any character
 * @param all every host, without patterns
 * @throws UserError where one means no host
 */
export function selectHosts(fleet: Fleet, patterns: readonly string[], all: boolean): Selection {
  const every = [...fleet.hosts.values()];
  if (all) return { hosts: every, isOne: false };
  const [first = "", second] = patterns;
  const chosen = new Set(patterns.flatMap((pattern) => matching(fleet, pattern)));
  return { hosts: every.filter((host) => chosen.has(host)), isOne: second === undefined && !isGlob(first) };
}

function matching(fleet: Fleet, pattern: string): readonly Host[] {
  if (!isGlob(pattern)) return [hostOf(fleet, pattern)];
  const source = pattern
    .replace(/[^\w*?-]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  const found = [...fleet.hosts.values()].filter(({ hostName }) => new RegExp(`^${source}$`).test(hostName));
  if (found.length > 0) return found;
  throw new UserError(`no host is called like ${pattern}`, [`there are ${[...fleet.hosts.keys()].join(", ")}`]);
}

function isGlob(pattern: string): boolean {
  return /[*?]/.test(pattern);
}
