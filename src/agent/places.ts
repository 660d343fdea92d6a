/** Where things are on a host. Tests have theirs below a folder. */
import { join } from "node:path";

export interface Places {
  /** On the persist root: the state, the identity, what is trusted. */
  readonly memory: string;
  readonly settings: string;
  /** The scripts of the closure whose files are on the root. */
  readonly scripts: string;
  /** What was found out since the boot. */
  readonly runtime: string;
  readonly nix: string;
  readonly proc: string;
  /** Runs a script with all of root's rights, which the agent itself does not have. */
  readonly asRoot: readonly string[];
}

export const HOST: Places = {
  memory: "/var/lib/nixfleet",
  settings: "/etc/nixfleet-agent/settings.json",
  scripts: "/etc/nixfleet",
  runtime: "/run/nixfleet",
  nix: "/nix",
  proc: "/proc",
  asRoot: ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--service-type=exec", "--"],
};

/** There until a generation that was booted has proved itself: src/payload/host/prove.sh. */
export function provingFile({ memory }: Places): string {
  return join(memory, "proving");
}

export function provedFile({ runtime }: Places): string {
  return join(runtime, "proved");
}

/** Where a store path of the host is on this machine. */
export function stored({ nix }: Places, closure: string): string {
  return join(nix, closure.slice("/nix".length));
}
