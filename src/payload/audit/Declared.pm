# What closures declare and roots hold of it: lists that the closure and activation have written, with tabs in them.
#   placed.list    of a root: kind, how, persist root, path, options
#   declared.list  of a closure, see src/plan/declared-list.ts
package Declared;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(placed declared isWithin above);

# Entries that are placed, by path: hashes of kind, how, root.
sub placed {
    my ($file) = @_;
    my %entries;
    for (rows($file)) {
        my ($kind, $how, $root, $path) = @$_;
        $entries{$path} = { kind => $kind, how => $how, root => $root } if defined $path && $path =~ m{^/};
    }
    return \%entries;
}

# What a closure says, of its folder: entries by path, ephemeral, roots, and the home of its primary user. undef where it
# is of a version that does not say.
sub declared {
    my ($closure) = @_;
    my %said = (entries => {}, ephemeral => [], roots => [], home => undef);
    -e "$closure/declared.list" or return undef;
    for (rows("$closure/declared.list")) {
        my ($what, @fields) = @$_;
        if    ($what eq 'ephemeral') { push @{ $said{ephemeral} }, $fields[0] }
        elsif ($what eq 'root')      { push @{ $said{roots} }, $fields[0] }
        elsif ($what eq 'home')      { $said{home} = $fields[0] }
        elsif ($what eq 'entry') {
            my ($path, %entry) = shift @fields;
            @entry{qw(kind how root at purpose)} = @fields;
            $said{entries}{$path} = \%entry;
        }
    }
    return \%said;
}

sub rows {
    my ($file) = @_;
    open my $lines, '<', $file or return ();
    chomp(my @lines = <$lines>);
    return map { [split /\t/, $_, -1] } @lines;
}

# Whether a path is one of these, or below one.
sub isWithin {
    my ($path, $folders) = @_;
    for ($path, above($path)) { return $_ if exists $folders->{$_} }
    return undef;
}

# The folders above a path, the nearest first.
sub above {
    my ($path) = @_;
    my @above;
    while ($path =~ s{/[^/]*\z}{}) { push @above, $path if $path ne '' }
    return @above;
}

1;
