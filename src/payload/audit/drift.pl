# Usage: perl drift.pl [PATH] [--diff PATH] [--fail] [--json], as drift.sh runs it, with in its environment:
#   PRISTINE  the closure's root          SEEN, LIVE  a snapshot of the running root, and that itself; empty: walk ROOT
#   OLD       the name of the old root that SEEN is of, if it is not the running one
#   CLOSURE   the folder of the closure   STORE, RUNTIME, PERSIST_ROOT
use strict;
use warnings;
use Btrfs;
use Compare;
use Declared;
use Files;
use Makers;
use Paste;
use Report;

my $USAGE = 'usage: nixfleet drift [PATH] [--diff PATH] [--fail] [--json]';
my %env   = map { ($_ => $ENV{$_}) } qw(OLD PRISTINE SEEN LIVE CLOSURE STORE RUNTIME PERSIST_ROOT ROOT);
my ($narrow, $diff, $fail, $asJson);
while (defined(my $word = shift @ARGV)) {
    if    ($word eq '--json') { $asJson = 1 }
    elsif ($word eq '--fail') { $fail = 1 }
    elsif ($word eq '--diff' && @ARGV) { $diff = shift @ARGV }
    elsif ($word =~ m{^/} && !defined $narrow) { $narrow = $word =~ s{/+\z}{}r }
    else { print STDERR "$USAGE\n"; exit 2 }
}
$narrow = undef if defined $narrow && $narrow eq '';

my $walks = $env{SEEN} eq '';
my $seen  = $walks ? $env{ROOT} =~ s{/\z}{}r : $env{SEEN};
showDifference($diff =~ s{/+\z}{}r) if defined $diff;

my @closures = grep { -d "$_/root" } map { "$env{STORE}/" . s{.*/}{}r } lines("$env{RUNTIME}/closure");
my $newest   = $closures[-1] // $env{CLOSURE};
my $said     = declared($newest) // { entries => {}, ephemeral => [], roots => [], home => undef };
my $homes    = homes("$seen/etc/passwd");
my $entries  = placed("$seen/etc/nixfleet/placed.list");
my %ephemeral = map { ($_ => 1) } @{ $said->{ephemeral} }, caches($homes);
my %open = map { ($_ => 1) } (map { above($_) } keys %$entries, keys %ephemeral), keys %$entries;
if (defined $narrow) { $open{$_} = 1 for above($narrow) }
my %mounts = $walks ? map { ($_ => 1) } mountpoints() : ();
# What a root says of itself, for the next boot.
my %marks = map { ("/etc/nixfleet/$_" => 1) } qw(fresh unsettled boot made placed.list placed.list.new);

my @nested = $walks ? () : nestedSubvolumes($env{LIVE});
my %nested = map { ($_ => 1) } @nested;
my ($items, $unread) = compare($env{PRISTINE}, $seen, $walks ? undef : [changed(), @nested],
    isOpen      => sub { $open{"/$_[0]"} },
    isMade      => \&isMade,
    isElsewhere => sub { $mounts{"$seen/$_[0]"} },
    inside      => sub { $walks || !isWithin($_[0], \%nested) ? undef : "$env{LIVE}/$_[0]" },
);
for my $item (@$items) {
    $item->{kind} = 'subvolume' if $nested{ $item->{path} };
    $item->{path} = "/$item->{path}";
}
@$items = grep { isWithin($_->{path}, { $narrow => 1 }) } @$items if defined $narrow;
my (@noise, @drift);
push @{ isNoise($_) ? \@noise : \@drift }, $_ for @$items;
my $makers = makersOf("$seen/etc", $newest, @drift);
my $noiseSize = 0;
$noiseSize += $_->{size} for @noise;
for my $item (@drift) {
    $item->{maker} = $makers->{ $item->{path} };
    $item->{entry} = entryFor($item, $said->{home}, "$seen/etc")
        if $item->{change} eq 'new' && Report::isText($item->{path}) && $item->{path} !~ /[\x00-\x1f\x7f]/;
}
my @vanishing = defined $env{OLD} ? () : vanishing();
$asJson ? printJson() : printText();
finish($fail && @drift ? 1 : 0);

# Paths that btrfs says differ, with all names of files that have several: it names one.
sub changed {
    my @paths = changedPaths($env{PRISTINE}, $seen);
    my %more;
    for (@paths) {
        my $file = look("$seen/$_") // next;
        next if kindOf($file) ne 'file' || $file->{links} < 2 || $more{ $file->{inode} };
        $more{ $file->{inode} } = [namesOf($seen, $file->{inode})];
    }
    return @paths, map { @$_ } values %more;
}

# What is meant to go, or a new link to that in its own folder: it has nothing of its own.
sub isNoise {
    my ($item) = @_;
    my $path = $item->{path};
    return 1 if defined isWithin($path, \%ephemeral);
    return '' if $item->{kind} ne 'link' || $item->{change} ne 'new';
    my $target = readlink "$seen$path" // return '';
    return $target =~ m{^[^/]+\z} && exists $ephemeral{ $path =~ s{[^/]*\z}{$target}r };
}

