/** An apt of our own: the indexes of a suite in a temporary folder, without touching the builder's apt. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { CommandError, quoted, run } from "../../local/process.ts";
import type { PackageRequest } from "./lock.ts";
import { repositoryLine } from "./repository.ts";

export interface Apt {
  /** Runs `apt-get`. */
  get(args: readonly string[], cwd?: string): Promise<string>;
  /** Runs `apt-cache`. */
  cache(args: readonly string[]): Promise<string>;
  /** Lets it find the packages of flat repositories on this machine too. */
  addRepositories(folders: readonly string[]): Promise<void>;
}

/**
 * Downloads the indexes of the request's archive, which apt verifies, into `folder`. mmdebstrap sets it up, because it
 * knows the default archive and the keys of each suite.
 * @throws UserError when the archive cannot be reached or does not have the suite
 */
export async function openApt(request: PackageRequest, folder: string): Promise<Apt> {
  const root = join(folder, "apt");
  const lines = join(folder, "archive.list");
  await writeFile(lines, request.archive.map((line) => `${line}\n`).join(""));
  const options = ["--variant=custom", "--mode=root", "--format=directory", "--quiet"];
  const skip = "--skip=cleanup/apt,check/qemu";
  try {
    await run("mmdebstrap", [
      ...options,
      skip,
      ...(request.archiveOnly ? [] : [`--setup-hook=cat ${quoted(lines)} >"$1/etc/apt/sources.list.d/more.list"`]),
      `--architectures=${request.architecture}`,
      request.suite,
      root,
      // Lines as arguments would replace mmdebstrap's own, and so the release's security updates.
      ...(request.archiveOnly ? request.archive : []),
    ]);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new UserError(`cannot download the package indexes of ${request.suite}`, [
      `from: ${[...(request.archiveOnly ? [] : ["Debian's own archives for the suite"]), ...request.archive].join(" | ")}`,
      "check the network, the name of the suite, and nixfleet.debian.archive",
      ...error.detail,
    ]);
  }
  const config = join(folder, "apt.conf");
  await writeFile(config, aptConfig(root, request.architecture));
  const env = { APT_CONFIG: config };
  const get = (args: readonly string[], cwd?: string): Promise<string> =>
    run("apt-get", args, cwd === undefined ? { env } : { env, cwd });
  return {
    get,
    cache: (args) => run("apt-cache", args, { env }),
    addRepositories: async (folders) => {
      const list = join(root, "etc/apt/sources.list.d/local.list");
      await mkdir(join(root, "etc/apt/sources.list.d"), { recursive: true });
      await writeFile(list, folders.map((folder) => `${repositoryLine(folder)}\n`).join(""));
      const only = [`Dir::Etc::SourceList=${list}`, "Dir::Etc::SourceParts=-", "APT::Get::List-Cleanup=0"];
      await get(["update", ...only.flatMap((setting) => ["-o", setting])]);
    },
  };
}

/** apt.conf(5). Unsandboxed, because apt's own user cannot write to a folder that only root can see. */
function aptConfig(root: string, architecture: string): string {
  return [
    `Dir "${root}";`,
    `Dir::State::status "${join(root, "var/lib/dpkg/status")}";`,
    `APT::Architecture "${architecture}";`,
    `APT::Architectures { "${architecture}"; };`,
    `APT::Install-Recommends "0";`,
    `APT::Sandbox::User "root";`,
    `Acquire::Retries "3";`,
    `quiet "2";`,
    "",
  ].join("\n");
}
