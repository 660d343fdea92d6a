/**
 * The control plane's own certificate authority. It signs the certificates of agents and the one of the control plane itself. Its key is in a
 * file that nobody but the control plane reads, and never in the database.
 */
import "reflect-metadata"; // what @peculiar/x509 is built with wants it
import { randomBytes, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY = 86_400_000;
export const AGENT_DAYS = 30;
const SERVER_DAYS = 90;
const AUTHORITY_DAYS = 10 * 365;
/** Clocks differ: a certificate is good from a little earlier. */
const EARLIER = 3_600_000;

export interface Pem {
  readonly certificate: string;
  readonly key: string;
}

export interface Issued {
  readonly certificate: string;
  readonly serial: string;
  readonly notAfter: Date;
}

export async function newAuthority(now: number): Promise<Pem> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: `CN=NixFleet control plane ${randomBytes(4).toString("hex")}`,
    notBefore: new Date(now - EARLIER),
    notAfter: new Date(now + AUTHORITY_DAYS * DAY),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await keyPem(keys.privateKey) };
}

export class Authority {
  readonly certificate: string;
  readonly #certificate: x509.X509Certificate;
  readonly #key: webcrypto.CryptoKey;

  private constructor(certificate: x509.X509Certificate, key: webcrypto.CryptoKey) {
    this.certificate = certificate.toString("pem");
    this.#certificate = certificate;
    this.#key = key;
  }

  static async open({ certificate, key }: Pem): Promise<Authority> {
    const der = x509.PemConverter.decodeFirst(key);
    const signing = await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
    return new Authority(new x509.X509Certificate(certificate), signing);
  }

  /** The control plane's own, for the names and addresses that it is reached by. */
  async serverCertificate(names: readonly string[], now: number): Promise<Pem> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    const { certificate } = await this.#issue(keys.publicKey, "nixfleet-control-plane", now, SERVER_DAYS, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth], true),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? ("ip" as const) : ("dns" as const), value })),
      ),
    ]);
    return { certificate, key: await keyPem(keys.privateKey) };
  }

  /**
   * @param request a request for a certificate (PKCS #10). Only its public key is used: who it is for, this control plane knows.
   * @returns null if it is not one, was not signed by its own key, or has a key of another kind than ECDSA on P-256
   */
  async agentCertificate(request: string, machine: string, now: number): Promise<Issued | null> {
    const key = await requestedKey(request);
    if (key === null) return null;
    return await this.#issue(key, machine, now, AGENT_DAYS, [
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth], true),
    ]);
  }

  async #issue(
    publicKey: webcrypto.CryptoKey,
    name: string,
    now: number,
    days: number,
    extensions: readonly x509.Extension[],
  ): Promise<Issued> {
    const serial = newSerial();
    const notAfter = new Date(now + days * DAY);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: `CN=${name}`,
      issuer: this.#certificate.subject,
      notBefore: new Date(now - EARLIER),
      notAfter,
      signingAlgorithm: ALGORITHM,
      publicKey,
      signingKey: this.#key,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
        ...extensions,
      ],
    });
    return { certificate: certificate.toString("pem"), serial, notAfter };
  }
}

async function requestedKey(request: string): Promise<webcrypto.CryptoKey | null> {
  try {
    const parsed = new x509.Pkcs10CertificateRequest(request);
    if (!(await parsed.verify())) return null;
    return await parsed.publicKey.export(ALGORITHM, ["verify"]);
  } catch {
    return null; // what others send may be anything
  }
}

/** As TLS shows it: the first digit is not 0, and the number is positive. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}
