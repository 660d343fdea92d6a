/** The scripts that the host has for its generations, on a real vfat (by mtools, as on a builder) and a plain store. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { generationParameters, hostScript } from "../../src/host/generations.ts";
import { CommandError, run } from "../../src/machine/process.ts";
import { type TemporaryFolder, temporaryFolder } from "../../src/machine/resources.ts";
import { planWith } from "../unit/host.ts";
import { killedAfter } from "./killed-script.ts";

const PACKAGES = `${"p".repeat(32)}-debian-trixie`;

test("a generation that is added has an entry, a kernel and initrds, and is the newest", async () => {
  await using host = await testHost();
  await host.addClosure("a", { packages: { vim: "1" }, persists: ["/etc/a"] });
  assert.match(await host.command("add-generation", host.path("a")), /^generation 1: the first generation/);
  const entry = await host.read("loader/entries/nixfleet-1+3.conf");
  assert.match(entry, /^title test, generation 1 of \d{4}-\d\d-\d\d \d\d:\d\d: the first generation$/m);
  assert.match(entry, /^options root=x nixfleet\.closure=\/nix\/store\/a{32}-nixfleet-test$/m);
  const named = [...entry.matchAll(/^(?:linux|initrd) \/(.*)$/gm)].map(([, path = ""]) => path);
  assert.equal(named.length, 3);
  for (const path of named) assert.notEqual(await host.read(path), "", path);
  assert.match(await host.read("loader/entries/nixfleet-rescue+0.conf"), /nixfleet\.wipe=skip$/m);
  assert.equal(await host.read("EFI/BOOT/BOOTx64.efi"), "loader");
});

test("adding it again changes nothing, and another one says what changed", async () => {
  await using host = await testHost();
  await host.addClosure("a", { packages: { vim: "1", nano: "1", less: "1" }, persists: ["/etc/a"] });
  await host.addClosure("b", { packages: { vim: "2", less: "1", git: "1" }, persists: ["/etc/b"] });
  await host.command("add-generation", host.path("a"));
  assert.match(await host.command("add-generation", host.path("a")), /^generation 1:/);
  assert.match(
    await host.command("add-generation", host.path("b")),
    /^generation 2: -persists \/etc\/a, \+persists \/etc\/b, \+git, -nano, vim 1 -> 2\n/,
  );
  assert.deepEqual(
    (await host.generations()).map(({ number, state }) => [number, state]),
    [
      [2, "not proved, 3 tries left"],
      [1, "not proved, 3 tries left"],
    ],
  );
});

test("killed before any of its commands, it leaves whole entries only, and running it again completes it", async () => {
  await using host = await testHost();
  await host.addClosure("a", {});
  await host.addClosure("b", {});
  await host.command("add-generation", host.path("a"));
  const before = await host.read("loader/entries/nixfleet-1+3.conf");
  let kills = 0;
  for (; ; kills++) {
    const killed = await host.killedAfter(kills, "add-generation", host.path("b"));
    assert.equal(await host.read("loader/entries/nixfleet-1+3.conf"), before);
    await host.assertEntriesAreWhole();
    if (!killed) break;
    if (kills % 9 === 0) {
      // From where this one was killed, to the end; then from the beginning again.
      await host.command("add-generation", host.path("b"));
      await host.assertEntriesAreWhole();
      assert.equal((await host.generations())[0]?.closure, host.path("b"));
      await host.forget(2);
    }
  }
  assert.ok(kills > 20, `only ${kills} points were tried`);
});

test("an ESP that is full is an error that says what is missing, and no entry is touched", async () => {
  await using host = await testHost({ espSize: 40 });
  await host.addClosure("a", {});
  await host.addClosure("b", { ownPackages: "q", kernelSize: 40 });
  await host.command("add-generation", host.path("a"));
  const before = await host.entries();
  await assert.rejects(
    host.command("add-generation", host.path("b")),
    (error) => error instanceof CommandError && /is full: \d+ MiB are free, 4\d are needed; no entry/.test(error.text),
  );
  assert.deepEqual(await host.entries(), before);
  await host.assertEntriesAreWhole();
});

test("the newest stay, as many as are configured, with those that run, were chosen, or last worked", async () => {
  await using host = await testHost({ limit: 2 });
  for (const name of ["a", "b", "c", "d", "e", "f"]) {
    await host.addClosure(name, {});
    await host.command("add-generation", host.path(name));
    if (name === "a") await host.rename("nixfleet-1+3.conf", "nixfleet-1.conf"); // as when it is blessed
    if (name === "b") await host.runs("b");
  }
  assert.deepEqual(
    (await host.generations()).map(({ number }) => number),
    [6, 5, 2, 1],
  );
  assert.equal((await host.entries()).filter((name) => /^nixfleet-\d/.test(name)).length, 4);
});

test("gc deletes what came with generations that are gone, and nothing else", async () => {
  await using host = await testHost({ limit: 1 });
  await host.addClosure("a", { ownPackages: "q" });
  await host.addClosure("b", {});
  await mkdir(join(host.store, `${"z".repeat(32)}-nixfleet-other`)); // in the store, but never a generation
  await host.command("add-generation", host.path("a"));
  await host.rename("nixfleet-1+3.conf", "nixfleet-1+0-3.conf");
  await host.command("add-generation", host.path("b"));
  assert.match(
    await host.command("gc", "--dry-run"),
    /would delete a{32}-nixfleet-test\nwould delete q{32}-debian-trixie/,
  );
  await host.command("gc");
  assert.deepEqual((await readdir(host.store)).map((name) => name[0]).sort(), ["b", "p", "z"]);
  assert.equal(await host.command("gc"), "");
});

test("gc never deletes the closure that runs, nor one that an entry names", async () => {
  await using host = await testHost({ limit: 2 });
  for (const name of ["a", "b", "c"]) {
    await host.addClosure(name, {});
    await host.command("add-generation", host.path(name));
  }
  await host.forget(3, { keepEntry: true });
  await host.runs("a");
  assert.equal(await host.command("gc"), "");
  await host.runs("b");
  assert.match(await host.command("gc"), /^deleted a{32}-nixfleet-test\n$/);
});

test("a generation that was passed over is tried again when it is added again", async () => {
  await using host = await testHost();
  for (const name of ["a", "b"]) {
    await host.addClosure(name, {});
    await host.command("add-generation", host.path(name));
  }
  await host.rename("nixfleet-2+3.conf", "nixfleet-2+0-3.conf");
  await host.command("add-generation", host.path("b"));
  assert.deepEqual(
    (await host.generations()).map(({ number, state }) => [number, state]),
    [
      [2, "not proved, 3 tries left"],
      [1, "not proved, 3 tries left"],
    ],
  );
  assert.deepEqual(
    (await host.entries()).filter((name) => name.startsWith("nixfleet-2")),
    ["nixfleet-2+3.conf"],
  );
});

test("a rollback chooses the newest generation before that works, also where a closure came back", async () => {
  await using host = await testHost();
  for (const name of ["a", "b", "c", "d"]) await host.addClosure(name, {});
  for (const name of ["a", "b", "c", "d", "a"]) await host.command("add-generation", host.path(name));
  await host.runs("a");
  await assert.rejects(
    host.command("rollback"),
    (error) => error instanceof CommandError && /no generation before this one is known to work/.test(error.text),
  );
  await host.rename("nixfleet-1+3.conf", "nixfleet-1.conf");
  await host.rename("nixfleet-2+3.conf", "nixfleet-2.conf");
  await host.rename("nixfleet-3+3.conf", "nixfleet-3+0-3.conf");
  assert.match(await host.command("rollback"), /next boot is generation 2 /);
  assert.match(await host.command("rollback", "3"), /next boot is generation 3 /); // by its number: with a warning
});

test("a rollback chooses the generation before, until it is taken back or a new one is added", async () => {
  await using host = await testHost();
  const refused = (reason: RegExp) => (error: unknown) => error instanceof CommandError && reason.test(error.text);
  await assert.rejects(host.command("rollback"), refused(/no generation before/));
  for (const [index, name] of ["a", "b", "c"].entries()) {
    await host.addClosure(name, {});
    await host.command("add-generation", host.path(name));
    await host.rename(`nixfleet-${index + 1}+3.conf`, `nixfleet-${index + 1}.conf`);
  }
  const chosen = async () =>
    (await host.read("loader/loader.conf")).split("\n").find((line) => line.startsWith("default"));
  await host.command("rollback");
  assert.equal(await chosen(), "default nixfleet-2[+.]*");
  await host.runs("b");
  await host.command("rollback");
  assert.equal(await chosen(), "default nixfleet-1[+.]*");
  assert.deepEqual((await host.generations()).find(({ chosen }) => chosen)?.number, 1);
  await assert.rejects(host.command("rollback", "7"), refused(/there is no generation 7/));
  await host.command("rollback", "newest");
  assert.equal(await chosen(), undefined);
  await host.command("rollback", "1");
  await host.addClosure("d", {});
  await host.command("add-generation", host.path("d"));
  assert.equal(await chosen(), undefined);
});

test("a host whose newest generation was passed over says so", async () => {
  await using host = await testHost();
  for (const name of ["a", "b"]) {
    await host.addClosure(name, {});
    await host.command("add-generation", host.path(name));
  }
  await host.runs("a");
  assert.match(await host.status(), /^This is generation 1\.\n(?!GENERATION)/);
  await host.rename("nixfleet-2+3.conf", "nixfleet-2+0-3.conf");
  assert.match(await host.status(), /^This is generation 1\.\nGENERATION 2 WAS PASSED OVER/);
});

interface ClosureOptions {
  readonly packages?: Readonly<Record<string, string>>;
  readonly persists?: readonly string[];
  /** The letter of a package object of its own. */
  readonly ownPackages?: string;
  /** In MiB. */
  readonly kernelSize?: number;
}

