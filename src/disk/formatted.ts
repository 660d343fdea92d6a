/** Whether a disk is formatted as its layout says already: then formatting it has nothing to do. */
import { contentType } from "../layout/content.ts";
import { type DiskLayout, PARTITION_GUIDS } from "../layout/gpt.ts";
import { MIB } from "../layout/size.ts";
import { filesystemTags, partitionTable } from "./device.ts";

/** Only looked at; what is in an encrypted partition is taken for what the layout says. */
export async function isFormatted(layout: DiskLayout, path: string): Promise<boolean> {
  const table = await partitionTable(path);
  if (table?.length !== layout.partitions.length) return false;
  for (const [index, { name, type, size, content }] of layout.partitions.entries()) {
    const found = table[index];
    if (found === undefined || found.name !== name || found.type !== PARTITION_GUIDS[type]) return false;
    // One that takes the rest may have been made on a disk of another size; nothing else may.
    if (size !== null && found.size !== size) return false;
    if (content === null) continue;
    const tags = await filesystemTags(path, found);
    if (tags.get("TYPE") !== contentType(content).signature(content)) return false;
    if (tags.get("LABEL") !== content.label) return false;
  }
  return layout.partitions.length > 0 && (table[0]?.start ?? 0) >= MIB;
}
