/** A host as an installer that a kernel unpacks into memory: its closure's kernel, and its store as an initrd. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { cpioArchive } from "../closure/tree/cpio.ts";
import { UserError } from "../errors.ts";
import { quoted, run } from "../local/process.ts";
import { installerFiles } from "../payload/takeover/files.ts";
import { encryptedContents } from "../plan/disk-plan.ts";
import type { HostPlan } from "../plan/host.ts";

/** @throws UserError for a host that only its builder or a stick can install */
export function refuseRamInstaller({ hostName, disk, packages }: HostPlan): void {
  const how = "install it from a stick or a rescue system: see docs/install.md";
  if (disk.disks.length !== 1)
    throw new UserError(`${hostName} has ${disk.disks.length} disks, and over ssh a host with one is installed`, [how]);
  if (encryptedContents(disk).length > 0)
    throw new UserError(
      `${hostName} is encrypted: over ssh its passphrase would be in the memory of a machine that is not yours yet`,
      [how],
    );
  if (!packages.packages.includes("openssh-server"))
    throw new UserError(`${hostName} has no ssh server, which the installer needs`, [
      "set services.openssh.enable: true",
    ]);
}

/** The names of the kernel modules that a closure has, with `_` for `-`. */
export function modulesOf({ folder }: Pick<Closure, "folder">): ReadonlySet<string> {
  const modules = join(folder, "usr/lib/modules");
  const names = readdirSync(modules).flatMap((kernel) =>
    ["modules.dep", "modules.builtin"].flatMap((list) => {
      const file = join(modules, kernel, list);
      return existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    }),
  );
  return new Set(
    names.map((line) =>
      basename(line.replace(/:.*/, ""))
        .replace(/\.ko(\.\w+)?$/, "")
        .replaceAll("-", "_"),
    ),
  );
}

/** What a closure and its packages take in memory, in bytes. */
export function unpackedSize({ folder, packages }: Pick<Closure, "folder" | "packages">): number {
  const page = 4096;
  return [folder, packages.folder]
    .flatMap((object) => readFileSync(join(object, "contents.list"), "utf8").split("\n"))
    .map((line) => page / 4 + Math.ceil(Number(/ [0-9a-f]{64}:(\d+) /.exec(line)?.[1] ?? 0) / page) * page)
    .reduce((sum, size) => sum + size, 0);
}

/** Writes the initrd, whose store is the cache's. */
export async function writeInstaller(closure: Closure, file: string): Promise<void> {
  const [name, packages] = [basename(closure.folder), basename(closure.packages.folder)];
  await writeFile(file, cpioArchive(installerFiles(name, packages), 0));
  const objects = [name, packages].map((object) => quoted(`store/${object}`)).join(" ");
  // The kernel makes no folder that is not in the archive.
  const names = `{ printf 'store\\0'; find ${objects} -print0; }`;
  const pack = `${names} | cpio --quiet --null --create --format=newc | zstd -q -6 -T0 >>${quoted(file)}`;
  await run("bash", ["-o", "pipefail", "-c", pack], { cwd: dirname(dirname(closure.folder)), group: true });
}
