/** The program as a person runs it: a process of its own. */
import { execFile } from "node:child_process";
import { join } from "node:path";

export const ROOT: string = join(import.meta.dirname, "..", "..");
export const NIXFLEET: string = join(ROOT, "bin", "nixfleet");
export const EXAMPLE: string = join(ROOT, "examples", "standalone", "fleet.ts");

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function nixfleet(args: readonly string[], cwd: string = ROOT): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(NIXFLEET, args, { cwd }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}
