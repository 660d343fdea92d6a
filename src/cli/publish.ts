/** `nixfleet publish HOST… --to DIR` */
import { type Published, publish } from "../content/publish.ts";
import { openRepository } from "../content/repository.ts";
import { buildHost } from "../deploy/build.ts";
import { loadFleet, planOf } from "../deploy/load-fleet.ts";
import { hostOf } from "../fleet/mk-fleet.ts";
import type { Host } from "../fleet/mk-host.ts";
import { requireSomeRoot } from "../local/user-namespace.ts";
import { asRootOfNamespace } from "./as-root.ts";
import { print, printJson } from "./output.ts";
import { withProgress } from "./progress.ts";

interface Options {
  readonly to: string;
  readonly json?: boolean;
}

export async function publishHosts(file: string, names: readonly string[], { to, json }: Options): Promise<void> {
  await asRootOfNamespace();
  const { fleet, folder } = await loadFleet(file);
  const published = await publishAll(
    names.map((name) => hostOf(fleet, name)),
    folder,
    to,
    (closure) => (json ? undefined : print(closure)),
  );
  if (json) printJson(published);
}

/** @param onPublished is told each store path */
export async function publishAll(
  hosts: readonly Host[],
  folder: string,
  to: string,
  onPublished: (closure: string) => void = () => {},
): Promise<readonly (Published & { readonly host: string })[]> {
  requireSomeRoot("publish a closure", "some of its files are for root alone to read");
  const published: (Published & { readonly host: string })[] = [];
  for (const host of hosts) {
    const plan = planOf(host, folder);
    const made = await withProgress(`Publish ${plan.hostName}`, async (onProgress) => {
      const closure = await buildHost(plan, { fleetFolder: folder, onProgress });
      const onWait = (holder: string) => onProgress(`waiting for ${holder}`);
      await using repository = await openRepository(to, { create: true, onWait });
      return await publish(plan.hostName, closure, repository, onProgress); // the repository is closed when this returns
    });
    published.push({ host: plan.hostName, ...made });
    onPublished(made.closure);
  }
  return published;
}
