/** What a declaration names, and its built closure does not have: the shell of a user, a unit that another needs. */
import { posix } from "node:path";
import { nearestName } from "../../modules/errors.ts";
import { isWithin } from "../../paths.ts";
import type { HostPlan } from "../../plan/host.ts";
import type { PlanProblem } from "../../plan/problem.ts";
import type { SystemConfig } from "../../system/options.ts";
import type { HostTree } from "../host-tree.ts";
import { unitName } from "../unit-file.ts";
import { hasUnit, UNIT_FOLDERS } from "../units.ts";

export function absentShells(tree: HostTree, { users, persistence }: Pick<HostPlan, "users" | "persistence">) {
  const { roots, entries } = persistence;
  return users.users.flatMap(({ name, shell }): PlanProblem[] => {
    // What persists is on the host alone.
    if (isThere(tree, shell) || [...roots, ...entries].some(({ path }) => isWithin(shell, path))) return [];
    return [
      {
        what: `users.users.${name}.shell: ${shell} is not in the built closure, so ${name} could not log in`,
        at: [],
        fix: "add the package that brings it to environment.systemPackages, or correct the path",
        option: ["users", "users", name, "shell"],
      },
    ];
  });
}

function isThere(tree: HostTree, path: string): boolean {
  let current = path;
  for (let links = 0; links < 40; links++) {
    const target = tree.link(current);
    if (target === null) return tree.stats(current)?.isFile() === true;
    current = posix.normalize(target);
  }
  return false;
}

/** Only what keeps a unit from starting: to order it after what may be there is no mistake. */
export function absentUnits(tree: HostTree, { systemd }: Pick<SystemConfig, "systemd">): readonly PlanProblem[] {
  const has = (name: string) =>
    /%|^systemd-/.test(name) ||
    !/\.(service|socket|timer|path|target)$/.test(name) ||
    hasUnit(tree, name) ||
    tree.stats(`/etc/init.d/${name.replace(/\.service$/, "")}`) !== null;
  const known = UNIT_FOLDERS.flatMap((folder) => tree.names(folder)).filter((name) => !name.endsWith(".d"));
  const absent = (option: readonly string[], lists: Readonly<Record<string, readonly string[]>>) =>
    Object.entries(lists).flatMap(([key, names]) =>
      names
        .filter((name) => !has(name))
        .map((name): PlanProblem => {
          const nearest = nearestName(name, known);
          return {
            what: `${option.join(".")}.${key}: the built closure has no unit ${name}`,
            at: [],
            fix: `${nearest === undefined ? "" : `did you mean ${nearest}? Otherwise `}add the package that brings it to environment.systemPackages, or declare it`,
            option: [...option, key, { element: name }],
          };
        }),
    );
  return [
    ...Object.entries(systemd.services).flatMap(([name, { enable, wantedBy, requiredBy, requires }]) =>
      enable ? absent(["systemd", "services", name], { wantedBy, requiredBy, requires }) : [],
    ),
    ...Object.entries(systemd.units).flatMap(([name, { enable, wantedBy, requiredBy, sections }]) => [
      ...(enable ? absent(["systemd", "units", name], { wantedBy, requiredBy }) : []),
      ...(enable && sections === null && !hasUnit(tree, unitName(name).template ?? name)
        ? [
            {
              what: `systemd.units.${name}: no package of the built closure brings it`,
              at: [],
              fix: "add the package that brings it to environment.systemPackages, or give it sections",
              option: ["systemd", "units", name],
            },
          ]
        : []),
    ]),
  ];
}
