# Usage: perl restore.pl PATH [--from TIME] [--to PATH | --persist] [--until-boot] [--json], as restore.sh runs it with the top of
# the filesystem as its current folder, and in its environment ROOT, NIX, PERSIST_ROOT, MOUNTPOINT, CLOSURE, RUNTIME.
use strict;
use warnings;
use Cwd;
use Declared;
use Files;
use Paste;
use Put;
use Report;
use Safely;

my $USAGE = 'usage: nixfleet restore PATH [--from TIME] [--to PATH | --persist] [--until-boot] [--json]';
my ($path, $from, $to, $persist, $untilBoot, $asJson);
while (defined(my $word = shift @ARGV)) {
    if    ($word eq '--json')       { $asJson = 1 }
    elsif ($word eq '--persist')    { $persist = 1 }
    elsif ($word eq '--until-boot') { $untilBoot = 1 }
    elsif ($word eq '--from' && @ARGV) { $from = shift @ARGV }
    elsif ($word eq '--to' && @ARGV)   { $to = shift @ARGV }
    elsif ($word =~ m{^/} && !defined $path) { $path = $word =~ s{/+\z}{}r }
    else { usage() }
}
usage() if !defined $path || $path eq '' || defined $to && ($persist || $to !~ m{^/.*[^/]}s);
$to =~ s{/+\z}{} if defined $to;
my $here = getcwd();
my $top  = $ENV{ROOT} =~ s{/\z}{}r;

my ($root, $source) = found();
my $file    = look($source);
my $said    = declared($ENV{CLOSURE});
my $entries = placed("$top/etc/nixfleet/placed.list");
my $item    = { path => $path, kind => kindOf($file), map { ($_ => $file->{$_}) } qw(uid gid mode) };
my $entry   = entryFor($item, $said ? $said->{home} : undef, "$here/$root/etc");
my $within  = isWithin($path, $entries);
my $target  = $to // ($persist ? (defined $within ? $entries->{$within}{root} : $ENV{PERSIST_ROOT}) . $path : $path);
if (!$persist && !$untilBoot && !persists($target)) {
    refuse(name($target), ' is gone at the next boot. Restore it with --persist, and write into the declaration:', "\0  ",
        join("\0  ", paste($ENV{PERSIST_ROOT}, $entry)), "\0or say --until-boot, or where it is to be with --to PATH");
}
put($top, $source, $target, $persist ? \&makeParent : undef);
if ($asJson) { print json({ text(path => $path), from => $root =~ s{.*/}{}r, text(to => $target), entry => $entry->{text} }), "\n" }
else {
    line(name($path), ' of ', $root, $target eq $path ? ' is back' : ' is at ' . name($target));
    if ($persist && !defined $within) {
        line('It is seen at ', name($path), ' from the boot on that this is declared for:');
        line("  $_") for paste($ENV{PERSIST_ROOT}, $entry);
    }
}
finish(0);

sub usage { print STDERR "$USAGE\n"; exit 2 }

# The old root that has it, and where, from the top. No link above it is followed: its owner may have chosen where that leads.
sub found {
    my @all = reverse sort grep { /^\d{8}T\d{6}\.\d{3}Z(\.kept)?\z/ && ((look("old_roots/$_") // {})->{inode} // 0) == 256 }
        @{ namesIn('old_roots') // [] };
    if (defined $from) {
        my @begin = grep { $from eq 'newest' ? $_ eq $all[0] : index($_, $from) == 0 } @all;
        @begin = grep { $_ eq $from } @begin if grep { $_ eq $from } @begin;
        refuse('no old root, or more than one, begins with ', name($from), '; nixfleet roots lists them') if @begin != 1;
        @all = @begin;
    }
    my ($folder, $name) = $path =~ m{^(.*)/([^/]+)\z}s;
    for (@all) {
        my $handle = enter("$here/old_roots/$_", $folder);
        my $there = $handle && look($name);
        chdir $here or die "$!\n";
        next if !$there || isPlaced("old_roots/$_", $there);
        return ("old_roots/$_", "$here/old_roots/$_$path");
    }
    my $within = isWithin($path, placed("$top/etc/nixfleet/placed.list"));
    refuse(defined $from ? "$all[0] has no " : 'no old root has ', name($path),
        defined $within ? '; ' . name($within) . ' persists, so no old root holds what is in it' : '');
}

# What that root only had a mount or a link for.
sub isPlaced {
    my ($old, $there) = @_;
    my $entry = placed("$here/$old/etc/nixfleet/placed.list")->{$path} // return '';
    return kindOf($there) eq 'link' if $entry->{how} eq 'symlink';
    return kindOf($there) eq 'folder' ? !@{ namesIn("$here/$old$path") // [] } : $there->{size} == 0;
}

# Whether what is put there is there after the next boot: below an entry, or on another subvolume or filesystem of a disk.
sub persists {
    my ($target) = @_;
    return 1 if defined isWithin($target, $entries) && !exists $entries->{$target};
    open my $mounts, '<', '/proc/self/mountinfo' or return '';
    my ($longest, $lasts) = (-1, '');
    for (<$mounts>) {
        my ($where, $mount) = (split / /)[3, 4];
        my ($type) = / - (\S+) /;
        $mount =~ s/\\([0-7]{3})/chr oct $1/ge;
        my $below = $mount eq '/' ? '/' : "$mount/";
        next if index("$top$target/", $below) != 0 || length $mount < $longest;
        ($longest, $lasts) = (length $mount, $type !~ /tmpfs|^overlay$|^proc$|^sysfs$/ && $where !~ m{^/(\@root|old_roots)(/|\z)});
    }
    return $lasts;
}

# A folder above it on the persist root, as it was in the old root.
sub makeParent {
    my ($at, $part) = @_;
    my $prefix = defined $within ? $entries->{$within}{root} : $ENV{PERSIST_ROOT};
    my $like = look("$here/$root" . substr $at, length $prefix) // { mode => 0755, uid => 0, gid => 0 };
    mkdir $part, 0700 or return;
    chown $like->{uid}, $like->{gid}, $part;
    chmod $like->{mode} & 07777, $part;
}
