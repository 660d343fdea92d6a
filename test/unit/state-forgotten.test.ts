import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { forgottenState } from "../../src/audit/forgotten.ts";
import { hostTree } from "../../src/audit/host-tree.ts";
import { misplacedState, misplacedText } from "../../src/audit/misplaced.ts";
import { enabledUnits } from "../../src/audit/units.ts";
import { cachesText, unmentionedText } from "../../src/cli/forgotten.ts";
import { temporaryFolder } from "../../src/local/resources.ts";
import type { PersistencePlan } from "../../src/plan/persistence-plan.ts";
import { planWith } from "./host.ts";

const LIB = "/usr/lib/systemd/system";
const ETC = "/etc/systemd/system";
const WANTS = `${ETC}/multi-user.target.wants`;

/** Text of a file, or the target of a link as `→ target`, by path on the host. */
type Files = Readonly<Record<string, string>>;

async function closureOf(files: Files) {
  const folder = await temporaryFolder();
  const all = {
    "/etc/passwd": "root:x:0:0::/root:\nweb:x:120:120::/var/lib/web-home:\nalice:x:1000:1000::/var/lib/alice:\n",
    "/var/lib/dpkg/status": "Package: cron\n\nPackage: cron-common\nSource: cron (3)\n",
    [`${LIB}/multi-user.target`]: "[Unit]\n",
    [`${ETC}/default.target`]: `→ ${LIB}/multi-user.target`,
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    const place = join(folder.path, path.startsWith("/usr/") ? "" : "root", path);
    mkdirSync(dirname(place), { recursive: true });
    if (text.startsWith("→ ")) symlinkSync(text.slice(2), place);
    else writeFileSync(place, text);
  }
  return folder;
}

async function namesOf(files: Files): Promise<string[]> {
  await using closure = await closureOf(files);
  return enabledUnits(hostTree(closure.path))
    .map(({ name }) => name)
    .filter((name) => name.endsWith(".service"));
}

const service = (settings = "ExecStart=/bin/x") => `[Service]\n${settings}\n`;

const enabled: readonly (readonly [what: string, files: Files, names: readonly string[]])[] = [
  ["a unit that nothing wants does not run", { [`${LIB}/a.service`]: service() }, []],
  [
    "a wanted unit runs",
    { [`${LIB}/a.service`]: service(), [`${WANTS}/a.service`]: `→ ${LIB}/a.service` },
    ["a.service"],
  ],
  [
    "a unit that its package wants runs",
    { [`${LIB}/a.service`]: service(), [`${LIB}/multi-user.target.wants/a.service`]: "→ ../a.service" },
    ["a.service"],
  ],
  [
    "a masked unit does not run, nor what only it wants",
    {
      [`${LIB}/a.service`]: "[Unit]\nWants=b.service\n",
      [`${LIB}/b.service`]: service(),
      [`${ETC}/a.service`]: "→ /dev/null",
      [`${WANTS}/a.service`]: `→ ${LIB}/a.service`,
      [`${ETC}/a.service.wants/b.service`]: `→ ${LIB}/b.service`,
    },
    [],
  ],
  [
    "an alias is the unit that it stands for, once",
    {
      [`${LIB}/ssh.service`]: service(),
      [`${ETC}/sshd.service`]: `→ ${LIB}/ssh.service`,
      [`${WANTS}/sshd.service`]: `→ ${LIB}/ssh.service`,
      [`${WANTS}/ssh.service`]: `→ ${LIB}/ssh.service`,
    },
    ["ssh.service"],
  ],
  [
    "an instance is of its template",
    { [`${LIB}/db@.service`]: service(), [`${WANTS}/db@main.service`]: `→ ${LIB}/db@.service` },
    ["db@main.service"],
  ],
  [
    "a socket, a timer and a path start their services",
    {
      [`${LIB}/a.socket`]: "[Socket]\n",
      [`${LIB}/a.service`]: service(),
      [`${LIB}/b.timer`]: "[Timer]\nUnit=other.service\n",
      [`${LIB}/other.service`]: service(),
      [`${LIB}/c.path`]: "[Path]\n",
      [`${LIB}/c.service`]: service(),
      [`${LIB}/d.socket`]: "[Socket]\nAccept=yes\n",
      [`${LIB}/d@.service`]: service(),
      ...Object.fromEntries(
        ["a.socket", "b.timer", "c.path", "d.socket"].map((one) => [`${WANTS}/${one}`, `→ ${LIB}/${one}`]),
      ),
    },
    ["a.service", "c.service", "d@.service", "other.service"],
  ],
  [
    "D-Bus starts services",
    {
      [`${LIB}/fw.service`]: service(),
      "/usr/share/dbus-1/system-services/fw.service": "[D-BUS Service]\nName=org.fw\nSystemdService=fw.service\n",
    },
    ["fw.service"],
  ],
  [
    "what runs in the initrd only is not the host's",
    { [`${LIB}/a.service`]: service(), [`${LIB}/initrd.target.wants/a.service`]: "→ ../a.service" },
    [],
  ],
  [
    "units that want each other come to an end",
    {
      [`${LIB}/a.service`]: "[Unit]\nRequires=b.service\n",
      [`${LIB}/b.service`]: "[Unit]\nWants=a.service missing.service\n",
      [`${WANTS}/a.service`]: `→ ${LIB}/a.service`,
    },
    ["a.service", "b.service"],
  ],
];
for (const [what, files, names] of enabled) {
  test(what, async () => assert.deepEqual(await namesOf(files), names));
}

