/** Lock entry → package object: Debian packages, assembled into a tree by mmdebstrap. */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { CommandError, run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";
import { type Cache, lookUp, remember, unfinishedFolder } from "./cache.ts";
import { clampTimes, treeDigest } from "./digest.ts";
import { saysDiskFull } from "./disk-full.ts";
import { fetchPackages } from "./fetch.ts";
import type { LockEntry } from "./lock.ts";
import { repositoryLine, writeRepository } from "./repository.ts";

const SCRIPTS = import.meta.dirname;

/** A hash of all that a package object is made from: the locked packages and the recipe. */
export function packageInputs(entry: LockEntry): string {
  const recipe = ["assemble.sh", "customize.sh", "strip.sh", "package-object.ts"].map((name) => readRecipe(name));
  return createHash("sha256")
    .update(JSON.stringify([entry, recipe]))
    .digest("hex");
}

/** The published package has compiled files. */
function readRecipe(name: string): string {
  const compiled = import.meta.filename.endsWith(".js") ? name.replace(/\.ts$/, ".js") : name;
  return readFileSync(join(SCRIPTS, compiled), "utf8");
}

/**
 * Makes the package object of a lock entry, unless the cache has it. The caller holds the lock of the cache.
 * @returns its name in the store: `<digest>-debian-<suite>`
 * @throws UserError when a package cannot be had or installed
 */
export async function packageObject(
  entry: LockEntry,
  cache: Cache,
  onProgress: (step: string) => void,
): Promise<string> {
  const inputs = packageInputs(entry);
  const made = await lookUp(cache, inputs);
  if (made !== null) return made;
  refuseForeign(entry.request.architecture);
  await fetchPackages(entry, cache, onProgress);

  onProgress(`assembling ${entry.packages.length} packages and the initrd`);
  const start = Math.floor(Date.now() / 1000) - 1;
  await using work = await unfinishedFolder(cache.store);
  const tree = join(work.path, "tree");
  await assemble(entry, cache, work.path, tree);
  await run("sh", [join(SCRIPTS, "strip.sh"), tree]);
  writeFileSync(join(tree, "manifest.json"), `${JSON.stringify(manifest(entry, tree), null, 2)}\n`);
  chmodSync(join(tree, "manifest.json"), 0o644);
  clampTimes(tree, entry.date, start);

  onProgress("digesting the packages");
  const name = `${await treeDigest(tree)}-debian-${entry.request.suite}`;
  await work.finish("tree", join(cache.store, name));
  await remember(cache, inputs, name);
  return name;
}

async function assemble(entry: LockEntry, cache: Cache, work: string, tree: string): Promise<void> {
  const { suite, architecture, packages, locales } = entry.request;
  const repository = join(work, "repository");
  await writeRepository(repository, suite, entry.packages, cache);
  const temporary = join(work, "tmp");
  mkdirSync(temporary);
  const args = [
    "--variant=minbase",
    "--mode=root",
    "--format=directory",
    `--architectures=${architecture}`,
    `--include=${packages.join(",")}`,
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
    throw new UserError(`the packages of ${suite} could not be assembled`, error.detail);
  }
}

function manifest(entry: LockEntry, tree: string): object {
  const kernels = readdirSync(join(tree, "usr/lib/modules"));
  return {
    suite: entry.request.suite,
    architecture: entry.request.architecture,
    date: entry.date,
    kernel: kernels[0] ?? "",
    packages: Object.fromEntries(entry.packages.map((one) => [one.name, one.version])),
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
    "installing packages runs their scripts: build on such a machine, or let QEMU emulate it:",
    "apt-get install qemu-user-static binfmt-support arch-test",
  ]);
}
