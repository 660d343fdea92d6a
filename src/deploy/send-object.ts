/** A store object → the store of a running host. */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { StoreObject } from "../closure/closure.ts";
import { diskFull } from "../closure/disk-full.ts";
import { hostScript } from "../host/generations.ts";
import { quoted, run } from "../machine/process.ts";
import { refusal } from "../machine/refusal.ts";
import type { TargetHost } from "./target-host.ts";

/**
 * Brings an object there as it is here, to the digest. What is there already stays as it is.
 * @param nixFolder the host's `/nix`
 * @throws UserError when it did not arrive whole; then nothing of it is there
 */
export async function sendObject(
  object: StoreObject,
  target: Pick<TargetHost, "argv">,
  nixFolder: string = "/nix",
): Promise<void> {
  const script = [hostScript("store-object"), join(import.meta.dirname, "receive-object.sh")]
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
  const count = (await run("find", [object.folder, "-printf", "x"])).length;
  const receive = [
    ...["env", `NIX=${nixFolder}`, "unshare", "--mount", "--propagation", "private", "--"],
    ...["sh", "-c", script, "receive-object.sh", basename(object.storePath), String(count)],
  ];
  const archive = [
    ...["tar", "--create", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "--file=-"],
    ...["--directory", object.folder, "--", "."],
  ];
  const pipeline = `${archive.map(quoted).join(" ")} | "$@"`;
  try {
    await run("sh", ["-c", pipeline, "sh", ...target.argv(receive.map(quoted).join(" "))]);
  } catch (error) {
    throw diskFull(error, "make room on the host: nixfleet gc --keep 2 --target-host …") ?? refusal(error);
  }
}
