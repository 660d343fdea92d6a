# What of the persist roots is whose: by entries of the running closure, and of every generation that can be booted.
package Claims;
use strict;
use warnings;
use Declared;
use Exporter 'import';
use Files;
our @EXPORT = qw(generations claimsOf overlaps folderOf);

# By number, the newest first: hashes of number and closure.
sub generations {
    my ($nix) = @_;
    my @found;
    for my $number (sort { $b <=> $a } grep { /^\d+\z/ } @{ namesIn("$nix/nixfleet/generations") // [] }) {
        open my $file, '<', "$nix/nixfleet/generations/$number" or next;
        my $closure = <$file> // next;
        chomp $closure;
        push @found, { number => $number, closure => $closure };
    }
    return @found;
}

# The folder of a closure by its store path.
sub folderOf { my ($nix, $closure) = @_; return "$nix/store/" . ($closure =~ s{.*/}{}r) }

# Where a closure's entries have their data, with where each is declared; and what accounts have their password in. undef
# where the closure is of a version that does not say, or is gone.
sub claimsOf {
    my ($folder) = @_;
    my $said = declared($folder);
    my $entries = $said ? $said->{entries} : -e "$folder/entries.list" ? placed("$folder/entries.list") : return undef;
    my %claims = map { ("$entries->{$_}{root}$_" => { path => $_, at => $entries->{$_}{at} // '' }) } keys %$entries;
    for (Declared::rows("$folder/root/etc/nixfleet/password-files")) {
        $claims{ $_->[1] } //= { path => $_->[1], at => '' } if defined $_->[1];
    }
    return \%claims;
}

# The claim that a path is, lies in, or holds.
sub overlaps {
    my ($path, $claims) = @_;
    my $within = isWithin($path, $claims);
    return $within if defined $within;
    my ($first) = sort grep { index($_, "$path/") == 0 } keys %$claims;
    return $first;
}

1;
