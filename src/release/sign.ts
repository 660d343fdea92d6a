/** Signatures under metadata, by the keys that a root names. */

import { createHash } from "node:crypto";
import {
  type Key,
  Metadata,
  MetadataKind,
  MetaFile,
  Root,
  type Snapshot,
  type Targets,
  type Timestamp,
} from "@tufjs/models";
import { UserError } from "../errors.ts";
import type { Role, SigningKey } from "./keys.ts";

/** The version of The Update Framework's specification. */
export const SPEC = "1.0.31";
const DAY = 86_400_000;

/** As the specification has it: without fractions of a second. */
export function expiry(now: number, days: number): string {
  return `${new Date(now + days * DAY).toISOString().slice(0, 19)}Z`;
}

/** Less than half of its days are left. */
export function isDue(expires: string, days: number, now: number): boolean {
  return Date.parse(expires) - now < (days * DAY) / 2;
}

/** Whether the keys at hand are enough to sign for a role. */
export function canSign(role: Role, root: Root, keys: readonly SigningKey[]): boolean {
  return theirs(role, root, keys).length >= (root.roles[role]?.threshold ?? 1);
}

/** @throws UserError if too few of the role's keys are here */
export function signed(
  content: Targets | Snapshot | Timestamp,
  role: Role,
  root: Root,
  keys: readonly SigningKey[],
): Buffer {
  requireKeys(role, root, keys);
  const metadata = new Metadata(content);
  for (const { sign } of theirs(role, root, keys)) metadata.sign(sign);
  new Metadata(root).verifyDelegate(role, metadata);
  return bytesOf(metadata);
}

/** @param before the root that is trusted now, whose keys have to sign too; `null` for the first */
export function signedRoot(root: Root, before: Root | null, keys: readonly SigningKey[]): string {
  for (const by of before === null ? [root] : [before, root]) requireKeys("root", by, keys);
  const metadata = new Metadata(root);
  const signers = new Map(
    [before, root].flatMap((by) =>
      by === null ? [] : theirs("root", by, keys).map((one) => [one.key.keyID, one] as const),
    ),
  );
  for (const { sign } of signers.values()) metadata.sign(sign);
  for (const by of before === null ? [root] : [before, root])
    new Metadata(by).verifyDelegate(MetadataKind.Root, metadata);
  return bytesOf(metadata).toString();
}

export interface KeyChange {
  readonly role: Role;
  readonly add?: readonly Key[];
  /** Ids. */
  readonly remove?: readonly string[];
  readonly threshold?: number;
}

/** The next version of a root. @throws UserError if a role could sign nothing any more */
export function changedRoot(root: Root, changes: readonly KeyChange[], expires: string): Root {
  const keys = new Map(Object.entries(root.keys));
  const roles = new Map(
    Object.entries(root.roles).map(([name, { keyIDs, threshold }]) => [name, { keyIDs, threshold }]),
  );
  for (const { role, add = [], remove = [], threshold } of changes) {
    const old = roles.get(role) ?? { keyIDs: [], threshold: 1 };
    for (const key of add) keys.set(key.keyID, key);
    const ids = new Set([...old.keyIDs, ...add.map(({ keyID }) => keyID)]).difference(new Set(remove));
    roles.set(role, { keyIDs: [...ids], threshold: threshold ?? old.threshold });
  }
  for (const [role, { keyIDs, threshold }] of roles) {
    if (threshold >= 1 && keyIDs.length >= threshold) continue;
    throw new UserError(`${role} would have ${keyIDs.length} keys, and want ${threshold} signatures`, [
      `first add a key, or lower the threshold: nixfleet release keys add ${role}`,
    ]);
  }
  const used = new Set([...roles.values()].flatMap(({ keyIDs }) => keyIDs));
  return Root.fromJSON({
    ...root.toJSON(),
    version: root.version + 1,
    expires,
    roles: Object.fromEntries([...roles].map(([name, { keyIDs, threshold }]) => [name, { keyids: keyIDs, threshold }])),
    keys: Object.fromEntries([...keys].filter(([id]) => used.has(id)).map(([id, key]) => [id, key.toJSON()])),
  });
}

/** What one file of metadata says of another. */
export function metaFile(version: number, text: Uint8Array): MetaFile {
  return new MetaFile({ version, length: text.byteLength, hashes: { sha256: sha256(text) } });
}

export function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function requireKeys(role: Role, root: Root, keys: readonly SigningKey[]): void {
  if (canSign(role, root, keys)) return;
  const { threshold = 1, keyIDs = [] } = root.roles[role] ?? {};
  throw new UserError(
    `${role} wants ${threshold} signatures, and ${theirs(role, root, keys).length} of its keys are here`,
    [
      `its keys are ${keyIDs.map((id) => id.slice(0, 8)).join(", ")}`,
      "say in which other folder some are: --keys DIR --keys OTHER",
    ],
  );
}

function theirs(role: Role, root: Root, keys: readonly SigningKey[]): readonly SigningKey[] {
  const ids = new Set(root.roles[role]?.keyIDs ?? []);
  return keys.filter(({ key }) => ids.has(key.keyID));
}

function bytesOf(metadata: Metadata<Root | Targets | Snapshot | Timestamp>): Buffer {
  return Buffer.from(JSON.stringify(metadata.toJSON(), null, 1));
}
