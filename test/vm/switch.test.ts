/** A running host is switched to what is declared now, by ssh, and boots into it. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Closure } from "../../src/closure/closure.ts";
import { switching } from "../../src/deploy/switch.ts";
import { connectedHost, targetHost } from "../../src/deploy/target-host.ts";
import { UserError } from "../../src/errors.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { CommandError, run } from "../../src/local/process.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import type { Machine } from "../../src/vm/machine.ts";
import { mirror } from "../content/mirror.ts";
import { SEED, seeded } from "../crash/random.ts";
import { comesUp, reachedBySsh } from "./booting.ts";
import { testedWith } from "./fleet.ts";
import { builtHost, FLEET_FOLDER, installed, planOfTested } from "./installed.ts";

const BOOT_TIME = 300_000;

const former = testedWith({
  environment: {
    persistence: {
      "/persist": {
        directories: ["/var/lib/dropped", "/srv/busy"],
        users: { alice: { directories: [".app/inner"] } },
      },
    },
    etc: { "dropped.conf": { text: "dropped" }, "changed.conf": { text: "before" } },
  },
  systemd: {
    services: {
      dropped: { wantedBy: ["multi-user.target"], serviceConfig: { ExecStart: "/usr/bin/sleep infinity" } },
      mended: { wantedBy: ["multi-user.target"], serviceConfig: { ExecStart: "/usr/bin/false" } },
    },
  },
});

const declaredLater = {
  environment: {
    persistence: {
      "/persist": {
        directories: ["/var/lib/taken", { directory: "/var/lib/taken-link", how: "symlink" }, "/var/lib/empty"],
        files: ["/etc/taken.conf"],
        users: { alice: { files: [".toolrc"] } },
      },
    },
    etc: { "changed.conf": { text: "after" }, "added.conf": { text: "added" } },
  },
  home: { persistence: { "/persist": { directories: [".app", "taken by alice"] } } },
  systemd: {
    services: {
      added: { wantedBy: ["multi-user.target"], serviceConfig: { ExecStart: "/usr/bin/sleep infinity" } },
      mended: { wantedBy: ["multi-user.target"], serviceConfig: { ExecStart: "/usr/bin/sleep infinity" } },
    },
  },
} as const;

const latter = testedWith(declaredLater);

/** Nobody can reach it any more, and a service of it fails. */
const cut = testedWith(declaredLater, {
  environment: {
    etc: {
      "systemd/network/10-elsewhere.network": { text: "[Match]\nName=en*\n\n[Network]\nAddress=192.0.2.1/24" },
      "changed.conf": { text: "cut" },
      "systemd/system/added.service.d/break.conf": { text: "[Service]\nExecStart=\nExecStart=/usr/bin/false" },
    },
  },
});

