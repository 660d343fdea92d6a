/** UUIDs that follow from a name: who plans a host knows them before its disk is formatted. */
import { fnv } from "../fnv.ts";

/** Of version 8 (RFC 9562): the same text has the same. */
export function uuidOf(text: string): string {
  const hex = [1, 2, 3, 4].map((seed) => fnv(`${seed} ${text}`).toString(16).padStart(8, "0")).join("");
  const variant = "89ab"[Number.parseInt(hex[16] ?? "0", 16) % 4];
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join("-");
}
