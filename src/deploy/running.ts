/** What a closure says of itself, read from its own files: those of a closure that runs may be of another version. */
import { basename } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import type { PersistenceParent } from "../plan/persistence-plan.ts";
import type { Declared } from "../plan/switch.ts";

const ownedField = z.enum(["user", "group", "mode"]);

const entry = z.object({
  kind: z.enum(["directory", "file"]),
  path: z.string(),
  source: z.string(),
  persistRoot: z.string(),
  how: z.enum(["bind", "symlink"]),
  user: z.string(),
  group: z.string(),
  mode: z.string(),
  // Of closures that were made before: there all count as declared.
  assumed: z.array(ownedField).default([]),
  within: z.object({ path: z.string(), persistRoot: z.string() }).nullable(),
  mountOptions: z.array(z.string()),
  purpose: z.string(),
  declaredAt: z.array(z.string()),
  byFramework: z.boolean().default(false),
});

const parent = z.object({
  path: z.string(),
  user: z.string(),
  group: z.string(),
  mode: z.string(),
  assumed: z.array(ownedField).default([]),
  on: z.array(z.string()).default([]),
  ensured: z.boolean(),
  closed: z.boolean().default(false),
  fromSkeleton: z.boolean().default(false),
});

const file = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("text"), path: z.string(), text: z.string(), mode: z.string() }),
  z.object({ kind: z.literal("symlink"), path: z.string(), target: z.string() }),
  z.object({
    kind: z.literal("copy"),
    path: z.string(),
    source: z.string(),
    sha256: z.string(),
    mode: z.string(),
  }),
]);

const plan = z.looseObject({
  hostName: z.string(),
  files: z.array(file),
  persistence: z.object({ persistRoot: z.string(), entries: z.array(entry), parents: z.array(parent) }),
});

const manifest = z.object({ version: z.literal(1), packages: z.string() });

export interface DescribedClosure extends Declared<z.infer<typeof entry>> {
  readonly hostName: string;
  readonly parents: readonly PersistenceParent[];
}

/** The parts of a plan that a running host follows, or that the rest of this program needs to know. */
const FOLLOWED = ["hostName", "platform", "packages", "files", "persistence", "runtime"];

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
      rest: Object.fromEntries(Object.entries(whole).filter(([name]) => !FOLLOWED.includes(name))),
    };
  } catch (error) {
    if (!(error instanceof z.ZodError) && !(error instanceof SyntaxError)) throw error;
    throw new UserError(`another version of NixFleet made ${basename(storePath)}`, [
      "switch cannot change a running host from it or to it: install the new closure, then reboot",
    ]);
  }
}
