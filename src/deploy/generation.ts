/** A closure in a host's store becomes its newest generation, with a boot entry: on a disk that is mounted here. */
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Closure } from "../closure/closure.ts";
import { diskFull } from "../closure/store/disk-full.ts";
import { type PlacedDisk, partitionDevice } from "../layout/gpt.ts";
import { run } from "../local/process.ts";
import { temporaryFolder } from "../local/resources.ts";
import { scriptError } from "../local/script-error.ts";
import { type EspPlace, type GenerationPlace, generationParameters, hostScript } from "../payload/host/generations.ts";
import { scriptParameters } from "../payload/initrd/pieces.ts";
import type { HostPlan } from "../plan/host.ts";
import { espMountpoint } from "../plan/loader.ts";

/** Where a host's disks are on this machine. */
export interface MountedHost {
  /** The folder that stands for its `/`. */
  readonly mountedAt: string;
  readonly disks: readonly PlacedDisk[];
  /** Mountpoints of filesystems that this kernel cannot mount. */
  readonly skipped: readonly string[];
  /** For the kernel, besides those of the closure. */
  readonly kernelParameters?: readonly string[];
}

/**
 * A host's closure, and a boot entry for it, on its mounted disk: by the script that the running host has for it too.
 * @throws UserError with what it said: what is damaged, full, or does not fit
 */
export async function installHost(
  plan: HostPlan,
  closure: Closure,
  host: MountedHost,
  onProgress: (step: string) => void = () => {},
): Promise<void> {
  await using folder = await temporaryFolder();
  const conf = join(folder.path, "place-host.conf");
  const own = placeParameters(plan, dirname(closure.folder), host.mountedAt, biosDisk(host)?.device ?? "");
  await writeFile(conf, generationParameters(plan, placeOf(plan, host)) + own);
  try {
    await run("sh", [hostScript("place-host"), "--conf", conf, closure.storePath], { group: true, onLine: onProgress });
  } catch (error) {
    throw diskFull(error, LARGER) ?? scriptError(error);
  }
}

/**
 * What place-host.sh takes besides what all scripts of generations do.
 * @param from the folder of the closure and its packages
 * @param root what stands for the host's `/`
 * @param disk the one that a BIOS boots from
 */
export function placeParameters({ wipe }: HostPlan, from: string, root: string, disk: string): string {
  return scriptParameters({ FROM: from, ROOT: root, KEEPS_ROOT: wipe === null ? "yes" : "", DISK: disk });
}

const LARGER =
  "use a larger disk, or a larger image with --size: a small host needs about 1 GB for each set of packages";

function placeOf(plan: HostPlan, host: MountedHost): GenerationPlace {
  const { mountedAt, disks, kernelParameters = [] } = host;
  const grub = biosDisk(host);
  const number = plan.loader.biosBoot?.number;
  return {
    nix: join(mountedAt, "nix"),
    esps: disks.flatMap((disk) => espPlaces(disk, host)),
    grub: grub === undefined || number === undefined ? null : partitionDevice(grub.device, number),
    kernelCommandLine: null,
    kernelParameters,
    disks: disks.map(({ device }) => device),
  };
}

/** The one that GRUB is on. */
function biosDisk({ disks }: MountedHost): PlacedDisk | undefined {
  return disks.find(({ layout }) => layout.partitions.some(({ type }) => type === "bios-boot"));
}

function espPlaces({ layout, device }: PlacedDisk, { mountedAt, skipped }: MountedHost): readonly EspPlace[] {
  return layout.partitions.flatMap((partition, index) =>
    espMountpoint(partition).map((mountpoint) =>
      skipped.includes(mountpoint)
        ? { kind: "unmounted", path: partitionDevice(device, index + 1) }
        : { kind: "folder", path: join(mountedAt, mountpoint) },
    ),
  );
}
