/** A closure in the store of a host that is mounted here, without a boot entry. */
import { dirname } from "node:path";
import type { Closure } from "../src/closure/closure.ts";
import { run } from "../src/local/process.ts";
import { hostScript } from "../src/payload/host/generations.ts";

/** @param nix where the host's `@nix` is mounted, or the folder on ext4 */
export async function copyClosure({ folder, storePath }: Closure, nix: string): Promise<void> {
  await run("sh", [hostScript("copy-closure"), dirname(folder), nix, storePath]);
}
