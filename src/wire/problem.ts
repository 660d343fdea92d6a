/** Why a request was refused: RFC 9457. */
import { z } from "zod";
import { text } from "./names.ts";

export const problem = z.strictObject({
  type: z.literal("about:blank"),
  title: text(200),
  status: z.int().min(400).max(599),
  detail: text(2000),
  /** What is wrong with the body or the query, a line each. */
  errors: z.array(text(500)).max(20).optional(),
});

export type Problem = z.infer<typeof problem>;
