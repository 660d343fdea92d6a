/** NixFleet's own programs for hosts, each one file of JavaScript with all that it imports. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CODE_FOLDER, PACKAGE_ROOT } from "../../local/package.ts";

/** Where the published package has them: bin/compile.ts puts them there. */
export const BUNDLES_FOLDER: string = join(CODE_FOLDER, "bundles");

/** By the name of the file: what it is made from, in src/. */
const ENTRIES: Readonly<Record<string, string>> = {
  agent: "cli/host-agent.ts",
  "control-plane": "cli/host-control-plane.ts",
};

/** @returns by name, such as `control-plane.js` */
export async function bundles(): Promise<ReadonlyMap<string, Uint8Array>> {
  if (import.meta.filename.endsWith(".ts")) return makeBundles();
  return new Map(readdirSync(BUNDLES_FOLDER).map((name) => [name, readFileSync(join(BUNDLES_FOLDER, name))]));
}

/** By esbuild, from the TypeScript of the repository. */
export async function makeBundles(): Promise<ReadonlyMap<string, Uint8Array>> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    absWorkingDir: PACKAGE_ROOT,
    entryPoints: Object.entries(ENTRIES).map(([out, entry]) => ({ in: join("src", entry), out })),
    outdir: ".",
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    target: "node24",
    minifyWhitespace: true,
    minifySyntax: true,
    external: ["pg-native"],
    // Some packages still call require() for what Node itself has.
    banner: { js: 'import{createRequire as ownRequire}from"node:module";const require=ownRequire(import.meta.url);' },
    logLevel: "error",
  });
  return new Map(outputFiles.map(({ path, contents }) => [path.slice(PACKAGE_ROOT.length + 1), contents]));
}
