/** A part of a host on NixOS. */
import type { NixSet } from "../../scopes/on-nixos.ts";

export interface Part {
  readonly options: NixSet;
  /** What is not the same there, each in one sentence. */
  readonly lost: readonly string[];
}
