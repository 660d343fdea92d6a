/** State that nobody mentions, in a closure of real packages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { forgottenState } from "../../src/audit/forgotten.ts";
import { buildHost, findHost } from "../../src/deploy/build.ts";
import { roles } from "../../src/index.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { hostWith } from "../unit/host.ts";

const PACKAGES = ["cron", "logrotate", "man-db", "prometheus-node-exporter"];

test("a host forgets what the services of its packages keep and nobody mentions, and nothing else", async () => {
  await using fleet = await temporaryFolder();
  const options = { fleetFolder: fleet.path };
  const host = hostWith(roles.server, {
    boot: { kernelPackage: "linux-image-cloud-amd64" },
    environment: { systemPackages: PACKAGES },
  });
  const plan = host.plan();
  const { ephemeral } = host.config.nixfleet.impermanence;
  assert.equal(await findHost(plan, options), null);
  const closure = await buildHost(plan, options);
  assert.equal((await findHost(plan, options))?.storePath, closure.storePath);

  const found = forgottenState(closure.folder, plan.persistence, ephemeral);
  assert.deepEqual(
    found.map(({ kind, path, services, because }) => [kind, path, services.join(), because.join()]),
    [
      ["state", "/var/spool/cron", "cron.service", "tmpfiles.d of cron-daemon-common,shipped by cron-daemon-common"],
      ["state", "/var/lib/logrotate", "logrotate.service", "shipped by logrotate"],
      ["cache", "/var/cache/man", "man-db.service", "home of man,tmpfiles.d of man-db"],
      ["state", "/var/lib/man-db", "man-db.service", "shipped by man-db"],
      [
        "state",
        "/var/lib/prometheus",
        "prometheus-node-exporter.service",
        "home of prometheus,shipped by prometheus-node-exporter",
      ],
    ],
  );
  const { entries: _, ...rest } = plan.persistence;
  const mentioned = [...ephemeral, ...found.map(({ path }) => path)];
  assert.deepEqual(forgottenState(closure.folder, plan.persistence, mentioned), []);
  const bare = forgottenState(closure.folder, { ...rest, entries: [] }, []);
  for (const path of ["/var/lib/systemd/network", "/var/lib/systemd/linger", "/var/lib/dbus"]) {
    assert.ok(bare.some((one) => one.path === path) || bare.some((one) => path.startsWith(`${one.path}/`)), path);
  }
});
