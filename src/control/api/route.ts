/** What a route is: its path, who may use it, what goes in and what comes out. The document of the API is made from the same. */
import { z } from "zod";
import type { Change } from "../store/database.ts";
import type { Role } from "../store/schema.ts";
import type { Authority } from "./authority.ts";
import { Refusal } from "./refusal.ts";

/** `anyone`: it decides by itself, as with a token in the body. */
export type Who = "anyone" | "agent" | Role;

export type Caller =
  | { readonly kind: "anyone" }
  | { readonly kind: "agent"; readonly machine: string; readonly serial: string }
  | { readonly kind: "key"; readonly id: string; readonly name: string; readonly role: Role };

export interface Settings {
  /** How often an agent asks, and how often while a rollout has its machine, in seconds. */
  readonly askAgain: number;
  readonly askAgainSoon: number;
  /** How long a token to enrol is good, in seconds. */
  readonly tokenLife: number;
  readonly authority: Authority;
}

export interface Call<P, Q, B> {
  /** Everything that a route reads and changes is one transaction. */
  readonly db: Change;
  readonly caller: Caller;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Now, in milliseconds. */
  readonly now: number;
  readonly settings: Settings;
}

/** Who did it and when is known. */
export interface AuditEntry {
  readonly action: string;
  readonly subject: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

export interface Answer {
  readonly status: 200 | 201 | 204;
  readonly body?: unknown;
  /** Text in place of JSON. */
  readonly text?: { readonly type: string; readonly content: string };
  readonly audit?: AuditEntry;
  /** It holds a secret, and is not kept for whoever asks again. */
  readonly secret?: boolean;
}

export interface RouteOf<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  readonly method: "get" | "post" | "put" | "delete";
  /** Below `/api/v1`, with `:name` for a parameter. */
  readonly path: string;
  readonly who: Who;
  readonly summary: string;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Of JSON; null where the answer is none, or other text. */
  readonly answer: z.ZodType | null;
  readonly status: Answer["status"];
  /** How large the body can be, in bytes. */
  readonly limit?: number;
  /** What it changes is said again soon: a power cut may take it. */
  readonly isRepeated?: true;
  readonly handle: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Promise<Answer>;
}

export type Given = Call<unknown, unknown, unknown>;

export interface Route extends Omit<RouteOf<z.ZodType, z.ZodType, z.ZodType>, "handle"> {
  /** Reads what is given, and does it. @throws Refusal */
  readonly run: (given: Given) => Promise<Answer>;
}

export const noParams = z.strictObject({});
export const noQuery = z.strictObject({});
export const noBody = z.undefined();

export function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>({
  handle,
  ...of
}: RouteOf<P, Q, B>): Route {
  return {
    ...of,
    run: async ({ params, query, body, ...call }) =>
      await handle({
        ...call,
        params: read(of.params, params, "the path"),
        query: read(of.query, query, "the query"),
        body: read(of.body, body, "the body"),
      }),
  };
}

function read<T extends z.ZodType>(schema: T, value: unknown, where: string): z.output<T> {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const errors = error.issues.map(({ path, message }) => `${[where, ...path].join(".")}: ${message}`);
  throw new Refusal(422, `${where} is not what is wanted`, errors);
}
