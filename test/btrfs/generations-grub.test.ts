/** Generations of a host that a BIOS boots: the menu and the environment of GRUB. */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import { CommandError, run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { generationParameters, hostScript } from "../../src/payload/host/generations.ts";
import { smallClosure } from "./small-closure.ts";

const plan = mkHost({
  hostName: "old",
  platform: "x86_64-linux",
  modules: [
    diskoTemplates.btrfsImpermanenceBios({ disk: "/dev/vda" }),
    { nixfleet: { impermanence: { enable: true } } },
  ],
}).plan();

test("a generation is on trial until it is blessed, and passed over when no try is left", async () => {
  await using host = await biosHost();
  assert.match(await host.command("add-generation", host.path("a")), /^generation 1/);
  assert.deepEqual(await host.states(), ["not proved, 3 tries left"]);
  await host.bless("a");
  assert.deepEqual(await host.states(), ["good"]);
  await host.command("add-generation", host.path("b"));
  assert.deepEqual(await host.states(), ["not proved, 3 tries left", "good"]);
  await host.bless("a"); // the one that runs is not the one on trial
  assert.deepEqual(await host.states(), ["not proved, 3 tries left", "good"]);
  await host.triesLeft(0); // as GRUB counts
  assert.deepEqual(await host.states(), ["passed over", "good"]);
  assert.match(await host.command("add-generation", host.path("b")), /^generation 2:/);
  assert.deepEqual(await host.states(), ["not proved, 3 tries left", "good"]);
});

test("a generation that has never come up is not good because a later one is", async () => {
  await using host = await biosHost();
  await host.command("add-generation", host.path("a"));
  await host.bless("a");
  await host.command("add-generation", host.path("b"));
  await host.triesLeft(0);
  assert.match(await host.command("add-generation", host.path("c")), /^generation 3:/);
  await host.bless("c");
  assert.deepEqual(await host.states(), ["good", "not proved", "good"]);
  assert.match(await host.command("rollback"), /next boot is generation 1 /);
  // Chosen by hand, it comes up after all.
  await host.bless("b");
  assert.deepEqual(await host.states(), ["good", "good", "good"]);
});

test("the menu has an entry for each generation, the newest first, and says which a rollback has chosen", async () => {
  await using host = await biosHost();
  await host.command("add-generation", host.path("a"));
  await host.bless("a");
  await host.command("add-generation", host.path("b"));
  await host.bless("b");
  const ids = async () => [...(await host.menu()).matchAll(/^menuentry .* --id (\S+) \{$/gm)].map(([, id]) => id);
  assert.deepEqual(await ids(), ["nixfleet-2", "nixfleet-1", "nixfleet-rescue"]);
  const menu = await host.menu();
  assert.match(
    menu,
    new RegExp(
      `^  linux \\(\\$root\\)/@nix/store/\\w{32}-debian-trixie/vmlinuz 'cmdline' 'nixfleet\\.closure=${host.path("b")}'`,
      "m",
    ),
  );
  assert.match(menu, /^set chosen=$/m);
  await host.command("rollback");
  assert.match(await host.menu(), /^set chosen=1$/m);
  await host.command("rollback", "newest");
  assert.match(await host.menu(), /^set chosen=$/m);
});

test("whatever a kernel parameter is made of, it is one word of GRUB's, and the menu is one that GRUB reads", async () => {
  const parameters = [
    ...["memmap=64K$0x10000", "a;reboot", "{", "}", "#", "x=$(y)", "*", "[!a]", "<a", "|b", "&", "!", "\u00fc=\u00e9"],
    ...['dyndbg="file drivers/*.c +p; module x $y"', '"all  of it"', 'v="1"', "it's"],
  ];
  await using host = await biosHost(parameters.join(" "));
  await host.command("add-generation", host.path("a"));
  const menu = join(host.folder, "menu");
  await writeFile(menu, await host.menu());
  await run("grub-script-check", [menu]);
  const [, words = ""] = /^ {2}linux \S+vmlinuz (.*)$/m.exec(await host.menu()) ?? [];
  // Between single quotes GRUB and a shell read the same.
  const read = (await run("sh", ["-c", `printf '%s\\n' ${words}`])).split("\n");
  assert.deepEqual(
    read.slice(0, parameters.length),
    parameters.map((parameter) => parameter.replaceAll('"', "")),
  );
  assert.equal(read[parameters.length], `nixfleet.closure=${host.path("a")}`);
});

test("the menu's own words are ones that GRUB reads, also after a rollback", async () => {
  await using host = await biosHost("console=ttyS0");
  for (const letter of ["a", "b"]) await host.command("add-generation", host.path(letter));
  await host.bless("b");
  await host.command("rollback", "2");
  const menu = join(host.folder, "menu");
  await writeFile(menu, await host.menu());
  await run("grub-script-check", [menu]);
});

test("a closure without its packages, or that is changed, is not in the menu", async () => {
  await using host = await biosHost();
  await host.command("add-generation", host.path("a"));
  const before = await host.menu();
  const refused = (error: unknown) => error instanceof CommandError && /is not a generation now/.test(error.text);
  await writeFile(join(host.folder, host.path("b"), "cmdline"), "init=/bin/sh\n");
  await assert.rejects(host.command("add-generation", host.path("b")), refused);
  assert.equal(await host.menu(), before);
  const [packages = ""] = (await readdir(join(host.folder, "nix/store"))).filter((name) => name.includes("-debian-"));
  await rm(join(host.folder, "nix/store", packages), { recursive: true });
  await assert.rejects(host.command("add-generation", host.path("c")), refused);
  assert.equal(await host.menu(), before);
});

async function biosHost(commandLine = "cmdline") {
  const folder = await temporaryFolder();
  const nix = join(folder.path, "nix");
  await mkdir(join(nix, "store"), { recursive: true });
  const paths = new Map<string, string>();
  for (const letter of ["a", "b", "c"]) {
    paths.set(letter, (await smallClosure(join(nix, "store"), letter, commandLine)).storePath);
  }
  const partition = join(folder.path, "partition");
  const block = `# GRUB Environment Block\n${"#".repeat(999)}`;
  await writeFile(partition, Buffer.concat([Buffer.alloc(24 * 1024), Buffer.from(block), Buffer.alloc(999 * 1024)]));
  const kernelCommandLine = join(folder.path, "cmdline");
  await writeFile(kernelCommandLine, "\n");
  const conf = join(folder.path, "conf");
  await writeFile(conf, generationParameters(plan, { nix, esps: [], grub: partition, kernelCommandLine }));
  const path = (letter: string) => paths.get(letter) ?? "";
  const command = (name: Parameters<typeof hostScript>[0], ...args: string[]) =>
    run("sh", [hostScript(name), "--conf", conf, ...args]);
  return {
    folder: folder.path,
    path,
    command,
    menu: () => readFile(join(nix, "nixfleet/grub/grub.cfg"), "utf8"),
    async states() {
      const found = JSON.parse(await command("generations", "--json")) as { readonly state: string }[];
      return found.map(({ state }) => state);
    },
    async bless(letter: string) {
      await writeFile(kernelCommandLine, `nixfleet.closure=${path(letter)}\n`);
      await run("sh", [join(import.meta.dirname, "../../src/payload/host/bless-grub.sh"), "--conf", conf]);
    },
    async triesLeft(count: number) {
      const text = await readFile(partition, "latin1");
      assert.match(text, /\nleft=3\n/);
      await writeFile(partition, text.replace("\nleft=3\n", `\nleft=${count}\n`), "latin1");
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
