/** The commands as a shell script that does the same: what `--dry-run` prints. */
import type { DiskCommand } from "../layout/content-type.ts";
import { quoted } from "../machine/process.ts";

/** Stands for the loop device of an image, which is known only when it is attached. */
export const IMAGE_DEVICE = "@image0";

/** POSIX shell: each command below a comment that says what it does. */
export function diskScript(commands: readonly DiskCommand[]): string {
  return `${["set -eu", ...commands.flatMap(commandLines)].join("\n")}\n`;
}

/** The commands for an image's loop device, between attaching and detaching it. */
export function onLoopDevice(file: string, commands: readonly DiskCommand[]): readonly DiskCommand[] {
  return [
    {
      does: `make ${file} a block device`,
      program: `device=$(losetup --find --show --partscan -- ${quoted(file)})`,
      args: [],
    },
    ...commands,
    {
      does: "let go of the block device: it stays until nothing is mounted from it",
      program: "losetup",
      args: ["--detach", IMAGE_DEVICE],
    },
  ];
}

function commandLines({ does, program, args, input, passphrase }: DiskCommand): string[] {
  const line = [program, ...args.map(shellWord)].join(" ");
  if (passphrase !== undefined) {
    const read = `"$(cat -- ${quoted(passphrase.file)})"`;
    return [`# ${does}`, passphrase.as === "stdin" ? `printf %s ${read} | ${line}` : `PASSWORD=${read} ${line}`];
  }
  if (input === undefined) return [`# ${does}`, line];
  return [`# ${does}`, `${line} <<'END'`, ...input.trimEnd().split("\n"), "END"];
}

function shellWord(argument: string): string {
  if (!argument.startsWith(IMAGE_DEVICE)) return quoted(argument);
  const rest = argument.slice(IMAGE_DEVICE.length);
  return rest === "" ? '"$device"' : `"\${device}${rest}"`;
}
