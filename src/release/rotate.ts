/** Other keys for a role: a new root says so, signed by enough of the old root keys and of the new. */
import type { Root } from "@tufjs/models";
import type { Repository } from "../content/repository.ts";
import { UserError } from "../errors.ts";
import { storedRoot } from "./key-folder.ts";
import { type NewKey, newKey, ROLES, type Role, retireKeys, writeKey } from "./keys.ts";
import { canSign, changedRoot, expiry, isDue, signedRoot } from "./sign.ts";
import { type Builder, type Written, writeReleases } from "./write.ts";

export type KeyAction =
  /** As many new keys as the role has, in place of all of them. */
  | { readonly kind: "rotate"; readonly role: Role }
  | { readonly kind: "add"; readonly role: Role }
  /** Whatever this key signed, it signs no more. The beginning of its id will do. */
  | { readonly kind: "revoke"; readonly key: string }
  | { readonly kind: "threshold"; readonly role: Role; readonly threshold: number };

export interface Files {
  /** Where keys are read from; new ones go to the first of them. */
  readonly folders: readonly string[];
  readonly passphrase: string | null;
}

/** All that the keys had signed is signed anew. @returns the ids of keys that sign no more */
export async function changeKeys(
  repository: Repository,
  builder: Builder,
  action: KeyAction,
  { folders, passphrase }: Files,
): Promise<Written & { readonly added: readonly string[]; readonly removed: readonly string[] }> {
  const { now, keyFolder } = builder;
  const newest = keyFolder.roots.at(-1)?.metadata.signed;
  const count =
    action.kind === "rotate" ? (newest?.roles[action.role]?.keyIDs.length ?? 1) : action.kind === "add" ? 1 : 0;
  const made = Array.from({ length: count }, () => newKey(passphrase));
  const keys = [...builder.keys, ...made.map(({ signing }) => signing)];
  let removed: readonly string[] = [];
  const written = await writeReleases(
    repository,
    { ...builder, keys },
    {
      root: (before) => {
        const after = changed(before, action, made, expiry(now, keyFolder.settings.days.root));
        removed = Object.keys(before.keys).filter((id) => after.keys[id] === undefined);
        return storedRoot(signedRoot(after, before, keys));
      },
      ready: async () => {
        const [folder = keyFolder.folder] = folders;
        if (action.kind === "rotate" || action.kind === "add")
          for (const one of made) await writeKey(action.role, folder, one);
      },
    },
  );
  await retireKeys(folders, new Set(removed), passphrase);
  return { ...written, added: made.map(({ signing }) => signing.key.keyID), removed };
}

/** The timestamp, and what else is half over, as far as its keys are here. */
export async function refresh(repository: Repository, builder: Builder): Promise<Written> {
  const { keys, now, keyFolder } = builder;
  const { days } = keyFolder.settings;
  return await writeReleases(repository, builder, {
    root: (before) => {
      if (!isDue(before.expires, days.root, now) || !canSign("root", before, keys)) return null;
      return storedRoot(signedRoot(changedRoot(before, [], expiry(now, days.root)), before, keys));
    },
  });
}

function changed(before: Root, action: KeyAction, made: readonly NewKey[], expires: string): Root {
  const add = made.map(({ signing }) => signing.key);
  switch (action.kind) {
    case "rotate":
      return changedRoot(
        before,
        [{ role: action.role, add, remove: before.roles[action.role]?.keyIDs ?? [] }],
        expires,
      );
    case "add":
      return changedRoot(before, [{ role: action.role, add }], expires);
    case "threshold":
      return changedRoot(before, [action], expires);
    case "revoke": {
      const ids = Object.keys(before.keys).filter((id) => id.startsWith(action.key));
      const [id] = ids;
      if (id === undefined || ids.length > 1) {
        throw new UserError(`${ids.length === 0 ? "no key begins" : "several keys begin"} with ${action.key}`, [
          "nixfleet release keys lists them",
        ]);
      }
      const roles = ROLES.filter((role) => before.roles[role]?.keyIDs.includes(id));
      return changedRoot(
        before,
        roles.map((role) => ({ role, remove: [id] })),
        expires,
      );
    }
  }
}
