/** `nixfleet update` */
import { updateLock } from "../closure/lock/update.ts";
import { withPlaces } from "../deploy/build.ts";
import { loadFleet, planOf } from "../deploy/load-fleet.ts";
import { requireSomeRoot } from "../local/user-namespace.ts";
import { asRootOfNamespace } from "./as-root.ts";
import { print, printJson, say, table } from "./output.ts";

export async function update(
  file: string,
  { json, allowOlder = false }: { json?: boolean; allowOlder?: boolean },
): Promise<void> {
  await asRootOfNamespace();
  const { fleet, folder } = await loadFleet(file);
  requireSomeRoot("update the lock", "apt resolves the packages in a new root folder");
  const plans = [...fleet.hosts.values()].map((host) => planOf(host, folder));
  const changes = await updateLock(plans, { fleetFolder: folder, onProgress: say, allowOlder }).catch(
    (error: unknown) => {
      throw withPlaces(error, (option) => [
        ...new Set([...fleet.hosts.values()].flatMap((host) => host.definedAt(option))),
      ]);
    },
  );
  if (json) printJson(changes);
  else if (changes.length === 0) print("all packages are up to date");
  else
    print(
      table(
        ["package", "from", "to"],
        changes.map(({ name, from, to }) => [name, from ?? "-", to ?? "-"]),
      ),
    );
}
