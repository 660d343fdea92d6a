/** Roles only import scopes and set defaults. */
import { server } from "./server.ts";
import { workstation } from "./workstation.ts";

export const roles = { server, workstation } as const;
