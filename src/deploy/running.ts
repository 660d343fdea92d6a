/** What a closure says of itself, read from its own files: those of a closure that runs may be of another version. */
import { basename } from "node:path";
import { z } from "zod";
import { UserError } from "../modules/errors.ts";
import type { PersistenceParent } from "../plan/persistence.ts";
import type { Running } from "../plan/switch.ts";

const entry = z.object({
  kind: z.enum(["directory", "file"]),
  path: z.string(),
  source: z.string(),
  persistRoot: z.string(),
  how: z.enum(["bind", "symlink"]),
  user: z.string(),
  group: z.string(),
  mode: z.string(),
  asShipped: z.boolean(),
  within: z.object({ path: z.string(), persistRoot: z.string() }).nullable(),
  mountOptions: z.array(z.string()),
  purpose: z.string(),
  declaredAt: z.array(z.string()),
});

const parent = z.object({
  path: z.string(),
  user: z.string(),
  group: z.string(),
  mode: z.string(),
  ensured: z.boolean(),
});

const file = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("text"), path: z.string(), text: z.string(), mode: z.string() }),
  z.object({ kind: z.literal("symlink"), path: z.string(), target: z.string() }),
]);

const plan = z.looseObject({
  hostName: z.string(),
  files: z.array(file),
  persistence: z.object({ persistRoot: z.string(), entries: z.array(entry), parents: z.array(parent) }),
  users: z.object({ users: z.array(z.looseObject({ name: z.string(), home: z.string() })) }),
});

const manifest = z.object({ packages: z.string() });

export interface DescribedClosure extends Running {
  readonly hostName: string;
  readonly entries: readonly z.infer<typeof entry>[];
  readonly parents: readonly PersistenceParent[];
  readonly homes: readonly { readonly name: string; readonly home: string }[];
}

/** The parts of a plan that a running host follows, or that the rest of this program needs to know. */
const FOLLOWED = ["hostName", "platform", "packages", "files", "persistence"];

/**
 * @param storePath for messages
 * @param planText of its plan.json
 * @param manifestText of its manifest.json
 * @throws UserError where they are not of this form
 */
export function describedClosure(storePath: string, planText: string, manifestText: string): DescribedClosure {
  try {
    const whole = plan.parse(JSON.parse(planText));
    return {
      hostName: whole.hostName,
      packages: manifest.parse(JSON.parse(manifestText)).packages,
      files: whole.files,
      entries: whole.persistence.entries,
      parents: whole.persistence.parents,
      homes: whole.users.users,
      rest: Object.fromEntries(Object.entries(whole).filter(([name]) => !FOLLOWED.includes(name))),
    };
  } catch (error) {
    if (!(error instanceof z.ZodError) && !(error instanceof SyntaxError)) throw error;
    throw new UserError(`${basename(storePath)} was made by another version of NixFleet`, [
      "a running host cannot be switched from it or to it: install the new closure, and reboot",
    ]);
  }
}
