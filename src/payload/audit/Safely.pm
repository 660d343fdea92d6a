# Folders and renames where others may change what is above: each folder is entered by itself, and is the one that was looked
# at, so no link is followed; and nothing is ever put in the place of something else.
package Safely;
use strict;
use warnings;
use Config;
use Exporter 'import';
use Files;
our @EXPORT = qw(enter renameNew syncAt isAt);

# renameat2(2), which Perl has no function for.
my %RENAMEAT2 = (x86_64 => 316, aarch64 => 276, riscv64 => 276);
my $NOREPLACE = 1;
my ($processor) = $Config{archname} =~ /^([a-z0-9_]+?)-/;

# enter(TOP, PATH): makes the folder PATH below TOP the current one, and returns it as a handle; undef, with why in $@, where
# something above it is a link, or no folder. TOP is trusted.
sub enter {
    my ($top, $path, $make) = @_;
    chdir $top or return why("$top: $!");
    my $at = '';
    for my $part (grep { $_ ne '' } split m{/}, $path) {
        $at .= "/$part";
        return why("$at is no name of a folder") if $part eq '.' || $part eq '..';
        my $seen = look($part);
        if (!$seen && $make) {
            $make->($at, $part);
            $seen = look($part);
        }
        return why("there is no folder $at") if !$seen;
        return why("$at is a link or no folder") if kindOf($seen) ne 'folder';
        chdir $part or return why("$at: $!");
        my $entered = look('.');
        return why("$at has changed meanwhile")
            if $entered->{inode} != $seen->{inode} || $entered->{filesystem} != $seen->{filesystem};
    }
    open my $handle, '<', '.' or return why("$at: $!");
    return $handle;
}

sub why { $@ = $_[0]; return undef }

# renameNew(FOLDER, NAME, FOLDER, NAME): by handles of folders. Fails where the second is there.
sub renameNew {
    my ($from, $name, $to, $other) = @_;
    return syscall($RENAMEAT2{$processor}, fileno $from, $name, fileno $to, $other, $NOREPLACE) == 0;
}

# Brings the filesystem of a folder to the disk.
sub syncAt { return system('sync', '-f', '--', $_[0]) == 0 }

# Of a place that only root can change: a folder of root's, no link.
sub isAt {
    my $folder = look($_[0]);
    return $folder && kindOf($folder) eq 'folder' && $folder->{uid} == 0 && !($folder->{mode} & 022);
}

1;
