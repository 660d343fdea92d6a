/** Debian's Nix, for what it can do without a network: parse, and evaluate strictly. It builds nothing. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

/** Why a test that needs Nix is skipped; `false` where there is one, as in CI. */
export const withoutNix: string | false =
  spawnSync("nix-instantiate", ["--version"]).status === 0
    ? false
    : "nix-instantiate is not installed: run `sh bin/setup machine`, or apt-get install nix-bin";

export const NIX_TESTS: string = join(PACKAGE_ROOT, "test", "nix");

export interface Nix extends AsyncDisposable {
  /** The value of an expression, evaluated to its depths. */
  readonly evaluate: (expression: string) => Promise<unknown>;
  readonly parse: (file: string) => Promise<void>;
  readonly flake: (args: readonly string[]) => Promise<string>;
  /** Where a path of the store is on this machine. */
  readonly real: (storePath: string) => string;
}

/** A Nix with a store of its own, which is gone at the end of the scope. */
export async function nix(): Promise<Nix> {
  const folder = await temporaryFolder();
  const store = join(folder.path, "store");
  const env = {
    HOME: folder.path,
    NIX_CONFIG: "build-users-group =\nexperimental-features = nix-command flakes\nflake-registry =\n",
  };
  const instantiate = (args: readonly string[]) => run("nix-instantiate", ["--store", store, ...args], { env });
  return {
    evaluate: async (expression) =>
      JSON.parse(await instantiate(["--eval", "--strict", "--json", "--read-write-mode", "--expr", expression])),
    parse: async (file) => void (await instantiate(["--parse", file])),
    flake: (args) => run("nix", ["--store", store, "--offline", ...args], { env }),
    real: (storePath) => join(store, storePath),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
