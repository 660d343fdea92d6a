import assert from "node:assert/strict";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hostTree } from "../../src/audit/host-tree.ts";
import { absentShells, absentUnits } from "../../src/audit/verify/absent.ts";
import { verifyBuilt } from "../../src/audit/verify/verify.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import { hostWith } from "./host.ts";

type Module = Parameters<typeof hostWith>[0];

/** What the programs say of a closure whose /usr is this computer's, so that nothing has to be built. */
async function verified(...modules: Module[]) {
  await using closure = await temporaryFolder();
  const root = join(closure.path, "root");
  for (const folder of ["etc/systemd/system", "usr", "run", "tmp", "proc", "dev"])
    mkdirSync(join(root, folder), { recursive: true });
  for (const name of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(root, name));
  symlinkSync("/usr", join(closure.path, "usr"));
  const host = hostWith(...modules);
  const plan = host.check();
  for (const file of plan.files) {
    if (file.kind === "text" && file.path.startsWith("/etc/systemd/system/"))
      writeFileSync(join(root, file.path), file.text);
  }
  return await verifyBuilt(closure.path, plan, (option) => host.definedAt(option));
}

const skip = process.getuid?.() !== 0 || !existsSync("/usr/bin/systemd-analyze");

test("what systemd would ignore or not find in a built closure is a problem, with the line that declares it", {
  skip,
}, async () => {
  const { problems } = await verified({
    systemd: {
      services: {
        app: {
          serviceConfig: { ExecStart: "/usr/bin/nobody-has-this", ExecStrat: "x", Restart: "perhaps" },
          unitConfig: { Descripton: "x" },
        },
        "each@": { serviceConfig: { ExecStart: "/usr/bin/true", Nicee: 3 } },
      },
      units: { "app.timer": { sections: { Timer: { OnCalender: "daily", OnCalendar: "daily" } } } },
    },
  });
  const said = problems.map(({ what, at }) => {
    assert.ok(at.length > 0 && at.every((place) => /\.ts:\d+$/.test(place)), what);
    return what;
  });
  for (const one of [
    /^app\.service: Unknown key (name )?'ExecStrat' in section (\[|')Service/,
    /^app\.service: Unknown key (name )?'Descripton' in section/,
    /^app\.service: Failed to parse .*perhaps|^app\.service: .*Restart.*perhaps/,
    /^app\.service: Command \/usr\/bin\/nobody-has-this is not executable/,
    /^each@\.service: Unknown key (name )?'Nicee'/,
    /^app\.timer: Unknown key (name )?'OnCalender'/,
  ])
    assert.ok(
      said.some((what) => one.test(what)),
      `${one} is not in\n${said.join("\n")}`,
    );
  assert.equal(said.length, 6, said.join("\n"));
});

test("a shell and a unit that a built closure does not have are problems; what persists, and what is only ordered after, is none", async () => {
  await using closure = await temporaryFolder();
  const folders = ["root/etc/systemd/system", "root/etc/init.d", "usr/bin", "usr/lib/systemd/system"];
  for (const folder of folders) mkdirSync(join(closure.path, folder), { recursive: true });
  for (const file of ["usr/bin/bash", "usr/bin/mine", "root/etc/init.d/old", "usr/lib/systemd/system/getty@.service"])
    writeFileSync(join(closure.path, file), "");
  mkdirSync(join(closure.path, "root/etc/alternatives"));
  symlinkSync("/usr/bin/mine", join(closure.path, "root/etc/alternatives/other"));
  symlinkSync("/etc/alternatives/other", join(closure.path, "usr/bin/other"));
  const run = { serviceConfig: { ExecStart: "/usr/bin/true" } };
  const host = hostWith({
    users: {
      users: {
        alice: { shell: "/usr/local/bin/mine" },
        bob: { shell: "/bin/other" },
        carol: { shell: "/opt/app/shell" },
      },
    },
    environment: { persistence: { "/persist": { directories: ["/opt/app"] } } },
    systemd: {
      services: {
        app: { ...run, requires: ["postgersql.service", "old.service", "getty@tty1.service"], after: ["who.service"] },
        "no-app": { enable: false, requires: ["nobody.service"] },
      },
      units: { "nobody.socket": { wantedBy: ["sockets.target"] } },
    },
  });
  writeFileSync(join(closure.path, "usr/lib/systemd/system/postgresql.service"), "");
  writeFileSync(join(closure.path, "usr/lib/systemd/system/sockets.target"), "");
  const tree = hostTree(closure.path);
  const declared = new Set(["alice", "bob", "carol"]);
  const plan = host.plan();
  const users = { ...plan.users, users: plan.users.users.filter(({ name }) => declared.has(name)) };
  const { app, "no-app": noApp } = host.config.systemd.services;
  const systemd = {
    services: { app, "no-app": noApp },
    units: { "nobody.socket": host.config.systemd.units["nobody.socket"] },
  };
  const found = [...absentShells(tree, { ...plan, users }), ...absentUnits(tree, { systemd } as never)];
  assert.deepEqual(
    found.map(({ what, fix, option = [] }) => [
      what.split(": ")[0],
      /did you mean (\S+)\?/.exec(fix)?.[1],
      host.definedAt(option).length,
    ]),
    [
      ["users.users.alice.shell", undefined, 1],
      ["systemd.services.app.requires", "postgresql.service", 1],
      ["systemd.units.nobody.socket", undefined, 1],
    ],
  );
});

test("nothing is said of what is right, nor of programs that persist on the host", { skip }, async () => {
  const { problems, warnings } = await verified({
    environment: { persistence: { "/persist": { directories: ["/opt/app"] } } },
    systemd: {
      services: {
        app: { wantedBy: ["multi-user.target"], serviceConfig: { ExecStart: "/usr/bin/env true", Restart: "always" } },
        mine: { serviceConfig: { ExecStart: "/opt/app/run" } },
      },
    },
  });
  assert.deepEqual([problems, warnings], [[], []]);
});
