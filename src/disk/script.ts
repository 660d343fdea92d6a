/** The commands as a shell script that does the same: what `--dry-run` prints. */
import type { DiskCommand } from "../layout/content-type.ts";
import { SCRIPT_DEVICE, SCRIPT_DEVICES, SCRIPT_PARTITION } from "../layout/gpt.ts";
import { quoted } from "../local/process.ts";

/** POSIX shell: each command below a comment that says what it does. */
export function diskScript(commands: readonly DiskCommand[]): string {
  const names = [...new Set(commands.flatMap(({ passphrase }) => (passphrase?.file === null ? [passphrase.of] : [])))];
  const lines = [...names.flatMap(askingLines), ...commands.flatMap((command) => commandLines(command, names))];
  return `${["set -eu", ...lines].join("\n")}\n`;
}

/** Before anything is written, and twice: a disk is lost to who mistyped its passphrase. */
function askingLines(name: string, index: number): string[] {
  const variable = `passphrase${index + 1}`;
  const ask = (question: string, into: string) => `printf %s ${quoted(question)} >&2; IFS= read -r ${into}; echo >&2`;
  return [
    `# ask for the passphrase of ${name}`,
    "[ ! -t 0 ] || stty -echo",
    ask(`Passphrase for ${name}: `, variable),
    ask(`The passphrase for ${name} again: `, "again"),
    "[ ! -t 0 ] || stty echo",
    `[ -n "$${variable}" ] && [ "$${variable}" = "$again" ] || { echo ${quoted("the passphrases differ or are empty")} >&2; exit 1; }`,
  ];
}

/** The commands for an image's loop device, between attaching and detaching it. */
export function onLoopDevice(file: string, commands: readonly DiskCommand[]): readonly DiskCommand[] {
  return [
    {
      does: `make ${file} a block device`,
      program: `device=$(losetup --find --show --partscan -- ${quoted(file)})`,
      args: [],
    },
    { does: "its partitions are called like this, and a number", program: 'partition="$device"p', args: [] },
    ...commands,
    {
      does: "detach the block device, once nothing is mounted from it",
      program: "losetup",
      args: ["--detach", SCRIPT_DEVICE],
    },
  ];
}

function commandLines({ does, program, args, input, passphrase }: DiskCommand, asked: readonly string[]): string[] {
  const line = [program, ...args.map(shellWord)].join(" ");
  if (passphrase !== undefined) {
    const { file, of } = passphrase;
    const read = file === null ? `"$passphrase${asked.indexOf(of) + 1}"` : `"$(cat -- ${quoted(file)})"`;
    return [`# ${does}`, passphrase.as === "stdin" ? `printf %s ${read} | ${line}` : `PASSWORD=${read} ${line}`];
  }
  if (input === undefined) return [`# ${does}`, line];
  return [`# ${does}`, `${line} <<'END'`, ...input.trimEnd().split("\n"), "END"];
}

function shellWord(argument: string): string {
  if (argument === SCRIPT_DEVICE) return '"$device"';
  if (argument.startsWith(SCRIPT_PARTITION)) return `"\${partition}${argument.slice(SCRIPT_PARTITION.length)}"`;
  // One of several may stand in an option of mount: device=/dev/vdb2.
  const words = argument.split(SCRIPT_DEVICES).map((part, index) => {
    const [number = "", partition] = index % 2 === 0 ? [] : part.split("p");
    if (number === "") return part === "" ? "" : quoted(part);
    return partition === undefined ? `"$device${number}"` : `"\${partition${number}}${partition}"`;
  });
  return words.join("") || quoted("");
}
