# What a file is, on a mounted filesystem: its kind, its attributes, whether it is as another.
package Files;
use strict;
use warnings;
use Config;
use Exporter 'import';
use Fcntl ':mode';
our @EXPORT = qw(look kindOf isSame namesIn);

# getxattr(2) and listxattr(2) of a link itself, which Perl has no functions for.
my %SYSCALLS = (x86_64 => [192, 195], aarch64 => [9, 12], riscv64 => [9, 12]);
my ($processor) = $Config{archname} =~ /^([a-z0-9_]+?)-/;
my ($GET, $NAMES) = @{ $SYSCALLS{$processor} // die "the system calls of $processor are not known\n" };

# lstat(2) as a hash; undef where there is nothing.
sub look {
    my ($path) = @_;
    my @stat = lstat $path or return undef;
    my %file = (inode => $stat[1], mode => $stat[2], links => $stat[3], uid => $stat[4], gid => $stat[5],
        device => $stat[6], size => $stat[7], time => $stat[9], filesystem => $stat[0]);
    return \%file;
}

sub kindOf {
    my ($file) = @_;
    return 'folder' if S_ISDIR($file->{mode});
    return 'file'   if S_ISREG($file->{mode});
    return 'link'   if S_ISLNK($file->{mode});
    return 'other';
}

# Whether two that are there have one kind, owner, mode, extended attributes, and one content, which of folders is none.
sub isSame {
    my ($one, $other) = @_;
    my ($a, $b) = (look($one), look($other));
    return '' if !$a || !$b || grep { $a->{$_} != $b->{$_} } qw(mode uid gid);
    my $kind = kindOf($a);
    return '' if $kind eq 'other' && $a->{device} != $b->{device};
    return '' if $kind eq 'link' && readlink $one ne readlink $other;
    return '' if attributes($one) ne attributes($other);
    return $kind ne 'file' || $a->{size} == $b->{size} && hasSameContent($one, $other);
}

sub hasSameContent {
    my ($one, $other) = @_;
    open my $a, '<:raw', $one   or return '';
    open my $b, '<:raw', $other or return '';
    while (1) {
        my ($left, $right) = ('', '');
        my $count = read $a, $left, 1 << 20;
        return '' if !defined $count || !defined read($b, $right, 1 << 20) || $left ne $right;
        return 1  if $count == 0;
    }
}

# Those that say something of the file, rather than of the filesystem.
sub attributes {
    my ($path) = @_;
    my $names = attribute($NAMES, $path) // return '';
    return join "\0", map { ($_, attribute($GET, $path, $_) // '') } sort grep { !/^btrfs\./ } split /\0/, $names;
}

sub attribute {
    my ($call, $path, @name) = @_;
    my $buffer = "\0" x 65536;
    my $length = syscall $call, $path, @name, $buffer, length $buffer;
    return $length < 0 ? undef : substr $buffer, 0, $length;
}

# Sorted; undef where it cannot be read.
sub namesIn {
    my ($folder) = @_;
    opendir my $handle, $folder or return undef;
    return [sort grep { $_ ne '.' && $_ ne '..' } readdir $handle];
}

1;
