/** Sends an object, in a process that is to be killed. Arguments: its folder, its store path, the host's /nix. */
import { sendClosure } from "../../src/deploy/send-closure.ts";
import { targetOf } from "./read-only-store.ts";

const [folder = "", storePath = "", nixFolder = ""] = process.argv.slice(2);
await sendClosure({ folder, storePath, packages: null, runtime: null }, targetOf(nixFolder), { nixFolder });
