package Bench;

# What the bench measures with: who used how much CPU, wrk and pgbench runs,
# single requests by the clock, medians with their spread.

use strict;
use utf8;
use warnings;

use Digest::SHA ();
use Exporter qw(import);
use IO::Socket::INET;
use List::Util qw(max min sum0);
use POSIX ();
use Time::HiRes qw(sleep time);

use Portal::Place qw(slurp top);

our @EXPORT_OK = qw(compile cpu cpu_between command connection exchange
    mann_whitney median resident spread wrk wrk_start pgbench);

my $TICKS = POSIX::sysconf(POSIX::_SC_CLK_TCK());
my $NGINX = '/usr/share/nginx/src/src';


### programs

# what needs nginx's headers finds them where the module was built
sub compile {
    my ($name, @args) = @_;

    my $out = top() . "/build/bench/$name";
    my @include = map { "-I$_" } top() . '/src', top() . '/build/nginx',
        map { "$NGINX/$_" } qw(core event event/modules os/unix http
        http/modules http/v2);

    mkdir top() . '/build/bench';
    command('gcc', '-O2', '-g', '-Wall', '-Wextra', '-Wno-unused-parameter',
        @include, '-o', $out, @args);

    return $out;
}


# the six digits of now, as an authenticator shows them (RFC 6238)
sub otp {
    my ($secret) = @_;

    my %value;
    @value{'A' .. 'Z', 2 .. 7} = 0 .. 31;
    my $bits = join '', map { sprintf '%05b', $value{$_} } split //, $secret;
    my $mac = Digest::SHA::hmac_sha1(pack('Q>', int(time / 30)),
        pack 'B*', $bits);

    return sprintf '%06d', (unpack('N', substr $mac, ord(substr $mac, 19) & 15,
        4) & 0x7fffffff) % 1_000_000;
}


# runs it and returns what it prints; dies when it fails
sub command {
    my (@command) = @_;

    open my $in, '-|', @command or die "$command[0]: $!\n";
    local $/;
    my $text = <$in>;
    close $in or die "failed: @command\n";

    return $text;
}


### CPU

# seconds of CPU that these processes have used, and with children the ones
# that they have had and that have ended
sub _used {
    my ($pid, $children) = @_;

    my $stat = slurp("/proc/$pid/stat") // return 0;
    my @f = split ' ', $stat =~ s/^.*\) //sr;

    return sum0(@f[11, 12], $children ? @f[13, 14] : ()) / $TICKS;
}

# a reading of all parties: { nginx, postgres, redis, client, time }
sub cpu {
    my ($stack) = @_;

    my ($master, @backends) = $stack->pg->pids;

    return {
        time     => time,
        nginx    => sum0(map { _used($_) } $stack->nginx->workers),
        postgres => sum0(_used($master, 1), map { _used($_) } @backends),
        redis    => _used($stack->redis_pid),
        client   => sum0((times)[2, 3]),
    };
}

# microseconds of each party for one of n requests
sub cpu_between {
    my ($before, $after, $n) = @_;

    return { map {
        $_ => ($after->{$_} - $before->{$_}) * 1e6 / ($n || 1)
    } qw(nginx postgres redis client) };
}


### figures

sub median {
    my @v = sort { $a <=> $b } grep { defined } @_;

    return if !@v;
    return @v % 2 ? $v[@v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}

# { median, min, max, values }
sub spread {
    my @v = grep { defined } @_;

    return { median => undef, min => undef, max => undef, values => [] }
        if !@v;
    return { median => median(@v), min => min(@v), max => max(@v),
        values => \@v };
}

# whether two samples differ in their middle: the two-sided p of the test of
# Mann and Whitney, by the normal approximation with its correction for ties;
# for dozens of values and more
sub mann_whitney {
    my ($one, $other) = @_;

    my ($n, $m) = (scalar @$one, scalar @$other);
    my @all = sort { $a->[0] <=> $b->[0] } (map { [$_, 1] } @$one),
        map { [$_, 0] } @$other;
    my ($ranks, $ties) = (0, 0);

    for (my $i = 0; $i < @all; ) {
        my $end = $i;
        $end++ while $end < @all && $all[$end][0] == $all[$i][0];
        my $t = $end - $i;
        # ranks begin with 1; equals share theirs
        $ranks += ($i + 1 + $end) / 2 * grep { $_->[1] } @all[$i .. $end - 1];
        $ties += $t ** 3 - $t;
        $i = $end;
    }

    my $u = $ranks - $n * ($n + 1) / 2;
    my $total = $n + $m;
    my $variance = $n * $m / 12
        * ($total + 1 - $ties / ($total * ($total - 1)));

    return 1 if $variance <= 0;
    return POSIX::erfc(abs($u - $n * $m / 2) / sqrt($variance) / sqrt 2);
}


### single requests

# a connection that stays open, for exchange()
sub connection {
    my ($stack) = @_;

    return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $stack->port, Timeout => 10) // die "nginx: $!\n";
}

