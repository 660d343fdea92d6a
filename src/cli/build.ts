/** `nixfleet build HOST` */
import { buildHost } from "../deploy/build.ts";
import { loadHost, planOf } from "./load-fleet.ts";
import { print, printJson } from "./output.ts";
import { withProgress } from "./progress.ts";

export async function build(file: string, name: string, { json }: { json?: boolean }): Promise<void> {
  const { fleet, folder, host } = await loadHost(file, name);
  const plan = planOf(host, folder);
  const plans = [...fleet.hosts.values()].map((one) => (one === host ? plan : planOf(one, folder)));
  const closure = await withProgress(`Build ${name}`, (onProgress) =>
    buildHost(plan, { fleetFolder: folder, fleet: plans, onProgress }),
  );
  if (json) printJson(closure);
  else print(closure.storePath);
}
