/** A closure of a few bytes that can be installed, though not booted. */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Closure } from "../../src/closure/closure.ts";
import { sealed } from "../sealed.ts";

/** @param letter by which two of them differ */
export async function smallClosure(folder: string, letter = "c", cmdline = "cmdline"): Promise<Closure> {
  const packages = await smallPackages(folder);
  const own = join(folder, "nixfleet-test");
  await mkdir(join(own, "root/etc"), { recursive: true });
  await symlink(`../${packages}/usr`, join(own, "usr"));
  await writeFile(join(own, "host.cpio"), letter);
  await writeFile(join(own, "persists.list"), "persists.list\n");
  await writeFile(join(own, "cmdline"), `${cmdline}\n`);
  const name = await sealed(own);
  return {
    storePath: `/nix/store/${name}`,
    folder: join(folder, name),
    digest: name.slice(0, 32),
    packages: { storePath: `/nix/store/${packages}`, folder: join(folder, packages) },
    runtime: null,
    fresh: false,
  };
}

async function smallPackages(folder: string): Promise<string> {
  const own = join(folder, "debian-trixie");
  const loader = join(own, "usr/lib/systemd/boot/efi");
  await mkdir(loader, { recursive: true });
  await writeFile(join(loader, "systemd-bootx64.efi"), "loader");
  for (const file of ["vmlinuz", "initrd", "packages.list"]) await writeFile(join(own, file), `${file}\n`);
  return sealed(own);
}
