/** `nixfleet why PATH`: of a running host, or of one as the fleet declares it. */
import { whyOf } from "../audit/why.ts";
import { loadHost, planOf } from "../deploy/load-fleet.ts";
import { UserError } from "../errors.ts";
import { type AuditOptions, audit } from "./audit.ts";
import { print, printJson } from "./output.ts";

export async function why(
  file: string,
  path: string,
  { host, ...options }: AuditOptions & { readonly host?: string },
): Promise<void> {
  if (host === undefined) return audit("why", [path], options);
  if (options.targetHost !== undefined) {
    throw new UserError("--host is of the fleet's declaration, --target-host of a running host", ["name one of them"]);
  }
  if (!/^\/[^/]/.test(path) || /(^|\/)\.\.?(\/|$)/.test(path)) {
    throw new UserError(`${path} is not an absolute path without . and ..`);
  }
  const loaded = await loadHost(file, host);
  const told = whyOf(path.replace(/\/+$/, ""), planOf(loaded.host, loaded.folder));
  if (options.json) printJson(told);
  else print(`${told.path}\n  ${told.because}`);
}
