/** The command line: parses, calls, prints. Each command is a file of its own, loaded when it is called for. */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { UserError } from "../errors.ts";
import { PACKAGE } from "../local/package.ts";
import { addControlCommands } from "./control-commands.ts";
import { environmentHelp, helpLayout, preparedHelp } from "./help.ts";
import { printError } from "./output.ts";
import { addReleaseCommands } from "./release-commands.ts";
import { runProgram } from "./run-program.ts";

const program = new Command("nixfleet")
  .description(PACKAGE.description)
  .version(PACKAGE.version)
  .option("--fleet <file>", "the fleet's declaration", "fleet.ts")
  .exitOverride()
  .configureHelp(helpLayout)
  .addHelpText("afterAll", ({ command }) => environmentHelp(preparedHelp(command)));

const host = "<host>";
/** Names, or patterns with `*` and `?`. */
const hosts = "[hosts...]";
const firstFile = [
  "--file <local=path>",
  "a file of this machine to put on a persist root for the first boot; repeat it for several",
  several,
] as const;
const all = ["--all", "every host of the fleet"] as const;
const json = ["--json", "print one JSON document"] as const;

program
  .command("init [folder]")
  .description("start a new fleet from a template")
  .action(async (folder = ".") => (await import("./init.ts")).init(folder));

program
  .command(`check ${hosts}`)
  .description("evaluate hosts: types, assertions, warnings")
  .option("--built", "also look into built closures for state that is neither persisted nor marked ephemeral")
  .option(...all)
  .option(...json)
  .action(async (names, options) => (await import("./check.ts")).check(fleetFile(), names, options));

program
  .command(`show ${host} [option]`)
  .description("the evaluated configuration")
  .option("--why", "which definitions made the value, with file and line")
  .option(...json)
  .action(async (name, option, options) => (await import("./show.ts")).show(fleetFile(), name, option, options));

program
  .command("options [words...]")
  .description("the option reference, or the entries that contain all of these words")
  .option(...json)
  .action(async (words, options) => (await import("./options.ts")).options(words, options));

program
  .command(`plan ${host}`)
  .description("what persists, where, its owner and where it is declared; the wipe; the disk")
  .option(...json)
  .action(async (name, options) => (await import("./plan.ts")).plan(fleetFile(), name, options));

program
  .command(`build ${hosts}`)
  .description("build closures; print their store paths")
  .option(...all)
  .option(...json)
  .action(async (names, options, command) =>
    (await import("./build.ts")).build(fleetFile(), named(names, options, command), options),
  );

program
  .command("update")
  .description("lock the newest packages of the archive")
  .option("--allow-older", "accept packages that are older than the locked ones")
  .option(...json)
  .action(async (options) => (await import("./update.ts")).update(fleetFile(), options));

program
  .command(`disk ${host}`)
  .description("partition, format and mount a disk as the host declares")
  .option("--device <device>", "the disk, else the declared one; of several, NAME=DEVICE, once for each", several)
  .option("--image <file>", "an image file instead of a disk")
  .option("--size <size>", "the size of a new image", "8G")
  .option("--disk <name>", "only this one of the host's disks")
  .option("--mode <modes>", "any of unmount, format, mount, separated by commas", "format")
  .option("--under <folder>", "where to mount it", "/mnt")
  .option("--wipe <device>", "device or image that may be erased; repeat it for several", several)
  .option("--dry-run", "print the commands as a shell script and do nothing")
  .action(async (name, options) => (await import("./disk.ts")).disk(fleetFile(), name, options));

program
  .command("publish <hosts...>")
  .description("put closures into a folder that any web server can serve, for hosts to pull")
  .requiredOption("--to <folder>", "the folder: a content repository, made where there is none")
  .option(...json)
  .action(async (names, options) => (await import("./publish.ts")).publishHosts(fleetFile(), names, options));

program
  .command(`switch ${hosts}`)
  .description("apply the declaration to running hosts without a reboot; list what needs one")
  .option(
    "--target-host <destination>",
    "the host, as an ssh destination, with %h for the name of each (default: this machine)",
  )
  .option(
    "--confirm <seconds>",
    "let the host go back by itself when no new connection reaches it for so long; 60 where the network is changed, else 0",
  )
  .option(...all)
  .option("--dry-run", "print what would change and change nothing")
  .option(...json)
  .action(async (names, options, command) =>
    (await import("./switch.ts")).switchHosts(fleetFile(), named(names, options, command), options),
  );

