import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../src/local/resources.ts";
import { concatenatedInitrd } from "../../src/vm/initrd.ts";
import { type QemuOptions, qemuCommand } from "../../src/vm/qemu.ts";

const program = { command: ["qemu-system-x86_64"], version: 10, share: "/usr/share" } as const;

const plain: QemuOptions = {
  program,
  platform: "x86_64-linux",
  accelerator: "tcg",
  memory: 1024,
  disks: ["/srv/host, with a comma.img"],
  kernel: "/k",
  initrd: null,
  kernelParameters: ["root=LABEL=root"],
  sshPort: 2222,
  credentials: {},
  console: { kind: "stdio" },
  controlSocket: null,
};

const valuesOf = (options: QemuOptions, flag: string): string[] => {
  const command = qemuCommand(options);
  return command.filter((_, index) => command[index - 1] === flag);
};

test("an emulated x86 processor of an old QEMU is one, without cx16, and a real one is the host's", () => {
  deepEqual(valuesOf(plain, "-cpu"), ["max"]);
  deepEqual(valuesOf(plain, "-accel"), ["tcg"]);
  deepEqual(valuesOf(plain, "-smp"), ["1"]);
  deepEqual(valuesOf({ ...plain, processors: 2 }, "-smp"), ["2"]);
  const old = { ...plain, processors: 2, program: { ...program, version: 7 } };
  deepEqual(valuesOf(old, "-cpu"), ["max,-cx16"]);
  deepEqual(valuesOf(old, "-smp"), ["1"]);
  deepEqual(valuesOf({ ...old, accelerator: "kvm" }, "-cpu"), ["host"]);
});

test("a machine is started by the program that was found, with whatever starts it", () => {
  const command = ["/tree/ld.so", "--library-path", "/tree/lib", "/tree/qemu"] as const;
  deepEqual(qemuCommand({ ...plain, program: { ...program, command } }).slice(0, 5), [...command, "-nodefaults"]);
});

test("an arm guest has its own machine, processor and console", () => {
  const arm: QemuOptions = { ...plain, platform: "aarch64-linux" };
  deepEqual(valuesOf(arm, "-cpu"), ["max"]);
  match(valuesOf(arm, "-append").join(), /^console=ttyAMA0 /);
});

test("a disk is given by JSON, so that its name may have commas, and what the guest flushes is flushed", () => {
  const [disk = ""] = valuesOf(plain, "-blockdev");
  const { file, cache } = JSON.parse(disk) as { file: { filename: string }; cache: unknown };
  equal(file.filename, "/srv/host, with a comma.img");
  deepEqual(cache, { direct: false, "no-flush": false });
});

test("disks keep their order, and a machine without a port has no network", () => {
  const two = { ...plain, disks: ["/a", "/b"], sshPort: null };
  deepEqual(
    valuesOf(two, "-device").filter((it) => it.startsWith("virtio-blk")),
    ["virtio-blk-pci,drive=disk0,write-cache=on", "virtio-blk-pci,drive=disk1,write-cache=on"],
  );
  deepEqual(valuesOf(two, "-netdev"), []);
});

test("a machine has the time of this one, or another that it is given", () => {
  deepEqual(valuesOf(plain, "-rtc"), []);
  deepEqual(valuesOf({ ...plain, clock: "2031-05-06T07:08:09" }, "-rtc"), ["base=2031-05-06T07:08:09"]);
});

test("the ssh port is open to this machine alone", () => {
  deepEqual(valuesOf(plain, "-netdev"), ["user,id=net,hostfwd=tcp:127.0.0.1:2222-:22"]);
});

test("the console is the serial port unless the host says which one", () => {
  deepEqual(valuesOf(plain, "-append"), ["console=ttyS0 root=LABEL=root"]);
  deepEqual(valuesOf({ ...plain, kernelParameters: ["console=tty0"] }, "-append"), ["console=tty0"]);
});

test("a machine with firmware boots from its disk alone, may reboot, and gets its credentials another way", () => {
  const devices = { ...plain, kernel: undefined, initrd: undefined, kernelParameters: undefined };
  const uefi = { kind: "uefi", code: "/code.fd", variables: "/a,b.fd" } as const;
  for (const firmware of [{ kind: "bios" } as const, uefi]) {
    const options = { ...devices, firmware, credentials: { motd: "hello" } };
    const command = qemuCommand(options);
    for (const flag of ["-kernel", "-append", "-initrd", "-no-reboot"]) ok(!command.includes(flag), flag);
    deepEqual(valuesOf(options, "-smbios"), ["type=11,value=io.systemd.credential.binary:motd=aGVsbG8="]);
    deepEqual(
      valuesOf(options, "-drive").map((drive) => drive.split(",file=")[1]),
      firmware.kind === "bios" ? [] : ["/code.fd", "/a,,b.fd"],
    );
  }
});

test("a credential of any text passes through the kernel command line, and a line too long for it is refused", () => {
  const [line = ""] = valuesOf({ ...plain, credentials: { motd: 'two "words"\n' } }, "-append");
  equal(Buffer.from(line.split("motd:")[1] ?? "", "base64").toString(), 'two "words"\n');
  throws(() => qemuCommand({ ...plain, kernelParameters: ["x".repeat(2100)] }), /command line is too long/);
});

test("initrds become one file in which each begins at a multiple of 4 bytes", async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "out"));
  const files = await Promise.all(
    ["abcde", "efgh", "i"].map(async (text, index) => {
      const file = join(folder.path, String(index));
      await writeFile(file, text);
      return file;
    }),
  );
  const joined = await concatenatedInitrd(files, join(folder.path, "out"));
  ok(joined !== null);
  equal(await readFile(joined, "utf8"), "abcde\0\0\0efghi\0\0\0");
  equal(await concatenatedInitrd(files.slice(0, 1), folder.path), files[0]);
  equal(await concatenatedInitrd([], folder.path), null);
});
