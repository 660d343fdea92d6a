/** Files that have to be on a persist root at the first boot. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { firstFiles, placeFirstFiles } from "../../src/deploy/first-files.ts";
import { UserError } from "../../src/errors.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { planWith } from "../unit/host.ts";

const plan = planWith({
  users: { packageUsers: ["app"] },
  environment: {
    persistence: {
      "/persist": {
        directories: [{ directory: "/var/lib/app", user: "app", group: "42", mode: "0750" }],
        users: { alice: { directories: [".ssh"] } },
      },
    },
  },
});

test("each is there with its mode, owned by who owns the entry that it lies in, and else by root alone", async () => {
  await using folder = await temporaryFolder();
  const at = (path: string) => join(folder.path, path);
  for (const each of ["closure/root/etc", "disk/persist"]) mkdirSync(at(each), { recursive: true });
  writeFileSync(
    at("closure/root/etc/passwd"),
    "root:x:0:0::/root:\nalice:x:1000:1001::/home/alice:\napp:x:77:78::/:\n",
  );
  writeFileSync(at("closure/root/etc/group"), "root:x:0:\nalice:x:1001:\napp:x:78:\n");
  writeFileSync(at("closure/plan.json"), JSON.stringify(plan));
  writeFileSync(at("closure/manifest.json"), JSON.stringify({ version: 1, packages: "/nix/store/p" }));
  writeFileSync(at("hash"), "hash");
  chmodSync(at("hash"), 0o600);
  writeFileSync(at("key=1"), "key");
  chmodSync(at("key=1"), 0o640);
  const given = [
    `${at("hash")}=/persist/passwords/alice`,
    `${at("key=1")}=/persist/home/alice/.ssh/deep/key`,
    `${at("hash")}=/persist/var/lib/app/secret`,
    `${at("hash")}=/persist/etc/machine-id`,
  ];
  await placeFirstFiles(
    await firstFiles(given, plan),
    plan,
    { folder: at("closure"), storePath: "/nix/store/x" },
    at("disk"),
  );
  const look = (path: string) => {
    const { uid, gid, mode } = statSync(at(`disk/persist/${path}`));
    return [uid, gid, (mode & 0o7777).toString(8)];
  };
  assert.deepEqual(
    [
      "passwords",
      "passwords/alice",
      "home",
      "home/alice",
      "home/alice/.ssh",
      "home/alice/.ssh/deep/key",
      "var/lib/app/secret",
      "etc",
    ].map(look),
    [
      [0, 0, "700"],
      [0, 0, "600"],
      [0, 0, "755"],
      [1000, 1001, "700"],
      [1000, 1001, "700"],
      [1000, 1001, "640"],
      [77, 42, "600"],
      [0, 0, "755"],
    ],
  );
  assert.equal(readFileSync(at("disk/persist/home/alice/.ssh/deep/key"), "utf8"), "key");
});

test("one that would be gone, is not there, or is named twice is refused before anything is built", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "file");
  writeFileSync(file, "");
  symlinkSync("/nonexistent", join(folder.path, "dangling"));
  for (const [given, says] of [
    [[`${file}=/etc/shadow`], /\/etc\/shadow is on no persist root[\s\S]*below \/persist/],
    [[`${file}=/persist`], /on no persist root/],
    [[`${file}=/persist/../etc/shadow`], /wants LOCAL=PATH/],
    [[file], /wants LOCAL=PATH/],
    [[`${folder.path}=/persist/x`], /there is no file/],
    [[`${folder.path}/dangling=/persist/x`], /there is no file/],
    [[`${file}=/persist/x`, `${file}=/persist/x`], /names \/persist\/x twice/],
  ] as const)
    await assert.rejects(
      firstFiles(given, plan),
      (error) => error instanceof UserError && says.test(error.text),
      given[0],
    );
});
