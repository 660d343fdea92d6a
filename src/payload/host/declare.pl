# Says what to do instead of installing a package on this host: a hook of apt's, see apt.conf in this folder.
# As a hook of apt-get's own command line it is spoken to in JSON (apt's doc/json-hooks-protocol.md): a message ends with
# an empty line, and a request, which has an id, is answered.
use strict;
use warnings;
use IO::Handle;

my $message = <<'END';
nixfleet: this host is what its fleet declares, so packages are not installed on it: /usr is read-only, and the same at
nixfleet: every boot. Declare the package in the fleet, in environment.systemPackages, and run: nixfleet switch HOST
nixfleet: Its packages come with the next boot.
END

my $socket = $ENV{APT_HOOK_SOCKET};
if (!defined $socket) {
    print STDERR $message;
    exit 1;
}
open(my $apt, '+<&=', $socket) or exit 0;
$apt->autoflush(1);
while (defined(my $line = readline($apt))) {
    next if $line eq "\n";
    if ($line =~ /"method"\s*:\s*"org\.debian\.apt\.hooks\.hello"/) {
        my ($id) = $line =~ /"id"\s*:\s*(\d+)/;
        print {$apt} sprintf(qq({"jsonrpc":"2.0","id":%d,"result":{"version":"0.2"}}\n\n), $id // 0);
    }
    elsif ($line =~ /"method"\s*:\s*"org\.debian\.apt\.hooks\.install\.fail"/) { print STDERR $message }
    elsif ($line =~ /"method"\s*:\s*"org\.debian\.apt\.hooks\.bye"/) { last }
}
