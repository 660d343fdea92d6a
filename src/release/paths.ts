/**
 * Releases in a content repository, as The Update Framework has them, with consistent snapshots:
 *
 *     releases/metadata/N.root.json       which keys are trusted: each version signed by the keys of the one before, too
 *     releases/metadata/timestamp.json    the newest snapshot; expires soon, and is written last
 *     releases/metadata/N.snapshot.json   the newest targets
 *     releases/metadata/N.targets.json    the releases: file name, length, SHA-256; `custom` has what lists show
 *     releases/targets/SHA256.SEQUENCE.json  a release (src/wire/release.ts)
 */
export const METADATA = "releases/metadata";
export const TARGETS = "releases/targets";

/** The target of a release. */
export function targetOf(sequence: number): string {
  return `${sequence}.json`;
}

/** 0 for whatever is no target of a release. */
export function sequenceOf(path: string): number {
  return Number(/^(\d+)\.json$/.exec(path)?.[1] ?? 0);
}
