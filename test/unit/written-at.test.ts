import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadFleet } from "../../src/deploy/load-fleet.ts";
import { ProblemsError } from "../../src/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "written-at-"));
after(() => rmSync(folder, { recursive: true }));

interface Case {
  /** The host's modules. */
  readonly modules: string;
  /** What stands before the fleet. */
  readonly before?: string;
  readonly files?: Readonly<Record<string, string>>;
}

/** Places, and the lines that end with `// wrong`: those are the ones that errors have to name. */
async function placesOf(name: string, { modules, before = "", files = {} }: Case) {
  const text = `import { defineModule, diskoTemplates, mkFleet, mkForce, mkHost, mkIf, mkMerge } from "nixfleet";
${before}
export default mkFleet([
  mkHost({ // host
    hostName: "h",
    platform: "x86_64-linux",
    modules: [
      diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
      ${modules}
    ] as any,
  }),
]);
`;
  const at = join(folder, name.replaceAll(" ", "-"));
  const all = { "fleet.ts": text, ...files };
  mkdirSync(at, { recursive: true });
  for (const [file, content] of Object.entries(all)) writeFileSync(join(at, file), content);
  const { fleet } = await loadFleet(join(at, "fleet.ts"));
  let places: string[] = [];
  try {
    fleet.hosts.get("h")?.check();
  } catch (error) {
    assert.ok(error instanceof ProblemsError, `${error}`);
    places = error.problems.flatMap((problem) => problem.at.map((place) => place.replace(`${at}/`, "")));
  }
  const marked = (mark: string) =>
    Object.entries(all).flatMap(([file, content]) =>
      content.split("\n").flatMap((line, index) => (line.endsWith(`// ${mark}`) ? [`${file}:${index + 1}`] : [])),
    );
  return { places: places.sort(), wrong: marked("wrong").sort(), host: marked("host") };
}

const found: Readonly<Record<string, Case>> = {
  "a misspelled name": { modules: "{\n boot: {\n  kernelParms: [], // wrong\n } }" },
  "every mistake of a host": {
    modules: `{
      boot: {
        kernelParms: [], // wrong
        kernelParams: ["quiet", 3, // wrong
          "a b", // wrong
        ],
      },
    },
    { networking: {
        useDHCP: "yes", // wrong
    } },
    { users: { users: {
        alice: { uid: "x" }, // wrong
        bob: { shel: "/bin/sh" } } } }, // wrong`,
  },
  "elements that are merged from two modules": {
    modules: `{ environment: { systemPackages: ["vim", "htop"] } },
    { environment: { systemPackages: [
      "tmux",
      "Vim", // wrong
    ] } }`,
  },
  "what only a plan finds": {
    modules: `{
      hostSpec: {
        timeZone: "Europe/Pariss", // wrong
      },
      environment: { etc: {
        "a//b": { text: "" }, // wrong
        c: {}, // wrong
      } },
      users: { users: { carol: {
        uid: 65534, // wrong
      } } } }`,
  },
  "an entry": {
    modules: `{ environment: { persistence: { "/persist": { directories: [
      "/srv/a",
      "/proc/b", // wrong
      { directory: "/srv/c",
        user: 7, // wrong
      },
    ] } } } }`,
  },
  "an object of an imported file": {
    modules: "hardware,",
    before: 'import { hardware } from "./hardware.ts";',
    files: {
      "hardware.ts":
        "type A = { readonly b: string };\n\nexport const hardware = {\n  boot: {\n    kernelParms: [], // wrong\n  } };",
    },
  },
  "a default export of a file that a file exports on": {
    modules: "...all,",
    before: 'import { modules as all } from "./all.ts";',
    files: {
      "all.ts": 'import one from "./one.ts";\nexport const modules = [{}, one];',
      "one.ts": "export default {\n  boot: { kernelParms: [] }, // wrong\n};",
    },
  },
  "what a function makes": {
    modules: "server(22),",
    before:
      "const server = (port: number) => ({ users: { users: { a: {\n  uid: String(port), // wrong\n } } } });\nfunction other() {}",
  },
  "a function of the configuration": {
    modules:
      "{ users: ({ hostSpec }: any) => ({ users: {\n  [hostSpec.userName]: {\n   extraGroups: [3], // wrong\n } } }) }",
  },
  "a module with its options beside it, and its imports": {
    modules: `defineModule(
      { imports: [ { boot: {
        kernelParms: [] } } ] }, // wrong
      { boot: {
        kernelParams: "quiet" } }, // wrong
    ),
    defineModule({ config: { networking: {
      useDHPC: true } } }), // wrong`,
  },
  "what is under a condition, a priority, or merged": {
    modules: `mkIf(true, { boot: {
      kernelParams: mkMerge([["quiet"], [
        1]]), // wrong
    } }),
    { networking: { useDHCP: mkForce(
      "no") } }, // wrong
    mkIf(({ networking }: any) => true, { hostSpec: {
      locale: "de" } }), // wrong`,
  },
  "what spreads say, the last of them": {
    before: 'const base = { locale: "C.UTF-8", timeZone: "UTC" };\nconst more = { locale: "de" }; // wrong',
    modules: "{ hostSpec: { ...base, ...more } },",
  },
  "a spread that nobody can look into, where nothing else can be it": {
    before: 'const made = JSON.parse(\'{ "locale": "de" }\');',
    modules: '{ hostSpec: {\n  timeZone: "UTC",\n  ...made, // wrong\n } },',
  },
  "what is computed, as far as it is written": {
    before: "const uids = Object.fromEntries([['a', { uid: 'x' }]]);",
    modules: "{ users: {\n users: uids, // wrong\n } },",
  },
};

for (const [what, one] of Object.entries(found)) {
  test(`an error names the line that says it: ${what}`, async () => {
    const { places, wrong } = await placesOf(what, one);
    assert.ok(wrong.length > 0);
    assert.deepEqual(places, wrong);
  });
}

/** Where a person could point at several lines, or at none. */
const uncertain: Readonly<Record<string, Case>> = {
  "a list with a spread before it that nobody can look into": {
    before: "const some = [1, 2].map(() => ({}));",
    modules: '...some,\n { hostSpec: {\n locale: "de" } },',
  },
  "a list that was changed": {
    before:
      'const list: any[] = [{}, { hostSpec: { locale: "C.UTF-8" } }];\nlist.unshift({ hostSpec: { locale: "de" } });',
    modules: "...list,",
  },
  "an object that was changed": {
    before: 'const module: any = { hostSpec: {} };\nmodule.hostSpec.locale = "de";',
    modules: "module,",
  },
  "a value that was changed": {
    before: 'const module: any = { hostSpec: { locale: "C.UTF-8" } };\nmodule.hostSpec.locale = "de";',
    modules: "module,",
  },
};

for (const [what, one] of Object.entries(uncertain)) {
  test(`a line that is not certain is not named: ${what}`, async () => {
    const { places, host } = await placesOf(what, one);
    assert.equal(places.length, 1);
    const [at = ""] = places;
    // The host's own line, that of its list, or of the list's element: all hold it.
    assert.ok(at === host[0] || ["fleet.ts:7", "fleet.ts:9"].includes(at), at);
  });
}

test("a name means what its scope says, not what another calls so", async () => {
  const { places } = await placesOf("shadowed", {
    before: 'const spec = { locale: "C.UTF-8" };\nconst of = (spec: object) => ({\n  hostSpec: spec, // wrong\n});',
    modules: 'of({ locale: "de" }),',
  });
  assert.deepEqual(places, ["fleet.ts:4"]);
});
