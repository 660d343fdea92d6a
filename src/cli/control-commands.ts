/** The commands of a control plane and of those who use it. */
import type { Command, OptionValues } from "@commander-js/extra-typings";
import { how } from "./rollout-options.ts";

const json = ["--json", "print one JSON document"] as const;

export function addControlCommands(program: Command<[], OptionValues, OptionValues>): void {
  addControlPlaneCommand(program);
  addOperatorCommands(program);
}

/** Also that of a host. */
export function addControlPlaneCommand(program: Command<[], OptionValues, OptionValues>): void {
  program
    .command("control-plane [action] [file]")
    .description("run the fleet's control plane (serve), or back it up to a file, or restore it from one")
    .option("--state <folder>", "where its database and its authority are", "nixfleet-cp")
    .option("--listen <address>", "HOST:PORT", "127.0.0.1:8443")
    .option(
      "--name <names...>",
      "the names and addresses it is reached by; without it this machine's name and localhost",
    )
    .option("--database <url>", "postgres://…, for several instances; with a password, put it into NIXFLEET_DATABASE")
    .option("--ask-every <seconds>", "how often an agent asks what to run", "60")
    .option("--keep-events <days>", "how long what machines said is kept", "30")
    .option("--keep-audit <days>", "how long the audit log is kept", "365")
    .option("--keep-rollouts <days>", "how long rollouts that are over are kept, and releases of no rollout", "90")
    .option("--first-key-file <file>", "write the first API key into this file, and print it nowhere")
    .action(async (action = "serve", file, options) =>
      (await import("./control-plane.ts")).controlPlaneCommand(action, file, options),
    );
}

function addOperatorCommands(program: Command<[], OptionValues, OptionValues>): void {
  program
    .command("login <url>")
    .description("use this control plane from now on; the API key is read from stdin")
    .option("--authority <file>", "the control plane's authority.crt")
    .option("--key-file <file>", "read the API key from this file")
    .action(async (url, options) => (await import("./login.ts")).login(url, options));

  program
    .command("machines [action] [machine] [values...]")
    .description("the control plane's machines: list, show, events, add, tag, lifecycle, enrol, revoke, clear, forget")
    .option("--tag <tags...>", "those with this tag; with add, its tags")
    .option(...json)
    .action(async (action = "list", machine, values, options) =>
      (await import("./machines.ts")).machines(action, machine, values, options),
    );

  program
    .command("rollout [action] [id] [machines...]")
    .description("bring a release to machines (start RELEASE), or list, show, pause, resume, cancel, revert a rollout")
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
    .option("--watch", "wait for its end; exit 1 unless it is done")
    .option(...json)
    .action(async (action = "list", id, machines, options) =>
      (await import("./rollout.ts")).rolloutCommand(action, id, machines, options),
    );

  program
    .command("keys [action] [key]")
    .description("the API keys: list, create NAME, revoke ID")
    .option("--role <role>", "readonly, deploy or admin", "readonly")
    .option("--days <days>", "how long it is good", "365")
    .option(...json)
    .action(async (action = "list", key, options) => (await import("./keys.ts")).keys(action, key, options));

  program
    .command("audit")
    .description("who changed what, the newest first")
    .option("--who <who>", "only of these, such as `key alice`")
    .option("--action <action>", "only these, such as rollout.create")
    .option("--subject <subject>", "only of this machine, release, rollout or key")
    .option(...json)
    .action(async (options) => (await import("./keys.ts")).audit(options));
}