program
  .command(`install ${host}`)
  .description("install the host on a disk or image, which then boots by itself; this erases the disk")
  .option("--device <device...>", "the disk; for a host with several disks, NAME=DEVICE for each")
  .option("--image <file>", "an image file instead of a disk")
  .option(
    "--target-host <destination>",
    "a machine that runs something else, as an ssh destination: the host is installed there, in its place",
  )
  .option("--size <size>", "the size of the image, else 8G; of several disks, NAME=SIZE for one", several)
  .option(...firstFile)
  .option("--yes-wipe <device...>", "device or image that may be erased without asking")
  .action(async (name, options) => (await import("./install.ts")).install(fleetFile(), name, options));

program
  .command(`image ${host}`)
  .description("make a bootable image of the host to hand out")
  .option("--format <format>", "raw (takes only the room that is used) or qcow2", "raw")
  .option("--size <size>", "the size of its disk, else 8G; of several, NAME=SIZE for one", several)
  .option(...firstFile)
  .option("--output <file>", "where to, else HOST.FORMAT here; several disks are HOST-NAME.FORMAT")
  .option(
    "--installer",
    "one for a USB stick: it says how to put the host onto another disk, and logs root in to do it",
  )
  .action(async (name, options) => (await import("./image.ts")).image(fleetFile(), name, options));

const targetHost = ["--target-host <destination>", "the host, as an ssh destination (default: this machine)"] as const;

program
  .command("generations")
  .description("list the generations on a host, newest first, with their state")
  .option(...targetHost)
  .option(...json)
  .action(async (options) => (await import("./generations.ts")).generations(options));

program
  .command("rollback [number]")
  .description("boot the previous generation from now on, or the one with that number; `newest` undoes this")
  .option(
    "--with-state",
    "take back what persists, too, to the snapshot of that generation; first only list what is lost",
  )
  .option("--yes", "with --with-state: do it")
  .option(...targetHost)
  .action(async (number, options) => (await import("./generations.ts")).rollback(number, options));

program
  .command("gc")
  .description("delete from a host's store what no generation needs; or from this machine's cache, or a repository")
  .option(...targetHost)
  .option(
    "--keep <count>",
    "let generations beyond the newest of that number go first; in a cache, closures of each host",
  )
  .option("--cache", "in place of a host's store, the cache of builds on this machine: 3 closures of each host stay")
  .option("--repository <folder>", "in place of a host's store, what `publish` has put there")
  .option("--keep-per-host <count>", "how many closures of each host stay in the repository")
  .option("--dry-run", "print what would be deleted and delete nothing")
  .action(async (options) => (await import("./gc.ts")).gc(options));

program
  .command("drift [path]")
  .description("what a running root holds that the next boot takes away, and what to declare to keep it")
  .option("--diff <path>", "the difference of one changed text file")
  .option("--fail", "exit with 1 where there is something that is not declared ephemeral")
  .option(...targetHost)
  .option(...json)
  .action(async (path, options) =>
    (await import("./audit.ts")).audit("drift", path === undefined ? [] : [path], options),
  );

program
  .command("roots [words...]")
  .description(
    "the old roots of a host; show TIME [PATH], diff TIME [TIME | now], keep TIME, release TIME, drop TIME, mount TIME [FOLDER]",
  )
  .option("--size", "what each holds for itself: walks them")
  .option(...targetHost)
  .option(...json)
  .action(async (words, options) => (await import("./audit.ts")).audit("roots", words, options));

program
  .command("restore <path>")
  .description("bring back what an old root of a host has at a path")
  .option("--from <time>", "of this old root, in the place of the newest that has it")
  .option("--to <path>", "to another path")
  .option("--persist", "to the persist root, where it is seen once the path is declared")
  .option("--until-boot", "also where the next boot takes it away")
  .option(...targetHost)
  .option(...json)
  .action(async (path, options) => (await import("./audit.ts")).audit("restore", [path], options));

