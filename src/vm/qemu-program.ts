/** The QEMU that runs machines: this machine's own if it is new enough, else a newer one, kept in the cache. */

import { UserError } from "../errors.ts";
import { run } from "../local/process.ts";
import { isRoot } from "../local/root.ts";
import type { Platform } from "../plan/host.ts";
import { keptTree, makeTree, type QemuTree } from "./qemu-tree.ts";

export interface QemuProgram {
  /** What starts it, before its own arguments. */
  readonly command: readonly [string, ...string[]];
  /** The first part of its version. */
  readonly version: number;
  /** The folder that its firmware's packages are installed below: `/usr/share` */
  readonly share: string;
}

/**
 * The oldest that runs an emulated guest well: of QEMU 7.2 now and then one of several processors stops for a minute,
 * guests that have the instruction cmpxchg16b panic, and a boot takes twice as long.
 */
export const DEPENDABLE_VERSION = 10;

const programs = new Map<Platform, Promise<QemuProgram>>();

/**
 * Finds it, once in a process.
 * @throws UserError where there is none and none can be brought
 */
export function qemuProgram(platform: Platform): Promise<QemuProgram> {
  const known = programs.get(platform);
  if (known !== undefined) return known;
  const program = findProgram(platform);
  programs.set(platform, program);
  return program;
}

async function findProgram(platform: Platform): Promise<QemuProgram> {
  const { program, debianPackage, firmware } = PROGRAMS[platform];
  const packages = [debianPackage, ...firmware];
  const own = await described([program], "/usr/share").catch(() => null);
  if (own !== null && own.version >= DEPENDABLE_VERSION) return own;
  const tree = (await keptTree(packages)) ?? (isRoot() ? await makeTree(packages) : null);
  if (tree !== null) return described(commandIn(tree, program), tree.share);
  if (own !== null) return own;
  throw new UserError(`QEMU is missing, so ${platform} machines cannot run`, [
    "run the command as root once to download QEMU into root's cache",
    `or install it: apt-get install ${packages.join(" ")}`,
  ]);
}

const PROGRAMS = {
  "x86_64-linux": { program: "qemu-system-x86_64", debianPackage: "qemu-system-x86", firmware: ["ovmf", "seabios"] },
  "aarch64-linux": { program: "qemu-system-aarch64", debianPackage: "qemu-system-arm", firmware: ["qemu-efi-aarch64"] },
} as const;

async function described(command: QemuProgram["command"], share: string): Promise<QemuProgram> {
  const [program, ...args] = command;
  const said = await run(program, [...args, "--version"]);
  const version = /version (\d+)\./.exec(said)?.[1];
  if (version === undefined) throw new UserError(`${program} does not say its version`, said.split("\n"));
  return { command, version: Number(version), share };
}

/** Nothing in the tree is installed: its own loader starts the program, with its own libraries and data. */
function commandIn({ loader, libraries, programs, share }: QemuTree, program: string): QemuProgram["command"] {
  const data = ["qemu", "seabios"].flatMap((folder) => ["-L", `${share}/${folder}`]);
  return [loader, "--library-path", libraries, `${programs}/${program}`, ...data];
}