# sends the text of a request and reads all of its answer: (status, body,
# milliseconds until the last byte)
sub exchange {
    my ($socket, $request) = @_;

    my ($answer, $start) = ('', time);
    syswrite $socket, $request or die "nginx: $!\n";

    while ($answer !~ /\r\n\r\n/) {
        sysread $socket, $answer, 65536, length $answer
            or die "nginx has closed the connection: $answer\n";
    }
    my $head = index($answer, "\r\n\r\n") + 4;
    my ($length) = substr($answer, 0, $head) =~ /^Content-Length: (\d+)/mi
        or die "an answer without its length: $answer\n";
    while (length $answer < $head + $length) {
        sysread $socket, $answer, 65536, length $answer
            or die "nginx has closed the connection\n";
    }

    return (($answer =~ m{^HTTP/1\.1 (\d+)})[0], substr($answer, $head),
        (time - $start) * 1000);
}


### load

# wrk(stack, { url, args => [..], threads, connections, seconds })
# returns { requests, seconds, rate, bytes (each), broken, wrong, p50, p99
# (ms), cpu }
sub wrk {
    my ($stack, $o) = @_;

    my $before = cpu($stack);
    my $result = _wrk_result(wrk_start($stack, $o));

    $result->{cpu} = cpu_between($before, cpu($stack), $result->{requests});

    return $result;
}

# the same running: a handle to read its result from
sub wrk_start {
    my ($stack, $o) = @_;

    open my $in, '-|', 'wrk', '-t', $o->{threads}, '-c', $o->{connections},
        '-d', "$o->{seconds}s", '--timeout', '10s', '-s',
        top() . '/t/bench/wrk.lua', 'http://127.0.0.1:' . $stack->port, '--',
        @{ $o->{args} } or die "wrk: $!\n";

    return $in;
}

sub _wrk_result {
    my ($in) = @_;

    local $/;
    my $text = <$in>;
    close $in;

    my ($n, $took, $bytes, $broken, $wrong, $p50, $p99) = $text
        =~ /^result (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/m
        or die "wrk failed: $text\n";

    return { requests => $n, seconds => $took / 1e6, rate => $n * 1e6 / $took,
        bytes => $n ? $bytes / $n : 0, broken => $broken, wrong => $wrong,
        p50 => $p50 / 1e3, p99 => $p99 / 1e3 };
}

sub wrk_result { return _wrk_result(@_) }


# KiB of memory that the workers have for themselves
sub resident {
    my ($stack) = @_;

    my $kib = 0;

    for my $pid ($stack->nginx->workers) {
        my ($anon) = (slurp("/proc/$pid/status") // '') =~ /RssAnon:\s+(\d+)/;
        $kib += $anon // 0;
    }

    return $kib;
}


# pgbench(stack, { file, connections, threads, seconds, set => {..} })
sub pgbench {
    my ($stack, $o) = @_;

    my $before = cpu($stack);
    my $text = command('sh', '-c', '"$@" 2>&1 || true', 'sh',
        Portal::Database::bin('pgbench'), '-n', '-M', 'prepared', '-h',
        $stack->pg->socket_dir, '-U', 'portal_web', '-c', $o->{connections},
        '-j', $o->{threads}, '-T', $o->{seconds}, '-f', $o->{file},
        (map { ('-D', "$_=$o->{set}{$_}") } sort keys %{ $o->{set} }),
        'portal');

    my ($n) = $text =~ /actually processed: (\d+)/;
    my ($rate) = $text =~ /^tps = ([\d.]+)/m;
    die "pgbench failed: $text\n" if !$rate || $text =~ /aborted|failed transactions: [1-9]/;
    sleep 0.2;          # its backends are being reaped

    return { requests => $n, seconds => $o->{seconds}, rate => $rate,
        cpu => cpu_between($before, cpu($stack), $n) };
}


1;
