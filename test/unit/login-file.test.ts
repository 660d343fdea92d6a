import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readLogin, writeLogin } from "../../src/control/client.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

test("of logins at one time each is written whole, for its user alone, and nothing else stays behind", async () => {
  await using home = await temporaryFolder();
  process.env.XDG_CONFIG_HOME = home.path;
  const logins = [1, 2, 3, 4].map((number) => ({
    url: `https://plane${number}:8443`,
    authority: null,
    key: `nfk_${number}_a`,
  }));
  const files = await Promise.all(logins.map(writeLogin));
  const folder = join(home.path, "nixfleet");
  assert.deepEqual(new Set(files), new Set([join(folder, "login.json")]));
  assert.equal(statSync(join(folder, "login.json")).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder).sort(), ["login.json", "login.json.lock"]);
  const kept = await readLogin();
  assert.deepEqual(
    kept,
    logins.find(({ url }) => url === kept.url),
  );
});
