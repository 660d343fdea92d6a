/** Prints values as TypeScript, in the layout of this project. */

/** What is `undefined` is left out of its object. */
export type Value =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Value[]
  | { readonly [name: string]: Value };

/** @param used of the first line, besides the value */
export function literal(value: Value, depth: number, used: number): string {
  const flat = flatLiteral(value);
  if (!isBroken(value) && depth * 2 + used + flat.length <= WIDTH) return flat;
  const inside = "  ".repeat(depth + 1);
  const lines = isList(value)
    ? value.map((item) => literal(item, depth + 1, 1))
    : entriesOf(value).map(([name, inner]) => `${key(name)}: ${literal(inner, depth + 1, key(name).length + 3)}`);
  if (lines.length === 0) return flat;
  const [open, close] = isList(value) ? ["[", "]"] : ["{", "}"];
  return `${open}\n${lines.map((line) => `${inside}${line},\n`).join("")}${"  ".repeat(depth)}${close}`;
}

const WIDTH = 120;

function flatLiteral(value: Value): string {
  if (isList(value)) return `[${value.map(flatLiteral).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "undefined";
  const entries = entriesOf(value).map(([name, inner]) => `${key(name)}: ${flatLiteral(inner)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

/** A list of several objects, each with several names, has a line for each. */
function isBroken(value: Value): boolean {
  if (isList(value)) {
    const several = (item: Value) =>
      typeof item === "object" && item !== null && (isList(item) ? item : entriesOf(item)).length > 1;
    return (value.length > 1 && value.every(several)) || value.some(isBroken);
  }
  return entriesOf(value).some(([, inner]) => isBroken(inner));
}

function entriesOf(value: Value): [string, Value][] {
  if (typeof value !== "object" || value === null || isList(value)) return [];
  return Object.entries(value).filter(([, inner]) => inner !== undefined);
}

function key(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}
