/** What stands in for a password file, by mistake or by somebody's hand; with the real chpasswd, on an /etc of its own. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { WIPE_SCRIPT } from "../../src/payload/initrd/wipe-files.ts";

const SHA512 = `$6$salt$${"a".repeat(86)}`;
const YESCRYPT = `$y$j9T$salt$${"b".repeat(43)}`;
const BCRYPT = `$2b$10$${"c".repeat(53)}`;

interface Case {
  readonly make?: (file: string) => unknown;
  /** The account's field in shadow(5) then; it was `!`. */
  readonly becomes?: string;
  readonly says?: RegExp;
}

const CASES: Readonly<Record<string, Case>> = {
  good: { make: (file) => writeFileSync(file, `${YESCRYPT}\n`), becomes: YESCRYPT },
  crlf: { make: (file) => writeFileSync(file, `${SHA512}\r\nmore\r\n`), becomes: SHA512 },
  unended: { make: (file) => writeFileSync(file, BCRYPT), becomes: BCRYPT },
  blanks: { make: (file) => writeFileSync(file, `${SHA512} \t\n`), becomes: SHA512 },
  missing: { says: /there is no / },
  empty: { make: (file) => writeFileSync(file, ""), says: /not a password hash/ },
  plain: { make: (file) => writeFileSync(file, "secret\n"), says: /not a password hash/ },
  short: { make: (file) => writeFileSync(file, "$6$salt$abc\n"), says: /not a password hash/ },
  colon: { make: (file) => writeFileSync(file, `${SHA512}:root\n`), says: /not a password hash/ },
  control: { make: (file) => writeFileSync(file, `$6$sa\u001b[2Jlt$${"a".repeat(86)}\n`), says: /not a password hash/ },
  binary: { make: (file) => writeFileSync(file, Buffer.alloc(4096, 0xff)), says: /not a password hash/ },
  huge: { make: (file) => run("truncate", ["--size=1T", file]), says: /not a password hash/ },
  pipe: { make: (file) => run("mkfifo", [file]), says: /is not a file/ },
  device: { make: (file) => run("mknod", [file, "c", "1", "5"]), says: /is not a file/ },
  folder: { make: (file) => mkdirSync(file), says: /is not a file/ },
  link: { make: (file) => symlinkSync("good", file), says: /is a link: set users/ },
  dangling: { make: (file) => symlinkSync("/nonexistent", file), says: /is a link: set users/ },
  theirs: {
    make: (file) => {
      writeFileSync(file, SHA512);
      chownSync(file, 1234, 1234);
    },
    says: /users other than root can change/,
  },
  writable: {
    make: (file) => {
      writeFileSync(file, SHA512);
      chmodSync(file, 0o666);
    },
    says: /users other than root can change/,
  },
  "theirs-above/hash": {
    make: (file) => {
      mkdirSync(join(file, ".."));
      linkSync(join(file, "../../good"), file);
      chownSync(join(file, ".."), 1234, 1234);
    },
    says: /users other than root can change .*theirs-above:/,
  },
  last: { make: (file) => writeFileSync(file, `${YESCRYPT}\n`), becomes: YESCRYPT },
};

const accountOf = (name: string) => name.replace("/", "-");

test("a password file that is none costs its own account the password, and nobody else", {
  timeout: 60_000,
}, async () => {
  await using folder = await temporaryFolder();
  const etc = join(folder.path, "etc");
  mkdirSync(etc);
  for (const name of ["ld.so.cache", "login.defs", "nsswitch.conf"]) {
    if (existsSync(`/etc/${name}`)) cpSync(`/etc/${name}`, join(etc, name));
  }
  const names = Object.keys(CASES);
  const ids = names.map((name, index) => `${accountOf(name)}:x:${2000 + index}:2000::/:/bin/sh\n`).join("");
  writeFileSync(join(etc, "passwd"), `root:x:0:0::/root:/bin/sh\n${ids}`);
  writeFileSync(join(etc, "group"), "root:x:0:\nall:x:2000:\n");
  writeFileSync(
    join(etc, "shadow"),
    `root:*:1::::::\n${names.map((name) => `${accountOf(name)}:!:1::::::\n`).join("")}`,
  );
  for (const [name, { make }] of Object.entries(CASES)) await make?.(join(folder.path, name));
  const list = names.map((name) => `${accountOf(name)}\t${join(folder.path, name)}\n`);
  writeFileSync(join(etc, "list"), ["nobody-such\t", join(folder.path, "good"), "\n", ...list].join(""));
  cpSync(join(WIPE_SCRIPT, "../report.sh"), join(etc, "report.sh"));
  cpSync(join(WIPE_SCRIPT, "../../host/set-passwords.sh"), join(etc, "set-passwords.sh"));

  const inIt = 'mount --bind "$0" /etc && exec timeout 30 sh /etc/set-passwords.sh /etc/list';
  const argv = ["--mount", "--propagation", "private", "sh", "-c", inIt, etc];
  const { status, stderr } = spawnSync("unshare", argv, { encoding: "utf8" });
  assert.equal(status, 0, stderr);

  const shadow = new Map(
    readFileSync(join(etc, "shadow"), "utf8")
      .split("\n")
      .map((line) => [line.split(":")[0], line.split(":")[1]]),
  );
  const saidOf = (name: string) =>
    stderr.split("\n").find((line) => line.startsWith(`nixfleet: ${name} gets no password`));
  for (const [name, { becomes = "!", says }] of Object.entries(CASES)) {
    assert.equal(shadow.get(accountOf(name)), becomes, name);
    if (says === undefined) assert.equal(saidOf(accountOf(name)), undefined);
    else assert.match(saidOf(accountOf(name)) ?? "", says, name);
  }
  assert.match(saidOf("nobody-such") ?? "", /does not exist/);
  assert.equal(shadow.get("root"), "*");
});
