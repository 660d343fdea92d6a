/** Absolute paths in their shortest form. */

/** Whether a path is a folder, or lies in it. */
export function isWithin(path: string, folder: string): boolean {
  return folder === "/" || (path.startsWith(folder) && (path.length === folder.length || path[folder.length] === "/"));
}

/** Whether a path lies in a folder. */
export function isBelow(path: string, folder: string): boolean {
  return path !== folder && isWithin(path, folder);
}

/** `/a/b/c` → `/a`, `/a/b` */
export function foldersAbove(path: string): readonly string[] {
  let above = known.get(path);
  if (above === undefined) {
    const parts = path.split("/").slice(1, -1);
    above = parts.map((_, i) => `/${parts.slice(0, i + 1).join("/")}`);
    if (known.size >= 10_000) known.clear();
    known.set(path, above);
  }
  return above;
}

/** Hosts of one fleet have mostly the same paths, and each is asked for many times. */
const known = new Map<string, readonly string[]>();
