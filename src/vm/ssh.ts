/** Access to a guest by ssh, with a key that is made for one machine and gone with it. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { CommandError, type RunOptions, run } from "../local/process.ts";

export type RunOnGuest = (command: string, options?: Pick<RunOptions, "input" | "onLine">) => Promise<string>;

export interface SshAccess {
  /** What the guest's systemd must be given for the key to be let in. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly keyFile: string;
  readonly run: RunOnGuest;
  /** Whether a command can be run now. */
  readonly answers: (signal: AbortSignal) => Promise<boolean>;
}

/** @param folder holds the key and the shared connection: whoever removes it ends the access */
export async function sshAccess(folder: string, port: number): Promise<SshAccess> {
  const keyFile = join(folder, "key");
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "nixfleet", "-f", keyFile]);
  const args = (command: string) => [...sshOptions(folder, keyFile, port), "root@127.0.0.1", command];
  return {
    credentials: keyCredentials((await readFile(`${keyFile}.pub`, "utf8")).trim()),
    keyFile,
    run: (command, options = {}) => run("ssh", args(command), options),
    answers: (signal) =>
      run("ssh", args("true"), { signal }).then(
        () => true,
        (error: unknown) => {
          if (error instanceof CommandError || signal.aborted) return false;
          throw error;
        },
      ),
  };
}

/**
 * Lets a key in as any user, for one boot, without a trace on the guest's disk and beside the keys that it has declared:
 * the credential `ssh.authorized_keys.root` would be written into root's home, and there stay.
 * A drop-in by credential needs systemd 256 (systemd-debug-generator(8)).
 */
function keyCredentials(publicKey: string): Readonly<Record<string, string>> {
  const sshd = [
    "/usr/sbin/sshd -D $SSHD_OPTS",
    `-o "AuthorizedKeysCommand /usr/bin/cat /run/credentials/@system/${KEY_CREDENTIAL}"`,
    "-o AuthorizedKeysCommandUser=root -o PermitRootLogin=prohibit-password",
  ];
  return {
    [KEY_CREDENTIAL]: `${publicKey}\n`,
    "systemd.unit-dropin.ssh.service": `[Service]\nExecStart=\nExecStart=${sshd.join(" ")}\n`,
  };
}

const KEY_CREDENTIAL = "nixfleet.vm-key";

/** A port of 127.0.0.1 on which nothing listens: that one, or any. @throws what listen(2) says */
export async function freePort(wanted = 0): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.on("error", reject);
  server.listen(wanted, "127.0.0.1", () => {
    const address = server.address();
    server.close(() => (typeof address === "object" && address !== null ? resolve(address.port) : reject(address)));
  });
  return promise;
}

function sshOptions(folder: string, keyFile: string, port: number): string[] {
  const settings = {
    // The host key is the guest's own, new with each of its disks, and the connection does not leave this machine.
    StrictHostKeyChecking: "no",
    UserKnownHostsFile: "/dev/null",
    LogLevel: "ERROR",
    BatchMode: "yes",
    IdentitiesOnly: "yes",
    // QEMU accepts the connection at once; an emulated guest takes seconds until its sshd says hello.
    ConnectTimeout: "20",
    // A guest that hangs ends the command after two minutes.
    ServerAliveInterval: "30",
    ServerAliveCountMax: "4",
    // One key exchange for all commands: emulated, each would take a second.
    ControlMaster: "auto",
    ControlPath: join(folder, "ssh"),
    ControlPersist: "yes",
  };
  return [
    ...["-F", "none", "-p", String(port), "-i", keyFile],
    ...Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
  ];
}
