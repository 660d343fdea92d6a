/** `nixfleet update` */
import { updateLock } from "../closure/update.ts";
import { requireRoot } from "../machine/root.ts";
import { loadFleet, planOf } from "./load-fleet.ts";
import { print, printJson, say, table } from "./output.ts";

export async function update(file: string, { json }: { json?: boolean }): Promise<void> {
  const { fleet, folder } = await loadFleet(file);
  requireRoot("update the lock", "apt resolves the packages in a folder that stands for the root of a new system");
  const plans = [...fleet.hosts.values()].map((host) => planOf(host, folder));
  const changes = await updateLock(plans, { fleetFolder: folder, onProgress: say });
  if (json) printJson(changes);
  else if (changes.length === 0) print("nothing is newer");
  else
    print(
      table(
        ["package", "from", "to"],
        changes.map(({ name, from, to }) => [name, from ?? "-", to ?? "-"]),
      ),
    );
}
