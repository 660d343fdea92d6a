/** The QEMU command line of a machine: decided here, run by machine.ts. */
import { UserError } from "../errors.ts";
import type { Platform } from "../plan/host.ts";
import { DEPENDABLE_VERSION, type QemuProgram } from "./qemu-program.ts";

export type QemuOptions = DeviceOptions & (KernelBoot | FirmwareBoot);

interface DeviceOptions {
  readonly program: QemuProgram;
  readonly platform: Platform;
  readonly accelerator: Accelerator;
  /** In MiB. */
  readonly memory: number;
  /** Of an emulated machine; by default one, since of several each wants a processor of this machine for itself. */
  readonly processors?: number;
  /** Raw images, the first one being `/dev/vda`. */
  readonly disks: readonly string[];
  /** The control socket of a swtpm(8) that is the machine's TPM; by default it has none. */
  readonly tpm?: string;
  /** What its clock says when it starts, in UTC as `2027-01-01T00:00:00`; by default the time. */
  readonly clock?: string;
  /** The port of 127.0.0.1 that leads to the guest's port 22; `null`: no network. */
  readonly sshPort: number | null;
  /** Given to the guest's systemd, see systemd.system-credentials(7). */
  readonly credentials: Readonly<Record<string, string>>;
  readonly console: Console;
  /** A socket for QEMU's machine protocol; `null`: none. */
  readonly controlSocket: string | null;
}

/** QEMU itself loads a kernel. */
export interface KernelBoot {
  readonly firmware?: undefined;
  readonly kernel: string;
  /** QEMU takes one file; several are concatenated into one before. */
  readonly initrd: string | null;
  /** Without one that begins with `console=`, the serial port is the console. */
  readonly kernelParameters: readonly string[];
}

/** As on a real machine: the firmware looks for a boot loader on the first disk. The machine may reboot. */
export interface FirmwareBoot {
  readonly firmware: Firmware;
}

export type Firmware = { readonly kind: "bios" } | UefiFirmware;

export interface UefiFirmware {
  readonly kind: "uefi";
  readonly code: string;
  /** The machine's own copy: its variables are kept there. */
  readonly variables: string;
}

export type Accelerator = "kvm" | "tcg";

/** Where the serial console goes; `terminal` is for a person, with QEMU's own keys (Ctrl-A H lists them). */
export type Console = { readonly kind: "stdio" } | { readonly kind: "terminal" } | FileConsole;

export interface FileConsole {
  readonly kind: "file";
  readonly path: string;
}

/**
 * The program and arguments that start a machine with nothing but these devices.
 * @throws UserError when the kernel command line is longer than the kernel reads
 */
export function qemuCommand(options: QemuOptions): readonly [string, ...string[]] {
  return [
    ...options.program.command,
    ...["-nodefaults", "-no-user-config", "-display", "none"],
    ...machineArguments(options),
    ...["-m", `${options.memory}M`],
    ...(options.clock === undefined ? [] : ["-rtc", `base=${options.clock}`]),
    ...(options.firmware === undefined ? kernelArguments(options) : firmwareArguments(options.firmware, options)),
    ...options.disks.flatMap(diskArguments),
    ...networkArguments(options.sshPort),
    ...tpmArguments(options),
    // Without it a fresh guest waits for randomness before it makes its first key.
    ...["-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"],
    ...consoleArguments(options.console),
    ...(options.controlSocket === null
      ? []
      : [
          ...["-chardev", `socket,id=control,server=on,wait=off,path=${escaped(options.controlSocket)}`],
          ...["-mon", "chardev=control,mode=control"],
        ]),
  ];
}

function machineArguments({ program, platform, accelerator, processors = 1 }: DeviceOptions): string[] {
  const machine = platform === "x86_64-linux" ? "pc,usb=off,vmport=off" : "virt,gic-version=max";
  if (accelerator === "kvm") return ["-machine", machine, "-accel", "kvm", "-cpu", "host", "-smp", "2"];
  const isOld = program.version < DEPENDABLE_VERSION;
  const cpu = isOld && platform === "x86_64-linux" ? "max,-cx16" : "max";
  return ["-machine", machine, "-accel", "tcg", "-cpu", cpu, "-smp", isOld ? "1" : String(processors)];
}

