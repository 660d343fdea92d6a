/** The wipe as its NixOS module renders it, in a real initrd that boots as NixOS does: with `root=fstab`. */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cpioArchive } from "../../src/closure/tree/cpio.ts";
import { machineOf } from "../../src/deploy/vm.ts";
import { run } from "../../src/local/process.ts";
import { loopDevice, mounted, temporaryFolder } from "../../src/local/resources.ts";
import { initrdFiles } from "../../src/payload/initrd/files.ts";
import { wipeReport } from "../../src/payload/reports.ts";
import { type MadeFilePlan, symlink, textFile } from "../../src/plan/file-plan.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import { names, subvolume } from "../btrfs/wipe-filesystem.ts";
import { nix, withoutNix } from "../nix/nix.ts";
import { HOST, type RenderedWipe, renderedWipe } from "../nix/rendered-wipe.ts";
import { testedWithSwap } from "./fleet.ts";
import { builtHost, planOfTested } from "./installed.ts";

const BOOT_TIME = 300_000;
const UNITS = "/etc/systemd/system";

/** Says what the initrd has mounted, writes to it, and ends the machine: there is no host behind it. */
const OBSERVE = `[Unit]
DefaultDependencies=no
Requires=sysroot.mount
After=sysroot.mount initrd-root-fs.target
Before=initrd-parse-etc.service initrd-switch-root.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo 1 >/proc/sys/kernel/printk; sed "s/^/report /" /run/nixfleet/wipe.report; echo "root $$(ls -A /sysroot) $$(stat -c %%i /sysroot)"; echo written >/sysroot/undeclared; sync; echo observed; systemctl --force --force poweroff'
StandardOutput=tty
TTYPath=/dev/console
`;

test("with the module's own unit, in a boot by root=fstab, each boot has a fresh root, as with ours", {
  skip: withoutNix,
}, async () => {
  const plan = planOfTested(testedWithSwap);
  const closure = await builtHost(plan);
  await using tool = await nix();
  await using scratch = await temporaryFolder();
  const image = join(scratch.path, "disk");
  await format(image);

  const boot = async (name: string, files: readonly MadeFilePlan[], parameters: readonly string[]) => {
    const ours = join(scratch.path, `${name}.cpio`);
    const observer = [textFile(`${UNITS}/observe.service`, [OBSERVE]), wants("initrd.target", "observe.service")];
    writeFileSync(ours, cpioArchive([...files, ...observer], 0));
    const machine = await machineOf(plan, closure, image);
    const options = {
      ...machine,
      initrds: [machine.initrds[0] ?? "", ours],
      kernelParameters: ["console=ttyS0", ...parameters],
      sshPort: null,
    };
    await using guest = await bootMachine(options, (started) => started.waitFor(/observed/, BOOT_TIME));
    await guest.ended;
    const said = (what: string) =>
      guest.console.flatMap((line) => (line.startsWith(`${what} `) ? [line.slice(what.length + 1)] : []));
    return { report: wipeReport(`${said("report").join("\n")}\n`), root: said("root").at(-1) };
  };

  const module = nixosFiles(await renderedWipe(tool, HOST), (path) => tool.real(path));
  const first = await boot("nixos", module, ["root=fstab"]);
  const second = await boot("nixos", module, ["root=fstab"]);
  const own = await boot(
    "own",
    initrdFiles(plan).filter(({ path }) => /wipe|\/nixfleet\/[^/]*$/.test(path)),
    [
      ...["root=/dev/disk/by-label/root", "rw", "rootfstype=btrfs", "rootflags=subvol=@root"],
      "nixfleet.closure=/nix/store/abc-nixfleet-test",
    ],
  );
  const retired: string[] = [];
  for (const { report, root } of [first, second, own]) {
    assert.deepEqual([report.outcome, report.reason, root], ["wiped", null, " 256"]);
    retired.push(report.retired ?? "");
  }
  assert.deepEqual([first.report.created, second.report.created, own.report.created], ["empty", "empty", "snapshot"]);
  await using device = await loopDevice(image);
  const top = join(scratch.path, "top");
  mkdirSync(top);
  await using _ = await mounted(device.device, top, ["subvolid=5"]);
  assert.deepEqual(names({ top }, "old_roots"), retired.toSorted());
  assert.deepEqual(
    retired.map((name) => names({ top }, `old_roots/${name}`)),
    [["mark"], ["undeclared"], ["undeclared"]],
  );
  assert.deepEqual([names({ top }, "@root"), names({ top }, "@persist")], [["undeclared"], ["precious"]]);
});

function nixosFiles({ initrd }: RenderedWipe, real: (path: string) => string): readonly MadeFilePlan[] {
  const scripts = real(initrd.files["/usr/lib/nixfleet"].source);
  return [
    ...readdirSync(scripts).map((name) => ({
      ...textFile(`/usr/lib/nixfleet/${name}`, []),
      text: readFileSync(join(scripts, name), "utf8"),
    })),
    textFile("/etc/nixfleet/wipe.conf", [initrd.files["/etc/nixfleet/wipe.conf"].text]),
    // As NixOS has it: its initrd reads the host's own fstab, which a variable of its systemd names.
    textFile("/etc/initrd-fstab", ["/dev/disk/by-label/root / btrfs x-initrd.mount,subvol=@root 0 0"]),
    textFile("/etc/systemd/system.conf.d/nixos.conf", [
      "[Manager]",
      "ManagerEnvironment=SYSTEMD_SYSROOT_FSTAB=/etc/initrd-fstab",
    ]),
    // dracut's own way to a root knows no `root=fstab`; NixOS has systemd's alone.
    ...DRACUT.map((hook) => symlink(`${UNITS}/dracut-${hook}.service`, "/dev/null")),
    ...Object.entries(initrd.units).flatMap(([name, unit]) => [
      textFile(`${UNITS}/${name}.service`, [unit.text]),
      ...unit.wantedBy.map((by) => wants(by, `${name}.service`)),
    ]),
  ];
}

const DRACUT = ["cmdline", "cmdline-ask", "initqueue", "mount", "pre-mount", "pre-pivot", "pre-trigger", "pre-udev"];

function wants(by: string, unit: string): MadeFilePlan {
  return symlink(`${UNITS}/${by}.wants/${unit}`, `../${unit}`);
}

async function format(image: string): Promise<void> {
  writeFileSync(image, "");
  await run("truncate", ["--size", "512M", image]);
  await run("mkfs.btrfs", ["--quiet", "--label", "root", image]);
  await using folder = await temporaryFolder();
  await using device = await loopDevice(image);
  await using _ = await mounted(device.device, folder.path, ["subvolid=5"]);
  await subvolume(folder.path, "@root", "@persist", "@nix", "@nix/store/abc-nixfleet-test/root");
  writeFileSync(join(folder.path, "@root/mark"), "first\n");
  writeFileSync(join(folder.path, "@persist/precious"), "precious\n");
}
