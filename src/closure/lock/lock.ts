/** `nixfleet.lock`: which versions of which Debian packages a fleet is built from, and the date its builds claim. */
import { createHash } from "node:crypto";
import { lchown, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../../errors.ts";
import { fileLock } from "../../local/file-lock.ts";
import { readIfThere } from "../../local/read-if-there.ts";
import { isOthersRoot } from "../../local/root.ts";
import type { PackagesPlan } from "../../plan/packages.ts";
import { NO_IDS } from "./account-ids.ts";

export const LOCK_FILE = "nixfleet.lock";

/** What to do with a lock that is none. */
export const LOCK_FIX =
  "restore it from version control, or remove it and run `nixfleet update` to lock the newest packages";

const lockedPackage = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/, "is not the name of a Debian package"),
  version: z.string().regex(/^[A-Za-z0-9.+~:-]+$/, "is not a Debian version"),
  architecture: z.string().regex(/^[a-z0-9-]+$/, "is not a Debian architecture"),
  /** In bytes. */
  size: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "is not a SHA-256 in hexadecimal"),
  /** Below an archive's root, `pool/main/…`; of a package file of the fleet's own, from the fleet's folder. */
  path: z.string().min(1),
});

const request = z.strictObject({
  suite: z.string().min(1),
  architecture: z.string().min(1),
  archive: z.array(z.string()),
  archiveOnly: z.literal(true).optional(),
  debs: z.array(z.strictObject({ file: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) })).optional(),
  packages: z.array(z.string()),
  locales: z.array(z.string()),
});

const lockEntry = z.strictObject({
  request,
  /** SOURCE_DATE_EPOCH of the build, in seconds. */
  date: z.int().positive(),
  /** Sorted by name. */
  packages: z.array(lockedPackage).min(1),
});

const idsByName = z.record(
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]*\$?$/, "is not the name of an account"),
  z.int().min(100, "is below 100: Debian assigns those permanently").max(999, "is above 999: those are for people"),
);

const UNKNOWN_VERSION = "is not a version of the lock that this nixfleet knows";

const lockSchema = z.strictObject({
  version: z.literal(2, UNKNOWN_VERSION),
  /** By `requestKey`. */
  requests: z.record(z.string(), lockEntry),
  /** Of the accounts that packages make. A name is never removed: what it owned may be on a persist root still. */
  ids: z.strictObject({ users: idsByName, groups: idsByName }),
});

/** Before ids were in it. */
const firstSchema = z
  .strictObject({ version: z.literal(1, UNKNOWN_VERSION), requests: z.record(z.string(), lockEntry) })
  .transform((lock) => ({ ...lock, version: 2 as const, ids: NO_IDS }));

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
export type LockedPackage = DeepReadonly<z.infer<typeof lockedPackage>>;
export type LockEntry = DeepReadonly<z.infer<typeof lockEntry>>;
export type Lock = DeepReadonly<z.infer<typeof lockSchema>>;

/** What a lock entry answers: the packages plan, with what every closure needs besides. */
export type PackageRequest = PackagesPlan;

export const EMPTY_LOCK: Lock = { version: 2, requests: {}, ids: NO_IDS };

/** What building a closure needs in the tree, whatever the host asked for: the initrd is made there. */
const ALWAYS = ["btrfs-progs", "dracut", "systemd-sysv", "udev", "zstd"];

export function packageRequest(plan: PackagesPlan): PackageRequest {
  const packages = [...plan.packages, ...ALWAYS, ...(plan.locales.length > 0 ? ["locales"] : [])];
  return {
    suite: plan.suite,
    architecture: plan.architecture,
    archive: plan.archive,
    ...(plan.archiveOnly ? { archiveOnly: true as const } : {}),
    ...(plan.debs === undefined ? {} : { debs: plan.debs }),
    packages: [...new Set(packages)].sort(),
    locales: [...new Set(plan.locales)].sort(),
  };
}

/** A short name for a request, the same for equal requests. */
export function requestKey(request: PackageRequest): string {
  const { suite, architecture, archive, archiveOnly, debs, packages, locales } = request;
  const more = [...(archiveOnly ? ["only"] : []), ...(debs === undefined ? [] : [debs.map(({ sha256 }) => sha256)])];
  const hash = createHash("sha256").update(JSON.stringify([suite, architecture, archive, packages, locales, ...more]));
  return `${suite}-${architecture}-${hash.digest("hex").slice(0, 12)}`;
}

/**
 * Reads the lock beside a fleet's `fleet.ts`; where there is none, an empty one.
 * @throws UserError when it is not a lock: a bad merge, a hand edit, a newer nixfleet
 */
export async function readLock(fleetFolder: string): Promise<Lock> {
  const file = join(fleetFolder, LOCK_FILE);
  const text = await readIfThere(file).catch((error: Error) => {
    throw new UserError(`cannot read ${file}`, [error.message]);
  });
  return text === null ? EMPTY_LOCK : parseLock(text, file);
}

