import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { UserError } from "../../src/errors.ts";
import {
  defineModule,
  diskoTemplates,
  mkEnableOption,
  mkFleet,
  mkForce,
  mkHost,
  mkIf,
  roles,
} from "../../src/index.ts";
import { hostWith, planWith } from "./host.ts";

const declaration = { hostName: "a", platform: "x86_64-linux", modules: [] } as const;

test("a host's name is an RFC 1123 label", () => {
  for (const good of ["a", "A1", "a-b", "0", "x".repeat(63)]) mkHost({ ...declaration, hostName: good });
  for (const bad of ["", "-a", "a-", "a.b", "a_b", "a b", "ä", "a\n", "x".repeat(64)]) {
    assert.throws(() => mkHost({ ...declaration, hostName: bad }), /is not a host name/, JSON.stringify(bad));
  }
});

test("an unknown platform is an error with the nearest known one and the place", () => {
  assert.throws(
    // @ts-expect-error the compiler says it too
    () => mkHost({ ...declaration, platform: "x86-linux" }),
    (error) =>
      error instanceof UserError &&
      /did you mean x86_64-linux/.test(error.text) &&
      /fleet\.test\.ts:\d+/.test(error.text),
  );
});

test("two hosts of one name are an error that names both places, whatever their case", () => {
  assert.throws(
    () => mkFleet([mkHost(declaration), mkHost({ ...declaration, hostName: "A" })]),
    (error) => error instanceof UserError && (error.text.match(/fleet\.test\.ts:\d+/g) ?? []).length === 2,
  );
});

test("hostSpec gives defaults that modules override, but not the host's name", () => {
  const host = mkHost({
    ...declaration,
    hostSpec: { timeZone: "Europe/Paris" },
    modules: [{ hostSpec: { timeZone: "Asia/Tokyo" } }],
  });
  assert.equal(host.config.hostSpec.timeZone, "Asia/Tokyo");
  const renamed = mkHost({ ...declaration, modules: [{ hostSpec: { hostName: mkForce("b") } }] });
  assert.throws(() => renamed.config.hostSpec.hostName, /read-only/);
  // @ts-expect-error the compiler says it too
  assert.throws(() => mkHost({ ...declaration, hostSpec: { hostName: "b" } }), /hostSpec cannot set hostName/);
});

test("a time zone that does not exist is an error", () => {
  assert.throws(() => planWith({ hostSpec: { timeZone: "Europe/Pariss" } }), /no time zone Europe\/Pariss/);
});

test("a failing assertion stops the plan, with its message and place", () => {
  const broken = hostWith({ assertions: [{ assertion: false, message: "no way" }] });
  assert.throws(
    () => broken.plan(),
    (error) => error instanceof UserError && /^no way\n +at .*\.ts:\d+$/.test(error.text),
  );
});

test("the module of the page works as it is written there", () => {
  const editor = defineModule({
    options: { programs: { myEditor: { enable: mkEnableOption("ed") } } },
    config: mkIf(({ programs }) => programs.myEditor.enable, {
      environment: { systemPackages: ["ed"] },
      home: {
        persistence: {
          "/persist": mkIf(({ nixfleet }) => nixfleet.impermanence.enable, { directories: [".config/ed"] }),
        },
      },
    }),
  });
  const on = planWith(
    editor,
    defineModule({ imports: [editor], config: { programs: { myEditor: { enable: true } } } }),
  );
  assert.ok(on.packages.packages.includes("ed"));
  assert.ok(on.persistence.entries.some(({ path }) => path === "/home/alice/.config/ed"));
  assert.ok(!planWith(editor).packages.packages.includes("ed"));
});

test("a role only sets defaults: a host may say otherwise", () => {
  assert.ok(planWith(roles.workstation).packages.packages.includes("firefox-esr"));
  assert.ok(
    !planWith(roles.workstation, { programs: { firefox: { enable: false } } }).packages.packages.includes(
      "firefox-esr",
    ),
  );
});

test("users have the names and ids that people give them, but for ids that are nobody's to give", () => {
  const named = (uid: number) => planWith({ users: { users: { "Anna.Maria-2": { uid } } } }).users;
  const { users, groups } = named(1_200_001);
  assert.ok(
    users.some(({ name, uid, home }) => name === "Anna.Maria-2" && uid === 1_200_001 && home === "/home/Anna.Maria-2"),
  );
  assert.ok(groups.some(({ name, gid }) => name === "Anna.Maria-2" && gid === 1_200_001));
  assert.ok(named(60_000).users.length > 0);
  for (const uid of [61_184, 65_519, 65_534, 65_535]) assert.throws(() => named(uid), /cannot have the id/, `${uid}`);
  for (const name of ["", "1a", "a:b", "a/b", "a b", ".a", "-a", "a\nb"]) {
    assert.throws(() => planWith({ users: { users: { [name]: {} } } }), UserError, JSON.stringify(name));
  }
});

test("ids depend on the account's own name alone", () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{3,8}$/), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(names, ([first = "x", ...others]) => {
      const users = (list: readonly string[]) => Object.fromEntries(list.map((name) => [name, {}]));
      const alone = planWith({ users: { users: users([first]) } }).users.users.find(({ name }) => name === first);
      let together: typeof alone;
      try {
        together = planWith({ users: { users: users([...others, first]) } }).users.users.find(
          ({ name }) => name === first,
        );
      } catch (error) {
        assert.ok(error instanceof UserError && /same id/.test(error.text));
        return;
      }
      assert.deepEqual(together, alone);
    }),
    { numRuns: 50 },
  );
});

test("two accounts with one id are an error that says what to write", () => {
  const module = { users: { users: { bob: { uid: 1000 } } } };
  assert.throws(
    () => planWith(module),
    (error) => error instanceof UserError && /users\.users\.bob\.uid/.test(error.text),
  );
});

test("a host without a disk layout, or an ephemeral root without @root, is told what to add", () => {
  assert.throws(() => mkHost(declaration).plan(), /nothing|no disk/);
  const plain = mkHost({ ...declaration, modules: [diskoTemplates.btrfs({ disk: "/dev/vda" })] });
  assert.equal(plain.plan().wipe, null);
});

test("the plan is plain JSON, and the same every time", () => {
  const plan = planWith(roles.workstation, roles.server);
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan);
  assert.equal(JSON.stringify(planWith(roles.workstation, roles.server)), JSON.stringify(plan));
});
