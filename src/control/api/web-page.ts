/** The files of the page for people, as they are in ../page. */
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";

const FOLDER = join(import.meta.dirname, "..", "page");

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};

export interface WebFile {
  readonly content: string;
  readonly type: string;
}

/** By their path. They are read once, so no request names a file. */
export function webFiles(): ReadonlyMap<string, WebFile> {
  const files = new Map<string, WebFile>();
  for (const name of readdirSync(FOLDER)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const content = readFileSync(join(FOLDER, name), "utf8");
    files.set(name === "index.html" ? "/" : `/page/${name}`, { content, type });
  }
  return files;
}
