/** Where services keep something, as their units and packages say. */
import type { HostTree } from "./host-tree.ts";
import { installedPackages, shippedFolders, tmpfilesPaths } from "./packages.ts";
import { isTrue, lastValue, withSpecifiers, wordsOf } from "./unit-file.ts";
import type { Unit } from "./units.ts";

export interface KeptPath {
  readonly path: string;
  /** Names of units. */
  readonly services: readonly string[];
  /** What says so: `StateDirectory=`. */
  readonly because: string;
  /** Whom a folder has to belong to that neither systemd nor a package makes. */
  readonly user: string | null;
  /** systemd keeps it in a folder that only root may enter. */
  readonly isPrivate: boolean;
  /** Whether a part of it that persists speaks for it: of a home, or a package's mere folder, somebody chose that part. */
  readonly countsInParts: boolean;
}

export function keptPaths(services: readonly Unit[], tree: HostTree): KeptPath[] {
  const homes = systemHomes(tree);
  const kept = [...services.flatMap((unit) => unitPaths(unit, homes)), ...packagePaths(services, tree)];
  return kept.filter(({ path }) => isStatePath(path));
}

function unitPaths({ name, settings }: Unit, homes: ReadonlyMap<string, string>): KeptPath[] {
  const isPrivate = isTrue(lastValue(settings, "Service.DynamicUser"));
  const common = { services: [name], user: null, isPrivate: false, countsInParts: false };
  const expanded = (key: string, change: (word: string) => string) =>
    wordsOf(settings, `Service.${key}`).flatMap((word) => withSpecifiers(change(word), name) ?? []);
  const parents = { State: "/var/lib", Logs: "/var/log", Cache: "/var/cache" };
  const directories = Object.entries(parents).flatMap(([key, parent]) =>
    // After a colon are further names for it: systemd.exec(5).
    expanded(`${key}Directory`, (word) => word.split(":")[0] ?? "").map((path) => ({
      ...common,
      path: `${parent}/${isPrivate ? "private/" : ""}${path}`,
      because: `${key}Directory=`,
      isPrivate,
    })),
  );
  const user = isPrivate ? null : lastValue(settings, "Service.User");
  const home = user === null ? undefined : homes.get(user);
  const named = ["WorkingDirectory", "ReadWritePaths"].flatMap((key) =>
    expanded(key, (word) => word.replace(/^[-+]+/, "")).map((path) => ({ ...common, path, because: `${key}=`, user })),
  );
  return [
    ...directories,
    ...(home === undefined ? [] : [{ ...common, path: home, because: `home of ${user}`, user, countsInParts: true }]),
    ...named,
  ];
}

/** A package that ships no service speaks for those built from the same source. */
function packagePaths(services: readonly Unit[], tree: HostTree): KeptPath[] {
  const packages = installedPackages(tree);
  const files = new Map(services.map((unit) => [unit.file, unit]));
  const namesIn = (some: typeof packages) =>
    services.filter(({ file }) => some.some(({ paths }) => paths.includes(file))).map(({ name }) => name);
  const ofServices = packages.filter(({ paths }) => paths.some((path) => files.has(path)));
  return packages.flatMap((one) => {
    const paths = [...tmpfilesPaths(one, tree), ...shippedFolders(one)];
    if (paths.length === 0) return [];
    const own = ofServices.filter(({ name }) => name === one.name);
    const names = namesIn(own.length > 0 ? own : ofServices.filter(({ source }) => source === one.source));
    if (names.length === 0) return [];
    const common = { services: names, user: null, isPrivate: false };
    const made = tmpfilesPaths(one, tree).flatMap((path) => withSpecifiers(path, names[0] ?? "") ?? []);
    return [
      ...made.map((path) => ({ ...common, path, because: `tmpfiles.d of ${one.name}`, countsInParts: false })),
      ...shippedFolders(one).map((path) => ({
        ...common,
        path,
        because: `shipped by ${one.name}`,
        countsInParts: true,
      })),
    ];
  });
}

/** Of the users that are no persons. */
function systemHomes(tree: HostTree): ReadonlyMap<string, string> {
  const rows = (tree.text("/etc/passwd") ?? "").split("\n").map((line) => line.split(":"));
  const system = rows.filter(([, , uid]) => Number(uid) > 0 && Number(uid) < 1000);
  return new Map(system.map(([name = "", , , , , home = ""]) => [name, home]));
}

/** Everybody's, and nobody's state. */
const SHARED = [
  "lib",
  "lib/misc",
  "lib/private",
  "log",
  "log/private",
  "cache",
  "cache/private",
  "spool",
  "mail",
  "opt",
];

/** Temporary by intent, or the package manager's, which a host does not run. */
const OTHERWISE = /^\/var\/(run|lock|tmp|lib\/dpkg|lib\/apt|cache\/apt|lib\/systemd\/deb-systemd-[a-z-]+)(\/|$)/;

/** Below /var or /srv, where the FHS has what changes. */
function isStatePath(path: string): boolean {
  return /^\/(var|srv)\/./.test(path) && !OTHERWISE.test(path) && !SHARED.some((name) => path === `/var/${name}`);
}
