/** The host's own part of a closure: small, and made in a moment from the package object and the plan. */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HostPlan } from "../plan/host.ts";
import type { Activation } from "./activation.ts";
import { type Cache, remember, unfinishedFolder } from "./cache.ts";
import { closureCommandLine } from "./command-line.ts";
import { cpioArchive } from "./cpio.ts";
import { clampTimes, treeDigest } from "./digest.ts";
import type { LockEntry } from "./lock.ts";
import { makePristineRoot } from "./root.ts";
import { clearLinkedPaths, shippedList, withShippedOwners } from "./shipped.ts";

/** A hash of all that a host's object is made from: the plan, the package object, and this code. */
export function hostInputs(plan: HostPlan, activation: Activation, entry: LockEntry, packages: string): string {
  const folder = import.meta.dirname;
  const recipe = readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8"));
  const inputs = JSON.stringify([plan, activation(plan), entry.date, packages, recipe]);
  return createHash("sha256").update(inputs).digest("hex");
}

/**
 * Makes it. The caller holds the lock of the cache.
 * @param packages the name of the package object
 * @returns its name in the store: `<digest>-nixfleet-<hostName>`
 */
export async function hostObject(
  declared: HostPlan,
  activation: Activation,
  entry: LockEntry,
  packages: string,
  cache: Cache,
): Promise<string> {
  const start = Math.floor(Date.now() / 1000) - 1;
  await using work = await unfinishedFolder(cache.store);
  const object = join(work.path, "object");
  mkdirSync(object);
  chmodSync(object, 0o755);
  const [root, packageFolder] = [join(object, "root"), join(cache.store, packages)];
  await makePristineRoot(root, packageFolder, declared);
  const plan = { ...declared, persistence: withShippedOwners(declared.persistence, root, declared.files) };
  const shipped = shippedList(plan.persistence, { root, packageFolder, packages: `/nix/store/${packages}` });
  clearLinkedPaths(plan.persistence, root);
  const files = activation(plan);

  // Relative, so that they lead to the same in the cache, in the initrd below /sysroot, and on the host.
  for (const name of ["usr", "vmlinuz", "initrd"]) symlinkSync(`../${packages}/${name}`, join(object, name));
  const texts = {
    ...files.others,
    "tmpfiles.conf": files.tmpfiles,
    fstab: files.fstab,
    "shipped.list": shipped,
    cmdline: `${closureCommandLine(plan.boot)}\n`,
    "plan.json": `${JSON.stringify(plan, null, 2)}\n`,
    "manifest.json": `${JSON.stringify(manifest(plan, entry, packages), null, 2)}\n`,
  };
  for (const [name, text] of Object.entries(texts)) writePlain(join(object, name), text);
  writePlain(join(object, "host.cpio"), cpioArchive(files.initrd, entry.date));
  clampTimes(object, entry.date, start);

  const name = `${await treeDigest(object)}-nixfleet-${plan.hostName}`;
  await work.finish("object", join(cache.store, name));
  await remember(cache, hostInputs(declared, activation, entry, packages), name);
  return name;
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
