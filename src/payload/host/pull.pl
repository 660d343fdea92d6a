# Usage: perl pull.pl list NAME MIRROR...     gets the list of what the store object NAME holds, into ./list
#        perl pull.pl tree NAME MIRROR...     makes what it says in $STORE/.new-NAME, and gets what this store has nowhere
#
# Run by pull.sh in a folder of the object's own, where everything that has come stays until the object is whole. MIRROR is
# the URL of a content repository (src/content/paths.ts says what is where in it), or `-`: a process at the other end of
# stdin and stdout. Nothing that a mirror sends is believed: the list has the digest that NAME begins with, and each file
# the digest and the size that the list says. What no mirror sends right is an error.
# Exits 74 when there is no room, 75 when the mirrors did not send everything: try again, it goes on from there.
use strict;
use warnings;
use Config;
use Fcntl qw(O_WRONLY O_CREAT O_EXCL);
use POSIX qw(lchown ENOSPC EDQUOT);

my ($NO_ROOM, $AGAIN) = (74, 75);
my $LIST_LIMIT = 64 << 20;
# What one file of changes may hold, and each file in it: two of that size are in memory to take it apart.
my ($CHANGES_LIMIT, $CHANGED_FILE_LIMIT) = (64 << 20, 32 << 20);
my $FICLONE = 0x40049409; # ioctl_ficlone(2)
# lsetxattr(2) and utimensat(2), which Perl has no functions for, by the kernel's numbers for this processor.
my %SYSCALLS = (x86_64 => [189, 280], aarch64 => [6, 88], arm => [227, 348], i386 => [227, 320], riscv64 => [6, 88]);
my ($processor) = $Config{archname} =~ /^(x86_64|aarch64|arm|i[3-6]86|riscv64)/;
my ($SETXATTR, $UTIMENSAT) = @{ $SYSCALLS{ ($processor // '') =~ /^i/ ? 'i386' : $processor // '' }
        // die "pull.pl does not know the system calls of $Config{archname}\n" };
my ($AT_FDCWD, $AT_SYMLINK_NOFOLLOW) = (-100, 0x100);

my ($command, $name, @mirrors) = @ARGV;
s{/+$}{} for @mirrors;
my $STORE = $ENV{STORE};
my @reasons;
$SIG{PIPE} = 'IGNORE';
if    ($command eq 'list') { getList() }
elsif ($command eq 'tree') { makeTree(entries(slurp('list'))) }
else                       { die "list or tree\n" }

sub getList {
    return if isList('list');
    for my $known (candidates()) {
        my $old = "$STORE/$known/contents.list";
        return if get("objects/$name/from/$known/list.zst", 'list.new', $LIST_LIMIT, "--patch-from=$old", \&isList);
    }
    return if get("objects/$name/list.zst", 'list.new', $LIST_LIMIT, undef, \&isList);
    giveUp("no mirror has $name");
}

sub isList {
    my ($file) = @_;
    return 0 unless -f $file;
    my $digest = `perl -- "\$CONTENTS" digest $file`;
    return 0 unless $digest eq substr($name, 0, 32) . "\n";
    rename $file, 'list' if $file ne 'list';
    return 1;
}

# Objects of its kind in this store, the ones that came last first.
sub candidates {
    my $kind = substr $name, 32;
    opendir my $store, $STORE or die "$STORE: $!\n";
    my %came = map { ($_ => (lstat "$STORE/$_")[10]) } grep { /^[0-9a-z]{32}\Q$kind\E$/ && $_ ne $name } readdir $store;
    my @last = sort { $came{$b} <=> $came{$a} } grep { -f "$STORE/$_/contents.list" } keys %came;
    return @last > 3 ? @last[ 0 .. 2 ] : @last;
}

# A line of contents.pl each.
sub entries {
    return map {
        my ($type, $mode, $uid, $gid, $time, $xattrs, $content, $path) = split / /;
        my ($digest, $size) = $content =~ /^([0-9a-f]{64}):([0-9]+)$/;
        $path = unescaped($path);
        die "$name holds $path\n" if $path !~ m{^\.(/[^/]+)*$} || $path =~ m{/\.\.?(/|$)} || $type !~ /^[dfl]$/;
        $path = substr $path, 1;
        {
            type => $type, mode => oct $mode, uid => $uid, gid => $gid, time => $time, xattrs => $xattrs,
            digest => $digest, size => $size, target => unescaped($content), path => $path
        };
    } split /\n/, $_[0];
}

sub unescaped {
    my ($text) = @_;
    $text =~ s/\\x([0-9a-f]{2})/chr hex $1/ge;
    return $text;
}

sub makeTree {
    my @entries = @_;
    my @files = grep { defined $_->{digest} } @entries;
    my %local = localFiles(map { $_->{digest} } @files);
    my %wanted;
    for (@files) { $wanted{ $_->{digest} } = $_ unless $local{ $_->{digest} } || -f $_->{digest} }
    my $bytes = 0;
    $bytes += $_->{size} for values %wanted;
    requireRoom($bytes);
    getChanges(\@files, \%wanted) if %wanted;
    getFiles(values %wanted);
    my $tree = "$STORE/.new-$name";
    place($tree, $_, \%local) for @entries;
    finish($tree, $_) for reverse @entries;
}

# Where this store has files with such digests: a path each.
sub localFiles {
    my %wanted = map { ($_ => 1) } @_;
    my %found;
    return %found if $ENV{ANEW};
    opendir my $store, $STORE or die "$STORE: $!\n";
    my @others = grep { /^[0-9a-z]{32}-/ && $_ ne $name } readdir $store;
    my %near = map { ($_ => 1) } candidates();
    for my $other (sort { ($near{$b} // 0) <=> ($near{$a} // 0) } @others) {
        last unless %wanted;
        open my $list, '<', "$STORE/$other/contents.list" or next;
        while (<$list>) {
            my ($digest, $path) = /^f (?:\S+ ){5}([0-9a-f]{64})(?::\d+)? \.(\S+)$/ or next;
            delete $wanted{$digest} or next;
            $found{$digest} = "$STORE/$other" . unescaped($path);
        }
    }
    return %found;
}

sub requireRoom {
    my ($bytes) = @_;
    my (undef, $line) = `df -P -k .`;
    my $free = (split ' ', $line // '')[3] // 0;
    # Twice, for what comes is compressed, and then there beside it.
    noRoom(sprintf '%d MiB are to come, and %d MiB are free', $bytes >> 20, $free >> 10) if $free * 1024 < 2 * $bytes;
}

# One file has all that an object of the kind lacks, if a mirror has one for what this store has.
sub getChanges {
    my ($files, $wanted) = @_;
    for my $known (candidates()) {
        my @old = grep { defined $_->{digest} } entries(slurp("$STORE/$known/contents.list"));
        my ($from, $to) = changes(\@old, $files);
        next unless @$to && grep { $wanted->{ $_->{digest} } } @$to;
        open my $base, '>', 'base' or failed('base');
        append($base, "$STORE/$known$_->{path}") for @$from;
        close $base or failed('base');
        my $size = 0;
        $size += $_->{size} for @$to;
        next unless fetch("objects/$name/from/$known/files.zst", "changes-$known", $size);
        unpackParts(["changes-$known"], $to, @$from ? '--patch-from=base' : undef);
        unlink "changes-$known";
        last;
    }
    unlink 'base';
    delete $wanted->{$_} for grep { -f } keys %$wanted;
}

# Which files the changes from an object to another hold, and which of the old ones they were made against, in that order:
# as src/content/changes.ts.
sub changes {
    my ($old, $new) = @_;
    my (%has, %at, %like, %seen, @from, @to);
    for (@$old) {
        $has{ $_->{digest} } = 1;
        $at{ $_->{path} } = $_;
        $like{ likeness($_->{path}) } //= $_;
    }
    my ($fromSize, $toSize) = (0, 0);
    for (@$new) {
        next if $has{ $_->{digest} } || $seen{ $_->{digest} }++;
        next if $_->{size} > $CHANGED_FILE_LIMIT || $toSize + $_->{size} > $CHANGES_LIMIT;
        push @to, $_;
        $toSize += $_->{size};
        my $former = $at{ $_->{path} } // $like{ likeness($_->{path}) } // next;
        next if $former->{size} > $CHANGED_FILE_LIMIT || $fromSize + $former->{size} > $CHANGES_LIMIT;
        next if $seen{"from $former->{digest}"}++;
        push @from, $former;
        $fromSize += $former->{size};
    }
    return (\@from, \@to);
}

# A library's and a kernel's files are called by their versions.
sub likeness {
    my ($path) = @_;
    $path =~ s/[0-9]+/0/g;
    return $path;
}

# Until nothing more comes, twice. What was cut off may have gone on from what another mirror sent, right or wrong: when it is
# wrong, it comes once more from its beginning.
sub getFiles {
    my @wanted = sort { $a->{digest} cmp $b->{digest} } @_;
    my $idle = 0;
    while (@wanted && $idle < 2) {
        my $before = @wanted;
        for my $mirror (@mirrors) {
            my @left;
            while (@wanted) {
                my ($bytes, @batch) = (0);
                while (@wanted && @batch < 500 && $bytes < 64 << 20) {
                    push @batch, shift @wanted;
                    $bytes += $batch[-1]{size};
                }
                my %begun = map { -s "$_->{digest}.part" ? ($_->{digest} => 1) : () } @batch;
                fetchFrom($mirror, map { part($_) } @batch);
                my @came = grep { hasCome($_) } @batch;
                unpackParts([map { "$_->{digest}.part" } @came], \@came);
                for (grep { !-f $_->{digest} } @came) {
                    unpackParts(["$_->{digest}.part"], [$_]);
                    if (!-f $_->{digest} && $begun{ $_->{digest} }) {
                        unlink "$_->{digest}.part";
                        fetchFrom($mirror, part($_));
                        unpackParts(["$_->{digest}.part"], [$_]) if hasCome($_);
                    }
                    reason("$mirror: what it has as $_->{digest} is something else") unless -f $_->{digest};
                }
                unlink map { "$_->{digest}.part" } @came;
                push @left, grep { !-f $_->{digest} } @batch;
            }
            @wanted = @left;
        }
        $idle = @wanted == $before ? $idle + 1 : 0;
    }
    giveUp(scalar @wanted . ' files of ' . $name . ' did not come') if @wanted;
}

sub part { { path => filePath($_[0]{digest}), file => "$_[0]{digest}.part", size => $_[0]{size} } }

sub hasCome { -f "$_[0]{digest}.part" && !-f "$_[0]{digest}.part.open" }

sub filePath { 'files/' . substr($_[0], 0, 2) . "/$_[0].zst" }

# get PATH, FILE, LIMIT, OPTION, CHECK: what a mirror has there, taken apart, if it passes.
sub get {
    my ($path, $file, $limit, $option, $check) = @_;
    for my $mirror (@mirrors) {
        unlink "$file.part";
        fetchFrom($mirror, { path => $path, file => "$file.part", size => $limit });
        if (-f "$file.part" && !-f "$file.part.open") {
            open my $out, '>', $file or failed($file);
            my $in = unzstd($option, "$file.part");
            pour($in, $out, $limit);
            close $out or failed($file);
            close $in;
            unlink "$file.part";
            return 1 if $check->($file);
            reason("$mirror: what it has as $path is something else");
        }
    }
    return 0;
}

sub fetch {
    my ($path, $file, $size) = @_;
    for my $mirror (@mirrors) {
        fetchFrom($mirror, { path => $path, file => $file, size => $size });
        return 1 if -f $file && !-f "$file.open";
    }
    return 0;
}

# fetchFrom MIRROR, {path, file, size}...: each that comes to its end is there, and has no FILE.open beside it. What is cut
# off has one, and goes on with the next attempt.
sub fetchFrom {
    my ($mirror, @parts) = @_;
    return $mirror eq '-' ? fetchByPipe(@parts) : fetchByUrl($mirror, @parts);
}

# A line for each path; for each comes its length in 19 digits, or -1, and a line feed, and so many bytes.
sub fetchByPipe {
    my $asked = join '', map { "$_->{path}\n" } @_;
    while (length $asked) {
        my $count = syswrite STDOUT, $asked;
        giveUp('the builder does not listen any more') unless defined $count;
        substr $asked, 0, $count, '';
    }
    for (@_) {
        my ($length) = received(20) =~ /^ *(-1|[0-9]+)\n$/ or giveUp('what the builder sent is no answer');
        next if $length < 0;
        giveUp("the builder sent too much for $_->{path}") if $length > bound($_->{size});
        markOpen($_->{file});
        open my $out, '>', $_->{file} or failed($_->{file});
        while ($length > 0) {
            my $block = received($length < 65536 ? $length : 65536);
            write_($out, $block);
            $length -= length $block;
        }
        close $out or failed($_->{file});
        unlink "$_->{file}.open";
    }
}

sub received {
    my ($length) = @_;
    my $text = '';
    while (length $text < $length) {
        my $count = sysread STDIN, $text, $length - length $text, length $text;
        giveUp('the connection to the builder was lost') unless $count;
    }
    return $text;
}

# No redirection is followed: the host asks nobody but the mirrors that are named.
sub fetchByUrl {
    my ($mirror, @parts) = @_;
    my ($config, $largest, %paths) = ('', 0);
    for (@parts) {
        my $bound = bound($_->{size});
        $largest = $bound if $bound > $largest;
        $paths{ $_->{file} } = $_->{path};
        # Less than 1 kB a second for a quarter of a minute is too slow, and so is 10 kB a second for all of it.
        $config .= join "\n", 'next', "url = \"$mirror/$_->{path}\"", "output = \"$_->{file}\"", 'fail', 'globoff', 'silent',
            'proto = "=http,https,file"', 'connect-timeout = 20', 'speed-limit = 1000', 'speed-time = 15',
            'max-time = ' . (60 + int $bound / 10_000), "max-filesize = $bound",
            'write-out = "%{exitcode} %{http_code} %{filename_effective} %{errormsg}\n"',
            (-s $_->{file} ? 'continue-at = -' : ()), '';
        markOpen($_->{file});
    }
    $config =~ s/^next\n//;
    open my $file, '>', 'curl.conf' or failed('curl.conf');
    print $file $config;
    close $file or failed('curl.conf');
    my $blocks = 1 + int $largest / 512; # no server fills the disk, whatever its curl knows of --max-filesize
    open my $said, '-|', 'sh', '-c', "ulimit -f $blocks; exec curl -q --parallel --parallel-immediate --parallel-max 32 --config curl.conf 2>&1"
        or die "sh: $!\n";
    while (<$said>) {
        my ($exit, $http, $file, $message) = /^(\d+) (\d+) (\S+) ?(.*)$/ or next;
        next unless exists $paths{$file};
        # 416: it was there to its end already.
        if ($exit == 0 && $http !~ /^3/ || $http == 416) { unlink "$file.open" }
        elsif ($exit == 23) { noRoom($message) }
        # No answer but an error, another part of it than asked for, or more than there is.
        elsif ($exit == 22 || $exit == 33 || $exit == 36 || $exit == 63 || $http =~ /^3/) { unlink $file, "$file.open" }
        reason("$mirror/$paths{$file}: " . ($http =~ /^3/ ? "it leads to somewhere else ($http)" : $message))
            if $http =~ /^3/ || $exit && $http != 404 && $http != 416;
    }
    close $said;
    giveUp('curl is not installed: environment.systemPackages = ["curl"]') if $? >> 8 == 127;
}

# What a file of so many bytes takes when it is compressed, at most: ZSTD_compressBound.
sub bound { 1024 + $_[0] + ($_[0] >> 7) }

sub markOpen {
    open my $mark, '>', "$_[0].open" or failed($_[0]);
}

# unpackParts PARTS, ENTRIES, OPTION: the files that the parts hold, one after the other, each under its digest if it has that.
sub unpackParts {
    my ($parts, $entries, $option) = @_;
    return unless @$parts;
    my $in = unzstd($option, @$parts);
    my @made;
    for (@$entries) {
        open my $out, '>', "$_->{digest}.new" or failed($_->{digest});
        my $isWhole = pour($in, $out, $_->{size}, 1);
        close $out or failed($_->{digest});
        last unless $isWhole;
        push @made, $_->{digest};
    }
    close $in;
    open my $names, '>', 'names' or failed('names');
    print $names map { "$_.new\0" } @made;
    close $names or failed('names');
    my %is = map { /^([0-9a-f]{64})  \1\.new$/ ? ($1 => 1) : () } split /\0/, `xargs -0 -r -a names sha256sum -z --`;
    for (@$entries) {
        if ($is{ $_->{digest} }) { rename "$_->{digest}.new", $_->{digest} or failed($_->{digest}) }
        else                     { unlink "$_->{digest}.new" }
    }
}

sub unzstd {
    my ($option, @parts) = @_;
    open my $in, '-|', 'sh', '-c', 'exec zstd -q -d -c --memory=128MB "$@" 2>/dev/null', 'sh', ($option // ()), '--', @parts
        or die "zstd: $!\n";
    binmode $in;
    return $in;
}

# pour IN, OUT, SIZE, EXACTLY: no more than that. Returns whether so much came.
sub pour {
    my ($in, $out, $left) = @_;
    while ($left > 0) {
        my $count = sysread $in, my $block, $left < 65536 ? $left : 65536;
        return 0 unless $count;
        write_($out, $block);
        $left -= $count;
    }
    return 1;
}

sub write_ {
    my ($out, $block) = @_;
    while (length $block) {
        my $count = syswrite $out, $block;
        failed('what came') unless defined $count;
        substr $block, 0, $count, '';
    }
}

sub place {
    my ($tree, $entry, $local) = @_;
    my $path = "$tree$entry->{path}";
    if ($entry->{type} eq 'd') { mkdir $path, 0700 or failed($path) }
    elsif ($entry->{type} eq 'l') { symlink $entry->{target}, $path or failed($path) }
    elsif (!defined $entry->{digest}) { copy('list', $path) } # the list itself
    elsif (my $source = $local->{ $entry->{digest} }) { copy($source, $path) }
    else { copy($entry->{digest}, $path) }
}

# Files that are equal share what they take on a disk, where the filesystem can do that.
sub copy {
    my ($from, $to) = @_;
    sysopen my $out, $to, O_WRONLY | O_CREAT | O_EXCL, 0600 or failed($to);
    open my $in, '<', $from or die "$from: $!\n";
    pour($in, $out, -s $in) unless ioctl $out, $FICLONE, fileno $in;
    close $out or failed($to);
}

sub append {
    my ($out, $from) = @_;
    open my $in, '<', $from or return; # then what comes is not what it should be
    pour($in, $out, -s $in);
}

# Owner, mode, attributes and time, in this order: each changes those after it.
sub finish {
    my ($tree, $entry) = @_;
    my $path = "$tree$entry->{path}";
    lchown($entry->{uid}, $entry->{gid}, $path) or failed($path);
    $entry->{type} eq 'l' or chmod $entry->{mode}, $path or failed($path);
    for ($entry->{xattrs} eq '-' ? () : split /,/, $entry->{xattrs}) {
        my ($attribute, $hex) = split /=/;
        my $value = pack 'H*', $hex;
        $attribute = unescaped($attribute);
        syscall($SETXATTR, $path, $attribute, $value, length $value, 0) == 0 or failed("$path: $attribute");
    }
    my $times = pack 'q4', $entry->{time}, 0, $entry->{time}, 0;
    syscall($UTIMENSAT, $AT_FDCWD, $path, $times, $AT_SYMLINK_NOFOLLOW) == 0 or failed($path);
}

sub slurp {
    open my $file, '<', $_[0] or die "$_[0]: $!\n";
    local $/;
    return <$file>;
}

sub reason { push @reasons, $_[0] }

sub failed {
    noRoom("$_[0]: $!") if $! == ENOSPC || $! == EDQUOT;
    die "$_[0]: $!\n";
}

sub noRoom {
    print STDERR "No space left on device: $_[0]\n";
    exit $NO_ROOM;
}

# The last reasons say as much as all of them.
sub giveUp {
    my ($what) = @_;
    splice @reasons, 0, -5 if @reasons > 5;
    print STDERR map { "$_\n" } @reasons, $what;
    exit $AGAIN;
}
