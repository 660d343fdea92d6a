/** Lines of fstab(5). */
import { UserError } from "../errors.ts";

/**
 * One line, its fields escaped as getmntent(3) reads them.
 * @param pass 2: it is checked before it is mounted
 * @throws UserError for a newline, which no field can hold
 */
export function fstabLine(
  source: string,
  target: string,
  fsType: string,
  options: readonly string[],
  pass: 0 | 2 = 0,
): string {
  const fields = [source, target, fsType, options.length === 0 ? "defaults" : options.join(",")];
  return `${fields.map(escapeField).join(" ")} 0 ${pass}`;
}

function escapeField(field: string): string {
  if (/[\n\0]/.test(field))
    throw new UserError(`${JSON.stringify(field)} cannot stand in an fstab`, ["remove the newline"]);
  return field.replace(/[ \t\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`);
}
