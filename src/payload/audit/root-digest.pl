# Usage: perl root-digest.pl [--list] [--json], as root-digest.sh runs it, with the root as it was made at MADE in its environment.
#
# The digest is SHA-256 of a record for each path, sorted by bytes, after one that says the version of this form. A record is
# fields with a NUL after each, then a line feed: path, kind (file, folder, link, other), mode in octal, user, group, content
# (of a file its SHA-256, of a link where it leads, of a device its number), extended attributes in hexadecimal.
# Times are not in it, for what activation makes has that of the boot; nor are inodes, hard links and sizes of folders.
use strict;
use warnings;
no warnings 'recursion';
use Declared;
use Files;
use IPC::Open2;
use Report;

# What is the host's by design, and why. What persists is not on the root at all.
my %OWN = ('/etc/nixfleet/boot' => 'the id of the boot');

my ($list, $asJson);
for (@ARGV) {
    if    ($_ eq '--list') { $list   = 1 }
    elsif ($_ eq '--json') { $asJson = 1 }
    else { print STDERR "usage: nixfleet root-digest [--list] [--json]\n"; exit 2 }
}
my $made = $ENV{MADE};
my @rows;
below('');
@rows = sort { $a->{path} cmp $b->{path} } @rows;
addContents(grep { $_->{kind} eq 'file' } @rows);
my $digest = digestOf("nixfleet root-digest 1\0\n", map { recordOf($_) } @rows);
my $persisted = placed("$made/etc/nixfleet/placed.list");
my ($bootId, $closure) = map { s/\n\z//r } linesOf("$made/etc/nixfleet/boot");
my @own = grep { look("$made$_") } sort keys %OWN;
if ($asJson) {
    print json({ digest => $digest, closure => $closure, bootId => $bootId, paths => number(scalar @rows),
        own => [map { +{ path => $_, reason => $OWN{$_} } } @own],
        persisted => [map { +{ text(path => $_), text(root => $persisted->{$_}{root}) } } sort keys %$persisted],
        $list ? (list => [map { forJson($_) } @rows]) : () }), "\n";
}
else {
    line($digest);
    line('of ', scalar @rows, ' paths, as the boot ', $bootId // '?', ' made the root of ', $closure // '?');
    line('Not in it, for they are this host\'s own:');
    line("  $_: $OWN{$_}") for @own;
    line('  ', scalar keys %$persisted, ' paths that persist: their data is not on the root');
    if ($list) { line(join '  ', $_->{kind}, $_->{mode}, "$_->{uid}:$_->{gid}", name($_->{content}), name($_->{path})) for @rows }
}
finish(0);

sub below {
    my ($folder) = @_;
    for my $name (@{ namesIn("$made$folder") // refuse(name($folder), ' cannot be read') }) {
        my $path = "$folder/$name";
        next if $OWN{$path};
        my $file = look("$made$path") // refuse(name($path), ' cannot be read');
        my $kind = kindOf($file);
        push @rows, { path => $path, kind => $kind, mode => sprintf('%04o', $file->{mode} & 07777), uid => $file->{uid}, gid => $file->{gid},
            content => $kind eq 'link' ? readlink "$made$path" : $kind eq 'other' ? sprintf('%o %d', $file->{mode} & 0170000, $file->{device}) : '',
            attributes => unpack 'H*', Files::attributes("$made$path") };
        below($path) if $kind eq 'folder';
    }
}

# A few processes for all of them.
sub addContents {
    while (my @some = splice @_, 0, 500) {
        open my $sums, '-|', 'sha256sum', '--zero', '--', map { "$made$_->{path}" } @some or die "sha256sum: $!\n";
        local $/ = "\0";
        my @sums = map { substr $_, 0, 64 } <$sums>;
        close $sums && @sums == @some or refuse('not all files can be read');
        $some[$_]{content} = $sums[$_] for 0 .. $#some;
    }
}

sub recordOf {
    my ($row) = @_;
    return join('', map { "$row->{$_}\0" } qw(path kind mode uid gid content attributes)) . "\n";
}

sub digestOf {
    my $pid = open2(my $from, my $to, 'sha256sum');
    print $to @_;
    close $to;
    my $digest = substr <$from> // '', 0, 64;
    waitpid $pid, 0;
    $? == 0 && length $digest == 64 or refuse('sha256sum cannot be run');
    return $digest;
}

sub forJson {
    my ($row) = @_;
    return { text(path => $row->{path}), text(content => $row->{content}), (map { ($_ => $row->{$_}) } qw(kind mode attributes)),
        map { ($_ => number($row->{$_})) } qw(uid gid) };
}

sub linesOf {
    open my $file, '<', $_[0] or return ();
    return <$file>;
}