async function testHost({ espSize = 64, limit = 10 }: { espSize?: number; limit?: number } = {}) {
  const folder: TemporaryFolder = await temporaryFolder();
  const nix = join(folder.path, "nix");
  const store = join(nix, "store");
  const esp = join(folder.path, "esp");
  const conf = join(folder.path, "conf");
  const commandLine = join(folder.path, "cmdline");
  await mkdir(store, { recursive: true });
  await writeFile(commandLine, "nothing of ours\n");
  await writeFile(esp, "");
  await truncate(esp, espSize * 1024 ** 2);
  await run("mkfs.vfat", ["-F", "32", esp]);
  const plan = planWith({ boot: { loader: { configurationLimit: limit } } });
  const place = { nix, esp: { kind: "unmounted", path: esp }, grub: null, kernelCommandLine: commandLine } as const;
  await writeFile(conf, generationParameters(plan, place));
  const nameOf = (letter: string) => `${letter.repeat(32)}-nixfleet-test`;
  const mtools = (program: string, ...args: string[]) => run(program, ["-i", esp, ...args]);
  const read = (path: string) => mtools("mtype", `::/${path}`);
  const entries = async () =>
    (await mtools("mdir", "-b", "::/loader/entries")).split("\n").flatMap((line) => line.split("/").at(-1) || []);
  const command = (name: Parameters<typeof hostScript>[0], ...args: string[]) =>
    run("sh", [hostScript(name), "--conf", conf, ...args]);
  return {
    store,
    read,
    entries,
    command,
    path: (letter: string) => `/nix/store/${nameOf(letter)}`,
    async generations() {
      return JSON.parse(await command("generations", "--json")) as {
        readonly number: number;
        readonly state: string;
        readonly closure: string;
        readonly chosen: boolean;
      }[];
    },
    async addClosure(letter: string, { packages = {}, persists = [], ownPackages, kernelSize = 2 }: ClosureOptions) {
      const own = ownPackages ?? (Object.keys(packages).length > 0 ? letter : "p");
      const packageObject = own === "p" ? PACKAGES : `${own.repeat(32)}-debian-trixie`;
      const loader = join(store, packageObject, "usr/lib/systemd/boot/efi");
      if (!existsSync(loader)) {
        await mkdir(loader, { recursive: true });
        await writeFile(join(loader, "systemd-bootx64.efi"), "loader");
        await writeFile(join(store, packageObject, "vmlinuz"), Buffer.alloc(kernelSize * 1024 ** 2, letter));
        await writeFile(join(store, packageObject, "initrd"), Buffer.alloc(3 * 1024 ** 2, letter));
        await writeFile(join(store, packageObject, "manifest.json"), JSON.stringify({ packages }, null, 2));
      }
      const closure = join(store, nameOf(letter));
      await mkdir(closure);
      await symlink(`../${packageObject}/usr`, join(closure, "usr"));
      await writeFile(join(closure, "cmdline"), "root=x\n");
      await writeFile(join(closure, "host.cpio"), `host ${letter}`);
      await writeFile(join(closure, "persists.list"), persists.map((path) => `${path}\n`).join(""));
    },
    /** As when this closure has been booted. */
    runs: (letter: string) => writeFile(commandLine, `quiet nixfleet.closure=/nix/store/${nameOf(letter)}\n`),
    rename: (from: string, to: string) => mtools("mren", `::/loader/entries/${from}`, `::/loader/entries/${to}`),
    async forget(number: number, { keepEntry = false } = {}) {
      await run("rm", [join(nix, "nixfleet/generations", String(number))]);
      if (!keepEntry) await mtools("mdel", `::/loader/entries/nixfleet-${number}+3.conf`);
    },
    /** What `nixfleet status` says; it fails, for this host has no other reports. */
    async status() {
      const script = (name: string) => join(import.meta.dirname, "../../src/host", name);
      const env = { RUNTIME: folder.path };
      await run("sh", [script("generation-report.sh"), "--conf", conf], { env });
      return run("sh", [script("status.sh")], { env }).catch((error: unknown) => {
        if (error instanceof CommandError) return error.stdout;
        throw error;
      });
    },
    /** Kills the script before its external command number `count` + 1; whether it was not at its end before. */
    killedAfter(count: number, name: Parameters<typeof hostScript>[0], ...args: string[]) {
      const programs = ["mcopy", "mren", "mmd", "mdeltree", "mdir", "mtype", "mv", "sync", "rm"];
      return killedAfter(count, programs, folder.path, ["sh", hostScript(name), "--conf", conf, ...args]);
    },
    /** Whatever an entry names is there, as long as it is in the store. */
    async assertEntriesAreWhole() {
      for (const name of (await entries()).filter((one) => one.endsWith(".conf"))) {
        const text = await read(`loader/entries/${name}`);
        assert.match(text, /^options .*nixfleet\.closure=\S+/m, name);
        const closure = text.match(/nixfleet\.closure=\/nix\/store\/(\S+)/)?.[1] ?? "";
        const packages = (await run("readlink", [join(store, closure, "usr")])).split("/")[1] ?? "";
        const sources = [
          join(store, packages, "vmlinuz"),
          join(store, packages, "initrd"),
          join(store, closure, "host.cpio"),
        ];
        const named = [...text.matchAll(/^(?:linux|initrd) \/(.*)$/gm)].map(([, path = ""]) => path);
        for (const [index, path] of named.entries()) {
          assert.equal(await read(path), await readFile(sources[index] ?? "", "utf8"), `${name}: ${path}`);
        }
      }
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
