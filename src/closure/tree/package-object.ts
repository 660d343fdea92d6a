/** Lock entry → package object: Debian packages, assembled into a tree by mmdebstrap. */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { CommandError, run } from "../../local/process.ts";
import { type AccountIds, allocatedIds, hasIdsOf, idsOf, withIdsOf } from "../lock/account-ids.ts";
import { fetchPackages } from "../lock/fetch.ts";
import type { LockEntry } from "../lock/lock.ts";
import { repositoryLine, writeRepository } from "../lock/repository.ts";
import { type Cache, lookUp, remember, unfinishedObject } from "../store/cache.ts";
import { sealObject } from "../store/digest.ts";
import { saysDiskFull } from "../store/disk-full.ts";
import { isWhole, removeDamaged } from "../store/whole.ts";
import { type HostMade, removeHostMade } from "./host-made.ts";

const SCRIPTS = import.meta.dirname;

/** The files that decide what a package object is, besides the locked packages and the ids of accounts. */
const RECIPE = [
  ...["assemble.sh", "customize.sh", "strip.sh", "package-object.ts", "renumber.ts", "host-made.ts"],
  ...["../lock/account-ids.ts", "../store/contents.pl", "../store/digest.ts"],
];

/** A hash of all that a package object is made from; without ids, one that leads to its latest, whatever those were. */
export function packageInputs(entry: LockEntry, ids: AccountIds | null): string {
  const recipe = RECIPE.map((name) => readRecipe(name));
  return createHash("sha256")
    .update(JSON.stringify([entry, recipe, ids]))
    .digest("hex");
}

/** The package object of a lock entry in which accounts have these ids, if the cache has it. */
export async function lookUpPackages(entry: LockEntry, ids: AccountIds, cache: Cache): Promise<string | null> {
  const names = await accountNames(entry, cache);
  return names !== null && hasIdsOf(names, ids) ? lookUp(cache, packageInputs(entry, idsOf(names, ids))) : null;
}

/** The accounts that the packages make, known once they have been assembled; their ids here are of no account. */
async function accountNames(entry: LockEntry, cache: Cache): Promise<AccountIds | null> {
  const latest = await lookUp(cache, packageInputs(entry, null));
  return latest === null ? null : allocatedIds(join(cache.store, latest));
}

function readRecipe(name: string): string {
  return readFileSync(join(SCRIPTS, compiled(name)), "utf8");
}

/** The published package has compiled files. */
function compiled(name: string): string {
  return import.meta.filename.endsWith(".js") ? name.replace(/\.ts$/, ".js") : name;
}

export interface PackageObject {
  /** In the store: `<digest>-debian-<suite>`. */
  readonly name: string;
  /** Those given, and those that its accounts got because they had none. */
  readonly ids: AccountIds;
}

/**
 * Makes the package object of a lock entry, unless the cache has it. The caller holds the lock of the cache.
 * @throws UserError when a package cannot be had or installed
 */
export async function packageObject(
  entry: LockEntry,
  given: AccountIds,
  cache: Cache,
  onProgress: (step: string) => void,
): Promise<PackageObject> {
  const names = await accountNames(entry, cache);
  const known = names === null ? given : withIdsOf(names, given);
  const made = await lookUpPackages(entry, known, cache);
  if (made !== null && (await isWhole(cache, made))) return { name: made, ids: known };
  refuseForeign(entry.request.architecture);
  await fetchPackages(entry, cache, onProgress);

  onProgress(`assembling ${entry.packages.length} packages and the initrd`);
  const start = Math.floor(Date.now() / 1000) - 1;
  await using work = await unfinishedObject(cache);
  const tree = join(work.path, "tree");
  await assemble(entry, given, cache, work.path, tree);
  await run("sh", [join(SCRIPTS, "strip.sh"), tree]);
  const hostMade = removeHostMade(tree);
  for (const { path, what, packages } of hostMade) {
    onProgress(
      `left out, because each host creates its own: ${path}, ${what} (${packages.join(", ") || "no package"})`,
    );
  }
  const texts = {
    "manifest.json": `${JSON.stringify(manifest(entry, tree, hostMade), null, 2)}\n`,
    "packages.list": entry.packages.map(({ name, version }) => `${name}\t${version}\n`).join(""),
  };
  for (const [name, text] of Object.entries(texts)) {
    writeFileSync(join(tree, name), text);
    chmodSync(join(tree, name), 0o644);
  }

  onProgress("digesting the packages");
  const name = `${await sealObject(tree, entry.date, start)}-debian-${entry.request.suite}`;
  await removeDamaged(cache, name, onProgress);
  await work.finish("tree", join(cache.store, name));
  const own = allocatedIds(join(cache.store, name));
  for (const ids of [own, null]) await remember(cache, packageInputs(entry, ids), name);
  return { name, ids: withIdsOf(own, given) };
}

