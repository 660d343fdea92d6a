/** Commands and the code of the user's that they run: whatever it does, Ctrl-C and SIGTERM end it, and a command ends by itself. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryFolder } from "../../src/local/resources.ts";
import { CTRL_C, onTerminal } from "../terminal.ts";

const NIXFLEET = join(import.meta.dirname, "..", "..", "bin", "nixfleet");

const fleet = (before: string, within = "", after = "") => `
import { writeFileSync } from "node:fs";
import { diskoTemplates, mkFleet, mkHost } from "nixfleet";
const begun = () => writeFileSync("begun", "");
${before}
const hosts = mkFleet([
  mkHost({ hostName: "h", platform: "x86_64-linux", modules: [
    diskoTemplates.btrfsImpermanence({ disk: "/dev/vda" }),
    ${within}
  ] }),
]);
${after}
export default hosts;
`;

const endless: Readonly<Record<string, string>> = {
  "an endless loop": fleet("begun(); for (;;) {}"),
  "an endless loop in an option's value": fleet("", "{ hostSpec: { timeZone: () => { begun(); for (;;) {} } } }"),
  "a wait for what never comes, with a timer": fleet("begun(); setInterval(() => {}, 9); await new Promise(() => {});"),
};

for (const [what, text] of Object.entries(endless)) {
  test(`Ctrl-C and SIGTERM end a command whose fleet has ${what}`, async () => {
    await using folder = await temporaryFolder();
    const [file, begun] = [join(folder.path, "fleet.ts"), join(folder.path, "begun")];
    writeFileSync(file, text);
    await using terminal = onTerminal([NIXFLEET, "check"], { cwd: folder.path });
    await until(begun);
    terminal.type(CTRL_C);
    assert.equal(await terminal.ended, 130);

    await using other = await temporaryFolder();
    writeFileSync(join(other.path, "fleet.ts"), text);
    const child: ChildProcess = spawn(NIXFLEET, ["check"], { cwd: other.path, stdio: "ignore" });
    await until(join(other.path, "begun"));
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "close"), [null, "SIGTERM"]);
  });
}

test("a command ends although the fleet holds a server, a timer and a child open", async () => {
  const holding = `import { createServer } from "node:http";
import { spawn } from "node:child_process";
createServer().listen(0);
setInterval(() => {}, 1000);
const { pid } = spawn("sleep", ["300"]);
process.on("exit", () => process.kill(pid ?? 0));`;
  await using folder = await temporaryFolder();
  writeFileSync(join(folder.path, "fleet.ts"), fleet(holding));
  for (const args of [["check"], ["plan", "h", "--json"], ["show", "h"], ["show", "h", "no.such"]]) {
    const child = spawn(NIXFLEET, args, { cwd: folder.path, stdio: ["ignore", "pipe", "inherit"] });
    let shown = "";
    child.stdout.setEncoding("utf8").on("data", (more: string) => {
      shown += more;
    });
    const [code] = await once(child, "close", { signal: AbortSignal.timeout(20_000) });
    assert.equal(code, args.includes("no.such") ? 1 : 0);
    if (args.includes("--json")) assert.ok(JSON.parse(shown), "all of it was written before the end");
  }
});

test("a fleet that waits for what never comes is told so", async () => {
  await using folder = await temporaryFolder();
  writeFileSync(join(folder.path, "fleet.ts"), fleet("await new Promise(() => {});"));
  await using terminal = onTerminal([NIXFLEET, "check"], { cwd: folder.path });
  assert.equal(await terminal.ended, 1);
  assert.match(terminal.shown(), /^nixfleet: fleet\.ts never finishes loading/m);
});

test("a reader that has enough ends a command without a word", async () => {
  await using terminal = onTerminal(["sh", "-c", `${NIXFLEET} options | head -n 1`]);
  assert.equal(await terminal.ended, 0);
  assert.doesNotMatch(terminal.shown(), /bug|Error|EPIPE/);
});

async function until(file: string): Promise<void> {
  for (const end = Date.now() + 20_000; !existsSync(file); await sleep(20)) assert.ok(Date.now() < end, file);
}
