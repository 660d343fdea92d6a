/** Scripts of this folder, their parameters and units, as files of a root. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { type MadeFilePlan, symlink } from "../../plan/file-plan.ts";

export const UNITS = "/etc/systemd/system";

/** Lines of NAME='value', which the scripts source. @throws UserError for a name that no shell has */
export function scriptParameters(parameters: Readonly<Record<string, string | number>>): string {
  return Object.entries(parameters)
    .map(([name, value]) => {
      if (!/^[A-Z][A-Z_]*$/.test(name)) throw new UserError(`${JSON.stringify(name)} is not the name of a parameter`);
      return `${name}='${String(value).replaceAll("'", "'\\''")}'\n`;
    })
    .join("");
}

export function scripts(folder: string, ...names: readonly string[]): MadeFilePlan[] {
  return names.map((name) => ({ kind: "text", path: `${folder}/${name}`, text: readStatic(name), mode: "0755" }));
}

export function conf(path: string, parameters: Readonly<Record<string, string | number>>): MadeFilePlan {
  return { kind: "text", path, text: scriptParameters(parameters), mode: "0644" };
}

export function unitFile(name: string): MadeFilePlan {
  return { kind: "text", path: `${UNITS}/${name}`, text: readStatic(name), mode: "0644" };
}

export function relation(unit: string, kind: "wants" | "requires", needed: string): MadeFilePlan {
  return symlink(`${UNITS}/${unit}.${kind}/${needed}`, `../${needed}`);
}

export function readStatic(name: string): string {
  return readFileSync(join(import.meta.dirname, name), "utf8");
}
