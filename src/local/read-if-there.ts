/** A file that may not be there. */
import { readFile } from "node:fs/promises";

/** Its text; null where there is none. @throws what readFile throws for any other reason */
export async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
