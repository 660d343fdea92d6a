/** The certificate by which the control plane knows this host, and its key, which is made here and never leaves. */
import { createPrivateKey, webcrypto, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { writeDurably } from "../local/durable-file.ts";
import { certificate as certificateSchema } from "../wire/enrolment.ts";
import { moment } from "../wire/names.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const FILE = "identity";

const identitySchema = z.strictObject({
  certificate: z.string(),
  key: z.string(),
  notAfter: moment,
  renewAfter: moment,
});
export type Identity = z.infer<typeof identitySchema>;

export interface Requested {
  readonly request: string;
  readonly key: string;
}

export async function requestFor(machine: string): Promise<Requested> {
  // Loaded when a certificate is wanted, which is seldom: a poll is to be small.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${machine}`,
    keys,
    signingAlgorithm: ALGORITHM,
  });
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { request: request.toString("pem"), key };
}

/** @throws UserError for an answer that is no certificate of this machine's, for this key, by this authority */
export function identityOf(answer: unknown, machine: string, key: string, authority: string): Identity {
  const { certificate, notAfter, renewAfter } = certificateSchema.parse(answer);
  const given = new X509Certificate(certificate);
  const isOurs =
    given.verify(new X509Certificate(authority).publicKey) &&
    given.checkPrivateKey(createPrivateKey(key)) &&
    given.subject === `CN=${machine}`;
  if (!isOurs) throw new UserError("what the control plane sent is no certificate for this host's key");
  return { certificate, key, notAfter, renewAfter };
}

export async function readIdentity(folder: string): Promise<Identity> {
  const file = join(folder, FILE);
  try {
    return identitySchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    throw new UserError(`${file} is missing or damaged, so the control plane does not know this host`, [
      "enrol it again, with a new token: nixfleet agent enrol",
    ]);
  }
}

export async function writeIdentity(folder: string, identity: Identity): Promise<void> {
  await writeDurably(join(folder, FILE), `${JSON.stringify(identity)}\n`, 0o600);
}
