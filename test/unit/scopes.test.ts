import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { settingsSchema } from "../../src/agent/settings.ts";
import { type Problem, ProblemsError, UserError } from "../../src/errors.ts";
import { diskoTemplates, roles, scopes } from "../../src/index.ts";
import { defineModule, evaluateModules, type ModuleLike } from "../../src/modules/module.ts";
import { callerOf } from "../../src/modules/place.ts";
import { type HostPlan, hostPlan } from "../../src/plan/host.ts";
import { quoted } from "../../src/scopes/fleet/confinement.ts";
import { type SystemConfig, systemOptionTrees } from "../../src/system/options.ts";
import { planWith } from "./host.ts";
import { enabled, switches } from "./scopes-reference.ts";

/** Another persist root than the usual one. */
const OTHER_ROOT = {
  nixfleet: { impermanence: { persistRoot: "/data" } },
  disko: {
    devices: {
      disk: {
        main: {
          content: {
            partitions: {
              root: { content: { subvolumes: { "@data": { mountpoint: "/data", neededForBoot: true } } } },
            },
          },
        },
      },
    },
  },
};

test("a scope does nothing until it is enabled: a host's plan is the same without it", () => {
  const whole = planOfScopes(Object.values(scopes));
  for (const { scope } of switches) {
    const others = Object.entries(scopes).filter(([other]) => other !== scope);
    assert.deepEqual(planOfScopes(others.map(([, module]) => module)), whole, scope);
  }
});

/** The plan of a host with these scopes alone. */
function planOfScopes(modules: readonly ModuleLike[]): HostPlan {
  const place = callerOf(planOfScopes);
  const evaluation = evaluateModules(
    [
      ...systemOptionTrees.map((options) => defineModule({ options })),
      ...modules,
      {
        hostSpec: { hostName: "test", platform: "x86_64-linux", userName: "alice" },
        nixfleet: { impermanence: { enable: true } },
      },
      diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
    ],
    place,
  );
  const problems: Problem[] = [];
  const plan = hostPlan(evaluation.config as SystemConfig, problems);
  if (plan === undefined || problems.length > 0) throw new ProblemsError(problems);
  return plan;
}

for (const { path } of switches) {
  const name = path.join(".");
  describe(name, () => {
    const bare = planWith();
    const own = (plan: HostPlan) =>
      plan.persistence.entries.filter((entry) => !bare.persistence.entries.some((other) => other.path === entry.path));

    test("persists something of its own, each path with its purpose", () => {
      const entries = own(planWith(enabled(path)));
      assert.notEqual(entries.length, 0);
      assert.deepEqual(
        entries.filter(({ purpose }) => purpose === ""),
        [],
      );
    });

    test("persists nothing where the root is not ephemeral", () => {
      const plan = planWith(enabled(path), { nixfleet: { impermanence: { enable: false } } });
      assert.deepEqual(plan.persistence.entries, []);
    });

    test("persists at the persist root that the host has chosen", () => {
      const plan = planWith(enabled(path), OTHER_ROOT);
      for (const { persistRoot, source, path: place } of plan.persistence.entries) {
        assert.equal(persistRoot, "/data", place);
        assert.equal(source, `/data${place}`);
      }
    });
  });
}

test("two scopes that persist the same path have one entry, with both as its declarers", () => {
  const { entries } = planWith({ networking: { networkmanager: { enable: true } } }).persistence;
  const [entry, ...others] = entries.filter(({ path }) => path === "/etc/NetworkManager/system-connections");
  assert.deepEqual(others, []);
  const declarers = entry?.declaredAt.map((place) => /([^/]+)\.ts:\d+$/.exec(place)?.[1]);
  assert.deepEqual(declarers?.sort(), ["impermanence", "networkmanager"]);
});

test("all scopes together make one host", () => {
  const plan = planWith(...switches.map(({ path }) => enabled(path)));
  for (const { path } of switches) assert.notEqual(planWith(enabled(path)).persistence.entries.length, 0);
  assert.ok(plan.persistence.entries.length > 40);
});

const AGENT = { enable: true, controlPlane: "https://x", contentRepositories: ["https://y"] };

const mistakes: readonly (readonly [what: string, module: object, message: RegExp])[] = [
  [
    "an agent without a control plane",
    { services: { "nixfleet-agent": { enable: true } } },
    /services\.nixfleet-agent\.controlPlane is required/,
  ],
  [
    "a health check that is two",
    {
      services: { "nixfleet-agent": AGENT },
      nixfleet: { healthChecks: { shop: { unit: "shop.service", tcp: "localhost:80" } } },
    },
    /nixfleet\.healthChecks\."shop" needs one of unit, url, tcp and command/,
  ],
  [
    "a tag that the control plane would not take",
    { services: { "nixfleet-agent": { ...AGENT, tags: ["web", "Site Berlin"] } } },
    /tags\.1: wanted at most 63 lower-case letters.*got "Site Berlin"\n {2}at .*:\d+/,
  ],
  [
    "more tags than a report carries",
    { services: { "nixfleet-agent": { ...AGENT, tags: Array.from({ length: 51 }, (_, index) => `t${index}`) } } },
    /tags: wanted at most 50 tags, got 51\n {2}at .*:\d+/,
  ],
  [
    "a certificate without its key",
    { services: { nginx: { enable: true, virtualHosts: { a: { sslCertificate: "/persist/a.pem" } } } } },
    /virtualHosts\."a" needs both sslCertificate and sslCertificateKey/,
  ],
  [
    "a certificate got by ACME, its terms not agreed to",
    { services: { nginx: { enable: true, virtualHosts: { a: { enableACME: true } } } } },
    /security\.acme\.acceptTerms/,
  ],
  [
    "Tailscale without an archive that has it",
    { services: { tailscale: { enable: true } } },
    /services\.tailscale: Debian has no package of it; .*nixfleet\.debian\.archive/,
  ],
];

