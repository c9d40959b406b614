package Portal::Fault;

# What the tests of bad days share: what must be answered when a server is not
# there, load while something happens to it, and ways to make it slow.

use strict;
use warnings;
use utf8;

use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes qw(sleep time);

use Portal::Pending;
use Portal::Place qw(slurp spawn wait_for);
use Portal::Test;

our @EXPORT = qw(
    signed_in as_json twin cheap_ok busy_ok refused_busy_ok back_ok load
    together tally long slow_function locked sleeping database_connections
    log_lines proxy proxy_stop worker_sizes gate_only tracked monitor
    metrics
);

my %PROXIES;        # pid => whose

# pages that ask no server but nginx
our @CHEAP = qw(/ /inscription /connexion /aide /static/portal.css);


# longer when PORTAL_LONG is set
sub long {
    my ($short, $long) = @_;

    return $ENV{PORTAL_LONG} ? $long : $short;
}

# for portal(server => gate_only()): locations whose only check is the gate
sub gate_only {
    return <<'END';
        location = /prive {
            portal_allow citizen;
            default_type text/plain;
            alias /etc/mime.types;
        }
END
}


### clients

# a client logged in as an account of the demo; the log-in must work
sub signed_in {
    my ($account, %o) = @_;

    my $c = client(%o);
    my $page = sign_in($c, ref $account eq 'HASH' ? $account
        : account($account));

    $page->status == 303 && $c->cookie('__Host-portal')
        or die 'no log-in: ', $page->status, "\n", $page->text, "\n";

    return $c;
}

# another browser with the same cookies, at the agents' host if that one is
sub twin {
    my ($c, %o) = @_;

    my $twin = client(agents => $c->{agents}, %o);
    %{ $twin->cookies } = %{ $c->cookies };

    return $twin;
}

sub as_json { twin($_[0], json => 1) }


### answers

sub cheap_ok {
    my ($c, $when) = @_;

    my @bad = grep { $_->[1]->status != 200 || $_->[1]->took > patient(1.5) }
        map { [$_, $c->get($_)] }
        # which leads on who is logged in
        grep { $_ ne '/connexion' || !defined $c->cookie('__Host-portal') } @CHEAP;

    return ok(!@bad, "$when: pages that need it not")
        || diag join "\n", map { sprintf '%s %d in %.3f s', $_->[0],
            $_->[1]->status, $_->[1]->took } @bad;
}

# 503 for a person and for a program, within so many seconds
sub busy_ok {
    my ($c, $path, $when, $seconds) = @_;

    my ($html, $json) = together(map { $_->get($path, pending => 1) }
        $c, as_json($c));

    return refused_busy_ok($html, $json, "$when: $path", $seconds);
}

