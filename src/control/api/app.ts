/** The HTTP side: which route, who asks, what they sent, and the answer. Nothing of a fault of ours gets out but that there was one. */
import type { IncomingMessage } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import { Hono } from "hono";
import { PACKAGE } from "../../local/package.ts";
import type { Database } from "../store/database.ts";
import { answer } from "./answer.ts";
import { jsonBody, USUAL_LIMIT } from "./body.ts";
import { identify } from "./identify.ts";
import type { Metrics } from "./metrics.ts";
import { openApi } from "./openapi.ts";
import { Refusal } from "./refusal.ts";
import { noBody, type Route, type Settings } from "./route.ts";
import { BASE, ROUTES } from "./routes.ts";
import { type WebFile, webFiles } from "./web-page.ts";

export interface AppOptions {
  readonly db: Database;
  readonly settings: Settings;
  readonly metrics: Metrics;
  /** In milliseconds. */
  readonly now: () => number;
  /** What nobody foresaw, for the log of whoever runs this. */
  readonly bug: (error: unknown) => void;
}

export type App = Hono<{ Bindings: HttpBindings }>;

export function app(options: AppOptions): App {
  const { db, metrics, now } = options;
  const hono: App = new Hono();
  hono.use(async (c, next) => {
    const end = metrics.began();
    await next();
    c.header("Cache-Control", "no-store");
    c.header("X-Content-Type-Options", "nosniff");
    c.header("Strict-Transport-Security", "max-age=31536000");
    end(c.req.method, c.res.status);
  });
  hono.onError((error) => refused(error, options));
  hono.notFound(() => refused(new Refusal(404, "there is nothing here"), options));
  hono.get("/health", async (c) => {
    await db.selectFrom("clock").select("id").executeTakeFirstOrThrow();
    return c.json({ healthy: true, version: PACKAGE.version });
  });
  hono.get("/metrics", async (c) => {
    await identify(db, "readonly", c.env.incoming, now());
    return c.text(await metrics.text(db), 200, { "Content-Type": metrics.type });
  });
  for (const [path, file] of webFiles()) hono.get(path, () => served(file));
  hono.get(`${BASE}/openapi.json`, (c) => c.json(openApi(PACKAGE.version)));
  for (const route of ROUTES) {
    hono.on(route.method.toUpperCase(), BASE + route.path, (c) =>
      handle(route, options, c.env.incoming, c.req.param(), c.req.queries()),
    );
  }
  return hono;
}

/** The page holds nothing of the fleet: its code asks the API with the key of whoever looks at it. */
function served({ content, type }: WebFile): Response {
  const policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  return new Response(content, {
    headers: { "Content-Type": type, "Content-Security-Policy": policy, "Referrer-Policy": "no-referrer" },
  });
}

async function handle(
  route: Route,
  { db, settings, now }: AppOptions,
  request: IncomingMessage,
  params: Record<string, string>,
  queries: Record<string, string[]>,
): Promise<Response> {
  // Who may not is not read any further.
  const caller = await identify(db, route.who, request, now());
  const query = Object.fromEntries(
    Object.entries(queries).map(([name, values]) => {
      if (values.length !== 1) throw new Refusal(422, `the query has ${name} twice`);
      return [name, values[0]];
    }),
  );
  const body = await jsonBody(request, route.body === noBody ? 0 : (route.limit ?? USUAL_LIMIT));
  const asked = { caller, params, query, body, now: now(), settings, idempotencyKey: idempotencyKey(request) };
  const done = await answer(db, route, asked);
  if (done.text !== undefined)
    return new Response(done.text.content, { status: done.status, headers: { "Content-Type": done.text.type } });
  if (done.status === 204) return new Response(null, { status: 204 });
  return Response.json(done.body, { status: done.status });
}

function idempotencyKey({ headers }: IncomingMessage): string | null {
  const given = headers["idempotency-key"];
  if (given === undefined) return null;
  if (typeof given !== "string" || !/^[\x21-\x7e]{1,100}$/.test(given)) {
    throw new Refusal(422, "an Idempotency-Key has 1 to 100 visible characters");
  }
  return given;
}

function refused(error: unknown, { bug }: AppOptions): Response {
  const known = error instanceof Refusal;
  if (!known) bug(error);
  const { problem } = known ? error : new Refusal(500, "the control plane has a fault: its log says more");
  // Whatever of the body was not read is not waited for.
  const close = problem.status === 413 ? { Connection: "close" } : {};
  return Response.json(problem, {
    status: problem.status,
    headers: {
      "Content-Type": "application/problem+json",
      ...close,
      ...(problem.status === 401 ? { "WWW-Authenticate": "Bearer" } : {}),
    },
  });
}
