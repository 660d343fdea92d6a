/** `nixfleet gc`: of a running host, of this machine's cache, or of a content repository. */
import { lockCache, openCache } from "../closure/store/cache.ts";
import { removeFromCache, unneededCache } from "../closure/store/cache-gc.ts";
import { useCacheAlone } from "../closure/store/cache-use.ts";
import { openRepository } from "../content/repository.ts";
import { removeUnneeded, unneeded } from "../content/repository-gc.ts";
import { targetHost } from "../deploy/target-host.ts";
import { UserError } from "../errors.ts";
import { requireSomeRoot } from "../local/user-namespace.ts";
import { closuresOfReleases } from "../release/needed.ts";
import { asRootOfNamespace } from "./as-root.ts";
import { onHost } from "./generations.ts";
import { print, say } from "./output.ts";

interface Options {
  readonly targetHost?: string;
  readonly keep?: string;
  readonly cache?: boolean;
  readonly repository?: string;
  readonly keepPerHost?: string;
  readonly dryRun?: boolean;
}

export async function gc(options: Options): Promise<void> {
  const { cache, repository } = options;
  const places = [cache, repository, options.targetHost].filter((place) => place !== undefined).length;
  if (places > 1) throw new UserError("--cache, --repository and --target-host are three places", ["name one of them"]);
  if (options.keepPerHost !== undefined && repository === undefined) {
    throw new UserError("--keep-per-host is for --repository", ["elsewhere it is --keep"]);
  }
  if (cache) return gcCache(options);
  if (repository !== undefined) return gcRepository(repository, options);
  const keep = count("--keep", options.keep);
  const args = [...(keep === null ? [] : ["--keep", `${keep}`]), ...(options.dryRun ? ["--dry-run"] : [])];
  const said = (await onHost(targetHost(options.targetHost), "gc", args)).trimEnd();
  print(said === "" ? NOTHING : said);
}

const NOTHING = "there is nothing to delete";

async function gcCache(options: Options): Promise<void> {
  await asRootOfNamespace();
  requireSomeRoot("delete from the cache", "closures have files of other users");
  const keep = count("--keep", options.keep) ?? 3;
  const cache = await openCache();
  await using _build = await lockCache(cache, (holder) => say(`waiting for ${holder}`));
  await using _use = await useCacheAlone(cache);
  const found = await unneededCache(cache, keep);
  if (!options.dryRun) await removeFromCache(cache, found);
  const packages = found.debs.length === 0 ? [] : [`${found.debs.length} downloaded packages`];
  report([...found.objects, ...packages], options);
}

async function gcRepository(folder: string, options: Options): Promise<void> {
  const keep = count("--keep-per-host", options.keepPerHost);
  if (keep === null) throw new UserError("how many closures of each host are to stay?", ["say --keep-per-host COUNT"]);
  const onWait = (holder: string) => say(`waiting for ${holder}`);
  await using repository = await openRepository(folder, { create: false, onWait });
  const found = await unneeded(repository, keep, await closuresOfReleases(folder));
  if (!options.dryRun) await removeUnneeded(repository, found);
  const objects = found.paths
    .filter((path) => path.startsWith("objects/"))
    .map((path) => path.slice("objects/".length));
  const files = found.paths.length - objects.length;
  const rest = files === 0 ? [] : [`${files} files, ${(found.bytes / 1e6).toFixed(1)} MB in all`];
  report([...objects, ...rest], options);
}

function report(lines: readonly string[], { dryRun }: Options): void {
  const done = dryRun ? "would delete" : "deleted";
  print(lines.length === 0 ? NOTHING : lines.map((line) => `${done} ${line}`).join("\n"));
}

function count(option: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new UserError(
      `${option} needs a number of ${option === "--keep" ? "generations" : "closures"}, at least 1, got ${text}`,
    );
  return Number(text);
}
