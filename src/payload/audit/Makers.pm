# Who made a path, as far as the host can tell: a unit, by the directories that it declares; an account, by its home; a
# package, by what it ships; an account, by its owner.
package Makers;
use strict;
use warnings;
use Declared;
use Exporter 'import';
our @EXPORT = qw(makersOf homes caches accounts);

my %PARENTS = (StateDirectory => '/var/lib', CacheDirectory => '/var/cache', LogsDirectory => '/var/log',
    ConfigurationDirectory => '/etc');
my %BELOW = map { ($_ => 1) } values %PARENTS;

# makersOf(ETC, CLOSURE, ITEMS): of each, by its path from / on, the kind (unit, home, package, account, unknown) and the name.
# ETC has the accounts of the root that holds them; CLOSURE is the folder of its closure.
sub makersOf {
    my ($etc, $closure, @items) = @_;
    my (%found, @rest);
    my $homes = homes("$etc/passwd");
    my $names = accounts("$etc/passwd");
    my $units;
    for my $item (@items) {
        my $path = $item->{path};
        my $home = isWithin($path, $homes);
        if (defined $home) { $found{$path} = { kind => 'home', name => $homes->{$home} }; next }
        # systemd is asked only where it can know.
        $units //= unitFolders() if isWithin($path, \%BELOW);
        my $folder = $units ? isWithin($path, $units) : undef;
        if (defined $folder) { $found{$path} = { kind => 'unit', name => $units->{$folder} } }
        else                 { push @rest, $item }
    }
    my $packages = packagesOf($closure, map { $_->{path} } @rest);
    for my $item (@rest) {
        my $owner = $item->{uid} ? $names->{ $item->{uid} } : undef;
        $found{ $item->{path} } =
              $packages->{ $item->{path} } ? { kind => 'package', name => $packages->{ $item->{path} } }
            : defined $owner               ? { kind => 'account', name => $owner }
            :                                { kind => 'unknown', name => '' };
    }
    return \%found;
}

# Accounts by their home, less what is nobody's own.
sub homes {
    my %homes;
    for (fields($_[0])) {
        my ($name, $home) = @$_[0, 5];
        $homes{$home} //= $name if ($home // '') =~ m{^/(root|home/[^/]+|(var|srv|opt)/[^/]+/.+)\z} && $home ne '/var/lib/misc';
    }
    return \%homes;
}

# What is meant to go without being declared so.
sub caches { my ($homes) = @_; return '/var/cache', '/var/tmp', '/tmp', map { "$_/.cache" } keys %$homes }

my %accounts;

# accounts(FILE): names by number, of passwd or group.
sub accounts { return $accounts{ $_[0] } //= { map { ($_->[2] => $_->[0]) } reverse fields($_[0]) } }

sub fields {
    open my $file, '<', $_[0] or return ();
    chomp(my @lines = <$file>);
    return grep { ($_->[2] // '') =~ /^\d+\z/ } map { [split /:/, $_, -1] } @lines;
}

sub unitFolders {
    my (%folders, %unit);
    open my $lines, '-|', 'systemctl show --property=Id,' . join(',', sort keys %PARENTS) . " -- '*.service' 2>&-" or return {};
    while (1) {
        my $line = <$lines>;
        if (defined $line && $line =~ /^(\w+)=(.*)$/) { $unit{$1} = $2; next }
        for my $property (keys %PARENTS) {
            for my $name (split / /, $unit{$property} // '') {
                $name =~ s/:.*//;
                $folders{"$PARENTS{$property}/$name"} = $folders{"$PARENTS{$property}/private/$name"} = $unit{Id} if $name ne '';
            }
        }
        %unit = ();
        last if !defined $line;
    }
    close $lines;
    return \%folders;
}

# By path, the package that alone ships it, or the nearest folder above it: of the closure's list, for dpkg reads for long.
sub packagesOf {
    my ($closure, @paths) = @_;
    my %shipped = map { @$_ == 2 ? @$_ : () } Declared::rows("$closure/shipped-by.list");
    my %found;
    for my $path (@paths) {
        my $within = isWithin($path, \%shipped);
        $found{$path} = $shipped{$within} if defined $within;
    }
    return \%found;
}

1;
