# The trash of a persist root: .nixfleet/trash, where each has a folder with `data`, and with `path`, where it was.
package Trash;
use strict;
use warnings;
use Exporter 'import';
use Files;
use Report;
use Safely;
use Time;
our @EXPORT = qw(toTrash trashOf);

# Its path is on the disk before it is moved, with one rename. What a crash leaves is a place in the trash without data.
sub toTrash {
    my ($top, $root, $path) = @_;
    my ($folder, $name) = substr($path, length $root) =~ m{^(.*)/([^/]+)\z}s;
    my $from = enter("$top$root", $folder) // refuse(name($@));
    look($name) // refuse('there is no ', name($path));
    my $trash = trashOf("$top$root", 1);
    my $id = freeName($trash);
    mkdir "$trash/$id", 0700 or refuse("$trash/$id: $!");
    my $to = enter($trash, $id) // refuse(name($@));
    open my $note, '>', 'path' or refuse("$trash/$id/path: $!");
    print $note $path and close $note and syncAt('path') or refuse("$trash/$id/path cannot be written: $!");
    if (!renameNew($from, $name, $to, 'data')) {
        my $why = $!;
        unlink 'path';
        rmdir "$trash/$id";
        refuse(name($path), " cannot be moved: $why");
    }
    syncAt('.') or refuse('the disk does not take it');
    return $id;
}

# trashOf(ROOT, MAKE): the folder, by that of the persist root; undef where there is none.
sub trashOf {
    my ($root, $make) = @_;
    my $state = "$root/.nixfleet";
    if ($make) { -d $_ || mkdir $_, 0700 for $state, "$state/trash" }
    return undef if !$make && !-d "$state/trash";
    isAt($state) && isAt("$state/trash") or refuse(name("$state/trash"), " is not root's alone: move it elsewhere");
    return "$state/trash";
}

sub freeName {
    my ($trash) = @_;
    my ($second, $minute, $hour, $day, $month, $year) = gmtime now();
    my $clock = sprintf '%04d%02d%02dT%02d%02d%02d', $year + 1900, $month + 1, $day, $hour, $minute, $second;
    for (0 .. 999) {
        my $id = sprintf '%s.%03dZ', $clock, $_;
        return $id if !look("$trash/$id");
    }
    refuse('the trash takes no more in this second');
}

1;
