# Usage: perl kexec.pl load KERNEL INITRD PARAMETERS     has the kernel keep another in memory: kexec_file_load(2)
#        perl kexec.pl start                             starts that one, at once: reboot(2)
# Perl is on every Debian; kexec-tools is not. A failure to load is told by its number and its text, a tab between.
use strict;
use warnings;
use Config;

my %SYSCALLS = (x86_64 => [320, 169], aarch64 => [294, 142]);
my ($processor) = $Config{archname} =~ /^(x86_64|aarch64)/;
my ($LOAD, $REBOOT) = @{ $SYSCALLS{ $processor // '' } // die "38\tno kexec for $Config{archname}\n" };

my ($command, $kernel, $initrd, $parameters) = @ARGV;
if ($command eq 'load') {
    open my $k, '<', $kernel or die "$kernel: $!\n";
    open my $i, '<', $initrd or die "$initrd: $!\n";
    my $line = "$parameters\0";
    syscall($LOAD, fileno $k, fileno $i, length $line, $line, 0) == 0 or die 0 + $!, "\t$!\n";
}
elsif ($command eq 'start') {
    syscall($REBOOT, 0xfee1dead, 672274793, 0x45584543, 0);
    die "$!\n";
}
