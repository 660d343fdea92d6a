/** Lists come in pages: each says where the next one begins. */
import { z } from "zod";
import { text } from "../../wire/names.ts";

export const pageQuery = {
  cursor: text(200).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
};

export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item).max(500), next: z.string().max(200).nullable() });
}

/** @param rows one more than the limit, if there are so many */
export function page<R, T>(rows: readonly R[], limit: number, cursor: (row: R) => string, item: (row: R) => T) {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(item), next: rows.length > limit && last !== undefined ? cursor(last) : null };
}
