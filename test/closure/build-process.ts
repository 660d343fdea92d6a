/** Builds the small host in a process of its own: what a second build on another day, or a killed one, looks like. */
import { type ChildProcess, spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { join, relative } from "node:path";
import { asRootOfNamespace } from "../../src/cli/as-root.ts";
import { type BuildOptions, buildClosure, type Closure } from "../../src/closure/closure.ts";
import { UserError } from "../../src/errors.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import { NO_ACTIVATION, SMALL_HOST } from "./host-plan.ts";

export interface BuildRequest extends BuildOptions {
  readonly change?: Partial<HostPlan>;
}

export interface BuildResult {
  readonly closure: Closure | null;
  /** What the user sees when there is none. */
  readonly error: string;
}

/**
 * @param around a program and its arguments that is to run the build, such as `unshare --net`
 * @param project where that finds this project, if elsewhere
 */
export function startBuild(
  request: BuildRequest,
  around: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  project = PACKAGE_ROOT,
): { readonly child: ChildProcess; readonly result: Promise<BuildResult> } {
  const there = (path: string) => {
    const within = relative(PACKAGE_ROOT, realpathSync(path));
    return within.startsWith("..") ? path : join(project, within);
  };
  const argv = [...around, there(process.execPath), there(import.meta.filename), JSON.stringify(request)];
  const child = spawn(argv[0] ?? "", argv.slice(1), {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const result = new Promise<BuildResult>((resolve) => {
    child.on("close", () =>
      resolve({
        closure: stdout === "" ? null : JSON.parse(stdout),
        error: stderr,
      }),
    );
  });
  return { child, result };
}

export function build(
  request: BuildRequest,
  around: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  project = PACKAGE_ROOT,
): Promise<BuildResult> {
  return startBuild(request, around, env, project).result;
}

if (import.meta.main) {
  const { change, ...options }: BuildRequest = JSON.parse(process.argv[2] ?? "{}");
  try {
    await asRootOfNamespace();
    console.log(JSON.stringify(await buildClosure({ ...SMALL_HOST, ...change }, NO_ACTIVATION, options)));
  } catch (error) {
    console.error(error instanceof UserError ? error.text : error);
    process.exitCode = 1;
  }
}
