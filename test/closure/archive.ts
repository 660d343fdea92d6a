/** A small archive on this machine, of packages made on the spot: what an archive does over time, in a second. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../src/machine/process.ts";

export interface SmallPackage {
  readonly name: string;
  readonly version: string;
  /** In the package, so that one version can have two contents. */
  readonly text?: string;
}

/** Makes the archive new, of exactly these packages besides `apt`, and returns its line of sources.list. */
export async function writeArchive(folder: string, packages: readonly SmallPackage[]): Promise<string> {
  await run("rm", ["-rf", folder]);
  await mkdir(folder, { recursive: true });
  const stanzas: string[] = [];
  const required: SmallPackage = { name: "apt", version: "1" };
  for (const { name, version, text = "" } of [required, ...packages]) {
    const tree = join(folder, "tree");
    await mkdir(join(tree, "DEBIAN"), { recursive: true });
    await mkdir(join(tree, "usr/share", name), { recursive: true });
    const control = [
      `Package: ${name}`,
      `Version: ${version}`,
      "Architecture: amd64",
      `Priority: ${name === "apt" ? "required" : "optional"}`,
      "Maintainer: nobody <nobody@example.org>",
      "Description: a test",
      "",
    ].join("\n");
    await writeFile(join(tree, "DEBIAN/control"), control);
    await writeFile(join(tree, "usr/share", name, "text"), text);
    const deb = join(folder, `${name}_${version}.deb`);
    await run("dpkg-deb", ["--build", "--root-owner-group", tree, deb], { env: { SOURCE_DATE_EPOCH: "1700000000" } });
    await run("rm", ["-rf", tree]);
    const [sha256] = (await run("sha256sum", [deb])).split(" ");
    const size = (await run("stat", ["--format=%s", deb])).trim();
    stanzas.push(`${control}Filename: ./${name}_${version}.deb\nSize: ${size}\nSHA256: ${sha256}\n`);
  }
  await writeFile(join(folder, "Packages"), stanzas.join("\n"));
  await writeFile(join(folder, "Release"), "Suite: trixie\nCodename: trixie\n");
  return `deb [trusted=yes] copy:${folder} ./`;
}
