/**
 * What `npm pack` ships in dist/: src/ as JavaScript, with its declarations and the files beside it, and in bundles/
 * the programs of hosts. Node does not run TypeScript inside
 * `node_modules`. The types are blanked out, so that each line stays at its number, for places in plans and in errors.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { makeBundles } from "../src/closure/tree/bundles.ts";
import { run } from "../src/local/process.ts";

const root = join(import.meta.dirname, "..");
const [src, dist] = [join(root, "src"), join(root, "dist")];

rmSync(dist, { recursive: true, force: true });
await run(join(root, "node_modules", ".bin", "tsc"), ["--project", join(root, "tsconfig.package.json")]);
for (const name of readdirSync(src, { recursive: true, encoding: "utf8" })) {
  if (name.endsWith(".ts")) {
    write(name.replace(/ts$/, "js"), stripTypeScriptTypes(readFileSync(join(src, name), "utf8")));
    const declarations = name.replace(/ts$/, "d.ts");
    write(declarations, readFileSync(join(dist, declarations), "utf8"));
  } else if (/\.\w+$/.test(name)) cpSync(join(src, name), join(dist, name));
}
mkdirSync(join(dist, "bundles"));
for (const [name, code] of await makeBundles()) writeFileSync(join(dist, "bundles", name), code);

function write(name: string, code: string): void {
  writeFileSync(join(dist, name), code.replace(/(from |import\()"(\..*)\.ts"/g, '$1"$2.js"'));
}
