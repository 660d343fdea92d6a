/** A closure of a few bytes that can be installed, though not booted. */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Closure } from "../../src/closure/closure.ts";

export async function smallClosure(folder: string, letter = "c"): Promise<Closure> {
  const name = `${letter.repeat(32)}-nixfleet-test`;
  const packages = `${"p".repeat(32)}-debian-trixie`;
  const loader = join(folder, packages, "usr/lib/systemd/boot/efi");
  await mkdir(loader, { recursive: true });
  await writeFile(join(loader, "systemd-bootx64.efi"), "loader");
  for (const file of ["vmlinuz", "initrd", "manifest.json"]) await writeFile(join(folder, packages, file), `${file}\n`);
  await mkdir(join(folder, name, "root/etc"), { recursive: true });
  await symlink(`../${packages}/usr`, join(folder, name, "usr"));
  for (const file of ["cmdline", "host.cpio", "persists.list"]) await writeFile(join(folder, name, file), `${file}\n`);
  return {
    storePath: `/nix/store/${name}`,
    folder: join(folder, name),
    digest: letter.repeat(32),
    packages: { storePath: `/nix/store/${packages}`, folder: join(folder, packages) },
    fresh: false,
  };
}
