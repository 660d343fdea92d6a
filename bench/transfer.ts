/**
 * What it takes to bring a host from one closure to the next: bytes that go over the line, and seconds, beside an archive
 * (`tar | zstd`), rsync and casync. `node bench/transfer.ts` runs it alone, as root. The closures are real: builds of the
 * archive's packages, of which it has some in two versions. The host's store is on btrfs.
 */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import type { StoreObject } from "../src/closure/closure.ts";
import { CONTENTS_LIST, objectDifferences } from "../src/closure/store/digest.ts";
import { listedFiles } from "../src/content/changes.ts";
import { run } from "../src/local/process.ts";
import { temporaryFolder } from "../src/local/resources.ts";
import { PULL_FILES } from "../src/payload/host/generations.ts";
import { filesystem } from "../test/btrfs/wipe-filesystem.ts";
import { type BenchRow, report } from "./rows.ts";
import { type Change, changedClosures } from "./transfer/closures.ts";
import { line, shellServer, webServer } from "./transfer/network.ts";
import { lacking, objects, WAYS, type Way } from "./transfer/ways.ts";

/** In milliseconds, in each direction. */
const DELAYS = [0, 20] as const;

export async function benchTransfer(): Promise<readonly BenchRow[]> {
  await using folder = await temporaryFolder("/var/tmp"); // /tmp may be in memory
  const rows: BenchRow[] = [];
  for (const change of await changedClosures(folder.path)) {
    const measured = await measure(change, folder.path);
    for (const delay of DELAYS)
      rows.push(
        ...(await judge(
          change,
          measured.filter((one) => one.delay === delay),
        )),
      );
  }
  return rows;
}

interface Measured {
  readonly way: string;
  readonly delay: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** @param folder where a repository stays for what is measured after it */
async function measure(change: Change, folder: string): Promise<readonly Measured[]> {
  await using disk = await filesystem({ bare: true, megabytes: 8192 });
  const former = join(disk.top, "former");
  await mkdir(former);
  for (const object of objects(change.former)) await run("cp", ["-a", "--", object.folder, former]);
  const measured: Measured[] = [];
  for (const way of WAYS) {
    const served = join(folder, way.name);
    await mkdir(served, { recursive: true });
    const site = await way.prepare(change, served);
    for (const delay of DELAYS) {
      const nix = join(disk.top, `${way.name}-${delay}`);
      await mkdir(nix);
      await run("cp", ["-a", "--reflink=always", "--", former, join(nix, "store")]);
      for (const { storePath } of objects(change.former)) await noteWhole(join(nix, "store"), basename(storePath));
      await run("sync", ["-f", nix]);
      measured.push(await measureWay(way, change, nix, site, delay));
    }
  }
  return measured;
}

/** A host knows that of what it runs, and has not to read it again. */
async function noteWhole(store: string, name: string): Promise<void> {
  const script = 'here=$1 && . "$here/store-object.sh" && noteWhole "$2" "$3"';
  await run("sh", ["-c", script, "sh", dirname(PULL_FILES["pull.sh"] ?? ""), store, name]);
}

async function measureWay(
  way: Way,
  change: Change,
  nix: string,
  site: string | null,
  delay: number,
): Promise<Measured> {
  await using served = site === null ? await shellServer() : await webServer(site);
  await using network = await line(served.port, delay);
  const begin = performance.now();
  await way.bring(change, nix, network.port);
  const seconds = (performance.now() - begin) / 1000;
  const measured = { way: way.name, delay, bytes: network.carried(), seconds };
  for (const { storePath } of lacking(change)) {
    const name = basename(storePath);
    const [difference] = await objectDifferences(join(nix, "store", name), name);
    if (difference !== undefined) throw new Error(`${way.name} brought something else: ${difference}`);
  }
  return measured;
}

function judge(change: Change, measured: readonly Measured[]): readonly BenchRow[] {
  const ours = measured.filter(({ way }) => way === "pull" || way === "switch");
  const rsync = measured.find(({ way }) => way === "rsync")?.bytes ?? Number.NaN;
  const what = `${change.what}, ${measured[0]?.delay} ms away`;
  const bytes = Math.max(...ours.map((one) => one.bytes));
  const shown = measured.map((one) => `${one.way} ${size(one.bytes)} ${one.seconds.toFixed(1)} s`).join(", ");
  const row = (measured: string, ratio: number, limit: number, wanted: string) => ({
    ...{ what, measured, ratio, wanted, holds: ratio <= limit },
  });
  return [row(shown, bytes / rsync, 1, "bytes, of rsync's: below 1"), ...more(change)];

  function more({ kind }: Change): readonly BenchRow[] {
    if (kind === "configuration") {
      const seconds = Math.max(...ours.map((one) => one.seconds));
      const ratio = Math.max(bytes / 100e3, seconds);
      return [row(`${size(bytes)}, ${seconds.toFixed(1)} s`, ratio, 1, "below 100 kB and 1 s")];
    }
    if (kind !== "update") return [];
    const changed = compressedChanges(change);
    return [row(`${size(bytes)}, ${size(changed)}`, bytes / changed, 1.3, "of what changed, compressed: at most 1.3")];
  }
}

/** What the files of which the host has none like it take, each compressed by itself, in bytes. */
function compressedChanges(change: Change): number {
  const filesOf = ({ folder }: StoreObject) =>
    listedFiles(readFileSync(join(folder, CONTENTS_LIST), "latin1")).map((file) => ({ folder, ...file }));
  const has = new Set(objects(change.former).flatMap((object) => filesOf(object).map(({ sha256 }) => sha256)));
  const changed = lacking(change)
    .flatMap(filesOf)
    .filter(({ sha256 }) => !has.has(sha256));
  const once = new Map(changed.map((file) => [file.sha256, file]));
  const params = { [constants.ZSTD_c_compressionLevel]: 15 };
  return [...once.values()]
    .map(({ folder, path }) => readFileSync(Buffer.concat([Buffer.from(folder), path])))
    .reduce((sum, content) => sum + zstdCompressSync(content, { params }).byteLength, 0);
}

function size(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

if (import.meta.main) report(await benchTransfer());
