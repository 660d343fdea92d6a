/** How a host gets its certificate, and a new one before that expires. */
import { z } from "zod";
import { machineName, moment, text, version } from "./names.ts";

/** A request for a certificate (PKCS #10), in PEM. The control plane takes the public key from it, and no name. */
const request = z
  .string()
  .max(8000)
  .regex(/^-----BEGIN CERTIFICATE REQUEST-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE REQUEST-----\n?$/, "wanted PEM");

export const enrol = z.strictObject({ version, machine: machineName, token: z.string().max(200), request });
export const renew = z.strictObject({ version, request });

export const certificate = z.strictObject({
  version,
  certificate: text(16_000),
  /** What signs certificates of agents and of the control plane itself. */
  authority: text(16_000),
  notAfter: moment,
  /** Half of its life is over then: renew it from here on. */
  renewAfter: moment,
});
