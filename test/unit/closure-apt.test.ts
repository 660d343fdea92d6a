import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openApt } from "../../src/closure/lock/apt.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { hostWith, planWith } from "./host.ts";

const VENDOR = "deb [signed-by=/etc/keys/it's.gpg] https://vendor.example.org/debian trixie main";

/** Notes its arguments as mmdebstrap, and runs the hooks as it does. */
const STUB = `#!/bin/sh
set -eu
for argument; do
  printf '%s\\n' "$argument" >>"$(dirname "$0")/arguments"
  case $argument in --setup-hook=*) hook=\${argument#*=} ;; */apt) root=$argument ;; esac
done
mkdir -p "$root/etc/apt/sources.list.d"
[ -z "\${hook:-}" ] || sh -c "$hook" exec "$root"
`;

test("lines of one's own are read beside those of mmdebstrap's, which bring the security updates; or alone, if that is wanted", async () => {
  for (const archiveOnly of [undefined, true] as const) {
    await using folder = await temporaryFolder();
    const tools = join(folder.path, "to ols");
    await mkdir(tools);
    writeFileSync(join(tools, "mmdebstrap"), STUB, { mode: 0o755 });
    const path = process.env.PATH;
    process.env.PATH = `${tools}:${path}`;
    try {
      const request = { ...planWith().packages, archive: [VENDOR], archiveOnly };
      await openApt(request, folder.path);
    } finally {
      process.env.PATH = path;
    }
    const mirrors = readFileSync(join(tools, "arguments"), "utf8")
      .split("\n")
      .filter((line) => line.startsWith("deb "));
    // Any mirror as an argument takes the place of all of mmdebstrap's own.
    assert.deepEqual(mirrors, archiveOnly ? [VENDOR] : []);
    if (!archiveOnly) {
      assert.equal(readFileSync(join(folder.path, "apt/etc/apt/sources.list.d/more.list"), "utf8"), `${VENDOR}\n`);
    }
  }
});

test("a host that gets no security updates is told so", () => {
  const warned = (debian: object) => hostWith({ nixfleet: { debian } }).warnings;
  assert.deepEqual(warned({ archive: [VENDOR] }), []);
  assert.match(warned({ archive: [VENDOR], defaultArchive: false }).join(), /no security updates.*trixie-security/);
  const security = "deb https://mirror.example.org/security trixie-security main";
  assert.deepEqual(warned({ archive: [VENDOR, security], defaultArchive: false }), []);
  assert.deepEqual(warned({ suite: "sid", archive: [VENDOR], defaultArchive: false }), []);
});
