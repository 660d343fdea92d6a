/** Prints the Nix language in the layout of nixfmt: what it prints, nixfmt leaves as it is. */
import { Commented, Forced, NixCode, type NixSet, type NixValue } from "../../scopes/on-nixos.ts";
import { visible } from "../../visible.ts";

/** Comments by the first name of what they stand above. */
export type Comments = ReadonlyMap<string, readonly string[]>;

/** A module, its parts in the order of the set. */
export function nixModule(header: readonly string[], options: NixSet, comments: Comments): string {
  const body = Object.entries(options).map(([name, value]) => {
    const above = (comments.get(name) ?? []).map((line) => `  # ${visible(line)}\n`);
    return `${above.join("")}${binding([name], value, 1)}`;
  });
  const needed = ["lib", "pkgs"].filter((name) => body.some((text) => new RegExp(`\\b${name}\\.`).test(text)));
  const comment = header.map((line) => `#${line === "" ? "" : ` ${visible(line)}`}\n`).join("");
  return `${comment}{ ${[...needed, "..."].join(", ")} }:\n{\n${body.join("\n")}}\n`;
}

/** A set with one binding is named with it: `boot.loader.timeout = 5;` */
function binding(path: readonly string[], value: NixValue, depth: number): string {
  const inner = isSet(value) ? Object.entries(value) : [];
  const [only, ...more] = inner;
  if (only !== undefined && more.length === 0) return binding([...path, only[0]], only[1], depth);
  return `${indent(depth)}${path.map(nixName).join(".")} = ${nixValue(value, depth)};\n`;
}

/** @param depth of the line that it begins on */
export function nixValue(value: NixValue, depth: number): string {
  if (value === null || typeof value === "boolean" || typeof value === "number") return String(value);
  if (typeof value === "string") return nixString(value, depth);
  if (value instanceof NixCode) return value.code;
  if (value instanceof Commented) return nixValue(value.value, depth);
  if (value instanceof Forced) return `lib.mkForce ${nixItem(value.value, depth)}`;
  if (isList(value)) return nixList(value, depth);
  const bindings = Object.entries(value).map(([name, inner]) => binding([name], inner, depth + 1));
  return bindings.length === 0 ? "{ }" : `{\n${bindings.join("")}${indent(depth)}}`;
}

function nixList(items: readonly NixValue[], depth: number): string {
  const [only, ...more] = items;
  if (only === undefined) return "[ ]";
  if (more.length === 0 && !(only instanceof Commented)) {
    const line = `[ ${nixItem(only, depth)} ]`;
    if (!line.includes("\n") && depth * 2 + line.length <= WIDTH - MARGIN) return line;
  }
  const lines = items.map((item) => {
    const [comment, inner] =
      item instanceof Commented ? [`${indent(depth + 1)}# ${visible(item.comment)}\n`, item.value] : ["", item];
    return `${comment}${indent(depth + 1)}${nixItem(inner, depth + 1)}\n`;
  });
  return `[\n${lines.join("")}${indent(depth)}]`;
}

/** As it stands in a list, or as an argument. */
function nixItem(value: NixValue, depth: number): string {
  if ((typeof value === "number" && value < 0) || value instanceof Forced) return `(${nixValue(value, depth)})`;
  if (isSet(value) && Object.keys(value).length === 1) {
    const line = `{ ${binding(["x"], value, 0).replace(/^x\./, "").trimEnd()} }`;
    if (!line.includes("\n") && depth * 2 + line.length <= WIDTH) return line;
  }
  return nixValue(value, depth);
}

/** What nixfmt fits into a line. */
const WIDTH = 100;
/** For a name and its `=` and `;`, before and after what is measured. */
const MARGIN = 30;

export function nixName(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_'-]*$/.test(name) && !KEYWORDS.has(name) ? name : quotedString(name);
}

const KEYWORDS = new Set(["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"]);

export function nixString(text: string, depth: number): string {
  return isPlain(text) ? indentedString(text, depth) : quotedString(text);
}

/** Whether `''` gives it back as it is, and it is worth it: several lines, the least indented of which is not. */
function isPlain(text: string): boolean {
  const lines = text.split("\n");
  return (
    lines.length > 1 &&
    lines.some((line) => /^[^ ]/.test(line)) &&
    lines.every((line) => line === "" || /[^ ]/.test(line)) &&
    !/[\r\t\0]|'\$|'$|\$$/.test(text)
  );
}

function indentedString(text: string, depth: number): string {
  const lines = text.split("\n").map((line) => {
    const escaped = line.replaceAll("''", "'''").replaceAll("${", "''${");
    return line === "" ? "" : `${indent(depth + 1)}${escaped}`;
  });
  const end = text.endsWith("\n") ? indent(depth) : "";
  return `''\n${lines.join("\n")}${end}''`;
}

function quotedString(text: string): string {
  const escaped = text
    .replace(/[\\"]|\$(?=\{)/g, "\\$&")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  return `"${escaped}"`;
}

function indent(depth: number): string {
  return "  ".repeat(depth);
}

export function isSet(value: NixValue): value is NixSet {
  return (
    typeof value === "object" &&
    value !== null &&
    !isList(value) &&
    !(value instanceof NixCode) &&
    !(value instanceof Forced) &&
    !(value instanceof Commented)
  );
}

export function isList(value: NixValue): value is readonly NixValue[] {
  return Array.isArray(value);
}
