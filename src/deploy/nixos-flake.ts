/** Writes a fleet as a NixOS flake into a folder. */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { EmittedFile } from "../emit/nixos/flake.ts";
import { UserError } from "../errors.ts";
import { CODE_FOLDER, PACKAGE_ROOT } from "../local/package.ts";

/**
 * The flake with the wipe's module, which it holds a copy of: it needs nothing of this project.
 * @throws UserError where a file is there already and says something else; nothing is written then
 */
export async function writeFlake(folder: string, files: readonly EmittedFile[]): Promise<void> {
  const all = [...files, ...(await wipeModule())].map(({ path, text }) => ({ path: join(folder, path), text }));
  const inTheWay: string[] = [];
  for (const { path, text } of all) {
    if (existsSync(path) && (await readFile(path, "utf8")) !== text) inTheWay.push(path);
  }
  if (inTheWay.length > 0) {
    throw new UserError(`${inTheWay.length === 1 ? "a file is" : "files are"} there already, and say something else`, [
      ...inTheWay,
      "move them away, or emit to another folder and compare: nothing was written",
    ]);
  }
  for (const { path, text } of all) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}

/** The folders are as in this project, since the module names the scripts by their place beside it. */
async function wipeModule(): Promise<readonly EmittedFile[]> {
  const ofProject = ["wipe.nix", "README.md"].map((name) => ({
    path: `nixfleet/nix/${name}`,
    from: join(PACKAGE_ROOT, "nix", name),
  }));
  const scripts = ["filesystem.sh", "old-roots.sh", "prune.sh", "report.sh", "room.sh", "take-back.sh", "wipe.sh"].map(
    (name) => ({
      path: `nixfleet/src/payload/initrd/${name}`,
      from: join(CODE_FOLDER, "payload", "initrd", name),
    }),
  );
  return Promise.all(
    [...ofProject, ...scripts].map(async ({ path, from }) => ({ path, text: await readFile(from, "utf8") })),
  );
}
