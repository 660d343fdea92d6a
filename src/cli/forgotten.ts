/** What `nixfleet check --built` says of state that nobody mentions. */
import type { Forgotten } from "../audit/forgotten.ts";

/** What a host should not lose without somebody having said so. */
export function unmentioned(found: readonly Forgotten[]): readonly Forgotten[] {
  return found.filter(({ kind }) => kind !== "cache");
}

/** With TypeScript to paste, which has a comment for each service. */
export function unmentionedText(found: readonly Forgotten[]): string {
  const groups = Map.groupBy(unmentioned(found), ({ services }) => services.join(", "));
  const [persistRoot = ""] = found.map((one) => one.persistRoot);
  const entries = [...groups].flatMap(([services, ones]) => [
    `      // ${services}`,
    ...ones.map(({ entry, because }) => `      ${entry}, // ${because.join(", ")}`),
  ]);
  const paths = unmentioned(found).map(({ path }) => JSON.stringify(path));
  return [
    "services lose state at the next boot that is neither persisted nor declared ephemeral",
    "  to keep state, persist it:",
    `    environment: { persistence: { ${JSON.stringify(persistRoot)}: { directories: [`,
    ...entries,
    "    ] } } },",
    "  to lose the rest at every boot, mark it ephemeral:",
    `    nixfleet: { impermanence: { ephemeral: [${paths.join(", ")}] } },`,
  ].join("\n");
}

/** A line, or `null`: a cache is made again by who needs it. */
export function cachesText(found: readonly Forgotten[]): string | null {
  const caches = found.filter(({ kind }) => kind === "cache");
  if (caches.length === 0) return null;
  const each = caches.map(({ path, services }) => `${path} (${services.join(", ")})`);
  return `caches that are recreated after each boot: ${each.join(", ")}`;
}
