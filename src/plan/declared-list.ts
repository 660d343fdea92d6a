/** What persists and what may go, for the commands on the host that report it. */
import type { HostPlan } from "./host.ts";

/**
 * Lines with tabs between their fields:
 *
 *     root       PATH
 *     home       PATH                                        of the primary user
 *     ephemeral  PATH
 *     entry      PATH  KIND  HOW  PERSIST-ROOT  PLACES  PURPOSE
 *
 * PLACES are `file:line`, with commas between.
 */
export function declaredList({ persistence }: Pick<HostPlan, "persistence">): string {
  const { persistRoot, roots, parents, ephemeral, entries } = persistence;
  const home = parents.find(({ ensured }) => ensured)?.path;
  const rows = [
    ...[...new Set([persistRoot, ...roots.map(({ path }) => path)])].sort().map((path) => ["root", path]),
    ...(home === undefined ? [] : [["home", home]]),
    ...ephemeral.map((path) => ["ephemeral", path]),
    ...entries.map((entry) => [
      "entry",
      entry.path,
      entry.kind,
      entry.how,
      entry.persistRoot,
      entry.declaredAt.join(", "),
      entry.purpose,
    ]),
  ];
  return rows.map((fields) => `${fields.map(oneField).join("\t")}\n`).join("");
}

/** Paths have no control characters; a purpose may. */
function oneField(text: string): string {
  return text.replace(/\p{Cc}/gu, " ");
}
