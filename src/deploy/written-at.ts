/** The line of a source file that says something: from a call, along names and indices, as far as that is certain. */
import type { AnyNode, CallExpression, ObjectExpression } from "acorn";
import type { Call, Steps } from "../modules/place.ts";
import { type Part, Source } from "./source.ts";

export interface Line {
  readonly file: string;
  readonly line: number;
}

/**
 * Where the value is written that the steps lead to: an argument's index, then names and indices. Where a part of the way
 * is computed, the line that computes it; `null` where the file does not say what was evaluated.
 */
export function lineOf(call: Call, steps: Steps, value: unknown): Line | null {
  const source = Source.of(call.file);
  const node = source === null ? undefined : callAt(source, call);
  const [argument, ...rest] = steps;
  if (source === null || node === undefined || typeof argument !== "number") return null;
  if (node.arguments.slice(0, argument + 1).some(({ type }) => type === "SpreadElement")) return null;
  const start = node.arguments[argument];
  if (start === undefined) return null;
  let found: Found = { at: { source, node: start }, holds: { source, node: start } };
  for (const step of rest) {
    const holder = literalOf(found.holds);
    const inside = holder === null ? UNKNOWN : stepInto(holder, step);
    if (inside === ABSENT) return null;
    if (inside === UNKNOWN) return line(found.at);
    found = inside;
  }
  return says(found.holds, value) ? line(found.at) : null;
}

/** Where something begins, and what it is. */
interface Found {
  readonly at: Part;
  readonly holds: Part;
}

/** Not there, though it was evaluated: the file says something else. */
const ABSENT: unique symbol = Symbol("absent");
const UNKNOWN: unique symbol = Symbol("unknown");

type Inside = Found | typeof ABSENT | typeof UNKNOWN;

function line({ source, node }: Part): Line | null {
  return node.loc ? { file: source.file, line: node.loc.start.line } : null;
}

/** Of a literal it is known what it says. */
function says({ node }: Part, value: unknown): boolean {
  return node.type !== "Literal" || value === undefined || typeof value === "object" || node.value === value;
}

function callAt(source: Source, { line, column }: Call): CallExpression | undefined {
  for (const node of source.nodes) {
    if (node.type !== "CallExpression") continue;
    const named = node.callee.type === "MemberExpression" ? node.callee.property : node.callee;
    if (named.loc?.start.line === line && named.loc.start.column === column - 1) return node;
  }
  return undefined;
}

/** The literal that an expression comes down to; `null` where it is computed. */
function literalOf(part: Part, depth = 0): Part | null {
  if (depth > 50) return null;
  const { source, node } = part;
  const onwards = (next: Part | null) => (next === null ? null : literalOf(next, depth + 1));
  switch (node.type) {
    case "ObjectExpression":
    case "ArrayExpression":
    case "Literal":
      return part;
    case "Identifier":
      return onwards(source.meaning(node.name, node));
    case "MemberExpression": {
      if (node.computed || node.property.type !== "Identifier") return null;
      const holder = onwards({ source, node: node.object });
      const inside = holder === null ? UNKNOWN : stepInto(holder, node.property.name);
      return inside === ABSENT || inside === UNKNOWN ? null : onwards(inside.holds);
    }
    case "CallExpression": {
      const called = node.callee.type === "Identifier" ? source.meaning(node.callee.name, node) : null;
      return called === null || !isFunction(called.node) ? null : onwards(called);
    }
    case "ArrowFunctionExpression":
    case "FunctionExpression":
    case "FunctionDeclaration":
      return onwards(returned(part));
    default:
      return null;
  }
}

function isFunction({ type }: AnyNode): boolean {
  return type === "ArrowFunctionExpression" || type === "FunctionExpression" || type === "FunctionDeclaration";
}

/** What a function returns that has one way to end. */
function returned({ source, node }: Part): Part | null {
  if (node.type === "ArrowFunctionExpression" && node.body.type !== "BlockStatement")
    return { source, node: node.body };
  if (!("body" in node) || !node.body || !("type" in node.body) || node.body.type !== "BlockStatement") return null;
  const statements = node.body.body;
  const last = statements.at(-1);
  const isPlain = statements
    .slice(0, -1)
    .every(({ type }) => type === "VariableDeclaration" || type === "FunctionDeclaration");
  return isPlain && last?.type === "ReturnStatement" && last.argument ? { source, node: last.argument } : null;
}

function stepInto(holder: Part, step: string | number): Inside {
  const { source, node } = holder;
  if (node.type === "ObjectExpression") return property({ source, node }, String(step));
  if (node.type !== "ArrayExpression" || typeof step !== "number") return ABSENT;
  let index = 0;
  for (const one of node.elements) {
    if (one?.type === "SpreadElement") {
      const spread = literalOf({ source, node: one.argument });
      if (spread?.node.type !== "ArrayExpression") return UNKNOWN;
      if (spread.node.elements.some((each) => each?.type === "SpreadElement")) return UNKNOWN;
      if (step < index + spread.node.elements.length) return stepInto(spread, step - index);
      index += spread.node.elements.length;
    } else if (index === step) {
      return one === null ? ABSENT : { at: { source, node: one }, holds: { source, node: one } };
    } else index += 1;
  }
  return ABSENT;
}

/** The last of a name counts. What may hold it too makes it uncertain, unless nothing else can. */
function property({ source, node }: { source: Source; node: ObjectExpression }, name: string): Inside {
  const possible: Found[] = [];
  for (const one of node.properties.toReversed()) {
    if (one.type === "SpreadElement") {
      const spread = literalOf({ source, node: one.argument });
      const inside = spread === null ? UNKNOWN : stepInto(spread, name);
      if (inside === ABSENT) continue;
      const whole = { at: { source, node: one }, holds: { source, node: one } };
      if (inside === UNKNOWN) possible.push(whole);
      else return possible.length === 0 ? inside : UNKNOWN;
    } else {
      const holds = { source, node: one.value };
      const key = one.key.type === "Identifier" && !one.computed ? one.key.name : null;
      const text = one.key.type === "Literal" ? String(one.key.value) : key;
      if (text === name) return possible.length === 0 ? { at: { source, node: one }, holds } : UNKNOWN;
      if (text === null) possible.push({ at: { source, node: one }, holds });
    }
  }
  const [only, ...others] = possible;
  if (only === undefined) return ABSENT;
  return others.length === 0 ? only : UNKNOWN;
}