async function assemble(entry: LockEntry, ids: AccountIds, cache: Cache, work: string, tree: string): Promise<void> {
  const { suite, architecture, packages, locales, debs = [] } = entry.request;
  const own = entry.packages.filter((one) => debs.some(({ sha256 }) => sha256 === one.sha256));
  const repository = join(work, "repository");
  await writeRepository(repository, suite, entry.packages, cache);
  const temporary = join(work, "tmp");
  mkdirSync(temporary);
  const args = [
    "--variant=minbase",
    "--mode=root",
    "--format=directory",
    `--architectures=${architecture}`,
    `--include=${[...packages, ...own.map(({ name }) => name)].join(",")}`,
    '--aptopt=Apt::Install-Recommends "0"',
    "--dpkgopt=force-unsafe-io", // the whole object is synced before it gets its name
    '--customize-hook=sh "$NIXFLEET_CUSTOMIZE" "$1"',
    suite,
    tree,
    repositoryLine(repository),
  ];
  const env = {
    SOURCE_DATE_EPOCH: String(entry.date),
    TMPDIR: temporary,
    NIXFLEET_CUSTOMIZE: join(SCRIPTS, "customize.sh"),
    NIXFLEET_LOCALES: locales.join(" "),
    NIXFLEET_NODE: process.execPath,
    NIXFLEET_RENUMBER: join(SCRIPTS, compiled("renumber.ts")),
    NIXFLEET_IDS: JSON.stringify(ids),
  };
  const full: string[] = []; // it is seldom among the last lines
  const onLine = (line: string): void => {
    if (saysDiskFull(line)) full.push(line);
  };
  try {
    await run("sh", [join(SCRIPTS, "assemble.sh"), ...args], { env, onLine });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    if (full[0] !== undefined) throw new UserError(full[0]);
    throw new UserError(`cannot assemble the packages of ${suite}`, error.detail);
  }
}

function manifest(entry: LockEntry, tree: string, hostMade: readonly HostMade[]): object {
  const kernels = readdirSync(join(tree, "usr/lib/modules"));
  return {
    suite: entry.request.suite,
    architecture: entry.request.architecture,
    date: entry.date,
    kernel: kernels[0] ?? "",
    hostMade: hostMade.map(({ path }) => path),
  };
}

/** Debian's names of what this machine runs by itself. */
const NATIVE: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64", ia32: "i386" };

/** The names that binfmt-support and systemd-binfmt give to the emulation of an architecture. */
const EMULATORS: Readonly<Record<string, string>> = { arm64: "qemu-aarch64", amd64: "qemu-x86_64" };

/** @throws UserError when this machine cannot run the programs of an architecture, which installing packages does */
export function refuseForeign(architecture: string): void {
  if (NATIVE[arch()] === architecture) return;
  const emulator = EMULATORS[architecture];
  if (emulator !== undefined && existsSync(`/proc/sys/fs/binfmt_misc/${emulator}`)) return;
  throw new UserError(`this machine cannot run programs for ${architecture}`, [
    "installing packages runs their scripts: build on such a machine, or install QEMU to emulate one:",
    "apt-get install qemu-user-static binfmt-support arch-test",
  ]);
}
