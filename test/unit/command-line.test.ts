/** What the command line says of itself, and in JSON. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { CommandError, quoted, run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { onTerminal } from "../terminal.ts";
import { EXAMPLE, NIXFLEET, nixfleet, ROOT } from "./nixfleet-process.ts";

/** Every command, as its own help lists them. */
async function commands(): Promise<readonly string[]> {
  const { stdout } = await nixfleet(["--help"]);
  const list = /^Commands:\n(.*?)\n\n/ms.exec(stdout)?.[1] ?? "";
  return [...list.matchAll(/^ {2}([\w-]+)/gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
}

test("with --json every outcome is one document: also a fleet that is not there, a wrong host, an unknown option, wrong usage", async () => {
  await using empty = await temporaryFolder();
  for (const [args, cwd, code, says] of [
    [["check"], empty.path, 1, /no fleet\.ts/],
    [["--fleet", EXAMPLE, "plan", "standalon"], ROOT, 1, /no host standalon/],
    [["--fleet", EXAMPLE, "show", "standalone", "no.such"], ROOT, 1, /no option no/],
    [["options", "nothinglikethis"], ROOT, 1, /no option has nothinglikethis/],
    [["build"], ROOT, 2, /say which hosts/],
    [["build", "--nonsense"], ROOT, 2, /unknown option/],
    [["nonsense"], ROOT, 2, /unknown command/],
    [["generations", "--target-host", "-oProxyCommand=false"], ROOT, 1, /reach|not installed/],
  ] as const) {
    const ended = await nixfleet([...args, "--json"], cwd);
    assert.equal(ended.code, code, ended.stderr);
    const { error } = JSON.parse(ended.stdout);
    assert.match([error.message, ...error.detail].join("\n"), says);
    assert.match(ended.stderr, says);
  }
  writeFileSync(join(empty.path, "fleet.ts"), "throw new Error('x');\n");
  assert.match(JSON.parse((await nixfleet(["check", "--json"], empty.path)).stdout).error.message, /threw Error: x/);
});

test("help and tables fit a narrow terminal: no line is wider", async () => {
  const widest = async (args: readonly string[], columns: number): Promise<string> => {
    const command = `stty cols ${columns} rows 30; exec ${[NIXFLEET, "--fleet", EXAMPLE, ...args].map(quoted).join(" ")}`;
    await using terminal = onTerminal(["sh", "-c", command]);
    assert.equal(await terminal.ended, 0, terminal.shown());
    return terminal
      .shown()
      .split(/\r?\n/)
      .reduce((a, b) => (b.length > a.length ? b : a));
  };
  for (const args of [["--help"], ["install", "--help"], ["disk", "--help"]]) {
    const line = await widest(args, 60);
    assert.ok(line.length <= 60, `${args.join(" ")}: ${line}`);
  }
  // One value of a row is not broken: somebody copies it.
  const line = await widest(["plan", "standalone"], 80);
  assert.ok(line.length <= 90, line);
});

test("the help names the variables of the environment", async () => {
  for (const args of [["--help"], ["build", "--help"]]) {
    assert.match((await nixfleet(args)).stdout, /NIXFLEET_CACHE[\s\S]*NIXFLEET_SSHOPTS/);
  }
});

test("options finds all of several words, in a description, a type, an example", async () => {
  const found = async (...words: string[]) =>
    JSON.parse((await nixfleet(["options", ...words, "--json"])).stdout).map(({ path }: { path: string }) => path);
  const whole: readonly { path: string; example: string | null }[] = JSON.parse(
    (await nixfleet(["options", "--json"])).stdout,
  );
  const one = whole.find(({ example }) => example !== null && /^"\w+/.test(example));
  assert.ok(one);
  assert.ok((await found(one.example ?? "")).includes(one.path));
  const narrow = await found("persist", "directory");
  const wide = new Set(await found("persist"));
  assert.ok(narrow.length > 0 && narrow.length < wide.size && narrow.every((path: string) => wide.has(path)));
});

test("bash completes commands, their flags, and the hosts of the fleet", async () => {
  const { stdout: script } = await nixfleet(["completion", "bash"]);
  const complete = async (...words: string[]) => {
    const asks = `COMP_WORDS=(nixfleet ${words.map(quoted).join(" ")}); COMP_CWORD=${words.length}; _nixfleet; printf '%s\n' "\${COMPREPLY[@]}"`;
    const PATH = `${join(ROOT, "bin")}:${process.env.PATH}`;
    const cwd = join(ROOT, "examples", "standalone");
    return (await run("bash", ["-c", `${script}\n${asks}`], { cwd, env: { PATH } })).trim().split("\n");
  };
  assert.deepEqual((await complete("")).filter((word) => !word.startsWith("-")).sort(), [...(await commands())].sort());
  assert.deepEqual(await complete("ins"), ["install"]);
  assert.deepEqual(await complete("check", "--b"), ["--built"]);
  assert.deepEqual(await complete("--fleet", "fleet.ts", "plan", "stand"), ["standalone"]);
  assert.deepEqual(await complete("image", "--output", ""), [""]);
});

test("zsh and fish read what completes them, which has every command", async () => {
  for (const [shell, check] of [
    ["zsh", ["-n"]],
    ["fish", ["--no-execute"]],
  ] as const) {
    const { stdout, code } = await nixfleet(["completion", shell]);
    assert.equal(code, 0);
    for (const name of await commands()) assert.match(stdout, new RegExp(`\\b${name}\\b`));
    await using folder = await temporaryFolder();
    const file = join(folder.path, "completion");
    writeFileSync(file, stdout);
    await run(shell, [...check, file]).catch((error: unknown) => {
      if (error instanceof CommandError || !/is not installed/.test(String(error))) throw error;
    });
  }
  assert.match((await nixfleet(["completion", "tcsh"])).stderr, /no completion for tcsh\n.*bash, zsh or fish/);
});

test("the manual page has every command, flag and variable, and is well-formed", async () => {
  const { stdout: page } = await nixfleet(["man"]);
  for (const name of await commands()) {
    assert.match(page, new RegExp(`^\\.SS nixfleet ${name.replaceAll("-", "\\\\-")}`, "m"));
  }
  for (const name of ["install", "image"]) {
    const { stdout: help } = await nixfleet([name, "--help"]);
    for (const [, flag = ""] of help.matchAll(/^ {2}(--[\w-]+)/gm)) {
      assert.ok(page.includes(flag.replaceAll("-", "\\-")), `${name} ${flag}`);
    }
  }
  assert.match(page, /NIXFLEET_SSHOPTS/);
  if (existsSync("/usr/bin/groff"))
    assert.equal(await run("groff", ["-man", "-Tascii", "-ww", "-z"], { input: page }), "");
});

test("an import without its extension, and a port in use, answer in our words", async () => {
  await using folder = await temporaryFolder();
  writeFileSync(join(folder.path, "hosts.ts"), "export const hosts = [];\n");
  writeFileSync(join(folder.path, "fleet.ts"), 'import { hosts } from "./hosts";\nexport default hosts;\n');
  const missing = await nixfleet(["check"], folder.path);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /fleet\.ts imports hosts, .*\n.*"\.\/hosts\.ts"/);

  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = String(typeof address === "object" ? address?.port : 0);
  const taken = await nixfleet(["--fleet", EXAMPLE, "vm", "standalone", "--ssh-port", port]);
  server.close();
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, new RegExp(`port ${port} is in use\n.*--ssh-port`));
});
