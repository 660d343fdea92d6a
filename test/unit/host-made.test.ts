import assert from "node:assert/strict";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { removeHostMade, whatIsMade } from "../../src/closure/tree/host-made.ts";
import { temporaryFolder } from "../../src/local/resources.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const UUID = "0a1b2c3d-0a1b-4a1b-8a1b-0a1b2c3d4e5f";

for (const [what, mode, content, found] of [
  ["an OpenSSH key", 0o644, "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n", "a private key"],
  ["a key in PEM after other text", 0o644, "# mine\n-----BEGIN RSA PRIVATE KEY-----\n", "a private key"],
  ["a key of PKCS 8", 0o600, "-----BEGIN PRIVATE KEY-----\n", "a private key"],
  ["a key of OpenPGP", 0o644, "-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "a private key"],
  ["a key of age", 0o644, "# created: now\nAGE-SECRET-KEY-1QQ\n", "a private key"],
  ["rndc's key", 0o640, 'key "rndc-key" {\n\tsecret "ac4BdyTKtCC1xAZvZc8gGy8MxIu8NjRHqgCiFt4A6oU=";\n};\n', "a secret"],
  ["munge's key", 0o400, Buffer.from(Array.from({ length: 128 }, (_, i) => (i * 37) & 255)), "a secret"],
  ["a password", 0o600, "password = 3f786850e387550fdab836ed7e6dc881de23001b\n", "a secret"],
  ["a machine id", 0o444, "0123456789abcdef0123456789abcdef\n", "the id of one machine"],
  ["nvme's host id", 0o644, `${UUID}\n`, "the id of one machine"],
  ["nvme's name of a host", 0o644, `nqn.2014-08.org.nvmexpress:uuid:${UUID}\n`, "the id of one machine"],
  ["a certificate", 0o644, PEM, "a certificate"],
  ["many authorities", 0o644, PEM + PEM, null],
  ["a public key", 0o644, "-----BEGIN PUBLIC KEY-----\n", null],
  ["what is closed and says nothing", 0o600, "# user:password\n", null],
  [
    "a closed file of settings",
    0o640,
    "path = /usr/lib/x86_64-linux-gnu/security\nhost = localhost.localdomain\n",
    null,
  ],
  ["an open file with a hash", 0o644, "3f786850e387550fdab836ed7e6dc881de23001b  file\n", null],
  ["an open file with an id among others", 0o644, `root=UUID=${UUID}\n`, null],
  ["nothing", 0o600, "", null],
] as const) {
  test(`of what an installation made, ${what}: ${found ?? "stays"}`, () => {
    assert.equal(whatIsMade("/etc/x", { mode }, Buffer.from(content)), found);
  });
}

test("what a package has in itself stays, what its scripts made goes with all that leads to it, and the package is told", async () => {
  await using folder = await temporaryFolder();
  const at = (path: string) => join(folder.path, path);
  const write = (path: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text, { mode });
  };
  const key = "-----BEGIN PRIVATE KEY-----\n";
  write(
    "var/lib/dpkg/info/example.list",
    "/.\n/etc\n/etc/example\n/etc/example/test.key\n/lib/other.key\n/usr/bin/x.key\n",
  );
  write("var/lib/dpkg/diversions", "/usr/bin/x.key\n/usr/bin/x.key.distrib\nexample\n");
  for (const path of ["etc/example/test.key", "usr/lib/other.key", "usr/bin/x.key.distrib"]) write(path, key);
  write("etc/example/made.key", key, 0o600);
  write("etc/example/made.key.pub", "ssh-ed25519 AAAA\n");
  symlinkSync("made.key", at("etc/example/link"));
  symlinkSync("/etc/example/made.key", at("etc/whole-link"));
  write("etc/shadow", "alice:$y$j9T$0123456789abcdefghijk$0123456789abcdefghijk:1::::::\n", 0o640);
  const made = removeHostMade(folder.path);
  assert.deepEqual(
    made.map(({ path, packages }) => [path, packages]),
    [["/etc/example/made.key", ["example"]]],
  );
  assert.deepEqual(readdirSync(at("etc/example")), ["test.key"]);
  assert.deepEqual(readdirSync(at("etc")).sort(), ["example", "shadow"]);
  assert.deepEqual(removeHostMade(folder.path), []);
});
