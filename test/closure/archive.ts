/** A small archive on this machine, of packages made on the spot: what an archive does over time, in a second. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";

export interface SmallPackage {
  readonly name: string;
  readonly version: string;
  /** In the package, so that one version can have two contents. */
  readonly text?: string;
  /** More lines of its control file, such as `Conflicts: other`. */
  readonly fields?: readonly string[];
}

/** Makes the archive new, of exactly these packages besides `apt`, and returns its line of sources.list. */
export async function writeArchive(folder: string, packages: readonly SmallPackage[]): Promise<string> {
  await run("rm", ["-rf", folder]);
  await mkdir(folder, { recursive: true });
  const stanzas: string[] = [];
  const required: SmallPackage = { name: "apt", version: "1" };
  for (const { name, version, text = "", fields = [] } of [required, ...packages]) {
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
      ...fields,
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

/** Signs the archive with a new key in the folder `keys`, and returns its line of sources.list, which names that key. */
export async function signArchive(folder: string, keys: string): Promise<string> {
  await mkdir(keys, { recursive: true, mode: 0o700 });
  const gpg = (...args: readonly string[]) => run("gpg", ["--batch", "--quiet", "--homedir", keys, ...args]);
  await gpg("--passphrase", "", "--quick-generate-key", "vendor@example.org");
  const packages = join(folder, "Packages");
  const [sha256] = (await run("sha256sum", [packages])).split(" ");
  const size = (await run("stat", ["--format=%s", packages])).trim();
  const date = new Date().toUTCString().replace("GMT", "+0000");
  const release = `Suite: trixie\nCodename: trixie\nDate: ${date}\nSHA256:\n ${sha256} ${size} Packages\n`;
  await writeFile(join(folder, "Release"), release);
  await gpg("--yes", "--clearsign", "--output", join(folder, "InRelease"), join(folder, "Release"));
  await gpg("--yes", "--output", join(keys, "vendor.gpg"), "--export");
  await run("gpgconf", ["--homedir", keys, "--kill", "all"]);
  return `deb [signed-by=${join(keys, "vendor.gpg")}] copy:${folder} ./`;
}
