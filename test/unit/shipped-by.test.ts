/** Of what lies on the root, the closure says which package ships it, where that is one alone. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { shippedByList } from "../../src/closure/tree/shipped-by.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

test("a path that one package alone ships is its own; of what several ship, and of /usr, nothing is said", async () => {
  await using folder = await temporaryFolder();
  const info = join(folder.path, "var/lib/dpkg/info");
  mkdirSync(info, { recursive: true });
  writeFileSync(join(info, "cups.list"), "/.\n/etc\n/etc/cups\n/etc/default\n/usr/sbin/cupsd\n/lib/x\n");
  writeFileSync(join(info, "libssl3:amd64.list"), "/.\n/etc\n/etc/default\n/etc/ssl/x y\n");
  writeFileSync(join(folder.path, "var/lib/dpkg/diversions"), "");
  assert.equal(shippedByList(folder.path), "/etc/cups\tcups\n/etc/ssl/x y\tlibssl3\n");
});
