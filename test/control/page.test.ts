/** The page for people, in a real browser. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Browser, chromium, type Page } from "playwright-core";
import { temporaryFolder } from "../../src/local/resources.ts";
import { releaseIdOf } from "../../src/release/release-id.ts";
import { Plane, reportOf } from "./plane.ts";

await using resources = new AsyncDisposableStack();
after(() => ended.disposeAsync());
const home = resources.use(await temporaryFolder("/dev/shm"));
const plane = resources.use(await Plane.start());
const browser = await startBrowser();
resources.defer(() => browser.close());
const ended = resources.move();

const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title = 2</script>';

async function startBrowser(): Promise<Browser> {
  const quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
  return await chromium.launch({
    executablePath: "/usr/bin/chromium",
    // As root, and without a home that others see.
    args: ["--no-sandbox", "--disable-component-update", "--disable-sync", ...quiet],
    env: { PATH: "/usr/bin:/bin", HOME: home.path },
  });
}

/** @returns a new tab, and what its console complains of */
async function opened(): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints: string[] = [];
  page.on("console", (line) => {
    // That a key is refused is an answer that the browser reports by itself.
    if (line.type() === "error" && !/status of 40[14]/.test(line.text())) complaints.push(line.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`https://localhost:${plane.plane.port}/`);
  return { page, complaints };
}

async function logIn(page: Page, key: string): Promise<void> {
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Log in" }).click();
}

const web = await plane.enrolled("web");
await plane.enrolled("db");
const said = {
  sequence: 1,
  commit: "c0ffee",
  created: "2026-11-27T00:00:00.000Z",
  note: HOSTILE,
  hosts: Object.fromEntries(["web", "db"].map((name) => [name, `/nix/store/${"1".repeat(32)}-nixfleet-${name}`])),
};
const id = releaseIdOf(said);
await plane.admin("POST", "/releases", { version: 1, id, ...said });
const outcome = { kind: "rejected", release: id, why: HOSTILE };
await plane.ask("POST", "/agent/report", { certificate: web, body: reportOf("web", { outcome }) });

test("a key shows the fleet, and what machines say stays text", async () => {
  const { page, complaints } = await opened();
  await logIn(page, plane.key);
  await page.getByRole("link", { name: "Machines" }).click();
  await page.getByRole("cell", { name: `rejected: ${HOSTILE}` }).waitFor();
  await page.getByLabel("Says").selectOption("healthy");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByText("No machine is like that.").waitFor();
  await page.goBack();
  await page.getByRole("link", { name: "web" }).click();
  await page.getByRole("heading", { name: "Releases that it rejected" }).waitFor();
  page.once("dialog", (dialog) => dialog.accept());
  await page.getByRole("button", { name: "Let it try again" }).click();
  await page.getByRole("button", { name: "Let it try again" }).waitFor({ state: "detached" });
  assert.deepEqual((await plane.admin("GET", "/machines/web")).rejections, []);
  await page.getByRole("link", { name: "Releases" }).click();
  await page.getByRole("cell", { name: HOSTILE }).waitFor();
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByRole("cell", { name: "machine.clear" }).waitFor();
  assert.equal(await page.locator("img, main script").count(), 0);
  assert.match(await page.title(), /^Audit/);
  assert.deepEqual(complaints, []);
});

test("a rollout is paused after a question, and not without the answer", async () => {
  const { id: rollout } = await plane.admin("POST", "/rollouts", {
    version: 1,
    release: id,
    machines: { kind: "all" },
    strategy: { kind: "canary" },
  });
  const { page, complaints } = await opened();
  await logIn(page, plane.key);
  await page.getByRole("link", { name: rollout.slice(0, 8) }).click();
  const pause = page.getByRole("button", { name: "pause" });
  page.once("dialog", (dialog) => dialog.dismiss());
  await pause.click();
  assert.match((await plane.admin("GET", `/rollouts/${rollout}`)).status, /^(pending|running)$/);
  page.once("dialog", (dialog) => dialog.accept());
  await pause.click();
  await page.getByRole("button", { name: "resume" }).waitFor();
  assert.equal((await plane.admin("GET", `/rollouts/${rollout}`)).status, "paused");
  await page.getByText("wave 1 is on").waitFor();
  assert.deepEqual(complaints, []);
});

test("a readonly key sees no button that changes anything, and no audit log", async () => {
  const { key } = await plane.admin("POST", "/keys", { name: "reader", role: "readonly" });
  const { page, complaints } = await opened();
  await logIn(page, key);
  await page.getByText("reader (readonly)").waitFor();
  assert.equal(await page.getByRole("link", { name: "Audit" }).isVisible(), false);
  const { items } = await plane.admin("GET", "/rollouts");
  await page.goto(`https://localhost:${plane.plane.port}/#rollouts/${items[0].id}`);
  await page.getByText("wave 1 is on").waitFor();
  assert.deepEqual(await page.getByRole("button").allTextContents(), ["Log out"]);
  assert.deepEqual(complaints, []);
});

test("a wrong key shows nothing, and a key goes with its tab or when somebody logs out", async () => {
  const { page } = await opened();
  await logIn(page, "nfk_wrong");
  await page.getByText("this wants an API key").waitFor();
  assert.equal(await page.getByRole("link", { name: "Machines" }).isVisible(), false);
  await logIn(page, plane.key);
  await page.getByRole("link", { name: "Machines" }).waitFor();
  const other = await page.context().newPage();
  await other.goto(`https://localhost:${plane.plane.port}/`);
  await other.getByLabel("API key").waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.reload();
  await page.getByLabel("API key").waitFor();
});

test("the page runs no code but its own, in no frame", async () => {
  const { headers, text } = await plane.ask("GET", "/", { headers: { Accept: "text/html" } });
  assert.match(
    String(headers["content-security-policy"]),
    /default-src 'none'; script-src 'self';.*frame-ancestors 'none'/,
  );
  assert.match(text, /<title>NixFleet/);
});
