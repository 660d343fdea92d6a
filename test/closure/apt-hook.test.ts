/** `apt-get install` on a host, with apt of its closure. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { hostFiles } from "../../src/payload/host/files.ts";
import { planWith } from "../unit/host.ts";
import { runningRoot, trixieUsr } from "./running-root.ts";

let usr = "";
before(async () => {
  usr = await trixieUsr();
});

test("a package that is to be installed or removed is declared instead, and what only asks is left alone", async () => {
  await using root = await runningRoot(usr);
  root.sh("mkdir -p /etc/apt/apt.conf.d /var/lib/apt/lists/partial /var/cache/apt/archives/partial /var/lib/dpkg");
  for (const file of hostFiles(planWith())) {
    if (file.kind === "text" && /declare\.pl$|apt\.conf\.d/.test(file.path))
      writeFileSync(join(root.path, file.path), file.text);
  }
  const stanza =
    "Package: mine\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nMaintainer: n\nDescription: x\n";
  writeFileSync(join(root.path, "var/lib/dpkg/status"), stanza);
  const declare = /this host is what its fleet declares[\s\S]*environment\.systemPackages/;
  assert.throws(() => root.sh("apt-get install -y htop"), declare);
  assert.throws(() => root.sh("apt install -y htop"), declare);
  assert.throws(() => root.sh("apt-get remove -y mine"), declare);
  assert.match(root.sh("apt-get install -y mine 2>&1"), /mine is already the newest version/);
  assert.doesNotMatch(root.sh("apt-cache policy mine 2>&1; apt-get check 2>&1"), /fleet/);
  assert.match(root.sh("cat /var/lib/dpkg/status"), /^Package: mine$/m);
});
