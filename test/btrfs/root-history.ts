/** What programs and users do to a root, as random operations; and a root as a model has it: every path, with all that is of it. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import fc from "fast-check";
import { run } from "../../src/local/process.ts";

/** Bytes, one a character: names need not be UTF-8. */
const NAMES = ["a", "b", "c", "a b", "x\nnew", "\xff\xfe", "\xc3\xbc", "-n", "back\\slash", "tab\there"];

export type Operation = readonly [verb: string, path: string, other: string];

/** Folders that a closure has, and that are not: the histories meet in them. */
const FOLDERS = ["", "etc", "var/lib", "etc/a", "etc/b", "var/lib/a", "var/lib/a/b"];

const inFolder = fc
  .tuple(fc.constantFrom(...FOLDERS), fc.constantFrom(...NAMES))
  .map(([folder, name]) => `${folder}/${name}`.replace(/^\//, ""));

const path = fc.oneof(
  { weight: 3, arbitrary: inFolder },
  { weight: 2, arbitrary: fc.constantFrom(...FOLDERS.slice(2)) },
);

const VERBS = [
  "write",
  "write",
  "mkdir",
  "mkdir",
  "rename",
  "rename",
  "swap",
  "remove",
  "link",
  "symlink",
  "sparse",
  "mode",
  "touch",
  "attribute",
  "subvolume",
];

export const history: fc.Arbitrary<readonly Operation[]> = fc.array(fc.tuple(fc.constantFrom(...VERBS), path, path), {
  minLength: 1,
  maxLength: 25,
});

/** What a closure has of it. */
export function fillPristine(root: string): void {
  for (const folder of ["etc/a", "etc/b/c", "var/lib/a/b"]) mkdirSync(at(root, folder), { recursive: true });
  for (const file of ["etc/c", "etc/a/a", "etc/a/b", "etc/b/c/a", "var/lib/a/b/c", "var/lib/b"]) {
    writeFileSync(at(root, file), `pristine ${file}\n`);
  }
  linkSync(at(root, "etc/c"), at(root, "var/lib/c"));
}

/** What cannot be done is not. */
export async function perform(root: string, operations: readonly Operation[]): Promise<void> {
  for (const [verb, one, other] of operations) {
    const [path, second] = [at(root, one), at(root, other)];
    try {
      switch (verb) {
        case "write":
          writeFileSync(path, `${one} ${other}`);
          break;
        case "mkdir":
          mkdirSync(path);
          break;
        case "rename":
          renameSync(path, second);
          break;
        case "swap":
          renameSync(path, at(root, "swapped"));
          renameSync(second, path);
          renameSync(at(root, "swapped"), second);
          break;
        case "remove":
          rmSync(path, { recursive: true });
          break;
        case "link":
          linkSync(path, second);
          break;
        case "symlink":
          symlinkSync(Buffer.from(other, "latin1"), path);
          break;
        case "sparse":
          truncateSync(path, 1_000_000);
          break;
        case "mode":
          if (!lstatSync(path).isSymbolicLink()) chmodSync(path, 0o751);
          break;
        case "touch":
          utimesSync(path, 1, 1);
          break;
        case "attribute":
          if (isText(one)) {
            const value = Buffer.from(other, "latin1").toString("hex");
            await run("setfattr", ["-h", "-n", ATTRIBUTE, "-v", `0x${value}`, path.toString()]);
          }
          break;
        case "subvolume":
          if (isText(one)) await run("btrfs", ["subvolume", "create", path.toString()]);
          break;
      }
    } catch {}
  }
}

const isText = (name: string) => /^[\x20-\x7e]*$/.test(name);

export function at(root: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, "latin1")]);
}

/** Unlike those of users, links may have it too. */
const ATTRIBUTE = "trusted.said";

/** Every path of a root, with what would be lost of it. */
export function model(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const attributes = attributesOf(root);
  below(root, "", (path, ...said) => found.set(path, [...said, attributes.get(path) ?? ""].join(" ")));
  return found;
}

function below(root: string, folder: string, say: (path: string, ...said: (string | number)[]) => void): void {
  for (const name of readdirSync(at(root, folder), { encoding: "buffer" }).map((bytes) => bytes.toString("latin1"))) {
    const path = folder === "" ? name : `${folder}/${name}`;
    if (path === "persist") continue; // another subvolume, mounted
    const place = at(root, path);
    const stats = lstatSync(place);
    const common = [stats.mode, stats.uid, stats.gid];
    if (stats.isSymbolicLink()) say(path, ...common, readlinkSync(place, "latin1"));
    else if (stats.isDirectory()) {
      say(path, ...common);
      below(root, path, say);
    } else say(path, ...common, createHash("sha256").update(readFileSync(place)).digest("hex"));
  }
}

/** By path, one character a byte. */
function attributesOf(root: string): Map<string, string> {
  const argv = ["-R", "-P", "-h", "-d", "-m", `^${ATTRIBUTE.replace(".", "\\.")}$`, "--absolute-names", "--", root];
  const { stdout } = spawnSync("getfattr", argv, { encoding: "latin1" });
  const bytes = (name: string) =>
    name.replace(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 8)));
  return new Map(
    [...stdout.matchAll(/^# file: (.*)\n(.*)$/gm)].map(([, path = "", value = ""]) => [
      bytes(path).slice(root.length + 1),
      value,
    ]),
  );
}
