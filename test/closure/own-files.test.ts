/** Files of the fleet's own in the pristine root: with the content that the plan was made from, or not at all. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makePristineRoot } from "../../src/closure/tree/root.ts";
import { withOwnFiles } from "../../src/deploy/own-files.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { SMALL_HOST } from "./host-plan.ts";

test("a file of the fleet's folder is in the root as it was planned, and one that was changed meanwhile is refused", async () => {
  await using folder = await temporaryFolder();
  const packages = join(folder.path, "packages");
  mkdirSync(join(packages, "etc/skel"), { recursive: true });
  const root = "root:x:0:0:root:/root:/bin/sh\n";
  for (const [name, text] of Object.entries({
    passwd: root,
    group: "root:x:0:\nsudo:x:27:\n",
    shadow: "root:*:1::::::\n",
    gshadow: "root:*::\nsudo:*::\n",
  }))
    writeFileSync(join(packages, "etc", name), text);
  const bytes = Buffer.from([0, 1, 255, 13, 10]);
  writeFileSync(join(folder.path, "program"), bytes, { mode: 0o755 });
  const source = { kind: "source" as const, path: "/opt/app/bin/program", source: "program", mode: null };
  const plan = withOwnFiles({ ...SMALL_HOST, own: { sources: [source], debs: [] } }, folder.path);
  await makePristineRoot(join(folder.path, "root"), packages, plan, folder.path);
  const made = join(folder.path, "root/opt/app/bin/program");
  assert.deepEqual(readFileSync(made), bytes);
  assert.deepEqual([statSync(made).mode & 0o7777, statSync(made).uid], [0o755, 0]);
  writeFileSync(join(folder.path, "program"), "other");
  await assert.rejects(
    makePristineRoot(join(folder.path, "second"), packages, plan, folder.path),
    /program was changed while the host was built/,
  );
});
