/** The pristine root: what a fresh root starts from, on every boot. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, posix } from "node:path";
import { UserError } from "../../errors.ts";
import { run } from "../../local/process.ts";
import type { CopiedFilePlan, FilePlan } from "../../plan/file-plan.ts";
import type { HostPlan } from "../../plan/host.ts";
import type { UserPlan } from "../../plan/users.ts";
import { primaryGroupsOf, withDeclaredAccounts } from "../lock/accounts.ts";
import { CONTENTS_LIST } from "../store/digest.ts";

/** Of a package object, what every host shares instead of getting a copy. */
const SHARED = ["usr", "vmlinuz", "initrd", "manifest.json", "packages.list", CONTENTS_LIST];

/** Folders that are there on every host, and their modes. */
const FOLDERS: Readonly<Record<string, number>> = {
  "/boot": 0o755,
  "/dev": 0o755,
  "/home": 0o755,
  "/media": 0o755,
  "/mnt": 0o755,
  "/nix": 0o755,
  "/opt": 0o755,
  "/persist": 0o755,
  "/proc": 0o555,
  "/root": 0o700,
  "/run": 0o755,
  "/srv": 0o755,
  "/sys": 0o555,
  "/tmp": 0o1777,
  "/usr": 0o755,
};

/**
 * Makes the folder `root` from a package object and what the plan declares.
 * @param fleetFolder where the declaration's own files are
 * @throws UserError when a declared file, user or mount point does not fit into the packages' tree
 */
export async function makePristineRoot(
  root: string,
  packageObject: string,
  plan: HostPlan,
  fleetFolder: string,
): Promise<void> {
  mkdirSync(root);
  chmodSync(root, 0o755);
  const copied = readdirSync(packageObject).filter((name) => !SHARED.includes(name));
  await run("cp", ["-a", "--reflink=auto", "--", ...copied.map((name) => join(packageObject, name)), root]);
  for (const [path, mode] of Object.entries(FOLDERS)) {
    makeFolder(root, path);
    chmodSync(join(root, path), mode);
  }
  for (const { mountpoint } of plan.boot.mounts) makeFolder(root, mountpoint);
  declareAccounts(root, plan);
  for (const file of plan.files) placeFile(root, file, fleetFolder);
  const gids = primaryGroupsOf(root);
  for (const user of plan.users.users) if (user.createHome) await makeHome(root, user, gids.get(user.name) ?? user.uid);
}

function declareAccounts(root: string, plan: HostPlan): void {
  const file = (name: string): string => join(root, "etc", name);
  const read = (name: string): string => readFileSync(file(name), "utf8");
  const accounts = withDeclaredAccounts(
    { passwd: read("passwd"), group: read("group"), shadow: read("shadow"), gshadow: read("gshadow") },
    plan.users,
  );
  // Written in place: owners and modes stay those of the packages.
  for (const [name, text] of Object.entries(accounts)) writeFileSync(file(name), text);
}

function placeFile(root: string, file: FilePlan, fleetFolder: string): void {
  if (file.path.startsWith("/usr/")) {
    throw new UserError(`${file.path} cannot be declared`, [
      "/usr belongs to the packages and is read-only: declare the file below /etc",
    ]);
  }
  makeFolder(root, posix.dirname(file.path));
  const place = join(root, file.path);
  if (lstatSync(place, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UserError(`${file.path} cannot be declared as a file`, ["the host's packages have a folder there"]);
  }
  rmSync(place, { force: true });
  if (file.kind === "symlink") symlinkSync(file.target, place);
  else {
    writeFileSync(place, file.kind === "text" ? file.text : ownContents(file, fleetFolder), { flag: "wx" });
    chmodSync(place, Number.parseInt(file.mode, 8));
  }
}

/** The store is named by what the plan says: another content must not get into it. */
function ownContents({ source, sha256 }: CopiedFilePlan, fleetFolder: string): Buffer {
  const contents = readFileSync(join(fleetFolder, source));
  if (createHash("sha256").update(contents).digest("hex") === sha256) return contents;
  throw new UserError(`${source} was changed while the host was built`, ["run the command again"]);
}

async function makeHome(root: string, user: UserPlan, gid: number): Promise<void> {
  makeFolder(root, user.home);
  const home = join(root, user.home);
  const skeleton = join(root, "etc/skel");
  // A declared file stays as declared.
  if (existsSync(skeleton)) await run("cp", ["-a", "--no-clobber", "--", `${skeleton}/.`, home]);
  await run("chown", ["-R", "--no-dereference", "--", `${user.uid}:${gid}`, home]);
  chmodSync(home, 0o700);
}

/**
 * Makes a folder and those above it, as root's. A link among them is refused, not followed: `/var/run` leads to `/run`,
 * which on the builder is another.
 */
function makeFolder(root: string, path: string): void {
  if (path === "/") return;
  makeFolder(root, posix.dirname(path));
  const place = join(root, path);
  const stats = lstatSync(place, { throwIfNoEntry: false });
  if (stats === undefined) {
    mkdirSync(place);
    chmodSync(place, 0o755);
    chownSync(place, 0, 0);
  } else if (!stats.isDirectory()) {
    const what = stats.isSymbolicLink() ? "a link" : "a file";
    throw new UserError(`${path} cannot be a folder`, [`the host's packages have ${what} there: declare another path`]);
  }
}
