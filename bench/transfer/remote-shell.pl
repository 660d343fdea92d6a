# Usage: perl remote-shell.pl PORT HOST COMMAND...
# Runs a command line as shellServer of network.ts does it, with this stdin and stdout: rsync and tar take it for ssh.
use strict;
use warnings;
use IO::Socket::INET;

my ($port, undef, @command) = @ARGV;
my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "$port: $!\n";
my $command = join ' ', @command;
print $server length($command), "\n", $command;
$server->flush;
my $child = fork // die "$!\n";
if ($child == 0) {
    carry(\*STDIN, $server);
    shutdown $server, 1;
    exit 0;
}
carry($server, \*STDOUT);
close STDOUT;
kill 'TERM', $child;
waitpid $child, 0;

sub carry {
    my ($from, $to) = @_;
    while (sysread $from, my $block, 65536) {
        while (length $block) {
            my $count = syswrite $to, $block;
            exit 1 unless defined $count;
            substr $block, 0, $count, '';
        }
    }
}
