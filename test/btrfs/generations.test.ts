/** The scripts that the host has for its generations, on a real vfat (by mtools, as on a builder) and a plain store. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { appendFile, mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { CommandError, run } from "../../src/local/process.ts";
import { type TemporaryFolder, temporaryFolder } from "../../src/local/resources.ts";
import { generationParameters, hostScript } from "../../src/payload/host/generations.ts";
import { scriptParameters } from "../../src/payload/initrd/pieces.ts";
import { readReport } from "../../src/payload/reports.ts";
import { sealed } from "../sealed.ts";
import { planWith } from "../unit/host.ts";
import { killedAfter } from "./killed-script.ts";
import { filesystem } from "./wipe-filesystem.ts";

test("a generation that is added has an entry, a kernel and initrds, and is the newest", async () => {
  await using host = await testHost();
  await host.addClosure("a", { packages: { vim: "1" }, persists: ["/etc/a"] });
  assert.match(await host.command("add-generation", host.path("a")), /^generation 1: the first generation/);
  const entry = await host.read("loader/entries/nixfleet-1+3.conf");
  assert.match(entry, /^title test, generation 1 of \d{4}-\d\d-\d\d \d\d:\d\d: the first generation$/m);
  assert.match(entry, /^options root=x nixfleet\.closure=\/nix\/store\/\w{32}-nixfleet-test$/m);
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
  for (const words of [["--check"], []]) {
    const refused = host.command("add-generation", ...words, host.path("b"));
    await assert.rejects(refused, refusedFor(/is full: \d+ MiB are free, 4\d are needed; no entry/));
    assert.deepEqual(await host.entries(), before);
  }
  await host.assertEntriesAreWhole();
  await host.addClosure("c", { ownPackages: "r", kernelSize: 20 });
  assert.equal(await host.command("add-generation", "--check", host.path("c")), "");
  assert.deepEqual(await host.entries(), before, "asking alone changes none");
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
  const going = [host.nameOf("a"), host.nameOf("packages q")];
  assert.deepEqual(
    (await host.command("gc", "--dry-run")).trimEnd().split("\n").sort(),
    going.map((name) => `would delete ${name}`).sort(),
  );
  await host.command("gc");
  const staying = [host.nameOf("b"), host.nameOf("packages p"), `${"z".repeat(32)}-nixfleet-other`];
  assert.deepEqual((await readdir(host.store)).sort(), staying.sort());
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
  assert.equal(await host.command("gc"), `deleted ${host.nameOf("a")}\n`);
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
  assert.match(await host.status(), /^This is generation 1\.\nGeneration 2 was passed over/);
});

test("rollback writes the entries anew with the disks that are the host's now, and leaves the tries as they are", async () => {
  await using host = await testHost();
  await host.addClosure("a", {});
  await host.command("add-generation", host.path("a"));
  const [entry = ""] = (await host.entries()).filter((name) => name.startsWith("nixfleet-1"));
  const options = async () => /^options .*$/m.exec(await host.read(`loader/entries/${entry}`))?.[0] ?? "";
  await using own = await filesystem({ label: `entry-${process.pid}` });
  await host.setParameters({ LABELS: `entry-${process.pid}`, DISKS: own.device });
  assert.doesNotMatch(await options(), /nixfleet\.disks=entry/);
  await host.command("rollback", "newest");
  const uuid = (await run("blkid", ["-c", "/dev/null", "-s", "UUID", "-o", "value", own.device])).trim();
  assert.match(await options(), new RegExp(` nixfleet\\.disks=entry-${process.pid}/${uuid}$`));
  assert.ok((await host.entries()).includes(entry));
});

test("a closure that is damaged, or without its packages, does not become a generation, and what boots stays", async () => {
  await using host = await testHost();
  const refused = (reason: RegExp) => (error: unknown) => error instanceof CommandError && reason.test(error.text);
  await host.addClosure("a", {});
  await host.command("add-generation", host.path("a"));
  const [before, loader] = [await host.entries(), await host.read("loader/loader.conf")];
  const packages = (letter: string) => join(host.store, host.nameOf(`packages ${letter}`));
  for (const [index, letter] of ["b", "c", "d"].entries()) {
    await host.addClosure(letter, { ownPackages: letter });
    const add = () => host.command("add-generation", host.path(letter));
    if (index === 0) await rm(packages(letter), { recursive: true });
    if (index === 1) await writeFile(join(packages(letter), "usr/lib/systemd/boot/efi/systemd-bootx64.efi"), "another");
    if (index === 2) await writeFile(join(host.store, host.nameOf(letter), "host.cpio"), "another");
    const reason = [
      /no \w{32}-debian-trixie in the store/,
      /\.\/usr\/.*x64.efi is changed/,
      /\.\/host.cpio is changed/,
    ];
    await assert.rejects(add(), refused(reason[index] ?? /./), letter);
    assert.deepEqual([await host.entries(), await host.read("loader/loader.conf")], [before, loader]);
  }
  await host.addClosure("e", { ownPackages: "e" });
  await host.command("add-generation", host.path("e"));
  await host.command("add-generation", host.path("a"));
  await rm(join(packages("e"), "vmlinuz"));
  await assert.rejects(host.command("rollback", "2"), refused(/the packages of generation 2 are gone/));
  // Also one that was whole when it came.
  await writeFile(join(packages("p"), "vmlinuz"), Buffer.alloc(2 * 1024 ** 2, "x"));
  await assert.rejects(host.command("add-generation", host.path("a")), refused(/\.\/vmlinuz is changed/));
});

test("one that gc is deleting, wherever it is stopped, does not become a generation in part", async () => {
  await using host = await testHost();
  await host.addClosure("a", { ownPackages: "q" });
  await host.addClosure("b", {});
  for (const letter of ["a", "b"]) await host.command("add-generation", host.path(letter));
  await host.forget(1);
  let wasThere = true;
  for (let count = 0; wasThere && count < 50; count++) {
    assert.ok(await host.killedAfter(count, "gc"), "it has deleted nothing");
    wasThere = [host.nameOf("a"), host.nameOf("packages q")].every((name) => existsSync(join(host.store, name)));
    const added = await host.command("add-generation", host.path("a")).then(
      () => true,
      () => false,
    );
    assert.equal(added, wasThere, `after ${count} commands`);
    await host.assertEntriesAreWhole();
    if (!added) continue;
    await host.forget((await host.generations())[0]?.number ?? 0);
    await host.command("add-generation", host.path("b")); // the entry without a wipe is the newest's
  }
  assert.equal(wasThere, false);
});

test("gc waits for a closure that is on its way, and takes away what came of one that was given up", async () => {
  await using host = await testHost();
  await host.addClosure("a", {});
  await host.command("add-generation", host.path("a"));
  const state = join(host.store, "../nixfleet");
  await mkdir(join(state, "pull/given-up"), { recursive: true });
  await writeFile(join(state, "locks/receive"), "");
  const pull = spawn("flock", ["--no-fork", join(state, "locks/receive"), "cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  pull.stdin.write("held\n");
  await once(pull.stdout, "data");
  assert.equal(await host.command("gc", "--dry-run"), "");
  let ended = false;
  const gc = host.command("gc").finally(() => {
    ended = true;
  });
  await setTimeout(500);
  assert.deepEqual([ended, existsSync(join(state, "pull"))], [false, true]);
  pull.stdin.end();
  await gc;
  assert.equal(existsSync(join(state, "pull")), false);
});

test("verify reads the whole store, and names what is damaged until it is mended", async () => {
  await using host = await testHost();
  await host.addClosure("a", {});
  await host.command("add-generation", host.path("a"));
  const [closure, packages] = [host.nameOf("a"), host.nameOf("packages p")];
  assert.deepEqual(
    (await host.command("verify")).trimEnd().split("\n").sort(),
    [`${closure} is whole`, `${packages} is whole`].sort(),
  );
  const record = join(host.store, "../nixfleet/verified.report");
  const report = readReport(await readFile(record, "utf8"));
  assert.deepEqual([report("outcome"), report("damaged")], [["whole"], []]);
  await writeFile(join(host.store, packages, "packages.list"), "{}");
  await assert.rejects(host.command("verify"), (error) => {
    assert.ok(error instanceof CommandError);
    assert.equal(error.stdout, `${closure} is whole\n`);
    assert.match(
      error.text,
      new RegExp(`\\./packages.list is changed\n.*${packages} is not what was built\n.*damaged: ${packages}`),
    );
    return true;
  });
  assert.deepEqual(readReport(await readFile(record, "utf8"))("damaged"), [packages]);
  // A week after that time, and whatever the clock said then.
  assert.equal(await host.command("verify", "--when-due"), "");
  for (const time of ["8 days ago", "tomorrow"]) {
    await run("touch", [`--date=${time}`, record]);
    await assert.rejects(host.command("verify", "--when-due"), { stdout: `${closure} is whole\n` }, time);
  }
});

test("a host with two EFI system partitions keeps them alike, and goes on where one of them is missing", async () => {
  await using host = await testHost();
  const second = await host.secondEsp();
  const areAlike = async () => assert.deepEqual(await host.entries(), await second.entries());
  await host.addClosure("a", {});
  await host.addClosure("b", {});
  await host.command("add-generation", host.path("a"));
  await areAlike();
  assert.equal(await second.read("EFI/BOOT/BOOTx64.efi"), "loader");
  await second.bless("nixfleet-1+2-1.conf");
  await areAlike();
  assert.ok((await host.entries()).includes("nixfleet-1.conf"));
  // Its disk is away, with what is mounted there.
  await host.setParameters({ ESPS: `unmounted:${host.esp}\n/boot that is not mounted` });
  assert.match(await host.command("add-generation", host.path("b")), /^generation 2: /);
  assert.deepEqual(
    (await host.generations()).map(({ state }) => state),
    ["not proved, 3 tries left", "good"],
  );
  await host.setParameters({ ESPS: `unmounted:${host.esp}\nunmounted:${second.esp}` });
  await host.command("rollback", "newest");
  await areAlike();
  const entry = "loader/entries/nixfleet-2+3.conf";
  assert.equal(await second.read(entry), await host.read(entry));
  await host.setParameters({ ESPS: "/boot that is not mounted" });
  await assert.rejects(host.command("rollback", "newest"), refusedFor(/partition is not mounted on \/boot that/));
});

test("killed on the way, it leaves whole entries on both EFI system partitions, and running it again makes them alike", async () => {
  await using host = await testHost();
  const second = await host.secondEsp();
  await host.addClosure("a", {});
  await host.addClosure("b", {});
  await host.command("add-generation", host.path("a"));
  let killed = true;
  for (let count = 3; killed; count += 17) {
    killed = await host.killedAfter(count, "add-generation", host.path("b"));
    await host.assertEntriesAreWhole();
    await host.assertEntriesAreWhole(second);
  }
  await host.command("add-generation", host.path("b"));
  assert.deepEqual(await host.entries(), await second.entries());
  assert.equal(await second.read("loader/loader.conf"), await host.read("loader/loader.conf"));
});

test("a generation for which one of two EFI system partitions has no room changes neither", async () => {
  await using host = await testHost();
  const second = await host.secondEsp(40);
  await host.addClosure("a", {});
  await host.addClosure("b", { ownPackages: "q", kernelSize: 40 });
  await host.command("add-generation", host.path("a"));
  const before = await host.entries();
  await assert.rejects(host.command("add-generation", host.path("b")), refusedFor(/is full: .* no entry was changed/));
  assert.deepEqual([await host.entries(), await second.entries()], [before, before]);
});

function refusedFor(reason: RegExp) {
  return (error: unknown) => error instanceof CommandError && reason.test(error.text);
}

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
  const place = { nix, esps: [{ kind: "unmounted", path: esp }], grub: null, kernelCommandLine: commandLine } as const;
  await writeFile(conf, generationParameters(plan, place));
  const names = new Map<string, string>();
  const nameOf = (letter: string) => names.get(letter) ?? "";
  const mtools = (program: string, ...args: string[]) => run(program, ["-i", esp, ...args]);
  const read = (path: string) => mtools("mtype", `::/${path}`);
  const entries = async () =>
    (await mtools("mdir", "-b", "::/loader/entries")).split("\n").flatMap((line) => line.split("/").at(-1) || []);
  const command = (name: Parameters<typeof hostScript>[0], ...args: string[]) =>
    run("sh", [hostScript(name), "--conf", conf, ...args]);
  return {
    esp,
    async secondEsp(size = espSize) {
      const other = join(folder.path, "second");
      await writeFile(other, "");
      await truncate(other, size * 1024 ** 2);
      await run("mkfs.vfat", ["-F", "32", other]);
      await appendFile(conf, scriptParameters({ ESPS: `unmounted:${esp}\nunmounted:${other}` }));
      return {
        esp: other,
        read: (path: string) => run("mtype", ["-i", other, `::/${path}`]),
        entries: async () =>
          (await run("mdir", ["-b", "-i", other, "::/loader/entries"]))
            .split("\n")
            .flatMap((line) => line.split("/").at(-1) || []),
        /** As when the firmware has booted this entry, from whichever of them. */
        async bless(entry: string) {
          const variable = join(folder.path, "variable");
          const path = Buffer.from(`\\loader\\entries\\${entry}\0`, "utf16le");
          await writeFile(variable, Buffer.concat([Buffer.from([6, 0, 0, 0]), path]));
          const script = join(import.meta.dirname, "../../src/payload/host/bless-esps.sh");
          await run("sh", [script, "--conf", conf], { env: { BOOT_COUNT: variable } });
        },
      };
    },
    store,
    nameOf,
    read,
    entries,
    command,
    setParameters: (parameters: Readonly<Record<string, string>>) => appendFile(conf, scriptParameters(parameters)),
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
      if (!names.has(`packages ${own}`)) {
        const made = join(store, "debian-trixie");
        const loader = join(made, "usr/lib/systemd/boot/efi");
        await mkdir(loader, { recursive: true });
        await writeFile(join(loader, "systemd-bootx64.efi"), "loader");
        await writeFile(join(made, "vmlinuz"), Buffer.alloc(kernelSize * 1024 ** 2, own));
        await writeFile(join(made, "initrd"), Buffer.alloc(3 * 1024 ** 2, own));
        const versions = Object.entries(packages).map(([name, version]) => `${name}\t${version}\n`);
        await writeFile(join(made, "packages.list"), versions.join(""));
        names.set(`packages ${own}`, await sealed(made));
      }
      const closure = join(store, "nixfleet-test");
      await mkdir(closure);
      await symlink(`../${nameOf(`packages ${own}`)}/usr`, join(closure, "usr"));
      await writeFile(join(closure, "cmdline"), "root=x\n");
      await writeFile(join(closure, "host.cpio"), `host ${letter}`);
      await writeFile(join(closure, "persists.list"), persists.map((path) => `${path}\n`).join(""));
      names.set(letter, await sealed(closure));
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
      const script = (name: string) => join(import.meta.dirname, "../../src/payload/host", name);
      const env = { RUNTIME: folder.path };
      await run("sh", [script("generation-report.sh"), "--conf", conf], { env });
      await run("cp", [script("status.sh"), script("read-report.sh"), script("../initrd/report.sh"), folder.path]);
      return run("sh", [join(folder.path, "status.sh")], { env }).catch((error: unknown) => {
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
    async assertEntriesAreWhole(on: { read: typeof read; entries: typeof entries } = { read, entries }) {
      for (const name of (await on.entries()).filter((one) => one.endsWith(".conf"))) {
        const text = await on.read(`loader/entries/${name}`);
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
          assert.equal(await on.read(path), await readFile(sources[index] ?? "", "utf8"), `${name}: ${path}`);
        }
      }
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}
