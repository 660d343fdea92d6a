/** Keys that releases are signed with: Ed25519, a file each (PEM, PKCS #8), for its owner alone to read. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { Key, Signature } from "@tufjs/models";
import { UserError } from "../errors.ts";
import { writeDurably } from "../local/durable-file.ts";

export const ROLES = ["root", "targets", "snapshot", "timestamp"] as const;
export type Role = (typeof ROLES)[number];

/** A key that can sign, here. */
export interface SigningKey {
  readonly key: Key;
  readonly sign: (data: Buffer) => Signature;
}

export interface NewKey {
  readonly signing: SigningKey;
  /** The text of its file. */
  readonly pem: string;
}

/** @param passphrase encrypts the file (AES-256-CBC); `null` leaves that to the disk it is on */
export function newKey(passphrase: string | null): NewKey {
  const { privateKey } = generateKeyPairSync("ed25519");
  const protection = passphrase === null ? {} : { cipher: "aes-256-cbc", passphrase };
  const pem = privateKey.export({ format: "pem", type: "pkcs8", ...protection }).toString();
  return { signing: signingKey(privateKey), pem };
}

/** A key's file is called `ROLE-KEYID.pem`; the name is for people. */
export async function writeKey(role: Role, folder: string, { signing, pem }: NewKey): Promise<void> {
  const file = join(folder, `${role}-${signing.key.keyID.slice(0, 8)}.pem`);
  await writeDurably(file, pem, 0o600);
}

/** What signs no more is kept under another name, and read no more. */
export async function retireKeys(
  folders: readonly string[],
  ids: ReadonlySet<string>,
  passphrase: string | null,
): Promise<void> {
  for (const folder of folders) {
    for (const name of await keyFiles(folder)) {
      const file = join(folder, name);
      if (ids.has((await readKey(file, passphrase)).key.keyID)) await rename(file, `${file}.retired`);
    }
  }
}

/**
 * Every key in these folders, whatever its file is called.
 * @throws UserError where one is readable by others, is no such key, or needs another passphrase
 */
export async function readKeys(folders: readonly string[], passphrase: string | null): Promise<readonly SigningKey[]> {
  const keys = new Map<string, SigningKey>();
  for (const folder of folders) {
    for (const name of await keyFiles(folder)) {
      const found = await readKey(join(folder, name), passphrase);
      keys.set(found.key.keyID, found);
    }
  }
  return [...keys.values()];
}

async function keyFiles(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((error: Error) => {
    throw new UserError(`the folder of release keys ${folder} cannot be read: ${error.message}`);
  });
  return names.filter((one) => one.endsWith(".pem")).sort();
}

async function readKey(file: string, passphrase: string | null): Promise<SigningKey> {
  if (((await stat(file)).mode & 0o077) !== 0) {
    throw new UserError(`others can read the key ${file}`, [`chmod 600 ${file}, or replace the key if they have`]);
  }
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: await readFile(file), ...(passphrase === null ? {} : { passphrase }) });
  } catch {
    throw new UserError(`${file} is no private key, or has another passphrase`, [
      "say --passphrase-file FILE; a file that does not belong here needs another name than *.pem",
    ]);
  }
  if (key.asymmetricKeyType !== "ed25519") throw new UserError(`${file} is no Ed25519 key`);
  return signingKey(key);
}

function signingKey(privateKey: KeyObject): SigningKey {
  const { x = "" } = createPublicKey(privateKey).export({ format: "jwk" });
  const key = publicKey(Buffer.from(x, "base64url").toString("hex"));
  return {
    key,
    sign: (data) => new Signature({ keyID: key.keyID, sig: sign(null, data, privateKey).toString("hex") }),
  };
}

/** A key's id is the SHA-256 of its description in canonical JSON, which this is: names in order, and plain ASCII. */
function publicKey(hex: string): Key {
  const described = JSON.stringify({ keytype: "ed25519", keyval: { public: hex }, scheme: "ed25519" });
  const keyID = createHash("sha256").update(described).digest("hex");
  return new Key({ keyID, keyType: "ed25519", scheme: "ed25519", keyVal: { public: hex } });
}
