/** The host's own part of a closure: small, and made in a moment from the package object and the plan. */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { lateMounts } from "../../plan/boot.ts";
import { symlink } from "../../plan/file-plan.ts";
import type { HostPlan } from "../../plan/host.ts";
import type { LockEntry } from "../lock/lock.ts";
import { type Cache, remember, unfinishedObject } from "../store/cache.ts";
import { sealObject } from "../store/digest.ts";
import { removeDamaged } from "../store/whole.ts";
import type { Activation } from "./activation.ts";
import { closureCommandLine } from "./command-line.ts";
import { cpioArchive } from "./cpio.ts";
import { makePristineRoot } from "./root.ts";
import { clearLinkedPaths, holdsSomething, shippedList } from "./shipped.ts";
import { shippedByList } from "./shipped-by.ts";
import { withShippedOwners } from "./shipped-owners.ts";

/** The names of the objects that a host's refers to. */
export interface Needs {
  readonly packages: string;
  /** Of a host that runs programs of the fleet. */
  readonly runtime: string | null;
}

/** Where a host has its runtime, whatever its closure is. */
export const RUNTIME_LINK = "/etc/nixfleet/runtime";

/** A hash of all that a host's object is made from: the plan, what it refers to, and this code. */
export function hostInputs(plan: HostPlan, activation: Activation, entry: LockEntry, needs: Needs): string {
  const recipe = [import.meta.dirname, join(import.meta.dirname, "..", "store")].flatMap((folder) =>
    readdirSync(folder)
      .sort()
      .map((name) => readFileSync(join(folder, name), "utf8")),
  );
  const inputs = JSON.stringify([plan, activation(plan), entry.date, needs, recipe]);
  return createHash("sha256").update(inputs).digest("hex");
}

/**
 * Makes it. The caller holds the lock of the cache.
 * @returns its name in the store: `<digest>-nixfleet-<hostName>`
 */
export async function hostObject(
  declared: HostPlan,
  activation: Activation,
  entry: LockEntry,
  needs: Needs,
  cache: Cache,
  fleetFolder: string,
  onProgress: (step: string) => void,
): Promise<string> {
  const { packages, runtime } = needs;
  const start = Math.floor(Date.now() / 1000) - 1;
  await using work = await unfinishedObject(cache);
  const object = join(work.path, "object");
  mkdirSync(object);
  chmodSync(object, 0o755);
  const [root, packageFolder] = [join(object, "root"), join(cache.store, packages)];
  const whole = withRuntimeLink(declared, runtime);
  await makePristineRoot(root, packageFolder, whole, fleetFolder);
  const plan = { ...whole, persistence: withShippedOwners(whole.persistence, root, whole.files) };
  refuseLate(plan, root);
  const shipping = { root, packageFolder, packages: `/nix/store/${packages}` };
  const shipped = shippedList(plan.persistence, plan.files, shipping, seededFilesystems(plan));
  clearLinkedPaths(plan.persistence, root);
  const files = activation(plan);

  // Relative, so that they lead to the same in the cache, in the initrd below /sysroot, and on the host.
  for (const name of ["usr", "vmlinuz", "initrd"]) symlinkSync(`../${packages}/${name}`, join(object, name));
  if (runtime !== null) symlinkSync(`../${runtime}`, join(object, "runtime"));
  const texts = {
    ...files.texts,
    "shipped.list": shipped,
    "shipped-by.list": shippedByList(packageFolder),
    cmdline: `${closureCommandLine(plan.boot)}\n`,
    "plan.json": `${JSON.stringify(plan, null, 2)}\n`,
    "manifest.json": `${JSON.stringify(manifest(plan, entry, packages), null, 2)}\n`,
  };
  for (const [name, text] of Object.entries(texts)) writePlain(join(object, name), text);
  writePlain(join(object, "host.cpio"), cpioArchive(files.initrd, entry.date));

  const name = `${await sealObject(object, entry.date, start)}-nixfleet-${plan.hostName}`;
  await removeDamaged(cache, name, onProgress);
  await work.finish("object", join(cache.store, name));
  await remember(cache, hostInputs(declared, activation, entry, needs), name);
  return name;
}

/** A file of the plan like any other: a switch of the running host changes it, and restarts who runs from there. */
function withRuntimeLink(plan: HostPlan, runtime: string | null): HostPlan {
  if (runtime === null) return plan;
  const files = [...plan.files, symlink(RUNTIME_LINK, `/nix/store/${runtime}`)];
  return { ...plan, files: files.sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

/** What the initrd mounts over the root, but for persist roots: it gets what the packages ship there. */
function seededFilesystems({ boot, persistence }: HostPlan): readonly string[] {
  const own = new Set(["/", "/nix", persistence.persistRoot, ...persistence.roots.map(({ path }) => path)]);
  return boot.mounts.map(({ mountpoint }) => mountpoint).filter((mountpoint) => !own.has(mountpoint));
}

/** @throws UserError for a filesystem that the running host mounts over what packages ship, when nobody gives it that */
export function refuseLate({ disk, loader, users }: Pick<HostPlan, "disk" | "loader" | "users">, root: string): void {
  const late = lateMounts(disk).map(({ mountpoint }) => mountpoint);
  // Homes are made there by units of their own.
  const homes = users.users.flatMap(({ home, createHome }) => (createHome ? [home] : []));
  const hides = late.find((mountpoint) => !loader.esps.includes(mountpoint) && holdsSomething(root, mountpoint, homes));
  if (hides === undefined) return;
  throw new UserError(`the filesystem that is mounted on ${hides} would hide what packages ship there`, [
    "give it neededForBoot: true: then it is given that too, the first time; or mount it elsewhere",
  ]);
}

function manifest(plan: HostPlan, entry: LockEntry, packages: string): object {
  return {
    version: 1,
    hostName: plan.hostName,
    platform: plan.platform,
    suite: entry.request.suite,
    date: entry.date,
    packages: `/nix/store/${packages}`,
  };
}

/** Whatever the builder's umask. */
function writePlain(path: string, content: string | Uint8Array): void {
  writeFileSync(path, content, { flag: "wx" });
  chmodSync(path, 0o644);
}
