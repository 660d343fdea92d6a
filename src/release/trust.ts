/**
 * What a host trusts, and the newest that it has seen signed: one file, which is there as it was or as it is now, whenever the
 * power is cut. Its first line is the SHA-256 of the rest.
 *
 * The root in it is what counts. A closure's root begins it, once. Later a closure's root is only compared: an older one is what
 * the host has moved on from; a newer one is taken if the stored one's keys have signed it, as the next version; and one that is
 * several versions newer is left to the mirrors, which have each version between.
 */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Metadata, MetadataKind, type Root } from "@tufjs/models";
import { z } from "zod";
import { writeDurably } from "../local/durable-file.ts";
import { fileLock } from "../local/file-lock.ts";
import { readIfThere } from "../local/read-if-there.ts";
import { ReleaseError } from "./error.ts";

/** Texts of signed metadata, as they came. */
const trustSchema = z.strictObject({
  version: z.literal(1),
  root: z.string(),
  timestamp: z.string().nullable(),
  snapshot: z.string().nullable(),
  targets: z.string().nullable(),
});
export type Trust = z.infer<typeof trustSchema>;

const FILE = "trust";

export interface RootOf {
  /** A folder on a persist root, for this alone. */
  readonly state: string;
  /** The bytes of root.json. */
  readonly root: Uint8Array;
}

export interface Agreed {
  readonly kind: "started" | "kept" | "advanced";
  /** Of the root that counts now. */
  readonly version: number;
}

/**
 * Trusts the keys of a root, where nothing is trusted yet: call it where a host begins, when it is enrolled. Where something is
 * trusted already it does what `followRoot` does.
 * @throws ReleaseError of kind notSigned (no root, or not signed by itself), damagedTrust, otherRoot
 */
export async function startTrust({ state, root }: RootOf): Promise<Agreed> {
  const given = givenRoot(root);
  await mkdir(state, { recursive: true, mode: 0o700 });
  await using _alone = await trustLock(state);
  const before = await trustIfThere(state);
  if (before !== null) return await agree(state, before, given);
  await writeTrust(state, { version: 1, root: given.text, timestamp: null, snapshot: null, targets: null });
  return { kind: "started", version: given.version };
}

/**
 * Compares the root that a closure names with the one that is trusted here.
 * @throws ReleaseError as startTrust, and of kind noTrust: what was lost is not begun anew
 */
export async function followRoot({ state, root }: RootOf): Promise<Agreed> {
  const given = givenRoot(root);
  await readTrust(state); // before a folder is made for the lock
  await using _alone = await trustLock(state);
  return await agree(state, await readTrust(state), given);
}

interface Given {
  readonly text: string;
  readonly metadata: Metadata<Root>;
  readonly version: number;
}

function givenRoot(root: Uint8Array): Given {
  const text = Buffer.from(root).toString("utf8");
  const metadata = rootOf(text);
  if (metadata === null) throw new ReleaseError("notSigned", "that is no root of signed releases");
  return { text, metadata, version: metadata.signed.version };
}

async function agree(state: string, before: Trust, given: Given): Promise<Agreed> {
  const stored = storedRoot(before.root, state);
  const version = stored.signed.version;
  if (given.version < version || given.version > version + 1) return { kind: "kept", version };
  if (given.version === version) {
    if (given.metadata.signed.equals(stored.signed)) return { kind: "kept", version };
    throw otherRoot(state, `both are version ${version}, and differ`);
  }
  try {
    stored.verifyDelegate(MetadataKind.Root, given.metadata);
  } catch {
    throw otherRoot(state, `version ${given.version} is not signed by the keys of version ${version}`);
  }
  await writeTrust(state, { ...before, root: given.text, ...forgotten(stored.signed, given.metadata.signed) });
  return { kind: "advanced", version: given.version };
}

/** For as long as one process reads or changes it. */
export function trustLock(state: string): Promise<AsyncDisposable> {
  return fileLock(join(state, "lock"));
}

/** @throws ReleaseError of kind noTrust or damagedTrust */
export async function readTrust(state: string): Promise<Trust> {
  const found = await trustIfThere(state);
  if (found !== null) return found;
  throw new ReleaseError("noTrust", `${state} does not say which keys are trusted`, [
    "the host was never enrolled, or what it has seen is lost: enrol it (again): nixfleet agent enrol",
  ]);
}

async function trustIfThere(state: string): Promise<Trust | null> {
  const file = join(state, FILE);
  const text = await readIfThere(file).catch((error: Error) => {
    throw damaged(file, error.message);
  });
  if (text === null) return null;
  const [digest, ...rest] = text.split("\n");
  const body = rest.join("\n");
  if (digestOf(body) !== digest) throw damaged(file, "it is not what was written");
  const { success, data, error } = trustSchema.safeParse(JSON.parse(body));
  if (!success) throw damaged(file, error.message);
  storedRoot(data.root, state);
  return data;
}

export async function writeTrust(state: string, trust: Trust): Promise<void> {
  const body = JSON.stringify(trust);
  await writeDurably(join(state, FILE), `${digestOf(body)}\n${body}`, 0o600);
}

/**
 * Where keys of timestamp or snapshot are other ones, what these had signed is forgotten: whoever had the keys may have signed
 * version numbers that honest ones would not reach for years. (TUF 1.0, 5.3.11)
 */
export function forgotten(before: Root, after: Root): Partial<Trust> {
  const keys = (root: Root, role: string) => (root.roles[role]?.keyIDs ?? []).toSorted().join();
  const same = (role: string) => keys(before, role) === keys(after, role);
  return same(MetadataKind.Timestamp) && same(MetadataKind.Snapshot) ? {} : { timestamp: null, snapshot: null };
}

/** `null` for whatever is no root that is signed by its own keys. */
export function rootOf(text: string): Metadata<Root> | null {
  try {
    const root = Metadata.fromJSON(MetadataKind.Root, JSON.parse(text));
    root.verifyDelegate(MetadataKind.Root, root);
    return root;
  } catch {
    return null;
  }
}

function storedRoot(text: string, state: string): Metadata<Root> {
  const root = rootOf(text);
  if (root === null) throw damaged(join(state, FILE), "its root is not signed by its own keys");
  return root;
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function damaged(file: string, why: string): ReleaseError {
  return new ReleaseError("damagedTrust", `${file} is damaged: ${why}`, [
    "nothing is applied without it: it says which keys are trusted, and which releases are old",
    `once you know what happened, remove it and enrol the host again: nixfleet agent enrol`,
  ]);
}

function otherRoot(state: string, why: string): ReleaseError {
  return new ReleaseError("otherRoot", "the closure names other release keys than those that this host trusts", [
    why,
    `if you have begun anew with new keys, remove ${state} on the host, and enrol it again: nixfleet agent enrol`,
  ]);
}
