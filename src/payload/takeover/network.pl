# Usage: perl network.pl FOLDER
# Writes the network of this machine, as it is now, into files of systemd.network(5): addresses and routes of each interface
# that is a device of its own, which is found again by its hardware address. SYS in the environment is where /sys is else.
use strict;
use warnings;

my ($folder) = @ARGV;
my $sys = $ENV{SYS} // '/sys';
for my $interface (sort map { m{([^/]+)$} } glob "$sys/class/net/*") {
    my $at = "$sys/class/net/$interface";
    next unless -e "$at/device";
    my @addresses = map { address($_) } lines(qw(ip -o address show dev), $interface, qw(scope global));
    next unless @addresses;
    my @routes = map { my $family = $_; map { route($_, $family) } lines('ip', "-$family", qw(-o route show dev), $interface) }
        4, 6;
    my ($hardware) = lines('cat', "$at/address");
    open my $file, '>', "$folder/10-carried-$interface.network" or die "$interface: $!\n";
    print $file "[Match]\nMACAddress=$hardware\nType=ether\n\n",
        "[Network]\nDHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=ipv6\n", @addresses, @routes;
    close $file or die "$interface: $!\n";
}

sub lines {
    open my $from, '-|', @_ or die "$_[0] cannot be run: $!\n";
    my @lines = <$from>;
    close $from or die "@_ failed\n";
    chomp @lines;
    return @lines;
}

sub address {
    my ($line) = @_;
    return if $line =~ / (deprecated|tentative|dadfailed|temporary)\b/;
    my ($own, $peer, $length) = $line =~ m{ inet6? ([0-9a-f.:]+)(?: peer ([0-9a-f.:]+))?/(\d+) } or return;
    return "\n[Address]\nAddress=" . (defined $peer ? "$own/$length\nPeer=$peer/$length" : "$own/$length") . "\n";
}

# The kernel makes those of the addresses by itself.
sub route {
    my ($line, $family) = @_;
    return if $line =~ / proto kernel\b| nexthop /;
    my ($to) = $line =~ m{^(default|[0-9a-f.:]+(?:/\d+)?)\s} or return;
    $to = $family == 4 ? '0.0.0.0/0' : '::/0' if $to eq 'default';
    my $text = "\n[Route]\nDestination=$to\n";
    $text .= "Gateway=$1\nGatewayOnLink=yes\n" if $line =~ / via ([0-9a-f.:]+)/;
    $text .= "Metric=$1\n" if $line =~ / metric (\d+)/;
    $text .= "Scope=link\n" if $family == 4 && $line !~ / via /;
    return $text;
}
