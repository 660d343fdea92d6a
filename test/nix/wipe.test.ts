/** nix/wipe.nix: what it renders, and what that does on a real btrfs. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { CommandError, run } from "../../src/local/process.ts";
import { wipeReport } from "../../src/payload/reports.ts";
import { type Filesystem, filesystem, has, leftovers, names, subvolume } from "../btrfs/wipe-filesystem.ts";
import { type Nix, nix, withoutNix } from "./nix.ts";
import { HOST, type RenderedWipe, renderedWipe } from "./rendered-wipe.ts";

const INITRD = join(PACKAGE_ROOT, "src", "payload", "initrd");
const FIRST = "20261123T000312.000Z";
const options = { skip: withoutNix };

test("the scripts are those of our own hosts, byte for byte, with all that they source", options, async () => {
  await using tool = await nix();
  const { initrd, host } = await renderedWipe(tool, HOST);
  const folder = initrd.files["/usr/lib/nixfleet"].source;
  const scripts = readdirSync(tool.real(folder));
  for (const name of scripts) {
    const text = readFileSync(join(INITRD, name), "utf8");
    assert.equal(readFileSync(join(tool.real(folder), name), "utf8"), text);
    for (const [, sourced = ""] of text.matchAll(/^\. "\$\{0%\/\*\}\/(.*)"$/gm)) assert.ok(scripts.includes(sourced));
  }
  assert.ok(scripts.includes("wipe.sh") && scripts.includes("prune.sh"));
  assert.match(host.units["nixfleet-prune"].text, new RegExp(`^ExecStart=/usr/bin/sh ${folder}/prune.sh /etc/`, "m"));
  assert.equal(host.files["nixfleet/wipe.conf"].text, initrd.files["/etc/nixfleet/wipe.conf"].text);
});

test("the units say what our own say, and wait for the device itself", options, async () => {
  await using tool = await nix();
  const device = "dev-disk-by\\x2duuid-0f0f\\x2d1.device";
  const { initrd, host } = await renderedWipe(tool, HOST, '{ nixfleet.wipe.device = "UUID=0f0f-1"; }');
  const wipe = ownUnit("nixfleet-wipe.service");
  for (const key of ["Requires", "After"]) wipe.add(`Unit ${key}=${device}`);
  assert.deepEqual(settings(initrd.units["nixfleet-wipe"].text), wipe);
  assert.deepEqual(settings(host.units["nixfleet-prune"].text), ownUnit("nixfleet-prune.service"));
  // There is no activation of ours to wait for, and it makes room as early as it can.
  const room = ownUnit("nixfleet-room.service", /^Unit (After|Before)=/);
  for (const relation of ["After=sysroot.mount", "Before=initrd-fs.target", "Before=shutdown.target"]) {
    room.add(`Unit ${relation}`);
  }
  assert.deepEqual(settings(initrd.units["nixfleet-room"].text), room);
  assert.deepEqual(initrd.units["nixfleet-wipe"].wantedBy, ["sysroot.mount"]);
  assert.deepEqual(initrd.units["nixfleet-wipe"].requiredBy, []);
});

test("the root has whichever name the host's file systems give it", options, async () => {
  await using tool = await nix();
  await using fs = await filesystem();
  renameSync(join(fs.top, "@root"), join(fs.top, "root"));
  const named = HOST.replace("subvol=@root", "subvol=/root");
  const host = await renderedWipe(tool, named, `{ nixfleet.wipe.device = "${fs.device}"; }`);
  assert.deepEqual(host.failed, []);
  const { exitCode, stderr } = inInitrd(tool, host, fs, "dash")("root=fstab");
  assert.equal(exitCode, 0, stderr);
  assert.deepEqual(names(fs), ["@nix", "@persist", "old_roots", "root"]);
  assert.ok(has(fs, `old_roots/${FIRST}/mark`) && !has(fs, "root/mark"));
});

test("onFailure = halt makes the root's mount require the wipe, and its failure end the boot", options, async () => {
  await using tool = await nix();
  const { initrd } = await renderedWipe(tool, HOST, '{ nixfleet.wipe.onFailure = "halt"; }');
  const { text, wantedBy, requiredBy } = initrd.units["nixfleet-wipe"];
  assert.deepEqual([wantedBy, requiredBy], [[], ["sysroot.mount"]]);
  const drop = readFileSync(join(INITRD, "nixfleet-wipe-halt.conf"), "utf8");
  for (const setting of settings(drop)) assert.ok(settings(text).has(setting), setting);
  assert.match(initrd.files["/etc/nixfleet/wipe.conf"].text, /^ON_FAILURE='halt'$/m);
});

test("the filesystem is found as the host finds it: by a label only where it goes by one", options, async () => {
  await using tool = await nix();
  for (const [device, unit, found] of [
    ["/dev/disk/by-label/root", "dev-disk-by\\x2dlabel-root", { LABEL: "root", DEVICE: "" }],
    ["LABEL=root", "dev-disk-by\\x2dlabel-root", { LABEL: "root", DEVICE: "" }],
    ["UUID=12-3", "dev-disk-by\\x2duuid-12\\x2d3", { LABEL: "", DEVICE: "/dev/disk/by-uuid/12-3" }],
    ["PARTLABEL=r", "dev-disk-by\\x2dpartlabel-r", { LABEL: "", DEVICE: "/dev/disk/by-partlabel/r" }],
    ["/dev/mapper/crypted", "dev-mapper-crypted", { LABEL: "", DEVICE: "/dev/mapper/crypted" }],
  ] as const) {
    const { initrd } = await renderedWipe(tool, HOST, `{ nixfleet.wipe.device = "${device}"; }`);
    const text = initrd.files["/etc/nixfleet/wipe.conf"].text;
    for (const [name, value] of Object.entries(found)) assert.ok(text.includes(`${name}='${value}'\n`), text);
    assert.ok(settings(initrd.units["nixfleet-wipe"].text).has(`Unit Requires=${unit}.device`), device);
  }
});

test("a host that would not boot again, or lose its store, is told so before it is built", options, async () => {
  await using tool = await nix();
  const without = (path: string) => `(let host = ${HOST}; in host // { fileSystems = ${path}; })`;
  const failed = async (...modules: readonly string[]) => (await renderedWipe(tool, ...modules)).failed.join("\n");
  assert.equal(await failed(HOST), "");
  assert.match(await failed(without('removeAttrs host.fileSystems [ "/nix" ]')), /would retire the store/);
  assert.match(await failed(without('removeAttrs host.fileSystems [ "/boot" ]')), /the boot loader reads in \/boot/);
  const esp = '{ boot.loader.efi.efiSysMountPoint = "/efi"; }';
  assert.match(await failed(HOST, esp), /the boot loader reads in \/efi: .*fileSystems."\/efi"/);
  const root = (rest: string) => without(`host.fileSystems // { "/" = host.fileSystems."/" // { ${rest} }; }`);
  assert.match(await failed(root('options = [ "subvolid=256" ];')), /wants a btrfs subvolume at \/, by its name/);
  assert.match(await failed(root('options = [ "subvol=/" ];')), /wants a btrfs subvolume at \/, by its name/);
  assert.match(await failed(root('fsType = "ext4";')), /wants a btrfs subvolume at \/, by its name/);
  const home = (name: string) => `{ fileSystems."/home" = { fsType = "btrfs"; options = [ "subvol=${name}" ]; }; }`;
  assert.match(
    await failed(HOST, home("/@root/home")),
    /mounted from a subvolume inside of @root: move that beside it/,
  );
  assert.match(await failed(HOST, home("@root.new")), /makes and deletes the subvolumes .*@root.new itself/);
  assert.equal(await failed(HOST, home("@roothome")), "");
  assert.equal(await failed(root('options = [ "noatime" "subvol=/@root" ];')), "");
  assert.match(await failed(root('device = "LABEL=a b";')), /write the path below \/dev\/disk/);
  assert.match(
    await failed(`(${HOST} // { boot.initrd.systemd.enable = false; })`),
    /boot.initrd.systemd.enable = true/,
  );
  const mistake = (module: string, message: RegExp) =>
    assert.rejects(
      renderedWipe(tool, HOST, module),
      (error) => error instanceof CommandError && message.test(error.text),
    );
  await mistake("{ nixfleet.wipe.retentionDay = 3; }", /there is no option nixfleet.wipe.retentionDay/);
  await mistake("{ nixfleet.wipe.retentionDays = -1; }", /wants a whole number from 0 to 36500/);
  await mistake('{ nixfleet.wipe.onFailure = "panic"; }', /wants one of/);
});

for (const shell of ["dash", "bash"]) {
  test(
    `as rendered, run by ${shell} with the programs that it names: a fresh root, the old one kept`,
    options,
    async () => {
      await using tool = await nix();
      await using fs = await filesystem();
      const host = await renderedWipe(tool, HOST, `{ nixfleet.wipe = { device = "${fs.device}"; keepNewest = 1; }; }`);
      const boot = inInitrd(tool, host, fs, shell);
      const { exitCode, report, stderr } = boot("init=/nix/store/x/init root=fstab");
      assert.equal(exitCode, 0, stderr);
      assert.equal(stderr, "");
      assert.deepEqual(
        [report.outcome, report.created, report.retired, report.closure],
        ["wiped", "empty", FIRST, null],
      );
      assert.deepEqual(names(fs), ["@nix", "@persist", "@root", "old_roots"]);
      assert.deepEqual(names(fs, "@root"), []);
      assert.ok(has(fs, `old_roots/${FIRST}/mark`) && has(fs, "@persist/precious"));
      assert.equal((await run("stat", ["-c", "%a", join(fs.top, "@root")])).trim(), "755");

      writeFileSync(join(fs.top, "@root/mark"), "second\n");
      const skipped = boot("init=/nix/store/x/init nixfleet.wipe=skip root=fstab");
      assert.deepEqual([skipped.exitCode, skipped.report.outcome], [0, "skipped"]);
      assert.ok(has(fs, "@root/mark"));

      // What NixOS makes there by itself is nested; a snapshot that is no old root stays.
      await subvolume(fs.top, "old_roots/20200101T000000.000Z", "old_roots/20200101T000000.000Z/var/lib/portables");
      await subvolume(fs.top, "old_roots/2024-01-01_00:00:00");
      const pruned = boot("", "prune.sh");
      assert.equal(pruned.exitCode, 0, pruned.stderr);
      assert.deepEqual(names(fs, "old_roots"), ["2024-01-01_00:00:00", FIRST]);
      assert.deepEqual(leftovers(fs), []);
    },
  );
}

/** A unit of our own as settings, with what may differ taken out. */
function ownUnit(name: string, without = /^$/): Set<string> {
  const all = settings(readFileSync(join(INITRD, name), "utf8"));
  // The module says itself who wants a unit, and which hosts have a prune.
  const notHere = /^Install |^Unit ConditionKernelCommandLine=|^Unit ConditionPathExists=\/etc\/nixfleet\/wipe.conf/;
  return new Set([...all].filter((setting) => !without.test(setting) && !notHere.test(setting)));
}

