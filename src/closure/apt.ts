/** An apt of our own: the indexes of a suite in a temporary folder, without touching the builder's apt. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, run } from "../machine/process.ts";
import { UserError } from "../modules/errors.ts";
import type { PackageRequest } from "./lock.ts";
import { repositoryLine } from "./repository.ts";

export interface Apt {
  /** Runs `apt-get`. */
  get(args: readonly string[], cwd?: string): Promise<string>;
  /** Runs `apt-cache`. */
  cache(args: readonly string[]): Promise<string>;
  /** Lets it find the packages of a flat repository on this machine too. */
  addRepository(folder: string): Promise<void>;
}

/**
 * Downloads the indexes of the request's archive, which apt verifies, into `folder`. mmdebstrap sets it up, because it
 * knows the default archive and the keys of each suite.
 * @throws UserError when the archive cannot be reached or does not have the suite
 */
export async function openApt(request: PackageRequest, folder: string): Promise<Apt> {
  const root = join(folder, "apt");
  const options = ["--variant=custom", "--mode=root", "--format=directory", "--quiet"];
  const skip = "--skip=cleanup/apt,check/qemu";
  try {
    await run("mmdebstrap", [
      ...options,
      skip,
      `--architectures=${request.architecture}`,
      request.suite,
      root,
      ...request.archive,
    ]);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new UserError(`the package indexes of ${request.suite} could not be downloaded`, [
      `from: ${request.archive.length > 0 ? request.archive.join(" | ") : "mmdebstrap's default archive for the suite"}`,
      "check the network, the name of the suite, and the archive option of the packages",
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
    addRepository: async (repository) => {
      const list = join(root, "etc/apt/sources.list.d/local.list");
      await mkdir(join(root, "etc/apt/sources.list.d"), { recursive: true });
      await writeFile(list, `${repositoryLine(repository)}\n`);
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