describe("nixfleet switch", () => {
  const stack = new AsyncDisposableStack();
  let guest: Machine;
  let start: () => Promise<Machine>;
  let closure: Closure;
  let cutClosure: Closure;

  before(async () => {
    const scratch = stack.use(await temporaryFolder());
    const { machine } = await installed(former, scratch.path);
    closure = await builtHost(planOfTested(latter));
    cutClosure = await builtHost(planOfTested(cut));
    start = async () => stack.use(await bootMachine(await machine(), comesUp(BOOT_TIME)));
    guest = await start();
  });
  after(() => stack.disposeAsync());

  const line = async (command: string) => (await guest.ssh(command)).trim();
  const access = () => reachedBySsh(guest);
  const target = () => targetHost("root@127.0.0.1", access());
  /** A command of this project, from here. */
  const nixfleet = (...args: string[]) =>
    run("bin/nixfleet", [...args, "--target-host", "root@127.0.0.1"], { cwd: PACKAGE_ROOT, env: access() });
  const listed = async () =>
    (JSON.parse(await nixfleet("generations", "--json")) as { number: number; runs: boolean; chosen: boolean }[]).map(
      ({ number, runs, chosen }) => [number, runs, chosen],
    );
  const doSwitch = async (to = closure, confirm = 0) => {
    await using host = await connectedHost("root@127.0.0.1", access());
    const { perform } = await switching(to, host);
    const { outcome, done, problems } = await perform(confirm, () => {});
    return { outcome, done: done.join("\n"), problems: problems.join("\n") };
  };

  test("what is in use stays mounted, and who uses it is named; all else is done", async () => {
    await guest.ssh(
      [
        "set -eu",
        "for path in /var/lib/taken /var/lib/taken-link '/home/alice/taken by alice' /home/alice/.app; do",
        '  mkdir -p "$path" && echo content > "$path/file"',
        "done",
        "echo content > /etc/taken.conf && echo content > /home/alice/.toolrc",
        "echo kept > /home/alice/.app/inner/file && echo data > /var/lib/dropped/file && echo data > /srv/busy/file",
        "chown -R alice:alice /home/alice",
        "chmod 0750 '/home/alice/taken by alice'",
        // Somebody works in it.
        "(cd /srv/busy && exec sleep infinity </dev/null >/dev/null 2>&1) & echo $! >/run/busy.pid",
      ].join("\n"),
    );
    const { outcome, done, problems } = await doSwitch(closure, 60);
    assert.equal(outcome, "incomplete");
    assert.match(done, /^it is confirmed$/m);
    assert.match(problems, /\/srv\/busy stays as it is, in use by \d+ \(sleep\)/);
    assert.match(done, /generation 2/);
    await guest.ssh("kill $(cat /run/busy.pid)");
  });

  test("running it again goes on", async () => {
    const { done, problems } = await doSwitch();
    assert.equal(problems, "");
    assert.match(done, /\/srv\/busy is no longer declared; its data stays at \/persist\/srv\/busy/);
  });

  const TAKEN = ["/var/lib/taken", "/var/lib/taken-link", "/home/alice/taken by alice", "/home/alice/.app"];

  test("newly declared paths that hold nothing are placed; what others hold stays where it is until the next boot", async () => {
    assert.equal(await line("findmnt -n -o FSROOT -M /var/lib/empty"), "/@persist/var/lib/empty");
    const { plan, perform } = await switching(closure, target());
    assert.ok(plan.postponed.some(({ path }) => path === "/home/alice/.app"));
    const { done } = await perform(0, () => {});
    for (const path of [...TAKEN, "/etc/taken.conf"]) {
      assert.ok(done.includes(`${path} is kept from the next boot on, with what it holds`), path);
      assert.equal(await line(`[ ! -L '${path}' ] && ! findmnt -M '${path}' && echo as it was`), "as it was");
    }
  });

  test("paths that are declared no more are unmounted, and their data stays", async () => {
    for (const path of ["/var/lib/dropped", "/srv/busy"]) {
      assert.equal(await line(`findmnt -M ${path} || ls ${path}`), "", path);
      assert.equal(await line(`cat /persist${path}/file`), "data");
    }
  });

  test("declared files and services are as declared", async () => {
    assert.equal(
      await line("cat /etc/changed.conf /etc/added.conf; ls /etc/dropped.conf 2>&1 || :").then(firstWords),
      "after added ls:",
    );
    assert.equal(await line("systemctl is-active added dropped mended || :"), "active\ninactive\nactive");
  });

  test("once more, nothing is to be done", async () => {
    const before = await line("cat /proc/self/mountinfo");
    const { plan } = await switching(closure, target());
    // In a home nothing is taken away while its user is there.
    const left = plan.unplaced.map(({ entry }) => entry.path);
    assert.deepEqual([left, plan.written, plan.removed, plan.atNextBoot], [["/home/alice/.app/inner"], [], [], []]);
    const { done } = await doSwitch();
    for (const line of done.split("\n"))
      assert.match(
        line,
        /^generation 2: | is kept from the next boot on, with what it holds$|inner is no longer declared/,
      );
    assert.equal(await line("cat /proc/self/mountinfo"), before);
  });

  test("a switch that cuts its own connection goes back by itself, and no boot brings it again", async () => {
    const network = await line("networkctl --no-pager status --all | grep -c 192.0.2.1 || :");
    const { touchesNetwork } = await switching(cutClosure, target());
    assert.ok(touchesNetwork);
    const { outcome, done, problems } = await doSwitch(cutClosure, 20);
    assert.equal(outcome, "back");
    assert.match(done, /^systemctl restart systemd-networkd\.service$/m);
    assert.match(problems, /nobody confirmed it in 20 s/);
    assert.equal(await line("cat /etc/changed.conf; ls /etc/systemd/network"), "after\n80-dhcp.network");
    assert.equal(await line("networkctl --no-pager status --all | grep -c 192.0.2.1 || :"), network);
    assert.match(await line("nixfleet status || :"), /The last switch, to .*, went back: it was not confirmed/);
    assert.match(await line("journalctl --output cat -t nixfleet-switch"), /nobody confirmed it in 20 s/);
    assert.match(done, /^systemctl restart added\.service$/m);
    assert.equal(await line("systemctl is-active added"), "active");
    assert.equal((await listed()).length, 2, "it is no generation");
  });

  test("its generations are listed, chosen and deleted from here", async () => {
    assert.deepEqual(await listed(), [
      [2, false, false],
      [1, true, false],
    ]);
    assert.match(await nixfleet("generations"), /installed +state +what changed\n.*\n2 .* not proved, 3 tries left/);
    assert.match(await nixfleet("rollback", "1"), /^the next boot is generation 1 of/);
    assert.deepEqual((await listed())[1], [1, true, true]);
    assert.match(await nixfleet("rollback", "newest"), /newest generation that works/);
    assert.equal(await nixfleet("gc", "--dry-run"), "there is nothing to delete\n");
    await assert.rejects(nixfleet("rollback", "7"), said(/nixfleet: root@127\.0\.0\.1: there is no generation 7/));
  });

  test("the host boots into it by itself", async () => {
    await guest.shutdown(BOOT_TIME);
    guest = await start();
    assert.match(await line("cat /proc/cmdline"), new RegExp(`nixfleet.closure=${closure.storePath}`));
    assert.equal(await line("grep ^problems= /run/nixfleet/activation.report || :"), "");
    const { isDone } = await switching(closure, target());
    assert.ok(isDone);
  });

  test("newly declared paths have taken what was there to the persist root", async () => {
    for (const path of TAKEN) assert.equal(await line(`cat '/persist${path}/file' '${path}/file'`), "content\ncontent");
    assert.equal(await line("cat /persist/etc/taken.conf /etc/taken.conf"), "content\ncontent");
    assert.equal(await line("readlink /etc/taken.conf /home/alice/.toolrc /var/lib/taken-link | wc -l"), "3");
    assert.equal(await line("stat -c '%U %a' '/persist/home/alice/taken by alice'"), "alice 750");
    assert.equal(await line("cat /home/alice/.app/inner/file /home/alice/.toolrc"), "kept\ncontent");
    assert.match(await line("mount | grep 'taken by alice'"), /x-gvfs-hide/);
    assert.equal(await line("systemctl --failed --no-legend --plain"), "");
  });

  test("what no generation needs any more is deleted from here", async () => {
    const both = await line("ls /nix/store | wc -l");
    assert.match(await nixfleet("gc", "--keep", "1"), /^deleted \w{32}-nixfleet-tested\n$/);
    assert.equal(await line("ls /nix/store | wc -l"), String(Number(both) - 1));
    assert.deepEqual(await listed(), [[2, true, false]]);
  });

  const asked = async (...args: string[]) => JSON.parse(await nixfleet(...args, "--json"));
  const paths = (rows: readonly { readonly path: string }[]) => rows.map(({ path }) => path);

  test("what its roots hold is seen from here, and brought back", async () => {
    await guest.ssh(
      "mkdir -p /srv/lost /persist/srv/stray && echo x > /srv/lost/file && echo y > /persist/srv/stray/file",
    );
    const drift = await asked("drift", "/srv");
    assert.deepEqual([drift.compared, paths(drift.drift)], ["by btrfs", ["/srv/lost"]]);
    await assert.rejects(nixfleet("drift", "--fail"), said(/found what it was to look for/));
    const old = (await asked("roots")).at(-1);
    assert.match(old.name, /^\d{8}T\d{6}\.\d{3}Z$/);
    assert.ok((await asked("roots", "show", "newest", "/etc")).length > 10);
    assert.ok((await asked("roots", "diff", "newest", "now")).length > 0);
    await nixfleet("roots", "keep", old.name);
    await nixfleet("roots", "release", old.name);
    const { from, to } = await asked("restore", "/etc/hostname", "--to", "/persist/hostname", "--from", old.name);
    assert.deepEqual([from, to], [old.name, "/persist/hostname"]);
    assert.equal(await line("cat /persist/hostname"), "tested");
    assert.match(await nixfleet("why", "/srv/lost/file"), /is drift/);
    assert.equal((await asked("why", "/var/lib/taken/file")).fate, "kept");
    const stray = paths((await asked("stray")).stray);
    // Whatever is a whole folder of it is one path.
    for (const path of ["/persist/srv/stray", "/persist/hostname"])
      assert.ok(
        stray.some((one) => `${path}/`.startsWith(`${one}/`)),
        `${path}: ${stray}`,
      );
    await nixfleet("stray", "remove", "/persist/srv/stray");
    assert.deepEqual(paths(await asked("stray", "trash")), ["/persist/srv/stray"]);
    assert.match(await nixfleet("stray", "undo"), /\/persist\/srv\/stray is back/);
    await assert.rejects(nixfleet("restore", "/srv/none"), said(/root@127\.0\.0\.1: no old root has \/srv\/none/));
  });

  test("a rollback takes back what persists, too, once it was said what that is", async () => {
    await guest.ssh("echo one > /var/lib/taken/note && sync");
    // As another generation would, before it changes anything.
    await guest.ssh("sh /etc/nixfleet/state.sh switch /nix/store/another && echo two > /var/lib/taken/note");
    const only = await run("bin/nixfleet", ["rollback", "2", "--with-state", "--target-host", "root@127.0.0.1"], {
      cwd: PACKAGE_ROOT,
      env: access(),
    }).catch((error: unknown) => error);
    assert.ok(only instanceof CommandError);
    assert.match(only.stdout, /changed {2}\/persist\/var\/lib\/taken\/note /);
    assert.match(
      only.detail.join("\n"),
      /nothing is changed yet; to do it, run: nixfleet rollback 2 --with-state --yes/,
    );
    await nixfleet("rollback", "2", "--with-state", "--yes");
    await nixfleet("rollback", "2");
    assert.equal(await line("[ -e /run/nixfleet/ordered ] || echo withdrawn"), "withdrawn");
    await nixfleet("rollback", "2", "--with-state", "--yes");
    await guest.shutdown(BOOT_TIME);
    guest = await start();
    assert.equal(await line("cat /var/lib/taken/note"), "one");
    assert.match(
      await line("nixfleet status || :"),
      /What persists was taken back; what it was before is the snapshot /,
    );
    const [replaced] = (await asked("state")).slice(-1);
    assert.deepEqual([replaced.generation, replaced.roots], [2, ["/persist"]]);
    assert.equal((await asked("state", "restore", "/var/lib/taken/note", "--from", replaced.name)).length, 1);
    assert.equal(await line("cat /var/lib/taken/note"), "two");
    assert.equal(await line("systemctl --failed --no-legend --plain"), "");
  });

  test("it pulls what is published from a plain web server, cut off at random bytes, and goes on", async (t) => {
    await using folder = await temporaryFolder();
    const repository = join(folder.path, "repository");
    const fleet = (...args: string[]) => run("bin/nixfleet", args, { cwd: PACKAGE_ROOT });
    const publish = async (module: object) => {
      const said = await fleet(
        "--fleet",
        await fleetFile(folder.path, module),
        "publish",
        "tested",
        "--to",
        repository,
      );
      return said.trim();
    };
    const former = await publish(declaredLater);
    const pulled = await publish(withNoise(declaredLater));
    const gc = ["gc", "--repository", repository, "--keep-per-host", "1"];
    const unneeded = await fleet(...gc, "--dry-run");
    assert.ok(unneeded.includes(`would delete ${basename(former)}\n`), unneeded);
    assert.equal(await fleet(...gc), unneeded.replaceAll("would delete", "deleted"));

    const random = seeded(SEED);
    t.diagnostic(`NIXFLEET_SEED=${SEED}`);
    await using site = await mirror(repository, (path, response, content, request) => {
      const file = join(repository, path);
      if (!existsSync(file)) return false;
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const rest = content().subarray(start);
      const some = rest.subarray(0, random.below(NOISE / 2));
      if (some.length === rest.length) return false;
      const [size, end] = [start + rest.length, start + rest.length - 1];
      const range = start > 0 ? { "content-range": `bytes ${start}-${end}/${size}` } : {};
      response.writeHead(start > 0 ? 206 : 200, { "content-length": rest.length, ...range });
      site.sent += some.length;
      response.write(some, () => response.destroy());
      return true;
    });
    const url = site.url.replace("127.0.0.1", "10.0.2.2"); // of this machine, as QEMU's guests call it
    let runs = 0;
    for (let code = "75"; code === "75"; runs++) {
      assert.ok(runs < 50);
      code = await line(`nixfleet pull ${pulled} ${url} >&2 && echo 0 || echo $?`);
      assert.match(code, /^(0|75)$/);
      assert.equal(await line(`[ -e ${pulled} ] && echo there || echo none`), code === "0" ? "there" : "none");
    }
    t.diagnostic(`${runs} runs, ${site.sent} bytes`);
    // No answer has as much as the noise needs: a pull that began anew each time would never end.
    assert.ok(runs > 1, `${runs} runs`);
    const [newest] = await listed();
    await guest.ssh(`nixfleet verify && nixfleet add-generation ${pulled}`);
    assert.equal((await listed())[0]?.[0], Number(newest?.[0]) + 1);
    // A declared text ends with a line's end.
    assert.equal(await line(`wc -c <${pulled}/root/etc/noise`), `${NOISE + 1}`);
  });
});

