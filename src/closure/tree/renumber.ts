/**
 * `node renumber.ts TREE IDS`: gives the accounts in a tree, and what belongs to them, the ids that `withIdsOf` finds for
 * them beside IDS (JSON). A program of its own: mmdebstrap runs it, before the initrd is made of the tree.
 */
import { chmodSync, lchownSync, lstatSync, readdirSync, readFileSync, type Stats, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../local/process.ts";
import { type AccountIds, allocatedIds, withIdsOf } from "../lock/account-ids.ts";

/** New ids by old ones. */
interface Moves {
  readonly users: ReadonlyMap<number, number>;
  readonly groups: ReadonlyMap<number, number>;
}

export async function renumber(tree: string, ids: AccountIds): Promise<void> {
  const names = allocatedIds(tree);
  const wanted = withIdsOf(names, ids);
  const moves = { users: movesOf(names.users, wanted.users), groups: movesOf(names.groups, wanted.groups) };
  if (moves.users.size === 0 && moves.groups.size === 0) return;
  const owned = ownedByMoved(tree, moves);
  // A new owner costs a file its capabilities, and its set-user-id and set-group-id bits.
  const capabilities = await capabilitiesOf(owned.filter(({ stats }) => stats.isFile()).map(({ path }) => path));
  for (const { path, stats } of owned) {
    lchownSync(path, moved(stats.uid, moves.users), moved(stats.gid, moves.groups));
    if (!stats.isSymbolicLink()) chmodSync(path, stats.mode & 0o7777);
  }
  for (const [path, capability] of capabilities) await run("setcap", [capability, path]);
  await renumberAcls(tree, moves);
  const [user, group] = [(id: string) => movedText(id, moves.users), (id: string) => movedText(id, moves.groups)];
  rewrite(join(tree, "etc/passwd"), ([name = "", password = "", uid = "", gid = "", ...rest]) => [
    name,
    password,
    user(uid),
    group(gid),
    ...rest,
  ]);
  rewrite(join(tree, "etc/group"), ([name = "", password = "", gid = "", ...rest]) => [
    name,
    password,
    group(gid),
    ...rest,
  ]);
}

function movesOf(from: Readonly<Record<string, number>>, to: Readonly<Record<string, number>>): Map<number, number> {
  const moves = Object.entries(from).map(([name, id]) => [id, to[name] ?? id] as const);
  return new Map(moves.filter(([before, after]) => before !== after));
}

function moved(id: number, moves: ReadonlyMap<number, number>): number {
  return moves.get(id) ?? id;
}

function movedText(id: string, moves: ReadonlyMap<number, number>): string {
  return String(moves.get(Number(id)) ?? id);
}

interface Owned {
  readonly path: string;
  readonly stats: Stats;
}

/** Each inode once, under one of its names; nothing of what is mounted in the tree. */
function ownedByMoved(tree: string, moves: Moves): Owned[] {
  const { dev } = lstatSync(tree);
  const found = new Map<number, Owned>();
  const visit = (path: string): void => {
    const stats = lstatSync(path);
    if (stats.dev !== dev) return;
    if (moves.users.has(stats.uid) || moves.groups.has(stats.gid)) found.set(stats.ino, { path, stats });
    if (stats.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
  };
  visit(tree);
  return [...found.values()];
}

async function capabilitiesOf(paths: readonly string[]): Promise<Map<string, string>> {
  if (paths.length === 0) return new Map();
  const lines = (await run("getcap", paths)).split("\n").filter((line) => line !== "");
  return new Map(
    lines.map((line) => {
      const cut = line.lastIndexOf(" ");
      return [line.slice(0, cut), line.slice(cut + 1)];
    }),
  );
}

/** acl(5): lists that name a user or group that moved; none of what is mounted in the tree. */
async function renumberAcls(tree: string, moves: Moves): Promise<void> {
  const { dev } = lstatSync(tree);
  const folders = readdirSync(tree).filter((name) => lstatSync(join(tree, name)).dev === dev);
  const how = ["--recursive", "--physical", "--one-file-system", "--skip-base", "--numeric"];
  const listed = await run("getfacl", [...how, "--", ...folders], { cwd: tree });
  const lists = listed.split("\n\n").flatMap((list) => {
    const after = list.replace(/^(default:)?(user|group):(\d+):/gm, (_, preset = "", kind, id) => {
      return `${preset}${kind}:${movedText(id, kind === "user" ? moves.users : moves.groups)}:`;
    });
    return after === list ? [] : [`${after.replace(/^# (owner|group|flags): .*\n/gm, "")}\n\n`];
  });
  if (lists.length > 0) await run("setfacl", ["--restore=-"], { cwd: tree, input: lists.join("") });
}

/** In place: owner and mode of the file stay. */
function rewrite(file: string, change: (row: readonly string[]) => readonly string[]): void {
  const lines = readFileSync(file, "utf8").split("\n");
  writeFileSync(file, lines.map((line) => (line === "" ? "" : change(line.split(":")).join(":"))).join("\n"));
}

if (import.meta.main) {
  const [tree = "", ids = ""] = process.argv.slice(2);
  await renumber(tree, JSON.parse(ids));
}
