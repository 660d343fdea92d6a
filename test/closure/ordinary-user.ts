/** An ordinary user of this machine, for one test: the machine's own accounts stay as they are. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";

/** Nobody's, on any machine. */
const ID = 54_321;

/** What gives them ids for a namespace of their own: a line of subuid(5). */
export const SUBORDINATE_IDS = "tester:1000000000:65536";

export interface OrdinaryUser {
  /** Their own, which nobody else enters. */
  readonly home: string;
  /** What begins a command line that they run; the project is seen at `project`, wherever it is. */
  readonly around: readonly string[];
  readonly project: string;
}

/**
 * @param parent a folder that everybody may enter
 * @param ids a line of subuid(5); by default they have none beside their own
 * @param before done by root, in the mount namespace in which they run
 */
export async function ordinaryUser(parent: string, ids = "", before = ":"): Promise<OrdinaryUser> {
  const at = (name: string) => join(parent, name);
  await mkdir(at("home"));
  await mkdir(at("project"));
  const files = {
    passwd: `tester:x:${ID}:${ID}::${at("home")}:/bin/sh`,
    group: `tester:x:${ID}:`,
    subuid: ids,
    subgid: ids,
  };
  for (const [name, line] of Object.entries(files)) {
    const own = join("/etc", name);
    if (!existsSync(own)) writeFileSync(own, "");
    writeFileSync(at(name), `${readFileSync(own, "utf8")}${line}\n`);
    chmodSync(at(name), 0o644);
  }
  await run("chown", [`${ID}:${ID}`, at("home")]);
  chmodSync(at("home"), 0o700);
  const script = [
    "set -eu",
    `mount --bind ${join(import.meta.dirname, "../..")} ${at("project")}`,
    ...Object.keys(files).map((name) => `mount --bind ${at(name)} /etc/${name}`),
    before,
    `exec setpriv --reuid ${ID} --regid ${ID} --clear-groups --inh-caps=-all -- "$@"`,
  ];
  // Not private: what others unmount meanwhile is unmounted there too.
  const around = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script.join("\n"), "sh"];
  return { home: at("home"), around, project: at("project") };
}
