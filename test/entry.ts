/** An entry of a plan, for those who test what is made of one. */
import type { PersistenceEntry } from "../src/plan/persistence-plan.ts";

/** A directory of root's, bound from /persist, unless `rest` says otherwise. */
export function entryAt(path: string, rest: Partial<PersistenceEntry> = {}): PersistenceEntry {
  return {
    kind: "directory",
    path,
    source: `/persist${path}`,
    persistRoot: "/persist",
    how: "bind",
    user: "root",
    group: "root",
    mode: "0755",
    assumed: [],
    within: null,
    mountOptions: [],
    purpose: "",
    declaredAt: [],
    byFramework: false,
    ...rest,
  };
}
