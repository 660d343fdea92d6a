/** Node and NixFleet's own programs as a store object: of hosts that run an agent or a control plane. */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { UserError } from "../../errors.ts";
import { CODE_FOLDER, PACKAGE } from "../../local/package.ts";
import { type Cache, lookUp, remember, unfinishedObject } from "../store/cache.ts";
import { sealObject } from "../store/digest.ts";
import { isWhole, removeDamaged } from "../store/whole.ts";
import { bundles } from "./bundles.ts";
import { loadedPart } from "./elf.ts";

/** Node's names of Debian's architectures. */
const NODE_NAMES: Readonly<Record<string, string>> = { amd64: "x64", arm64: "arm64" };

/** What the control plane shows to people, which it finds beside its folder: src/control/api/web-page.ts. */
const PAGE = join(CODE_FOLDER, "control", "page");

/** No object is older, and none depends on when it was made. */
const DATE = 1;

/** Its files, by path: the same for every host of an architecture. */
async function runtimeFiles(architecture: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const { version, description } = PACKAGE;
  const about = { name: "nixfleet", version, description, type: "module" };
  return new Map([
    ["bin/node", loadedPart(readFileSync(nodeProgram(architecture)))],
    ...[...(await bundles())].map(([name, code]) => [`lib/nixfleet/${name}`, code] as const),
    ...readdirSync(PAGE).map((name) => [`lib/page/${name}`, readFileSync(join(PAGE, name))] as const),
    // What the agent asks its host by, as a builder asks another.
    ["lib/nixfleet/read-host.sh", readFileSync(join(CODE_FOLDER, "payload", "host", "read-host.sh"))],
    ["package.json", Buffer.from(`${JSON.stringify(about)}\n`)],
  ]);
}

/** The program of the npm package that this one comes with. @throws UserError where npm was told not to install it */
function nodeProgram(architecture: string): string {
  const name = `node-linux-${NODE_NAMES[architecture] ?? architecture}`;
  try {
    const program = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), "bin", "node");
    if (existsSync(program)) return program;
  } catch {
    // Said below.
  }
  throw new UserError(`the npm package ${name} is missing: it brings Node for hosts of ${architecture}`, [
    "build on a machine of that architecture, or install it beside nixfleet: npm install --no-save --force",
  ]);
}

/** In this process they are read and bundled once. */
const known = new Map<string, Promise<{ readonly files: ReadonlyMap<string, Uint8Array>; readonly inputs: string }>>();

function runtimeOf(architecture: string) {
  const found = known.get(architecture) ?? read();
  known.set(architecture, found);
  return found;

  async function read() {
    const files = await runtimeFiles(architecture);
    const hash = createHash("sha256").update(architecture);
    for (const [path, content] of files) hash.update(`\n${path} ${content.byteLength}\n`).update(content);
    return { files, inputs: hash.digest("hex") };
  }
}

/** Its name, if the cache has it whole. */
export async function lookUpRuntime(architecture: string, cache: Cache): Promise<string | null> {
  const name = await lookUp(cache, (await runtimeOf(architecture)).inputs);
  return name !== null && (await isWhole(cache, name)) ? name : null;
}

/**
 * Makes it, unless the cache has it. The caller holds the lock of the cache.
 * @returns its name in the store: `<digest>-runtime-<architecture>`
 */
export async function runtimeObject(
  architecture: string,
  cache: Cache,
  onProgress: (step: string) => void,
): Promise<string> {
  const made = await lookUpRuntime(architecture, cache);
  if (made !== null) return made;
  const { files, inputs } = await runtimeOf(architecture);
  onProgress("bundling Node and the programs of the fleet");
  await using work = await unfinishedObject(cache);
  const object = join(work.path, "object");
  for (const [path, content] of files) {
    mkdirSync(join(object, dirname(path)), { recursive: true });
    writeFileSync(join(object, path), content);
    chmodSync(join(object, path), path.startsWith("bin/") ? 0o755 : 0o644);
  }
  for (const folder of ["", "bin", "lib", "lib/nixfleet", "lib/page"]) chmodSync(join(object, folder), 0o755); // whatever the umask
  const name = `${await sealObject(object, DATE, DATE)}-runtime-${architecture}`;
  await removeDamaged(cache, name, onProgress);
  await work.finish("object", join(cache.store, name));
  await remember(cache, inputs, name);
  return name;
}
