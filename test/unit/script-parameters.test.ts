/** What TypeScript gives to the scripts of hosts, what these say that they take, and what they read, are the same. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { placeParameters } from "../../src/deploy/generation.ts";
import { diskoTemplates, mkHost } from "../../src/index.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { hostFiles } from "../../src/payload/host/files.ts";
import { initrdFiles } from "../../src/payload/initrd/files.ts";
import type { FilePlan } from "../../src/plan/file-plan.ts";
import type { HostPlan } from "../../src/plan/host.ts";
import { planWith } from "./host.ts";

const PAYLOAD = join(PACKAGE_ROOT, "src", "payload");

/** Scripts with a table of what they take, as those that they source have; `optional` has a default, or is for another caller. */
const FAMILIES: readonly {
  readonly script: string;
  readonly given: (plan: HostPlan) => readonly string[];
  readonly optional?: readonly string[];
}[] = [
  { script: "initrd/activate.sh", given: (plan) => namesIn(initrdFiles(plan), "/etc/nixfleet/activate.conf") },
  { script: "initrd/disks.sh", given: (plan) => namesIn(initrdFiles(plan), "/etc/nixfleet/disks.conf") },
  {
    script: "initrd/wipe.sh",
    given: (plan) => namesIn(initrdFiles(plan), "/etc/nixfleet/wipe.conf"),
    // Of `nixfleet wipe`, and defaults.
    optional: ["DEVICE", "CLOSURE_ROOT", "PRUNE", "MOUNTPOINT", "REPORT", "ON_FAILURE"],
  },
  {
    script: "initrd/members.sh",
    given: () => namesIn(initrdFiles(planOf(RAID1, EPHEMERAL)), "/etc/nixfleet/members.conf"),
  },
  { script: "host/generation-store.sh", given: (plan) => namesIn(hostFiles(plan), "/etc/nixfleet/generations.conf") },
  { script: "host/install.sh", given: (plan) => namesIn(hostFiles(plan), "/etc/nixfleet/install.conf") },
  { script: "host/place-host.sh", given: (plan) => namesOf(placeParameters(plan, "/store", "/mnt", "/dev/vda")) },
];

const RAID1 = diskoTemplates.btrfsRaid1Impermanence({ disks: ["/dev/vda", "/dev/vdb"] });
const EPHEMERAL = { nixfleet: { impermanence: { enable: true } } };

function planOf(...modules: Parameters<typeof mkHost>[0]["modules"]): HostPlan {
  return mkHost({ hostName: "test", platform: "x86_64-linux", hostSpec: { userName: "alice" }, modules }).plan();
}

for (const { script, given, optional = [] } of FAMILIES) {
  test(`${script} is given what its table says, reads all of it, and nothing else`, () => {
    const parameters = given(planWith());
    const shared =
      script.startsWith("host/") && script !== "host/generation-store.sh" ? table("host/generation-store.sh") : [];
    const documented = table(script);
    assert.deepEqual(
      documented.filter((name) => !optional.includes(name)).sort(),
      parameters.filter((name) => !optional.includes(name)).sort(),
      "what it is given, and its table",
    );
    const code = codeOf(script);
    const read = new Set([...code.matchAll(/\$\{?([A-Z][A-Z0-9_]+)/g)].map(([, name = ""]) => name));
    assert.deepEqual(
      documented.filter((name) => !read.has(name) && !passedOn(script).includes(`$${name}`)),
      [],
      "in its table, and not read",
    );
    const callers = shared.length === 0 ? "" : codeOf("host/generation-store.sh");
    const set = new Set([...(code + callers).matchAll(/\b([A-Z][A-Z0-9_]+)=/g)].map(([, name = ""]) => name));
    assert.deepEqual(
      [...read].filter(
        (name) => !documented.includes(name) && !shared.includes(name) && !set.has(name) && !hasDefault(code, name),
      ),
      [],
      "read, and not in its table",
    );
  });
}

/** `NAME`, or `NAME, OTHER`, or `NAME or OTHER`, then what it is: in the comments that a script begins with. */
function table(script: string): string[] {
  const names = [script, ...sourced(script)].flatMap((file) =>
    [...comments(file).matchAll(/^# {3}([A-Z][A-Z0-9_]+(?:(?:, | or )[A-Z][A-Z0-9_]+)*) /gm)].flatMap(
      ([, found = ""]) => found.split(/, | or /),
    ),
  );
  return [...new Set(names)];
}

function comments(script: string): string {
  return text(script)
    .split("\n")
    .filter((line) => line.startsWith("#"))
    .join("\n");
}

/** The script with those that it sources, without comments. */
function codeOf(script: string): string {
  return [script, ...sourced(script)]
    .map((file) =>
      text(file)
        .split("\n")
        .filter((line) => !/^\s*#/.test(line))
        .join("\n"),
    )
    .join("\n");
}

/** Those that it runs with the same file of parameters, or that source it. */
function passedOn(script: string): string {
  const ran = [...text(script).matchAll(/^ *sh "\$here\/([\w-]+\.sh)"/gm)].map(([, name]) => `host/${name}`);
  const callers = readdirSync(join(PAYLOAD, "host"))
    .map((name) => `host/${name}`)
    .filter((name) => name.endsWith(".sh") && text(name).includes(`source=src/payload/${script}\n`));
  return [...ran, ...callers].map(codeOf).join("\n");
}

function sourced(script: string): string[] {
  const own = [...text(script).matchAll(/^# shellcheck source=src\/payload\/(\S+)$/gm)].map(([, name = ""]) => name);
  const shared = script === "host/generation-store.sh" ? [] : ["host/generation-store.sh"];
  return own.filter((name) => !shared.includes(name)).flatMap((name) => [name, ...sourced(name)]);
}

function hasDefault(code: string, name: string): boolean {
  return code.includes(`\${${name}:-`);
}

function text(script: string): string {
  return readFileSync(join(PAYLOAD, script), "utf8");
}

function namesIn(files: readonly FilePlan[], path: string): string[] {
  const file = files.find((one) => one.path === path);
  return file?.kind === "text" ? namesOf(file.text) : [];
}

function namesOf(parameters: string): string[] {
  return [...parameters.matchAll(/^([A-Z][A-Z0-9_]+)='/gm)].map(([, name = ""]) => name);
}
