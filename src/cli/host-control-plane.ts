/** `nixfleet control-plane` on a host: src/closure/tree/bundles.ts makes one file of it. */
import { Command } from "@commander-js/extra-typings";
import { PACKAGE } from "../local/package.ts";
import { addControlPlaneCommand } from "./control-commands.ts";
import { runProgram } from "./run-program.ts";

const program = new Command("nixfleet").version(PACKAGE.version).exitOverride();
addControlPlaneCommand(program);
await runProgram(program);
