/** Where what survives lives. */
import { isAbsolutePath } from "../modules/types.ts";
import { isWithin } from "../paths.ts";
import type { SystemConfig } from "../system/options.ts";
import { type DiskPlan, mountedFilesystems } from "./disk-plan.ts";
import { type Home, homesOf } from "./homes.ts";
import type { PlanProblem } from "./problem.ts";

export interface PersistRoot {
  readonly path: string;
  /** The key that it is declared by: its path, or a name. */
  readonly name: string;
  readonly purpose: string;
}

/** Every persist root that is declared and not off, once for each option that does. */
export function persistRootsOf(config: SystemConfig): readonly (PersistRoot & { readonly option: string })[] {
  const { environment, home } = config;
  const primary = homesOf(config).get(config.hostSpec.userName);
  return Object.entries({ environment, home }).flatMap(([where, { persistence }]) =>
    Object.entries(persistence)
      .filter(([, { enable }]) => enable)
      .map(([name, { persistentStoragePath: path, purpose }]) => ({
        path: where === "home" ? withoutHome(path, primary) : path,
        name: where === "home" ? withoutHome(name, primary) : name,
        purpose,
        option: `${where}.persistence.${JSON.stringify(name)}`,
      })),
  );
}

/** `/persist/home/alice`, as older versions of impermanence have it in Home Manager, is `/persist`: the home is added to that. */
export function withoutHome(root: string, home: Home | undefined): string {
  const path = home === undefined || !root.endsWith(home.path) ? root : root.slice(0, -home.path.length);
  return path === "" ? root : path;
}

/** One for each path, sorted by it. */
export function namedPersistRoots(config: SystemConfig): readonly PersistRoot[] {
  const byPath = Map.groupBy(persistRootsOf(config), ({ path }) => path);
  return [...byPath]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, same]) => ({
      path,
      name: same.find(({ name }) => name !== path)?.name ?? path,
      purpose: same.find(({ purpose }) => purpose !== "")?.purpose ?? "",
    }));
}

export function isPersistRoot(path: string): boolean {
  return isAbsolutePath(path) && path !== "/";
}

/** Where what a persist root holds would be wiped, or could not be written. @param at where the disks are declared */
export function persistRootProblems(config: SystemConfig, disk: DiskPlan, at: readonly string[]): PlanProblem[] {
  const roots = [config.nixfleet.impermanence.persistRoot, ...persistRootsOf(config).map(({ path }) => path)];
  const filesystemOf = (path: string) =>
    mountedFilesystems(disk).findLast(({ mountpoint }) => isWithin(path, mountpoint));
  const isLost = (path: string) => [undefined, "/"].includes(filesystemOf(path)?.mountpoint);
  const [own = ""] = roots;
  const kept = roots.find((path) => isPersistRoot(path) && !isLost(path) && filesystemOf(path)?.mountpoint !== "/nix");
  return [...new Set(roots)].filter(isPersistRoot).flatMap((path) => {
    const filesystem = filesystemOf(path);
    if (filesystem === undefined || isLost(path)) {
      const what = `nothing is mounted at the persist root ${path}, so what it persists would be wiped`;
      const there = `write nixfleet: { impermanence: { persistRoot: "${kept}" } }: then what NixFleet itself persists is there too`;
      return [{ what, at, fix: path === own && kept !== undefined ? `${there}; or ${SUBVOLUME}` : SUBVOLUME }];
    }
    if (filesystem.mountpoint === "/nix") {
      const fix = `mount a subvolume of its own at ${path}, such as "@state": { mountpoint: "${path}" }`;
      return [{ what: `the persist root ${path} is in /nix, which is read-only on the host`, at, fix }];
    }
    if (!filesystem.neededForBoot) {
      const fix =
        filesystem.mountpoint === path
          ? "remove neededForBoot: false from its filesystem: a persist root has true by default"
          : `give the filesystem that is mounted on ${filesystem.mountpoint} neededForBoot: true`;
      const what = `the persist root ${path} is mounted after its entries are placed, so they would be wiped`;
      return [{ what, at, fix }];
    }
    return [];
  });
}

/** What to do where a disk lacks what an ephemeral root needs. */
export const SUBVOLUME = "use diskoTemplates.btrfsImpermanence, or give the disk layout such a subvolume";
