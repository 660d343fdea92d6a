/** Generations of a host that a BIOS boots: the menu and the environment of GRUB. */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { generationParameters, hostScript } from "../../src/host/generations.ts";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import { run } from "../../src/machine/process.ts";
import { temporaryFolder } from "../../src/machine/resources.ts";
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
    /^ {2}linux \(\$root\)\/@nix\/store\/p{32}-debian-trixie\/vmlinuz cmdline nixfleet\.closure=\/nix\/store\/b{32}/m,
  );
  assert.match(menu, /^set chosen=$/m);
  await host.command("rollback");
  assert.match(await host.menu(), /^set chosen=1$/m);
  await host.command("rollback", "newest");
  assert.match(await host.menu(), /^set chosen=$/m);
});

async function biosHost() {
  const folder = await temporaryFolder();
  const nix = join(folder.path, "nix");
  await mkdir(join(nix, "store"), { recursive: true });
  for (const letter of ["a", "b", "c"]) await smallClosure(join(nix, "store"), letter);
  const partition = join(folder.path, "partition");
  const block = `# GRUB Environment Block\n${"#".repeat(999)}`;
  await writeFile(partition, Buffer.concat([Buffer.alloc(24 * 1024), Buffer.from(block), Buffer.alloc(999 * 1024)]));
  const kernelCommandLine = join(folder.path, "cmdline");
  await writeFile(kernelCommandLine, "\n");
  const conf = join(folder.path, "conf");
  await writeFile(conf, generationParameters(plan, { nix, esp: null, grub: partition, kernelCommandLine }));
  const path = (letter: string) => `/nix/store/${letter.repeat(32)}-nixfleet-test`;
  const command = (name: Parameters<typeof hostScript>[0], ...args: string[]) =>
    run("sh", [hostScript(name), "--conf", conf, ...args]);
  return {
    path,
    command,
    menu: () => readFile(join(nix, "nixfleet/grub/grub.cfg"), "utf8"),
    async states() {
      const found = JSON.parse(await command("generations", "--json")) as { readonly state: string }[];
      return found.map(({ state }) => state);
    },
    async bless(letter: string) {
      await writeFile(kernelCommandLine, `nixfleet.closure=${path(letter)}\n`);
      await run("sh", [join(import.meta.dirname, "../../src/host/bless-grub.sh"), "--conf", conf]);
    },
    async triesLeft(count: number) {
      const text = await readFile(partition, "latin1");
      assert.match(text, /\nleft=3\n/);
      await writeFile(partition, text.replace("\nleft=3\n", `\nleft=${count}\n`), "latin1");
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
