/** What a host's closure tells its agent: /etc/nixfleet-agent/settings.json, which src/scopes/fleet/agent.ts writes. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { machineName, tags } from "../wire/names.ts";

const seconds = z.number().int().positive();
const common = {
  name: z.string().min(1).max(100),
  /** How often it is asked, and how long it may take. */
  interval: seconds,
  timeout: seconds,
  /** It fails when it has failed so many times, one after the other. */
  failures: z.number().int().positive(),
};

export const checkSchema = z.discriminatedUnion("kind", [
  /** The unit is active. */
  z.strictObject({ kind: z.literal("systemd"), ...common, unit: z.string() }),
  z.strictObject({ kind: z.literal("http"), ...common, url: z.url(), status: z.number().int() }),
  /** Somebody listens. */
  z.strictObject({ kind: z.literal("tcp"), ...common, host: z.string(), port: z.number().int() }),
  /** The program ends with exit code 0. */
  z.strictObject({ kind: z.literal("exec"), ...common, command: z.array(z.string()).min(1) }),
]);

const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/);

export const settingsSchema = z.strictObject({
  version: z.literal(1),
  machine: machineName,
  controlPlane: z.url(),
  /** Where the certificate of who signs the control plane's is, and the root of signed releases. */
  authority: z.string(),
  trust: z.string(),
  contentRepositories: z.array(z.string()).min(1),
  interval: seconds,
  /** What this host is chosen by, beside the tags that operators give it. */
  tags,
  /** How long a generation may take to prove itself. */
  confirm: seconds,
  /** When it may reboot, in the host's own time; null: always. */
  window: z.strictObject({ start: clock, end: clock }).nullable(),
  checks: z.array(checkSchema).max(100),
  /** A file for Prometheus' node exporter. */
  metrics: z.string().nullable(),
});

export type Check = z.infer<typeof checkSchema>;
export type Settings = z.infer<typeof settingsSchema>;

/** @throws UserError */
export async function readSettings(file: string): Promise<Settings> {
  const text = await readFile(file, "utf8").catch(() => {
    throw new UserError(`${file} is missing: this host declares no agent`, ["services.nixfleet-agent.enable = true"]);
  });
  return settingsSchema.parse(JSON.parse(text));
}

/** @param now minutes since midnight. A window may go over midnight. */
export function isWithinWindow(window: Settings["window"], now: number): boolean {
  if (window === null) return true;
  const minutes = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
  const [start, end] = [minutes(window.start), minutes(window.end)];
  return start <= end ? start <= now && now < end : now >= start || now < end;
}
