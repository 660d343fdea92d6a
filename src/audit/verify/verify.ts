/** What the programs of a built closure say of its units and sudoers: a setting that does not exist, a program that is not there. */
import { join } from "node:path";
import type { Problem } from "../../errors.ts";
import { run } from "../../local/process.ts";
import { temporaryFolder } from "../../local/resources.ts";
import type { ValuePath } from "../../modules/defined-at.ts";
import { isWithin } from "../../paths.ts";
import type { HostPlan } from "../../plan/host.ts";

export interface Verified {
  readonly problems: readonly Problem[];
  /** Programs that could not be asked. */
  readonly warnings: readonly string[];
}

/**
 * @param closure the folder of a closure in the local cache
 * @param definedAt where an option is defined
 */
export async function verifyBuilt(
  closure: string,
  plan: HostPlan,
  definedAt: (option: ValuePath) => readonly string[],
): Promise<Verified> {
  const units = plan.files.flatMap(({ kind, path }) => (kind === "text" ? (unitAt(path) ?? []) : []));
  const script = join(import.meta.dirname, "verify.sh");
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  await using folder = await temporaryFolder();
  const stdout = await run("unshare", [
    ...["--mount", "--propagation", "slave", ...asRoot, "--", "sh", script, closure, folder.path],
    ...units.map((name) => name.replace("@.", "@instance.")),
  ]);
  const lines = [...new Set(stdout.split("\n"))].flatMap((line) => {
    const [program, said] = line.split("\t");
    return program === undefined || said === undefined ? [] : [{ program, said }];
  });
  return {
    problems: lines.flatMap(({ program, said }) => {
      if (program === "visudo") return sudoersProblem(said, definedAt);
      return program === "systemd-analyze" ? unitProblem(said, units, plan, definedAt) : [];
    }),
    warnings: lines.filter(({ program }) => program === "nixfleet").map(({ said }) => said),
  };
}

/** A unit of the declaration's own, by its file. */
function unitAt(path: string): string | undefined {
  return /^\/etc\/systemd\/system\/([^/]+\.(?:service|socket|timer|path|mount|automount|swap|target|slice))$/.exec(
    path,
  )?.[1];
}

/** `/etc/systemd/system/a.service:3: Unknown key 'X' in section [Service], ignoring.`, or `a.service: Command … is not executable: …` */
export function unitProblem(
  said: string,
  units: readonly string[],
  plan: Pick<HostPlan, "persistence">,
  definedAt: (option: ValuePath) => readonly string[],
): readonly Problem[] {
  const [, name = "", text = ""] =
    /^\/etc\/systemd\/system\/([^/:]+):(?:\d+:)? (.*)$/.exec(said) ?? /^([^\s/:]+\.[a-z]+): (.*)$/.exec(said) ?? [];
  const unit = name.replace("@instance.", "@.");
  if (!units.includes(unit)) return [];
  const [, program = ""] = /Command (\S+) is not executable/.exec(text) ?? [];
  const { roots, entries } = plan.persistence;
  // What persists is on the host alone.
  if (program !== "" && [...roots, ...entries].some(({ path }) => isWithin(program, path))) return [];
  const [, key = "", section = ""] =
    /Unknown key '([^']+)' in section \[(\w+)\]/.exec(text) ?? /Failed to parse (\w+)=/.exec(text) ?? [];
  const option = ["systemd", ...(unit.endsWith(".service") ? ["services", unit.slice(0, -8)] : ["units", unit])];
  const inner = unit.endsWith(".service") ? (section === "Unit" ? "unitConfig" : "serviceConfig") : "sections";
  const within = [inner, ...(inner === "sections" && section !== "" ? [section] : []), ...(key === "" ? [] : [key])];
  const setting = program !== "" ? [...option, "serviceConfig", "ExecStart"] : [...option, ...within];
  return [
    {
      what: `${unit}: ${text.replace(/,? ignoring(\.|: |$)/i, (_, end: string) => (end === ": " ? ": " : "")).replace(/\.$/, "")}`,
      at: definedAt(setting),
      fix:
        program !== ""
          ? "add the package that brings it to environment.systemPackages, or correct the path"
          : `man systemd.directives lists the settings of each section`,
    },
  ];
}

function sudoersProblem(said: string, definedAt: (option: ValuePath) => readonly string[]): readonly Problem[] {
  const [, file, text] = /^\/etc\/(sudoers(?:\.d\/[^:]+)?):(.*)$/.exec(said) ?? [];
  if (file === undefined || text === undefined) return [];
  return [
    {
      what: `sudo would not take /etc/${file}, and let nobody become root: ${text.trim()}`,
      at: definedAt(["environment", "etc", file]),
      fix: "see sudoers(5)",
    },
  ];
}
