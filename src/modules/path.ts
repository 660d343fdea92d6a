/** Where an option is in a configuration. */

/** `["users", "alice", "uid"]` */
export type Path = readonly string[];

export function dotted(path: Path): string {
  return path.map((part) => (/^[\w@-]+$/.test(part) ? part : JSON.stringify(part))).join(".");
}
