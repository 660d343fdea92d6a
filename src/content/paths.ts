/**
 * What is where in a content repository: plain files, which any web server can serve, or a process on demand. Each is
 * compressed with zstd.
 *
 *     objects/NAME/list.zst             contents.list of a store object, which says what it holds (contents.pl)
 *     objects/NAME/from/OTHER/list.zst  the same, as a patch to that of another object
 *     objects/NAME/from/OTHER/files.zst the files that the other lacks, as a patch to those in their place (changes.ts)
 *     files/ab/abcd….zst                a file's content, by its SHA-256: what is equal is there once
 *
 * A host believes none of them: src/payload/host/pull.pl.
 */

export type ContentPath =
  | { readonly kind: "list"; readonly name: string; readonly from: string | null }
  | { readonly kind: "changes"; readonly name: string; readonly from: string }
  | { readonly kind: "file"; readonly sha256: string };

export function contentPath(path: ContentPath): string {
  switch (path.kind) {
    case "list":
      return path.from === null ? `objects/${path.name}/list.zst` : `objects/${path.name}/from/${path.from}/list.zst`;
    case "changes":
      return `objects/${path.name}/from/${path.from}/files.zst`;
    case "file":
      return `files/${path.sha256.slice(0, 2)}/${path.sha256}.zst`;
  }
}

const NAME = "([0-9a-z]{32}-(?:debian|nixfleet|runtime)-[A-Za-z0-9-]+)";

export function isObjectName(name: string): boolean {
  return new RegExp(`^${NAME}$`).test(name);
}

/** `null` for whatever is no path of a content repository. */
export function readContentPath(text: string): ContentPath | null {
  const [, name, from, what] = new RegExp(`^objects/${NAME}(?:/from/${NAME})?/(list|files).zst$`).exec(text) ?? [];
  if (name !== undefined && what === "list") return { kind: "list", name, from: from ?? null };
  if (name !== undefined && from !== undefined) return { kind: "changes", name, from };
  const [, sha256] = /^files\/[0-9a-f]{2}\/([0-9a-f]{64}).zst$/.exec(text) ?? [];
  return sha256 === undefined ? null : { kind: "file", sha256 };
}
