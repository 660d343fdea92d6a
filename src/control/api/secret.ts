/** Secrets that the control plane gives out: 256 random bits, of which it keeps a hash, so that its database opens nothing. */
import { createHash, randomBytes } from "node:crypto";

export interface Secret {
  /** Shown once. */
  readonly text: string;
  readonly id: string;
  readonly hash: string;
}

/** @param prefix says what it is for, to whoever finds one: `nfk` a key, `nfe` a token to enrol */
export function newSecret(prefix: "nfk" | "nfe"): Secret {
  const id = randomBytes(6).toString("hex");
  const text = `${prefix}_${id}_${randomBytes(32).toString("base64url")}`;
  return { text, id, hash: hashOf(text) };
}

/** So many random bits need no salt, and no slow hash. */
export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
