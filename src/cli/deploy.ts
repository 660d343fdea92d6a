/** `nixfleet deploy`: a release, its rollout, and how that ends. */
import { ask, readLogin } from "../control/client.ts";
import { loadFleet } from "../deploy/load-fleet.ts";
import { selectHosts } from "../fleet/select-hosts.ts";
import { say } from "./output.ts";
import { create } from "./release.ts";
import { type RolloutOptions, rolloutOf, startRollout } from "./rollout.ts";
import type { SigningOptions } from "./signing.ts";

interface Options extends SigningOptions, Omit<RolloutOptions, "watch"> {
  readonly of?: string;
}

export async function deploy(file: string, patterns: readonly string[], options: Options): Promise<void> {
  // What is wrong with either is said before anything is built.
  const login = await readLogin();
  const { fleet } = await loadFleet(file);
  const hosts = selectHosts(fleet, patterns, false).hosts.map(({ hostName }) => hostName);
  const asked = rolloutOf("0".repeat(64), hosts, options);
  const { release, fresh } = await create(file, hosts, options);
  say(`release ${release.sequence} ${fresh ? "is" : "was already"} signed: ${release.id}`);
  await ask(login, "POST", "/releases", { body: release });
  await startRollout(login, { ...asked, release: release.id }, { ...options, watch: true });
}