/** In bytes; it cannot be compressed to less than three quarters. */
const NOISE = 1_200_000;

function withNoise(module: typeof declaredLater) {
  const text = randomBytes((NOISE / 4) * 3).toString("base64");
  return { ...module, environment: { ...module.environment, etc: { ...module.environment.etc, noise: { text } } } };
}

/** A fleet of the host with one module more, beside the lock of the others. */
async function fleetFile(parent: string, module: object): Promise<string> {
  const folder = await mkdtemp(join(parent, "fleet-"));
  await copyFile(join(FLEET_FOLDER, "nixfleet.lock"), join(folder, "nixfleet.lock"));
  const from = (path: string) => JSON.stringify(join(PACKAGE_ROOT, path));
  const lines = [
    `import { mkFleet } from ${from("src/index.ts")};`,
    `import { testedWith } from ${from("test/vm/fleet.ts")};`,
    `export default mkFleet([testedWith(${JSON.stringify(module)})]);`,
  ];
  await writeFile(join(folder, "fleet.ts"), lines.join("\n"));
  return join(folder, "fleet.ts");
}

function said(reason: RegExp) {
  return (error: unknown) => {
    assert.match(error instanceof UserError ? error.text : String(error), reason);
    return true;
  };
}

function firstWords(text: string): string {
  return text
    .split("\n")
    .map((one) => one.split(" ")[0])
    .join(" ");
}
