/** The name of a release: whoever knows it knows what it says. */
import { createHash } from "node:crypto";
import type { Release } from "../wire/release.ts";

export function releaseIdOf({ sequence, commit, created, note, hosts }: Omit<Release, "id" | "version">): string {
  const sorted = Object.entries(hosts).sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([sequence, commit, created, note, sorted]))
    .digest("hex");
}
