/** Entries at which a service with `DynamicUser=` cannot keep its state: systemd wants a link of its own there. */
import type { PersistencePlan } from "../plan/persistence-plan.ts";
import { hostTree } from "./host-tree.ts";
import { isTrue, lastValue, type UnitSettings, withSpecifiers, wordsOf } from "./unit-file.ts";
import { enabledUnits } from "./units.ts";

export interface Misplaced {
  readonly path: string;
  readonly service: string;
  /** Where it does work. */
  readonly works: string;
  readonly declaredAt: readonly string[];
}

const FOLDERS = { State: "/var/lib", Logs: "/var/log", Cache: "/var/cache" } as const;

/** @param closure the folder of a closure in the local cache */
export function misplacedState(closure: string, { entries }: PersistencePlan): readonly Misplaced[] {
  const services = enabledUnits(hostTree(closure)).filter(({ name }) => name.endsWith(".service"));
  return services.flatMap(({ name, settings }) => misplacedOf(name, settings, entries));
}

/** @param name of the service, with its ending */
export function misplacedOf(name: string, settings: UnitSettings, entries: PersistencePlan["entries"]): Misplaced[] {
  if (!isTrue(lastValue(settings, "Service.DynamicUser"))) return [];
  return Object.entries(FOLDERS).flatMap(([kind, folder]) =>
    wordsOf(settings, `Service.${kind}Directory`).flatMap((word) => {
      const own = withSpecifiers(word.split(":")[0] ?? "", name);
      const entry = entries.find(({ path }) => own !== null && path === `${folder}/${own}`);
      if (entry === undefined) return [];
      return [{ path: entry.path, service: name, works: `${folder}/private/${own}`, declaredAt: entry.declaredAt }];
    }),
  );
}

export function misplacedText({ path, service, works, declaredAt }: Misplaced): string {
  return `${service} has DynamicUser=, so systemd keeps its state in ${works} and needs a link at ${path}: persist ${JSON.stringify(works)} instead (declared at ${declaredAt.join(", ")})`;
}
