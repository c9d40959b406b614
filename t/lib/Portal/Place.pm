package Portal::Place;

# Where the private servers live and as whom they run.  Root gives each server
# its own user; anybody else runs them all.  The data lies outside the checkout,
# which only its owner may be allowed to enter.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha1_hex);
use Exporter qw(import);
use Fcntl qw(:flock :mode);
use File::Basename qw(dirname);
use File::Path qw(remove_tree);
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(top base user make_dir own run_as spawn lock free_port
    patient wait_for slurp spew pid_alive end_pid);

my $TOP = abs_path(dirname(__FILE__) . '/../../..');

# each server reads what another user has written; what is secret has its mode said
umask 022;

# server => [user, group] when root starts it
my %USER = (
    postgres => ['postgres', 'postgres'],
    redis    => ['redis',    'redis'],
    nginx    => ['www-data', 'www-data'],
    smtp     => ['nobody',   'nogroup'],
);


sub top { $TOP }


# the user and group of a server: names, or undef when all is one user's
sub user {
    my ($server) = @_;

    return if $> != 0;
    return @{ $USER{$server} };
}


# this checkout's own directory: others may pass through it, not look
sub base {
    my $dir = $ENV{PORTAL_VAR}
        // sprintf '/var/tmp/portal-%d-%s', $>, substr(sha1_hex($TOP), 0, 12);

    mkdir $dir, 0700;
    my @st = lstat $dir or die "$dir: $!\n";

    # anybody may make a directory of that name first
    die "$dir is not a directory of yours, remove it\n"
        if !S_ISDIR($st[2]) || $st[4] != $> || $st[2] & 022;

    chmod 0711, $dir or die "chmod $dir: $!\n";

    return $dir;
}


sub make_dir {
    my ($dir, $mode, $server, $group) = @_;

    if (!-d $dir) {
        mkdir $dir, 0700 or die "mkdir $dir: $!\n";
    }

    own($dir, $server, $group) if $server;
    chmod $mode, $dir or die "chmod $dir: $!\n";

    return $dir;
}


# gives a path to a server's user; group: the other server that may use it
sub own {
    my ($path, $server, $other) = @_;

    my ($user) = user($server) or return;
    my (undef, $group) = user($other // $server);

    chown scalar getpwnam($user), scalar getgrnam($group), $path
        or die "chown $path: $!\n";
}


sub _child {
    my ($server, $log, @command) = @_;

    # tests' pipes must not stay open in a server
    open STDIN, '<', '/dev/null';

    if ($log) {
        open STDOUT, '>>', $log or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT;
    }

    if (my ($user, $group) = $server ? user($server) : ()) {
        unshift @command, 'setpriv', "--reuid=$user", "--regid=$group",
            '--init-groups', '--inh-caps=-all', '--';
        $ENV{HOME} = '/nonexistent';
    }

    chdir '/';
    delete @ENV{ grep { /^(?:PG[A-Z]|PERL|HARNESS)/ } keys %ENV };
    exec { $command[0] } @command or POSIX::_exit(127);
}


# runs a command as a server's user and returns its wait status
sub run_as {
    my ($server, $log, @command) = @_;

    my $pid = fork // die "fork: $!\n";
    _child($server, $log, @command) if $pid == 0;
    waitpid $pid, 0;

    return $?;
}


# the same without waiting: returns the pid
sub spawn {
    my ($server, $log, @command) = @_;

    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        POSIX::setsid();
        _child($server, $log, @command);
    }

    return $pid;
}


# held until the returned handle goes
sub lock {
    my ($name, $mode) = @_;

    open my $fh, '>>', base() . "/$name.lock" or die "lock $name: $!\n";
    flock $fh, $mode // LOCK_EX or die "lock $name: $!\n";

    return $fh;
}


# One that no client's connection takes meanwhile: those get theirs from 32768
# on (ip_local_port_range).  Not by rand, which a test may have seeded.
my %GIVEN;
sub free_port {
    open my $random, '<:raw', '/dev/urandom' or die "/dev/urandom: $!\n";

    for (1 .. 1000) {
        read $random, my $bytes, 2;
        my $port = 10_000 + unpack('S', $bytes) % 22_000;

        return $port if !$GIVEN{$port}++ && IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'tcp', Listen => 1);
    }

    die "no free port: $!\n";
}


# A limit for what must not take long, in seconds: it tells waiting from not
# waiting, so it is wider where everything is slow.  PORTAL_PATIENCE sets by
# how much.
sub patient {
    my ($seconds) = @_;

    return $seconds * ($ENV{PORTAL_PATIENCE} // ($ENV{PORTAL_NGINX} ? 4 : 1));
}


# true as soon as the code is; false after so many seconds
sub wait_for {
    my ($seconds, $code) = @_;

    my $end = time + 2 * patient($seconds);

    while (1) {
        my $got = $code->();
        return $got if $got;
        return if time > $end;
        sleep 0.02;
    }
}


sub slurp {
    my ($file) = @_;

    open my $fh, '<:raw', $file or return;
    local $/;
    return scalar <$fh>;
}


sub spew {
    my ($file, $text, $mode) = @_;

    open my $fh, '>:raw', "$file.new" or die "$file: $!\n";
    chmod $mode, "$file.new" if defined $mode;
    print $fh $text;
    close $fh or die "$file: $!\n";
    rename "$file.new", $file or die "$file: $!\n";
}


# is this process one that was started for this directory?
sub pid_alive {
    my ($pid, $mark) = @_;

    return if !$pid || $pid !~ /^\d+$/ || $pid < 2;
    my $line = slurp("/proc/$pid/cmdline") // return;

    return index($line, $mark) >= 0;
}


sub end_pid {
    my ($pid, $mark, $signal) = @_;

    return 1 if !pid_alive($pid, $mark);

    kill 'CONT', $pid;          # a test may have stopped it
    kill $signal // 'TERM', $pid;

    return 1 if wait_for(20, sub {
        waitpid $pid, POSIX::WNOHANG();
        !pid_alive($pid, $mark);
    });

    kill 'KILL', $pid;
    wait_for(5, sub {
        waitpid $pid, POSIX::WNOHANG();
        !pid_alive($pid, $mark);
    });

    return 0;
}


1;
