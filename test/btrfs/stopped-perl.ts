/** Ends a command of Perl before any of its statements, as a power cut would. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AuditedHost } from "./audited-host.ts";

/** perldebug(1): called before each statement, of which it counts those of the subroutines that are named. */
const CUT = `package DB;
my ($left, @lines) = ($ENV{CUT_AFTER});
sub DB {
    my @caller = caller 1;
    return if ($caller[3] // '') !~ /::(?:$ENV{CUT_IN})$/;
    if ($left == 0) { kill 9, $$; sleep 9 }
    $left--;
}
sub sub { no strict 'refs'; &$DB::sub }
END { open my $file, '>', $ENV{CUT_LEFT}; print $file $left }
1;
`;

/**
 * Runs a command for each number of statements after which it can be ended, with what it is given made anew by `prepare`.
 * @param within names of subroutines, with | between
 * @returns how many there were
 */
export function stoppedAnywhere(
  host: AuditedHost,
  within: string,
  argv: readonly [name: string, ...args: string[]],
  prepare: () => void,
  check: (count: number) => void,
): number {
  const folder = join(host.fs.scratch, "perl");
  mkdirSync(join(folder, "Devel"), { recursive: true });
  writeFileSync(join(folder, "Devel/Cut.pm"), CUT);
  const left = join(folder, "left");
  for (let count = 0; ; count++) {
    prepare();
    writeFileSync(left, "killed");
    const [name, ...args] = argv;
    const env = { PERL5OPT: "-d:Cut", PERL5LIB: folder, CUT_AFTER: `${count}`, CUT_IN: within, CUT_LEFT: left };
    host.commandWith(env, name, ...args);
    const ended = readFileSync(left, "utf8") !== "killed";
    check(count);
    if (ended) return count;
  }
}
