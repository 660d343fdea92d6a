/** A running host is switched to what is declared now, by ssh, and boots into it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { planOf } from "../../src/cli/load-fleet.ts";
import { PACKAGE_ROOT } from "../../src/cli/output.ts";
import type { Closure } from "../../src/closure/closure.ts";
import { buildHost } from "../../src/deploy/build.ts";
import { provideImage } from "../../src/deploy/image.ts";
import { switching } from "../../src/deploy/switch.ts";
import { targetHost } from "../../src/deploy/target-host.ts";
import { bareMachine } from "../../src/deploy/vm.ts";
import { GIB } from "../../src/layout/size.ts";
import { run } from "../../src/machine/process.ts";
import { temporaryFolder } from "../../src/machine/resources.ts";
import { UserError } from "../../src/modules/errors.ts";
import { bootMachine } from "../../src/vm/boot.ts";
import { uefiFirmware } from "../../src/vm/firmware.ts";
import type { Machine } from "../../src/vm/machine.ts";
import { comesUp } from "./booting.ts";
import { testedWith } from "./fleet.ts";

const BOOT_TIME = 300_000;
const fleetFolder = join(PACKAGE_ROOT, "examples", "standalone");

const former = planOf(
  testedWith({
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
      },
    },
  }),
  fleetFolder,
);

const latter = planOf(
  testedWith({
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
      },
    },
  }),
  fleetFolder,
);

describe("nixfleet switch", () => {
  const stack = new AsyncDisposableStack();
  let guest: Machine;
  let start: () => Promise<Machine>;
  let closure: Closure;

  before(async () => {
    const scratch = stack.use(await temporaryFolder());
    const image = join(scratch.path, "tested.img");
    const first = await buildHost(former, { fleetFolder });
    closure = await buildHost(latter, { fleetFolder });
    await provideImage({ plan: former, closure: first, file: image, size: 8 * GIB });
    const firmware = await uefiFirmware(former.platform, join(scratch.path, "variables"));
    start = async () => {
      const machine = await bareMachine(former, join(first.folder, "vmlinuz"), image, firmware);
      return stack.use(await bootMachine(machine, comesUp(BOOT_TIME)));
    };
    guest = await start();
  });
  after(() => stack.disposeAsync());

  const line = async (command: string) => (await guest.ssh(command)).trim();
  const access = () => ({
    NIXFLEET_SSHOPTS: [
      `-F none -p ${guest.sshPort} -i ${guest.keyFile} -o IdentitiesOnly=yes -o LogLevel=ERROR`,
      "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    ].join(" "),
  });
  const target = () => targetHost("root@127.0.0.1", access());
  /** A command of this project, from here. */
  const nixfleet = (...args: string[]) =>
    run("bin/nixfleet", [...args, "--target-host", "root@127.0.0.1"], { cwd: PACKAGE_ROOT, env: access() });
  const listed = async () =>
    (JSON.parse(await nixfleet("generations", "--json")) as { number: number; runs: boolean; chosen: boolean }[]).map(
      ({ number, runs, chosen }) => [number, runs, chosen],
    );
  const doSwitch = async () => {
    const { perform } = await switching(closure, target());
    const { done, problems } = await perform(() => {});
    return { done: done.join("\n"), problems: problems.join("\n") };
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
    const { done, problems } = await doSwitch();
    assert.match(problems, /\/srv\/busy stays as it is, in use by \d+ \(sleep\)/);
    assert.match(done, /generation 2/);
    await guest.ssh("kill $(cat /run/busy.pid)");
  });

  test("running it again goes on", async () => {
    const { done, problems } = await doSwitch();
    assert.equal(problems, "");
    assert.match(done, /\/srv\/busy is no longer declared; its data stays at \/persist\/srv\/busy/);
  });

  test("newly declared paths have taken what was there to the persist root", async () => {
    for (const path of ["/var/lib/taken", "/var/lib/taken-link", "/home/alice/taken by alice", "/home/alice/.app"])
      assert.equal(await line(`cat '/persist${path}/file' '${path}/file'`), "content\ncontent", path);
    assert.equal(await line("cat /persist/etc/taken.conf /etc/taken.conf"), "content\ncontent");
    assert.equal(await line("readlink /etc/taken.conf /home/alice/.toolrc /var/lib/taken-link | wc -l"), "3");
    assert.equal(await line("stat -c '%U %a' '/persist/home/alice/taken by alice'"), "alice 750");
    assert.equal(await line("cat /home/alice/.app/inner/file"), "kept");
    assert.equal(await line("findmnt -n -o FSROOT -M /var/lib/empty"), "/@persist/var/lib/empty");
    assert.match(await line("mount | grep 'taken by alice'"), /x-gvfs-hide/);
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
    assert.equal(await line("systemctl is-active added dropped || :"), "active\ninactive");
  });

  test("once more, nothing is to be done", async () => {
    const before = await line("cat /proc/self/mountinfo");
    const { plan } = await switching(closure, target());
    assert.deepEqual([plan.placed, plan.unplaced, plan.written, plan.removed, plan.atNextBoot], [[], [], [], [], []]);
    await doSwitch();
    assert.equal(await line("cat /proc/self/mountinfo"), before);
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
    assert.equal(
      await line("cat /var/lib/taken/file /home/alice/.app/inner/file /home/alice/.toolrc"),
      "content\nkept\ncontent",
    );
    assert.equal(await line("systemctl --failed --no-legend --plain"), "");
  });

  test("what no generation needs any more is deleted from here", async () => {
    const both = await line("ls /nix/store | wc -l");
    assert.match(await nixfleet("gc", "--keep", "1"), /^deleted \w{32}-nixfleet-tested\n$/);
    assert.equal(await line("ls /nix/store | wc -l"), String(Number(both) - 1));
    assert.deepEqual(await listed(), [[2, true, false]]);
  });
});

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