/** Each word of a relation by itself; where scripts, shells and programs are, each has its own way to say. */
function settings(text: string): Set<string> {
  let section = "";
  const found = text.split("\n").flatMap((line) => {
    section = line.match(/^\[(\w+)\]$/)?.[1] ?? section;
    const [, key = "", value = ""] = line.match(/^(\w+)=(.*)$/) ?? [];
    if (key === "" || key === "Environment") return [];
    if (/^(After|Before|Requires|Wants|Conflicts)$/.test(key)) {
      return value.split(" ").map((word) => `${section} ${key}=${word}`);
    }
    const said = { true: "yes", false: "no" }[value] ?? value;
    return [`${section} ${key}=${key === "ExecStart" ? said.replace(/\S*\//g, "") : said}`];
  });
  return new Set(found);
}

/** Runs a script as the unit does, in a boot of its own: with nothing on its PATH but what the module puts into the initrd. */
function inInitrd(tool: Nix, { initrd }: RenderedWipe, fs: Filesystem, shell: string) {
  const programs = join(fs.scratch, `programs-${shell}`);
  mkdirSync(programs);
  for (const path of initrd.storePaths) {
    symlinkSync(
      path === "/usr/bin/sh" ? `/usr/bin/${shell}` : findProgram(basename(path)),
      join(programs, basename(path)),
    );
  }
  let boots = 0;
  return (commandLine: string, script = "wipe.sh") => {
    const [conf, cmdline, REPORT] = ["conf", "cmdline", `report-${boots++}`].map((name) => join(fs.scratch, name));
    if (conf === undefined || cmdline === undefined) throw new Error("unreachable");
    writeFileSync(cmdline, `${commandLine}\n`);
    const here = { MOUNTPOINT: fs.mountpoint, NOW: "2026-11-23 00:03:12", REPORT };
    const rendered = initrd.files["/etc/nixfleet/wipe.conf"].text.replace("'/proc/cmdline'", `'${cmdline}'`);
    writeFileSync(
      conf,
      `${rendered}${Object.entries(here)
        .map(([name, value]) => `${name}='${value}'\n`)
        .join("")}`,
    );
    const path = join(tool.real(initrd.files["/usr/lib/nixfleet"].source), script);
    const { status, stderr } = spawnSync(join(programs, "sh"), [path, conf], {
      encoding: "utf8",
      env: { PATH: programs },
    });
    return { exitCode: status, stderr, report: wipeReport(readFileSync(`${REPORT}`, "utf8")) };
  };
}

function findProgram(name: string): string {
  const found = spawnSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).stdout.trim();
  assert.ok(found.startsWith("/"), name);
  return found;
}
