/** The OpenAPI document, made from the routes themselves. */
import { z } from "zod";
import { problem } from "../../wire/problem.ts";
import { noBody, type Route } from "./route.ts";
import { BASE, ROUTES } from "./routes.ts";

export function openApi(version: string) {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of ROUTES) {
    const path = BASE + route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "NixFleet control plane", version },
    paths,
    components: {
      schemas: { Problem: schema(problem, "output") },
      securitySchemes: {
        key: { type: "http", scheme: "bearer", description: "an API key, nfk_…" },
        certificate: { type: "mutualTLS", description: "the certificate that an agent got when it enrolled" },
      },
    },
  };
}

function operation(route: Route) {
  const { method, path, who, summary, params, query, body, answer, status } = route;
  const content = (part: z.ZodType, direction: "input" | "output") => ({
    "application/json": { schema: schema(part, direction) },
  });
  const idempotent = method === "post" && who !== "agent" && who !== "anyone" ? [IDEMPOTENCY_KEY] : [];
  return {
    operationId: `${method}${path.replace(/[/:-]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary,
    security: who === "anyone" ? [] : who === "agent" ? [{ certificate: [] }] : [{ key: [] }],
    "x-role": who,
    parameters: [...parameters(params, "path"), ...parameters(query, "query"), ...idempotent],
    ...(body === noBody ? {} : { requestBody: { required: true, content: content(body, "input") } }),
    responses: {
      [status]: { description: "Done", ...(answer === null ? {} : { content: content(answer, "output") }) },
      default: {
        description: "Refused",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

const IDEMPOTENCY_KEY = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: "With the same key within a day, the same request is done once, and answered again.",
  schema: { type: "string", pattern: "^[\\x21-\\x7e]{1,100}$" },
};

function parameters(part: z.ZodType, place: "path" | "query") {
  const { properties = {}, required = [] } = schema(part, "input");
  return Object.entries(properties).map(([name, of]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: of,
  }));
}

function schema(part: z.ZodType, direction: "input" | "output") {
  const { $schema: _, ...rest } = z.toJSONSchema(part, { io: direction });
  return rest;
}
