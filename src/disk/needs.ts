/** What a layout needs from the machine that formats and opens it: programs, and parts of its kernel. */
import { readFile } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { layers } from "../layout/content.ts";
import type { DiskLayout } from "../layout/gpt.ts";
import { never } from "../local/interruption.ts";
import { run } from "../local/process.ts";

interface Need {
  readonly program: string;
  /** Debian's. */
  readonly package: string;
  /** `null`: none beyond what every kernel has. */
  readonly driver: Driver | null;
}

interface Driver {
  /** For people. */
  readonly name: string;
  readonly module: string;
  /** Where the kernel says that it has it, and how. */
  readonly list: string;
  readonly line: RegExp;
}

const MAPPER: Driver = { name: "device mapper", module: "dm_mod", list: "/proc/misc", line: /\bdevice-mapper$/m };
const ARRAYS: Driver = { name: "RAID driver", module: "md_mod", list: "/proc/devices", line: /\bmd$/m };

/** Each once. */
export function needsOf(layouts: readonly DiskLayout[]): readonly Need[] {
  const contents = layouts.flatMap(({ partitions }) => partitions.flatMap(({ content }) => layers(content)));
  const opens = contents.some((one) => one.kind === "luks" && one.content !== null);
  return [
    ...(contents.some(({ kind }) => kind === "array") ? [{ program: "mdadm", package: "mdadm", driver: ARRAYS }] : []),
    ...(contents.some(({ kind }) => kind === "group")
      ? [{ program: "vgcreate", package: "lvm2", driver: MAPPER }]
      : []),
    ...(contents.some(({ kind }) => kind === "luks")
      ? [{ program: "cryptsetup", package: "cryptsetup-bin", driver: opens ? MAPPER : null }]
      : []),
  ];
}

/** @throws UserError where something is missing that formatting would find out when the disk is erased */
export async function refuseUnable(layouts: readonly DiskLayout[]): Promise<void> {
  for (const { program, package: from, driver } of needsOf(layouts)) {
    const found = await run("sh", ["-c", 'command -v "$0"', program], { signal: never }).catch(() => null);
    if (found === null) throw new UserError(`${program} is not installed`, [`install the package ${from}`]);
    if (driver === null || (await isThere(driver))) continue;
    await run("modprobe", ["--quiet", driver.module], { signal: never }).catch(() => {}); // no such module, or no modprobe
    if (await isThere(driver)) continue;
    throw new UserError(`this machine's kernel has no ${driver.name}, which the layout needs`, [
      `format it on a machine whose kernel has one; to check: modprobe ${driver.module}`,
    ]);
  }
}

async function isThere({ list, line }: Driver): Promise<boolean> {
  return line.test(await readFile(list, "utf8").catch(() => ""));
}
