import assert from "node:assert/strict";
import { test } from "node:test";
import { generationFiles } from "../../src/payload/host/generations.ts";
import { requireLoader } from "../../src/plan/loader.ts";
import { planWith } from "./host.ts";

test("a host with an ESP gets systemd-boot, which it mounts where the layout says", () => {
  const plan = planWith();
  assert.deepEqual(plan.loader.esps, ["/boot"]);
  assert.ok(["systemd-boot", "systemd-boot-efi"].every((name) => plan.packages.packages.includes(name)));
});

test("what a host says of its boot menu is what its scripts are told", () => {
  const plan = planWith({ boot: { loader: { configurationLimit: 4, timeout: 0, tries: 2 } } });
  const conf = generationFiles(plan).find(({ path }) => path === "/etc/nixfleet/generations.conf");
  assert.ok(conf?.kind === "text");
  for (const line of ["LIMIT='4'", "TIMEOUT='0'", "TRIES='2'", "NIX='/nix'", "ESPS='/boot'", "NIX_SUBVOLUME='@nix'"])
    assert.ok(conf.text.split("\n").includes(line), line);
});

test("a host that no firmware could boot is refused by what makes its disk", () => {
  const plan = planWith();
  requireLoader(plan);
  const esp = { ...plan, loader: { ...plan.loader, esps: [] } };
  assert.throws(() => requireLoader(esp), /test has no boot loader, so it could not boot from its disk/);
});

test("a host without a boot loader has no generations to list", () => {
  const plan = planWith();
  assert.deepEqual(generationFiles({ ...plan, loader: { ...plan.loader, esps: [] } }), []);
});