program
  .command("state [words...]")
  .description(
    "snapshots of what persists on a host, by generation; diff GENERATION [GENERATION | now], restore PATH...",
  )
  .option("--from <generation>", "whose state is restored")
  .option(...targetHost)
  .option(...json)
  .action(async (words, options) => (await import("./audit.ts")).audit("state", words, options));

program
  .command("stray [words...]")
  .description("data on a host's persist roots that nothing declares; remove PATH..., undo [NAME], trash")
  .option(...targetHost)
  .option(...json)
  .action(async (words, options) => (await import("./audit.ts")).audit("stray", words, options));

program
  .command("why <path>")
  .description("what becomes of a path at the next boot, and who says so")
  .option("--host <name>", "as the fleet declares this host, which need not run")
  .option(...targetHost)
  .option(...json)
  .action(async (path, options) => (await import("./why.ts")).why(fleetFile(), path, options));

program
  .command("root-digest")
  .description("a digest of a host's root as its boot made it, before any program ran")
  .option("--list", "what of each path is in it")
  .option(...targetHost)
  .option(...json)
  .action(async (options) => (await import("./audit.ts")).audit("root-digest", [], options));

program
  .command("verify")
  .description("read every closure in this machine's cache, or on a host, and list the damaged ones")
  .option("--target-host <destination>", "the host, as an ssh destination (default: the cache of this machine)")
  .option(...json)
  .action(async (options) => (await import("./verify.ts")).verify(options));

program
  .command("wipe")
  .description("run the initrd's wipe on an unmounted btrfs filesystem")
  .requiredOption("--device <device>", "the filesystem")
  .option("--host <name>", "take the retention from this host of the fleet")
  .option("--closure <store path>", "the closure whose root the fresh root copies (default: an empty root)")
  .option(...json)
  .action(async (options) => (await import("./wipe.ts")).wipe(fleetFile(), options));

program
  .command(`vm ${host}`)
  .description("boot the host in QEMU, with a console and a persistent disk")
  .option("--ssh-port <port>", "the port on this machine to forward to the host's port 22 (default: a free one)")
  .option("--memory <MiB>", "the guest's memory", "1024")
  .option("--fresh", "start with a new disk")
  .action(async (name, options) => (await import("./vm.ts")).vm(fleetFile(), name, options));

program
  .command("emit <format> [hosts...]")
  .description("write hosts as a NixOS flake, and say what is not the same there; the format is nixos")
  .requiredOption("--to <folder>", "where the flake goes")
  .option("--persistence <module>", "who places what persists: preservation or impermanence", "preservation")
  .option(...json)
  .action(async (format, hosts, options) => (await import("./emit.ts")).emit(fleetFile(), format, hosts, options));

program
  .command("import <format> <files...>")
  .description("print a first fleet.ts from what hosts say of themselves, and say what it lacks; the format is nixos")
  .option(...json)
  .action(async (format, files, options) => (await import("./import.ts")).importHosts(format, files, options));

addControlCommands(program);
addReleaseCommands(program);

program
  .command("completion <shell>")
  .description("print a completion script for bash, zsh or fish")
  .action(async (shell) => (await import("./completion.ts")).completion(program, shell));

program
  .command("man")
  .description("print the manual page: nixfleet man | man -l -")
  .action(async () => (await import("./man.ts")).man(program));

program
  .command("hosts", { hidden: true })
  .description("list the names of the fleet's hosts, for completion")
  .action(async () => (await import("./hosts.ts")).hosts(fleetFile()));

/** What is done to hosts is not done to all of them because none was named. */
function named(
  names: readonly string[],
  options: { readonly all?: boolean },
  command: CommandUnknownOpts,
): readonly string[] {
  if ((names.length === 0) === (options.all === true)) return names;
  return command.error(
    options.all
      ? "error: --all is every host: name none beside it"
      : "error: say which hosts: names, a pattern such as 'web*', or --all",
  );
}

function fleetFile(): string {
  return program.opts().fleet;
}

// Nothing is left that could go on, and the command has not ended: only a fleet's own `await` waits like that.
process.once("beforeExit", () => {
  printError(new UserError(`${fleetFile()} never finishes loading`, ["look for an `await` that never resolves"]));
  process.exit(1);
});
await runProgram(program);

/** For an option that can be repeated. */
function several(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
