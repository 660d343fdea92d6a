/**
 * A fleet of two hosts in virtual machines, its control plane and its web server on this machine: a good release, one that does not
 * work, and one during which a host loses its power.
 */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as later } from "node:timers/promises";
import { z } from "zod";
import { ask, type Login } from "../../control/client.ts";
import { type ControlPlane, controlPlane } from "../../control/serve.ts";
import { CERTIFICATE_FILE } from "../../control/state-folder.ts";
import { buildHost } from "../../deploy/build.ts";
import { imagesOf, provideImages } from "../../deploy/image.ts";
import { loadHost, planOf } from "../../deploy/load-fleet.ts";
import { bareMachine } from "../../deploy/vm.ts";
import { UserError } from "../../errors.ts";
import { interruption } from "../../local/interruption.ts";
import { PACKAGE_ROOT } from "../../local/package.ts";
import { CommandError, run } from "../../local/process.ts";
import { bootMachine } from "../../vm/boot.ts";
import { uefiFirmware } from "../../vm/firmware.ts";
import type { FirmwareMachine, Machine } from "../../vm/machine.ts";
import { freePort } from "../../vm/ssh.ts";
import { step } from "../step.ts";
import { fleetFile, HOSTS, type HostName, VERSION_FILE } from "./fleet-file.ts";
import { webServer } from "./web-server.ts";

export interface FleetRow {
  readonly what: string;
  readonly expected: string;
  readonly seen: string;
}

export interface Demonstrated {
  readonly rows: readonly FleetRow[];
  /** Why the host refused the release that does not work. */
  readonly why: string;
}

const BOOT_TIME = 300_000;
/** How long an agent may take until it is heard of. */
const FIRST_REPORT = 120_000;
/** The address by which a guest reaches this machine's own 127.0.0.1. */
const THIS_MACHINE = "10.0.2.2";

/** @param folder an empty one, for everything that is made */
export async function demonstrateFleet(folder: string): Promise<Demonstrated> {
  await using running = new AsyncDisposableStack();
  const at = (name: string) => join(folder, name);
  const [fleet, content] = [at("fleet"), at("content")];
  await mkdir(fleet);
  await mkdir(content);

  const planePort = await freePort();
  const startPlane = () => startedPlane(at("control-plane"), planePort);
  let plane = await step("Start a control plane", startPlane);
  running.defer(() => plane[Symbol.asyncDispose]());
  const login: Login = { url: `https://127.0.0.1:${planePort}`, authority: plane.authority, key: plane.firstKey ?? "" };
  const web = running.use(await webServer(content));
  const writeFleet = (version: string, works = true) =>
    writeFile(
      join(fleet, "fleet.ts"),
      fleetFile({
        version,
        works,
        controlPlane: `https://${THIS_MACHINE}:${planePort}`,
        content: `http://${THIS_MACHINE}:${web.port}/`,
      }),
    );
  const nixfleet = (args: readonly string[], input = "") =>
    run(join(PACKAGE_ROOT, "bin", "nixfleet"), args, { cwd: fleet, env: { XDG_CONFIG_HOME: at("home") }, input });
  const deploy = (note: string, ...options: readonly string[]) =>
    nixfleet(["deploy", "--canary", "--note", note, ...options]).then(() => {}, failedRollout);

  await writeFleet("first");
  await step("Make the keys that sign releases", async () => {
    await copyFile(join(at("control-plane"), CERTIFICATE_FILE), join(fleet, "authority.crt"));
    await nixfleet(["release", "init", "--repository", content]);
    await nixfleet(["login", login.url, "--authority", "authority.crt"], login.key);
  });
  const machines = await step("Build two hosts, and make their disks", () =>
    madeHosts(join(fleet, "fleet.ts"), at("")),
  );
  const guests = new Map<HostName, Machine>();
  const guest = (name: HostName): Machine => {
    const found = guests.get(name);
    if (found === undefined) throw new UserError(`${name} does not run`);
    return found;
  };
  const boot = async (name: HostName): Promise<void> => {
    const machine = await bootMachine(machines(name), (one) => one.waitForSsh(BOOT_TIME));
    guests.set(name, running.use(machine));
  };
  const on = (name: HostName, command: string) =>
    guest(name)
      .ssh(command)
      .then((text) => text.trim());
  await step("Boot them", () => Promise.all(HOSTS.map(boot)));
  await step("Enrol them", () => Promise.all(HOSTS.map((name) => enrolled(login, nixfleet, name, on))));
  const version = (name: HostName) => on(name, `cat ${VERSION_FILE}`);
  const rows: FleetRow[] = [];
  const row = (what: string, expected: string, seen: string) => void rows.push({ what, expected, seen });

  await writeFleet("second");
  await step("Deploy a release", () => deploy("works"));
  const good = await newestRollout(login);
  row("a release that works: the rollout", "done", good.status);
  for (const name of HOSTS) row(`${name} runs`, "second", await version(name));

  await writeFleet("third", false);
  await step("Deploy one whose service does not start", () => deploy("does not work", "--on-failure", "revert"));
  const bad = await newestRollout(login);
  const badMembers = await members(login, bad.id);
  const [first = "alpha", other = "beta"] = HOSTS.toSorted(
    (a, b) => Number(isTold(badMembers, b)) - Number(isTold(badMembers, a)),
  );
  const refusal = badMembers.find(({ machine }) => machine === first);
  row("a release that does not work: the rollout", "failed", bad.status);
  row("the first host's answer", "rejected", refusal?.state ?? "nothing");
  row("the first host runs", "second", await version(first));
  row("its service", "active", await on(first, "systemctl is-active shop || :"));
  row("the second host was told of it", "no", isTold(badMembers, other) ? "yes" : "no");
  row("the second host runs", "second", await version(other));

  await step("Start the control plane again", async () => {
    await plane[Symbol.asyncDispose]();
    plane = await startPlane();
  });
  row(
    "the rollouts, once the control plane was started again",
    "failed, done",
    (await rollouts(login)).map(({ status }) => status).join(", "),
  );

  await writeFleet("fourth");
  let cut: HostName | null = null;
  await step("Deploy once more, and pull the plug of the host that changes", async () => {
    const deployed = deploy("power cut");
    deployed.catch(() => {}); // it is awaited below
    cut = await changingHost(version);
    await guest(cut).powerOff();
    await boot(cut);
    await deployed;
  });
  row("a release with a power cut: the rollout", "done", (await newestRollout(login)).status);
  for (const name of HOSTS)
    row(`${name}${name === cut ? ", whose power was cut," : ""} runs`, "fourth", await version(name));
  return { rows, why: refusal?.why ?? "" };
}

