/** How much the services of a fleet may do: systemd's own measure, from 0 (nothing) to 10 (all). */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { planWith } from "../unit/host.ts";

/** An exposure, times ten. */
const BOUNDS = { "nixfleet-control-plane": 13, "nixfleet-agent": 22 } as const;

for (const [name, bound] of Object.entries(BOUNDS)) {
  test(`${name} is confined: its exposure is at most ${bound / 10}`, async () => {
    const { files } = planWith({
      services: {
        "nixfleet-agent": {
          enable: true,
          controlPlane: "https://fleet.test:8443",
          contentRepositories: ["https://content.test/"],
        },
        "nixfleet-control-plane": { enable: true },
      },
    });
    const unit = files.find(({ path }) => path === `/etc/systemd/system/${name}.service`);
    assert.ok(unit?.kind === "text");
    await using folder = await temporaryFolder();
    const file = join(folder.path, `${name}.service`);
    writeFileSync(file, unit.text);
    await run("systemd-analyze", ["security", "--offline=true", `--threshold=${bound}`, "--no-pager", file]);
    const tighter = run("systemd-analyze", [
      "security",
      "--offline=true",
      `--threshold=${bound - 3}`,
      "--no-pager",
      file,
    ]);
    await assert.rejects(tighter, `${name} is confined better than the bound says: lower it`);
  });
}
