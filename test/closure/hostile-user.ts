/** What a user may do to his own files while root works on them, as fast as he can. */

/**
 * A program of perl, whose calls need no process each. Every folder named is exchanged with a link, over and over, and
 * so are links and pipes, hard links and files with names of devices made in it.
 */
export function hostileProgram(folders: readonly string[], targets: readonly string[]): string {
  return `exec perl -e '
    my $exchange = (split " ", qx(uname -m))[0] eq "x86_64" ? 316 : 276; # renameat2(2)
    my ($folders, $targets, $n) = ([qw(${folders.join(" ")})], [qw(${targets.join(" ")})], 0);
    while (1) {
      for my $folder (@$folders) {
        my $target = $$targets[$n++ % @$targets];
        my $decoy = "$folder.decoy";
        mkdir $folder unless -l $folder;
        symlink $target, $decoy;
        syscall $exchange, -100, $folder, -100, $decoy, 2;
        syscall $exchange, -100, $folder, -100, $decoy, 2 if $n % 3;
        next if -l $folder || $n % 7;
        symlink $target, "$folder/link";
        symlink "/srv/secret/file", "$folder/file";
        link "/srv/readable", "$folder/hard";
        system("mkfifo", "$folder/sda") unless -e "$folder/sda";
      }
    }
  '`;
}
