/** Ways to bring the objects of a closure into a host's store, over a line. */
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Closure, StoreObject } from "../../src/closure/closure.ts";
import { CONTENTS_PROGRAM } from "../../src/closure/store/digest.ts";
import { publish } from "../../src/content/publish.ts";
import { openRepository } from "../../src/content/repository.ts";
import { sendClosure } from "../../src/deploy/send-closure.ts";
import { quoted, run } from "../../src/local/process.ts";
import { PULL_FILES } from "../../src/payload/host/generations.ts";
import type { Change } from "./closures.ts";

export interface Way {
  readonly name: string;
  /** What a builder does once, however many hosts there are: it is not timed. @returns the folder to serve */
  readonly prepare: (change: Change, folder: string) => Promise<string | null>;
  /** @param port of a web server of that folder, or of a shell on the host */
  readonly bring: (change: Change, nix: string, port: number) => Promise<void>;
}

export const WAYS: readonly Way[] = [
  {
    name: "pull",
    prepare: async ({ what, former, latter }, folder) => {
      await using repository = await openRepository(folder, { create: true, onWait: () => {} });
      for (const closure of [former, latter]) {
        if (closure !== null) await publish(what, closure, repository, () => {});
      }
      return folder;
    },
    bring: async ({ latter }, nix, port) => {
      const argv = [PULL_FILES["pull.sh"] ?? "", latter.storePath, `http://127.0.0.1:${port}`];
      await run("sh", argv, { env: { NIX: nix, CONTENTS: CONTENTS_PROGRAM } });
    },
  },
  {
    name: "switch",
    prepare: async () => null,
    bring: ({ latter }, nix, port) =>
      sendClosure(latter, { argv: (command) => [...shell(port), "host", command] }, { nixFolder: nix }),
  },
  {
    name: "archive",
    prepare: async () => null,
    bring: async (change, nix, port) => {
      const names = lacking(change).map(({ storePath }) => basename(storePath));
      const there = quoted(`zstd -q -d -c | tar -x --xattrs --xattrs-include='*' -C ${nix}/store`);
      const pack = `tar -c --xattrs --xattrs-include='*' -C "$1" ${names.join(" ")} | zstd -q -3 -T0 -c`;
      const script = `${pack} | ${shell(port).join(" ")} host ${there}`;
      await run("sh", ["-c", script, "sh", dirname(change.latter.folder)]);
    },
  },
  {
    name: "rsync",
    prepare: async () => null,
    bring: async (change, nix, port) => {
      for (const { folder, storePath } of lacking(change)) {
        const linked = formerName(change, storePath).map((name) => `--link-dest=${nix}/store/${name}`);
        const options = ["-aHAX", "--numeric-ids", "--checksum", "--compress", "-e", shell(port).join(" ")];
        await run("rsync", [...options, ...linked, `${folder}/`, `host:${nix}/store/${basename(storePath)}/`]);
      }
    },
  },
  {
    name: "casync",
    prepare: async (change, folder) => {
      for (const object of lacking(change)) {
        const index = join(folder, `${basename(object.storePath)}.caidx`);
        await run("casync", ["make", ...WHOLE, `--store=${join(folder, "chunks")}`, index, object.folder]);
      }
      return folder;
    },
    bring: async (change, nix, port) => {
      for (const { storePath } of lacking(change)) {
        const name = basename(storePath);
        const target = join(nix, "store", name);
        await mkdir(target);
        const site = `http://127.0.0.1:${port}`;
        const seeds = formerName(change, storePath).map((one) => `--seed=${nix}/store/${one}`);
        await run("casync", ["extract", `--store=${site}/chunks`, ...seeds, `${site}/${name}.caidx`, target]);
      }
    },
  },
];

/** What a store object has of attributes. */
const WHOLE = ["--with=unix", "--with=sec-time", "--with=xattrs", "--with=acl", "--with=fcaps"];

const REMOTE_SHELL = join(import.meta.dirname, "remote-shell.pl");

function shell(port: number): readonly string[] {
  return ["perl", REMOTE_SHELL, String(port)];
}

export function objects(closure: Closure | null): readonly StoreObject[] {
  return closure === null ? [] : [closure.packages, closure];
}

/** What the host has not got by name: others would have to look through what it has. */
export function lacking({ former, latter }: Change): readonly StoreObject[] {
  const has = new Set(objects(former).map(({ storePath }) => storePath));
  return objects(latter).filter(({ storePath }) => !has.has(storePath));
}

/** The object that the host has in the place of this one, if any. */
function formerName({ former, latter }: Change, storePath: string): readonly string[] {
  if (former === null) return [];
  return [basename(storePath === latter.storePath ? former.storePath : former.packages.storePath)];
}
