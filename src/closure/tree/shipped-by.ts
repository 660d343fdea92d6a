/** Which package ships what lies on the root: `nixfleet drift` names those who made a path. */
import { listedPaths } from "./host-made.ts";

/**
 * The text of `shipped-by.list`: a path outside of `/usr` that one package alone ships, a tab, and the package's name. Of folders
 * such as /etc/default there is none, for many ship them.
 * @param tree one with dpkg's files in it
 */
export function shippedByList(tree: string): string {
  const lines = [...listedPaths(tree)].flatMap(([path, [name, ...others]]) =>
    others.length > 0 || /^\/usr(\/|$)/.test(path) || !/^\/[^/]+\/[^\t\n]+$/.test(path) ? [] : [`${path}\t${name}\n`],
  );
  return lines.sort().join("");
}
