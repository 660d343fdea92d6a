/** Ends a script before any of its commands, as a power cut would. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandError, run } from "../../src/local/process.ts";

/**
 * Runs a command and kills it, with all that it has started, before its call number `count` + 1 of these programs.
 * @param folder for what this needs
 * @returns whether it was ended so; `false`: it had come to its end
 */
export async function killedAfter(
  count: number,
  programs: readonly string[],
  folder: string,
  argv: readonly string[],
): Promise<boolean> {
  const left = join(folder, "left");
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  for (const program of programs) {
    await writeFile(
      join(bin, program),
      `#!/bin/sh\nread -r left <${left}\n[ "$left" -gt 0 ] || exec /bin/kill -KILL -- -"$(/usr/bin/ps -o pgid= -p $$ | tr -d ' ')"\necho $((left - 1)) >${left}\nPATH=\${PATH#*:} exec ${program} "$@"\n`,
      { mode: 0o755 },
    );
  }
  await writeFile(left, `${count}\n`);
  const path = `PATH=${bin}:${process.env.PATH}:/usr/sbin:/sbin`;
  return run("setsid", ["--wait", "env", path, ...argv]).then(
    () => false,
    (error: unknown) => {
      if (error instanceof CommandError) return true;
      throw error;
    },
  );
}
