# What differs between two roots, with whole folders where all of a folder is new or gone.
package Compare;
use strict;
use warnings;
no warnings 'recursion'; # folders are as deep as somebody made them
use Exporter 'import';
use Files;
our @EXPORT = qw(compare);

# compare(OLD, NEW, PATHS, %RULES): OLD and NEW are folders, PATHS what btrfs says differs below them (relative, without a
# slash before them), or undef: then all is looked at. Rules, each a function of such a path:
#   isOpen     a folder that is listed by what it holds, never whole
#   isMade     what is left out, with a second argument, that of look()
#   isElsewhere  a folder that is left out with all that it holds
#   inside     where a subvolume's own content is, that NEW has an empty folder of
# Returns a hash of each: path, change (new, changed, deleted), kind, size, time, files, uid, gid, mode; and the paths of
# folders that could not be read.
sub compare {
    my ($old, $new, $paths, %rules) = @_;
    my $self = { old => $old, new => $new, found => {}, unread => {}, seen => {}, %rules };
    if (defined $paths) { reach($self, $_) for @$paths }
    else                { within($self, '') }
    return ([map { $self->{found}{$_} } sort keys %{ $self->{found} }], [sort keys %{ $self->{unread} }]);
}

# Down to the path, or to the first folder above it that is not the same in both: its number says so.
sub reach {
    my ($self, $path) = @_;
    my $at = '';
    for my $part (split m{/}, $path) {
        $at = $at eq '' ? $part : "$at/$part";
        $self->{seen}{$at} //= step($self, $at);
        return if $self->{seen}{$at} eq 'done';
    }
    own($self, $path);
}

# What is to be said of that path alone; `done` where it has been said of all below it too.
sub step {
    my ($self, $path) = @_;
    my ($old, $new) = both($self, $path);
    if ($old && $new && isFolder($old) && isFolder($new)) {
        return 'deeper' if $old->{inode} == $new->{inode};
        own($self, $path);
        within($self, $path);
    }
    else { one($self, $path, $old, $new) }
    return 'done';
}

sub both { my ($self, $path) = @_; return (look("$self->{old}/$path"), look("$self->{new}/$path")) }
sub isFolder { return kindOf($_[0]) eq 'folder' }

# All below a folder of both.
sub within {
    my ($self, $folder) = @_;
    my $before = $folder eq '' ? '' : "$folder/";
    my %names;
    for my $root ($self->{old}, $self->{new}) {
        my $names = namesIn("$root/$folder");
        if ($names) { $names{$_} = 1 for @$names }
        else        { $self->{unread}{$folder} = 1 }
    }
    for my $path (map { "$before$_" } sort keys %names) {
        next if $self->{isElsewhere}->($path);
        my ($old, $new) = both($self, $path);
        if ($old && $new && isFolder($old) && isFolder($new)) {
            own($self, $path);
            within($self, $path);
        }
        else { one($self, $path, $old, $new) }
    }
}

# What is not a folder of both.
sub one {
    my ($self, $path, $old, $new) = @_;
    return if $self->{isElsewhere}->($path);
    if ($new && isFolder($new) && $self->{isOpen}->($path)) {
        add($self, $path, 'deleted', $old) if $old;
        for (@{ namesIn("$self->{new}/$path") // [] }) { one($self, "$path/$_", undef, look("$self->{new}/$path/$_")) }
    }
    elsif ($new) {
        return if $old && isSame("$self->{old}/$path", "$self->{new}/$path");
        # A folder in the place of a file is one, and not the file with another owner.
        add($self, $path, $old && !isFolder($new) ? 'changed' : 'new', $new);
    }
    elsif ($old) { add($self, $path, 'deleted', $old) }
}

# The owner, mode and attributes of a folder of both; of a file, all.
sub own {
    my ($self, $path) = @_;
    my ($old, $new) = both($self, $path);
    return if !$old || !$new || isSame("$self->{old}/$path", "$self->{new}/$path");
    add($self, $path, 'changed', $new);
}

sub add {
    my ($self, $path, $change, $file) = @_;
    return if $self->{isMade}->($path, $file, $change);
    my $root = $change eq 'deleted' ? $self->{old} : $self->{new};
    my %total = (size => 0, files => 0, time => 0);
    if ($change eq 'changed' && isFolder($file)) { $total{time} = $file->{time} }
    else { count($self, $root, $path, $file, \%total) }
    $self->{found}{$path} = { path => $path, change => $change, kind => kindOf($file), %total,
        map { ($_ => $file->{$_}) } qw(uid gid mode) };
}

sub count {
    my ($self, $root, $path, $file, $total) = @_;
    $total->{time} = $file->{time} if $file->{time} > $total->{time};
    if (!isFolder($file)) {
        $total->{size} += $file->{size};
        $total->{files}++;
        return;
    }
    my $place = $self->{inside}->($path) // "$root/$path";
    my $names = namesIn($place);
    $self->{unread}{$path} = 1 if !$names;
    for (@{ $names // [] }) {
        my $child = look("$place/$_") or next;
        count($self, $root, "$path/$_", $child, $total) if !$self->{isElsewhere}->("$path/$_");
    }
}

1;
