/** How disks are partitioned, formatted and mounted. */

import type { DiskLayout, PartitionLayout } from "../layout/gpt.ts";
import { nodevFilesystems } from "../layout/nodev.ts";
import { parseAligned } from "../layout/size.ts";
import { dotted } from "../modules/path.ts";
import type { SystemConfig } from "../system/options.ts";
import type { DiskPlan } from "./disk-plan.ts";
import { diskProblems } from "./disk-problems.ts";
import type { DiskProblem, Subject } from "./layout-problems.ts";
import { joinMembers } from "./members.ts";
import { partitionLayouts } from "./partitions.ts";
import { attempt, type PlanProblem } from "./problem.ts";
import { declaredVolumes, joinVolumes } from "./volumes.ts";

export type { DiskLayout, PartitionLayout };

type DeclaredDisks = SystemConfig["disko"]["devices"]["disk"];
type DeclaredDisk = DeclaredDisks[string];

/** The disks of a configuration, their partitions in the order in which they are made; `undefined` where some cannot be. */
export function diskPlan(config: SystemConfig, problems: PlanProblem[]): DiskPlan | undefined {
  const { devices } = config.disko;
  // Values are checked when they are read: so all are read before any part is planned.
  if (attempt(problems, () => JSON.stringify(devices)) === undefined) return undefined;
  const declared = devices.disk;
  const layouts: PlanProblem[] = [];
  const { hostName } = config.hostSpec;
  const volumes = declaredVolumes(hostName, devices.mdadm, devices.lvm_vg, layouts);
  const disks = Object.entries(declared).map(([name, disk]) => diskLayout(hostName, name, disk, layouts));
  // Without all of them nothing can be said of what stands on several.
  if (layouts.length > 0) {
    problems.push(...layouts);
    return undefined;
  }
  const plan = {
    disks: joinMembers(joinVolumes(disks, volumes, layouts)),
    nodev: nodevFilesystems(devices.nodev),
  };
  problems.push(...layouts);
  if (layouts.length > 0) return undefined;
  // Commands that boot a host without disks say so themselves.
  const wrong = plan.disks.length === 0 ? [] : diskProblems(plan, { kernel: config.boot.kernelPackage });
  problems.push(...wrong.map((problem) => withPlaces(problem, declared)));
  return plan;
}

function diskLayout(host: string, name: string, disk: DeclaredDisk, problems: PlanProblem[]): DiskLayout {
  const isMbr = disk.content.type === "table" && disk.content.format === "msdos";
  const table = { path: ["disko", "devices", "disk", name, "content"], id: `${host} ${name}`, isMbr };
  const partitions = partitionLayouts(table, disk.content.partitions, problems);
  const imageSize = disk.imageSize === null ? null : parseAligned(disk.imageSize);
  return { name, device: disk.device, imageSize, ...(isMbr ? { table: "dos" as const } : {}), partitions };
}

function withPlaces(problem: DiskProblem, disks: DeclaredDisks): PlanProblem {
  const { what, fix, subjects, option, at, declaredAt = [] } = problem;
  if (at !== undefined) {
    const path = [at.path, option ?? ""].filter((part) => part !== "").join(".");
    return { what: `${path}: ${what}`, at: at.declaredAt, fix };
  }
  const places = new Set([...declaredAt, ...subjects.flatMap((subject) => placesOf(subject, disks))]);
  const [subject] = subjects;
  const where = option === undefined || subject === undefined ? "" : `${optionOf(subject, option, disks)}: `;
  return { what: `${where}${what}`, at: [...places], fix };
}

/** As `disko.devices.disk.main.content.partitions.root.size`. */
function optionOf({ disk, partition }: Subject, option: string, disks: DeclaredDisks): string {
  const key = partition === undefined ? undefined : declaredPartitions(disks[disk], partition)[0]?.[0];
  return [pathOf(disk, key), option].filter((part) => part !== "").join(".");
}

function pathOf(disk: string, partition: string | undefined): string {
  return dotted([
    "disko",
    "devices",
    "disk",
    disk,
    ...(partition === undefined ? [] : ["content", "partitions", partition]),
  ]);
}

/** Where it is declared. */
function placesOf({ disk: name, partition }: Subject, disks: DeclaredDisks): readonly string[] {
  const disk = disks[name];
  if (disk === undefined) return [];
  if (partition === undefined) return disk.declaredAt;
  return declaredPartitions(disk, partition).flatMap(([, { declaredAt }]) => declaredAt);
}

/** A partition is found by its name in the table, which need not be its key. */
function declaredPartitions(disk: DeclaredDisk | undefined, partition: string) {
  return Object.entries(disk?.content.partitions ?? {}).filter(
    ([key, { label, name }]) => (label ?? name ?? key) === partition,
  );
}
