/** Closures that can be published and pulled, though not booted. */
import { chmodSync, existsSync } from "node:fs";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Closure } from "../../src/closure/closure.ts";
import { publish } from "../../src/content/publish.ts";
import { openRepository } from "../../src/content/repository.ts";
import { run } from "../../src/local/process.ts";
import { sealed } from "../sealed.ts";

/** The size of its largest file. */
export const LARGE = 2 << 20;

/** Into a repository, as the host `test`. */
export async function published(closure: Closure, repository: string): Promise<void> {
  await using opened = await openRepository(repository, { create: true, onWait: () => {} });
  await publish("test", closure, opened, () => {});
}

/** A closure of a few megabytes, of which two differ in little. */
export async function testClosure(store: string, word: string): Promise<Closure> {
  const unnamed = join(store, "debian-trixie");
  await mkdir(join(unnamed, "usr"), { recursive: true });
  const random = await noise(store);
  await writeFile(join(unnamed, "usr/large"), random);
  await writeFile(join(unnamed, "usr/program"), Buffer.concat([random.subarray(0, 300_000), Buffer.from(word)]));
  chmodSync(join(unnamed, "usr/program"), 0o4755);
  for (let i = 0; i < 20; i++)
    await writeFile(join(unnamed, `usr/small-${i}`), random.subarray(i * 999, i * 999 + i * 10));
  const packages = await sealed(unnamed);
  const programs = join(store, "runtime-amd64");
  await mkdir(programs);
  await writeFile(join(programs, "program.js"), word);
  const runtime = await sealed(programs);
  const own = join(store, "nixfleet-test");
  await mkdir(join(own, "root/etc"), { recursive: true });
  await symlink(`../${packages}/usr`, join(own, "usr"));
  await symlink(`../${runtime}`, join(own, "runtime"));
  await writeFile(join(own, "cmdline"), `${word}\n`);
  for (let i = 0; i < 9; i++) await writeFile(join(own, `root/etc/${i}`), `${word} ${i}\n`.repeat(i));
  const name = await sealed(own);
  const object = (one: string) => ({ storePath: `/nix/store/${one}`, folder: join(store, one) });
  return {
    ...object(name),
    digest: name.slice(0, 32),
    packages: object(packages),
    runtime: object(runtime),
    fresh: false,
  };
}

/** The same for each closure. */
async function noise(store: string): Promise<Buffer> {
  const file = join(store, ".noise");
  if (!existsSync(file)) await run("dd", ["if=/dev/urandom", `of=${file}`, "bs=1M", `count=${LARGE >> 20}`]);
  return readFile(file);
}

export function nameOf({ storePath }: { storePath: string }): string {
  return storePath.slice("/nix/store/".length);
}

export function packagesOf({ packages }: Closure): string {
  return nameOf(packages);
}
