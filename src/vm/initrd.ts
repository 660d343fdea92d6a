/** Several initrds as the one file that QEMU takes. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * The kernel unpacks archives that follow each other, the later ones over the earlier ones; an uncompressed one must
 * begin at a multiple of 4 bytes (Documentation/driver-api/early-userspace/buffer-format.rst).
 * @param folder where the file is written, if one is needed
 */
export async function concatenatedInitrd(initrds: readonly string[], folder: string): Promise<string | null> {
  const [only, ...more] = initrds;
  if (only === undefined) return null;
  if (more.length === 0) return only;
  const parts = await Promise.all(initrds.map((initrd) => readFile(initrd)));
  const file = join(folder, "initrd");
  await writeFile(file, Buffer.concat(parts.flatMap((part) => [part, Buffer.alloc(-part.length & 3)])));
  return file;
}
