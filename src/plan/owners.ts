/** The owner and mode of each path: one of each, however many entries need the path. */
import type { Problem } from "../errors.ts";
import { foldersAbove, isWithin } from "../paths.ts";
import type { SystemConfig } from "../system/options.ts";
import { agreed } from "./agreement.ts";
import type { Declared, Saying } from "./declared-entries.ts";
import { type Home, homeAt, homesOf } from "./homes.ts";

export interface Owned {
  readonly user: string;
  readonly group: string;
  /** Octal, four digits. */
  readonly mode: string;
}

export interface AssumedOwner extends Owned {
  /** The fields that nobody declares. For these counts what the host's packages ship at the path, if they do. */
  readonly assumed: readonly (keyof Owned)[];
}

/** Where systemd keeps the state of services with `DynamicUser=`, closed to everybody: systemd.exec(5). */
const PRIVATE = ["/var/lib/private", "/var/log/private", "/var/cache/private"];

/**
 * The owner of any path, as it follows from all that is declared: by entries at it, by the `parent` of entries right
 * below, or else by the home around it.
 */
export function ownersOf(
  entries: readonly Declared[],
  config: SystemConfig,
  problems: Problem[],
): (path: string) => AssumedOwner {
  const homes = [...homesOf(config).values()];
  const users = Object.values(config.users.users);
  const at = Map.groupBy(entries, ({ path }) => path);
  const sayings = new Map<string, readonly Saying[]>(at);
  for (const { path, parent } of entries) {
    const above = foldersAbove(path).at(-1);
    if (above === undefined || (parent.user ?? parent.group ?? parent.mode) === null) continue;
    sayings.set(above, [...(sayings.get(above) ?? []), parent]);
  }
  const primaryGroup = (user: string): string => {
    if (user === "root") return "root";
    return users.find(({ name, uid }) => name === user || String(uid) === user)?.group ?? user;
  };
  /** A folder that is no entry belongs to the owner of the entry or home around it. */
  const around = (path: string): Omit<Home, "path"> | undefined => {
    const home = homeAt(path, homes);
    const outer = at.has(path) ? undefined : foldersAbove(path).findLast((folder) => at.has(folder));
    return outer === undefined || (home !== undefined && isWithin(home.path, outer)) ? home : ownerOf(outer);
  };
  const known = new Map<string, AssumedOwner>();
  const compute = (path: string): AssumedOwner => {
    const same = at.get(path) ?? [];
    const said = sayings.get(path) ?? [];
    const field = (name: keyof Owned, what: string) => agreed(path, what, said, (saying) => saying[name], problems);
    const [user, group, mode] = [field("user", "owners"), field("group", "groups"), field("mode", "modes")];
    if (mode !== null && PRIVATE.includes(path) && (Number.parseInt(mode, 8) & 0o077) !== 0) {
      problems.push({
        what: `${path} has the mode ${mode}, but systemd keeps the state of services with DynamicUser= there`,
        at: said.flatMap(({ declaredAt }) => declaredAt),
        fix: 'write mode: "0700", or leave it out',
      });
    }
    const home = same.find((one) => one.home !== undefined)?.home ?? around(path);
    const owner = user ?? home?.user ?? "root";
    return {
      user: owner,
      group: group ?? (owner === home?.user ? home.group : primaryGroup(owner)),
      mode: mode ?? usualMode(path, same[0]?.kind ?? "directory", homes),
      assumed: [
        ...(user === null ? ["user" as const] : []),
        ...(group === null ? ["group" as const] : []),
        ...(mode === null ? ["mode" as const] : []),
      ],
    };
  };
  const ownerOf = (path: string): AssumedOwner => {
    const owner = known.get(path) ?? compute(path);
    known.set(path, owner);
    return owner;
  };
  return ownerOf;
}

function usualMode(path: string, kind: "directory" | "file", homes: readonly Home[]): string {
  if (kind === "file") return "0644";
  return PRIVATE.includes(path) || homes.some((home) => home.path === path) ? "0700" : "0755";
}

/**
 * What keeps systemd-tmpfiles from making a path: below a folder of somebody who is not root it goes
 * through nobody else's, because the first could exchange that for anything.
 */
export function unsafeWays(
  entries: readonly { readonly path: string; readonly declaredAt: readonly string[] }[],
  ownerOf: (path: string) => Owned,
): Problem[] {
  return entries.flatMap(({ path, declaredAt }) => {
    const above = foldersAbove(path);
    return above.flatMap((folder, index) => {
      const outer = above[index - 1];
      if (outer === undefined) return [];
      const [user, outerUser] = [ownerOf(folder).user, ownerOf(outer).user];
      if (outerUser === "root" || outerUser === user) return [];
      return [
        {
          what: `${path} cannot be persisted: ${folder}, above it, is ${user}'s in ${outer}, which is ${outerUser}'s, who could put anything in its place`,
          at: declaredAt,
          fix: "give both folders one owner",
        },
      ];
    });
  });
}

/** Whether one mode lets somebody do what the other does not, besides the owner. */
export function isMoreOpen(mode: string, than: string): boolean {
  return (Number.parseInt(mode, 8) & ~Number.parseInt(than, 8) & 0o077) !== 0;
}
