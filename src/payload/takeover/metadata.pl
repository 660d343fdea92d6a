# Usage: perl metadata.pl OBJECT...
# Gives the files of store objects what an archive for the kernel does not carry for certain, as their lists say it: times, and
# attributes such as capabilities. See contents.pl.
use strict;
use warnings;
use Config;

my %SYSCALLS = (x86_64 => [189, 280], aarch64 => [6, 88]); # lsetxattr(2), utimensat(2)
my ($processor) = $Config{archname} =~ /^(x86_64|aarch64)/;
my ($SETXATTR, $UTIMENSAT) = @{ $SYSCALLS{ $processor // '' } // die "no system calls for $Config{archname}\n" };
my ($AT_FDCWD, $AT_SYMLINK_NOFOLLOW) = (-100, 0x100);

for my $object (@ARGV) {
    open my $list, '<', "$object/contents.list" or die "$object: $!\n";
    while (<$list>) {
        chomp;
        my (undef, undef, undef, undef, $time, $xattrs, undef, $path) = split / /;
        my $file = "$object/" . unescaped($path);
        for (grep { $_ ne '-' } split /,/, $xattrs) {
            my ($name, $hex) = split /=/;
            my ($attribute, $value) = (unescaped($name), pack 'H*', $hex);
            syscall($SETXATTR, $file, $attribute, $value, length $value, 0) == 0 or warn "$file: $attribute: $!\n";
        }
        my $times = pack 'q4', ($time, 0) x 2;
        syscall($UTIMENSAT, $AT_FDCWD, $file, $times, $AT_SYMLINK_NOFOLLOW) == 0 or warn "$file: $!\n";
    }
}

sub unescaped {
    my ($text) = @_;
    $text =~ s/\\x([0-9a-f]{2})/chr hex $1/ge;
    return $text;
}
