# What btrfs knows by itself: which paths differ between two subvolumes, where subvolumes lie, how else a file is called.
package Btrfs;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(changedPaths nestedSubvolumes namesOf);

my ($SUBVOLUME, $SNAPSHOT, $UTIMES, $END) = (1, 2, 20, 21);
my ($PATH, $PATH_TO, $PATH_LINK) = (15, 16, 17);
my $LINK = 10;

# Of ioctl(2), by linux/btrfs.h.
my ($INO_PATHS, $INO_LOOKUP, $ROOTREFS) = (0xc0389423, 0xd0009412, 0xd000943d);
my $FOLDER_OF_SUBVOLUME = 256;

# The paths, without a slash before them, that a send stream from one read-only subvolume to another names: each that
# differs, or a folder above it that was moved. The stream is read as it is: as text, it could be forged by names.
sub changedPaths {
    my ($parent, $subvolume) = @_;
    open my $stream, '-|', 'btrfs', 'send', '--quiet', '--no-data', '-p', $parent, $subvolume
        or die "btrfs cannot be run: $!\n";
    binmode $stream;
    my %paths;
    take($stream, 17) =~ /\Abtrfs-stream\0/ or die "btrfs send gives no stream\n";
    while (1) {
        my ($length, $command) = unpack 'VvV', take($stream, 10);
        my $body = take($stream, $length);
        last if $command == $END;
        next if $command == $SUBVOLUME || $command == $SNAPSHOT;
        while (length $body) {
            my ($type, $size) = unpack 'vv', $body;
            my $value = substr $body, 4, $size;
            substr $body, 0, 4 + $size, '';
            next if $type != $PATH && $type != $PATH_TO && !($type == $PATH_LINK && $command == $LINK);
            # That a folder is newer says nothing of it.
            $paths{$value} = 1 if $command != $UTIMES;
        }
    }
    1 while read $stream, my $rest, 1 << 16; # else the program that writes it is ended
    close $stream or die "btrfs send failed\n";
    return keys %paths;
}

sub take {
    my ($stream, $length) = @_;
    my $bytes = '';
    while (length $bytes < $length) {
        read $stream, $bytes, $length - length $bytes, length $bytes or die "the stream of btrfs send ends early\n";
    }
    return $bytes;
}

# The paths of subvolumes within the one at $top. A snapshot has none of them.
sub nestedSubvolumes {
    my ($top) = @_;
    my ($least, %folders, @found) = (0);
    open my $handle, '<', $top or die "$top: $!\n";
    while (1) {
        my $buffer = pack 'Q x4088', $least;
        ioctl $handle, $ROOTREFS, $buffer or $!{EOVERFLOW} or last;
        my $more = $!{EOVERFLOW};
        my $count = unpack 'C', substr $buffer, 4088, 1;
        for (0 .. $count - 1) {
            my ($tree, $folder) = unpack 'QQ', substr $buffer, 8 + 16 * $_, 16;
            $folders{$folder} = 1;
            $least = $tree + 1;
        }
        last if !$more || $count == 0;
    }
    for my $folder (keys %folders) {
        my $path = $folder == $FOLDER_OF_SUBVOLUME ? '' : folderPath($handle, $folder);
        opendir my $names, "$top/$path" or next;
        push @found, map { "$path$_" }
            grep { $_ ne '.' && $_ ne '..' && ((lstat "$top/$path$_")[1] // 0) == $FOLDER_OF_SUBVOLUME && -d _ } readdir $names;
    }
    return @found;
}

# With a slash at its end.
sub folderPath {
    my ($handle, $inode) = @_;
    my $buffer = pack 'QQ x4080', 0, $inode;
    ioctl $handle, $INO_LOOKUP, $buffer or die "the folder $inode has no path: $!\n";
    return unpack 'Z*', substr $buffer, 16;
}

# All names of the file with that inode number, in the subvolume that is mounted or lies at $top.
sub namesOf {
    my ($top, $inode) = @_;
    open my $handle, '<', $top or die "$top: $!\n";
    my $found = "\0" x 65536;
    my $request = pack 'QQ x32 Q', $inode, length $found, unpack 'Q', pack 'P', $found;
    ioctl $handle, $INO_PATHS, $request or die "inode $inode: $!\n";
    my (undef, undef, $count) = unpack 'L4', $found;
    return map { unpack 'Z*', substr $found, 16 + $_ } unpack "Q$count", substr $found, 16;
}

1;
