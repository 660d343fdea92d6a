/** What a machine that runs something else is installed with, over ssh: scripts for it, and the installer in its memory. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type MadeFilePlan, symlink } from "../../plan/file-plan.ts";

/** A file of this folder, by its name. */
export function takeoverFile(name: string): string {
  return readFileSync(join(import.meta.dirname, name), "utf8");
}

/** What the machine needs to load the installer. */
export const TAKEOVER_SCRIPTS: Readonly<Record<string, string>> = Object.fromEntries(
  ["prepare.sh", "network.pl", "cpio.pl", "kexec.pl"].map((name) => [name, takeoverFile(name)]),
);

/** The program that the kernel is to start first. */
export const FIRST_PROGRAM = "/nixfleet/init";

/**
 * In the installer's initrd, beside the store.
 * @param closure the name of a store object
 * @param packages that of its packages
 */
export function installerFiles(closure: string, packages: string): readonly MadeFilePlan[] {
  const text = (path: string, name: string, mode: string): MadeFilePlan => ({
    ...{ kind: "text", path, mode },
    text: takeoverFile(name),
  });
  return [
    text(FIRST_PROGRAM, "init.sh", "0755"),
    text("/nixfleet/metadata.pl", "metadata.pl", "0644"),
    { kind: "text", path: "/nixfleet/closure", text: `${closure}\n`, mode: "0644" },
    text("/nixfleet/etc/systemd/system/default.target", "default.target", "0644"),
    text("/nixfleet/etc/systemd/system/nixfleet-takeover.service", "nixfleet-takeover.service", "0644"),
    text("/nixfleet/etc/nixfleet/takeover/sshd.conf", "sshd.conf", "0644"),
    // Until its own root is there, and for what the kernel starts by itself.
    symlink("/usr", `store/${packages}/usr`),
    ...["bin", "sbin", "lib", "lib64"].map((name) => symlink(`/${name}`, `usr/${name}`)),
  ];
}