const wanted = (name: string, text: string, more: Files = {}): Files => ({
  [`${LIB}/${name}`]: text,
  [`${WANTS}/${name}`]: `→ ${LIB}/${name}`,
  ...more,
});
const shipping = (name: string, ...paths: readonly string[]): Files => ({
  [`/var/lib/dpkg/info/${name}.list`]: `/.\n${paths.join("\n")}\n`,
});

const forgets: readonly (readonly [what: string, files: Files, paths: readonly string[]])[] = [
  [
    "directories of the unit",
    wanted("a.service", service("StateDirectory=a b/c:alias\nLogsDirectory=a\nCacheDirectory=a\nRuntimeDirectory=a")),
    ["/var/cache/a", "/var/lib/a", "/var/lib/b/c", "/var/log/a"],
  ],
  [
    "those of a drop-in",
    wanted("a.service", service(), { [`${ETC}/a.service.d/x.conf`]: service("StateDirectory=a") }),
    ["/var/lib/a"],
  ],
  [
    "not those that a drop-in takes back",
    wanted("a.service", service("StateDirectory=a"), { [`${ETC}/a.service.d/x.conf`]: service("StateDirectory=") }),
    [],
  ],
  [
    "not those of a drop-in that is masked",
    wanted("a.service", service(), {
      [`${LIB}/a.service.d/x.conf`]: service("StateDirectory=a"),
      [`${ETC}/a.service.d/x.conf`]: "→ /dev/null",
    }),
    [],
  ],
  [
    "those of a template's drop-in, for its instance",
    wanted("db@.service", service(), {
      [`${WANTS}/db@main.service`]: `→ ${LIB}/db@.service`,
      [`${LIB}/db@.service.d/x.conf`]: service("StateDirectory=db/%i"),
    }),
    ["/var/lib/db"],
  ],
  [
    "where systemd has those of a dynamic user",
    wanted("a.service", service("DynamicUser=yes\nStateDirectory=a")),
    ["/var/lib/private/a"],
  ],
  ["the home of its system user", wanted("a.service", service("User=web")), ["/var/lib/web-home"]],
  ["no person's home", wanted("a.service", service("User=alice")), []],
  [
    "what it may write to and where it works",
    wanted("a.service", service("ReadWritePaths=-/var/lib/a /run/a /etc\nWorkingDirectory=-/srv/a")),
    ["/srv/a", "/var/lib/a"],
  ],
  [
    "what tmpfiles.d of its package makes and keeps",
    wanted("a.service", service(), {
      ...shipping("a", `${LIB}/a.service`, "/usr/lib/tmpfiles.d/a.conf", "/usr/lib/tmpfiles.d/b.conf"),
      "/usr/lib/tmpfiles.d/a.conf":
        'd /var/lib/a 0755\nd! "/var/spool/a b"\nD /var/lib/emptied\nr /var/lib/gone\nd /run/a\nd /var/lib/c/%m\n',
      "/usr/lib/tmpfiles.d/b.conf": "d /var/lib/b\n",
      "/etc/tmpfiles.d/b.conf": "d /var/lib/instead\n",
    }),
    ["/var/lib/a", "/var/lib/c", "/var/lib/instead", "/var/spool/a b"],
  ],
  [
    "folders in its package, and in one of the same source that has no service",
    wanted("cron.service", service(), {
      ...shipping("cron", "/lib/systemd/system/cron.service", "/var/lib", "/var/lib/cron"),
      ...shipping("cron-common", "/var/spool/cron", "/var/spool/cron/crontabs"),
      ...shipping("other", "/var/lib/other"),
    }),
    ["/var/lib/cron", "/var/spool/cron"],
  ],
  [
    "nothing temporary, and nothing of the package manager",
    wanted("a.service", service("ReadWritePaths=/var/tmp/a /var/run/a /var/lock /var/lib/apt /var/lib /var/log")),
    [],
  ],
];
for (const [what, files, paths] of forgets) {
  test(`a service forgets ${what}`, async () => {
    await using closure = await closureOf(files);
    const found = forgottenState(closure.path, NOTHING, []);
    assert.deepEqual(found.map(({ path }) => path).sort(), paths);
  });
}

