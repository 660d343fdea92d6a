/** Roles only import scopes and set defaults. */
import { endpoint } from "./endpoint.ts";
import { microvmGuest } from "./microvm-guest.ts";
import { server } from "./server.ts";
import { workstation } from "./workstation.ts";

export const roles = { endpoint, microvmGuest, server, workstation } as const;
