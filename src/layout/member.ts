/** What a partition holds of something that stands on several, and is told with the first of them. */
import { type ContentType, MADE_ELSEWHERE } from "./content-type.ts";
import type { PartContent } from "./part.ts";
import { MIB } from "./size.ts";

export interface MemberContent {
  readonly kind: "member";
  /** As blkid(8) names what it holds: `btrfs`. */
  readonly signature: string;
  /** Of the filesystem or the array; `null`: blkid knows none. */
  readonly label: string | null;
  /** What people call that. */
  readonly of: string;
  /** As it is declared; `null`: only in the other place. */
  readonly part: PartContent | null;
  /** Whether the initrd needs it. */
  readonly early: boolean;
}

export const member: ContentType<MemberContent> = {
  options: {},
  signature: ({ signature }) => signature,
  minimum: ({ signature }) => (signature === "btrfs" ? 256 : 8) * MIB,
  problems: () => [],
  // Whoever makes the filesystem writes here too.
  ...MADE_ELSEWHERE,
  describe: ({ of }) => [{ holds: `${of}, another device of it`, mountpoint: "", options: [] }],
};
