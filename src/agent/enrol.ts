/** How a host becomes one of the control plane's machines, and stays it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { privateFolder } from "../local/resources.ts";
import { WIRE_VERSION } from "../wire/names.ts";
import { type Connection, send } from "./connection.ts";
import { type Identity, identityOf, requestFor, writeIdentity } from "./identity.ts";
import { stateBefore, writeState } from "./memory.ts";
import type { Places } from "./places.ts";
import type { Settings } from "./settings.ts";
import { firstState } from "./state.ts";

/** @throws UserError @param token is used up by this, whatever comes of it */
export async function enrol(places: Places, settings: Settings, connection: Connection, token: string): Promise<void> {
  const { machine } = settings;
  await privateFolder(places.memory);
  const root = await readFile(settings.trust);
  const { request, key } = await requestFor(machine);
  const answer = await send(connection, "POST", "enrol", { version: WIRE_VERSION, machine, token, request });
  const identity = identityOf(answer, machine, key, connection.authority);
  const { startTrust } = await import("../release/read.ts");
  await startTrust({ state: join(places.memory, "trust"), root });
  await writeIdentity(places.memory, identity);
  const before = await stateBefore(places.memory);
  await writeState(places.memory, before?.machine === machine ? before : firstState(machine));
}

/** Another certificate once half of the life of this one is over; both are good until then. */
export async function renewed(
  places: Places,
  { machine }: Settings,
  connection: Connection & { readonly identity: Identity },
  now: number,
): Promise<Identity> {
  if (now < Date.parse(connection.identity.renewAfter)) return connection.identity;
  const { request, key } = await requestFor(machine);
  const answer = await send(connection, "POST", "renew", { version: WIRE_VERSION, request });
  const identity = identityOf(answer, machine, key, connection.authority);
  await writeIdentity(places.memory, identity);
  return identity;
}
