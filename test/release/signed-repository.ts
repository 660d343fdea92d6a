/** A repository of releases, made file by file by somebody who has keys: honest, or not. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp } from "@tufjs/models";
import { newKey, ROLES, type Role, type SigningKey } from "../../src/release/keys.ts";
import { METADATA, TARGETS, targetOf } from "../../src/release/paths.ts";
import { releaseIdOf } from "../../src/release/release-id.ts";
import { WIRE_VERSION } from "../../src/wire/names.ts";
import type { Release } from "../../src/wire/release.ts";

export type Keys = Readonly<Record<Role, readonly SigningKey[]>>;

export function keys(count: Partial<Record<Role, number>> = {}): Keys {
  const make = (role: Role) => Array.from({ length: count[role] ?? 1 }, () => newKey(null).signing);
  return { root: make("root"), targets: make("targets"), snapshot: make("snapshot"), timestamp: make("timestamp") };
}

export function aRelease(sequence: number, hosts = ["web1", "web2"]): Release {
  const digest = createHash("sha256").update(`${sequence}`).digest("hex").slice(0, 32);
  const said = {
    sequence,
    commit: null,
    created: new Date(1_790_000_000_000 + sequence).toISOString(),
    note: `number ${sequence}`,
    hosts: Object.fromEntries(hosts.map((host) => [host, `/nix/store/${digest}-nixfleet-${host}`])),
  };
  return { version: WIRE_VERSION, id: releaseIdOf(said), ...said };
}

export const DAY = 86_400_000;

export function inDays(days: number): string {
  return `${new Date(Date.now() + days * DAY).toISOString().slice(0, 19)}Z`;
}

export interface Version {
  readonly version: number;
  readonly by: readonly SigningKey[];
  readonly days?: number;
}

type Signed = Root | Targets | Snapshot | Timestamp;

/** Each method writes one file, and returns its text. */
export class SignedRepository {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  root(trusted: Keys, { version, by, days = 365 }: Version, thresholds: Partial<Record<Role, number>> = {}): Buffer {
    const root = new Root({ ...common(version, days), consistentSnapshot: true });
    for (const role of ROLES) for (const { key } of trusted[role]) root.addKey(key, role);
    const json = root.toJSON();
    const roles = json.roles as Record<string, { threshold: number }>;
    for (const role of ROLES) if (roles[role]) roles[role].threshold = thresholds[role] ?? 1;
    return this.#write(`${version}.root.json`, Root.fromJSON(json), by);
  }

  targets(
    releases: readonly Release[],
    { version, by, days = 365 }: Version,
    texts: ReadonlyMap<string, string> = new Map(),
  ) {
    const targets = new Targets({ ...common(version, days), targets: {} });
    for (const release of releases) {
      const text = texts.get(release.id) ?? JSON.stringify(release);
      const sha256 = createHash("sha256").update(text).digest("hex");
      const path = targetOf(release.sequence);
      this.write(`${TARGETS}/${sha256}.${path}`, text);
      targets.addTarget(
        new TargetFile({
          path,
          length: Buffer.byteLength(text),
          hashes: { sha256 },
          unrecognizedFields: { custom: { id: release.id } },
        }),
      );
    }
    return this.#write(`${version}.targets.json`, targets, by);
  }

  snapshot(targets: { readonly version: number; readonly text: Buffer }, { version, by, days = 90 }: Version): Buffer {
    const meta = { "targets.json": described(targets.version, targets.text) };
    return this.#write(`${version}.snapshot.json`, new Snapshot({ ...common(version, days), meta }), by);
  }

  timestamp(
    snapshot: { readonly version: number; readonly text: Buffer },
    { version, by, days = 14 }: Version,
  ): Buffer {
    const snapshotMeta = described(snapshot.version, snapshot.text);
    return this.#write("timestamp.json", new Timestamp({ ...common(version, days), snapshotMeta }), by);
  }

  /** Everything of one version but the root. */
  all(
    releases: readonly Release[],
    version: number,
    by: Keys,
    days: { timestamp?: number; snapshot?: number; targets?: number } = {},
  ): void {
    const dated = (role: "timestamp" | "snapshot" | "targets") => ({
      version,
      by: by[role],
      ...(days[role] === undefined ? {} : { days: days[role] }),
    });
    const targets = this.targets(releases, dated("targets"));
    const snapshot = this.snapshot({ version, text: targets }, dated("snapshot"));
    this.timestamp({ version, text: snapshot }, dated("timestamp"));
  }

  write(path: string, content: string | Uint8Array): void {
    const file = join(this.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }

  read(path: string): Buffer {
    return readFileSync(join(this.folder, path));
  }

  remove(path: string): void {
    rmSync(join(this.folder, path));
  }

  #write(name: string, signed: Signed, by: readonly SigningKey[]): Buffer {
    const metadata = new Metadata(signed);
    for (const { sign } of by) metadata.sign(sign);
    const text = Buffer.from(JSON.stringify(metadata.toJSON()));
    this.write(`${METADATA}/${name}`, text);
    return text;
  }
}

function common(version: number, days: number) {
  return { version, specVersion: "1.0.31", expires: inDays(days) };
}

function described(version: number, text: Buffer): MetaFile {
  return new MetaFile({
    version,
    length: text.length,
    hashes: { sha256: createHash("sha256").update(text).digest("hex") },
  });
}
