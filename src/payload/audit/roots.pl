# Usage: perl roots.pl list [--size] [--json], measure, show NAME [PATH] [--json], or between WHAT WHAT (SNAPSHOT SNAPSHOT PREFIX)... [--json], as
# roots.sh runs it at the top of the filesystem, with in its environment NIX, NOW, RETENTION_DAYS,
# KEEP_NEWEST, MOUNTPOINT, NIX_SUBVOLUME, RUNTIME.
use strict;
use warnings;
use Btrfs;
use Compare;
use Files;
use Report;
use Time;

my %options = map { ($_ => 1) } grep { /^--/ } @ARGV;
my ($verb, @words) = grep { !/^--/ } @ARGV;
my $asJson = delete $options{'--json'};
my $sizes  = delete $options{'--size'};
if (%options) { print STDERR 'usage: nixfleet roots … has no option ', keys %options, "\n"; exit 2 }
if    ($verb eq 'list') { list() }
elsif ($verb eq 'measure') { measure() }
elsif ($verb eq 'show') { @words > 1 ? showPath(@words) : showRoot(@words) }
else                    { between(@words) }
finish(0);

sub list {
    my @roots = roots();
    my $room = $sizes ? room(map { $_->{name} } @roots) : recorded();
    $_->{size} = $room->{oldRoots}{ $_->{name} } for @roots;
    if ($asJson) { print json([map { forJson($_) } @roots]), "\n"; return }
    line('There is no old root yet.') if !@roots;
    for (@roots) {
        line(sprintf '%s  generation %s  boot %s  %s%s%s', $_->{name}, $_->{generation} // '?', $_->{bootId} // '?',
            dueText($_), $_->{mounted} ? ', mounted' : '', $_->{size} ? ', holds ' . size($_->{size}) . ' for itself' : '');
    }
    return if !defined $room->{said};
    line($room->{said});
    line('That was measured at ', when($room->{measured}), '; nixfleet roots --size measures it now.') if !$sizes;
}

# For `nixfleet status`, and for this to say without walking: nixfleet-measure.timer does it once a boot.
sub measure {
    my $room = room(map { $_->{name} } roots());
    my $file = "$ENV{RUNTIME}/room.report";
    open my $new, '>', "$file.new" or refuse("$file: $!");
    print $new "outcome=measured\n";
    print $new "$_=$room->{$_}\n" for grep { defined $room->{$_} } qw(said measured generations snapshots free);
    print $new "oldRoots=$_ $room->{oldRoots}{$_}\n" for sort keys %{ $room->{oldRoots} };
    print $new "end\n";
    close $new && rename "$file.new", $file or refuse("$file: $!");
}

