/** Why a release was not believed. */
import { UserError } from "../errors.ts";

export type ReleaseErrorKind =
  /** No mirror answered as a content repository does. */
  | "unreachable"
  /** What mirrors have was good until some day, and that day is over. */
  | "expired"
  /** Not signed by enough of the keys that are trusted. */
  | "notSigned"
  /** Older than what was seen before. */
  | "rollback"
  /** Not what its signed description says: another length, digest, version or form. */
  | "wrongContent"
  /** What mirrors have is right, and has no such release. */
  | "noSuchRelease"
  /** Nothing says which keys are trusted: `startTrust` was never called here, or its file is gone. */
  | "noTrust"
  /** The file that says which keys are trusted is not as it was written. */
  | "damagedTrust"
  /** The closure names other keys than those that are trusted here, and these have not signed them. */
  | "otherRoot";

export class ReleaseError extends UserError {
  readonly kind: ReleaseErrorKind;

  constructor(kind: ReleaseErrorKind, message: string, detail: readonly string[] = []) {
    super(message, detail);
    this.kind = kind;
  }
}
