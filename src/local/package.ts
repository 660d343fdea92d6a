/** This package itself: where it is, and what it is of. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";
import { z } from "zod";

/** The folder of this project, or of the installed package. */
export const PACKAGE_ROOT: string = dirname(dirname(import.meta.dirname));

/** Its code: `src`, or in an installed package `dist`. */
export const CODE_FOLDER: string = dirname(import.meta.dirname);

/** What a fleet imports as "nixfleet". */
export const INDEX: string = join(CODE_FOLDER, `index${extname(import.meta.filename)}`);

/** TypeScript's script: wherever npm has put it, beside this package or within. */
export function compiler(): string {
  return join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
}

/** Its own files in a text by the same names wherever it is, and whether it is compiled. */
export function withOwnNames(text: string): string {
  return text
    .replaceAll(`${CODE_FOLDER}/`, "nixfleet/src/")
    .replaceAll(`${PACKAGE_ROOT}/`, "nixfleet/")
    .replace(/\b(nixfleet\/src\/[\w./-]+)\.js\b/g, "$1.ts");
}

export const PACKAGE: { readonly version: string; readonly description: string } = z
  .object({ version: z.string(), description: z.string() })
  .parse(JSON.parse(readFileSync(join(PACKAGE_ROOT, "package.json"), "utf8")));
