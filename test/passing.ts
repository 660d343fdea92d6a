/** Commands that pass on at once what they read. */

/** With a byte changed. */
export function flipped(offset: number): string {
  return passing(`substr($block, ${offset} - $at, 1) ^= "\\1" if ${offset} >= $at && ${offset} < $at + $n`);
}

/** Up to a byte. */
export function cutOff(bytes: number): string {
  return passing(`if ($at + $n >= ${bytes}) { syswrite STDOUT, substr $block, 0, ${bytes} - $at; exit }`);
}

function passing(step: string): string {
  return `perl -e 'my $at = 0; while (my $n = sysread STDIN, my $block, 65536) { ${step}; $at += $n; syswrite STDOUT, $block }'`;
}
