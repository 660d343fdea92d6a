/** A closure → the store of a running host, by what that lacks. */
import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import { type Closure, objectsOf, type StoreObject } from "../closure/closure.ts";
import { diskFull } from "../closure/store/disk-full.ts";
import { objectContent } from "../content/object-content.ts";
import { readContentPath } from "../content/paths.ts";
import { quoted, run } from "../local/process.ts";
import { scriptError } from "../local/script-error.ts";
import { PULL_FILES } from "../payload/host/generations.ts";
import type { TargetHost } from "./target-host.ts";

export interface Sending {
  /** The host's `/nix`. */
  readonly nixFolder?: string;
  /** Called with the name of an object when the host begins to ask for it. */
  readonly onObject?: (name: string) => void;
}

/**
 * Brings a closure and its packages there as they are here, over one connection: the host asks for what its store has
 * nowhere, checks what comes, and gives it a name when it is what that says. What is there whole stays as it is.
 * @throws UserError when it did not arrive as it was built; then nothing of it has a name there
 */
export async function sendClosure(
  closure: Pick<Closure, "storePath" | "folder" | "runtime"> & { readonly packages: StoreObject | null },
  target: Pick<TargetHost, "argv">,
  { nixFolder = "/nix", onObject = () => {} }: Sending = {},
): Promise<void> {
  const content = await objectContent(objectsOf(closure), dirname(closure.folder), LEVEL);
  const asked = new Set<string>();
  const answer = async (line: string): Promise<Uint8Array> => {
    const path = readContentPath(line);
    if (path?.kind === "list" && !asked.has(path.name)) {
      asked.add(path.name);
      onObject(path.name);
    }
    const found = path === null ? null : await content.at(path);
    const length = found === null ? "-1" : `${found.byteLength}`;
    return Buffer.concat([Buffer.from(`${length.padStart(19)}\n`), found ?? Buffer.alloc(0)]);
  };
  const [program = "", ...args] = target.argv(pulling(basename(closure.storePath), nixFolder));
  try {
    await run(program, args, { answer });
  } catch (error) {
    throw diskFull(error, "make room on the host: nixfleet gc --keep 2 --target-host …") ?? scriptError(error);
  }
}

/** On two cores this is about as quick as a fast network. */
const LEVEL = 9;

/** It goes over the line each time. */
const SMALL = { [constants.ZSTD_c_compressionLevel]: 19 };

/** The command line that runs pull.sh on the host, which needs nothing of ours to be there. */
function pulling(name: string, nixFolder: string): string {
  const writing = Object.entries(PULL_FILES).map(
    ([file, path]) => `cat >"$here/${file}" <<'END OF ${file}'\n${readFileSync(path, "utf8")}END OF ${file}\n`,
  );
  const script = [
    'set -eu; here=$(mktemp -d); export here; trap \'rm -rf -- "$here"\' EXIT; trap "exit 1" HUP INT TERM',
    `echo ${zstdCompressSync(writing.join(""), { params: SMALL }).toString("base64")} | base64 -d | zstd -q -d -c | sh`,
    `NIX=${quoted(nixFolder)} sh "$here/pull.sh" ${quoted(name)} -`,
  ];
  return ["sh", "-c", script.join("\n")].map(quoted).join(" ");
}
