import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOfData, objection, orphans } from "../../src/agent/preflight.ts";
import type { DescribedClosure } from "../../src/deploy/running.ts";
import { keptEntry } from "../agent/host.ts";

const entry = (path: string, persistRoot = "/persist") => ({ path, persistRoot });
const AGENT = "/etc/nixfleet-agent/settings.json";

/** @param owners by path; what has none is nobody's in particular */
function closure(
  entries: readonly ReturnType<typeof entry>[],
  owners: Readonly<Record<string, string>> = {},
  { hostName = "web1", files = [AGENT] } = {},
): DescribedClosure {
  return {
    hostName,
    packages: "/nix/store/debian",
    rest: {},
    parents: [],
    files: files.map((path) => ({ kind: "text", path, text: "", mode: "0644" })),
    entries: entries.map(({ path, persistRoot }) => keptEntry(path, persistRoot, owners[path])),
  };
}

test("data is left behind where what its path shows comes from another persist root now, or from none", () => {
  const left = (before: readonly ReturnType<typeof entry>[], after: readonly ReturnType<typeof entry>[]) =>
    orphans(before, after).map(({ path, persistRoot, to }) => `${persistRoot}${path} ${to}`);
  const [shop, app, inner] = [entry("/var/lib/shop"), entry("/home/alice/.app"), entry("/home/alice/.app/inner")];
  assert.deepEqual(left([shop, entry("/var/lib/mail")], [shop, entry("/var/lib/mailman")]), [
    "/persist/var/lib/mail null",
  ]);
  assert.deepEqual(left([entry("/srv/data")], [entry("/srv/data", "/other")]), ["/persist/srv/data /other"]);
  assert.deepEqual(left([inner], [app]), [], "the folder above holds it");
  assert.deepEqual(left([app], [inner]), ["/persist/home/alice/.app null"]);
  const hiding = entry("/home/alice/.app/inner", "/other");
  assert.deepEqual(left([inner], [app, hiding]), ["/persist/home/alice/.app/inner /other"]);
  assert.deepEqual(left([app], [app, hiding]), ["/persist/home/alice/.app/inner /other"], "it was part of an entry");
  assert.deepEqual(left([app, inner], []), ["/persist/home/alice/.app null"], "one goes with the other");
  assert.deepEqual(left([], [app, hiding]), []);
});

test("a closure of another host, one without an agent, and one that would leave data behind, are refused before anything is changed", () => {
  const [shop, empty, moved] = [entry("/var/lib/shop"), entry("/var/lib/empty"), entry("/var/lib/shop", "/other")];
  const before = closure([shop, empty]);
  const exists = (path: string) => path === "/persist/var/lib/shop";
  const against = (after: DescribedClosure, acceptStray = false) =>
    objection(before, after, "web1", acceptStray, exists) ?? "";
  assert.match(against(closure([shop], {}, { hostName: "web2", files: [AGENT] })), /of the host web2/);
  for (const accepted of [false, true])
    assert.match(against(closure([shop], {}, { hostName: "web1", files: [] }), accepted), /has no agent/);
  assert.match(against(closure([])), /^nothing declares \/persist\/var\/lib\/shop any more: .*--accept-stray/);
  assert.match(
    against(closure([moved])),
    /^\/var\/lib\/shop is declared on \/other now, and its data stays in \/persist/,
  );
  for (const after of [[], [moved]]) assert.equal(against(closure(after), true), "");
  assert.equal(against(closure([shop])), "", "nothing is kept in the other");
});

test("however much would be left behind, what to do about it fits into a report", () => {
  const many = Array.from({ length: 30 }, (_, number) => entry(`/var/lib/${"x".repeat(80)}${number}`));
  const said = objection(closure(many), closure([]), "web1", false, () => true) ?? "";
  assert.ok(said.length < 900, said);
  assert.match(said, /; and 25 more: .*--accept-stray$/);
});

test("what changes for persisted data is told: left behind, another owner or mode, new", () => {
  const [shop, mail, old] = [entry("/var/lib/shop"), entry("/var/lib/mail"), entry("/var/lib/old")];
  const before = closure([shop, mail, old], { [shop.path]: "root root 0755" });
  const told = (after: DescribedClosure, exists = true) => changesOfData(before, after, () => exists);
  assert.deepEqual(told(before), []);
  const after = closure([shop, mail, entry("/srv/new")], {
    [shop.path]: "shop shop 0750",
    [mail.path]: "mail mail 0700",
  });
  assert.deepEqual(told(after), [
    "nothing declares /persist/var/lib/old any more",
    "/persist/var/lib/shop is declared as shop:shop 0750 now, and what is there keeps its owner and mode",
    "/persist/var/lib/mail is declared as mail:mail 0700 now, and what is there keeps its owner and mode",
    "/srv/new persists from now on",
  ]);
  assert.deepEqual(told(after, false), ["/srv/new persists from now on"], "what is not there is made as declared");
});
