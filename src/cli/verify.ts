/** `nixfleet verify`: whether closures are what was built, in the cache of this machine or on a running host. */
import { cacheAt } from "../closure/store/cache.ts";
import { type Damage, verifyStore } from "../closure/store/whole.ts";
import { targetHost } from "../deploy/target-host.ts";
import { UserError } from "../errors.ts";
import { requireSomeRoot } from "../local/user-namespace.ts";
import { asRootOfNamespace } from "./as-root.ts";
import { onHost } from "./generations.ts";
import { print, printJson } from "./output.ts";
import { withProgress } from "./progress.ts";

export async function verify(options: { readonly targetHost?: string; readonly json?: boolean }): Promise<void> {
  if (options.targetHost !== undefined) {
    if (options.json) throw new UserError("--json works only for the cache of this machine", ["remove --target-host"]);
    return print((await onHost(targetHost(options.targetHost), "verify", [])).trimEnd());
  }
  await asRootOfNamespace();
  requireSomeRoot("verify the cache", "only root can read some files of closures");
  const cache = cacheAt();
  const damages = await withProgress(`Verify ${cache.store}`, (onProgress) => verifyStore(cache, onProgress));
  if (options.json) printJson({ damaged: damages });
  else if (damages.length === 0) print(`every closure in ${cache.store} is intact`);
  if (damages.length > 0) throw damaged(damages);
}

function damaged(damages: readonly Damage[]): UserError {
  const lines = damages.flatMap(({ name, differences }) => [
    name,
    ...differences.slice(0, 20).map((line) => `  ${line}`),
    ...(differences.length > 20 ? [`  and ${differences.length - 20} more`] : []),
  ]);
  return new UserError(`${damages.length} in the cache ${damages.length === 1 ? "is" : "are"} damaged`, [
    ...lines,
    "no command installs them, and `nixfleet build` rebuilds those that it needs",
  ]);
}
