/** What one store object holds that another does not. src/payload/host/pull.pl decides the same from the same two lists. */

/** A file that a contents.list names. */
export interface ListedFile {
  readonly sha256: string;
  /** In bytes. */
  readonly size: number;
  /** Below the object's folder, as bytes: a name need not be UTF-8. */
  readonly path: Buffer;
}

/** @param list the text of a contents.list: see contents.pl */
export function listedFiles(list: string): readonly ListedFile[] {
  return [...list.matchAll(/^f (?:\S+ ){5}([0-9a-f]{64}):(\d+) \.(\/\S+)$/gm)].map(
    ([, sha256 = "", size = "", path = ""]) => ({ sha256, size: Number(size), path: unescaped(path) }),
  );
}

function unescaped(text: string): Buffer {
  return Buffer.from(
    text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    "latin1",
  );
}

export interface Changes {
  /** What the patch is made against, in this order: files in the place of those that are new. */
  readonly from: readonly ListedFile[];
  /** What it holds, in this order. */
  readonly to: readonly ListedFile[];
}

/** A host has both sides of a patch in memory. What does not fit in here it gets file by file. */
const CHANGES_LIMIT = 64 << 20;
const CHANGED_FILE_LIMIT = 32 << 20;

export function changes(old: readonly ListedFile[], now: readonly ListedFile[]): Changes {
  const has = new Set(old.map(({ sha256 }) => sha256));
  const at = new Map(old.map((file) => [file.path.toString("latin1"), file]));
  const like = new Map(old.toReversed().map((file) => [likeness(file), file]));
  const [from, to] = [bounded(), bounded()];
  for (const file of now) {
    if (has.has(file.sha256) || to.has(file) || !to.add(file)) continue;
    const former = at.get(file.path.toString("latin1")) ?? like.get(likeness(file));
    if (former !== undefined) from.add(former);
  }
  return { from: from.files, to: to.files };
}

function bounded() {
  const seen = new Set<string>();
  const files: ListedFile[] = [];
  let total = 0;
  return {
    files,
    has: ({ sha256 }: ListedFile) => seen.has(sha256),
    add(file: ListedFile): boolean {
      const { sha256, size } = file;
      if (seen.has(sha256) || size > CHANGED_FILE_LIMIT || total + size > CHANGES_LIMIT) return false;
      seen.add(sha256);
      files.push(file);
      total += size;
      return true;
    },
  };
}

/** A library's and a kernel's files are called by their versions. */
function likeness({ path }: ListedFile): string {
  return path.toString("latin1").replace(/[0-9]+/g, "0");
}
