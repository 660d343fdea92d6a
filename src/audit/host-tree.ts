/** A built closure as its host sees it: `/usr` is the packages', the rest the pristine root's. */
import { lstatSync, readdirSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { join, posix } from "node:path";

export interface HostTree {
  /** What is at a path, a link not followed at its end. */
  stats(path: string): Stats | null;
  /** Empty where it is no folder. Sorted. */
  names(folder: string): readonly string[];
  /** Follows links, as the host would. `null` where it is no file. */
  text(path: string): string | null;
  /** Where a link leads, absolute; `null` where there is none. */
  link(path: string): string | null;
}

/** @param closure the folder of a closure in the local cache */
export function hostTree(closure: string): HostTree {
  // Debian's /lib, /bin and /sbin are links to those in /usr.
  const place = (path: string): string => {
    const merged = path.replace(/^\/(lib|bin|sbin|lib64)(?=\/|$)/, "/usr/$1");
    return /^\/usr(\/|$)/.test(merged) ? join(closure, merged) : join(closure, "root", merged);
  };
  const tree: HostTree = {
    stats: (path) => lstatSync(place(path), { throwIfNoEntry: false }) ?? null,
    names: (folder) => (tree.stats(folder)?.isDirectory() ? readdirSync(place(folder)).sort() : []),
    text: (path) => {
      let [current, links] = [path, 0];
      for (let target = tree.link(current); target !== null && links < 40; target = tree.link(current)) {
        current = target;
        links++;
      }
      return tree.stats(current)?.isFile() ? readFileSync(place(current), "utf8") : null;
    },
    link: (path) =>
      tree.stats(path)?.isSymbolicLink() ? posix.resolve(posix.dirname(path), readlinkSync(place(path))) : null,
  };
  return tree;
}
