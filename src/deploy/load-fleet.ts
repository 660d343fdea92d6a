/** Reads a `fleet.ts`. */
import { existsSync } from "node:fs";
import { registerHooks } from "node:module";
import { dirname, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { setFlagsFromString } from "node:v8";
import { UserError } from "../errors.ts";
import { type Fleet, hostOf, isFleet } from "../fleet/mk-fleet.ts";
import type { Host } from "../fleet/mk-host.ts";
import { endedAtOnce } from "../local/interruption.ts";
import { CODE_FOLDER, INDEX, withOwnNames } from "../local/package.ts";
import { isPlainObject } from "../modules/definition.ts";
import { nearestName, shown } from "../modules/errors.ts";
import { findWrittenWith } from "../modules/written.ts";
import type { HostPlan } from "../plan/host.ts";
import { withOwnFiles } from "./own-files.ts";
import { lineOf } from "./written-at.ts";

export interface LoadedFleet {
  readonly fleet: Fleet;
  /** Where it and its lock are. */
  readonly folder: string;
}

/** @throws UserError where the file is not there, does not compile, throws, or exports no fleet */
export async function loadFleet(file: string): Promise<LoadedFleet> {
  const path = resolve(file);
  if (!existsSync(path)) {
    throw new UserError(`there is no ${file} here`, [
      "create one with `nixfleet init`, or give its path with --fleet FILE",
    ]);
  }
  resolveOwnName();
  findWrittenWith(lineOf);
  // The hosts of a fleet stay in memory, so V8 would put what is evaluated of each among what stays, and clear it away at length.
  setFlagsFromString("--no-allocation-site-pretenuring");
  const loaded = await importFleet(path);
  const fleet = loaded.default;
  if (!isFleet(fleet)) throw noFleet(path, loaded);
  if (fleet.hosts.size === 0)
    throw new UserError(`the fleet in ${path} has no hosts`, ["add one: mkFleet([mkHost({ … })])"]);
  return { fleet, folder: dirname(path) };
}

export async function loadHost(file: string, name: string): Promise<LoadedFleet & { readonly host: Host }> {
  const loaded = await loadFleet(file);
  return { ...loaded, host: hostOf(loaded.fleet, name) };
}

/** A host's plan, with what it takes from the fleet's folder; places in it are told from the fleet's folder, so that the plan is the same wherever that is. */
export function planOf(host: Host, folder: string, make: () => HostPlan = () => host.plan()): HostPlan {
  using _ = endedAtOnce();
  const plan = withOwnFiles(make(), folder);
  const known = new Map<string, string>(); // many entries are declared in one place
  const portable = (place: string) => {
    const short = known.get(place) ?? withOwnNames(place).replace(`${folder}/`, "");
    known.set(place, short);
    return short;
  };
  const entries = plan.persistence.entries.map((entry) => ({ ...entry, declaredAt: entry.declaredAt.map(portable) }));
  return { ...plan, persistence: { ...plan.persistence, entries } };
}

/** `import … from "nixfleet"` means this project, wherever the fleet's folder is. */
function resolveOwnName(): void {
  const index = pathToFileURL(INDEX).href;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === "nixfleet" ? { url: index, shortCircuit: true } : next(specifier, context),
  });
}

async function importFleet(path: string): Promise<Record<string, unknown>> {
  using _ = endedAtOnce();
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (!(error instanceof Error)) throw new UserError(`${path} threw ${shown(error)}`);
    const code = "code" in error ? error.code : undefined;
    if (
      error instanceof SyntaxError ||
      code === "ERR_INVALID_TYPESCRIPT_SYNTAX" ||
      code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX"
    ) {
      throw new UserError(`${path} does not compile: ${error.message.split("\n")[0]}`, syntaxPlace(error));
    }
    if (code === "ERR_MODULE_NOT_FOUND" || code === "ERR_UNSUPPORTED_DIR_IMPORT") {
      const named = withExtension(error.message);
      if (named !== null) throw named;
    }
    if (code === "ERR_MODULE_NOT_FOUND")
      throw new UserError(error.message.split("\n")[0] ?? "", [
        "check the name in the `import`, or install the package",
      ]);
    throw new UserError(`${path} threw ${error.name}: ${error.message}`, stackOfUser(error));
  }
}

/** Node wants a file's whole name, where other tools add its end. */
function withExtension(message: string): UserError | null {
  const [, missing = "", from = ""] = /(?:module|import) '([^']+)' .*imported from (.*?)$/m.exec(message) ?? [];
  const file = [`${missing}.ts`, `${missing}/index.ts`, missing.replace(/\.js$/, ".ts")].find(
    (one) => one !== missing && existsSync(one),
  );
  if (file === undefined) return null;
  const name = relative(dirname(from), file);
  return new UserError(`${from} imports ${missing}, which has no such name`, [
    `an import names the whole file: "${name.startsWith(".") ? name : `./${name}`}"`,
  ]);
}

/** A syntax error's stack begins with the file and line, the code, and a mark below it. */
function syntaxPlace(error: Error): string[] {
  const lines = (error.stack ?? "").split("\n");
  const end = lines.findIndex((line) => line.startsWith(`${error.name}`));
  return lines
    .slice(0, Math.max(end, 0))
    .filter((line) => line.trim() !== "")
    .map((line) => line.replace(/^file:\/\//, ""));
}

function stackOfUser(error: Error): string[] {
  const frames = (error.stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line) && !line.includes("node:internal") && !line.includes(`${CODE_FOLDER}/`));
  return frames.slice(0, 3).map((frame) => frame.trim().replace("file://", ""));
}

function noFleet(path: string, loaded: Record<string, unknown>): UserError {
  const advice = "end it with: export default mkFleet([ … ])";
  const names = Object.keys(loaded);
  // A file without `import` and `export` is CommonJS to Node, whose default export is an empty object.
  if (names.length === 0 || (isPlainObject(loaded.default) && Object.keys(loaded.default).length === 0))
    return new UserError(`${path} exports nothing`, [advice]);
  if (names.includes("default"))
    return new UserError(`${path} exports ${shown(loaded.default)} as default, not a fleet`, [advice]);
  const near = nearestName("default", names) ?? names[0];
  return new UserError(`${path} has no default export, only ${near}`, [advice]);
}
