/**
 * A host in a folder that changes as its agent says: its scripts do to the folder what those of a host do to the host, and
 * what a host does by itself, `settle` does.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { stored } from "../../src/agent/places.ts";
import { PACKAGE_ROOT } from "../../src/local/package.ts";
import { run } from "../../src/local/process.ts";
import type { PersistenceEntry } from "../../src/plan/persistence-plan.ts";
import { type AgentHost, MACHINE, RUNNING } from "./host.ts";

const HOST_SCRIPTS = join(PACKAGE_ROOT, "src/payload/host");

interface Next {
  readonly closure: string;
  /** What persists in it; in the running one nothing does. */
  readonly entries: readonly PersistenceEntry[];
}

export class ChangingHost {
  readonly agent: AgentHost;
  readonly #folder: string;
  readonly #before: string;
  readonly #program: Promise<string>;

  /** @param folder the agent's host's; `before` is for its copy */
  constructor(agent: AgentHost, folder: string, before: string, next: Next) {
    this.agent = agent;
    this.#folder = folder;
    this.#before = before;
    this.#program = bundled(before);
    const { nix, runtime, scripts } = agent.places;
    agent.scripts({
      "pull.sh": `exec 9>'${nix}/lock'; flock 9; echo pull >>'${this.#done}'
        [ -e "${nix}/store/\${1##*/}" ] || cp -a "${folder}/published/\${1##*/}" '${nix}/store'`,
      "add-generation.sh": `[ "$1" != --check ] || exec sh '${folder}/check' "$@"
        exec 9>'${nix}/lock'; flock 9; cd '${nix}/nixfleet/generations'; newest=$(ls | sort -n | tail -n 1)
        [ "$(head -n 1 "$newest")" = "$1" ] || printf '%s\\n' "$1" time changes >"$((newest + 1))"`,
      "generations.conf": "",
    });
    copyFileSync(join(HOST_SCRIPTS, "confirm.sh"), join(scripts, "confirm.sh"));
    writeFileSync(
      join(folder, "as-root.sh"),
      `case $1 in systemctl) echo reboot >>'${this.#done}'; : >'${folder}/rebooting' ;; *) exec "$@" ;; esac`,
    );
    agent.places = { ...agent.places, asRoot: ["sh", join(folder, "as-root.sh")] };
    // switch-start.sh and switch.sh in one: until it waits to be confirmed.
    const switching = `exec 9>'${runtime}/lock'; flock 9; cat >'${runtime}/input'; cd '${runtime}/switch'
      case $(cat current/outcome 2>/dev/null) in running | waiting) exit 2 ;; esac
      echo switch >>'${this.#done}'; rm -rf run; mkdir run; echo "$1" >run/closure; echo running >run/outcome
      ln -sfnT run current; echo "$1" >'${runtime}/closure'; echo waiting >current/outcome`;
    mkdirSync(join(runtime, "switch"));
    for (const [{ closure, entries }, at] of [
      [{ closure: RUNNING, entries: [] }, stored(agent.places, RUNNING)],
      [next, join(folder, "published", next.closure.slice("/nix/store/".length))],
    ] as const) {
      mkdirSync(join(at, "root/etc/nixfleet"), { recursive: true });
      const file = (name: string, content: string) => writeFileSync(join(at, name), `${content}\n`);
      const settings = { kind: "text", path: "/etc/nixfleet-agent/settings.json", text: closure, mode: "0644" };
      const persistence = { persistRoot: "/persist", entries, parents: [] };
      file("plan.json", JSON.stringify({ hostName: MACHINE, files: [settings], persistence }));
      file("manifest.json", JSON.stringify({ version: 1, packages: "/nix/store/debian" }));
      file("cmdline", "quiet");
      file("root/etc/nixfleet/switch-start.sh", `. '${folder}/beginning'\n${switching}`);
    }
    this.switchWith("");
    this.checkWith("");
    writeFileSync(join(runtime, "activation.report"), `closure=${RUNNING}\n`);
    this.keep();
  }

