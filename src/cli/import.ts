/** `nixfleet import nixos FILE.json…` */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { parseExported } from "../import/nixos/exported.ts";
import { fleetFrom } from "../import/nixos/fleet.ts";
import { print, printJson, say } from "./output.ts";

export async function importHosts(
  format: string,
  files: readonly string[],
  { json }: { json?: boolean },
): Promise<void> {
  if (format !== "nixos")
    throw new UserError(`there is no format ${format}`, ["write: nixfleet import nixos FILE.json"]);
  const hosts = await Promise.all(
    files.map(async (file) => {
      if (!existsSync(file)) throw new UserError(`there is no ${file} here`, ["nix/export.nix says how to write it"]);
      return parseExported(await readFile(file, "utf8"), file);
    }),
  );
  const { text, lost } = fleetFrom(hosts);
  if (json) return printJson({ fleet: text, lost: Object.fromEntries(lost) });
  print(text.trimEnd());
  for (const [host, lines] of lost) say([`${host}: not carried over:`, ...lines.map((line) => `  ${line}`)].join("\n"));
}
