/** `mv --exchange`, where this machine's coreutils are older than 9.5: hosts have it. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A PATH on which `mv` can exchange. @param folder for what this needs */
export function pathThatExchanges(folder: string): string {
  const path = process.env.PATH ?? "";
  if (spawnSync("mv", ["--help"], { encoding: "utf8" }).stdout.includes("--exchange")) return path;
  const bin = join(folder, "exchanging");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "mv"), MV);
  chmodSync(join(bin, "mv"), 0o755);
  return `${bin}:${path}`;
}

/** The very system call: renameat2(2) with RENAME_EXCHANGE. */
const MV = `#!/bin/sh
case $* in
  "--exchange -T -- "*) shift 3 ;;
  *) PATH=\${PATH#*:} exec mv "$@" ;;
esac
exec perl -MPOSIX -e 'my %number = (x86_64 => 316, aarch64 => 276);
  syscall($number{(POSIX::uname())[4]}, -100, $ARGV[0], -100, $ARGV[1], 2) == 0 or die "mv: $!\\n"' -- "$@"
`;
