# What the commands print: lines in which no name can look like another line, or one JSON document.
package Report;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(line name finish refuse json number truth text size when);

my @lines;

# A line of the answer. What others have named stands in it as name() gives it.
sub line { push @lines, join '', @_ }

# Of a backslash it has two, for `visible` writes what nobody would see with one.
sub name { my ($name) = @_; $name =~ s/\\/\\\\/g; return $name }

# Prints the lines and exits.
sub finish {
    my ($code) = @_;
    shown(1, @lines);
    exit($code // 0);
}

# What cannot be done, and what to do instead.
sub refuse {
    shown(2, 'nixfleet: ' . join '', @_);
    exit 1;
}

# To a file descriptor, by `visible` of report.sh, which stands beside this.
sub shown {
    my ($to, @shown) = @_;
    return if !@shown;
    my $folder = __FILE__ =~ s|[^/]*$||r;
    open my $filter, '|-', '/bin/sh', '-c', '. "$0"; visible >&"$1"', "${folder}report.sh", $to
        or die "/bin/sh cannot be run: $!\n";
    print $filter map { "$_\0" } @shown;
    close $filter;
}

# A value as JSON in ASCII: hashes, arrays, strings, undef, and what number() and truth() give.
sub json {
    my ($value) = @_;
    return 'null'  if !defined $value;
    return $$value if ref $value eq 'SCALAR';
    return '[' . join(',', map { json($_) } @$value) . ']' if ref $value eq 'ARRAY';
    return '{' . join(',', map { json($_) . ':' . json($value->{$_}) } sort keys %$value) . '}' if ref $value;
    return "\"$value\"" if $value =~ /\A[ !#-\[\]-~]*\z/;
    return '"' . join('', map { character($_) } split //, decoded($value)) . '"';
}

sub number { my ($number) = @_; return defined $number ? \"$number" : undef }
sub truth { return \($_[0] ? 'true' : 'false') }

# A name for JSON: as it is, and where it is no UTF-8 its bytes too.
sub text {
    my ($key, $name) = @_;
    return ($key => $name, isText($name) ? () : ("${key}Bytes" => unpack 'H*', $name));
}

sub character {
    my ($character) = @_;
    my $code = ord $character;
    return "\\$character" if $character =~ /["\\]/;
    return $character     if $code >= 0x20 && $code < 0x7f;
    return sprintf '\\u%04x', $code if $code < 0x10000;
    $code -= 0x10000;
    return sprintf '\\u%04x\\u%04x', 0xd800 + ($code >> 10), 0xdc00 + ($code & 0x3ff);
}

# A character of UTF-8 (RFC 3629).
my $CHARACTER = qr/[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}
    |\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}/x;

sub isText { return $_[0] =~ /\A$CHARACTER*+\z/ }

sub decoded {
    my ($bytes) = @_;
    my $result = '';
    while ($bytes =~ /\G(?:($CHARACTER)|.)/gs) {
        my $one = $1 // "\xef\xbf\xbd";
        utf8::decode($one);
        $result .= $one;
    }
    return $result;
}

# Bytes in words.
sub size {
    my ($bytes) = @_;
    my @units = qw(B KiB MiB GiB TiB);
    while ($bytes >= 1024 && @units > 1) { $bytes /= 1024; shift @units }
    return sprintf $units[0] eq 'B' ? '%d %s' : '%.1f %s', $bytes, $units[0];
}

# Seconds since 1970 as a time in UTC.
sub when {
    my ($second, $minute, $hour, $day, $month, $year) = gmtime $_[0];
    return sprintf '%04d-%02d-%02d %02d:%02d:%02d', $year + 1900, $month + 1, $day, $hour, $minute, $second;
}

1;
