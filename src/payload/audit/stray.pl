# Usage: perl stray.pl [remove PATH... | undo [NAME] | trash | expire] [--json], as stray.sh runs it, with in its environment
# ROOT, NIX, PERSIST_ROOT, RETENTION_DAYS, CLOSURE, RUNTIME, NOW.
use strict;
use warnings;
no warnings 'recursion';
use Claims;
use Declared;
use Files;
use Report;
use Safely;
use Time;
use Trash;

my $USAGE = 'usage: nixfleet stray [remove PATH... | undo [NAME] | trash] [--json]';
my $ID = qr/^\d{8}T\d{6}\.\d{3}Z\z/;
my $asJson = grep { $_ eq '--json' } @ARGV;
my ($verb, @words) = grep { $_ ne '--json' } @ARGV;
my $top = $ENV{ROOT} =~ s{/\z}{}r;
my @closures = ($ENV{CLOSURE}, map { folderOf($ENV{NIX}, $_) } lines("$ENV{RUNTIME}/closure"));
my $newest = $closures[-1];
my $said = declared($newest) // { roots => [], home => undef };
my %isRoot = map { ($_ => 1) } $ENV{PERSIST_ROOT}, @{ $said->{roots} };
my @roots = sort keys %isRoot;

$verb //= 'list';
if    ($verb eq 'list' && !@words)     { list() }
elsif ($verb eq 'remove' && @words)    { removeEach(@words) }
elsif ($verb eq 'undo' && @words < 2)  { undo(@words) }
elsif ($verb eq 'trash' && !@words)    { showTrash() }
elsif ($verb eq 'expire' && !@words)   { expire() }
else { print STDERR "$USAGE\n"; exit 2 }
finish(0);

sub list {
    my $claims = claimsOf($newest) // refuse("the closure $newest does not say what it declares: switch to one of today, and reboot");
    my $placed = placed("$top/etc/nixfleet/placed.list");
    $claims->{"$placed->{$_}{root}$_"} //= { path => $_, at => '' } for keys %$placed;
    my %above = map { ($_ => 1) } map { above($_) } keys %$claims, @roots,
        map { my $root = $_; defined $said->{home} ? "$root$said->{home}/." : () } @roots;
    my %mounts = map { ($_ => 1) } mountpoints();
    my (@found, $unread);
    my $below;
    $below = sub {
        my ($folder) = @_;
        my $names = namesIn("$top$folder");
        if (!$names) { $unread++; return }
        for my $path (map { "$folder/$_" } @$names) {
            next if $claims->{$path} || $isRoot{$path} || $mounts{"$top$path"} || $path =~ m{/\.nixfleet\z} && $isRoot{$folder};
            my $file = look("$top$path") // next;
            if ($above{$path} && kindOf($file) eq 'folder') { $below->($path); next }
            my %total = (path => $path, kind => kindOf($file), size => 0, files => 0, time => 0);
            count("$top$path", $file, \%total);
            push @found, \%total;
        }
    };
    $below->($_) for grep { -d "$top$_" } @roots;
    my @generations = map { { %$_, claims => claimsOf(folderOf($ENV{NIX}, $_->{closure})) } } generations($ENV{NIX});
    for my $stray (@found) {
        for my $generation (@generations) {
            my $claim = overlaps($stray->{path}, $generation->{claims} // next) // next;
            @$stray{qw(generation at)} = ($generation->{number}, $generation->{claims}{$claim}{at});
            last;
        }
    }
    if ($asJson) {
        print json({ unread => number($unread // 0), stray => [map { my $one = $_; +{ text(path => $one->{path}), kind => $one->{kind},
            (map { ($_ => number($one->{$_})) } qw(size files time generation)), declaredAt => $one->{at} || undef } } @found] }), "\n";
        return;
    }
    line(@found ? 'Nothing that runs claims:' : 'All data on ' . join(', ', map { name($_) } @roots) . ' is claimed by an entry.');
    for (@found) {
        line(sprintf '  %s%s  (%s%s, last change %s)', name($_->{path}), $_->{kind} eq 'folder' ? '/' : '',
            $_->{kind} eq 'folder' ? ($_->{files} == 1 ? '1 file, ' : "$_->{files} files, ") : '', size($_->{size}), when($_->{time}));
        line('      ', defined $_->{generation} ? "declared last by generation $_->{generation}" . ($_->{at} ? ', at ' . name($_->{at}) : '')
            : 'no generation on this host declares it');
    }
    line('To move one to the trash: nixfleet stray remove PATH') if @found;
    line("$unread folders cannot be read by this user: run it with sudo to see all.") if $unread;
}

