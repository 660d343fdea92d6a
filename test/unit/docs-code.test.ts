/** What the documentation shows of TypeScript compiles, and makes the hosts that it says. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { loadFleet } from "../../src/cli/load-fleet.ts";
import { PACKAGE_ROOT } from "../../src/cli/output.ts";
import { run } from "../../src/machine/process.ts";
import { planWith } from "./host.ts";

const PAGES = ["install", "scopes", "from-impermanence", "from-preservation"];

interface Snippet {
  readonly page: string;
  readonly text: string;
  readonly file: string;
}

let folder: string;
let snippets: readonly Snippet[];

before(() => {
  // Within the project, where "nixfleet" is known.
  mkdirSync(join(PACKAGE_ROOT, ".nixfleet"), { recursive: true });
  folder = mkdtempSync(join(PACKAGE_ROOT, ".nixfleet", "docs-"));
  snippets = PAGES.flatMap((page) =>
    blocksOf(page, "ts").map((text, index) => ({ page, text, file: join(folder, `${page}-${index}.ts`) })),
  );
  for (const { file, text } of snippets) writeFileSync(file, text);
  const config = { extends: "../../tsconfig.json", compilerOptions: { noUnusedLocals: false }, include: ["."] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
});
after(() => rmSync(folder, { recursive: true }));

test("every piece of TypeScript on these pages compiles", async () => {
  assert.ok(snippets.length >= 4);
  await run(join(PACKAGE_ROOT, "node_modules", ".bin", "tsc"), ["--project", folder]);
});

test("every fleet on these pages evaluates, without a warning", async () => {
  for (const { file } of snippets.filter(({ text }) => text.includes("export default"))) {
    const { fleet } = await loadFleet(file);
    for (const host of fleet.hosts.values()) {
      host.plan();
      assert.deepEqual(host.warnings, [], file);
    }
  }
});

test("the scope of docs/scopes.md is inert until enabled, and then has its packages and its state", async () => {
  const { radicale = {} } = await moduleOf("scopes", "radicale");
  assert.deepEqual(planWith(radicale), planWith());
  const enabled: object = { services: { radicale: { enable: true } } };
  const on = planWith(radicale, enabled);
  assert.ok(on.packages.packages.includes("radicale"));
  assert.ok(on.persistence.entries.some(({ path }) => path === "/var/lib/radicale"));
});

for (const page of ["from-impermanence", "from-preservation"]) {
  test(`docs/${page}.md: what the NixOS host persists, the other does too`, async () => {
    const [nix = ""] = blocksOf(page, "nix");
    const snippet = snippets.find((one) => one.page === page);
    const { fleet } = await loadFleet(snippet?.file ?? "");
    const entries = [...fleet.hosts.values()].flatMap((host) => host.plan().persistence.entries);
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
  const text = readFileSync(join(PACKAGE_ROOT, "docs", `${page}.md`), "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, code = ""]) => code);
}

async function moduleOf(page: string, name: string): Promise<Record<string, object>> {
  const snippet = snippets.find((one) => one.page === page && one.text.includes(`export const ${name}`));
  return import(pathToFileURL(snippet?.file ?? "").href);
}
