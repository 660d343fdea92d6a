/** A host in a folder, for its agent: with what the agent reads of it, and a control plane that is real. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { enrol } from "../../src/agent/enrol.ts";
import type { Places } from "../../src/agent/places.ts";
import { runAgent } from "../../src/agent/run.ts";
import { readSettings, type Settings } from "../../src/agent/settings.ts";
import type { DescribedClosure } from "../../src/deploy/running.ts";
import { aRelease, keys, SignedRepository } from "../release/signed-repository.ts";

export const MACHINE = "web1";
export const RUNNING = `/nix/store/${"1".repeat(32)}-nixfleet-${MACHINE}`;

/** @param owner user, group and mode; nobody declares them where it is missing */
export function keptEntry(path: string, persistRoot = "/persist", owner?: string): DescribedClosure["entries"][number] {
  const [user = "root", group = "root", mode = "0755"] = owner?.split(" ") ?? [];
  return {
    path,
    persistRoot,
    source: `${persistRoot}${path}`,
    kind: "directory",
    how: "bind",
    user,
    group,
    mode,
    assumed: owner === undefined ? ["user", "group", "mode"] : [],
    within: null,
    mountOptions: [],
    purpose: "",
    declaredAt: [],
    byFramework: false,
  };
}

export class AgentHost {
  places: Places;
  readonly repository: SignedRepository;
  readonly log: string[] = [];
  readonly #folder: string;
  readonly #port: number;

  constructor(folder: string, port: number, authority: string) {
    const at = (name: string) => join(folder, name);
    for (const name of ["memory", "etc", "run", "nix/nixfleet/generations", "proc/sys/kernel/random"]) {
      mkdirSync(at(name), { recursive: true });
    }
    this.#folder = folder;
    this.#port = port;
    this.places = {
      memory: at("memory"),
      settings: at("etc/agent.json"),
      scripts: at("etc"),
      runtime: at("run"),
      nix: at("nix"),
      proc: at("proc"),
      asRoot: ["false"], // nothing is changed here
    };
    this.repository = new SignedRepository(at("content"));
    const made = keys();
    const root = this.repository.root(made, { version: 1, by: made.root });
    this.repository.all([aRelease(1), aRelease(2)], 1, made);
    writeFileSync(at("etc/root.json"), root);
    writeFileSync(at("etc/authority.crt"), authority);
    writeFileSync(at("proc/cmdline"), `quiet nixfleet.closure=${RUNNING} rw\n`);
    writeFileSync(at("nix/nixfleet/generations/1"), `${RUNNING}\n2026-01-01 00:00\nthe first generation\n`);
    this.boot(1);
    symlinkSync(join(process.execPath, "..", ".."), at("etc/runtime"));
    this.declare({});
  }

  declare(more: Partial<Settings>): void {
    const settings: Settings = {
      version: 1,
      machine: MACHINE,
      controlPlane: `https://localhost:${this.#port}`,
      authority: join(this.#folder, "etc/authority.crt"),
      trust: join(this.#folder, "etc/root.json"),
      contentRepositories: [`file://${this.repository.folder}`],
      interval: 60,
      confirm: 360,
      window: null,
      tags: ["web"],
      checks: [{ kind: "exec", name: "fine", interval: 1, timeout: 5, failures: 2, command: ["true"] }],
      metrics: join(this.#folder, "metrics.prom"),
      ...more,
    };
    writeFileSync(this.places.settings, JSON.stringify(settings));
  }

  /** From here on it has these, which the agent runs. */
  scripts(texts: Readonly<Record<string, string>>): void {
    this.places = { ...this.places, asRoot: ["env"] };
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(this.places.scripts, name), `${text}\n`);
  }

  boot(number: number): void {
    const id = `c0ffee00-0000-4000-8000-${number.toString().padStart(12, "0")}`;
    writeFileSync(join(this.places.proc, "sys/kernel/random/boot_id"), `${id}\n`);
  }

  async enrol(token: string): Promise<void> {
    const settings = await readSettings(this.places.settings);
    const authority = await readFile(settings.authority, "utf8");
    await enrol(this.places, settings, { url: settings.controlPlane, authority, identity: null }, token);
  }

  run() {
    return runAgent(this.places, process.execPath, (line) => this.log.push(line));
  }
}
