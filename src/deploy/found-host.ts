/** What a running host is, as it says itself: what it booted, whose files are on its root, what is placed there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { quoted } from "../local/process.ts";
import { hostScript } from "../payload/host/generations.ts";
import { entriesList, readEntriesList } from "../plan/activation.ts";
import type { Running } from "../plan/switch.ts";
import { type DescribedClosure, describedClosure } from "./running.ts";
import type { TargetHost } from "./target-host.ts";

export interface FoundHost extends Running {
  readonly booted: DescribedClosure;
  /** Store paths of those whose files may be on the root, the newest last: several where a switch failed in part. */
  readonly closures: readonly string[];
  /** The text of `placed.list`. */
  readonly placedList: string;
  /** The closure of its newest generation. A host that something else boots has none. */
  readonly newest: string | null;
}

/** @throws UserError where the target does not run NixFleet */
export async function readHost(target: Pick<TargetHost, "name" | "run">): Promise<FoundHost> {
  const script = readFileSync(hostScript("read-host"), "utf8");
  const files = namedFiles(await target.run(`sh -c ${quoted(script)}`));
  const booted = files.get("booted")?.trim() ?? "";
  if (!isStorePath(booted)) throw noHost(target);
  const recorded = files.get("recorded");
  const closures = recorded === undefined ? [booted] : recorded.split("\n").filter(isStorePath);
  const describe = (closure: string) => {
    const [plan, manifest] = ["plan.json", "manifest.json"].map((name) => files.get(join(closure, name)));
    // `gc` keeps what runs, but an old switch may have failed halfway from one that it deleted.
    if (plan === undefined || manifest === undefined) {
      throw new UserError(`${target.name} runs files of ${closure}, which is no longer in its store`, ["reboot it"]);
    }
    return describedClosure(closure, plan, manifest);
  };
  const described = describe(booted);
  // A root that an older version booted does not say.
  const placed = files.get("placed") ?? entriesList(described.entries);
  return {
    booted: described,
    closures,
    files: closures.map((path) => (path === booted ? described : describe(path)).files),
    placed: readEntriesList(placed),
    placedList: placed,
    newest: files.get("newest")?.trim() ?? null,
  };
}

/** The texts of files that came in one stream, each line behind the name of its file and a tab. */
function namedFiles(text: string): ReadonlyMap<string, string> {
  const files = new Map<string, string[]>();
  for (const line of text.split("\n").slice(0, -1)) {
    const tab = line.indexOf("\t");
    const name = line.slice(0, tab);
    const lines = files.get(name) ?? [];
    lines.push(`${line.slice(tab + 1)}\n`);
    files.set(name, lines);
  }
  return new Map([...files].map(([name, lines]) => [name, lines.join("")]));
}

function noHost(target: Pick<TargetHost, "name">): UserError {
  return new UserError(`${target.name} is not a NixFleet host, so there is nothing to switch`, [
    "on a NixFleet host /run/nixfleet/activation.report names the closure that booted; here it is missing or names none",
    "give the host with --target-host root@HOST, or install it first: nixfleet install HOST --device DEVICE",
  ]);
}

function isStorePath(text: string): boolean {
  return /^\/nix\/store\/[\w.+-]+$/.test(text);
}
