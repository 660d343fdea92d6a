# Usage: perl why.pl PATH [--json], as why.sh runs it, with in its environment ROOT, NIX, RUNTIME, LABEL, CLOSURE.
use strict;
use warnings;
use Claims;
use Declared;
use Files;
use Makers;
use Report;

my $asJson = grep { $_ eq '--json' } @ARGV;
my @words = grep { $_ ne '--json' } @ARGV;
if (@words != 1 || $words[0] !~ m{^/} || $words[0] =~ /^--/) { print STDERR "usage: nixfleet why PATH [--json]\n"; exit 2 }
my $top  = $ENV{ROOT} =~ s{/\z}{}r;
my $asked = $words[0] =~ s{/+}{/}gr =~ s{/\z}{}r;
refuse(name($asked), ' has . or .. in it') if $asked =~ m{/\.\.?(/|\z)};
refuse('the whole root: nixfleet drift says what of it goes') if $asked eq '';

my @closures = grep { -d "$_/root" } $ENV{CLOSURE}, map { folderOf($ENV{NIX}, $_) } lines("$ENV{RUNTIME}/closure");
my $newest = $closures[-1] // refuse("no closure runs here: NixFleet has not booted this host");
my $said = declared($newest) // { entries => {}, ephemeral => [], roots => [], home => undef };
my $entries = { %{ placed("$top/etc/nixfleet/placed.list") } };
my %ephemeral = map { ($_ => 1) } @{ $said->{ephemeral} };

# Links above it lead elsewhere; but what is declared by this name is meant by it.
my ($path, $links) = isWithin($asked, $entries) ? ($asked, []) : followed($asked);
my $file = look("$top$path");
my ($fate, $because, %more) = fate();
if ($asJson) {
    print json({ text(path => $path), exists => truth($file), fate => $fate, because => $because, %more }), "\n";
}
else {
    line(name($asked));
    line('  is below a link: ', name($_)) for @$links;
    line('  ', $file ? 'is a ' . kindOf($file) : 'is not there');
    line("  $because");
}
finish(0);

# What becomes of it: kept, closure, ephemeral, lost, elsewhere; and why.
sub fate {
    my $within = isWithin($path, $entries);
    if (defined $within) {
        my $entry = $entries->{$within};
        # One within it, on the same persist root, is not placed by itself.
        my $inner = isWithin($path, $said->{entries});
        $within = $inner if defined $inner && length $inner > length $within && $said->{entries}{$inner}{root} eq $entry->{root};
        my $told = $said->{entries}{$within} // {};
        my $source = "$entry->{root}$path";
        my $places = $told->{at} ? ', declared at ' . name($told->{at}) : '';
        my $purpose = $told->{purpose} ? ', for ' . name($told->{purpose}) : '';
        return ('kept', 'persists: by the entry ' . name($within) . "$places$purpose; its data is " . name($source),
            text(entry => $within), text(source => $source), declaredAt => $told->{at});
    }
    my ($mount, $type, $where) = mountOf("$top$path");
    my $ofRoot = $mount eq ($top eq '' ? '/' : $top) || $mount eq '/' && $top ne '';
    for my $root (sort { length $b <=> length $a } @{ $said->{roots} }) {
        next if index("$path/", "$root/") != 0;
        my $claims = claimsOf($newest) // {};
        my $claim = overlaps($path, $claims);
        return ('kept', 'is on the persist root ' . name($root) . (defined $claim ? ', where the entry ' . name($claims->{$claim}{path}) . ' has its data'
            : ', claimed by no entry: nixfleet stray'), text(root => $root));
    }
    return ('closure', 'is of the packages, read-only: it is as the closure has it at every boot') if $path =~ m{^/usr(/|\z)};
    if (!$ofRoot) {
        my $goes = $type =~ /tmpfs|^overlay$|^proc$|^sysfs$|^cgroup|^dev/;
        return ($goes ? 'lost' : 'elsewhere', 'is on ' . name($mount) . " ($type), " . ($goes ? 'in memory: it is gone at the next boot'
            : 'another filesystem than the root: a boot leaves it alone'), text(mount => $mount));
    }
    return ('kept', 'is on the root, and the root of this host stays') if $ENV{LABEL} eq '';
    my $free = isWithin($path, \%ephemeral);
    return ('ephemeral', 'goes at the next boot, and is meant to: ' . name($free) . ' is declared ephemeral') if defined $free;
    my $pristine = "$newest/root$path";
    my $isPristine = look($pristine);
    return ('closure', 'is of the closure: every boot creates it') if $isPristine && (!$file || isSame($pristine, "$top$path"));
    my $cache = isWithin($path, { map { ($_ => 1) } caches(homes("$top/etc/passwd")) });
    return ('ephemeral', 'goes at the next boot, and is meant to: ' . name($cache) . ' is for caches') if defined $cache;
    if ($isPristine) {
        return ('lost', "is of the closure, and was changed here: nixfleet drift --diff " . name($path));
    }
    return ('lost', 'would be gone at the next boot: nothing keeps it') if !$file;
    my $maker = makersOf("$top/etc", $newest, { path => $path, uid => $file->{uid} })->{$path};
    my $whose = { unit => ", made by the unit $maker->{name}", home => ", in the home of $maker->{name}",
        package => ", below what the package $maker->{name} ships", account => ", owned by $maker->{name}", unknown => '' }->{ $maker->{kind} };
    return ('lost', "is drift: it is gone at the next boot$whose; nixfleet drift " . name($path) . ' says how to keep it', by => $maker);
}

# The path with links above it followed, and each of them.
sub followed {
    my ($path) = @_;
    my (@links, $at);
    my @parts = grep { $_ ne '' } split m{/}, $path;
    for (0 .. 40) {
        $at = '';
        my $moved;
        for my $index (0 .. $#parts - 1) {
            $at .= "/$parts[$index]";
            my $target = readlink "$top$at" // next;
            push @links, "$at -> $target";
            my @to = $target =~ m{^/} ? () : @parts[0 .. $index - 1];
            for (split m{/}, $target) { $_ eq '..' ? pop @to : $_ ne '.' && $_ ne '' ? push @to, $_ : () }
            @parts = (@to, @parts[$index + 1 .. $#parts]);
            $moved = 1;
            last;
        }
        last if !$moved;
    }
    return ('/' . join('/', @parts), \@links);
}

# The mount that a path is on: where, of which type, of what of that filesystem.
sub mountOf {
    my ($path) = @_;
    open my $mounts, '<', '/proc/self/mountinfo' or return ('/', '', '');
    my @found = ('/', '', '');
    for (<$mounts>) {
        my ($where, $mount) = map { s/\\([0-7]{3})/chr oct $1/ger } (split / /)[3, 4];
        my ($type) = / - (\S+) /;
        my $below = $mount eq '/' ? '/' : "$mount/";
        @found = ($mount, $type, $where) if index("$path/", $below) == 0 && length $mount >= length $found[0];
    }
    return @found;
}

sub lines {
    open my $file, '<', $_[0] or return ();
    chomp(my @lines = <$file>);
    return @lines;
}
