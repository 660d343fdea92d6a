/** An ordinary user of this machine, for one test: the machine's own accounts stay as they are. */
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";

/** Nobody's, on any machine. */
const ID = 54_321;

export interface OrdinaryUser {
  /** Their own, which others can enter. */
  readonly home: string;
  /** What begins a command line that they run; the project is seen at `project`, wherever it is. */
  readonly around: readonly string[];
  readonly project: string;
}

/** @param parent a folder that everybody may enter @returns one who has no ids beside their own */
export async function ordinaryUser(parent: string): Promise<OrdinaryUser> {
  const at = (name: string) => join(parent, name);
  await mkdir(at("home"));
  await mkdir(at("project"));
  writeFileSync(at("passwd"), `root:x:0:0:root:/root:/bin/sh\ntester:x:${ID}:${ID}::${at("home")}:/bin/sh\n`);
  writeFileSync(at("group"), `root:x:0:\ntester:x:${ID}:\n`);
  for (const name of ["subuid", "subgid"]) writeFileSync(at(name), "");
  await run("chown", ["-R", `${ID}:${ID}`, at("home")]);
  const project = join(import.meta.dirname, "../..");
  const files = ["passwd", "group", "subuid", "subgid"];
  const script = [
    "set -eu",
    `mount --bind ${project} ${at("project")}`,
    ...files.map((name) => `mount --bind ${at(name)} /etc/${name}`),
    `exec setpriv --reuid ${ID} --regid ${ID} --clear-groups --inh-caps=-all -- "$@"`,
  ];
  for (const name of files) if (!existsSync(`/etc/${name}`)) writeFileSync(`/etc/${name}`, "");
  for (const name of files) chmodSync(at(name), 0o644);
  const around = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script.join("\n"), "sh"];
  return { home: at("home"), around, project: at("project") };
}
