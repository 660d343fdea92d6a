import assert from "node:assert/strict";
import { test } from "node:test";
import { loginWarnings } from "../../src/plan/login.ts";
import { hostWith } from "./host.ts";

const keys = { openssh: { authorizedKeys: { keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI alice"] } } };
const ssh = { services: { openssh: { enable: true } } };
const base = { nixfleet: { base: { enable: true } } };

const hosts: readonly (readonly [what: string, modules: Parameters<typeof hostWith>, warns: boolean])[] = [
  ["nothing", [], true],
  ["an ssh server and no key", [ssh, base], true],
  ["a key and no ssh server", [base, { users: { users: { alice: keys } } }], true],
  ["a key of somebody who is no administrator", [ssh, { users: { users: { alice: keys } } }], true],
  [
    "root's key where root may not log in",
    [
      { services: { openssh: { enable: true, settings: { PermitRootLogin: "no" } } } },
      { users: { users: { root: keys } } },
    ],
    true,
  ],
  ["a key of an administrator", [ssh, base, { users: { users: { alice: keys } } }], false],
  [
    "a key of a member of sudo",
    [ssh, { users: { users: { bob: keys }, groups: { sudo: { members: ["bob"] } } } }],
    false,
  ],
  ["root's key", [ssh, { users: { users: { root: keys } } }], false],
  [
    "an administrator's password",
    [base, { users: { users: { alice: { hashedPasswordFile: "/persist/p/alice" } } } }],
    false,
  ],
];

for (const [what, modules, warns] of hosts) {
  test(`a host with ${what} ${warns ? "warns that nobody can log in" : "lets somebody in"}`, () => {
    const { config } = hostWith(...modules);
    const warnings = loginWarnings(config, config.services.openssh);
    assert.equal(warnings.length, warns ? 1 : 0);
    if (warns)
      assert.match(warnings.join(), /nobody who may administer this host can log in.*users\.users\.\w+\.openssh/);
  });
}
