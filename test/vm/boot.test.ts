/** The way of a real host: built, booted, written to, its power cut, booted again. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before as beforeAll, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { machineOf } from "../../src/deploy/vm.ts";
import { attachedImage } from "../../src/disk/image.ts";
import { mountDisks } from "../../src/disk/run.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { CommandError, quoted, run } from "../../src/local/process.ts";
import { mountFolder, temporaryFolder } from "../../src/local/resources.ts";
import { isWithin } from "../../src/paths.ts";
import { wipeReport } from "../../src/payload/reports.ts";
import type { PersistenceEntry } from "../../src/plan/persistence-plan.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import type { Machine } from "../../src/vm/machine.ts";
import { activationReport } from "../reports.ts";
import { comesUp, reachedBySsh } from "./booting.ts";
import { PASSWORD_HASH, testedThatHalts, testedWithSwap } from "./fleet.ts";
import { builtHost, type Installed, installed, planOfTested } from "./installed.ts";

const BOOT_TIME = 300_000;
const plan = planOfTested(testedWithSwap);
const { entries } = plan.persistence;

describe("a host with an ephemeral root", () => {
  const stack = new AsyncDisposableStack();
  let image: string;
  /** That disk after the first boot, for another machine. */
  let copy: string;
  let disk: Installed;
  /** By itself, from its disk; or, to change what the kernel is told, from a kernel given to QEMU. */
  let start: (
    change?: (parameter: string) => string,
    until?: (machine: Machine) => Promise<unknown>,
  ) => Promise<Machine>;
  let guest: Machine;
  const firstBoot = { machineId: "", hostKey: "", bootId: "" };

  beforeAll(async () => {
    const scratch = stack.use(await temporaryFolder());
    disk = await installed(testedWithSwap, scratch.path);
    image = disk.image;
    copy = join(scratch.path, "copy.img");
    start = async (change, until = comesUp(BOOT_TIME)) => {
      const direct = await machineOf(plan, disk.closure, image);
      const options =
        change === undefined
          ? await disk.machine()
          : { ...direct, kernelParameters: direct.kernelParameters.map(change) };
      return stack.use(await bootMachine(options, until));
    };
    guest = await start();
  });
  after(() => stack.disposeAsync());

  const lines = async (command: string) => (await guest.ssh(command)).replace(/\n$/, "").split("\n");
  const line = async (command: string) => (await guest.ssh(command)).trim();

  const nixfleet = (...args: string[]) =>
    run("bin/nixfleet", [...args, "--target-host", "root@127.0.0.1"], { cwd: PACKAGE_ROOT, env: reachedBySsh(guest) });

  describe("on its first boot", checks);

  test("its closure holds what docs/architecture.md says", () => {
    const page = readFileSync(join(PACKAGE_ROOT, "docs", "architecture.md"), "utf8");
    const [, section = ""] = page.split(/^## What a closure holds$/m);
    const documented = [...section.matchAll(/^\| `([\w.-]+)` \|/gm)].map(([, name]) => name);
    assert.deepEqual(readdirSync(disk.closure.folder).sort(), documented);
  });

  test("its power is cut after declared and undeclared files were written and synced", async () => {
    Object.assign(firstBoot, {
      machineId: await line("cat /etc/machine-id"),
      hostKey: await line("cat /etc/ssh/host-keys/ssh_host_ed25519_key.pub"),
      bootId: await line("cat /proc/sys/kernel/random/boot_id"),
    });
    await guest.ssh(
      [
        "set -eu",
        ...entries.filter(isMarkable).map((entry) => `printf 'kept\\n' > ${quoted(marker(entry))}`),
        // As ssh saves its known hosts, and many an editor any file.
        ...REPLACED.map(
          (path) => `printf 'replaced\\n' > ${quoted(`${path}.tmp`)} && mv -T ${quoted(`${path}.tmp`)} ${quoted(path)}`,
        ),
        ...UNDECLARED.map((path) => `mkdir -p ${quoted(join(path, ".."))} && echo lost > ${quoted(path)}`),
        // As a hostile user may leave it: links out of .keys, and a file of root's in it.
        "echo secret > /home/alice/.keys/of-root && chmod 600 /home/alice/.keys/of-root",
        "ln -s /etc/shadow /home/alice/.keys/shadow && ln -s /persist/passwords /home/alice/.keys/passwords",
        `mkdir -p /persist/passwords && printf '%s\\n' ${quoted(PASSWORD_HASH)} > /persist/passwords/alice`,
        "chown root:root /persist/home/alice",
        "sync",
      ].join("\n"),
    );
    await guest.powerOff();
    await run("cp", ["--reflink=auto", "--sparse=always", image, copy]);
    guest = await start();
    assert.notEqual(await line("cat /proc/sys/kernel/random/boot_id"), firstBoot.bootId);
  });

  describe("on its second boot", checks);

  test("another machine, with the same closure, the same data and another date, has the same root, file by file", async () => {
    const options = { ...(await machineOf(plan, disk.closure, copy)), clock: "2031-05-06T07:08:09" };
    await using other = await bootMachine(options, (machine) => machine.waitFor(/Switch Root/, BOOT_TIME));
    await other.powerOff();
    await using attached = await attachedImage(copy);
    await using folder = await mountFolder();
    const disks = plan.disk.disks.map((layout) => ({ layout, device: attached.device }));
    await using _ = await mountDisks(disks, folder.path);
    const there = join(folder.path, "etc/nixfleet/made");
    const scripts = join(PACKAGE_ROOT, "src/payload/audit");
    const theirs: RootDigest = JSON.parse(
      await run("perl", ["-I", scripts, join(scripts, "root-digest.pl"), "--list", "--json"], { env: { MADE: there } }),
    );
    // From here, as an administrator compares two hosts.
    const ours: RootDigest = JSON.parse(await nixfleet("root-digest", "--list", "--json"));
    assert.ok(ours.list.length > 1000);
    assert.deepEqual(theirs.list, ours.list);
    assert.deepEqual([theirs.digest, theirs.closure], [ours.digest, ours.closure]);
    assert.equal((await nixfleet("root-digest")).split("\n")[0], ours.digest);
    assert.notEqual(theirs.bootId, ours.bootId);
    assert.equal(statSync(join(there, "etc/nixfleet/boot")).mtime.getUTCFullYear(), 2031);
    // What is not in the digest: activation has made entries, and gone through the folders above them.
    const times = "-mindepth 1 -printf '%P %T@\\0'";
    const another = new Set((await run("sh", ["-c", `find ${there} ${times}`])).split("\0"));
    const differing = (await guest.ssh(`find /etc/nixfleet/made ${times}`))
      .split("\0")
      .filter((it) => !another.has(it));
    const unexplained = differing
      .map((it) => `/${it.replace(/ [\d.]+$/, "")}`)
      .filter((path) => !isWithin(path, "/etc/nixfleet") && !entries.some((entry) => isWithin(entry.path, path)));
    assert.deepEqual(unexplained, []);
    const page = readFileSync(join(PACKAGE_ROOT, "docs/where-did-my-file-go.md"), "utf8");
    for (const { path } of ours.own) assert.ok(page.includes(`| \`${path}\` |`), `${path} has no reason`);
  });

  test("what was written to declared paths is there", async () => {
    for (const entry of entries.filter(isMarkable)) {
      const expected = REPLACED.includes(entry.path) ? "replaced" : "kept";
      assert.equal(await line(`cat ${quoted(marker(entry))}`), expected, entry.path);
    }
  });

  test("what was written elsewhere is gone, and is in the old root", async () => {
    assert.equal(await line(`ls -d ${UNDECLARED.map(quoted).join(" ")} 2>/dev/null | wc -l`), "0");
    await guest.ssh("mount -o subvolid=5,ro /dev/disk/by-label/root /mnt");
    const retired = await lines("ls /mnt/old_roots");
    for (const path of UNDECLARED) {
      assert.equal(await line(`cat ${quoted(`/mnt/old_roots/${retired.at(-1)}${path}`)}`), "lost", path);
    }
    await guest.ssh("umount /mnt");
  });

  test("what the next boot would take away is seen from here: one document, and a failure for who asks for one", async () => {
    await guest.ssh("echo lost > /srv/undeclared");
    const failed = await nixfleet("drift", "/srv", "--fail", "--json").catch((error: unknown) => error);
    assert.ok(failed instanceof CommandError);
    const { drift } = JSON.parse(failed.stdout);
    assert.deepEqual(
      drift.map(({ path }: { path: string }) => path),
      ["/srv/undeclared"],
    );
    assert.equal(failed.exitCode, 1);
  });

  test("the machine-id and the SSH host key are those of the first boot", async () => {
    assert.match(firstBoot.machineId, /^[0-9a-f]{32}$/);
    assert.equal(await line("cat /etc/machine-id"), firstBoot.machineId);
    assert.equal(await line("cat /etc/ssh/host-keys/ssh_host_ed25519_key.pub"), firstBoot.hostKey);
  });

  test("the journal of the first boot is there", async () => {
    assert.match(
      await guest.ssh("journalctl --list-boots --no-pager"),
      new RegExp(firstBoot.bootId.replaceAll("-", "")),
    );
  });

  test("Debian's usual protections are on, a login is a session, and nothing is made again that the closure has", async () => {
    const names = ["hardlinks", "symlinks", "regular", "fifos"].map((name) => `/proc/sys/fs/protected_${name}`);
    assert.deepEqual(await lines(`cat ${names.join(" ")}`), ["1", "1", "2", "1"]);
    assert.equal(await line("cat /proc/sys/net/ipv4/conf/lo/accept_source_route"), "0");
    assert.match(await line("cat /proc/self/cgroup"), /user-0\.slice\/session-/);
    const units = ["systemd-update-done", "systemd-journal-catalog-update", "systemd-sysusers", "systemd-hwdb-update"];
    const ran = await lines(`systemctl show --property=ExecMainPID --value ${units.join(" ")} | grep -v '^$'`);
    assert.deepEqual(
      ran,
      units.map(() => "0"),
    );
  });

  test("a password hash on the persist root is that of the account", async () => {
    const [, hash] = (await line("grep ^alice: /etc/shadow")).split(":");
    assert.equal(hash, PASSWORD_HASH);
  });

  test("what root puts into .keys after the first boot stays root's, and so does what its links lead to", async () => {
    assert.equal(await line("stat -c %U:%G /home/alice/.keys/of-root"), "root:root");
    assert.equal(await line("stat -c %U:%a /home/alice/.keys"), "alice:700");
    assert.equal(await line("stat -c %U /etc/shadow"), "root");
    assert.equal(await line("stat -c %U /persist/passwords /persist/passwords/alice"), "root\nroot");
  });

  test("a declared file that a program replaced survives an ordinary reboot too", async () => {
    for (const path of REPLACED)
      await guest.ssh(`printf 'again\\n' > ${quoted(`${path}.tmp`)} && mv -T ${quoted(`${path}.tmp`)} ${quoted(path)}`);
    await guest.shutdown(BOOT_TIME);
    guest = await start();
    for (const path of REPLACED) {
      assert.equal(await line(`cat ${quoted(path)}`), "again", path);
      assert.equal(await line(`readlink ${quoted(path)}`), `/persist${path}`);
    }
    assert.deepEqual(
      activationReport(await guest.ssh("cat /run/nixfleet/activation.report")).carried,
      REPLACED.toSorted(),
    );
  });

  test("a soft reboot unmounts nothing of what the initrd has mounted", async () => {
    // What is mounted in an entry shows below /persist too, where nobody needs it.
    const list = "findmnt --raw --noheadings --output TARGET --types btrfs | grep -v '^/boot\\|^/persist/' | sort";
    const mounts = await lines(list);
    const id = await line("cat /etc/machine-id");
    await guest.ssh("systemd-run --quiet --on-active=1 systemctl soft-reboot; touch /run/before-soft-reboot");
    const again = "systemctl show --value --property SoftRebootsCount";
    for (const until = Date.now() + BOOT_TIME; ; await sleep(2000)) {
      if ((await guest.ssh(again).catch(() => "0")).trim() === "1") break;
      assert.ok(Date.now() < until, "it did not come up again");
    }
    assert.deepEqual(await lines(list), mounts);
    assert.equal(await line("cat /etc/machine-id"), id);
    assert.match(await guest.ssh("nixfleet status || true"), /All that is declared is in place/);
    assert.doesNotMatch(await guest.ssh("nixfleet status || true"), /Not mounted/);
  });

  const roots = "mount -o subvolid=5,ro /dev/disk/by-label/root /mnt; ls /mnt /mnt/old_roots; umount /mnt";
  let before: string[] = [];

  test("a host that hibernated is resumed, on the root that it has in memory, and is not wiped", async () => {
    before = await lines(roots);
    const state =
      "$(cat /proc/sys/kernel/random/boot_id /run/nixfleet/wipe.report /etc/undeclared; ls /mnt /mnt/old_roots)";
    await guest.ssh(
      [
        "echo hibernated > /etc/undeclared; mount -o subvolid=5,ro /dev/disk/by-label/root /mnt",
        `systemd-run --quiet sh -c 'while sleep 2; do echo awake with: ${state} :end >/dev/console; done'`,
      ].join("\n"),
    );
    const awake = /awake with: .* hibernated .* :end/;
    const [asleep] = await guest.waitFor(awake, 60_000);
    await guest.ssh("systemctl --no-block hibernate");
    await Promise.race([guest.ended, sleep(BOOT_TIME, null, { ref: false })]);
    await guest.powerOff();
    guest = await start(undefined, (machine) => machine.waitFor(awake, BOOT_TIME));
    assert.equal((await guest.waitFor(awake, BOOT_TIME))[0], asleep);
  });

  test("one that must not run on an old root halts when it cannot be wiped", async () => {
    await guest.powerOff();
    const halting = planOfTested(testedThatHalts);
    const machine = await machineOf(halting, await builtHost(halting), image);
    await using scratch = await temporaryFolder();
    const stranger = join(scratch.path, "stranger.img");
    await run("truncate", ["--size=1G", stranger]);
    await run("mkfs.btrfs", ["--quiet", "--label", "root", stranger]);
    const disks = [...machine.disks, stranger];
    guest = stack.use(
      await bootMachine({ ...machine, disks }, (started) => started.waitFor(/System halted/, BOOT_TIME)),
    );
    const said = guest.console.join("\n");
    // Between the two others may write to the console.
    assert.match(said, /THE ROOT IS NOT WIPED: .*root.*\n[\s\S]*this host must not run on an old root/);
    assert.doesNotMatch(said, /Mounted sysroot\.mount|Switching root/);
  });

  test("an old root is booted by its name, and everything stays as it is", async () => {
    await guest.powerOff();
    const last = before.at(-2); // that of the first boot
    guest = await start((parameter) => parameter.replace("subvol=@root", `subvol=old_roots/${last}`));
    assert.equal(await line("findmnt --noheadings --output FSROOT /"), `/old_roots/${last}`);
    assert.equal(await line("cat /etc/undeclared"), "lost");
    assert.equal(wipeReport(await guest.ssh("cat /run/nixfleet/wipe.report")).outcome, "skipped");
    assert.deepEqual(await lines(roots), before);
    // Nobody can overlook that: at each login, on the console, among the units that failed.
    const said = /THE ROOT IS NOT FRESH: .*subvol=old_roots/;
    assert.match(await guest.ssh("nixfleet status || echo exit $?"), new RegExp(`${said.source}.*exit 1`, "s"));
    assert.match(await line("cat /run/motd.d/nixfleet"), said);
    assert.match(await line("journalctl --boot --unit nixfleet-status --output cat"), said);
    assert.match(await line("systemctl --failed --no-legend --plain"), /nixfleet-status.service/);
    await guest.waitFor(said, 10_000);
  });

  /** What holds on every boot. */
  function checks() {
    test("every declared entry is in place, its owner and mode as declared", async () => {
      const mounts = await bindMounts();
      for (const entry of entries) {
        const path = quoted(entry.path);
        if (entry.how === "bind") {
          assert.equal(mounts.get(entry.path), `/@persist${entry.path}`, `${entry.path} is not bound to its source`);
          // What a service with DynamicUser= has is systemd's to give.
          if (!entry.path.startsWith("/var/lib/private/"))
            assert.equal(
              await line(`stat -c '%U:%G %04a' ${path}`),
              `${entry.user}:${entry.group} ${entry.mode}`,
              entry.path,
            );
        } else {
          assert.equal(await line(`readlink ${path}`), entry.source, `${entry.path} is not linked to its source`);
        }
        for (const option of entry.mountOptions.filter((one) => !one.startsWith("x-"))) {
          assert.match(
            await line(`findmnt --noheadings --output OPTIONS --mountpoint ${path}`),
            new RegExp(`\\b${option}\\b`),
          );
        }
      }
    });

    test("a file manager shows mounts in homes, and not those that are to be hidden", async () => {
      // The list of GNOME's volume monitor, which file managers go by.
      const list = "dbus-run-session -- gio mount --list";
      const mounts = await guest.ssh(`su - alice --shell /bin/sh --command ${quoted(list)}`);
      assert.match(mounts, /home\/alice\/shown/);
      assert.doesNotMatch(mounts, /notes/);
    });

    test("the state of a service with DynamicUser= is kept, and is nobody else's, on the persist root too", async () => {
      assert.equal(await line("systemctl is-active dynamic.service"), "active");
      const bootId = await line("cat /proc/sys/kernel/random/boot_id");
      const starts = await lines("cat /var/lib/private/dynamic/starts");
      assert.equal(starts.length > 1, firstBoot.bootId !== "" && bootId !== firstBoot.bootId);
      for (const path of ["/var/lib/private", "/persist/var/lib/private"]) {
        assert.equal(await line(`stat -c '%U:%G %04a' ${path}`), "root:root 0700", path);
      }
      assert.doesNotMatch(await guest.ssh("cat /run/nixfleet/activation.report"), /private/);
    });

    test("in a whole folder that persists, a file that the declaration manages is as declared, and all else kept", async () => {
      assert.equal(await line("cat /etc/motd.d/tested"), "hello");
      assert.match(await line("echo x >>/etc/motd.d/tested || true"), /^$/);
      assert.equal(await line("cat /etc/motd.d/tested"), "hello");
      const stored =
        "mount -o ro,subvol=@persist /dev/disk/by-label/root /mnt && cat /mnt/etc/motd.d/tested && umount /mnt";
      assert.equal(await line(stored), "", "the persist root has an empty file in its place");
    });

    test("every folder above an entry belongs to whom the plan says", async () => {
      for (const { path, user, group, mode } of plan.persistence.parents) {
        assert.equal(await line(`stat -c '%U:%G %04a' ${quoted(`/persist${path}`)}`), `${user}:${group} ${mode}`, path);
      }
    });

    test("the root is a fresh subvolume, wiped once and activated whole", async () => {
      const report = wipeReport(await guest.ssh("cat /run/nixfleet/wipe.report"));
      assert.equal(report.outcome, "wiped");
      assert.deepEqual(report.created, "snapshot");
      const starts = await lines("journalctl --boot --unit nixfleet-wipe.service --output cat | grep -c Finished");
      assert.deepEqual(starts, ["1"]);
      assert.deepEqual(activationReport(await guest.ssh("cat /run/nixfleet/activation.report")).problems, []);
      assert.equal(await line("findmnt --noheadings --output FSROOT /"), "/@root");
    });

    test("nixfleet status says that all is well, in words and as JSON", async () => {
      assert.match(
        await guest.ssh("nixfleet status"),
        /^This is generation 1.\nThe root is fresh.*All that is declared is in place/s,
      );
      assert.equal(JSON.parse(await guest.ssh("nixfleet status --json")).healthy, true);
      assert.match(await guest.ssh("nixfleet 2>&1 || echo $?"), /^usage: nixfleet .*\n2\n$/s);
    });

    test("/usr and /nix are read-only", async () => {
      for (const folder of ["/usr", "/usr/bin", "/nix/store"]) {
        assert.match(await line(`touch ${folder}/x 2>&1 || true`), /Read-only file system/);
      }
    });

    test("set-user-ID programs raise privileges from /usr, and by no path of the store", async () => {
      const asAlice = (program: string) =>
        line(`setpriv --reuid alice --clear-groups ${program} --status 2>&1 || true`);
      // What only root reads: the longest age of a password.
      assert.match(await asAlice("/usr/bin/passwd"), /^alice .* 99999 /);
      assert.doesNotMatch(await asAlice("/nix/store/*-debian-*/usr/bin/passwd"), / 99999 /);
    });

    test("no unit failed", async () => {
      assert.equal(await line("systemctl --failed --no-legend --plain"), "");
    });

    test("it is who the declaration says", async () => {
      assert.equal(await line("cat /proc/sys/kernel/hostname"), "tested");
      assert.equal(await line("readlink /etc/localtime"), "/usr/share/zoneinfo/Europe/Paris");
      assert.equal(await line("id -u alice; id -nG alice"), "1000\nalice adm");
      assert.equal(await line("cat /etc/motd.d/tested; readlink /etc/tested-link"), "hello\n/etc/hostname");
      assert.equal(await line("cat /proc/sys/vm/swappiness"), "7");
      assert.match(await line("lsmod"), /^dummy/m);
      assert.match(await line("networkctl --no-legend list"), /ether\s+routable/);
    });
  }

  async function bindMounts(): Promise<Map<string, string>> {
    const { filesystems } = JSON.parse(await guest.ssh("findmnt --json --list --output TARGET,FSROOT"));
    return new Map(filesystems.map(({ target, fsroot }: { target: string; fsroot: string }) => [target, fsroot]));
  }
});

/** What `nixfleet root-digest --list --json` says. */
interface RootDigest {
  readonly digest: string;
  readonly closure: string;
  readonly bootId: string;
  readonly own: readonly { readonly path: string }[];
  readonly list: readonly { readonly path: string }[];
}

/** A file below an entry, or the entry itself. */
function marker(entry: PersistenceEntry): string {
  return entry.kind === "directory" ? join(entry.path, "marker") : entry.path;
}

/** Files that a program replaces while the host runs. */
const REPLACED = ["/home/alice/.ssh/known_hosts", "/etc/deep/er/auto.conf", "/etc/linked.conf"];

/** The machine-id is the machine's own to write. */
function isMarkable(entry: PersistenceEntry): boolean {
  return entry.path !== "/etc/machine-id";
}

const UNDECLARED = [
  "/etc/undeclared",
  "/var/lib/undeclared/state",
  "/home/alice/undeclared",
  "/srv/undeclared",
  "/root/undeclared",
  "/opt/un declared",
];
