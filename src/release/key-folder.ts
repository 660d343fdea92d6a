/**
 * The folder of those who sign releases:
 *
 *     root.json         which keys are trusted, now: what `trust` of a host names
 *     roots/N.root.json each version of it, for a repository that is lost
 *     ROLE-KEYID.pem    keys that sign (keys.ts); some may be elsewhere
 *     release.json      where releases go, how long signatures are good, how many are listed
 *     trust/            what was last signed, as a host remembers it
 */
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Metadata, MetadataKind, Root } from "@tufjs/models";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { writeDurably } from "../local/durable-file.ts";
import { newKey, ROLES, type Role, writeKey } from "./keys.ts";
import { changedRoot, expiry, SPEC, signedRoot } from "./sign.ts";
import { startTrust } from "./trust.ts";

const days = z.int().min(1).max(36_500);
const settingsSchema = z.strictObject({
  version: z.literal(1),
  repository: z.string().nullable(),
  /** How long a signature of each role is good. */
  days: z.strictObject({ root: days, targets: days, snapshot: days, timestamp: days }),
  /** How many releases stay listed, the newest. */
  keep: z.int().min(1).max(500),
});
export type Settings = z.infer<typeof settingsSchema>;

export const DEFAULTS = {
  days: { root: 730, targets: 365, snapshot: 90, timestamp: 14 },
  keep: 20,
} as const;

export interface StoredRoot {
  readonly version: number;
  readonly text: string;
  readonly metadata: Metadata<Root>;
}

export interface KeyFolder {
  readonly folder: string;
  readonly settings: Settings;
  /** The newest last. */
  readonly roots: readonly StoredRoot[];
  readonly trust: string;
}

export interface NewFolder {
  readonly folder: string;
  readonly settings: Settings;
  readonly counts: Readonly<Record<Role, number>>;
  readonly thresholds: Readonly<Record<Role, number>>;
  readonly passphrase: string | null;
  readonly now: number;
}

/** Makes keys and the first root. The folder is there with all of it, or not at all. @throws UserError if it holds something */
export async function newKeyFolder({
  folder,
  settings,
  counts,
  thresholds,
  passphrase,
  now,
}: NewFolder): Promise<void> {
  const at = resolve(folder);
  if ((await readdir(at).catch(() => [])).length > 0) {
    throw new UserError(`${folder} holds something already`, ["name an empty folder for the keys"]);
  }
  for (const role of ROLES) {
    if (thresholds[role] > counts[role] || thresholds[role] < 1) {
      throw new UserError(`${role} wants ${thresholds[role]} of its ${counts[role]} keys: nothing could be signed`);
    }
  }
  const draft = `${at}.new`;
  await rm(draft, { recursive: true, force: true }); // of a process that was killed
  await mkdir(join(draft, "roots"), { recursive: true, mode: 0o700 });
  const made = new Map(ROLES.map((role) => [role, Array.from({ length: counts[role] }, () => newKey(passphrase))]));
  for (const [role, keys] of made) for (const one of keys) await writeKey(role, draft, one);
  const none = new Root({ version: 0, specVersion: SPEC, expires: "", consistentSnapshot: true });
  const changes = [...made].map(([role, keys]) => ({
    role,
    add: keys.map(({ signing }) => signing.key),
    threshold: thresholds[role],
  }));
  const text = signedRoot(
    changedRoot(none, changes, expiry(now, settings.days.root)),
    null,
    [...made.values()].flat().map(({ signing }) => signing),
  );
  await writeDurably(join(draft, "release.json"), `${JSON.stringify(settings, null, 2)}\n`, 0o644);
  await writeDurably(join(draft, ".gitignore"), "*.pem\ntrust/\n", 0o644);
  await writeRoot(draft, storedRoot(text));
  await startTrust({ state: join(draft, "trust"), root: Buffer.from(text) });
  await mkdir(dirname(at), { recursive: true });
  await rename(draft, at);
  await chmod(at, 0o700);
}

/** @throws UserError */
export async function openKeyFolder(folder: string): Promise<KeyFolder> {
  const at = resolve(folder);
  const file = join(at, "release.json");
  if (!existsSync(file)) {
    throw new UserError(`${folder} has no release keys`, [
      "nixfleet release init --to DIR makes some; else say where they are: --keys DIR",
    ]);
  }
  const { success, data, error } = settingsSchema.safeParse(parsed(await readFile(file, "utf8")));
  if (!success)
    throw new UserError(
      `${file} is not right`,
      error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`),
    );
  const names = (await readdir(join(at, "roots"))).filter((name) => /^\d+\.root\.json$/.test(name));
  const roots = (await Promise.all(names.map((name) => readFile(join(at, "roots", name), "utf8"))))
    .map(storedRoot)
    .sort((one, other) => one.version - other.version);
  if (roots.length === 0) throw new UserError(`${at}/roots has no root`, ["restore it from a backup"]);
  const trust = join(at, "trust");
  // A clone of the folder has none: it begins with the first root, and follows.
  if (!existsSync(join(trust, "trust"))) await startTrust({ state: trust, root: Buffer.from(roots[0]?.text ?? "") });
  return { folder: at, settings: data, roots, trust };
}

export async function writeRoot(folder: string, { version, text }: StoredRoot): Promise<void> {
  await writeDurably(join(folder, "roots", `${version}.root.json`), text, 0o644);
  await writeDurably(join(folder, "root.json"), text, 0o644);
}

export function storedRoot(text: string): StoredRoot {
  const metadata = Metadata.fromJSON(MetadataKind.Root, JSON.parse(text));
  return { version: metadata.signed.version, text, metadata };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
