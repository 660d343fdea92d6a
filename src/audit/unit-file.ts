/** The text of a systemd unit with its drop-ins: systemd.syntax(7), systemd.unit(5). */

/** Each value of a setting in the order of its assignments, by `Section.Key`. An empty one takes back those before it. */
export type UnitSettings = ReadonlyMap<string, readonly string[]>;

/** Reads a unit's files one after the other: its own, then its drop-ins. */
export function parseUnit(texts: readonly string[]): UnitSettings {
  const settings = new Map<string, string[]>();
  for (const text of texts) {
    let section = "";
    for (const line of logicalLines(text)) {
      const header = /^\[(.*)\]$/.exec(line);
      const assignment = /^([^=]+?)\s*=\s*(.*)$/.exec(line);
      if (header !== null) section = header[1] ?? "";
      else if (assignment !== null) {
        const [key, value] = [`${section}.${assignment[1]}`, assignment[2] ?? ""];
        settings.set(key, value === "" ? [] : [...(settings.get(key) ?? []), value]);
      }
    }
  }
  return settings;
}

/** Without comments, also those between a line and its continuation. */
function logicalLines(text: string): string[] {
  const lines: string[] = [];
  let open: string | null = null;
  for (const physical of text.split("\n")) {
    const line = physical.trim();
    if (/^[#;]/.test(line)) continue;
    const joined: string = open === null ? line : `${open} ${line}`;
    if (joined.endsWith("\\")) open = joined.slice(0, -1).trimEnd();
    else {
      if (joined !== "") lines.push(joined);
      open = null;
    }
  }
  if (open !== null && open !== "") lines.push(open);
  return lines;
}

/** The last value of a setting that has one. */
export function lastValue(settings: UnitSettings, key: string): string | null {
  return settings.get(key)?.at(-1) ?? null;
}

/** The words of a setting that holds a list; quotes keep spaces, and are not part of a word. */
export function wordsOf(settings: UnitSettings, key: string): string[] {
  return (settings.get(key) ?? []).flatMap((value) =>
    [...value.matchAll(/"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\S+)/g)].map(
      ([, double, single, bare]) => double ?? single ?? bare ?? "",
    ),
  );
}

export function isTrue(value: string | null): boolean {
  return value !== null && /^(1|yes|y|true|t|on)$/i.test(value);
}

/** `getty@tty1.service` is the template `getty@.service` with the instance `tty1`; others have none. */
export interface UnitName {
  readonly name: string;
  readonly template: string | null;
  /** `null` too for a template itself. */
  readonly instance: string | null;
}

export function unitName(name: string): UnitName {
  const [, prefix, instance, type] = /^([^@]+)@(.*)(\.[a-z]+)$/.exec(name) ?? [];
  if (prefix === undefined || instance === undefined || type === undefined)
    return { name, template: null, instance: null };
  return { name, template: `${prefix}@${type}`, instance: instance === "" ? null : instance };
}

/**
 * A path with its specifiers replaced. What only the running host knows ends it: of `journal/%m/x` the folder `journal`
 * is sure.
 * @returns `null` where nothing of it is sure
 */
export function withSpecifiers(path: string, name: string): string | null {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    const replaced = replaceSpecifiers(part, unitName(name));
    if (replaced === null) break;
    parts.push(replaced);
  }
  const known = parts.join("/");
  return known === "" ? null : known;
}

function replaceSpecifiers(text: string, { name, instance }: UnitName): string | null {
  const prefix = name.replace(/(@.*)?\.[a-z]+$/, "");
  const last = prefix.split("-").at(-1) ?? "";
  const values: Readonly<Record<string, string | null>> = {
    "%": "%",
    i: instance,
    I: unescapedName(instance),
    p: prefix,
    P: unescapedName(prefix),
    j: last,
    J: unescapedName(last),
    n: name,
    N: name.replace(/\.[a-z]+$/, ""),
    u: "root",
    h: "/root",
    t: "/run",
    S: "/var/lib",
    C: "/var/cache",
    L: "/var/log",
    E: "/etc",
  };
  let unknown = false;
  const replaced = text.replace(/%(.?)/g, (_, letter: string) => {
    const value = values[letter] ?? null;
    if (value === null) unknown = true;
    return value ?? "";
  });
  return unknown ? null : replaced;
}

/** systemd-escape(1) `--unescape`. */
function unescapedName(escaped: string | null): string | null {
  const text = escaped?.replaceAll("-", "/") ?? null;
  return text?.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))) ?? null;
}
