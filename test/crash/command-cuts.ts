/** A command of a host that looks at roots, its disk recorded, and the host as a power cut during it leaves it. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/local/process.ts";
import { mounted, temporaryFolder } from "../../src/local/resources.ts";
import { type AuditedHost, auditedHost, type Declares, hostOn } from "../btrfs/audited-host.ts";
import { checkFilesystem, released, releasedLoopDevice } from "../btrfs/released.ts";
import { committing } from "./committing.ts";
import { chooseCuts } from "./cuts.ts";
import { MEMORY } from "./power-cut.ts";
import { seeded } from "./random.ts";
import { recorded } from "./recorded-device.ts";
import { afterPowerCut, readBlocks, writeBlocks } from "./write-log.ts";

export type Host = Omit<AuditedHost, typeof Symbol.asyncDispose>;

export interface CommandScenario {
  readonly name: string;
  readonly declares: Declares;
  readonly arrange: (host: Host) => Promise<void>;
  /** Returns when the command has said that it is done. */
  readonly act: (host: Host) => Promise<void>;
  /** `said`: the power was cut after the command had said that it is done. */
  readonly check: (host: Host, said: boolean, random: number) => Promise<void>;
}

const MEGABYTES = 144;
/** As in power-cut.ts: btrfs commits at the end, or at any time. */
export const COMMAND_COMMITS = ["by itself", "all the time"] as const;

/** @throws Error that names the cut and the seed, with what was lost as its cause */
export async function tryCommandCuts(
  scenario: CommandScenario,
  commits: (typeof COMMAND_COMMITS)[number],
  count: number,
  seed: number,
) {
  await using folder = await temporaryFolder(MEMORY);
  const image = join(folder.path, "image");
  const size = MEGABYTES * 2 ** 20;
  const { second } = scenario.declares;
  let base: ReturnType<typeof readBlocks>;
  let device = "";
  {
    await using host = await auditedHost({ ...scenario.declares, megabytes: MEGABYTES });
    await scenario.arrange(host);
    await run("sync", ["-f", host.fs.top]);
    base = readBlocks(join(host.fs.scratch, "disk/image"));
    device = host.fs.device;
  }
  await released(device); // the copies are the same filesystem
  writeBlocks(base, image, size);
  let until = 0;
  const requests = await recorded(image, folder.path, async (disk) => {
    await on(disk.file, folder.path, second, async (host) => {
      await using _ = commits === "by itself" ? null : committing(host.fs.top);
      await scenario.act(host);
      until = disk.requests();
    });
  });
  // What comes after is of the unmounting, but for the one point at which the command has just said that it is done.
  const during = requests.slice(0, until);
  const all = chooseCuts({ requests: during }, 3 * count, seeded(seed));
  const every = Math.ceil(all.length / count);
  const some = all.filter((_, index) => index % every === seed % every);
  const cuts = [...some, { count: until, leaves: "none" as const }];
  for (const [index, cut] of cuts.entries()) {
    try {
      writeBlocks(afterPowerCut(base, during, cut.count, cut.leaves, seeded(seed + index)), image, size);
      if (index % 5 === 0) {
        await using loop = await releasedLoopDevice(image);
        await checkFilesystem(loop.device);
      }
      await on(image, folder.path, second, (host) => scenario.check(host, cut.count === until, seed + index));
    } catch (cause) {
      const where = `cut ${index}, after ${cut.count} of ${until} requests, ${cut.leaves} of the unflushed left`;
      throw new Error(`${scenario.name}, committed ${commits}: ${where}; NIXFLEET_SEED=${seed}`, { cause });
    }
  }
  return { requests: until, cuts: cuts.length };
}

let uses = 0;

async function on(file: string, parent: string, second: boolean | undefined, use: (host: Host) => Promise<void>) {
  await using stack = new AsyncDisposableStack();
  const scratch = join(parent, `host-${uses++}`);
  const folder = (name: string) => {
    mkdirSync(join(scratch, name), { recursive: true });
    return join(scratch, name);
  };
  const { device } = stack.use(await releasedLoopDevice(file));
  stack.defer(() => released(device));
  stack.use(await mounted(device, folder("top"), ["subvolid=5"]));
  const fs = { device, top: folder("top"), mountpoint: folder("mountpoint"), scratch };
  const host = await hostOn(fs, stack, second);
  // A cut of the wipe may leave none.
  if (existsSync(join(fs.top, "@root"))) await host.mountRoots();
  await use(host);
}
