/** Mistakes in sudoers files: with one, sudo lets nobody become root. See sudoers(5). `check --built` runs visudo(8) itself. */

export type Mistake = readonly [what: string, fix: string];

export function sudoersMistakes(name: string, text: string): readonly Mistake[] {
  const file = name.replace(/^sudoers\.d\//, "");
  if (file !== name && /[.~]/.test(file))
    return [
      [
        "is ignored by sudo, whose files have no `.` and `~` in their names",
        `name it sudoers.d/${file.replace(/[.~]+/g, "-")}`,
      ],
    ];
  const lines = text.replace(/\\\n/g, " ").split("\n");
  return lines.flatMap((line, index) => {
    const wrong = mistakeIn(line.trim());
    return wrong === null
      ? []
      : [[`is no valid sudoers file: line ${index + 1}, ${JSON.stringify(line.trim())}`, wrong]];
  });
}

/** @returns what to write, or `null` where nothing is certainly wrong */
function mistakeIn(line: string): string | null {
  if (line === "" || /^[@#]include(dir)?\s+\S/.test(line) || /^#(?!\d)/.test(line)) return null;
  if (/^Defaults([@:!>]\S+)?\s+\S/.test(line)) return null;
  const alias = /^(User|Runas|Host|Cmnd|Cmd)_Alias\s+(.*)$/.exec(line);
  if (alias !== null)
    return /^[A-Z][A-Z0-9_]*\s*=\s*\S/.test(alias[2] ?? "")
      ? null
      : `write ${alias[1]}_Alias NAME = …, the name in capitals`;
  const [, who, commands] = /^(\S.*?)\s+\S+?\s*=\s*(.*)$/.exec(line) ?? [];
  if (who === undefined || commands === undefined) return "write it as: alice ALL=(ALL:ALL) ALL";
  return commands
    .split(/(?<!\\),/)
    .map(commandOf)
    .every(isCommand)
    ? null
    : "write each command with its whole path, such as /usr/bin/systemctl";
}

/** A command without its run-as user, options and tags. */
function commandOf(text: string): string {
  return text
    .trim()
    .replace(/^\([^)]*\)\s*/, "")
    .replace(/^((ROLE|TYPE|CWD|CHROOT|TIMEOUT|NOTBEFORE|NOTAFTER|APPARMOR_PROFILE)=\S+\s+)+/, "")
    .replace(/^([A-Z_]+:\s*)+/, "")
    .replace(/^!+\s*/, "");
}

function isCommand(command: string): boolean {
  return /^(\/|\^\/|ALL(\s*:|$)|[A-Z][A-Z0-9_]*(\s*:|$)|sudoedit(\s|$)|list(\s|$)|sha(224|256|384|512):)/.test(command);
}
