/** What the API answers, as commands read it. */
import { z } from "zod";
import { ask, type Login } from "../control/client.ts";
import { UserError } from "../errors.ts";

/** @throws UserError if the control plane is of a version that speaks otherwise */
export function understood<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const { success, data } = schema.safeParse(value);
  if (success) return data;
  throw new UserError("the control plane answers in a way that this version of NixFleet does not know", [
    "use the version that the control plane has",
  ]);
}

/** Every item of a list, page by page. */
export async function everything<T extends z.ZodType>(
  login: Login,
  path: string,
  item: T,
  query: Readonly<Record<string, string | undefined>> = {},
): Promise<readonly z.output<T>[]> {
  const page = z.object({ items: z.array(item), next: z.string().nullable() });
  const all: z.output<T>[] = [];
  for (let cursor: string | undefined; ; ) {
    const { items, next } = understood(
      page,
      await ask(login, "GET", path, { query: { ...query, limit: "500", cursor } }),
    );
    all.push(...items);
    if (next === null) return all;
    cursor = next;
  }
}
