/** What README and docs show of TypeScript compiles and evaluates as a reader pastes it, and makes the hosts that it says. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { loadFleet } from "../../src/deploy/load-fleet.ts";
import { ProblemsError } from "../../src/errors.ts";
import type { Host } from "../../src/fleet/mk-host.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { run } from "../../src/local/process.ts";

const PAGES = ["README.md", ...readdirSync(join(PACKAGE_ROOT, "docs")).map((name) => `docs/${name}`)];

const STATE = `{ disko: { devices: { disk: { main: { content: { partitions: { root: { content: { subvolumes: {
  "@state": { mountpoint: "/state" },
} } } } } } } } } }`;

interface Snippet {
  readonly page: string;
  readonly text: string;
  /** A fleet of its own, into which the reader has pasted it. */
  readonly file: string;
}

let folder: string;
let snippets: readonly Snippet[];

before(() => {
  // Within the project, where "nixfleet" is known.
  mkdirSync(join(PACKAGE_ROOT, ".nixfleet"), { recursive: true });
  folder = mkdtempSync(join(PACKAGE_ROOT, ".nixfleet", "docs-"));
  snippets = PAGES.flatMap((page) =>
    blocksOf(page, "ts").map((text, index) => {
      const name = `${page.replace(/\W/g, "-")}-${index}`;
      const own = /^export const (\w+) = defineModule/m.exec(text)?.[1];
      if (own !== undefined) writeFileSync(join(folder, `${name}-module.ts`), text);
      const file = join(folder, `${name}.ts`);
      writeFileSync(file, own === undefined ? pasted(text) : using(own, `./${name}-module.ts`, text));
      return { page, text, file };
    }),
  );
  const config = { extends: "../../tsconfig.fleet.json", include: ["."] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
});
after(() => rmSync(folder, { recursive: true }));

/** A whole fleet stays as it is; a list of modules, a module and what stands in a module go where a reader puts them. */
function pasted(text: string): string {
  if (/^import /m.test(text)) return text;
  const disk = text.includes("disko:") ? "" : 'diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }), ';
  const impermanence = "{ nixfleet: { impermanence: { enable: true } } }";
  // Where the text is of a second persist root, its reader has one.
  const second = text.includes('"/state"') ? `${STATE}, ` : "";
  const own = text.startsWith("{") ? text.trim() : `{ ${text.trim()} }`;
  const modules = text.startsWith("modules:") ? text : `modules: [${disk}${impermanence}, ${second}${own}],`;
  return `import { diskoTemplates, mkFleet, mkHost } from "nixfleet";
export const _ = diskoTemplates;
export default mkFleet([
  mkHost({ hostName: "h", platform: "x86_64-linux", hostSpec: { userName: "alice" }, ${modules} }),
]);
`;
}

/** A fleet with a module of one's own, enabled as docs/modules.md says. */
function using(name: string, file: string, text: string): string {
  const [, option] = /(\w+): \{\s*enable: mkEnableOption/.exec(text) ?? [];
  const config = option === undefined ? "{}" : `{ services: { ${option}: { enable: true } } }`;
  return `import { defineModule, diskoTemplates, mkFleet, mkHost } from "nixfleet";
import { ${name} } from "${file}";
const host = (hostName: string, config: typeof enabled) =>
  mkHost({ hostName, platform: "x86_64-linux", hostSpec: { userName: "alice" }, modules: [
    diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
    { nixfleet: { impermanence: { enable: true } } },
    config,
  ] });
const enabled = defineModule({ imports: [${name}], config: ${config} });
const inert = defineModule({ imports: [${name}] });
const without = defineModule({});
export default mkFleet([host("h", enabled), host("inert", inert as typeof enabled), host("without", without as typeof enabled)]);
`;
}

test("every piece of TypeScript compiles where a reader pastes it, with the settings of a fleet", async () => {
  assert.ok(snippets.length >= 16);
  await run(join(PACKAGE_ROOT, "node_modules", ".bin", "tsc"), ["--noEmit", "--project", folder]);
});

test("every host that they make evaluates, without a warning", async () => {
  for (const { file, text } of snippets.filter((one) => !one.text.includes("= mkOption("))) {
    for (const host of await hostsOf(file)) {
      if (text.includes("assertion: false")) assert.throws(() => host.plan(), ProblemsError, file);
      else {
        host.plan();
        assert.deepEqual(host.warnings, [], file);
      }
    }
  }
});

for (const [page, name, path] of [
  ["docs/scopes.md", "radicale", "/var/lib/radicale"],
  ["README.md", "paperless", "/var/lib/paperless"],
] as const) {
  test(`the module ${name} of ${page} is inert until enabled, and then has its state`, async () => {
    const snippet = snippets.find((one) => one.page === page && one.text.includes(`export const ${name}`));
    const hosts = await hostsOf(snippet?.file ?? "");
    const [on = [], inert, without] = hosts.map((host) => host.plan().persistence.entries.map((entry) => entry.path));
    assert.deepEqual(inert, without);
    assert.ok(on.includes(path));
  });
}

async function hostsOf(file: string): Promise<readonly Host[]> {
  return [...(await loadFleet(file)).fleet.hosts.values()];
}

for (const page of ["from-impermanence", "from-preservation"]) {
  test(`docs/${page}.md: what the NixOS host persists, the other does too`, async () => {
    const [nix = ""] = blocksOf(`docs/${page}.md`, "nix");
    const snippet = snippets.find((one) => one.page === `docs/${page}.md`);
    const entries = (await hostsOf(snippet?.file ?? "")).flatMap((host) => host.plan().persistence.entries);
    const wanted = persistedIn(nix);
    assert.ok(wanted.length > 10);
    for (const path of wanted) {
      const place = path.startsWith("/etc/ssh/ssh_host_") ? "/etc/ssh/host-keys" : path;
      assert.ok(
        entries.some((entry) => entry.path === place || entry.path.endsWith(`/${place}`)),
        path,
      );
    }
  });
}

/** The paths in the lists of a NixOS configuration. */
function persistedIn(nix: string): string[] {
  const bare = nix.replace(/\w*[mM]ountOptions = \[[^\]]*\];/g, "");
  const lists = [...bare.matchAll(/(?:directories|files) = \[([^\]]*)\]/g)].map(([, list = ""]) => list);
  return lists.flatMap((list) =>
    [...list.matchAll(/(?:(directory|file|\w+) = )?"([^"]+)"/g)].flatMap(([, key, text = ""]) =>
      key === undefined || key === "directory" || key === "file" ? [text] : [],
    ),
  );
}

function blocksOf(page: string, language: string): string[] {
  const text = readFileSync(join(PACKAGE_ROOT, page), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, code = ""]) => code);
}
