/** The command line: parses, calls, prints. Each command is a file of its own, loaded when it is called for. */
import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { unwindOnInterrupt } from "../machine/interruption.ts";
import { printError } from "./output.ts";

const program = new Command("nixfleet")
  .description(packageJson.description)
  .version(packageJson.version)
  .option("--fleet <file>", "the fleet's declaration", "fleet.ts")
  .exitOverride()
  .configureHelp({ showGlobalOptions: true });

const host = "<host>";
const json = ["--json", "print one JSON document"] as const;

program
  .command("init [folder]")
  .description("start a new fleet from a template")
  .action(async (folder = ".") => (await import("./init.ts")).init(folder));

program
  .command("check [hosts...]")
  .description("evaluate hosts: types, assertions, warnings")
  .option("--built", "look into their closures too, for state that nobody persists and that nobody lets go")
  .option(...json)
  .action(async (hosts, options) => (await import("./check.ts")).check(fleetFile(), hosts, options));

program
  .command(`show ${host} [option]`)
  .description("the evaluated configuration")
  .option("--why", "which definitions made the value, with file and line")
  .option(...json)
  .action(async (name, option, options) => (await import("./show.ts")).show(fleetFile(), name, option, options));

program
  .command("options [word]")
  .description("the option reference")
  .option(...json)
  .action(async (word, options) => (await import("./options.ts")).options(word, options));

program
  .command(`plan ${host}`)
  .description("what will persist, where, owned by whom, declared where; the wipe; the disk")
  .option(...json)
  .action(async (name, options) => (await import("./plan.ts")).plan(fleetFile(), name, options));

program
  .command(`build ${host}`)
  .description("build the closure; print its store path")
  .option(...json)
  .action(async (name, options) => (await import("./build.ts")).build(fleetFile(), name, options));

program
  .command("update")
  .description("move the lock to the newest packages of the archive")
  .option(...json)
  .action(async (options) => (await import("./update.ts")).update(fleetFile(), options));

program
  .command(`disk ${host}`)
  .description("partition, format and mount a disk as the host declares")
  .option("--device <device>", "the disk; without it the declared one")
  .option("--image <file>", "an image file in place of a disk")
  .option("--size <size>", "the size of a new image", "8G")
  .option("--disk <name>", "which of the host's disks, if it has several")
  .option("--mode <modes>", "any of unmount, format, mount, separated by commas", "format")
  .option("--under <folder>", "where to mount it", "/mnt")
  .option("--wipe <device>", "the very device, or image, that may lose what it holds")
  .option("--dry-run", "print the commands, as a shell script, and do nothing")
  .action(async (name, options) => (await import("./disk.ts")).disk(fleetFile(), name, options));

program
  .command(`switch ${host}`)
  .description("make a running host what is declared, without a reboot; what needs one is said")
  .option("--target-host <destination>", "the host, as ssh takes it; without it, this machine")
  .option("--dry-run", "say what would change, and change nothing")
  .option(...json)
  .action(async (name, options) => (await import("./switch.ts")).switchHost(fleetFile(), name, options));

program
  .command(`install ${host}`)
  .description("put the host onto a disk, or into an image, that boots by itself; what the disk holds is lost")
  .option("--device <device...>", "the disk; where the host has several, NAME=DEVICE for each")
  .option("--image <file>", "an image file in place of a disk")
  .option("--size <size>", "the size of the image", "8G")
  .option("--yes-wipe <device...>", "the very device, or image, that may lose what it holds, without being asked")
  .action(async (name, options) => (await import("./install.ts")).install(fleetFile(), name, options));

program
  .command(`image ${host}`)
  .description("make an image of the host to hand out, which boots by itself")
  .option("--format <format>", "raw (takes only the room that is used) or qcow2", "raw")
  .option("--size <size>", "the size of its disk", "8G")
  .option("--output <file>", "where to; without it HOST.FORMAT here")
  .option(
    "--installer",
    "one for a USB stick: it says how to put the host onto another disk, and logs root in to do it",
  )
  .action(async (name, options) => (await import("./image.ts")).image(fleetFile(), name, options));

const targetHost = ["--target-host <destination>", "the host, as ssh takes it; without it, this machine"] as const;

program
  .command("generations")
  .description("what is installed on a host, the newest first, and what works")
  .option(...targetHost)
  .option(...json)
  .action(async (options) => (await import("./generations.ts")).generations(options));

program
  .command("rollback [number]")
  .description("boot the generation before this one from now on, or the one of that number; `newest` takes it back")
  .option(...targetHost)
  .action(async (number, options) => (await import("./generations.ts")).rollback(number, options));

program
  .command("gc")
  .description("delete from a host's store what no generation needs")
  .option(...targetHost)
  .option("--keep <count>", "let generations beyond the newest of that number go first")
  .option("--dry-run", "say what would be deleted, and delete nothing")
  .action(async (options) => (await import("./generations.ts")).gc(options));

program
  .command("wipe")
  .description("run the initrd's own wipe on a btrfs filesystem that is not mounted")
  .requiredOption("--device <device>", "the filesystem")
  .option("--host <name>", "take the retention from this host of the fleet")
  .option("--closure <store path>", "the closure on it whose root the fresh one is made from; without it, it is empty")
  .option(...json)
  .action(async (options) => (await import("./wipe.ts")).wipe(fleetFile(), options));

program
  .command(`vm ${host}`)
  .description("boot the host in QEMU, with a console, and a disk that stays")
  .option("--ssh-port <port>", "the port on this machine that leads to the host's port 22; without it a free one")
  .option("--memory <MiB>", "the guest's memory", "1024")
  .option("--fresh", "begin with a new disk")
  .action(async (name, options) => (await import("./vm.ts")).vm(fleetFile(), name, options));

function fleetFile(): string {
  return program.opts<{ fleet: string }>().fleet;
}

unwindOnInterrupt();
try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    printError(error);
    process.exitCode = 1;
  }
}
