/** Several hosts that are declared together. */
import { UserError } from "../errors.ts";
import { nearestName, notAList, shown } from "../modules/errors.ts";
import { callerOf, type Place } from "../modules/place.ts";
import { type Host, isHost } from "./mk-host.ts";

export interface Fleet {
  readonly kind: typeof FLEET;
  /** By name. */
  readonly hosts: ReadonlyMap<string, Host>;
  readonly place: Place;
}

export const FLEET: unique symbol = Symbol("mkFleet");

/** Declares a fleet. @throws UserError where two hosts have one name; names differ in more than case */
export function mkFleet(hosts: readonly Host[]): Fleet {
  const place = callerOf(mkFleet);
  if (!Array.isArray(hosts)) throw notAList("mkFleet", hosts, place);
  const byName = new Map<string, Host>();
  for (const host of hosts) {
    if (!isHost(host))
      throw new UserError(`mkFleet takes hosts made by mkHost, got ${shown(host)}`, [`at ${place.text}`]);
    const name = host.hostName.toLowerCase();
    const other = byName.get(name);
    if (other !== undefined) {
      throw new UserError(`two hosts are named ${host.hostName}`, [
        `at ${other.place.text}`,
        `at ${host.place.text}`,
        "rename one of them",
      ]);
    }
    byName.set(name, host);
  }
  return { kind: FLEET, hosts: new Map([...byName.values()].map((host) => [host.hostName, host])), place };
}

/** @throws UserError with the nearest name where the fleet has no such host */
export function hostOf(fleet: Fleet, name: string): Host {
  const host = fleet.hosts.get(name);
  if (host !== undefined) return host;
  const names = [...fleet.hosts.keys()];
  const nearest = nearestName(name, names);
  throw new UserError(`the fleet has no host ${name}`, [
    nearest === undefined ? `it has ${names.join(", ") || "none"}` : `did you mean ${nearest}?`,
  ]);
}

export function isFleet(value: unknown): value is Fleet {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === FLEET;
}
