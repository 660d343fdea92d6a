/** Files that have to be on a persist root at the first boot, and belong into no closure: passwords, keys. */
import { chmod, chown, copyFile, lstat, mkdir, open, readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { UserError } from "../errors.ts";
import { isAbsolutePath } from "../modules/types.ts";
import { foldersAbove, isWithin } from "../paths.ts";
import type { HostPlan } from "../plan/host.ts";
import type { PersistenceEntry } from "../plan/persistence-plan.ts";
import { describedClosure } from "./running.ts";

export interface FirstFile {
  readonly local: string;
  /** On the host: `/persist/passwords/alice`. */
  readonly path: string;
}

/** @throws UserError for one that is not LOCAL=PATH, is not there, or would be gone at the first boot */
export async function firstFiles(given: readonly string[], { persistence }: HostPlan): Promise<readonly FirstFile[]> {
  const roots = persistence.roots.map(({ path }) => path);
  const files: FirstFile[] = [];
  for (const text of given) {
    const [, local = "", path = ""] = /^(.+)=(\/[^=]*)$/s.exec(text) ?? [];
    if (!isAbsolutePath(path)) {
      throw new UserError(`--file wants LOCAL=PATH, got ${text}`, [
        "such as --file alice.hash=/persist/passwords/alice",
      ]);
    }
    if (!roots.some((root) => path !== root && isWithin(path, root))) {
      throw new UserError(`${path} is on no persist root, so it would be gone at the first boot`, [
        `name a path below ${roots.join(" or ")}`,
      ]);
    }
    const found = await stat(local).catch(() => null);
    if (found === null || !found.isFile()) throw new UserError(`--file ${text}: there is no file ${resolve(local)}`);
    files.push({ local: resolve(local), path });
  }
  const twice = files.find(({ path }, index) => files.some((other, i) => i < index && other.path === path));
  if (twice !== undefined) throw new UserError(`--file names ${twice.path} twice`);
  return files;
}

/**
 * Onto disks that are mounted. Each has the mode that it has here, and belongs to the entry that it lies in, or else to root.
 * @throws UserError where something else is in its way
 */
export async function placeFirstFiles(
  files: readonly FirstFile[],
  { persistence }: HostPlan,
  closure: Pick<Closure, "folder" | "storePath">,
  mountedAt: string,
): Promise<void> {
  if (files.length === 0) return;
  const idOf = await accountIds(join(closure.folder, "root", "etc"));
  const own = (name: string) => readFile(join(closure.folder, name), "utf8");
  // With the owners that packages give.
  const built = describedClosure(closure.storePath, await own("plan.json"), await own("manifest.json"));
  const roots = persistence.roots.map(({ path }) => path);
  // The folders that activation would make: it leaves those that are there as they are.
  const planned = new Map<string, Pick<PersistenceEntry, "user" | "group" | "mode">>([
    ...built.parents.flatMap((parent) => roots.map((root) => [`${root}${parent.path}`, parent] as const)),
    ...built.entries.flatMap((entry) => (entry.kind === "file" ? [] : [[entry.source, entry] as const])),
  ]);
  const entries = built.entries.toSorted((a, b) => b.source.length - a.source.length);
  for (const { local, path } of files) {
    const inside = entries.find(({ source }) => isWithin(path, source));
    const owner = { user: idOf("passwd", inside?.user), group: idOf("group", inside?.group) };
    for (const folder of foldersAbove(path)) {
      const place = join(mountedAt, folder);
      if ((await lstat(place).catch(() => null))?.isDirectory()) continue;
      await mkdir(place);
      const { user, group, mode } = planned.get(folder) ?? { ...inside, mode: inside === undefined ? "0700" : "0755" };
      await chown(place, idOf("passwd", user), idOf("group", group));
      await chmod(place, Number.parseInt(mode, 8));
    }
    const place = join(mountedAt, path);
    await copyFile(local, place);
    await chmod(place, (await stat(local)).mode & 0o777);
    await chown(place, owner.user, owner.group);
    for (const changed of [place, dirname(place)]) await flush(changed);
  }
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Of the host's accounts, by name; a number is itself. */
async function accountIds(etc: string) {
  const read = async (name: string) =>
    new Map(
      (await readFile(join(etc, name), "utf8")).split("\n").map((line) => [line.split(":")[0], line.split(":")[2]]),
    );
  const ids = { passwd: await read("passwd"), group: await read("group") };
  return (kind: "passwd" | "group", name = "root") => Number(ids[kind].get(name) ?? (/^\d+$/.test(name) ? name : 0));
}
