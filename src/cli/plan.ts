/** `nixfleet plan HOST` */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findHost } from "../deploy/build.ts";
import { loadHost, planOf } from "../deploy/load-fleet.ts";
import { describedClosure } from "../deploy/running.ts";
import { contentType } from "../layout/content.ts";
import type { DiskLayout } from "../layout/gpt.ts";
import { formatSize } from "../layout/size.ts";
import type { HostPlan } from "../plan/host.ts";
import type { PersistenceEntry } from "../plan/persistence-plan.ts";
import { print, printJson, table, wrapped } from "./output.ts";

export async function plan(file: string, name: string, { json }: { json?: boolean }): Promise<void> {
  const { host, folder } = await loadHost(file, name);
  const declared = planOf(host, folder);
  const owners = await ownersInClosure(declared, folder);
  const whole = owners === null ? declared : withOwners(declared, owners);
  if (json) printJson(whole);
  else {
    const isUnknown = owners === null && declared.persistence.entries.some(({ assumed }) => assumed.length > 0);
    const note = isUnknown
      ? [wrapped(`${UNKNOWN} The packages may say otherwise: nixfleet build ${name}, and this shows it.`)]
      : [];
    print([persists(whole, owners === null), ...note, wipes(whole), ...whole.disk.disks.map(diskText)].join("\n\n"));
  }
}

/** After an owner or a mode that nobody has declared. */
const UNKNOWN = "*";

type Owners = ReadonlyMap<string, Pick<PersistenceEntry, "user" | "group" | "mode">>;

/** Of the entries, as the packages ship what is there; `null`: the host is not built as it is declared now. */
async function ownersInClosure(plan: HostPlan, fleetFolder: string): Promise<Owners | null> {
  const closure = await findHost(plan, { fleetFolder });
  if (closure === null) return null;
  const own = (name: string) => readFileSync(join(closure.folder, name), "utf8");
  const { entries } = describedClosure(closure.storePath, own("plan.json"), own("manifest.json"));
  return new Map(entries.map(({ path, user, group, mode }) => [path, { user, group, mode }]));
}

function withOwners(plan: HostPlan, owners: Owners): HostPlan {
  const entries = plan.persistence.entries.map((entry) => ({ ...entry, ...owners.get(entry.path) }));
  return { ...plan, persistence: { ...plan.persistence, entries } };
}

function persists({ hostName, persistence }: HostPlan, marksAssumed: boolean): string {
  const mark = (entry: PersistenceEntry, ...fields: readonly ("user" | "group" | "mode")[]) =>
    marksAssumed && fields.some((field) => entry.assumed.includes(field)) ? UNKNOWN : "";
  const rows = persistence.entries.map((entry) => [
    entry.kind === "directory" ? `${entry.path}/` : entry.path,
    entry.persistRoot,
    entry.how,
    `${entry.user}:${entry.group}${mark(entry, "user", "group")}`,
    `${entry.mode}${mark(entry, "mode")}`,
    entry.purpose,
    entry.declaredAt.join(", "),
  ]);
  const entries = table(["path", "on", "how", "owner", "mode", "for", "declared at"], rows);
  const told = persistence.roots.filter(({ path, name, purpose }) => name !== path || purpose !== "");
  if (told.length === 0) return `${hostName} persists\n\n${entries}`;
  const roots = table(
    ["persist root", "name", "for"],
    told.map(({ path, name, purpose }) => [path, name, purpose]),
  );
  return `${hostName} persists\n\n${entries}\n\n${roots}`;
}

function wipes({ wipe }: HostPlan): string {
  if (wipe === null) return "Its root is not ephemeral: nixfleet.impermanence.enable is false.";
  const days = `${wipe.retentionDays} day${wipe.retentionDays === 1 ? "" : "s"}`;
  return [
    `On every boot ${wipe.subvolume} of the filesystem ${wipe.label} becomes old_roots/<time>, and a fresh one is made.`,
    `Old roots are deleted after ${days}, except the newest ${wipe.keepNewest}.`,
    wipe.onFailure === "boot"
      ? "If that fails, the host boots the previous root and says so on the console."
      : "If that fails, the host halts.",
  ]
    .map(wrapped)
    .join("\n");
}

function diskText({ name, device, partitions }: DiskLayout): string {
  const rows = partitions.flatMap(({ name: partition, type, size, content }) => {
    const described = content === null ? [] : contentType(content).describe(content);
    const [first = { holds: type, mountpoint: "", options: [] }, ...more] = described;
    return [first, ...more].map(({ holds, mountpoint, options }, index) => [
      ...(index === 0 ? [partition, size === null ? "the rest" : formatSize(size)] : ["", ""]),
      ...[holds, mountpoint, options.join(",")],
    ]);
  });
  return `Disk ${name} is ${device}\n\n${table(["partition", "size", "holds", "mounted at", "options"], rows)}`;
}
