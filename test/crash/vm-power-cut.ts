/** A host in QEMU whose power is cut at a random moment of its boot: what its disk has then, and the boot that goes on. */

import assert from "node:assert/strict";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildHost } from "../../src/deploy/build.ts";
import { imagesOf, provideImages } from "../../src/deploy/image.ts";
import { loadHost, planOf } from "../../src/deploy/load-fleet.ts";
import { machineOf } from "../../src/deploy/vm.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { wipeReport } from "../../src/payload/reports.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import type { Machine } from "../../src/vm/machine.ts";
import { MEMORY } from "./power-cut.ts";
import { type Random, seeded } from "./random.ts";
import { recorded } from "./recorded-device.ts";
import { afterPowerCut } from "./write-log.ts";

const BOOT_TIME = 300_000;

/**
 * Cuts the power `count` times, in the first seconds of a boot, and boots to the end after each.
 * What the guest has not flushed is lost, or any part of it: the disk is rebuilt from a record of its requests, so the
 * page cache of this machine does not help.
 * @throws Error that names the cut and the seed, with what was wrong as its cause
 */
export async function cutMachines(count: number, seed: number, say: (line: string) => void): Promise<void> {
  const random = seeded(seed);
  const { host, folder } = await loadHost(join(PACKAGE_ROOT, "examples", "standalone", "fleet.ts"), "standalone");
  const plan = planOf(host, folder);
  const closure = await buildHost(plan, { fleetFolder: folder });
  await using scratch = await temporaryFolder(MEMORY);
  const image = join(scratch.path, "disk");
  await provideImages({ plan, closure, images: imagesOf(plan, image, ["4G"]) });
  const start: Start = async (disk, until) => bootMachine(await machineOf(plan, closure, disk), until);
  let boots = 0;
  const bootToTheEnd = async () => {
    await using machine = await start(image, (started) => started.waitForSsh(BOOT_TIME));
    const { outcome } = wipeReport(await machine.ssh("cat /run/nixfleet/wipe.report"));
    assert.equal(outcome, "wiped");
    const [left, roots] = (await machine.ssh(boots === 0 ? FIRST : CHECK)).trim().split("\n");
    assert.equal(left, "gone");
    await machine.ssh(`echo ${boots} > /etc/undeclared; echo ${boots} > /var/lib/boot-counter/crash; sync`);
    boots += 1;
    return roots;
  };
  await bootToTheEnd();
  say(`NIXFLEET_SEED=${seed}`);
  for (let cut = 0; cut < count; cut++) {
    // Mostly while it wipes, which takes a second or two of emulation; also before and after.
    const moment = {
      line: random.chance(0.8) ? WIPE_BEGINS : KERNEL_BEGINS,
      milliseconds: random.below(random.chance(0.6) ? 3000 : 10_000),
    };
    try {
      const lost = await cutPower(start, scratch.path, image, moment, random);
      const roots = await bootToTheEnd();
      say(`cut ${cut}, ${shown(moment)}: ${lost}; booted to the end, ${roots} old roots`);
    } catch (cause) {
      throw new Error(`cut ${cut}, ${shown(moment)}, NIXFLEET_SEED=${seed}`, { cause });
    }
  }
}

/** So long after this line is on the console. */
interface Moment {
  readonly line: RegExp;
  readonly milliseconds: number;
}

const KERNEL_BEGINS = /Linux version/;
const WIPE_BEGINS = /Starting nixfleet-wipe/;

function shown({ line, milliseconds }: Moment): string {
  return `${milliseconds} ms after ${line}`;
}

type Start = (disk: string, until: (machine: Machine) => Promise<unknown>) => Promise<Machine>;

/** On the first boot, there is nothing to look for. */
const FIRST = "echo gone; echo 0";

/** What the previous boot left: what is declared is there, the rest is in an old root. */
const CHECK = [
  "set -eu",
  "test ! -e /etc/undeclared && echo gone",
  "last=$(cat /var/lib/boot-counter/crash)",
  "mount -o subvolid=5,ro /dev/disk/by-label/root /mnt",
  'grep -qx "$last" /mnt/old_roots/*/etc/undeclared',
  "test -d /mnt/@root && test ! -e /mnt/@root.new",
  "ls /mnt/old_roots | wc -l",
  "umount /mnt",
].join("\n");

/** Boots a copy until the moment; then what its disk has becomes the image. Returns how much was lost. */
async function cutPower(start: Start, scratch: string, image: string, moment: Moment, random: Random): Promise<string> {
  const copy = join(scratch, "copy");
  await run("cp", ["--sparse=always", image, copy]);
  const requests = await recorded(copy, scratch, async ({ file, cutPower: cut }) => {
    await using machine = await start(file, (started) => started.waitFor(moment.line, BOOT_TIME));
    await Promise.race([sleep(moment.milliseconds), machine.ended]);
    await cut();
    await machine.powerOff();
  });
  const leaves = random.chance(0.5) ? "some" : "none";
  // Earlier requests are as good a moment: what the guest wrote after it has then never been written.
  const made = random.chance(0.5) ? requests.length : random.below(requests.length + 1);
  const written = afterPowerCut(new Map(), requests, made, leaves, random);
  const file = openSync(image, "r+");
  for (const [block, data] of written) writeSync(file, data, 0, data.length, block * data.length);
  closeSync(file);
  const flushed = requests.slice(0, made).findLastIndex(({ kind }) => kind === "flush") + 1;
  return `after ${made} of ${requests.length} requests, ${made - flushed} of them not flushed: ${leaves} of these left`;
}
