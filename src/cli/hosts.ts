/** `nixfleet hosts`, for the completion of a command line. */
import { loadFleet } from "../deploy/load-fleet.ts";
import { print } from "./output.ts";

export async function hosts(file: string): Promise<void> {
  const { fleet } = await loadFleet(file);
  print([...fleet.hosts.keys()].join("\n"));
}