const NOTHING: PersistencePlan = { ...planWith().persistence, entries: [] };

function persisting(...directories: string[]): PersistencePlan {
  const { entries, ...rest } = planWith({ environment: { persistence: { "/persist": { directories } } } }).persistence;
  return { ...rest, entries: entries.filter(({ path }) => directories.includes(path)) };
}

test("what persists, or may go, is not forgotten; what is above an entry of it is, unless it is a mere folder", async () => {
  await using closure = await closureOf(
    wanted("a.service", service("StateDirectory=a"), shipping("a", `${LIB}/a.service`, "/var/spool/a")),
  );
  const paths = (plan: PersistencePlan, ephemeral: readonly string[] = []) =>
    forgottenState(closure.path, plan, ephemeral).map(({ path }) => path);
  assert.deepEqual(paths(NOTHING), ["/var/lib/a", "/var/spool/a"]);
  assert.deepEqual(paths(persisting("/var/lib/a", "/var/spool/a")), []);
  assert.deepEqual(paths(persisting("/var/lib/a"), ["/var/spool"]), []);
  assert.deepEqual(paths(persisting("/var/lib/a/part", "/var/spool/a/part")), ["/var/lib/a"]);
  assert.deepEqual(paths(persisting("/var/lib/ab"), ["/var/spool/a-b"]), ["/var/lib/a", "/var/spool/a"]);
});

test("what to paste makes it belong to whom it should, and says which service wants it and why", async () => {
  await using closure = await closureOf({
    ...wanted("dynamic.service", service("DynamicUser=yes\nStateDirectory=d")),
    ...wanted(
      "home.service",
      service("User=web\nWorkingDirectory=/var/lib/shipped\nStateDirectory=made\nCacheDirectory=c"),
    ),
    "/var/lib/shipped/file": "",
  });
  const found = forgottenState(closure.path, NOTHING, []);
  assert.equal(
    unmentionedText(found),
    `services lose state at the next boot that is neither persisted nor declared ephemeral
  to keep state, persist it:
    environment: { persistence: { "/persist": { directories: [
      // dynamic.service
      "/var/lib/private/d", // StateDirectory=
      // home.service
      "/var/lib/made", // StateDirectory=
      "/var/lib/shipped", // WorkingDirectory=
      { directory: "/var/lib/web-home", user: "web", mode: "0750" }, // home of web
    ] } } },
  to lose the rest at every boot, mark it ephemeral:
    nixfleet: { impermanence: { ephemeral: ["/var/lib/private/d", "/var/lib/made", "/var/lib/shipped", "/var/lib/web-home"] } },`,
  );
  assert.equal(cachesText(found), "caches that are recreated after each boot: /var/cache/c (home.service)");
  assert.equal(cachesText([]), null);
});

test("an entry where a service with DynamicUser= wants a link is told, with the path that works", async () => {
  await using closure = await closureOf({
    ...wanted("a.service", service('DynamicUser=yes\nStateDirectory="a" b/c:d\nLogsDirectory=a')),
    ...wanted("fixed.service", service("StateDirectory=fixed")),
  });
  const paths = ["/var/lib/a", "/var/lib/b/c", "/var/log/a", "/var/lib/fixed"];
  const found = misplacedState(closure.path, persisting(...paths));
  assert.deepEqual(
    found.map(({ path, works }) => [path, works]),
    [
      ["/var/lib/a", "/var/lib/private/a"],
      ["/var/lib/b/c", "/var/lib/private/b/c"],
      ["/var/log/a", "/var/log/private/a"],
    ],
  );
  assert.match(
    found.map(misplacedText).join("\n"),
    /^a\.service has DynamicUser=.*persist "\/var\/lib\/private\/a" instead \(declared at/,
  );
  assert.deepEqual(misplacedState(closure.path, persisting(...found.map(({ works }) => works))), []);
});
