/** Publishes a closure, in a process that is to be killed. Arguments: the store, the closure's name, the repository. */
import { readlinkSync } from "node:fs";
import { join } from "node:path";
import { published } from "./closures.ts";

const [store = "", name = "", repository = ""] = process.argv.slice(2);
const object = (one: string) => ({ storePath: `/nix/store/${one}`, folder: join(store, one) });
const reference = (link: string) => object(readlinkSync(join(store, name, link)).split("/")[1] ?? "");
await published(
  { ...object(name), digest: "", packages: reference("usr"), runtime: reference("runtime"), fresh: false },
  repository,
);
