/** The Debian packages of a host: their files, and the folders that they say they keep something in. */
import type { HostTree } from "./host-tree.ts";

export interface InstalledPackage {
  readonly name: string;
  /** Several packages may be built from one source: cron and cron-daemon-common. */
  readonly source: string;
  /** Of its files and folders, in /usr as far as /lib and the like lead there. */
  readonly paths: readonly string[];
}

const INFO = "/var/lib/dpkg/info";

export function installedPackages(tree: HostTree): readonly InstalledPackage[] {
  const sources = sourcesOf(tree.text("/var/lib/dpkg/status") ?? "");
  const lists = tree.names(INFO).filter((name) => name.endsWith(".list"));
  return lists.map((list) => {
    const name = list.replace(/(:[a-z0-9]+)?\.list$/, "");
    const paths = (tree.text(`${INFO}/${list}`) ?? "").split("\n").map((path) => path.replace(/^\/lib\//, "/usr/lib/"));
    return { name, source: sources.get(name) ?? name, paths };
  });
}

/** The source of each package that has another name than its own: deb-src-control(5). */
function sourcesOf(status: string): Map<string, string> {
  return new Map(
    status.split("\n\n").flatMap((stanza) => {
      const name = /^Package: (\S+)$/m.exec(stanza)?.[1];
      const source = /^Source: (\S+)/m.exec(stanza)?.[1];
      return name === undefined || source === undefined ? [] : [[name, source] as const];
    }),
  );
}

/** The folders and files that a package's lines of tmpfiles.d(5) make and that stay; specifiers and all. */
export function tmpfilesPaths({ paths }: InstalledPackage, tree: HostTree): string[] {
  const files = paths.filter((path) => /^\/usr\/lib\/tmpfiles\.d\/[^/]+\.conf$/.test(path));
  return files.flatMap((path) => pathsThatStay(tree.text(path.replace("/usr/lib/", "/etc/")) ?? tree.text(path) ?? ""));
}

function pathsThatStay(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [, quoted, bare] = /^\s*[dvqQfFC][!+=~^$-]*\s+(?:"((?:[^"\\]|\\.)*)"|(\S+))/.exec(line) ?? [];
    return quoted ?? bare ?? [];
  });
}

/** The folders for what changes that a package has in itself. */
export function shippedFolders({ paths }: InstalledPackage): string[] {
  return paths.filter((path) => /^\/var\/(lib|spool)\/./.test(path));
}