for (const [what, module, message] of mistakes) {
  test(`an error says what to do: ${what}`, () => {
    assert.throws(
      () => planWith(module),
      (error) => error instanceof UserError && message.test(error.text),
    );
  });
}

test("the OpenSSH server takes keys alone, unless a host says otherwise", () => {
  const settings = (...modules: readonly object[]) => {
    const { files } = planWith({ services: { openssh: { enable: true } } }, ...modules);
    const file = files.find(({ path }) => path === "/etc/ssh/sshd_config.d/nixfleet.conf");
    return file?.kind === "text" ? file.text : "";
  };
  assert.match(settings(), /^PermitRootLogin prohibit-password\nPasswordAuthentication no$/m);
  const loose = { services: { openssh: { settings: { PasswordAuthentication: true } } } };
  assert.match(settings(loose), /^PasswordAuthentication yes$/m);
});

test("the arguments of a program in a unit are what they were", () => {
  const given = ["/usr/bin/agent", "a b", 'c"d', "50%", "$HOME", "back\\slash"];
  assert.equal(given.map(quoted).join(" "), '"/usr/bin/agent" "a b" "c\\"d" "50%%" "$$HOME" "back\\\\slash"');
});

/** What a role would say, beside the host. */
const WITH_TAGS = { services: { "nixfleet-agent": { tags: ["web"] } } };

test("the agent reads what is declared, with the checks of the services beside it", () => {
  const fleet = { controlPlane: "https://fleet.test:8443", contentRepositories: ["https://content.test/"] };
  const { files, runtime } = planWith(WITH_TAGS, {
    services: {
      "nixfleet-agent": { enable: true, ...fleet, maintenanceWindow: "22:00-04:30", tags: ["site:berlin", "web"] },
      openssh: { enable: true, ports: [2222] },
      nginx: { enable: true },
    },
    nixfleet: { healthChecks: { shop: { url: "http://localhost:3000/health", failures: 5 } } },
  });
  assert.equal(runtime, true);
  const file = files.find(({ path }) => path === "/etc/nixfleet-agent/settings.json");
  assert.ok(file?.kind === "text");
  const settings = settingsSchema.parse(JSON.parse(file.text));
  assert.deepEqual([...settings.tags].sort(), ["site:berlin", "web"]);
  assert.deepEqual(settings.window, { start: "22:00", end: "04:30" });
  const shown = settings.checks.map(({ name, kind, failures }) => `${name} ${kind} ${failures}`).sort();
  assert.deepEqual(shown, ["nginx systemd 3", "shop http 5", "ssh tcp 3"]);
  assert.equal(planWith().runtime, false);
});

test("a site with a certificate is served by HTTPS, and HTTP leads there", () => {
  const site = { root: "/srv/www", sslCertificate: "/persist/a.pem", sslCertificateKey: "/persist/a.key" };
  const { files } = planWith({ services: { nginx: { enable: true, virtualHosts: { "a.test": site } } } });
  const sites = files.find(({ path }) => path === "/etc/nginx/conf.d/nixfleet.conf");
  assert.ok(sites?.kind === "text");
  assert.match(sites.text, /listen 80;[^}]*server_name a\.test;[^}]*return 301 https/);
  assert.match(sites.text, /listen 443 ssl;[^}]*ssl_certificate \/persist\/a\.pem;/);
});

const ROLES = {
  endpoint: { has: ["network-manager", "firefox-esr", "openssh-server"], lacks: ["bluez"] },
  microvmGuest: { has: ["linux-image-cloud-amd64", "openssh-server"], lacks: ["vim", "network-manager"] },
  server: { has: ["openssh-server", "vim"], lacks: ["network-manager", "firefox-esr"] },
  workstation: { has: ["network-manager", "bluez", "cups", "firefox-esr", "vim"], lacks: ["openssh-server"] },
} as const;

for (const name of Object.keys(ROLES) as (keyof typeof ROLES)[]) {
  test(`the role ${name} enables what it is for, and a host may say otherwise`, () => {
    const { packages } = planWith(roles[name]).packages;
    const { has, lacks } = ROLES[name];
    for (const wanted of has) assert.ok(packages.includes(wanted), wanted);
    for (const other of lacks) assert.ok(!packages.includes(other), other);
    const without = planWith(roles[name], {
      services: { openssh: { enable: false } },
      programs: { firefox: { enable: false } },
    });
    for (const gone of ["openssh-server", "firefox-esr"]) assert.ok(!without.packages.packages.includes(gone), gone);
  });
}

test("the user of an endpoint is no administrator", () => {
  const sudoers = (module: (typeof roles)[keyof typeof roles]) =>
    planWith(module).users.groups.find(({ name }) => name === "sudo")?.members ?? [];
  assert.deepEqual(sudoers(roles.endpoint), []);
  assert.deepEqual(sudoers(roles.workstation), ["alice"]);
});
