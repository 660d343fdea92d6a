/** docs/api.md, made from the OpenAPI document. Run it to write the page. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openApi } from "../../src/control/api/openapi.ts";

export const API_PAGE: string = join(import.meta.dirname, "..", "..", "docs", "api.md");
const BEGIN = "## Every route\n";

export function withReference(page: string): string {
  return `${page.split(BEGIN)[0]}${BEGIN}\n${reference()}`;
}

function reference(): string {
  const routes = Object.entries(openApi("0").paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, of]) => section(method, path, Object(of))),
  );
  return routes.join("\n");
}

function section(method: string, path: string, operation: unknown): string {
  const { summary, parameters, requestBody, responses, "x-role": role } = Object(operation);
  const [status = ""] = Object.keys(responses);
  const answer = responses[status].content?.["application/json"].schema;
  const query = parameters
    .filter((one: { in: string }) => one.in === "query")
    .map(({ name }: { name: string }) => `\`${name}\``);
  const body = requestBody?.content["application/json"].schema;
  return [
    `### ${method.toUpperCase()} ${path}\n`,
    `${summary} For: ${role}.\n`,
    ...(query.length > 0 ? [`- query: ${query.join(", ")}`] : []),
    ...(body === undefined ? [] : [`- body: ${shape(body)}`]),
    `- answer: ${status}${answer === undefined ? "" : `, ${shape(answer)}`}`,
    "",
  ].join("\n");
}

/** The fields of an object, or of a page's items. */
function shape(schema: unknown): string {
  const { properties, required = [] } = Object(schema);
  const items = properties?.items?.items;
  if (items !== undefined && properties.next !== undefined) return `a page of ${shape(items)}`;
  const names = Object.keys(properties ?? {});
  return names.map((name) => `\`${name}\`${required.includes(name) ? "" : "?"}`).join(", ");
}

if (process.argv[1] === import.meta.filename) writeFileSync(API_PAGE, withReference(readFileSync(API_PAGE, "utf8")));
