/** `nixfleet init [FOLDER]` */
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { UserError } from "../modules/errors.ts";
import { PACKAGE_ROOT, print } from "./output.ts";

/** @throws UserError where the folder already has one of the files; nothing is written then */
export async function init(folder: string): Promise<void> {
  const target = resolve(folder);
  const template = join(PACKAGE_ROOT, "templates", "fleet");
  const files = [...(await readdir(template)), "package.json", ".gitignore"];
  const present = files.filter((file) => existsSync(join(target, file)));
  if (present.length > 0)
    throw new UserError(`${target} already has ${present.join(" and ")}`, ["choose another folder, or move it away"]);
  await mkdir(join(target, "node_modules"), { recursive: true });
  await cp(template, target, { recursive: true });
  const path = relative(target, PACKAGE_ROOT);
  const manifest = { name: "my-fleet", private: true, type: "module", devDependencies: { nixfleet: `file:${path}` } };
  await writeFile(join(target, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  await writeFile(join(target, ".gitignore"), "node_modules/\n.nixfleet/\n");
  // What `npm install` would do with that package.json; the editor finds the types through it.
  const link = join(target, "node_modules", "nixfleet");
  if (!existsSync(link)) await symlink(relative(join(target, "node_modules"), PACKAGE_ROOT), link);
  print(`${folder === "." ? "" : `cd ${folder}\n`}nixfleet check`);
}
