import assert from "node:assert/strict";
import { test } from "node:test";
import { objection, orphans } from "../../src/agent/preflight.ts";
import type { DescribedClosure } from "../../src/deploy/running.ts";

const entry = (path: string, persistRoot = "/persist") => ({ path, persistRoot });

test("data is orphaned where no entry of its persist root has its path any more, nor a folder above", () => {
  const before = [entry("/var/lib/shop"), entry("/var/lib/mail"), entry("/srv/data"), entry("/home/alice/.app/inner")];
  const after = [
    entry("/var/lib/shop"),
    entry("/srv/data", "/other"),
    entry("/home/alice/.app"),
    entry("/var/lib/mailman"),
  ];
  assert.deepEqual(
    orphans(before, after).map(({ path }) => path),
    ["/var/lib/mail", "/srv/data"],
  );
});

test("a closure of another host, one without an agent, and one that would orphan data, are refused before anything is changed", () => {
  const closure = (hostName: string, files: readonly string[], entries: readonly string[]) =>
    ({
      hostName,
      files: files.map((path) => ({ kind: "text", path, text: "", mode: "0644" })),
      entries: entries.map((path) => entry(path)),
    }) as unknown as DescribedClosure;
  const agent = ["/etc/nixfleet-agent/settings.json"];
  const before = closure("web1", agent, ["/var/lib/shop", "/var/lib/empty"]);
  const exists = (path: string) => path === "/persist/var/lib/shop";
  const against = (after: DescribedClosure, acceptStray = false) =>
    objection(before, after, "web1", acceptStray, exists);
  assert.match(against(closure("web2", agent, [])) ?? "", /of the host web2/);
  assert.match(against(closure("web1", [], ["/var/lib/shop"])) ?? "", /has no agent/);
  assert.match(against(closure("web1", [], []), true) ?? "", /has no agent/);
  assert.match(against(closure("web1", agent, [])) ?? "", /kept in \/var\/lib\/shop: .*--accept-stray/);
  assert.equal(against(closure("web1", agent, []), true), null);
  assert.equal(against(closure("web1", agent, ["/var/lib/shop"])), null, "nothing is kept in the other");
});
