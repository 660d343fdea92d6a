/** The store holds set-user-ID programs of every generation: only the running one's raise privileges, by /usr. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import { run } from "../../src/local/process.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import type { BootMount } from "../../src/plan/boot.ts";
import { hostWith } from "../unit/host.ts";
import { ALICE, activate, CLOSURE, freshRoot } from "./activation-root.ts";
import { filesystem } from "./wipe-filesystem.ts";

const lasting = mkHost({
  hostName: "test",
  platform: "x86_64-linux",
  hostSpec: { userName: "alice" },
  modules: [diskoTemplates.ext4({ disk: "/dev/vda" })],
});
const ephemeral = hostWith();
const OLD = "/nix/store/old-nixfleet-test";

for (const [what, host] of [
  ["a store on a subvolume of its own", ephemeral],
  ["a store in a root that stays", lasting],
] as const) {
  test(`${what}: the running su raises privileges, an old one by its store path does not, nor the running one by its`, async () => {
    await using root = await freshRoot([]);
    for (const closure of [CLOSURE, OLD]) setUserId(join(root.path, closure, "usr/bin"));
    const nix = join(root.path, "nix");
    await run("mount", ["--bind", "-o", vfsOptions(host.plan().boot.mounts).join(","), nix, nix]);
    assert.equal(activate(root).exitCode, 0);
    chmodSync(root.scratch, 0o755);
    const as = (program: string) => effectiveUser(join(root.path, program));
    assert.equal(as("usr/bin/id"), "0");
    assert.equal(as(join(CLOSURE, "usr/bin/id")), String(ALICE));
    assert.equal(as(join(OLD, "usr/bin/id")), String(ALICE));
    assert.match(await run("findmnt", ["-no", "OPTIONS", "--mountpoint", join(root.path, "usr")]), /^ro,nodev\b/);
  });
}

test("while old roots are pruned, the filesystem's top level is no other way to the store", async () => {
  await using disk = await filesystem({ bare: true });
  setUserId(join(disk.top, "@nix"));
  const library = join(WIPE_SCRIPT, "../filesystem.sh");
  const script = `. "$1"; fail() { echo "$1"; exit 1; }; mountFilesystem; setpriv --reuid ${ALICE} --clear-groups -- @nix/id -u; unmountFilesystem`;
  chmodSync(disk.scratch, 0o755);
  const env = { DEVICE: disk.device, MOUNTPOINT: disk.mountpoint };
  assert.equal(await run("sh", ["-euc", script, "sh", library], { env }), `${ALICE}\n`);
});

/** Of the store's mount, what holds for any filesystem. */
function vfsOptions(mounts: readonly BootMount[]): readonly string[] {
  const options = mounts.find(({ mountpoint }) => mountpoint === "/nix")?.options ?? [];
  return options.filter((option) => !option.startsWith("subvol=") && option !== "bind");
}

function setUserId(folder: string): void {
  mkdirSync(folder, { recursive: true });
  copyFileSync("/usr/bin/id", join(folder, "id"));
  chmodSync(join(folder, "id"), 0o4755);
}

function effectiveUser(program: string): string {
  const argv = ["--reuid", String(ALICE), "--regid", String(ALICE), "--clear-groups", "--", program, "-u"];
  const { stdout, stderr } = spawnSync("setpriv", argv, { encoding: "utf8" });
  return stdout.trim() || stderr;
}
