/** A source file as a tree, and what a name in it means. Read only when something in it is wrong. */
import { readFileSync } from "node:fs";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { dirname, resolve } from "node:path";
import type { AnyNode, ImportDeclaration, Program } from "acorn";

/** A part of a file. */
export interface Part {
  readonly source: Source;
  readonly node: AnyNode;
}

export class Source {
  readonly file: string;
  readonly program: Program;
  readonly #parents = new Map<AnyNode, AnyNode>();

  private constructor(file: string, program: Program) {
    this.file = file;
    this.program = program;
    this.#adopt(program);
  }

  /** `null` for what cannot be read, or is no JavaScript once its types are blanked out. */
  static of(file: string): Source | null {
    const known = read.get(file);
    if (known !== undefined) return known;
    const source = parsed(file);
    read.set(file, source);
    return source;
  }

  static parse(file: string, text: string): Source {
    // Not with every command: it is needed where something is wrong.
    const acorn: typeof import("acorn") = createRequire(import.meta.url)("acorn");
    const program = acorn.parse(text, { ecmaVersion: "latest", sourceType: "module", locations: true });
    return new Source(file, program);
  }

  /** Every node, the outer ones first. */
  get nodes(): Iterable<AnyNode> {
    return [this.program, ...this.#parents.keys()];
  }

  /** What a name means where it stands: the value of a constant, or a function; `null` where that is not certain. */
  meaning(name: string, at: AnyNode): Part | null {
    for (let node = this.#parents.get(at); node !== undefined; node = this.#parents.get(node)) {
      const bound = boundIn(node, name);
      if (bound === undefined) continue;
      if (bound === null) return null;
      return bound.type === "ImportDeclaration" ? this.#imported(bound, name) : { source: this, node: bound };
    }
    return null;
  }

  /** What the file exports under a name. */
  exported(name: string): Part | null {
    for (const statement of this.program.body) {
      if (statement.type === "ExportDefaultDeclaration" && name === "default")
        return { source: this, node: statement.declaration };
      if (statement.type !== "ExportNamedDeclaration") continue;
      const declared = statement.declaration ? declaredBy(statement.declaration, name) : undefined;
      if (declared) return { source: this, node: declared };
      const specifier = statement.specifiers.find(({ exported }) => nameOf(exported) === name);
      if (specifier === undefined) continue;
      const local = nameOf(specifier.local);
      return statement.source ? this.#from(statement.source.value, local) : this.meaning(local, specifier);
    }
    return null;
  }

  #imported(declaration: ImportDeclaration, name: string): Part | null {
    const specifier = declaration.specifiers.find(({ local }) => local.name === name);
    if (specifier === undefined || specifier.type === "ImportNamespaceSpecifier") return null;
    const wanted = specifier.type === "ImportDefaultSpecifier" ? "default" : nameOf(specifier.imported);
    return this.#from(declaration.source.value, wanted);
  }

  #from(specifier: unknown, name: string): Part | null {
    if (typeof specifier !== "string" || !specifier.startsWith(".")) return null;
    return Source.of(resolve(dirname(this.file), specifier))?.exported(name) ?? null;
  }

  #adopt(parent: AnyNode): void {
    for (const child of childrenOf(parent)) {
      this.#parents.set(child, parent);
      this.#adopt(child);
    }
  }
}

const read = new Map<string, Source | null>();

function parsed(file: string): Source | null {
  try {
    const text = readFileSync(file, "utf8");
    return Source.parse(file, /\.[cm]?ts$/.test(file) ? withoutTypes(text) : text);
  } catch {
    return null;
  }
}

/** The same text, with blanks where the types were. Node says that this is experimental; it is what has loaded the file. */
function withoutTypes(text: string): string {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(text);
  } finally {
    process.emitWarning = emitWarning;
  }
}

function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node).flat().filter(isNode);
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

/** What a scope says of a name: `undefined` nothing, `null` something that is not certain. */
function boundIn(scope: AnyNode, name: string): AnyNode | null | undefined {
  switch (scope.type) {
    case "Program":
    case "BlockStatement":
    case "StaticBlock":
      return firstOf(scope.body, name);
    case "SwitchStatement":
      return firstOf(
        scope.cases.flatMap(({ consequent }) => consequent),
        name,
      );
    case "ArrowFunctionExpression":
    case "FunctionExpression":
    case "FunctionDeclaration":
      return scope.params.some((param) => mentions(param, name)) ? null : undefined;
    case "CatchClause":
      return scope.param && mentions(scope.param, name) ? null : undefined;
    case "ForStatement":
      return scope.init && mentions(scope.init, name) ? null : undefined;
    case "ForInStatement":
    case "ForOfStatement":
      return mentions(scope.left, name) ? null : undefined;
    default:
      return undefined;
  }
}

function firstOf(statements: readonly AnyNode[], name: string): AnyNode | null | undefined {
  for (const statement of statements) {
    if (statement.type === "ImportDeclaration") {
      if (statement.specifiers.some(({ local }) => local.name === name)) return statement;
      continue;
    }
    const isExport = statement.type === "ExportNamedDeclaration" || statement.type === "ExportDefaultDeclaration";
    const declaration = isExport ? statement.declaration : statement;
    const bound = declaration ? declaredBy(declaration, name) : undefined;
    if (bound !== undefined) return bound;
  }
  return undefined;
}

/** Only what is never given another value is certain. */
function declaredBy(declaration: AnyNode, name: string): AnyNode | null | undefined {
  if (declaration.type === "FunctionDeclaration") return declaration.id?.name === name ? declaration : undefined;
  if (declaration.type === "ClassDeclaration") return declaration.id?.name === name ? null : undefined;
  if (declaration.type !== "VariableDeclaration") return undefined;
  const declarator = declaration.declarations.find(({ id }) => mentions(id, name));
  if (declarator === undefined) return undefined;
  const isCertain = declaration.kind === "const" && declarator.id.type === "Identifier";
  return isCertain ? (declarator.init ?? null) : null;
}

function mentions(node: AnyNode, name: string): boolean {
  if (node.type === "Identifier") return node.name === name;
  return childrenOf(node).some((child) => mentions(child, name));
}

function nameOf(node: AnyNode): string {
  if (node.type === "Identifier") return node.name;
  return node.type === "Literal" ? String(node.value) : "";
}
