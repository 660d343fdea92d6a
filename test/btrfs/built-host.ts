/** A fleet whose host `h` is built already, of packages that are a few bytes: what its commands do next is tried in a moment. */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { allocatedIds } from "../../src/closure/lock/account-ids.ts";
import { EMPTY_LOCK, type LockEntry, packageRequest, requestKey, writeLock } from "../../src/closure/lock/lock.ts";
import { openCache, remember } from "../../src/closure/store/cache.ts";
import { CONTENTS_LIST } from "../../src/closure/store/digest.ts";
import { packageInputs } from "../../src/closure/tree/package-object.ts";
import { buildHost } from "../../src/deploy/build.ts";
import { loadHost, planOf } from "../../src/deploy/load-fleet.ts";
import { sealed } from "../sealed.ts";
import { smallClosure } from "./small-closure.ts";

const FLEET = `import { diskoTemplates, mkFleet, mkHost } from "nixfleet";
const modules = [
  diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
  { nixfleet: { impermanence: { enable: true } } },
];
export default mkFleet([
  mkHost({ hostName: "h", platform: "x86_64-linux", modules }),
  mkHost({ hostName: "other", platform: "x86_64-linux", modules: [...modules, { environment: { systemPackages: ["tree"] } }] }),
]);
`;

/** In `folder`: the fleet; in `folder/cache`: what $NIXFLEET_CACHE is to name. */
export async function builtHost(folder: string): Promise<void> {
  const file = join(folder, "fleet.ts");
  await writeFile(file, FLEET);
  const { host } = await loadHost(file, "h");
  const plan = planOf(host, folder);
  const cache = await openCache(join(folder, "cache"));
  const { packages } = await smallClosure(cache.store);
  const folderOfPackages = join(cache.store, "debian-trixie");
  await rename(packages.folder, folderOfPackages);
  await rm(join(folderOfPackages, CONTENTS_LIST));
  await mkdir(join(folderOfPackages, "etc"));
  await mkdir(join(folderOfPackages, "var/lib/dpkg/info"), { recursive: true });
  await writeFile(join(folderOfPackages, "var/lib/dpkg/diversions"), "");
  const packaged = plan.users.groups.filter(({ gid }) => gid === null);
  const accounts = {
    passwd: "root:x:0:0::/root:/bin/sh\n",
    group: `root:x:0:\n${packaged.map(({ name }, index) => `${name}:x:${500 + index}:\n`).join("")}`,
    shadow: "root:*:::::::\n",
    gshadow: "root:*::\n",
  };
  for (const [name, text] of Object.entries(accounts)) await writeFile(join(folderOfPackages, "etc", name), text);
  const request = packageRequest(plan.packages);
  const entry: LockEntry = {
    request,
    date: 1_700_000_000,
    packages: [
      { name: "base", version: "1", architecture: "amd64", size: 1, sha256: "0".repeat(64), path: "pool/base" },
    ],
  };
  const ids = allocatedIds(folderOfPackages);
  await writeLock(folder, { ...EMPTY_LOCK, requests: { [requestKey(request)]: entry }, ids });
  const name = await sealed(folderOfPackages);
  for (const one of [ids, null]) await remember(cache, packageInputs(entry, one), name);
  await buildHost(plan, { fleetFolder: folder, cache: cache.folder });
}
