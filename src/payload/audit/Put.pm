# put(TOP, SOURCE, TARGET, MAKE): a copy of SOURCE at TARGET below TOP, where nothing is; MAKE makes folders above it that are missing.
package Put;
use strict;
use warnings;
use Exporter 'import';
use Files;
use Report;
use Safely;
our @EXPORT = qw(put);

my $STAGE = '.nixfleet-restoring';

# To another name beside its place, in a folder that nobody else can enter; brought to the disk; renamed.
sub put {
    my ($top, $source, $target, $makeParent) = @_;
    my ($folder, $name) = $target =~ m{^(.*)/([^/]+)\z}s;
    my $parent = enter($top eq '' ? '/' : $top, $folder, $makeParent) // refuse(name($@));
    refuse(name($target), ' is there already: move it aside, or name another place with --to PATH') if look($name);
    my $old = look($STAGE);
    if ($old) {
        refuse(name("$folder/$STAGE"), ' is in the way') if kindOf($old) ne 'folder' || $old->{uid} != 0;
        system('rm', '-rf', '--one-file-system', '--', $STAGE) == 0 or refuse(name("$folder/$STAGE"), ' cannot be removed');
    }
    mkdir $STAGE, 0700 or refuse(name("$folder/$STAGE"), ": $!");
    chdir $STAGE or refuse(name("$folder/$STAGE"), ": $!");
    my $stage = look('.');
    refuse(name("$folder/$STAGE"), ' has changed meanwhile') if $stage->{uid} != 0 || $stage->{mode} & 077;
    open my $staged, '<', '.' or die "$!\n";
    my $done = system('cp', '-a', '--reflink=auto', '--sparse=auto', '-T', '--', $source, 'new') == 0 && syncAt('.');
    my $why = $done ? '' : 'it could not be copied, or not be brought to the disk';
    if ($done && !renameNew($staged, 'new', $parent, $name)) { $why = "$!" }
    system('rm', '-rf', '--one-file-system', '--', 'new') if $why ne '';
    chdir $parent;
    rmdir $STAGE;
    refuse(name($target), ' cannot be restored: ', $why) if $why ne '';
    syncAt('.') or refuse('the disk does not take it');
}

1;
