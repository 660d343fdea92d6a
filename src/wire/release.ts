/** An immutable set of closures, one for each host of a fleet. Its signatures are elsewhere: the control plane needs none. */
import { z } from "zod";
import { closurePath, counter, machineName, moment, releaseId, text, version } from "./names.ts";

/** What one release can hold. */
export const RELEASE_HOSTS = 20_000;

const hosts = z
  .record(machineName, closurePath)
  .refine((given) => Object.keys(given).length > 0, "a release needs at least one host")
  .refine((given) => Object.keys(given).length <= RELEASE_HOSTS, `a release has at most ${RELEASE_HOSTS} hosts`);

export const release = z.strictObject({
  version,
  id: releaseId,
  /** Grows with each release of the fleet. */
  sequence: counter,
  /** The commit of the fleet's folder, if it is in git. */
  commit: text(64).nullable(),
  created: moment,
  note: text(1000),
  hosts,
});

export type Release = z.infer<typeof release>;