sub refused_busy_ok {
    my ($html, $json, $name, $seconds) = @_;

    $seconds //= 2.5;

    my $retry = qr/^[1-9]\d{0,3}$/;
    my @bad;

    for ([$html, 'HTML', qr{^text/html}], [$json, 'JSON',
        qr{^application/problem\+json}])
    {
        my ($page, $as, $type) = @$_;
        next if !$page;
        push @bad, "$as: " . $page->status if $page->status != 503;
        push @bad, "$as: Retry-After " . ($page->header('retry-after') // '-')
            if ($page->header('retry-after') // '') !~ $retry;
        push @bad, "$as: " . ($page->header('content-type') // 'no type')
            if ($page->header('content-type') // '') !~ $type;
        push @bad, sprintf '%s: took %.2f s', $as, $page->took
            if $page->took > patient($seconds);
    }
    push @bad, 'no words for a person: ' . $html->text if $html && !@bad
        && $html->text !~ /Service momentanément indisponible|Le portail est très demandé/;
    push @bad, 'status missing in the problem' if $json && !@bad
        && ($json->json->{status} // 0) != 503;

    return ok(!@bad, "$name: 503 with Retry-After") || diag join "\n", @bad;
}

# by itself, within so many seconds, whichever worker is asked
sub back_ok {
    my ($c, $path, $when, $seconds) = @_;

    my $start = time;
    my ($page, $good) = (undef, 0);
    my $back = wait_for($seconds, sub {
        sleep 0.02;
        $page = $c->get($path);
        $good = $page->status == 200 ? $good + 1 : 0;
        $good == 20;
    });

    note sprintf '%s: back after %.2f s', $when, time - $start;

    return ok($back, "$when: $path is back by itself")
        || diag 'still ', $page->status;
}


### many at a time

sub together { return Portal::Pending->pages(@_) }

# how many of each status: { 200 => 7, 503 => 1 }
sub tally {
    my %n;

    $n{ $_->status }++ for @_;

    return \%n;
}

# for so many seconds, width requests at a time: code makes one pending; every
# (seconds) the other code is called between two rounds
sub load {
    my ($seconds, $width, $code, $every, $meanwhile) = @_;

    my $end = time + $seconds;
    my $next = time + ($every // $seconds + 1);
    my @pages;

    while (time < $end) {
        my @sent = map { $code->($_) } 1 .. $width;
        if (time >= $next) {
            $meanwhile->();
            $next = time + $every;
        }
        push @pages, together(@sent);
    }

    return @pages;
}


### a slow database

# the function takes so many seconds before it answers; returns what undoes it
sub slow_function {
    my ($name, $seconds) = @_;

    my $p = portal();

    $p->psql("alter function portal.$name(jsonb) rename to ${name}_at_once;
        create function portal.$name(input jsonb) returns json
            language plpgsql security definer set search_path = portal, pg_temp
            as 'begin perform pg_sleep($seconds);
                return portal.${name}_at_once(input); end';
        alter function portal.$name(jsonb) owner to portal_api;
        revoke execute on function portal.$name(jsonb) from public;
        grant execute on function portal.$name(jsonb) to portal_web");

    return sub {
        $p->psql("drop function portal.$name(jsonb);
            alter function portal.${name}_at_once(jsonb) rename to $name");
    };
}

# a transaction that keeps a table from everybody, or in another mode from whom
# that concerns, until the code returned runs
sub locked {
    my ($table, $mode) = @_;

    my $p = portal();
    my $pid = spawn(undef, $p->dir . '/lock.log', 'psql', '-X', '-q',
        $p->pg->psql_args, '-c', "begin; lock table portal.$table in @{[
        $mode // 'access exclusive']} mode; select pg_sleep(60)");

    wait_for(5, sub {
        $p->psql("select count(*) from pg_stat_activity where
            query like '%lock table portal.$table%' and wait_event = 'PgSleep'
            and pid <> pg_backend_pid()");
    }) or die "no lock on $table\n";

    return sub {
        $p->psql("select count(pg_terminate_backend(pid)) from pg_stat_activity
            where query like '%lock table portal.$table%'
            and pid <> pg_backend_pid()");
        waitpid $pid, 0;
    };
}

# waits until so many backends of the portal sleep in a slow function
sub sleeping {
    my ($count) = @_;

    return wait_for(5, sub {
        portal()->psql("select count(*) from pg_stat_activity
            where usename = 'portal_web' and wait_event = 'PgSleep'")
            >= $count;
    });
}

sub database_connections {
    return portal()->psql("select count(*) from pg_stat_activity
        where usename = 'portal_web'");
}


# waits until both workers hear from Redis which sessions change: from then on
# there are copies in shared memory
sub tracked {
    return wait_for(8, sub {
        (portal()->redis_cli('INFO', 'clients') // '')
            =~ /^tracking_clients:([2-9])/m;
    });
}


### nginx

# lines of the error log that match
sub log_lines {
    my ($pattern) = @_;

    return grep { $_ =~ $pattern }
        split /^/, slurp(portal()->nginx->error_log) // '';
}

# what operators see, from where they may: another => source is refused
sub monitor {
    my ($path, %o) = @_;

    my $method = delete $o{method} // 'GET';

    return client(source => '127.0.0.1', %o)->request($method, $path,
        headers => { Host => '127.0.0.1:' . portal()->port });
}

# { 'name{labels}' => value }
sub metrics {
    return { map { /^([^#].*) (\S+)$/ ? ($1 => $2) : () }
        split /\n/, monitor('/_mesures')->content };
}

# { pid => { rss => kB, files => n } }
sub worker_sizes {
    my %sizes;

    for my $pid (portal()->nginx->workers) {
        my ($rss) = (slurp("/proc/$pid/status") // '') =~ /^VmRSS:\s*(\d+)/m;
        my @files = glob "/proc/$pid/fd/*";
        $sizes{$pid} = { rss => $rss, files => scalar @files };
    }

    return \%sizes;
}


### between two servers

# a unix socket, or a port, that leads to another socket; stopped with SIGSTOP it
# is a network that swallows everything.  Returns its pid.
sub proxy {
    my ($from, $to) = @_;

    my $listen = $from =~ /^\d+$/
        ? IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $from, Listen => 64)
        : IO::Socket::UNIX->new(Local => $from, Listen => 64);
    die "$from: $!\n" if !$listen;
    chmod 0777, $from if $from !~ /^\d+$/;

    my $pid = fork // die "fork: $!\n";
    if ($pid) {
        $PROXIES{$pid} = $$;
        return $pid;
    }

    # no END block of the test runs here
    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    eval { _carry($listen, $to) };
    POSIX::_exit(0);
}

sub _carry {
    my ($listen, $to) = @_;

    my $select = IO::Select->new($listen);
    my %other;

    $SIG{PIPE} = 'IGNORE';
    while (my @ready = $select->can_read) {
        for my $s (@ready) {
            if ($s == $listen) {
                my $in = $listen->accept or next;
                my $out = IO::Socket::UNIX->new(Peer => $to);
                next if !$out;
                @other{ fileno $in, fileno $out } = ($out, $in);
                $select->add($in, $out);
                next;
            }
            my $peer = $other{ fileno $s // next } or next;
            my $n = sysread $s, my $part, 65536;
            next if $n && syswrite $peer, $part;
            $select->remove($s, $peer);
            delete @other{ fileno $s, fileno $peer };
            close $_ for $s, $peer;
        }
    }
}

sub proxy_stop {
    my ($pid) = @_;

    kill 'CONT', $pid;
    kill 'TERM', $pid;
    waitpid $pid, 0;
    delete $PROXIES{$pid};
}

# a test that dies leaves none, which prove would wait for
END {
    local $?;
    proxy_stop($_) for grep { $PROXIES{$_} == $$ } keys %PROXIES;
}

1;