sub count {
    my ($path, $file, $total) = @_;
    $total->{time} = $file->{time} if $file->{time} > $total->{time};
    if (kindOf($file) ne 'folder') { $total->{size} += $file->{size}; $total->{files}++; return }
    for (@{ namesIn($path) // [] }) {
        my $child = look("$path/$_") // next;
        count("$path/$_", $child, $total);
    }
}

# All or none: first each is looked at.
sub removeEach {
    my @paths = map { s{/+\z}{}r } @_;
    my @claims = map { [$_->[0], claimsOf($_->[1])] } (map { ['this host, which runs', $_] } @closures),
        map { ["generation $_->{number}", folderOf($ENV{NIX}, $_->{closure})] } generations($ENV{NIX});
    push @claims, ['this host, which runs', { map { my $one = placed("$top/etc/nixfleet/placed.list"); map { ("$one->{$_}{root}$_" => { path => $_ }) } keys %$one } 1 }];
    for my $path (@paths) {
        my $root = rootOf($path) // refuse(name($path), ' is not below a persist root: ', join ', ', map { name($_) } @roots);
        refuse(name($path), ' has . or .. in it') if $path =~ m{/\.\.?(/|\z)};
        refuse(name($path), " is NixFleet's own") if $path =~ m{^\Q$root\E/\.nixfleet(/|\z)};
        refuse(name($path), ' is, or holds, a persist root') if grep { $_ eq $path || index($_, "$path/") == 0 } @roots;
        for (@claims) {
            my ($who, $claims) = @$_;
            $claims // refuse("$who does not say what it declares, so nothing is removed; if it is not needed any more: nixfleet gc --keep COUNT");
            my $claim = overlaps($path, $claims) // next;
            refuse(name($path), " is claimed by $who, as ", name($claims->{$claim}{path}));
        }
    }
    my @moved;
    for my $path (@paths) {
        my $id = toTrash($top, rootOf($path), $path);
        push @moved, { text(path => $path), name => $id };
        $asJson or line('moved to the trash: ', name($path), ", as $id; to take it back: nixfleet stray undo");
    }
    print json(\@moved), "\n" if $asJson;
}

sub undo {
    my ($wanted) = @_;
    my @all = trash();
    my @some = defined $wanted ? grep { $_->{id} eq $wanted } @all : @all ? $all[-1] : ();
    my $one = $some[0] // refuse(defined $wanted ? name($wanted) . ' is not in the trash; nixfleet stray trash lists what is' : 'the trash is empty');
    my ($folder, $name) = substr($one->{path}, length $one->{root}) =~ m{^(.*)/([^/]+)\z}s;
    my $from = enter($one->{trash}, $one->{id}) // refuse(name($@));
    my $to = enter("$top$one->{root}", $folder) // refuse(name($@), '; it stays in the trash, as ', name("$one->{trash}/$one->{id}/data"));
    renameNew($from, 'data', $to, $name)
        or refuse(name($one->{path}), " cannot be put back: $!; it stays in the trash, as ", name("$one->{trash}/$one->{id}/data"));
    syncAt('.') or refuse('the disk does not take it');
    unlink "$one->{trash}/$one->{id}/path";
    rmdir "$one->{trash}/$one->{id}";
    if ($asJson) { print json({ text(path => $one->{path}), name => $one->{id} }), "\n" }
    else         { line(name($one->{path}), ' is back') }
}

sub showTrash {
    my @all = trash();
    if ($asJson) { print json([map { +{ name => $_->{id}, text(path => $_->{path}), due => number($_->{due}) } } @all]), "\n"; return }
    line('The trash is empty.') if !@all;
    line("$_->{id}  ", name($_->{path}), '  until ', when($_->{due})) for @all;
}

# Deletes what has been there for as long as old roots stay, and what a crash has left of it. What is of the future tells
# of a wrong clock.
sub expire {
    for my $trash (grep { defined } map { trashOf("$top$_") } @roots) {
        for my $id (grep { /$ID/ } @{ namesIn($trash) // [] }) {
            next if dueOf($id) >= now();
            system('rm', '-rf', '--one-file-system', '--', "$trash/$id") == 0 or refuse("$trash/$id cannot be deleted");
        }
    }
}

# The oldest first.
sub trash {
    my @all;
    for my $root (@roots) {
        my $trash = trashOf("$top$root") // next;
        for my $id (@{ namesIn($trash) // refuse("$trash cannot be read: run it with sudo") }) {
            $id =~ /$ID/ && look("$trash/$id/data") or next;
            open my $note, '<', "$trash/$id/path" or next;
            local $/;
            my $path = <$note> // next;
            next if index($path, "$root/") != 0;
            push @all, { root => $root, trash => $trash, id => $id, path => $path, due => dueOf($id) };
        }
    }
    return sort { $a->{id} cmp $b->{id} } @all;
}

sub dueOf { return secondsOf($_[0]) + $ENV{RETENTION_DAYS} * 86400 }

sub rootOf {
    my ($path) = @_;
    my ($nearest) = grep { index($path, "$_/") == 0 } reverse sort { length $a <=> length $b } @roots;
    return $nearest;
}

sub mountpoints {
    open my $mounts, '<', '/proc/self/mountinfo' or return ();
    return map { s/\\([0-7]{3})/chr oct $1/ger } map { (split / /)[4] } <$mounts>;
}

sub lines {
    open my $file, '<', $_[0] or return ();
    chomp(my @lines = <$file>);
    return @lines;
}
