/** What a host's initrd, and what goes on with its work later, are made of: this folder's files, as far as the plan needs them. */
import { isWithin } from "../../paths.ts";
import { entriesList, FRESH_MARK, PLACED_LIST, UNSETTLED_MARK } from "../../plan/activation.ts";
import { type MadeFilePlan, symlink, textFile } from "../../plan/file-plan.ts";
import type { HostPlan } from "../../plan/host.ts";
import { disksFiles, installerRules, membersFiles, ownDisksRules } from "./disk-files.ts";
import { mountAt, mountFiles } from "./mounts.ts";
import { conf, relation, scripts, UNITS, unitFile } from "./pieces.ts";
import { arrayEvents, earlyVolumesFiles, volumeRules } from "./volume-files.ts";
import { pruneFiles, wipeFiles } from "./wipe-files.ts";

/** Units, scripts and their parameters, by absolute path in the initrd. @throws UserError for a plan that cannot boot */
export function initrdFiles(plan: HostPlan): readonly MadeFilePlan[] {
  return [
    ...scripts(
      "/usr/lib/nixfleet",
      "report.sh",
      "ids.sh",
      "shipped.sh",
      "links.sh",
      "managed.sh",
      "carrying.sh",
      "lasting-root.sh",
      "carry-over.sh",
      "activate.sh",
    ),
    conf("/etc/nixfleet/activate.conf", {
      MACHINE_ID: machineIdSource(plan),
      ID_MAPS: sourceOf(plan, "/var/lib/nixos"),
      ROOTS: folderRoots(plan).join("\n"),
      KEYS: plan.persistence.keys.map(({ user, path }) => `${user} ${path}`).join("\n"),
      ROOT_DEVICE: plan.wipe === null ? "" : (mountAt(plan, "/")?.device ?? ""),
      STATE: `${plan.persistence.persistRoot}/.nixfleet`,
    }),
    unitFile("nixfleet-activate.service"),
    // What these begin once the root is there must find it complete, and must not begin without.
    ...["initrd-fs.target", "initrd-parse-etc.service", "initrd-cleanup.service"].map((unit) =>
      relation(unit, "requires", "nixfleet-activate.service"),
    ),
    ...plan.boot.mounts.filter(({ mountpoint }) => mountpoint !== "/").flatMap(mountFiles),
    ...(plan.boot.initrdKernelModules.length === 0
      ? []
      : [textFile("/etc/modules-load.d/nixfleet.conf", plan.boot.initrdKernelModules)]),
    ...(plan.boot.crypttab.length === 0 ? [] : [textFile("/etc/crypttab", plan.boot.crypttab)]),
    ...wipeFiles(plan),
    ...disksFiles(plan),
    ...membersFiles(plan, true),
    ...earlyVolumesFiles(plan),
    ...volumeRules(plan),
    ...installerRules(plan),
    ...ownDisksRules(),
    ...emergencyFiles(),
    ...emergencyAccess(plan),
  ];
}

/** For the pristine root: what goes on with the work on the running host. Paths on the host. */
export function continuationFiles(plan: HostPlan): readonly MadeFilePlan[] {
  return [
    ...scripts("/etc/nixfleet", "report.sh"),
    ...pruneFiles(plan),
    ...membersFiles(plan, false),
    ...volumeRules(plan),
    ...arrayEvents(plan),
    ...machineIdFiles(plan),
    ...carryOverFiles(plan),
    ...installerRules(plan),
    ...ownDisksRules(),
    ...emergencyFiles(),
  ];
}

/** What a root says of itself, to its own activation and to that of the next root. */
function carryOverFiles({ persistence, wipe }: HostPlan): readonly MadeFilePlan[] {
  const file = (path: string, text: string): MadeFilePlan => ({ kind: "text", path, text, mode: "0644" });
  const placed = file(PLACED_LIST, entriesList(persistence.entries));
  return wipe === null ? [placed] : [placed, file(FRESH_MARK, ""), file(UNSETTLED_MARK, "")];
}

/** A boot that has stopped says why, and goes on to another generation where it may: in the initrd and later. */
function emergencyFiles(): readonly MadeFilePlan[] {
  return [
    ...scripts("/etc/nixfleet", "emergency.sh"),
    ...["nixfleet-cause.service", "nixfleet-retry.service"].flatMap((unit) => [
      unitFile(unit),
      relation("emergency.target", "wants", unit),
    ]),
  ];
}

/** The owner's way in. Without one root is locked, in the initrd too. */
function emergencyAccess({ boot }: HostPlan): readonly MadeFilePlan[] {
  switch (boot.emergencyAccess) {
    case false:
      return [];
    case true:
      return [textFile("/etc/cmdline.d/90-nixfleet.conf", ["SYSTEMD_SULOGIN_FORCE=1"])];
    default:
      return [textFile("/etc/shadow", [`root:${boot.emergencyAccess}:20000::::::`], "0600")];
  }
}

/** A unit of Debian's takes a bound /etc/machine-id for a temporary one, and would fail. */
function machineIdFiles(plan: HostPlan): readonly MadeFilePlan[] {
  return machineIdSource(plan) === "" ? [] : [symlink(`${UNITS}/systemd-machine-id-commit.service`, "/dev/null")];
}

/** Persist roots at which nothing is mounted: they are folders of what is. */
function folderRoots({ persistence, boot, wipe }: HostPlan): string[] {
  const roots = [...(wipe === null ? [] : [persistence.persistRoot]), ...persistence.roots.map(({ path }) => path)];
  return [...new Set(roots)].filter((path) => boot.mounts.every(({ mountpoint }) => mountpoint !== path)).sort();
}

/** Empty where it is not persisted. */
function machineIdSource({ persistence }: HostPlan): string {
  return persistence.entries.find(({ path }) => path === "/etc/machine-id")?.source ?? "";
}

/** Where a path below an entry has its data; empty where it is not persisted. */
function sourceOf({ persistence }: HostPlan, path: string): string {
  const entry = persistence.entries.findLast((one) => isWithin(path, one.path));
  return entry === undefined ? "" : `${entry.persistRoot}${path}`;
}
