/** `nixfleet plan HOST` */
import { contentType } from "../layout/content.ts";
import type { DiskLayout } from "../layout/gpt.ts";
import { formatSize } from "../layout/size.ts";
import type { HostPlan } from "../plan/host.ts";
import { loadHost, planOf } from "./load-fleet.ts";
import { print, printJson, table } from "./output.ts";

export async function plan(file: string, name: string, { json }: { json?: boolean }): Promise<void> {
  const { host, folder } = await loadHost(file, name);
  const whole = planOf(host, folder);
  if (json) printJson(whole);
  else print([persists(whole), wipes(whole), ...whole.disk.disks.map(diskText)].join("\n\n"));
}

function persists({ hostName, persistence }: HostPlan): string {
  const rows = persistence.entries.map((entry) => [
    entry.kind === "directory" ? `${entry.path}/` : entry.path,
    entry.persistRoot,
    entry.how,
    `${entry.user}:${entry.group}`,
    entry.mode,
    entry.purpose,
    entry.declaredAt.join(", "),
  ]);
  return `${hostName} persists\n\n${table(["path", "on", "how", "owner", "mode", "for", "declared at"], rows)}`;
}

function wipes({ wipe }: HostPlan): string {
  if (wipe === null) return "Its root stays: nixfleet.impermanence.enable is false.";
  const days = `${wipe.retentionDays} day${wipe.retentionDays === 1 ? "" : "s"}`;
  return [
    `On every boot @root of the filesystem ${wipe.label} becomes old_roots/<time>, and a fresh one is made.`,
    `Old roots are deleted ${days} after that, but never the newest ${wipe.keepNewest}.`,
    wipe.onFailure === "boot"
      ? "If that fails, the previous root is booted, and the console says so."
      : "If that fails, the host halts.",
  ].join("\n");
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
