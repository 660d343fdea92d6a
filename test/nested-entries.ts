/** Random lists of entries that lie in each other, on several persist roots and in homes, and their plan. */
import fc from "fast-check";
import { UserError } from "../src/errors.ts";
import type { PersistencePlan } from "../src/plan/persistence-plan.ts";
import { planWith } from "./unit/host.ts";

export interface DrawnEntry {
  readonly path: string;
  readonly root: "/persist" | "/data";
  readonly kind: "directory" | "file";
  readonly how: "bind" | "symlink";
  readonly user: string | null;
  readonly mode: string | null;
}

const paths = ["/srv/a", "/srv/a/b", "/srv/a/b/c", "/srv/a/b/c/d", "/var/lib/secret", "/var/lib/secret/in/deep"];
const homes = ["/home/alice", "/home/alice/x", "/home/alice/x/y/z", "/home/bob", "/home/bob/mail"];

export const drawnEntries: fc.Arbitrary<readonly DrawnEntry[]> = fc.uniqueArray(
  fc.record({
    path: fc.constantFrom(...paths, ...homes),
    root: fc.constantFrom("/persist" as const, "/data" as const),
    kind: fc.constantFrom("directory" as const, "directory" as const, "directory" as const, "file" as const),
    how: fc.constantFrom("bind" as const, "bind" as const, "symlink" as const),
    user: fc.constantFrom(null, null, "root", "alice", "bob"),
    mode: fc.constantFrom(null, "0700", "0711", "2750"),
  }),
  { minLength: 1, maxLength: 6, selector: ({ path }) => path },
);

/** The plan of a host that persists these and nothing else, or why it cannot. */
export function persisting(drawn: readonly DrawnEntry[]): PersistencePlan | UserError {
  const lists = (root: DrawnEntry["root"]) => {
    const own = drawn.filter((one) => one.root === root);
    const rest = ({ how, user, mode }: DrawnEntry) => ({ how, user, mode });
    return {
      directories: own.filter(({ kind }) => kind === "directory").map((one) => ({ directory: one.path, ...rest(one) })),
      files: own.filter(({ kind }) => kind === "file").map((one) => ({ file: one.path, ...rest(one) })),
    };
  };
  try {
    return planWith({
      nixfleet: { impermanence: { enable: false } },
      users: { users: { alice: { uid: 1234 }, bob: { uid: 1235 } } },
      environment: { persistence: { "/persist": lists("/persist"), "/data": lists("/data") } },
    }).persistence;
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}