  /** Shell that a switch begins with. */
  switchWith(script: string): void {
    writeFileSync(join(this.#folder, "beginning"), `echo begun >>'${this.#done}'\n${script}\n`);
  }

  /** Shell that says whether there is room for a generation. */
  checkWith(script: string): void {
    writeFileSync(join(this.#folder, "check"), `${script}\n`);
  }

  /** How it is now is what `restore` makes of it. */
  keep(): void {
    const kept = join(this.#before, "host");
    rmSync(kept, { recursive: true, force: true });
    cpSync(this.#folder, kept, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  }

  restore(): void {
    for (const name of ["memory", "run", "nix", "proc", "done", "rebooting"]) {
      rmSync(join(this.#folder, name), { recursive: true, force: true });
      const kept = join(this.#before, "host", name);
      if (existsSync(kept)) cpSync(kept, join(this.#folder, name), { recursive: true, verbatimSymlinks: true });
    }
  }

  /** The agent as a process, killed at its step of that number. */
  async process(
    step: number,
  ): Promise<{ readonly killed: boolean; readonly code: number | null; readonly said: string }> {
    const argv = [await this.#program, JSON.stringify(this.agent.places), `${step}`];
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "pipe"] });
    const said = Promise.all([text(child.stdout), text(child.stderr)]);
    const [code, signal] = await once(child, "exit");
    return { killed: signal === "SIGKILL", code, said: (await said).join("") };
  }

  /** What the host does without its agent: a switch that is confirmed is kept, a reboot is made, a proof is taken. */
  async settle(): Promise<void> {
    const { runtime, scripts, memory, proc } = this.agent.places;
    const current = join(runtime, "switch/current");
    if (existsSync(join(current, "confirmed"))) {
      await run("sh", [join(scripts, "add-generation.sh"), readFileSync(join(current, "closure"), "utf8").trim()]);
      writeFileSync(join(current, "outcome"), "switched\n");
      rmSync(join(current, "confirmed"));
    }
    if (existsSync(join(this.#folder, "rebooting"))) {
      rmSync(join(this.#folder, "rebooting"));
      for (const name of readdirSync(runtime)) rmSync(join(runtime, name), { recursive: true });
      const closure = this.generations().at(-1) ?? "";
      writeFileSync(join(proc, "cmdline"), `quiet nixfleet.closure=${closure} rw\n`);
      writeFileSync(join(runtime, "activation.report"), `closure=${closure}\n`);
      this.agent.boot(this.done("reboot") + 1);
    }
    if (existsSync(join(runtime, "proved"))) {
      const env = { MEMORY: memory, RUNTIME: runtime, KERNEL_COMMAND_LINE: join(proc, "cmdline") };
      await run("sh", [join(HOST_SCRIPTS, "prove.sh")], { env });
    }
  }

  /** How often a script did it: pull, switch or reboot. */
  done(what: string): number {
    if (!existsSync(this.#done)) return 0;
    return readFileSync(this.#done, "utf8")
      .split("\n")
      .filter((line) => line === what).length;
  }

  /** Closures of its generations, the oldest first. */
  generations(): readonly string[] {
    const folder = join(this.agent.places.nix, "nixfleet/generations");
    const numbers = readdirSync(folder).toSorted((a, b) => Number(a) - Number(b));
    return numbers.map((number) => readFileSync(join(folder, number), "utf8").split("\n")[0] ?? "");
  }

  get #done(): string {
    return join(this.#folder, "done");
  }
}

/** One file, with what stands beside it on a host: it starts in a fifth of the time. */
async function bundled(folder: string): Promise<string> {
  const runtime = join(folder, "lib/nixfleet");
  const outfile = join(runtime, "killed-agent.js");
  const { build } = await import("esbuild");
  await build({
    entryPoints: [join(import.meta.dirname, "killed-agent.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    banner: { js: 'import{createRequire as ownRequire}from"node:module";const require=ownRequire(import.meta.url);' },
    logLevel: "error",
  });
  copyFileSync(join(HOST_SCRIPTS, "read-host.sh"), join(runtime, "read-host.sh"));
  copyFileSync(join(PACKAGE_ROOT, "package.json"), join(folder, "package.json"));
  return outfile;
}
