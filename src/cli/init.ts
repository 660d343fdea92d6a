/** `nixfleet init [FOLDER]` */
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { compiler, PACKAGE_ROOT } from "../local/package.ts";
import { print } from "./output.ts";

/**
 * A folder that is there may hold other things, a `package.json` of npm's among them.
 * @throws UserError where it already has one of the template's files; nothing is written then
 */
export async function init(folder: string): Promise<void> {
  const target = resolve(folder);
  const template = join(PACKAGE_ROOT, "templates", "fleet");
  const present = (await readdir(template)).filter((file) => existsSync(join(target, file)));
  if (present.length > 0)
    throw new UserError(`${target} already has ${present.join(" and ")}`, ["choose another folder, or move them away"]);
  const modules = join(target, "node_modules");
  const installed = existsSync(join(modules, "nixfleet"));
  const manifest = await manifestOf(target, installed);
  await mkdir(target, { recursive: true });
  await cp(template, target, { recursive: true });
  await writeFile(join(target, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  if (!existsSync(join(target, ".gitignore"))) {
    await writeFile(join(target, ".gitignore"), "node_modules/\n.nixfleet/\n");
  }
  if (!installed) {
    // What `npm install` would do with that package.json; the editor finds the types through it.
    await link(join(modules, "nixfleet"), PACKAGE_ROOT);
    await link(join(modules, ".bin", "nixfleet"), join(PACKAGE_ROOT, "bin", "nixfleet"));
    await link(join(modules, ".bin", "tsc"), compiler());
  }
  const command = installed ? "npx nixfleet" : "nixfleet";
  print(`${target === process.cwd() ? "" : `cd ${folder}\n`}${command} check`);
}

const manifestSchema = z.looseObject({
  type: z.string().optional(),
  devDependencies: z.record(z.string(), z.string()).optional(),
});

/** What a `package.json` needs for a fleet, besides what it says already. */
async function manifestOf(target: string, installed: boolean): Promise<object> {
  const file = join(target, "package.json");
  const needs = installed ? {} : { nixfleet: `file:${relative(target, PACKAGE_ROOT)}` };
  if (!existsSync(file)) return { name: "my-fleet", private: true, type: "module", devDependencies: needs };
  const manifest = manifestSchema.safeParse(JSON.parse(await readFile(file, "utf8"))).data;
  if (manifest === undefined || (manifest.type ?? "module") !== "module") {
    throw new UserError(`${file} does not belong to a fleet`, ['set "type": "module" in it, or choose another folder']);
  }
  return { ...manifest, type: "module", devDependencies: { ...manifest.devDependencies, ...needs } };
}

async function link(path: string, target: string): Promise<void> {
  if (existsSync(path)) return;
  await mkdir(dirname(path), { recursive: true });
  await symlink(relative(dirname(path), target), path);
}
