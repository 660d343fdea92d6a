/** `nixfleet agent --status`: what the agent remembers, and why it refuses. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { readTrust } from "../release/trust.ts";
import { readIdentity } from "./identity.ts";
import { readState } from "./memory.ts";
import type { Places } from "./places.ts";
import { readSettings } from "./settings.ts";

export async function agentStatus(
  places: Places,
): Promise<{ readonly lines: readonly string[]; readonly healthy: boolean }> {
  const lines: string[] = [];
  let healthy = true;
  const part = async (tell: () => Promise<readonly string[]>): Promise<void> => {
    try {
      lines.push(...(await tell()));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      healthy = false;
      lines.push(error.message, ...error.detail.map((line) => `  ${line}`));
    }
  };
  await part(async () => {
    const { controlPlane } = await readSettings(places.settings);
    return [`control plane: ${controlPlane}`];
  });
  await part(async () => {
    const { notAfter, renewAfter } = await readIdentity(places.memory);
    return [`certificate: good until ${notAfter}, renewed after ${renewAfter}`];
  });
  await part(async () => {
    await readTrust(join(places.memory, "trust"));
    return [];
  });
  await part(async () => {
    const { change, end, work, release, rejected } = await readState(places.memory);
    if (end.kind !== "healthy") healthy = false;
    return [
      `last change: ${change}, ${end.kind}${"why" in end ? `: ${end.why}` : ""}`,
      `release: ${release ?? "none yet"}`,
      ...(work === null ? [] : [`on its way: change ${work.change}, ${work.phase}, to ${work.closure}`]),
      ...rejected.map((one) => `rejected: ${one.release}: ${one.why}`),
    ];
  });
  if (existsSync(join(places.memory, "state.damaged")))
    lines.push(`${join(places.memory, "state.damaged")}: what was damaged before this host was enrolled again`);
  return { lines, healthy };
}