/** @throws UserError that names the file, what is wrong with it, and the way out */
export function parseLock(text: string, file: string): Lock {
  const fix = LOCK_FIX;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const conflict = /^(<<<<<<<|>>>>>>>)/m.test(text);
    const reason = conflict ? "it holds the conflict markers of a merge" : String(error);
    throw new UserError(`${file} is not JSON`, [reason, fix]);
  }
  const first = z.object({ version: z.literal(1) }).safeParse(json).success;
  const parsed = (first ? firstSchema : lockSchema).safeParse(json);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${placeOf(issue.path, json)}: ${issue.message}`);
    throw new UserError(`${file} is not a lock of nixfleet`, [...issues.slice(0, 5), fix]);
  }
  for (const [key, entry] of Object.entries(parsed.data.requests)) {
    if (requestKey(entry.request) !== key)
      throw new UserError(`${file} was changed by hand`, [`requests.${key}.request does not belong to that key`, fix]);
    for (const [name, same] of Map.groupBy(entry.packages, (one) => one.name)) {
      if (same.length < 2) continue;
      const versions = same.map(({ version }) => version).join(" and ");
      throw new UserError(`${file} has ${name} twice: ${versions}`, [`in requests.${key}, as after a bad merge`, fix]);
    }
  }
  for (const [kind, ids] of Object.entries(parsed.data.ids)) {
    for (const same of Map.groupBy(Object.entries(ids), ([, id]) => id).values()) {
      if (same.length < 2) continue;
      throw new UserError(`${file} gives one id to two ${kind}: ${same.map(([name]) => name).join(" and ")}`, [
        `give each its own in ids.${kind}: keep the id that already owns data on the hosts' persist roots`,
      ]);
    }
  }
  return parsed.data;
}

/** With the name of the package: there are hundreds. */
function placeOf(path: readonly PropertyKey[], json: unknown): string {
  const [, key, list, index, ...rest] = path.map(String);
  const whole = path.join(".") || "the whole";
  if (list !== "packages" || index === undefined) return whole;
  const named = z
    .object({ requests: z.record(z.string(), z.object({ packages: z.array(z.unknown()) })) })
    .safeParse(json);
  const one = z.object({ name: z.string() }).safeParse(named.data?.requests[key ?? ""]?.packages[Number(index)]);
  return one.success ? `${one.data.name}${rest.map((part) => `.${part}`).join("")}, in requests.${key}` : whole;
}

/**
 * Changes the lock as it is by now, whole or not at all, and returns what it is then. Other builds of the fleet, on
 * whatever cache, change it before or after, never meanwhile.
 * @param change returns the lock that it is given where there is nothing to change
 */
export async function changeLock(fleetFolder: string, change: (lock: Lock) => Lock | Promise<Lock>): Promise<Lock> {
  const state = join(fleetFolder, ".nixfleet");
  await using _ = await fileLock(join(state, "locks", "lock"));
  const before = await readLock(fleetFolder);
  const after = await change(before);
  if (after !== before) await writeLock(fleetFolder, after);
  const { uid, gid } = await stat(fleetFolder);
  if (isOthersRoot())
    for (const path of [state, join(state, "locks"), join(state, "locks", "lock")]) await lchown(path, uid, gid);
  return after;
}

/** Writes the lock, whole or not at all. */
export async function writeLock(fleetFolder: string, lock: Lock): Promise<void> {
  const file = join(fleetFolder, LOCK_FILE);
  const temporary = `${file}.${process.pid}.new`;
  await writeFile(temporary, formatLock(lock), { flush: true });
  // Whose folder it is, commits it: root, who has to build, only writes it.
  const { uid, gid } = await stat(fleetFolder);
  if (isOthersRoot()) await lchown(temporary, uid, gid);
  await rename(temporary, file);
}

/** Pretty, in a stable order, one package a line: a diff shows what moved. */
export function formatLock(lock: Lock): string {
  const requests = Object.entries(lock.requests).sort(([a], [b]) => (a < b ? -1 : 1));
  const entries = requests.map(([key, entry]) => {
    const packages = [...entry.packages].sort((a, b) => (a.name < b.name ? -1 : 1)).map((one) => JSON.stringify(one));
    return [
      `    ${JSON.stringify(key)}: {`,
      `      "request": ${JSON.stringify(entry.request, null, 2).replaceAll("\n", "\n      ")},`,
      `      "date": ${entry.date},`,
      `      "packages": [\n        ${packages.join(",\n        ")}\n      ]`,
      "    }",
    ].join("\n");
  });
  const body = entries.length === 0 ? "{}" : `{\n${entries.join(",\n")}\n  }`;
  const ids = JSON.stringify({ users: inOrder(lock.ids.users), groups: inOrder(lock.ids.groups) }, null, 2);
  const members = [`"version": ${lock.version}`, `"requests": ${body}`, `"ids": ${ids.replaceAll("\n", "\n  ")}`];
  return `{\n  ${members.join(",\n  ")}\n}\n`;
}

function inOrder(ids: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(ids).sort(([a], [b]) => (a < b ? -1 : 1)));
}
