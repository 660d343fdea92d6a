# Usage: perl state.pl list [--json], find GENERATION, diff GENERATION GENERATION|now [--json], or restore PATH... --from GENERATION
# [--json], as state.sh runs it at the top of the filesystem, with in its environment ROOT, NIX, NOW, MOUNTPOINT.
use strict;
use warnings;
use Cwd;
use Declared;
use Files;
use Put;
use Report;
use Trash;

my $here = getcwd();
my $folder = __FILE__ =~ s|[^/]*$||r;
my $top = $ENV{ROOT} =~ s{/\z}{}r;
my ($asJson, $from, @words);
while (defined(my $word = shift @ARGV)) {
    if    ($word eq '--json') { $asJson = 1 }
    elsif ($word eq '--from' && @ARGV) { $from = shift @ARGV }
    else  { push @words, $word }
}
my $verb = shift @words;
if    ($verb eq 'list') { list() }
elsif ($verb eq 'find') { my $one = found($words[0]); print map { "$one->{name}/$_ $one->{roots}{$_}\n" } sort keys %{ $one->{roots} } }
elsif ($verb eq 'diff') { differ(@words) }
else                    { restoreEach() }
finish(0);

sub list {
    my @all = states();
    if ($asJson) {
        print json([map { +{ name => $_->{name}, closure => $_->{closure}, generation => number($_->{generation}), roots => [values %{ $_->{roots} }] } } @all]), "\n";
        return;
    }
    line('There is no snapshot of what persists yet: one is made when another generation runs.') if !@all;
    line("$_->{name}  of generation ", $_->{generation} // '?', ': ', join(', ', map { name($_) } sort values %{ $_->{roots} })) for @all;
}

# The oldest first.
sub states {
    my @all;
    for my $name (grep { /^\d{8}T\d{6}\.\d{3}Z\z/ } @{ namesIn('old_state') // [] }) {
        open my $info, '<', "old_state/$name/info" or next;
        my %state = (name => $name, roots => {});
        while (<$info>) {
            if    (m{^closure (/nix/store/[\w.+-]+)$})  { $state{closure} = $1 }
            elsif (/^generation ([1-9]\d*)$/)           { $state{generation} = $1 }
            elsif (m{^(\d+) (/.*)$} && -d "old_state/$name/$1") { $state{roots}{$1} = $2 }
        }
        push @all, \%state;
    }
    return @all;
}

# The newest of a generation, or of a closure, or the one of a name.
sub found {
    my ($wanted) = @_;
    my ($one) = grep { my $state = $_; grep { ($state->{$_} // '') eq $wanted } qw(name generation closure) } reverse states();
    return $one // refuse('there is no snapshot of ', $wanted =~ m{^/} ? '' : 'generation ', name($wanted), '; nixfleet state lists those there are');
}

sub differ {
    my ($first, $second) = @_;
    my $old = found($first);
    my $new = $second eq 'now' ? undef : found($second);
    my @pairs;
    for my $number (sort keys %{ $old->{roots} }) {
        my $root = $old->{roots}{$number};
        my ($other) = $new ? map { "old_state/$new->{name}/$_" } grep { $new->{roots}{$_} eq $root } keys %{ $new->{roots} } : "old_state/now-$number";
        push @pairs, "old_state/$old->{name}/$number", $other, $root if defined $other && -d $other;
    }
    my @told = map { 'old_state/' . $_->{name} } grep { defined } $old, $new;
    exec 'perl', '-I', $folder, "${folder}roots.pl", 'between', $told[0], $told[1] // 'now', @pairs, $asJson ? '--json' : ()
        or die "$!\n";
}

# What is in the place goes to the trash.
sub restoreEach {
    refuse('say of which generation: --from GENERATION') if !defined $from || !@words;
    my $state = found($from);
    my $entries = placed("$top/etc/nixfleet/placed.list");
    my @tasks = map { [$_, sourceOf($state, $entries, $_ =~ s{/+\z}{}r)] } @words;
    for (@tasks) {
        my ($path, $root, $rest, $number) = @$_;
        my $old = look("$top$root$rest") ? toTrash($top, $root, "$root$rest") : undef;
        chdir $here or die "$!\n";
        put($top, "$here/old_state/$state->{name}/$number$rest", "$root$rest");
        chdir $here or die "$!\n";
        $asJson or line(name($path), ' is as at the end of generation ', $from,
            defined $old ? "; what was there is in the trash, as $old (nixfleet stray trash)" : '');
    }
    print json([map { +{ text(path => $_->[0]), text(source => "$_->[1]$_->[2]") } } @tasks]), "\n" if $asJson;
}

# The persist root, the path on it, and the number of the root: of a path there, or one that an entry shows.
sub sourceOf {
    my ($state, $entries, $path) = @_;
    refuse(name($path), ' has . or .. in it') if $path =~ m{/\.\.?(/|\z)};
    my $within = isWithin($path, $entries);
    my $full = defined $within ? "$entries->{$within}{root}$path" : $path;
    for my $number (sort { length $state->{roots}{$b} <=> length $state->{roots}{$a} } keys %{ $state->{roots} }) {
        my $root = $state->{roots}{$number};
        next if index($full, "$root/") != 0;
        my $rest = substr $full, length $root;
        refuse(name($path), " is NixFleet's own") if $rest =~ m{^/\.nixfleet(/|\z)};
        isPlain("$here/old_state/$state->{name}/$number", $rest) or refuse('generation ', $from, ' had no ', name($path));
        return ($root, $rest, $number);
    }
    refuse(name($path), ' does not persist: an old root may have it: nixfleet restore ', name($path));
}

# Whether it is there, with no link above it.
sub isPlain {
    my ($root, $path) = @_;
    my $at = $root;
    my @parts = grep { $_ ne '' } split m{/}, $path;
    for my $index (0 .. $#parts) {
        $at .= "/$parts[$index]";
        my $file = look($at) // return '';
        return '' if $index < $#parts && kindOf($file) ne 'folder';
    }
    return 1;
}
