/** The commands of those who sign releases. */
import type { Command, OptionValues } from "@commander-js/extra-typings";
import { how } from "./rollout-options.ts";

const json = ["--json", "print one JSON document"] as const;

/** Who signs releases, and where they go. */
const signing = {
  keys: ["--keys <folder>", "where the release keys are (release-keys); said again, where other keys are", several],
  repository: ["--repository <folder>", "the content repository, else the one that `release init` was told"],
  passphrase: ["--passphrase-file <file>", "what the key files are encrypted with"],
  of: ["--of <release>", "sign anew what this older release says, and build nothing: its number, id or `newest`"],
  note: ["--note <text>", "what this release is about"],
} as const;

export function addReleaseCommands(program: Command<[], { fleet: string }, OptionValues>): void {
  program
    .command("release [action] [values...]")
    .description(
      "signed releases: init, create [HOST…], list, show R, diff R R, verify, refresh, and keys [rotate|add|revoke|threshold]",
    )
    .option("--to <folder>", "with init, where the keys go")
    .option(...signing.keys)
    .option(...signing.repository)
    .option(...signing.passphrase)
    .option(...signing.note)
    .option(...signing.of)
    .option("--count <role=number>", "with init, how many keys root, targets, snapshot or timestamp has (1)", several)
    .option("--threshold <role=number>", "with init, how many of its keys have to sign (1)", several)
    .option("--days <role=days>", "with init, how long a signature is good (730, 365, 90, 14)", several)
    .option("--keep <number>", "with init, how many releases stay listed (20)")
    .option(...json)
    .action(async (action = "list", values, options) =>
      (await import("./release.ts")).releaseCommand(program.opts().fleet, action, values, options),
    );

  program
    .command("deploy [hosts...]")
    .description(
      "build, publish and sign a release, bring it to machines, and wait for the end; exit 1 unless it is done",
    )
    .option(...signing.keys)
    .option(...signing.repository)
    .option(...signing.passphrase)
    .option(...signing.note)
    .option(...signing.of)
    .option(...how.tag)
    .option(...how.canary)
    .option(...how.waves)
    .option(...how.atOnce)
    .option(...how.tolerate)
    .option(...how.soak)
    .option(...how.patience)
    .option(...how.onFailure)
    .option(...how.apply)
    .option(...how.acceptStray)
    .option(...json)
    .action(async (hosts, options) => (await import("./deploy.ts")).deploy(program.opts().fleet, hosts, options));
}

/** For an option that can be repeated. */
function several(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}
