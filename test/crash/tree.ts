/** What a folder holds, told so that any change of it shows. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** One line for each file, folder, link and subvolume below `folder`, sorted; what lasts of it, so no access times. */
export function tree(folder: string): string {
  const lines: string[] = [];
  const visit = (path: string, name: string) => {
    const status = lstatSync(path);
    const what = `${name} ${status.mode.toString(8)} ${status.uid}:${status.gid}`;
    if (status.isDirectory()) {
      // On btrfs the root of a subvolume has the inode number 256.
      lines.push(`${what} ${status.ino === 256 ? "subvolume" : "folder"}`);
      for (const entry of readdirSync(path).sort()) visit(join(path, entry), `${name}/${entry}`);
    } else if (status.isSymbolicLink()) lines.push(`${what} -> ${readlinkSync(path)}`);
    else lines.push(`${what} ${status.mtimeMs} ${createHash("sha256").update(readFileSync(path)).digest("hex")}`);
  };
  visit(folder, ".");
  return lines.join("\n");
}
