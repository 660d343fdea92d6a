/** Sends an object, in a process that is to be killed. Arguments: its folder, its store path, the host's /nix. */
import { sendObject } from "../../src/deploy/send-object.ts";
import { targetOf } from "./read-only-store.ts";

const [folder = "", storePath = "", nix = ""] = process.argv.slice(2);
await sendObject({ folder, storePath }, targetOf(nix), nix);
