/** `nixfleet release init` and `nixfleet release keys`: who may sign. */
import { join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { DEFAULTS, newKeyFolder, openKeyFolder } from "../release/key-folder.ts";
import { ROLES, type Role, readKeys } from "../release/keys.ts";
import { changeKeys, type KeyAction } from "../release/rotate.ts";
import { print, printJson, shortPaths, table } from "./output.ts";
import { KEY_FOLDER, opened, passphraseOf, type SigningOptions, signing, warnOfExpiry } from "./signing.ts";

export interface KeyOptions extends SigningOptions {
  readonly to?: string;
  readonly count?: readonly string[];
  readonly threshold?: readonly string[];
  readonly days?: readonly string[];
  readonly keep?: string;
  readonly json?: boolean;
}

export async function initKeys(fleetFolder: string, options: KeyOptions): Promise<void> {
  const folder = options.to ?? join(fleetFolder, KEY_FOLDER);
  const one = { root: 1, targets: 1, snapshot: 1, timestamp: 1 };
  const thresholds = numbers("--threshold", options.threshold, one);
  const counts = numbers("--count", options.count, thresholds);
  await newKeyFolder({
    folder,
    settings: {
      version: 1,
      repository: options.repository === undefined ? null : resolve(options.repository),
      days: numbers("--days", options.days, DEFAULTS.days),
      keep: options.keep === undefined ? DEFAULTS.keep : number("--keep", options.keep, 500),
    },
    counts,
    thresholds,
    passphrase: await passphraseOf(options),
    now: Date.now(),
  });
  if (options.json) return await list(folder, options);
  print(
    shortPaths(
      `${folder} has the keys; hosts are to trust ${join(folder, "root.json")}\nkeep the root keys (root-*.pem) somewhere else: they are needed to replace keys, and for nothing else`,
    ),
  );
}

export async function releaseKeys(
  fleetFolder: string,
  [action = "list", ...words]: readonly string[],
  options: KeyOptions,
): Promise<void> {
  const [first = join(fleetFolder, KEY_FOLDER)] = options.keys ?? [];
  if (action === "list") return await list(first, options);
  const asked = keyAction(action, words);
  const by = await signing(fleetFolder, options);
  await using repository = await opened(by.repository, true);
  const { added, removed, ...written } = await changeKeys(repository, by, asked, by);
  warnOfExpiry(written, by.now);
  if (options.json) return printJson({ added, removed });
  print(
    [
      ...added.map((id) => `${id.slice(0, 8)} signs from now on`),
      ...removed.map((id) => `${id.slice(0, 8)} signs nothing any more`),
      "hosts follow when they read the next release; root.json has changed: let hosts trust the new one",
    ].join("\n"),
  );
}

function keyAction(action: string, [word = "", count = ""]: readonly string[]): KeyAction {
  switch (action) {
    case "rotate":
    case "add":
      return { kind: action, role: roleOf(word) };
    case "revoke":
      if (!/^[0-9a-f]{4,64}$/.test(word)) throw new UserError("which key?", ["nixfleet release keys lists them"]);
      return { kind: "revoke", key: word };
    case "threshold":
      return { kind: "threshold", role: roleOf(word), threshold: number("the threshold", count, 100) };
    default:
      throw new UserError(`release keys cannot ${action}`, [
        "wanted list, rotate ROLE, add ROLE, revoke KEY or threshold ROLE NUMBER",
      ]);
  }
}

async function list(folder: string, options: KeyOptions): Promise<void> {
  const { roots } = await openKeyFolder(folder);
  const here = await readKeys(options.keys ?? [folder], await passphraseOf(options));
  const root = roots.at(-1)?.metadata.signed;
  const found = ROLES.map((role) => ({
    role,
    threshold: root?.roles[role]?.threshold ?? 1,
    keys: (root?.roles[role]?.keyIDs ?? []).map((id) => ({ id, here: here.some(({ key }) => key.keyID === id) })),
  }));
  if (options.json) return printJson({ version: root?.version, expires: root?.expires, roles: found });
  const rows = found.flatMap(({ role, threshold, keys }) =>
    keys.map((key) => [role, `${threshold} of ${keys.length}`, key.id.slice(0, 8), key.here ? "here" : "elsewhere"]),
  );
  print(`root ${root?.version}, good until ${root?.expires}\n${table(["role", "signatures", "key", "where"], rows)}`);
}

function roleOf(word: string): Role {
  const role = ROLES.find((one) => one === word);
  if (role === undefined) throw new UserError(`${word || "none"} is no role of a key`, [`wanted ${ROLES.join(", ")}`]);
  return role;
}

/** `root=3` */
function numbers<T extends Readonly<Record<Role, number>>>(
  option: string,
  given: readonly string[] = [],
  otherwise: T,
): Record<Role, number> {
  const made: Record<Role, number> = { ...otherwise };
  for (const text of given) {
    const [role = "", count = ""] = text.split("=");
    made[roleOf(role)] = number(`${option} ${role}`, count, 36_500);
  }
  return made;
}

function number(what: string, text: string, most: number): number {
  if (/^[1-9]\d*$/.test(text) && Number(text) <= most) return Number(text);
  throw new UserError(`${what} wants a number from 1 to ${most}, got ${text || "none"}`);
}
