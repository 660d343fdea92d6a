/** The steps of a switch as src/payload/host/switch.sh reads them: a line each, the verb and then NAME=value, with tabs between. */
import type { SwitchPlan } from "./switch.ts";

export function switchList(plan: SwitchPlan): string {
  const steps: readonly (readonly [verb: string, fields: Readonly<Record<string, string>>])[] = [
    ...plan.unplaced.map(
      ({ entry: { path, how, persistRoot }, remains }) =>
        ["unplace", { path, how, persistRoot, remains: remains ? "yes" : "no" }] as const,
    ),
    ...plan.placed.map(
      ({ path, kind, how, persistRoot, mountOptions }) =>
        ["place", { path, kind, how, persistRoot, options: mountOptions.join(",") || "-" }] as const,
    ),
    ...plan.postponed.map(({ path }) => ["postpone", { path }] as const),
    ...plan.written.map((path) => ["write", { path }] as const),
    ...plan.removed.map((path) => ["remove", { path }] as const),
    ...plan.units.stopped.map((unit) => ["stop", { unit }] as const),
    ...plan.units.restarted.map((unit) => ["restart", { unit }] as const),
    ...plan.units.started.map((unit) => ["start", { unit }] as const),
  ];
  return steps
    .map(([verb, fields]) => [verb, ...Object.entries(fields).map(([name, value]) => `${name}=${value}`)])
    .map((fields) => `${fields.join("\t")}\n`)
    .join("");
}
