# The times in names of old roots, in seconds since 1970.
package Time;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(secondsOf now);

# Of YYYYMMDDTHHMMSS, in UTC.
sub secondsOf {
    my ($year, $month, $day, $hour, $minute, $second) = $_[0] =~ /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)/;
    # Days since 1970 of a year that begins in March.
    my ($y, $m) = $month > 2 ? ($year, $month - 3) : ($year - 1, $month + 9);
    my $days = 365 * $y + int($y / 4) - int($y / 100) + int($y / 400) + int((153 * $m + 2) / 5) + $day - 1 - 719468;
    return (($days * 24 + $hour) * 60 + $minute) * 60 + $second;
}

# NOW, for tests, is a date and a time in UTC.
sub now { return ($ENV{NOW} // '') =~ /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)/ ? secondsOf("$1$2$3T$4$5$6") : time }

1;
