/**
 * A machine that runs plain Debian becomes a host, over ssh: the packages of a host without anything of NixFleet's on them are such
 * a Debian. Its ssh keys are known before, and are checked strictly until the end.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, chmod, copyFile, mkdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { diskoTemplates } from "../../src/index.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import type { Machine } from "../../src/vm/machine.ts";
import { makeTree } from "../../src/vm/qemu-tree.ts";
import { freePort } from "../../src/vm/ssh.ts";
import { builtHost, FLEET_FOLDER, machineFrom, planOfTested } from "./installed.ts";
import { metalHost } from "./metal-host.ts";

const BOOT_TIME = 300_000;

describe("a machine that runs plain Debian", () => {
  const stack = new AsyncDisposableStack();
  let folder: string;
  let port: number;
  let debian: Machine;
  let host: Awaited<ReturnType<typeof machineFrom>>;

  before(async () => {
    folder = stack.use(await temporaryFolder()).path;
    const key = async (name: string) => {
      await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(folder, name)]);
      return (await readFile(join(folder, `${name}.pub`), "utf8")).trim();
    };
    const [operator, own] = [await key("operator"), await key("own")];
    const modules = [
      diskoTemplates.btrfsImpermanenceBios({ disk: "/dev/sda" }),
      {
        nixfleet: { impermanence: { enable: true } },
        users: { users: { root: { openssh: { authorizedKeys: { keys: [operator] } } } } },
      },
    ];
    const plan = planOfTested(metalHost("metal", ...modules));
    const closure = await builtHost(plan);
    // The same, as a person declares it.
    await copyFile(join(FLEET_FOLDER, "nixfleet.lock"), join(folder, "nixfleet.lock"));
    await writeFile(
      join(folder, "fleet.ts"),
      [
        'import { diskoTemplates, mkFleet } from "nixfleet";',
        `import { metalHost } from ${JSON.stringify(join(import.meta.dirname, "metal-host.ts"))};`,
        'const disk = diskoTemplates.btrfsImpermanenceBios({ disk: "/dev/sda" });',
        `const own = ${JSON.stringify(modules[1])};`,
        'export default mkFleet([metalHost("metal", disk, own)]);',
      ].join("\n"),
    );
    await writeFile(join(folder, "hash"), "not a real one\n", { mode: 0o600 });
    port = await freePort();
    await writeFile(join(folder, "known_hosts"), `[127.0.0.1]:${port} ${own}\n`);
    const image = join(folder, "debian.img");
    await makeDebian(closure.packages.folder, image, operator);
    host = { ...(await machineFrom(image, plan, closure, { kind: "bios" })), sshPort: port };
    debian = stack.use(
      await bootMachine(
        {
          ...{ platform: host.platform, accelerator: host.accelerator, disks: [image], sshPort: port, memory: 2048 },
          kernel: join(closure.folder, "vmlinuz"),
          initrds: [join(closure.folder, "initrd")],
          kernelParameters: ["root=/dev/vda", "rw", "console=ttyS0"],
          ...(process.env.CONSOLE
            ? { onLine: (line: string) => void appendFile(process.env.CONSOLE ?? "", `${line}\n`) }
            : {}),
        },
        (started) => started.waitForSsh(BOOT_TIME),
      ),
    );
  });
  after(() => stack.disposeAsync());

  /** The packages as dpkg has left them, with ip(8), keys, and an address by DHCP. */
  async function makeDebian(packages: string, image: string, operator: string): Promise<void> {
    const tree = join(folder, "debian");
    await run("cp", ["-a", packages, tree]);
    for (const name of ["contents.list", "manifest.json", "packages.list", "vmlinuz", "initrd"])
      await rm(join(tree, name), { force: true });
    const { loader } = await makeTree(["iproute2"]);
    const more = loader.replace(/\/usr\/lib\/.*/, "/usr");
    await run("cp", ["-a", "--update=none", `${more}/lib`, join(tree, "usr")]).catch(() =>
      run("cp", ["-an", `${more}/lib`, join(tree, "usr")]),
    );
    await copyFile(join(more, "bin/ip"), join(tree, "usr/bin/ip"));
    await chmod(join(tree, "usr/bin/ip"), 0o755);
    for (const made of ["proc", "sys", "dev", "run", "tmp", "root/.ssh", "etc/systemd/network"])
      await mkdir(join(tree, made), { recursive: true, mode: 0o700 });
    for (const shown of ["proc", "sys", "dev", "run", "etc/systemd/network"]) await chmod(join(tree, shown), 0o755);
    await writeFile(join(tree, "etc/systemd/network/dhcp.network"), "[Match]\nType=ether\n[Network]\nDHCP=yes\n");
    await writeFile(join(tree, "root/.ssh/authorized_keys"), `${operator}\n`, { mode: 0o600 });
    await copyFile(join(folder, "own"), join(tree, "etc/ssh/ssh_host_ed25519_key"));
    await copyFile(join(folder, "own.pub"), join(tree, "etc/ssh/ssh_host_ed25519_key.pub"));
    await writeFile(join(tree, "etc/machine-id"), "");
    await writeFile(join(tree, "etc/fstab"), "");
    const wants = join(tree, "etc/systemd/system/multi-user.target.wants");
    await mkdir(wants, { recursive: true });
    for (const unit of ["systemd-networkd.service", "ssh.service"])
      await symlink(`/usr/lib/systemd/system/${unit}`, join(wants, unit)).catch(() => {});
    await writeFile(image, "");
    await truncate(image, 8 * 1024 ** 3);
    await run("mkfs.ext4", ["-q", "-L", "debian", "-d", tree, image]);
    await run("rm", ["-rf", tree]);
  }

  /** The command as it is typed, and as it ends where it says something; its exit code, and what it said. */
  async function install(args: readonly string[], endsAt?: RegExp) {
    const options = [
      ...["-F", "none", "-p", `${port}`, "-i", join(folder, "operator")],
      ...["-o", `UserKnownHostsFile=${join(folder, "known_hosts")}`, "-o", "StrictHostKeyChecking=yes"],
      ...["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"],
    ];
    const command = [
      "--fleet",
      join(folder, "fleet.ts"),
      "install",
      "metal",
      "--target-host",
      "root@127.0.0.1",
      ...args,
    ];
    const child = spawn(join(PACKAGE_ROOT, "bin/nixfleet"), command, {
      env: { ...process.env, NIXFLEET_SSHOPTS: options.join(" ") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    const add = (text: string) => {
      said += text;
      if (endsAt?.test(said)) child.kill();
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", add);
    const [code] = await once(child, "close");
    if (process.env.CONSOLE) await appendFile(process.env.CONSOLE, said);
    return { code, said };
  }

  test("nothing is changed without the name of a disk that it has, and that the host fits on", async () => {
    const boot = await debian.ssh("cat /proc/sys/kernel/random/boot_id");
    for (const [args, reason] of [
      [
        [],
        /has:\n +\/dev\/vda \(8G\)\n +\/dev\/vda \(8G\): ext4, labelled debian, mounted on \/\n[\s\S]*no disk was chosen, so nothing was written/,
      ],
      [["--device", "/dev/vda"], /\/dev\/vda was not confirmed, so nothing was written/],
      [["--device", "/dev/sda", "--yes-wipe", "/dev/sda"], /the machine has no disk \/dev\/sda/],
    ] as const) {
      const { code, said } = await install(args);
      assert.match(said, reason);
      assert.equal(code, 1);
    }
    assert.equal(await debian.ssh("cat /proc/sys/kernel/random/boot_id"), boot);
    assert.equal(await debian.ssh("ls /run | grep takeover || true"), "");
  });

  const answers = () => [
    ...["--device", "/dev/vda", "--yes-wipe", "/dev/vda"],
    ...["--file", `${join(folder, "hash")}=/persist/passwords/alice`],
  ];

  test("where the connection is cut while the disk is erased, the installer stays in memory", async () => {
    const { code, said } = await install(answers(), /making the partitions/);
    assert.match(said, /runs Debian GNU\/Linux 13/);
    assert.equal(code, 143, said);
    assert.match(debian.console.join("\n"), /rdinit=\/nixfleet\/init/);
  });

  test("done again, the machine is the host, on the disk that was named, with its ssh key and a file for the first boot", async () => {
    const installing = install(answers());
    // QEMU has the kernel of Debian, and ends when the machine starts again: from here on the disk says what it boots.
    const first = await Promise.race([debian.ended, installing]);
    assert.equal(first, undefined, JSON.stringify(first));
    assert.equal(debian.console.filter((line) => /Command line: .*rdinit=/.test(line)).length, 1);
    const guest = stack.use(await bootMachine(host, (started) => started.waitForSsh(BOOT_TIME)));
    const { code, said } = await installing;
    assert.match(said, /runs the installer and has:[\s\S]*root@127\.0\.0\.1 is metal now/);
    assert.equal(code, 0);
    assert.equal(await guest.ssh("findmnt -n -o SOURCE -M /"), "/dev/vda2[/@root]\n");
    assert.equal(
      await guest.ssh("stat -c '%a %U' /persist/passwords/alice /persist/passwords; ls /persist/passwords"),
      "600 root\n700 root\nalice\n",
    );
    assert.equal(await guest.ssh("stat -c %a / /persist /persist/etc/ssh/host-keys"), "755\n755\n700\n");
    assert.equal((await guest.ssh("systemctl --failed --no-legend --plain")).trim(), "");
  });
});