function startedPlane(folder: string, port: number): Promise<ControlPlane> {
  return controlPlane({
    folder,
    database: null,
    host: "127.0.0.1",
    port,
    names: ["127.0.0.1", THIS_MACHINE],
    askAgain: 10,
    retention: { events: 30, audit: 365, rollouts: 90 },
    log: () => {},
  });
}

const rolloutsSchema = z.object({ items: z.array(z.object({ id: z.string(), status: z.string() })) });

/** The newest first. */
async function rollouts(login: Login): Promise<readonly { readonly id: string; readonly status: string }[]> {
  return rolloutsSchema.parse(await ask(login, "GET", "/rollouts")).items;
}

async function newestRollout(login: Login) {
  const [newest] = await rollouts(login);
  if (newest === undefined) throw new UserError("the control plane knows of no rollout");
  return newest;
}

const membersSchema = z.object({
  items: z.array(z.object({ machine: z.string(), state: z.string(), why: z.string().nullable() })),
});
type Members = z.infer<typeof membersSchema>["items"];

async function members(login: Login, id: string): Promise<Members> {
  return membersSchema.parse(await ask(login, "GET", `/rollouts/${id}/machines`)).items;
}

/** Whether it was ever told to change. */
function isTold(found: Members, name: HostName): boolean {
  const state = found.find(({ machine }) => machine === name)?.state ?? "waiting";
  return state !== "waiting" && state !== "left";
}

/** A rollout that does not end well is for the table to show. */
function failedRollout(error: unknown): void {
  if (!(error instanceof CommandError) || !error.detail.some((line) => line.includes("the rollout is"))) throw error;
}

/** Both hosts on disks of their own. @returns the machine that boots a host from its disk, by firmware */
async function madeHosts(fleetFile: string, folder: string): Promise<(name: HostName) => FirmwareMachine> {
  const made = new Map<HostName, FirmwareMachine>();
  for (const name of HOSTS) {
    const loaded = await loadHost(fleetFile, name);
    const plan = planOf(loaded.host, loaded.folder);
    const closure = await buildHost(plan, { fleetFolder: loaded.folder });
    const image = join(folder, `${name}.img`);
    await provideImages({ plan, closure, images: imagesOf(plan, image) });
    const firmware = await uefiFirmware(plan.platform, join(folder, `${name}.variables`));
    made.set(name, await bareMachine(plan, join(closure.folder, "vmlinuz"), image, firmware));
  }
  return (name) => {
    const machine = made.get(name);
    if (machine === undefined) throw new UserError(`${name} has no disk`);
    return machine;
  };
}

/** Until the host's agent has been heard of. */
async function enrolled(
  login: Login,
  nixfleet: (args: readonly string[]) => Promise<string>,
  name: HostName,
  on: (name: HostName, command: string) => Promise<string>,
): Promise<void> {
  await nixfleet(["machines", "add", name]);
  const token = (await nixfleet(["machines", "enrol", name])).split("\n")[0] ?? "";
  await on(name, `nixfleet agent enrol <<'END'\n${token}\nEND`);
  await until(FIRST_REPORT, `${name}'s agent reports`, async () => {
    const { running } = z
      .object({ running: z.string().nullable() })
      .parse(await ask(login, "GET", `/machines/${name}`));
    return running;
  });
}

/** The first host that has the fourth release, which it has not proved yet. */
async function changingHost(version: (name: HostName) => Promise<string>): Promise<HostName> {
  return await until(300_000, "a host changes", async () => {
    const seen = await Promise.all(HOSTS.map(async (name) => [name, await version(name)] as const));
    return seen.find(([, text]) => text === "fourth")?.[0] ?? null;
  });
}

/** @param timeout in milliseconds @throws UserError when it has come to nothing until then */
async function until<T>(timeout: number, what: string, look: () => Promise<T | null>): Promise<T> {
  const end = performance.now() + timeout;
  while (performance.now() < end) {
    const found = await look();
    if (found !== null) return found;
    await later(500, undefined, { signal: interruption });
  }
  throw new UserError(`${timeout / 1000} s were not enough until ${what}`);
}
