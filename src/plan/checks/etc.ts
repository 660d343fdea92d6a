/** Files that a declaration puts into /etc and /opt. */
import { dotted } from "../../modules/path.ts";
import { isAbsolutePath } from "../../modules/types.ts";
import { isWithin } from "../../paths.ts";
import type { SystemConfig } from "../../system/options.ts";
import type { PlanProblem } from "../problem.ts";
import { sudoersMistakes } from "./sudoers.ts";

export function etcProblems({ environment }: SystemConfig): PlanProblem[] {
  return [...fileProblems("etc", environment.etc), ...fileProblems("opt", environment.opt)];
}

function fileProblems(folder: "etc" | "opt", files: SystemConfig["environment"]["etc"]): PlanProblem[] {
  return Object.entries(files).flatMap(([name, file]): PlanProblem[] => {
    const option = ["environment", folder, name];
    const wrong = (what: string, fix: string) => [{ what: `${dotted(option)} ${what}`, at: [], fix, option }];
    if (!isAbsolutePath(`/${folder}/${name}`))
      return wrong(`is not a path below /${folder}`, "write it without `.`, `..`, `//` and slashes at the ends");
    if (!file.enable) return [];
    const owner = folder === "etc" ? OWNED.find(([path]) => isWithin(name, path)) : undefined;
    if (owner !== undefined) return wrong("would replace what the rest of the declaration says", owner[1]);
    if ([file.text, file.target, file.source].filter((one) => one !== null).length !== 1)
      return wrong("wants one of `text`, `source` and `target`", "give it one of them");
    if (folder === "opt" || !isSudoers(name)) return [];
    return sudoersMistakes(name, file.text ?? "").flatMap(([what, fix]) => wrong(what, fix));
  });
}

/** What writes each file, and what to declare instead. */
const OWNED: readonly (readonly [path: string, instead: string])[] = [
  ...["passwd", "shadow"].map((path) => [path, "declare users.users"] as const),
  ...["group", "gshadow"].map((path) => [path, "declare users.groups, or users.users.<name>.extraGroups"] as const),
  ["fstab", "declare the filesystem in disko.devices"],
  ["crypttab", "declare the luks in disko.devices"],
  ["hostname", "write hostName of mkHost"],
  ["localtime", "set hostSpec.timeZone"],
  ["timezone", "set hostSpec.timeZone"],
  ["locale.conf", "set hostSpec.locale"],
  ["default/locale", "set hostSpec.locale"],
  ["vconsole.conf", "set hostSpec.keyMap"],
  ["machine-id", "leave it out: every host makes its own, and keeps it"],
  ["nixfleet", "leave it out: it is where a host keeps what it was made of"],
];

function isSudoers(name: string): boolean {
  return name === "sudoers" || isWithin(name, "sudoers.d");
}
