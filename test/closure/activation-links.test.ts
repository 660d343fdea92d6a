/** Links that root has made on the persist root, as the initrd meets them: by the programs of the host, and of the builder. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { quoted } from "../../src/local/process.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";
import { SYSROOT } from "../../src/plan/activation.ts";
import { ALICE, CLOSURE, entry, freshRoot, type Root } from "../btrfs/activation-root.ts";
import { activationReport } from "../reports.ts";
import { trixieUsr } from "./running-root.ts";

const ENTRIES = [
  ...[
    "relative",
    "absolute",
    "above/inner",
    "above-absolute/in ner",
    "twice",
    "nowhere",
    "through-user",
    "of-user",
  ].map((name) => entry("directory", `/srv/${name}`, "bind")),
  entry("file", "/srv/file", "bind"),
  entry("directory", "/srv/linked", "symlink"),
];

/** What is bound where, as the host will see it. */
function activated(root: Root, usr: string): { readonly problems: string[]; readonly mounts: readonly string[] } {
  const initrd = join(root.scratch, "initrd");
  for (const made of ["usr", "proc", "dev", "sysroot", "run", "tmp"])
    mkdirSync(join(initrd, made), { recursive: true });
  for (const name of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(initrd, name));
  cpSync(join(WIPE_SCRIPT, ".."), join(initrd, "scripts"), { recursive: true });
  const parameters = {
    MACHINE_ID: "",
    KEYS: "",
    ROOT_DEVICE: "",
    STATE: "/persist/.nixfleet",
    REPORT: "/run/activation.report",
  };
  writeFileSync(join(initrd, "conf"), scriptParameters(parameters));
  const script = `
    mount --bind ${quoted(usr)} ${quoted(join(initrd, "usr"))}
    for name in proc dev; do mount --rbind "/$name" ${quoted(initrd)}/"$name"; done
    mount --rbind ${quoted(root.path)} ${quoted(join(initrd, "sysroot"))}
    chroot ${quoted(initrd)} /bin/sh /scripts/activate.sh /sysroot ${CLOSURE} /conf
    chroot ${quoted(initrd)} findmnt --raw --noheadings -o TARGET,FSROOT`;
  const { stdout, stderr } = spawnSync("unshare", ["--mount", "sh", "-c", script], { encoding: "utf8" });
  const { problems } = activationReport(readFileSync(join(initrd, "run/activation.report"), "utf8"));
  assert.ok(Array.isArray(problems), stderr);
  return {
    problems,
    mounts: stdout
      .split("\n")
      .filter((line) => line.startsWith("/sysroot/srv/"))
      .sort(),
  };
}

describe("links of root's on the persist root", () => {
  const tools = new Map([["the builder", "/usr"]]);
  before(async () => {
    tools.set("the host", await trixieUsr());
  });

  for (const whose of ["the builder", "the host"]) {
    test(`lead to where the host would find it, by the programs of ${whose}; and no link of a user's is followed`, async () => {
      await using root = await freshRoot(ENTRIES, SYSROOT);
      const persist = (path: string) => join(root.path, "persist", path);
      for (const made of ["srv", "real", "real/inner", "big/in ner", "home/alice/data"])
        mkdirSync(persist(made), { recursive: true });
      writeFileSync(persist("real/file"), "kept");
      for (const [name, target] of [
        ["relative", "../real"],
        ["absolute", "/persist/real"],
        ["above", "../real"],
        ["above-absolute", "/persist/big"],
        ["twice", "/persist/srv/absolute"],
        ["nowhere", "/persist/nothing"],
        ["through-user", "/persist/home/alice/link"],
        ["file", "/persist/real/file"],
        ["linked", "../real"],
      ] as const)
        symlinkSync(target, persist(`srv/${name}`));
      const link = (target: string, path: string) =>
        spawnSync("sh", ["-c", `ln -s "$1" "$2" && chown -h ${ALICE} "$2"`, "sh", target, path]);
      link("../../big", persist("home/alice/link"));
      link("/persist/real", persist("srv/of-user"));
      const { problems, mounts } = activated(root, tools.get(whose) ?? "");
      assert.deepEqual(mounts, [
        "/sysroot/srv/above-absolute/in\\x20ner /persist/big/in\\x20ner",
        "/sysroot/srv/above/inner /persist/real/inner",
        "/sysroot/srv/absolute /persist/real",
        "/sysroot/srv/file /persist/real/file",
        "/sysroot/srv/relative /persist/real",
        "/sysroot/srv/twice /persist/real",
      ]);
      const notPlaced = problems.filter((problem) => problem.includes(" is not placed: "));
      assert.deepEqual(notPlaced.map((problem) => problem.split(" ")[0]).toSorted(), [
        "/srv/nowhere",
        "/srv/of-user",
        "/srv/through-user",
      ]);
      assert.doesNotMatch(problems.join("\n"), /persist\/srv\/(relative|absolute|twice|file|linked)/);
    });
  }
});
