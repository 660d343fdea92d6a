/** What several declarations of one path say together. A person's beats the framework's, word by word. */
import type { Problem } from "../errors.ts";
import { foldersAbove } from "../paths.ts";
import type { Declared, Saying } from "./declared-entries.ts";

/** A declaration. */
type Speaker = Pick<Saying, "declaredAt" | "byFramework">;

/**
 * The value that all declarations agree on; `null` if none has one.
 * @param what it is, for the problem: `modes`
 */
export function agreed<S extends Speaker, T>(
  path: string,
  what: string,
  speakers: readonly S[],
  value: (speaker: S) => T | null,
  problems: Problem[],
): T | null {
  const [only] = speakers;
  if (speakers.length < 2) return only === undefined ? null : value(only);
  const says = (speaker: S) => value(speaker) !== null;
  const person = speakers.find((one) => !one.byFramework && says(one));
  const first = person ?? speakers.find(says);
  if (first === undefined) return null;
  const agreedOn = value(first);
  const counts = (one: S) => one === first || (says(one) && (person === undefined || !one.byFramework));
  const other = speakers.find((one) => counts(one) && value(one) !== agreedOn);
  if (other !== undefined) {
    problems.push({
      what: `${path} is declared with two ${what}: ${agreedOn} and ${value(other)}`,
      at: [...first.declaredAt, ...other.declaredAt],
      fix: person === undefined ? "declare the one that you want: it counts" : "make them alike, or remove one",
    });
  }
  return agreedOn;
}

/** Entries without the paths that one of them disables with `enable: false`. */
export function wanted(declared: readonly Declared[]): Declared[] {
  const takenBack = new Set(declared.filter(({ enable }) => !enable).map(({ path }) => path));
  return declared.filter(({ path }) => !takenBack.has(path));
}

/** A path that only the framework declares lives on the persist root of the declared folder around it. */
export function heldByPersons(declared: readonly Declared[]): Declared[] {
  const persons = new Map(
    declared.filter(({ byFramework, kind }) => !byFramework && kind === "directory").map((one) => [one.path, one]),
  );
  return declared.map((one) => {
    const folder = foldersAbove(one.path).findLast((path) => persons.has(path));
    const holder = folder === undefined || persons.has(one.path) ? undefined : persons.get(folder);
    return one.byFramework && holder !== undefined ? { ...one, persistRoot: holder.persistRoot } : one;
  });
}

/** All options together. A person's come later, so that mount(8) prefers them to the framework's. */
export function agreedOptions(path: string, same: readonly Declared[], problems: Problem[]): string[] {
  if (same.every(({ mountOptions }) => mountOptions.length === 0)) return [];
  const persons = same.filter(({ byFramework }) => !byFramework);
  const options = (some: readonly Declared[]) => new Set(some.flatMap(({ mountOptions }) => mountOptions));
  for (const [index, one] of persons.entries()) {
    for (const other of persons.slice(index + 1)) {
      const contrary = one.mountOptions.find((option) => other.mountOptions.includes(opposite(option)));
      if (contrary === undefined) continue;
      problems.push({
        what: `${path} is declared with two mount options that contradict each other: ${contrary} and ${opposite(contrary)}`,
        at: [...one.declaredAt, ...other.declaredAt],
        fix: "remove one",
      });
    }
  }
  const own = options(persons);
  const others = [...options(same)].filter((option) => !own.has(option) && !own.has(opposite(option)));
  return [...others, ...own];
}

/** `noexec` and `exec`, `ro` and `rw` */
function opposite(option: string): string {
  if (option === "ro") return "rw";
  if (option === "rw") return "ro";
  return option.startsWith("no") ? option.slice(2) : `no${option}`;
}
