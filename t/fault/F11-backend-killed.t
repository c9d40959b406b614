#!/usr/bin/perl

# Backends of PostgreSQL end under load: one connection is replaced, a request
# is asked again when nothing was done, 503 at worst.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

my $p = portal();
my $c = signed_in(qr/couple/);
my $ask = sub { $c->get('/famille', pending => 1) };

$c->get('/famille') for 1 .. 20;

### pg_terminate_backend: the server says good-bye

my $killed = 0;
my @pages = load(long(3, 60), 6, $ask, 0.2, sub {
    $killed += $p->psql("select count(pg_terminate_backend(pid))
        from pg_stat_activity where usename = 'portal_web'");
});
my $n = tally(@pages);
note explain $n;
cmp_ok $killed, '>', 10, "$killed backends ended";
is_deeply [grep { !/^(?:200|503)$/ } keys %$n], [], 'only 200 and 503'
    or diag explain $n;
cmp_ok $n->{503} // 0, '<=', @pages / 50, 'hardly any 503';
back_ok($c, '/famille', 'then', 3);

### kill -9 of one: the whole server goes through a crash

my ($crashes, $before) = (0, scalar log_lines(qr/./));
@pages = load(long(3, 60), 6, $ask, 1.2, sub {
    my $pid = $p->psql("select pid from pg_stat_activity
        where usename = 'portal_web' limit 1") or return;
    $crashes += kill 'KILL', $pid;
});
$n = tally(@pages);
note explain $n;
cmp_ok $crashes, '>=', 1, "$crashes crashes";
is_deeply [grep { !/^(?:200|503)$/ } keys %$n], [], 'only 200 and 503'
    or diag explain $n;
cmp_ok $n->{200} // 0, '>', 100, 'pages again';
my ($slow) = sort { $b <=> $a } map { $_->took } @pages;
cmp_ok $slow, '<', patient(4), 'none hangs';
back_ok($c, '/famille', 'crash', 6);

cmp_ok database_connections(), '<=', 4, 'the pool has its size';

done_testing;
