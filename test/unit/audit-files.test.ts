/** What the audit commands are made of is on every host, and each of them finds all that it sources or uses. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { hostFiles } from "../../src/payload/host/files.ts";
import { declaredList } from "../../src/plan/declared-list.ts";
import { planWith } from "./host.ts";

const ephemeral = planWith();
const lasting = planWith({ nixfleet: { impermanence: { enable: false } } });

/** Of the commands that look at roots, look.sh goes on only where the root is ephemeral. */
const ONLY_EPHEMERAL: readonly string[] = ["filesystem.sh", "old-roots.sh", "room.sh", "take-back.sh"];

const HOSTS: readonly (readonly [string, typeof ephemeral, readonly string[]])[] = [
  ["an ephemeral root", ephemeral, []],
  ["a root that stays", lasting, ONLY_EPHEMERAL],
];

for (const [what, plan, missing] of HOSTS) {
  test(`a host with ${what} has all that its commands are made of, once`, () => {
    const files = hostFiles(plan);
    const paths = files.map(({ path }) => path);
    assert.deepEqual(
      paths.filter((path, index) => paths.indexOf(path) !== index),
      [],
    );
    for (const file of files) {
      if (file.kind !== "text" || !/^\/etc\/nixfleet\/[^/]+\.(sh|p[lm])$/.test(file.path)) continue;
      const names = [
        ...[...file.text.matchAll(/"\$(?:here|\{0%\/\*\})\/([\w.-]+)"/g)].map(([, name = ""]) => name),
        ...[...file.text.matchAll(/^use ([A-Z]\w+);$/gm)]
          .map(([, name = ""]) => `${name}.pm`)
          .filter((name) => !["Config.pm", "Cwd.pm"].includes(name)),
      ];
      for (const name of names) {
        if (missing.includes(name)) continue;
        assert.ok(paths.includes(join("/etc/nixfleet", name)), `${file.path} uses ${name}`);
      }
    }
  });
}

test("a closure says of each entry where it is declared, and what may go", () => {
  const persistence = planWith(
    { nixfleet: { impermanence: { ephemeral: ["/var/lib/x"] } } },
    { environment: { persistence: { "/persist": { directories: [{ directory: "/srv/a", purpose: "two\nlines" }] } } } },
  ).persistence;
  const lines = declaredList({ persistence }).split("\n");
  assert.ok(lines.includes("root\t/persist"));
  assert.ok(lines.includes("home\t/home/alice"));
  assert.ok(lines.includes("ephemeral\t/var/lib/x"));
  const entry = lines.find((line) => line.startsWith("entry\t/srv/a\t"));
  assert.match(entry ?? "", /^entry\t\/srv\/a\tdirectory\tbind\t\/persist\t\S+:\d+\ttwo lines$/);
});

test("what takes room is measured once a boot, and not while the host boots", () => {
  const paths = hostFiles(ephemeral).map(({ path }) => path);
  const wants = paths.filter(
    (path) => path.endsWith("/nixfleet-measure.timer") || path.endsWith("/nixfleet-measure.service"),
  );
  assert.deepEqual(wants.sort(), [
    "/etc/systemd/system/nixfleet-measure.service",
    "/etc/systemd/system/nixfleet-measure.timer",
    "/etc/systemd/system/timers.target.wants/nixfleet-measure.timer",
  ]);
});
