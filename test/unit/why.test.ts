/** `nixfleet why --host`: what becomes of a path, by the plan alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { whyOf } from "../../src/audit/why.ts";
import { planWith } from "./host.ts";

const declared = {
  nixfleet: { impermanence: { ephemeral: ["/var/lib/gone"] } },
  environment: {
    etc: { "app.conf": { text: "" } },
    persistence: { "/persist": { directories: [{ directory: "/var/lib/app", purpose: "notes" }] } },
  },
} as const;

for (const [path, fate, because] of [
  [
    "/var/lib/app/x",
    "kept",
    /by the entry \/var\/lib\/app, declared at .*:\d+, for notes; its data is \/persist\/var\/lib\/app\/x/,
  ],
  ["/etc/machine-id", "kept", /by the entry \/etc\/machine-id/],
  ["/persist/x", "kept", /is on the persist root \/persist/],
  ["/usr/bin/sh", "closure", /of the packages/],
  ["/etc/app.conf", "closure", /is declared/],
  ["/nix/store", "elsewhere", /is on \/nix/],
  ["/run/x", "lost", /in memory/],
  ["/var/lib/gone/x", "ephemeral", /\/var\/lib\/gone is declared ephemeral/],
  ["/var/cache/x", "ephemeral", /\/var\/cache is for caches/],
  ["/var/lib/application", "lost", /is not persisted/],
] as const) {
  test(`${path} is ${fate}`, () => {
    const told = whyOf(path, planWith(declared));
    assert.equal(told.fate, fate);
    assert.match(told.because, because);
  });
}

test("on a host whose root stays, what is on it is kept", () => {
  assert.equal(whyOf("/srv/x", planWith({ nixfleet: { impermanence: { enable: false } } })).fate, "kept");
});
