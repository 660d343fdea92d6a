import assert from "node:assert/strict";
import { test } from "node:test";
import { STATES } from "../vm/scope-state.ts";
import { served } from "../vm/scopes-host.ts";
import { isEnabled, switches } from "./scopes-reference.ts";

/** Programs that need a screen to be worth a look, and one that no archive here has. */
const NOT_RUN = ["programs.chromium", "programs.firefox", "programs.thunderbird", "services.tailscale"];
/** It runs there, but keeps what it is told in memory, until a device asks for more. */
const WITHOUT_STATE = ["services.fwupd"];

test("every scope is run by the virtual machine's test, which has a state for each to keep", () => {
  const names = switches.map(({ path }) => path.join(".")).filter((name) => !NOT_RUN.includes(name));
  assert.deepEqual(
    switches.filter(({ path }) => isEnabled(served.config, path)).map(({ path }) => path.join(".")),
    names,
  );
  assert.deepEqual(
    [...new Set(STATES.map(({ scope }) => scope))].sort(),
    names.filter((name) => !WITHOUT_STATE.includes(name)),
  );
});