function kernelArguments(options: DeviceOptions & KernelBoot): string[] {
  return [
    ...["-no-reboot", "-kernel", options.kernel],
    ...(options.initrd === null ? [] : ["-initrd", options.initrd]),
    ...["-append", kernelCommandLine(options)],
  ];
}

/** Credentials come as SMBIOS strings, which systemd reads where the kernel has DMI built in, as Debian's. */
function firmwareArguments(firmware: Firmware, { credentials }: DeviceOptions): string[] {
  return [
    ...(firmware.kind === "bios"
      ? []
      : [
          ...["-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${escaped(firmware.code)}`],
          ...["-drive", `if=pflash,unit=1,format=raw,file=${escaped(firmware.variables)}`],
        ]),
    ...Object.entries(credentials).flatMap(([name, value]) => [
      "-smbios",
      `type=11,value=io.systemd.credential.binary:${name}=${Buffer.from(value).toString("base64")}`,
    ]),
  ];
}

/** COMMAND_LINE_SIZE of both architectures, without the final zero. */
const COMMAND_LINE_BYTES = 2047;

function kernelCommandLine({ platform, kernelParameters, credentials }: DeviceOptions & KernelBoot): string {
  const line = [
    ...(kernelParameters.some((parameter) => parameter.startsWith("console="))
      ? []
      : [`console=${platform === "x86_64-linux" ? "ttyS0" : "ttyAMA0"}`]),
    ...kernelParameters,
    // The other ways (SMBIOS, fw_cfg) need kernel modules before the first process runs.
    ...Object.entries(credentials).map(
      ([name, value]) => `systemd.set_credential_binary=${name}:${Buffer.from(value).toString("base64")}`,
    ),
  ].join(" ");
  if (Buffer.byteLength(line) <= COMMAND_LINE_BYTES) return line;
  throw new UserError("the kernel command line is too long", [
    `it has ${Buffer.byteLength(line)} bytes, the kernel reads ${COMMAND_LINE_BYTES}:`,
    line,
  ]);
}

/**
 * What the guest flushes is in the host's page cache at least: it survives the end of QEMU at any moment, and a crash of
 * the host as well, because flushes are passed on.
 */
function diskArguments(image: string, index: number): string[] {
  const node = `disk${index}`;
  const cache = { direct: false, "no-flush": false };
  const file = { driver: "file", filename: image, discard: "unmap", cache };
  return [
    ...["-blockdev", JSON.stringify({ driver: "raw", "node-name": node, discard: "unmap", cache, file })],
    ...["-device", `virtio-blk-pci,drive=${node},write-cache=on`],
  ];
}

function networkArguments(sshPort: number | null): string[] {
  if (sshPort === null) return [];
  return [
    ...["-netdev", `user,id=net,hostfwd=tcp:127.0.0.1:${sshPort}-:22`],
    ...["-device", "virtio-net-pci,netdev=net,romfile="],
  ];
}

function tpmArguments({ tpm, platform }: DeviceOptions): string[] {
  if (tpm === undefined) return [];
  return [
    ...["-chardev", `socket,id=tpm,path=${escaped(tpm)}`, "-tpmdev", "emulator,id=tpm,chardev=tpm"],
    ...["-device", `${platform === "x86_64-linux" ? "tpm-tis" : "tpm-tis-device"},tpmdev=tpm`],
  ];
}

function consoleArguments(console: Console): string[] {
  switch (console.kind) {
    case "stdio":
      return ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"];
    case "terminal":
      return [
        ...["-chardev", "stdio,id=console,signal=off,mux=on"],
        ...["-serial", "chardev:console", "-mon", "chardev=console,mode=readline"],
      ];
    case "file":
      return ["-chardev", `file,id=console,path=${escaped(console.path)}`, "-serial", "chardev:console"];
  }
}

/** In QEMU's lists of options a comma is written twice. */
function escaped(value: string): string {
  return value.replaceAll(",", ",,");
}
