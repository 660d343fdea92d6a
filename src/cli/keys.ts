/** `nixfleet keys` and `nixfleet audit`: who may do what, and who did. */
import { z } from "zod";
import { ask, readLogin } from "../control/client.ts";
import { UserError } from "../errors.ts";
import { print, printJson, table } from "./output.ts";
import { everything, understood } from "./pages.ts";

const key = z.looseObject({
  id: z.string(),
  name: z.string(),
  role: z.string(),
  created: z.string(),
  expires: z.string(),
  revoked: z.string().nullable(),
});

interface KeyOptions {
  readonly role: string;
  readonly days: string;
  readonly json?: boolean;
}

export async function keys(action: string, name: string | undefined, { role, days, json }: KeyOptions): Promise<void> {
  if (!["list", "create", "revoke"].includes(action))
    throw new UserError(`keys cannot ${action}`, ["wanted list, create or revoke"]);
  if (action !== "list" && name === undefined) {
    throw new UserError(action === "create" ? "what is the key's name?" : "which key?", [
      "nixfleet keys create NAME, or revoke ID",
    ]);
  }
  const login = await readLogin();
  if (action === "list") {
    const found = await everything(login, "/keys", key);
    if (json) return printJson(found);
    const rows = found.map((one) => [one.id, one.name, one.role, one.expires, one.revoked ?? ""]);
    return print(table(["key", "name", "role", "expires", "revoked"], rows));
  }
  if (action === "revoke") {
    await ask(login, "DELETE", `/keys/${encodeURIComponent(name ?? "")}`);
    return json ? printJson({ revoked: name }) : print(`${name} opens nothing any more`);
  }
  const answer = await ask(login, "POST", "/keys", { body: { name, role, days: Number(days) } });
  const made = understood(key.extend({ key: z.string() }), answer);
  if (json) printJson(made);
  else print(`${made.key}\n${made.role}, until ${made.expires}; it is not shown again`);
}

interface AuditOptions {
  readonly who?: string;
  readonly action?: string;
  readonly subject?: string;
  readonly json?: boolean;
}

export async function audit({ json, ...query }: AuditOptions): Promise<void> {
  const entry = z.looseObject({
    at: z.string(),
    who: z.string(),
    action: z.string(),
    subject: z.string(),
    before: z.unknown(),
    after: z.unknown(),
  });
  const found = await everything(await readLogin(), "/audit", entry, query);
  if (json) return printJson(found);
  const said = (value: unknown) => (value === null || value === undefined ? "" : JSON.stringify(value));
  print(
    table(
      ["when", "who", "did", "to", "before", "after"],
      found.map(({ at, who, action, subject, before, after }) => [at, who, action, subject, said(before), said(after)]),
    ),
  );
}
