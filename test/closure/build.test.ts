/** Real builds, with real packages. One package object serves all tests but those that are about making it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { zstdDecompressSync } from "node:zlib";
import type { Closure } from "../../src/closure/closure.ts";
import { allocatedIds, idsOf } from "../../src/closure/lock/account-ids.ts";
import { readLock } from "../../src/closure/lock/lock.ts";
import { treeDigest } from "../../src/closure/store/digest.ts";
import { CommandError, run } from "../../src/local/process.ts";
import { loopDevice, mounted, mountFolder, type TemporaryFolder, temporaryFolder } from "../../src/local/resources.ts";
import { RECOMMENDED } from "../../src/plan/recommended.ts";
import { copyClosure } from "../copy-closure.ts";
import { build, startBuild } from "./build-process.ts";
import { SMALL_HOST } from "./host-plan.ts";
import { ordinaryUser, SUBORDINATE_IDS } from "./ordinary-user.ts";

const OFFLINE = ["unshare", "--net"];
/** Not a word that any package uses. */
const BUILDER = "builder-4711";
const ON_BUILDER = ["unshare", "--uts", "sh", "-c", `hostname ${BUILDER}; exec "$@"`, "sh"];

describe("building a closure", () => {
  let scratch: TemporaryFolder;
  let fleetFolder: string;
  let cache: string;
  let closure: Closure;

  before(async () => {
    scratch = await temporaryFolder("/var/tmp"); // /tmp may be in memory
    fleetFolder = join(scratch.path, "fleet");
    cache = join(scratch.path, "cache");
    await run("mkdir", [fleetFolder]);
    const first = await build({ fleetFolder, cache }, ON_BUILDER);
    assert.ok(first.closure, first.error);
    closure = first.closure;
  });
  after(async () => scratch[Symbol.asyncDispose]());

  const inRoot = (path: string): string => join(closure.folder, "root", path);
  const read = (path: string): string => readFileSync(inRoot(path), "utf8");
  const mode = (path: string): string => (lstatSync(inRoot(path)).mode & 0o7777).toString(8);

  test("two store objects are named for their digests", async () => {
    assert.match(closure.storePath, /^\/nix\/store\/[0-9a-z]{32}-nixfleet-myhost$/);
    assert.match(closure.packages.storePath, /^\/nix\/store\/[0-9a-z]{32}-debian-trixie$/);
    assert.equal(await treeDigest(closure.folder), closure.digest);
    assert.ok(closure.packages.storePath.includes(await treeDigest(closure.packages.folder)));
    assert.equal(closure.fresh, true);
  });

  test("whatever the packages of every host recommend is decided, one by one", () => {
    const stanzas = readFileSync(join(closure.packages.folder, "var/lib/dpkg/status"), "utf8").split("\n\n");
    const field = (stanza: string, name: string) => stanza.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1] ?? "";
    const names = (alternatives: string) => alternatives.split("|").map((one) => one.trim().split(/[ :]/)[0] ?? "");
    const there = new Set(
      stanzas.flatMap((one) => [field(one, "Package"), ...field(one, "Provides").split(",").flatMap(names)]),
    );
    // Not of every host: they come with the packages of this one that make keys and ids.
    const own = new Set(["libcap2-bin", "libgpg-error0", "nvme-cli"]);
    const open = stanzas
      .filter((one) => !own.has(field(one, "Package")))
      .flatMap((one) => field(one, "Recommends").split(","))
      .map(names)
      .filter((alternatives) => alternatives.join() !== "" && !alternatives.some((name) => there.has(name)));
    const decided = new Set(RECOMMENDED.flatMap(({ packages }) => packages));
    assert.ok(open.some((alternatives) => alternatives.includes("linux-sysctl-defaults")));
    assert.deepEqual(
      open.filter((alternatives) => !alternatives.some((name) => decided.has(name))),
      [],
      "decide it in src/plan/recommended.ts",
    );
  });

  test("an unchanged host is not made again, a changed configuration keeps the packages, without a network", async () => {
    const unchanged = await build({ fleetFolder, cache }, OFFLINE);
    assert.deepEqual(unchanged.closure, { ...closure, fresh: false }, unchanged.error);

    const changed = await build({ fleetFolder, cache, change: { hostName: "other" } }, OFFLINE);
    assert.equal(changed.closure?.packages.storePath, closure.packages.storePath, changed.error);
    assert.notEqual(changed.closure?.digest, closure.digest);
  });

  test("builds at the same time do not disturb each other", async () => {
    const hosts = ["one", "two", "two", "three"];
    const built = await Promise.all(hosts.map((hostName) => build({ fleetFolder, cache, change: { hostName } })));
    for (const [index, { closure: made, error }] of built.entries()) {
      assert.ok(made?.storePath.endsWith(`-nixfleet-${hosts[index]}`), error);
      assert.equal(await treeDigest(made?.folder ?? ""), made?.digest);
    }
    assert.deepEqual(unfinished(cache), []);
  });

  test("the pristine root is what was declared over what the packages bring", () => {
    assert.equal(read("etc/hostname"), "myhost\n");
    assert.equal(readlinkSync(inRoot("etc/localtime")), "/usr/share/zoneinfo/Europe/Berlin");
    assert.equal(mode("etc/sudoers.d/alice"), "440");
    assert.match(read("etc/passwd"), /^root:[\s\S]*^alice:x:1000:1000:Alice:\/home\/alice:\/bin\/bash$/m);
    assert.match(read("etc/group"), /^sudo:x:27:alice$/m);
    assert.match(read("etc/shadow"), /^alice:\*:/m);
    assert.equal(mode("etc/shadow"), "640");
    const home = statSync(inRoot("home/alice"));
    assert.deepEqual([home.uid, home.gid, mode("home/alice")], [1000, 1000, "700"]);
    for (const name of [".bashrc", ".hushlogin"]) assert.equal(statSync(inRoot(`home/alice/${name}`)).uid, 1000, name);
  });

  test("the pristine root has the links and the empty folders that a boot wants", () => {
    for (const name of ["bin", "sbin", "lib", "lib64"]) assert.equal(readlinkSync(inRoot(name)), `usr/${name}`);
    const modes = {
      boot: "755",
      nix: "755",
      persist: "755",
      proc: "555",
      run: "755",
      sys: "555",
      tmp: "1777",
      usr: "755",
    };
    for (const [name, wanted] of Object.entries(modes)) {
      assert.equal(mode(name), wanted, name);
      assert.deepEqual(readdirSync(inRoot(name)), [], name);
    }
    assert.equal(mode("root"), "700");
  });

  test("what the host boots is in the closure or a link away, in the cache as in the store of a host", () => {
    for (const name of ["usr/lib/systemd/systemd", "vmlinuz", "initrd"]) {
      assert.ok(existsSync(join(closure.folder, name)), name);
    }
    assert.ok(!readlinkSync(join(closure.folder, "usr")).startsWith("/"));
    assert.equal(
      readFileSync(join(closure.folder, "cmdline"), "utf8"),
      "root=/dev/disk/by-label/root rootfstype=btrfs rootflags=subvol=@root rw console=ttyS0\n",
    );
    assert.deepEqual(JSON.parse(readFileSync(join(closure.folder, "plan.json"), "utf8")), SMALL_HOST);
    const listed = execFileSync("cpio", ["--list", "--quiet"], {
      input: readFileSync(join(closure.folder, "host.cpio")),
    });
    assert.equal(listed.toString(), "etc\netc/nixfleet\netc/nixfleet/test\n");
  });

  test("the initrd has the tools and drivers to find and mount the root, and can be appended to", () => {
    const initrd = readFileSync(join(closure.folder, "initrd"));
    assert.equal(initrd.length % 4, 0);
    const end = initrd.findLastIndex((byte) => byte !== 0) + 1;
    const archive = zstdDecompressSync(initrd.subarray(0, end));
    const names = execFileSync("cpio", ["--list", "--quiet"], { input: archive, maxBuffer: 1e8 })
      .toString()
      .split("\n");
    const tools = "sh btrfs mount umount blkid date mv ln chmod sync stat sleep sort find systemd-tmpfiles systemd-cat";
    for (const tool of tools.split(" ")) {
      assert.ok(
        names.some((name) => name === `usr/bin/${tool}` || name === `usr/sbin/${tool}`),
        tool,
      );
    }
    const builtin = readFileSync(join(closure.folder, "usr/lib/modules", kernel(), "modules.builtin"), "utf8");
    for (const driver of ["btrfs", "vfat", "virtio_blk", "virtio_pci", "nvme", "ahci"]) {
      const found = names.some((name) => name.includes(`/${driver}.ko`)) || builtin.includes(`/${driver}.ko`);
      assert.ok(found, driver);
    }
    const identity = names.filter((name) => /^etc\/(hostname|ssh|nixos|resolv.conf)/.test(name));
    assert.deepEqual(identity, [], "a generic initrd is no particular host's");
  });

  const kernel = (): string => readdirSync(join(closure.folder, "usr/lib/modules"))[0] ?? "";

  test("exactly the locked packages are installed, and the locale is there", async () => {
    const entry = Object.values((await readLock(fleetFolder)).requests)[0];
    const query = [
      "--admindir",
      inRoot("var/lib/dpkg"),
      "--show",
      "--showformat",
      "$" + "{Package}=$" + "{Version}\\n",
    ];
    const installed = (await run("dpkg-query", query)).trim().split("\n").sort();
    assert.deepEqual(installed, entry?.packages.map((one) => `${one.name}=${one.version}`).sort());
    assert.match(execFileSync("chroot", [closure.packages.folder, "locale", "-a"]).toString(), /^en_US\.utf8$/m);
  });

  test("no secret, no identity and nothing of the builder is in a closure", async () => {
    const absent = [
      "etc/machine-id",
      "etc/resolv.conf",
      "etc/.resolv.conf.systemd-resolved.bak",
      "etc/passwd-",
      "etc/shadow-",
      "etc/.pwd.lock",
      "etc/apt/sources.list",
      "var/lib/dbus/machine-id",
      "var/lib/systemd/random-seed",
      "var/cache/ldconfig/aux-cache",
      "var/log/dpkg.log",
    ];
    for (const path of absent) assert.equal(lstatSync(inRoot(path), { throwIfNoEntry: false }), undefined, path);
    assert.deepEqual(
      readdirSync(inRoot("etc/ssh")).filter((name) => name.startsWith("ssh_host")),
      [],
    );
    assert.deepEqual(readdirSync(inRoot("var/lib/apt/lists")), ["partial"]);
    for (const word of [scratch.path, BUILDER]) {
      for (const folder of [closure.folder, join(closure.packages.folder, "var")]) {
        const grep = run("grep", ["-rlF", "--", word, folder]).catch(() => "");
        assert.equal(await grep, "", `${word} is in a file`);
      }
    }
  });

  test("what packages made for one machine is in no closure: bind9's key, munge's, nvme's ids, ssl-cert's certificate", () => {
    const made = [
      "/etc/bind/rndc.key",
      "/etc/munge/munge.key",
      "/etc/nvme/hostid",
      "/etc/nvme/hostnqn",
      "/etc/ssl/certs/ssl-cert-snakeoil.pem",
      "/etc/ssl/private/ssl-cert-snakeoil.key",
    ];
    const manifest = JSON.parse(readFileSync(join(closure.packages.folder, "manifest.json"), "utf8"));
    assert.deepEqual(manifest.hostMade, made);
    for (const path of made) assert.equal(lstatSync(inRoot(path), { throwIfNoEntry: false }), undefined, path);
    const links = readdirSync(inRoot("etc/ssl/certs")).filter((name) => !existsSync(inRoot(`etc/ssl/certs/${name}`)));
    assert.deepEqual(links, []);
    assert.ok(existsSync(inRoot("etc/bind/named.conf")));
  });

  test("each host makes its own of that, once", async () => {
    const script = readFileSync(join(import.meta.dirname, "../../src/payload/host/host-secrets.sh"), "utf8");
    const list =
      "cd /etc; for file in bind/rndc.key munge/munge.key nvme/hostid nvme/hostnqn ssl/private/*.key; do stat -c '%A %U %G %n' $file; sha256sum $file; done";
    const mounts = `mount -t tmpfs none /mnt; mkdir /mnt/up /mnt/work /mnt/host
      mount -t overlay none -o "lowerdir=$1/root,upperdir=/mnt/up,workdir=/mnt/work" /mnt/host
      mount --bind "$1/usr" /mnt/host/usr; mount --rbind /dev /mnt/host/dev; mount -t proc proc /mnt/host/proc
      chroot /mnt/host sh -c "$2"; chroot /mnt/host sh -c "$3"; chroot /mnt/host sh -c "$2"; chroot /mnt/host sh -c "$3"`;
    const argv = ["--mount", "--propagation", "slave", "sh", "-euc", mounts, "sh", closure.folder, script, list];
    const said = (await run("unshare", argv)).split("\n");
    const lines = said.filter((line) => line.startsWith("-r"));
    const wanted = [
      "-rw------- bind bind bind/rndc.key",
      "-r-------- munge munge munge/munge.key",
      "-rw-r--r-- root root nvme/hostid",
      "-rw-r--r-- root root nvme/hostnqn",
      "-rw-r----- root ssl-cert ssl/private/ssl-cert-snakeoil.key",
    ];
    assert.deepEqual(lines, [...wanted, ...wanted]);
    const sums = said.filter((line) => /^[0-9a-f]{64} /.test(line));
    assert.equal(sums.length, 10);
    assert.deepEqual(sums.slice(0, 5), sums.slice(5), "what is there stays");
  });

  test("no time in a closure is later than the lock's", async () => {
    const entry = Object.values((await readLock(fleetFolder)).requests)[0];
    assert.ok(entry);
    for (const folder of [closure.folder, closure.packages.folder]) {
      assert.equal(await run("find", [folder, "-newermt", `@${entry.date}`]), "");
    }
  });

  test("a package with a system user comes, goes and comes back, and no id in a closure changes but to be there", async () => {
    const another = join(scratch.path, "another fleet");
    await run("cp", ["-a", fleetFolder, another]);
    const { packages } = SMALL_HOST;
    // Installed before the others that make users, it would take their numbers.
    const change = { packages: { ...packages, packages: ["avahi-daemon", ...packages.packages] } };
    const accounts = (made: Closure | null) => allocatedIds(made?.packages.folder ?? "");
    const before = accounts(closure);
    assert.ok(before.users.sshd && before.users.messagebus && before.groups._ssh && before.groups["systemd-journal"]);

    const added = await build({ fleetFolder: another, cache, change });
    assert.ok(added.closure, added.error);
    const after = accounts(added.closure);
    assert.deepEqual(idsOf(before, after), before);
    assert.ok(after.users.avahi);
    assert.deepEqual((await readLock(another)).ids, after);

    const removed = await build({ fleetFolder: another, cache, fleet: [SMALL_HOST] });
    assert.equal(removed.closure?.storePath, closure.storePath, removed.error);
    assert.deepEqual((await readLock(another)).ids, after, "its data may be there still");
    const again = await build({ fleetFolder: another, cache, change });
    assert.equal(again.closure?.storePath, added.closure.storePath, again.error);

    const inPackages = (path: string) => lstatSync(join(added.closure?.packages.folder ?? "", path));
    const [agent, helper] = [inPackages("usr/bin/ssh-agent"), inPackages("usr/lib/dbus-1.0/dbus-daemon-launch-helper")];
    assert.deepEqual([agent.uid, agent.gid, (agent.mode & 0o7777).toString(8)], [0, after.groups._ssh, "2755"]);
    assert.deepEqual(
      [helper.uid, helper.gid, (helper.mode & 0o7777).toString(8)],
      [0, after.groups.messagebus, "4754"],
    );
    const network = inPackages("var/lib/systemd/network");
    assert.deepEqual([network.uid, network.gid], [after.users["systemd-network"], after.groups["systemd-network"]]);
    for (const { folder } of [added.closure.packages, closure.packages]) {
      const stray = ["-uid", "+399", "-uid", "-1000", "-o", "-gid", "+399", "-gid", "-1000"];
      assert.equal(await run("find", [folder, ...stray]), "", "an id that was not moved");
    }
  });

  test("a plan that does not fit into the packages is refused, and leaves nothing", async () => {
    const file = (path: string) => ({ files: [{ kind: "text" as const, path, text: "", mode: "0644" }] });
    const [mount] = SMALL_HOST.boot.mounts;
    assert.ok(mount);
    const cases = [
      [file("/usr/bin/x"), /\/usr\/bin\/x cannot be declared/],
      [file("/etc/ssh"), /\/etc\/ssh cannot be declared as a file/],
      [file("/var/run/x"), /\/var\/run cannot be a folder[\s\S]*a link/],
      [file("/etc/passwd/x"), /\/etc\/passwd cannot be a folder[\s\S]*a file/],
      [{ users: { users: [], groups: [{ name: "nobodys", gid: null, members: [] }] } }, /creates the group nobodys/],
      [{ boot: { ...SMALL_HOST.boot, mounts: [{ ...mount, mountpoint: "/bin/x" }] } }, /\/bin cannot be a folder/],
    ] as const;
    for (const [change, reason] of cases) {
      const { error, closure: made } = await build({ fleetFolder, cache, change });
      assert.equal(made, null);
      assert.match(error, reason);
    }
    assert.equal(existsSync("/run/x"), false);
    assert.deepEqual(unfinished(cache), []);
  });

  test("a build killed in the middle leaves nothing running, mounted or to be found, and another one in another folder, with a damaged cache, without a network, under other settings has the same digest", async () => {
    const other = join(scratch.path, "another cache");
    const strange = {
      TZ: "Asia/Tokyo",
      LANG: "de_DE.UTF-8",
      LC_ALL: "C",
      SOURCE_DATE_EPOCH: "5",
      HOME: "/nonexistent",
    };
    await run("mkdir", [other]);
    await run("cp", ["-al", join(cache, "debs"), other]);
    const killed = startBuild({ fleetFolder, cache: other }, OFFLINE);
    while (readdirSync(other).includes("store") === false || !assembling(other)) await setTimeout(100);
    await setTimeout(3000);
    killed.child.kill("SIGKILL");
    await killed.result;
    await setTimeout(500);
    assert.deepEqual(processesIn(other), []);
    assert.doesNotMatch(readFileSync("/proc/self/mounts", "utf8"), /another/);
    assert.deepEqual(readdirSync(join(other, "index")), []);
    assert.ok(readdirSync(join(other, "store")).every((name) => name.startsWith(".new-")));

    // What the cache has by then is damaged: a build makes it again rather than take it as good by its name.
    await run("rm", ["-r", join(other, "store"), join(other, "index")]);
    await run("cp", ["-a", join(cache, "store"), join(cache, "index"), other]);
    const damaged = join(other, "store", closure.packages.storePath.slice("/nix/store/".length), "usr/bin/su");
    const { atime, mtime } = statSync(damaged);
    const content = readFileSync(damaged);
    content[1000] = (content[1000] ?? 0) ^ 1;
    writeFileSync(damaged, content);
    utimesSync(damaged, atime, mtime);

    const resolvConf = join(scratch.path, "resolv.conf");
    writeFileSync(resolvConf, "nameserver 192.0.2.53\n");
    const enter = 'umask 077; hostname other-4712; mount --bind "$0" /etc/resolv.conf; exec "$@"';
    const elsewhere = [...OFFLINE, "--uts", "--mount", "--propagation", "slave", "sh", "-c", enter, resolvConf];
    const again = await build({ fleetFolder, cache: other }, elsewhere, strange);
    assert.equal(again.closure?.storePath, closure.storePath, again.error);
    assert.equal(again.closure?.fresh, true);
    assert.equal(again.closure?.packages.storePath, closure.packages.storePath);
    assert.equal(await treeDigest(again.closure.packages.folder), await treeDigest(closure.packages.folder));
    assert.deepEqual(unfinished(other), []);
  });

  test("an ordinary user with a namespace of their own builds the same closure, whatever others mount and keep on this machine, and a build of theirs that is killed leaves nothing running", async () => {
    await using folder = await temporaryFolder("/var/tmp");
    chmodSync(folder.path, 0o755);
    const { home, around, project } = await ordinaryUser(folder.path, SUBORDINATE_IDS);
    const [fleet, own, temporary] = ["fleet", "cache", "tmp"].map((name) => join(home, name)) as [
      string,
      string,
      string,
    ];
    await run("mkdir", [own, temporary]);
    await run("cp", ["-a", fleetFolder, fleet]);
    await run("cp", ["-a", join(cache, "debs"), own]);
    await run("chown", ["-R", "--reference", home, home]);
    // Whatever is made below it would inherit this.
    chmodSync(own, 0o2700);
    await run("setfacl", ["--default", "--modify", "group:4:rwx", own]);

    // Of others: closed to this user, and mounted.
    await using others = await temporaryFolder("/dev/shm");
    await run("mkdir", [join(others.path, "mounted")]);
    await using _ = await mounted("/var/tmp", join(others.path, "mounted"), ["bind"]);
    const env = { HOME: home, NIXFLEET_CACHE: own, TMPDIR: temporary };
    const request = { fleetFolder: fleet, cache: own };

    const killed = startBuild(request, [...OFFLINE, ...around], env, project);
    while (!existsSync(join(own, "store")) || !assembling(own)) await setTimeout(100);
    killed.child.kill("SIGKILL");
    await killed.result;
    await setTimeout(500);
    assert.deepEqual(processesIn(home), []);

    const built = await build(request, [...OFFLINE, ...around], env, project);
    assert.equal(built.closure?.storePath, closure.storePath, built.error);
    assert.equal(built.closure?.packages.storePath, closure.packages.storePath);
    assert.equal(built.closure?.fresh, true);
    assert.deepEqual(unfinished(own), []);
    const unchanged = await build(request, around, env, project);
    assert.deepEqual(unchanged.closure, { ...built.closure, fresh: false }, unchanged.error);
    const { error } = await build({ fleetFolder, cache: own, change: { hostName: "roots" } });
    assert.match(error, /^another user builds in the cache [\s\S]*NIXFLEET_CACHE/);
  });

  test("an ordinary user whom the machine gives no namespace to build in is told what to do", async () => {
    const cases = [
      [[], /^only root can build a closure\n[\s\S]*\/etc\/subuid .* usermod --add-subuids/],
      // As a container does it.
      [[SUBORDINATE_IDS, "mount --bind /dev/null /proc/cpuinfo"], /cannot mount \/proc\n[\s\S]*as root/],
    ] as const;
    for (const [means, reason] of cases) {
      await using folder = await temporaryFolder("/var/tmp");
      chmodSync(folder.path, 0o755);
      const { home, around, project } = await ordinaryUser(folder.path, ...means);
      const own = join(home, "cache");
      const { error, closure: made } = await build(
        { fleetFolder: home, cache: own },
        around,
        { NIXFLEET_CACHE: own },
        project,
      );
      assert.equal(made, null);
      assert.match(error, reason);
    }
  });

  test("on a full disk the build says so and leaves nothing half made", async () => {
    await using disk = await btrfs(scratch.path, "300M");
    const small = disk.path;
    await run("cp", ["-a", join(cache, "debs"), small]);
    const { closure: made, error } = await build({ fleetFolder, cache: small });
    assert.equal(made, null);
    assert.match(error, /^the disk is full\n[\s\S]*NIXFLEET_CACHE/);
    assert.deepEqual(readdirSync(join(small, "store")), []);
    assert.deepEqual(unfinished(small), []);
  });

  test("the store of a host gets both objects whole, the pristine root as a read-only subvolume, once", async () => {
    await using disk = await btrfs(scratch.path, "2G");
    await run("mkdir", ["-p", join(disk.path, "store")]);
    await run("btrfs", ["subvolume", "create", join(disk.path, "store/.new-dead")]);
    await copyClosure(closure, disk.path);
    const installed = join(disk.path, "store", closure.storePath.slice("/nix/store/".length));
    assert.equal(await treeDigest(installed), closure.digest);
    assert.equal(
      await treeDigest(join(disk.path, "store", closure.packages.storePath.slice("/nix/store/".length))),
      await treeDigest(closure.packages.folder),
    );
    assert.equal(await run("btrfs", ["property", "get", "-t", "subvol", join(installed, "root"), "ro"]), "ro=true\n");
    assert.ok(existsSync(join(installed, "usr/lib/systemd/systemd")));
    const generation = await run("btrfs", ["subvolume", "list", disk.path]);
    await copyClosure(closure, disk.path);
    assert.equal(await run("btrfs", ["subvolume", "list", disk.path]), generation);
    assert.deepEqual(
      readdirSync(join(disk.path, "store")).filter((name) => name.startsWith(".")),
      [],
    );
  });

  test("a disk that is too small for the closure keeps none of it", async () => {
    await using disk = await btrfs(scratch.path, "200M");
    await assert.rejects(
      copyClosure(closure, disk.path),
      (error) => error instanceof CommandError && /No space left on device/.test(error.text),
    );
    assert.deepEqual(readdirSync(join(disk.path, "store")), []);
    await using tmpfs = await temporaryFolder("/dev/shm");
    await assert.rejects(
      copyClosure(closure, tmpfs.path),
      (error) => error instanceof CommandError && /is on tmpfs, not on btrfs or ext4/.test(error.text),
    );
  });

  test("the store in a root on ext4 gets the same, the pristine root as a folder", async () => {
    const image = join(scratch.path, "ext4");
    await run("truncate", ["--size=2G", image]);
    await run("mkfs.ext4", ["-q", "-F", image]);
    await using loop = await loopDevice(image);
    await using folder = await mountFolder();
    await using _ = await mounted(loop.device, folder.path);
    await copyClosure(closure, join(folder.path, "nix"));
    const installed = join(folder.path, "nix/store", closure.storePath.slice("/nix/store/".length));
    assert.equal(await treeDigest(installed), closure.digest);
    await copyClosure(closure, join(folder.path, "nix"));
    assert.deepEqual(readdirSync(join(folder.path, "nix/store")).length, 2);
  });
});

function unfinished(cache: string): string[] {
  const folders = [cache, ...["debs", "store", "index"].map((name) => join(cache, name))];
  return folders.flatMap((folder) => readdirSync(folder)).filter((name) => name.startsWith(".new-"));
}

function assembling(cache: string): boolean {
  return readdirSync(join(cache, "store")).some((name) => existsSync(join(cache, "store", name, "tree/usr/bin")));
}

/** Processes whose command line or root is below a folder. */
function processesIn(folder: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter((pid) => {
      try {
        const root = readlinkSync(`/proc/${pid}/root`);
        return root.startsWith(folder) || readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${folder}/`);
      } catch {
        return false;
      }
    });
}

async function btrfs(parent: string, size: string): Promise<AsyncDisposable & { readonly path: string }> {
  await using resources = new AsyncDisposableStack();
  const folder = resources.use(await temporaryFolder(parent));
  const [image, path] = [join(folder.path, "image"), join(folder.path, "mounted")];
  await run("truncate", ["--size", size, image]);
  await run("mkfs.btrfs", ["--quiet", image]);
  await run("mkdir", [path]);
  const { device } = resources.use(await loopDevice(image));
  resources.use(await mounted(device, path));
  const owned = resources.move();
  return { path, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
