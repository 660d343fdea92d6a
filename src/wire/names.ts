/** The small values that messages are made of, each with a bound. */
import { z } from "zod";
import { MOST_TAGS, TAG, TAG_IN_WORDS } from "../tag.ts";

/** The version of these messages. A receiver refuses another one, so it changes only when an old reader would be wrong. */
export const WIRE_VERSION = 1;
export const version = z.literal(WIRE_VERSION);

/** As `hostSpec.hostName`: RFC 1123. */
export const machineName = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/, "wanted a host name");

/** `/nix/store/<digest>-nixfleet-<hostName>` */
export const closurePath = z
  .string()
  .max(160)
  .regex(/^\/nix\/store\/[0-9a-z]{32}-nixfleet-[A-Za-z0-9-]{1,63}$/, "wanted the store path of a host's closure");

/** A release's name: the SHA-256 of what it says, in hexadecimal. */
export const releaseId = z.string().regex(/^[0-9a-f]{64}$/, "wanted 64 hexadecimal digits");

export const rolloutId = z.uuid();

export const tag = z.string().regex(new RegExp(`^${TAG.source}$`), `wanted ${TAG_IN_WORDS}`);
export const tags = z.array(tag).max(MOST_TAGS);

/** Text for people. It is shown, never parsed. PostgreSQL keeps no NUL, and half of a surrogate pair is no character. */
export function text(limit: number) {
  return z
    .string()
    .max(limit)
    .refine((given) => given.isWellFormed() && !given.includes("\0"), "wanted Unicode text without NUL");
}

/** A counter that only grows. */
export const counter = z.int().min(0);

/** A moment, in UTC, as ISO 8601 has it. */
export const moment = z.iso.datetime({ precision: 3 });
