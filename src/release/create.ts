/** A new release: the closures of hosts, under the next number. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TargetFile } from "@tufjs/models";
import type { Repository } from "../content/repository.ts";
import { UserError } from "../errors.ts";
import { WIRE_VERSION } from "../wire/names.ts";
import { type Release, release as releaseSchema } from "../wire/release.ts";
import { releaseIdOf } from "./release-id.ts";
import { sha256 } from "./sign.ts";
import { type Builder, fileOf, type Written, writeReleases } from "./write.ts";

export interface Content {
  /** Host → store path. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Of these hosts, those that `hosts` lacks stay as they were in the release before. */
  readonly others: readonly string[];
  readonly commit: string | null;
  readonly note: string;
}

export interface Created extends Written {
  readonly release: Release;
  /** `false`: the newest release says the same already. */
  readonly fresh: boolean;
}

/** @throws UserError as writeReleases does */
export async function createRelease(repository: Repository, builder: Builder, content: Content): Promise<Created> {
  let same: Release | null = null;
  const written = await writeReleases(repository, builder, {
    release: async (listed, sequence) => {
      const [newest] = listed;
      const before = newest === undefined ? null : await readListed(repository, newest);
      const stay = Object.entries(before?.hosts ?? {}).filter(([host]) => content.others.includes(host));
      const hosts = { ...Object.fromEntries(stay), ...content.hosts };
      if (before !== null && content.note === "" && equal(before.hosts, hosts)) {
        same = before;
        return null;
      }
      const said = {
        sequence,
        commit: content.commit,
        created: new Date(builder.now).toISOString(),
        note: content.note,
        hosts,
      };
      return releaseSchema.parse({ version: WIRE_VERSION, id: releaseIdOf(said), ...said });
    },
  });
  const release = written.release ?? same;
  if (release === null) throw new Error("no release was made");
  return { ...written, release, fresh: written.release !== null };
}

/** A release of the builder's own repository, whether or not signatures are still good for hosts. */
export async function readListed(repository: Pick<Repository, "folder">, target: TargetFile): Promise<Release> {
  const file = join(repository.folder, fileOf(target));
  const text = await readFile(file).catch(() => Buffer.alloc(0));
  if (sha256(text) !== target.hashes.sha256) {
    throw new UserError(`${file} is not what was signed`, ["copy it from a mirror, or from a backup"]);
  }
  return releaseSchema.parse(JSON.parse(text.toString()));
}

function equal(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
