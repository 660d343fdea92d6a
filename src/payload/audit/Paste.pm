# What to write into a declaration to keep paths, as TypeScript.
package Paste;
use strict;
use warnings;
use Exporter 'import';
use Makers;
use Report;
our @EXPORT = qw(entryFor paste);

# entryFor(ITEM, HOME, ETC): the entry of an item by its path from / on, where it is declared (the primary user's home, or
# the system), and in which list.
sub entryFor {
    my ($item, $home, $etc) = @_;
    my ($path, $place) = ($item->{path}, 'environment');
    if (defined $home && $path =~ m{^\Q$home\E/(.+)}s) { ($path, $place) = ($1, 'home') }
    my $list = $item->{kind} eq 'folder' || $item->{kind} eq 'subvolume' ? 'directories' : 'files';
    my $text = json($path);
    my ($user, $group) = (accounts("$etc/passwd")->{ $item->{uid} }, accounts("$etc/group")->{ $item->{gid} });
    my $mode = sprintf '%04o', $item->{mode} & 07777;
    my @more;
    if ($place eq 'environment') {
        push @more, 'user: ' . json($user)   if defined $user && $user ne 'root';
        push @more, 'group: ' . json($group) if defined $group && $group ne 'root';
    }
    push @more, "mode: \"$mode\"" if $list eq 'directories' && $mode ne '0755';
    my $key = $list eq 'files' ? 'file' : 'directory';
    $text = "{ $key: $text, " . join(', ', @more) . ' }' if @more;
    return { place => $place, list => $list, text => $text };
}

# Lines for a module of the host.
sub paste {
    my ($root, @entries) = @_;
    my @lines;
    for my $place ('environment', 'home') {
        my @here = grep { $_->{place} eq $place } @entries or next;
        push @lines, "$place: { persistence: { " . json($root) . ': {';
        for my $list ('directories', 'files') {
            my @texts = map { $_->{text} } grep { $_->{list} eq $list } @here or next;
            push @lines, "  $list: [", (map { "    $_," } @texts), '  ],';
        }
        push @lines, '} } },';
    }
    return @lines;
}

1;