# What takes room, of which all is walked: bytes of each of these old roots, of all snapshots of what persists, of the store.
sub room {
    my %room = (oldRoots => exclusive(@_), measured => now());
    my $total = 0;
    $total += $_ for values %{ $room{oldRoots} };
    ($room{generations}) = output('btrfs', 'filesystem', 'du', '--summarize', '--raw', "$ENV{NIX_SUBVOLUME}/store") =~ /^\s*(\d+)\s.*store$/m;
    my @snapshots = grep { -d && !-l } 'old_state';
    ($room{snapshots}) = @snapshots ? output('btrfs', 'filesystem', 'du', '--summarize', '--raw', @snapshots) =~ /^\s*\d+\s+(\d+)\s.*old_state$/m : 0;
    ($room{free}) = output('df', '--block-size=1', '--output=avail', '.') =~ /(\d+)\s*\z/;
    $room{said} = sprintf 'Old roots (%d) hold %s that nothing else has, snapshots of what persists %s, the closures of generations %s; %s are free.',
        scalar keys %{ $room{oldRoots} }, map { size($_ // 0) } $total, @room{qw(snapshots generations free)};
    return \%room;
}

# What that has found, and when.
sub recorded {
    open my $file, '<', "$ENV{RUNTIME}/room.report" or return {};
    local $/;
    my $text = <$file> // '';
    my %room = (oldRoots => { $text =~ /^oldRoots=(\S+) (\d+)$/mg });
    ($room{$_}) = $text =~ /^$_=(.*)$/m for qw(said measured);
    return \%room;
}

sub output {
    open my $lines, '-|', @_ or return '';
    local $/;
    return <$lines> // '';
}

sub showRoot {
    my ($root) = grep { $_->{name} eq $words[0] } roots();
    $root->{size} = exclusive($root->{name})->{ $root->{name} };
    if ($asJson) { print json(forJson($root)), "\n"; return }
    line("old_roots/$root->{name}");
    line('  retired     ', when($root->{time}), ' UTC');
    line('  generation  ', $root->{generation} // 'not known');
    line('  closure     ', $root->{closure} // 'not known');
    line('  boot id     ', $root->{bootId} // 'not known');
    line('  holds       ', defined $root->{size} ? size($root->{size}) . ' that nothing else has' : 'not known');
    line('  is due      ', dueText($root));
    line('  is mounted') if $root->{mounted};
    line('What its wipe took away: nixfleet roots diff ', $root->{name});
}

# A folder's names, or one file, of an old root. No link is followed: whoever owned a folder chose where it leads.
sub showPath {
    my ($root, $path) = @_;
    my @parts = grep { $_ ne '' } split m{/}, $path;
    refuse('a path in the root begins with / and has no ..') if $path !~ m{^/} || grep { $_ eq '..' || $_ eq '.' } @parts;
    my $at = "old_roots/$root";
    for my $index (0 .. $#parts) {
        $at .= "/$parts[$index]";
        my $file = look($at) // refuse("$root has no ", name($path));
        refuse(name("/$parts[$index]"), ' is a link, which is not followed: ', name(readlink $at))
            if $index < $#parts && kindOf($file) eq 'link';
    }
    my @files = kindOf(look($at)) eq 'folder' ? map { ["$at/$_", $_] } @{ namesIn($at) // [] } : [$at, $parts[-1]];
    my @rows = map { +{ text(name => $_->[1]), place => $_->[0], file => look($_->[0]) } } @files;
    if ($asJson) {
        print json([map { my $row = $_; +{ (map { ($_ => $row->{$_}) } grep { /^name/ } keys %$row), kind => kindOf($row->{file}),
            mode => sprintf('%04o', $row->{file}{mode} & 07777), map { ($_ => number($row->{file}{$_})) } qw(uid gid size time) } } @rows]), "\n";
        return;
    }
    for (@rows) {
        my $kind = kindOf($_->{file});
        line(sprintf '%-6s %04o %5d:%-5d %10s  %s  %s%s', $kind, $_->{file}{mode} & 07777, $_->{file}{uid}, $_->{file}{gid},
            size($_->{file}{size}), when($_->{file}{time}), name($_->{name}), $kind eq 'link' ? ' -> ' . name(readlink $_->{place}) : '');
    }
}

# What differs between two of them, or between two times of several persist roots.
sub between {
    my ($first, $second, @pairs) = @_;
    my @items;
    while (my ($old, $new, $prefix) = splice @pairs, 0, 3) {
        my @paths = changedPaths($old, $new);
        my ($found) = compare($old, $new, \@paths, isOpen => sub { '' }, isMade => sub { '' }, isElsewhere => sub { '' }, inside => sub { undef });
        push @items, map { +{ %$_, path => "$prefix/$_->{path}" } } @$found;
    }
    if ($asJson) {
        print json([map { +{ text(path => $_->{path}), change => $_->{change}, kind => $_->{kind},
            size => number($_->{size}), files => number($_->{files}), time => number($_->{time}) } } @items]), "\n";
        return;
    }
    line("From $first to $second", @items ? ':' : ' nothing differs.');
    line(sprintf '  %-7s  %s%s  (%s, %s)', $_->{change}, name($_->{path}), $_->{kind} eq 'folder' ? '/' : '',
        size($_->{size}), when($_->{time})) for @items;
}

# All old roots, the oldest first.
sub roots {
    my %number = generations();
    my %mounted = mounted();
    my @roots;
    for my $name (@{ namesIn('old_roots') // [] }) {
        $name =~ /^(\d{8}T\d{6})\.(\d{3})Z(\.kept)?\z/ or next;
        my ($clock, $kept) = ($1, $3);
        my $file = look("old_roots/$name");
        next if !$file || $file->{inode} != 256 || kindOf($file) ne 'folder';
        my ($bootId, $closure) = bootOf("old_roots/$name");
        push @roots, { name => $name, kept => $kept, time => secondsOf($clock), bootId => $bootId, closure => $closure,
            generation => defined $closure ? $number{$closure} : undef, mounted => $mounted{$name} };
    }
    my @counted = grep { !$_->{kept} } @roots;
    my $now = now();
    for my $index (0 .. $#counted) {
        my $root = $counted[$index];
        $root->{due} = $root->{time} + $ENV{RETENTION_DAYS} * 86400;
        $root->{newest} = @counted - $index <= $ENV{KEEP_NEWEST};
        $root->{isDue} = $root->{due} < $now && !$root->{newest};
    }
    return @roots;
}

sub dueText {
    my ($root) = @_;
    return 'kept, never due' if $root->{kept};
    return "stays, one of the newest $ENV{KEEP_NEWEST}" . ($root->{due} > now() ? ', and is not due before ' . when($root->{due}) : '')
        if $root->{newest};
    return $root->{isDue} ? 'is due' : 'due at ' . when($root->{due});
}

sub forJson {
    my ($root) = @_;
    return { (map { ($_ => $root->{$_}) } qw(name closure bootId)), generation => number($root->{generation}),
        (map { ($_ => truth($root->{$_})) } qw(kept mounted)), retired => number($root->{time}),
        due => $root->{kept} || $root->{newest} ? undef : number($root->{due}), size => number($root->{size}) };
}

# What activation has written down.
sub bootOf {
    open my $file, '<', "$_[0]/etc/nixfleet/boot" or return ();
    my ($id, $closure) = <$file>;
    chomp($id //= '', $closure //= '');
    return ($id =~ /^[0-9a-f-]{36}\z/ ? $id : undef, $closure =~ m{^/nix/store/[\w.+-]+\z} ? $closure : undef);
}

# Numbers of generations by closure; of several the newest.
sub generations {
    my %number;
    for my $number (sort { $a <=> $b } grep { /^\d+\z/ } @{ namesIn("$ENV{NIX}/nixfleet/generations") // [] }) {
        open my $file, '<', "$ENV{NIX}/nixfleet/generations/$number" or next;
        chomp(my $closure = <$file> // '');
        $number{$closure} = $number;
    }
    return %number;
}

# Names of old roots of which something is mounted.
sub mounted {
    open my $mounts, '<', '/proc/self/mountinfo' or return ();
    my @mounts = map { [split / /] } <$mounts>;
    my ($own) = map { $_->[2] } grep { $_->[4] eq $ENV{MOUNTPOINT} } @mounts;
    return map { ($_ => 1) } map { $_->[3] =~ m{^/old_roots/([^/]+)} ? $1 : () } grep { $_->[2] eq ($own // '') } @mounts;
}

# Bytes that nothing else has, by name. This walks them.
sub exclusive {
    my %held;
    while (my @some = splice @_, 0, 200) {
        open my $lines, '-|', 'btrfs', 'filesystem', 'du', '--summarize', '--raw', map { "old_roots/$_" } @some or return {};
        while (<$lines>) { $held{$2} = $1 if m{^\s*\d+\s+(\d+)\s.*\sold_roots/(\S+)$} }
        close $lines;
    }
    return \%held;
}
