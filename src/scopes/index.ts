/** Every scope. All are part of every host, and do nothing until they are enabled. */
import type { OptionsOf } from "../modules/module.ts";
import { base } from "./base.ts";
import { debian } from "./debian.ts";
import { firefox } from "./firefox.ts";
import { impermanence } from "./impermanence.ts";
import { openssh } from "./openssh.ts";
import { primaryUser } from "./primary-user.ts";

export const scopes = { base, debian, firefox, impermanence, openssh, primaryUser } as const;

/** The options that the scopes add to the system's. */
export type ScopeOptions = OptionsOf<typeof base> & OptionsOf<typeof firefox> & OptionsOf<typeof openssh>;
