/** The units of a host: their files, their drop-ins, and which of them run. */
import { posix } from "node:path";
import type { HostTree } from "./host-tree.ts";
import { isTrue, lastValue, parseUnit, type UnitSettings, unitName, wordsOf } from "./unit-file.ts";

export interface Unit {
  readonly name: string;
  /** Of the unit itself: `/usr/lib/systemd/system/getty@.service`. */
  readonly file: string;
  readonly settings: UnitSettings;
}

/** What goes before, first. */
export const UNIT_FOLDERS: readonly string[] = [
  "/etc/systemd/system",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
];

/** @returns `null` for a unit that is masked, or that the host does not have */
export function loadUnit(tree: HostTree, name: string): Unit | null {
  const { template } = unitName(name);
  const found = findFile(tree, name) ?? (template === null ? null : findFile(tree, template));
  if (found === null || found === "masked") return null;
  const text = tree.text(found);
  if (text === null || text.trim() === "") return null;
  return { name, file: found, settings: parseUnit([text, ...dropIns(tree, name)]) };
}

/** The name that an alias stands for: `sshd.service` → `ssh.service`. A template's instance is its own. */
export function realName(tree: HostTree, name: string): string {
  for (const folder of UNIT_FOLDERS) {
    const target = tree.link(`${folder}/${name}`);
    if (target === null || target === "/dev/null") continue;
    const real = posix.basename(target);
    if (unitName(real).template === null || unitName(real).instance !== null) return real;
    return unitName(name).template === real ? name : real.replace("@", `@${unitName(name).instance ?? ""}`);
  }
  return name;
}

/** Also one that is masked. */
export function hasUnit(tree: HostTree, name: string): boolean {
  const { template } = unitName(name);
  return [name, ...(template === null ? [] : [template])].some((one) => findFile(tree, one) !== null);
}

function findFile(tree: HostTree, name: string): string | "masked" | null {
  const folder = UNIT_FOLDERS.find((one) => tree.stats(`${one}/${name}`) !== null);
  if (folder === undefined) return null;
  const target = tree.link(`${folder}/${name}`);
  return target === "/dev/null" ? "masked" : (target ?? `${folder}/${name}`);
}

/** By name, whichever folder they are in; of several with one name the one that goes before. */
function dropIns(tree: HostTree, name: string): string[] {
  const { template } = unitName(name);
  const type = name.replace(/^.*\./, "");
  const prefixes = [...(template ?? name).replace(/@?\.[a-z]+$/, "").matchAll(/-/g)]
    .map(({ index }) => `${name.slice(0, index + 1)}.${type}`)
    .reverse();
  const named = [name, ...(template === null ? [] : [template]), ...prefixes, type];
  const files = new Map<string, string>();
  for (const folder of UNIT_FOLDERS) {
    for (const unit of named) {
      for (const file of tree.names(`${folder}/${unit}.d`)) {
        if (file.endsWith(".conf") && !files.has(file)) files.set(file, `${folder}/${unit}.d/${file}`);
      }
    }
  }
  return [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => tree.text(path) ?? "");
}

/**
 * Each unit that something on the host starts: wanted or required by another, started by a socket, a timer, a path or
 * D-Bus. Sorted by name; without those of the initrd.
 */
export function enabledUnits(tree: HostTree): readonly Unit[] {
  const found = new Map<string, Unit | null>();
  const visit = (alias: string): void => {
    const name = realName(tree, alias);
    if (found.has(name)) return;
    const unit = loadUnit(tree, name);
    found.set(name, unit);
    if (unit !== null) for (const other of startedBy(unit)) visit(other);
  };
  for (const name of [...linkedUnits(tree), ...busUnits(tree), realName(tree, "default.target")]) visit(name);
  const units = [...found.values()].filter((unit) => unit !== null);
  return units.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function linkedUnits(tree: HostTree): string[] {
  return UNIT_FOLDERS.flatMap((folder) => {
    const wanters = tree.names(folder).filter((name) => /\.(wants|requires|upholds)$/.test(name));
    return wanters
      .filter((wanter) => !/^initrd/.test(wanter) && findFile(tree, wanter.replace(/\.\w+$/, "")) !== "masked")
      .flatMap((wanter) => tree.names(`${folder}/${wanter}`));
  });
}

function busUnits(tree: HostTree): string[] {
  const folder = "/usr/share/dbus-1/system-services";
  return tree
    .names(folder)
    .flatMap(
      (file) => lastValue(parseUnit([tree.text(`${folder}/${file}`) ?? ""]), "D-BUS Service.SystemdService") ?? [],
    );
}

function startedBy({ name, settings }: Unit): string[] {
  const needed = ["Wants", "Requires", "BindsTo", "Upholds"].flatMap((key) => wordsOf(settings, `Unit.${key}`));
  const [base, type = ""] = [name.replace(/\.[a-z]+$/, ""), name.replace(/^.*\./, "")];
  if (type === "socket") {
    const service = isTrue(lastValue(settings, "Socket.Accept")) ? `${base}@.service` : `${base}.service`;
    return [...needed, lastValue(settings, "Socket.Service") ?? service];
  }
  if (type === "timer") return [...needed, lastValue(settings, "Timer.Unit") ?? `${base}.service`];
  if (type === "path") return [...needed, lastValue(settings, "Path.Unit") ?? `${base}.service`];
  return needed;
}
