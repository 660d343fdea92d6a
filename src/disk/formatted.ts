/** Whether a disk is formatted as its layout says already: then formatting it has nothing to do. */
import { arrayLabel } from "../layout/array.ts";
import { type Content, contentType } from "../layout/content.ts";
import { type DiskLayout, partitionDevice } from "../layout/gpt.ts";
import { mbrCode, partitionGuid } from "../layout/partition-types.ts";
import { MIB } from "../layout/size.ts";
import { UNFINISHED, type VolumeGroupContent } from "../layout/volume-group.ts";
import { filesystemTags, partitionTable, volumeGroups } from "./device.ts";

/** Only looked at; what is in an encrypted partition, an array or a volume group is taken for what the layout says. */
export async function isFormatted(layout: DiskLayout, path: string): Promise<boolean> {
  const isMbr = layout.table === "dos";
  const table = await partitionTable(path, layout.table ?? "gpt");
  if (table?.length !== layout.partitions.length) return false;
  for (const [index, { name, type, start, size, uuid, content }] of layout.partitions.entries()) {
    const found = table[index];
    if (found === undefined || found.type !== (isMbr ? mbrCode(type) : partitionGuid(type))) return false;
    if (!isMbr && found.name !== name) return false;
    if (start !== null && found.start !== start) return false;
    if (uuid !== null && found.uuid.toLowerCase() !== uuid) return false;
    // One that takes the rest may have been made on a disk of another size; nothing else may.
    if (size !== null && found.size !== size) return false;
    if (content === null) continue;
    const signature = contentType(content).signature(content);
    if (signature === null) continue;
    const tags = await filesystemTags(path, found);
    if (tags.get("TYPE") !== signature) return false;
    const known = labelOf(content);
    if (known !== null && tags.get("LABEL") !== known) return false;
    if (content.kind === "group" && !(await isWholeGroup(content, partitionDevice(path, index + 1)))) return false;
  }
  return layout.partitions.length > 0 && (table[0]?.start ?? 0) >= MIB;
}

/** What blkid(8) finds with it; `null`: nothing of that kind. */
function labelOf(content: Content): string | null {
  if (content.kind === "array") return arrayLabel(content.name);
  return "label" in content ? content.label : null;
}

async function isWholeGroup({ name }: VolumeGroupContent, device: string): Promise<boolean> {
  const groups = await volumeGroups(device);
  return groups.some(({ group, tags }) => group === name && !tags.includes(UNFINISHED));
}
