# Usage: perl cpio.pl FOLDER >>INITRD
# Writes all that is in the folder as an archive that the kernel unpacks with its initrd, all of it root's: "newc", see
# Documentation/driver-api/early-userspace/buffer-format.rst. The kernel wants an archive to begin at a multiple of four.
use strict;
use warnings;

my ($folder) = @ARGV;
binmode STDOUT;
my $end = -s STDOUT // 0;
print "\0" x (-$end % 4);
chdir $folder or die "$folder: $!\n";
my $inode = 0;
my @open = sort grep { !/^\.\.?$/ } names('.');
while (defined(my $path = shift @open)) {
    my @stat = lstat $path or die "$path: $!\n";
    if    (-d _) { member($path, $stat[2], ''); unshift @open, map { "$path/$_" } names($path) }
    elsif (-l _) { member($path, $stat[2], readlink $path) }
    elsif (-f _) { member($path, $stat[2], slurp($path)) }
}
member('TRAILER!!!', 0, '');
close STDOUT or die "$!\n";

sub member {
    my ($name, $mode, $data) = @_;
    my @fields = (++$inode, $mode, 0, 0, 1, time, length $data, 0, 0, 0, 0, length($name) + 1, 0);
    print padded('070701' . join('', map { sprintf '%08x', $_ } @fields) . "$name\0"), padded($data);
}

sub padded { return $_[0] . "\0" x (-length($_[0]) % 4) }

sub names {
    opendir my $names, $_[0] or die "$_[0]: $!\n";
    return sort grep { !/^\.\.?$/ } readdir $names;
}

sub slurp {
    open my $file, '<', $_[0] or die "$_[0]: $!\n";
    binmode $file;
    local $/;
    return <$file> // '';
}