# What activation has made, or `nixfleet switch` as a newer closure has it.
sub isMade {
    my ($path, $file, $change) = ("/$_[0]", @_[1, 2]);
    return 1 if $marks{$path};
    # systemd's own link to the state of a service with DynamicUser=, which is listed by itself where it does not persist.
    return 1 if $path =~ m{^/var/(?:lib|cache|log)/([^/]+)\z} && kindOf($file) eq 'link' && (readlink("$seen$path") // '') eq "private/$1";
    my $entry = $entries->{$path};
    if ($entry && $change ne 'deleted') {
        return 1 if $entry->{how} eq 'symlink' && (readlink("$seen$path") // '') eq "$entry->{root}$path";
        return 1 if $entry->{how} eq 'bind' && (kindOf($file) eq 'folder' || $walks || $file->{size} == 0);
    }
    return '' if !@closures;
    my $declared = "$closures[-1]/root$path";
    return $change eq 'deleted' ? !look($declared) : isSame($declared, "$seen$path");
}

sub printText {
    my $below = defined $narrow ? ' below ' . name($narrow) : '';
    my $takes = defined $env{OLD} ? "The wipe of $env{OLD} took" : 'The next boot takes';
    line(@drift ? "$takes away$below:" : "$takes nothing away$below that is not meant to go.");
    my %groups;
    push @{ $groups{ madeBy($_->{maker}) } }, $_ for @drift;
    for my $group (sort keys %groups) {
        line('');
        line("  $group");
        for my $item (@{ $groups{$group} }) {
            my $many = $item->{files} == 1 ? '1 file, ' : "$item->{files} files, ";
            my $what = $item->{change} eq 'changed' && $item->{kind} eq 'folder' ? 'owner, mode or attributes, '
                : ($item->{kind} eq 'folder' || $item->{kind} eq 'subvolume' ? $many : '') . size($item->{size}) . ', ';
            line(sprintf('    %-7s  %s%s  (%s%s)', $item->{change}, name($item->{path}),
                $item->{kind} =~ /folder|subvolume/ ? '/' : '', $what, when($item->{time})));
        }
    }
    line('') if @drift;
    line(sprintf 'Not listed: %d paths, %s, that are declared ephemeral or are caches.', scalar @noise, size($noiseSize)) if @noise;
    line('Left out, and gone at the next boot too: ' . join(', ', map { name($_) } @vanishing) . ' (in memory).') if @vanishing;
    line(scalar(@$unread) . ' folders cannot be read by this user: run it with sudo to see all.') if @$unread;
    line('This root was walked, since it is not compared by btrfs' . ($> ? ' for others than root.' : '.')) if $walks;
    my @entries = map { $_->{entry} // () } @drift;
    line("To get one back: nixfleet restore PATH --from $env{OLD}") if defined $env{OLD} && @drift;
    if (@entries) {
        line('');
        line('To keep what is new, write into the declaration what of this you want:');
        line('');
        line("  $_") for paste($env{PERSIST_ROOT}, @entries);
    }
    line('What is changed or deleted is of the closure: declare it otherwise, as in environment.etc.')
        if grep { $_->{change} ne 'new' } @drift;
    line('A name that is no text cannot be declared: give it another, or declare a folder above it.')
        if grep { $_->{change} eq 'new' && !$_->{entry} } @drift;
}

sub printJson {
    print json({
        text(closure => $env{CLOSURE}),
        compared  => $walks ? 'by walking' : 'by btrfs',
        drift     => [map { jsonItem($_) } @drift],
        ephemeral => { paths => number(scalar @noise), size => number($noiseSize) },
        leftOut   => \@vanishing,
        unread    => number(scalar @$unread),
    }), "\n";
}

sub jsonItem {
    my ($item) = @_;
    return { text(path => $item->{path}), (map { ($_ => $item->{$_}) } qw(change kind)), by => $item->{maker},
        (map { ($_ => number($item->{$_})) } qw(size files time)), entry => $item->{entry} && $item->{entry}{text} };
}

sub madeBy {
    my ($maker) = @_;
    return { unit => "by the unit $maker->{name}", home => "in the home of $maker->{name}",
        package => "of the package $maker->{name}", account => "of the account $maker->{name}",
        unknown => 'by nobody that the host knows' }->{ $maker->{kind} };
}

# The difference of one file, as diff(1) shows it.
sub showDifference {
    my ($path) = @_;
    my ($old, $new) = map { "$_$path" } $env{PRISTINE}, $seen;
    for ($old, $new) {
        my $file = look($_);
        if (!$file) { $_ = '/dev/null' }
        elsif (kindOf($file) ne 'file') { refuse(name($path), ' is no file, but a ', kindOf($file)) }
        elsif (!-T $_ && -s _) { refuse(name($path), ' is no text') }
    }
    refuse(name($path), ': no such file, neither now nor in the closure') if $old eq $new;
    open my $lines, '-|', 'diff', '-u', '--label', "closure$path", '--label', "now$path", '--', $old, $new or die "diff: $!\n";
    line($_) for map { chomp; $_ } <$lines>;
    finish(0);
}

sub mountpoints {
    open my $mounts, '<', '/proc/self/mountinfo' or return ();
    return grep { $_ ne '/' } map { s/\\([0-7]{3})/chr oct $1/ger } map { (split / /)[4] } <$mounts>;
}

# Filesystems in memory, where users and services leave files. Of one within another nothing more is to be said.
sub vanishing {
    open my $mounts, '<', '/proc/self/mountinfo' or return ();
    my $top = $env{ROOT} =~ s{/\z}{}r;
    my %found;
    for (<$mounts>) {
        my ($mount, $options) = (split / /)[4, 5];
        $mount =~ s/\\([0-7]{3})/chr oct $1/ge;
        next if !/ - (tmpfs|ramfs) / || $options =~ /(^|,)ro(,|\z)/ || index($mount, "$top/") != 0;
        $mount = substr $mount, length $top;
        $found{$mount} = 1 if $mount !~ m{^/(proc|sys|dev(?!/shm\z))(/|\z)};
    }
    return sort grep { !isWithin($_ =~ s{/[^/]*\z}{}r, \%found) } keys %found;
}

sub lines {
    open my $file, '<', $_[0] or return ();
    chomp(my @lines = <$file>);
    return @lines;
}
