# Usage: perl contents.pl list FOLDER             what a store object holds
#        perl contents.pl digest FOLDER           the digest of that, which begins the object's name
#        perl contents.pl digest LIST             the same, of a file that such a list was written to
#        perl contents.pl verify FOLDER DIGEST    what differs from it, a line each; exit 1 where something does
#
# A line for each entry, in the byte order of paths, with blanks between:
#
#     TYPE MODE UID GID MTIME XATTRS CONTENT PATH
#
# TYPE is d, f or l, and ? for what no object holds: devices, pipes, sockets. MODE is octal, MTIME in seconds. XATTRS are
# file capabilities, ACLs and user attributes, NAME=HEX with commas between. CONTENT is SHA256:SIZE of a file, in bytes, or a
# link's target. Where there is none, it is "-". In PATH, CONTENT and NAME a byte that is not a printable character of ASCII, a
# blank, and \ , = in names of attributes, are \xHH: so a line is one, and a terminal can show it.
# What depends on how an object is stored is left out: inode numbers, hard links, holes, sizes of folders.
#
# An object has its list in itself, as contents.list, so that a damaged one can say which of its files are. Its own
# content is not in it. The builder and the host run this same program: perl-base is essential on Debian.
use strict;
use warnings;
use Config;

my $LIST = './contents.list';
# getxattr(2) of a link itself, which Perl has no function for; by the kernel's number for this processor.
my %SYSCALLS = (x86_64 => [192, 195], aarch64 => [9, 12], arm => [230, 233], i386 => [230, 233], riscv64 => [9, 12]);
my ($processor) = $Config{archname} =~ /^(x86_64|aarch64|arm|i[3-6]86|riscv64)/;
my ($GET, $NAMES) = @{ $SYSCALLS{ ($processor // '') =~ /^i/ ? 'i386' : $processor // '' }
        // die "contents.pl does not know the system calls of $Config{archname}\n" };
my $EOPNOTSUPP = 95;

my ($command, $folder, $wanted) = @ARGV;
binmode STDOUT;
my $list = -f $folder ? slurp($folder) : chdir $folder ? list() : die "$folder cannot be entered: $!\n";
if    ($command eq 'list')   { print $list }
elsif ($command eq 'digest') { print digest($list), "\n" }
elsif ($command eq 'verify') { exit verify() }
else                         { die "list, digest or verify\n" }

sub list {
    my (@paths, @files, %line, %size);
    my @open = ('.');
    while (defined(my $path = pop @open)) {
        my @stat = lstat $path or die "$path: $!\n";
        my ($type, $content) = ('?', '-');
        if (-d _) {
            $type = 'd';
            opendir my $names, $path or die "$path: $!\n";
            push @open, map { "$path/$_" } grep { $_ ne '.' && $_ ne '..' } readdir $names;
        }
        elsif (-l _) { $type = 'l'; $content = escaped(readlink $path) }
        elsif (-f _) { $type = 'f'; $size{$path} = $stat[7]; push @files, $path if $path ne $LIST }
        push @paths, $path;
        $line{$path} = [sprintf('%s %o %d %d %d %s', $type, $stat[2] & 07777, @stat[4, 5, 9], xattrs($path)), $content];
    }
    my $sums = sums(@files);
    $line{$_}[1] = defined $sums->{$_} ? "$sums->{$_}:$size{$_}" : 'unreadable' for @files;
    return join '', map { "$line{$_}[0] $line{$_}[1] " . escaped($_) . "\n" } sort @paths;
}

sub sums {
    my %sums;
    open my $names, '+>', undef or die "no temporary file can be made: $!\n";
    print $names map { "$_\0" } @_;
    my $was = select $names; $| = 1; select $was;
    sysseek $names, 0, 0;
    open STDIN, '<&', $names or die "$!\n";
    open my $lines, '-|', 'xargs', '-0', '-r', 'sha256sum', '-z', '--' or die "sha256sum cannot be run: $!\n";
    local $/ = "\0";
    while (<$lines>) { chomp; $sums{ substr $_, 66 } = substr $_, 0, 64 }
    close $lines; # a file that cannot be read is in no line
    return \%sums;
}

sub xattrs {
    my ($path) = @_;
    my $names = xattr($NAMES, $path, undef) // return '-';
    my @found = map { ($_ => xattr($GET, $path, $_)) } sort grep { /^(security\.capability|system\.posix_acl_|user\.)/ }
        split /\0/, $names;
    my @pairs;
    while (my ($name, $value) = splice @found, 0, 2) {
        push @pairs, escaped($name, ',=') . '=' . unpack 'H*', $value // die "$path: $name: $!\n";
    }
    return join(',', @pairs) || '-';
}

# The value of an attribute, or the names of all with a zero after each; undef where there is none.
sub xattr {
    my ($call, $path, $name) = @_;
    my $buffer = "\0" x 65536;
    my @name = defined $name ? ($name) : ();
    my $length = syscall $call, $path, @name, $buffer, length $buffer;
    return substr $buffer, 0, $length if $length >= 0;
    return undef if $! == $EOPNOTSUPP;
    die "$path: $!\n";
}

sub escaped {
    my ($text, $more) = (@_, '');
    $text =~ s/([^!-~]|[\\\Q$more\E])/sprintf '\\x%02x', ord $1/ge;
    return $text;
}

# Of the SHA-256 the first 160 bits, 5 a character, in Nix's alphabet: without e, o, u and t no digest spells a word.
sub digest {
    my $hex = sum($_[0]);
    my @alphabet = split //, '0123456789abcdfghijklmnpqrsvwxyz';
    return join '', map { $alphabet[ oct "0b$_" ] } unpack('B160', pack 'H40', $hex) =~ /.{5}/g;
}

sub sum {
    open my $text, '+>', undef or die "no temporary file can be made: $!\n";
    my $was = select $text; $| = 1; select $was;
    print $text $_[0];
    sysseek $text, 0, 0;
    open STDIN, '<&', $text or die "$!\n";
    return `sha256sum`;
}

sub verify {
    my $stored = -l $LIST || !-f $LIST ? '' : slurp($LIST);
    # Objects of versions before sizes were listed.
    $list =~ s/^(f .* [0-9a-f]{64}):\d+ /$1 /gm if $stored =~ /^f .* [0-9a-f]{64} /m;
    return 0 if digest($list) eq $wanted && $stored eq $list;
    if (digest($stored) ne $wanted) {
        print digest($list) eq $wanted
            ? "$LIST is damaged\n"
            : "its digest differs from its name, and it has no list of its files\n";
        return 1;
    }
    my %now  = map { /(\S+)$/ => $_ } split /\n/, $list;
    my %then = map { /(\S+)$/ => $_ } split /\n/, $stored;
    for (sort keys %{ { %now, %then } }) {
        if    (!defined $now{$_})       { print "$_ is missing\n" }
        elsif (!defined $then{$_})      { print "$_ does not belong there\n" }
        elsif ($now{$_} ne $then{$_})   { print "$_ is changed\n" }
    }
    return 1;
}

sub slurp {
    open my $file, '<', $_[0] or return '';
    binmode $file;
    local $/;
    return <$file> // '';
}
