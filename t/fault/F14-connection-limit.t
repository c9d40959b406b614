#!/usr/bin/perl

# PostgreSQL takes no more connections: the portal goes on with fewer, and says
# 503 when it has none; what PostgreSQL says about it is for the log.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

my $p = portal();
my $c = signed_in(qr/couple/);

sub limit {
    my ($n) = @_;

    $p->psql("alter role portal_web connection limit $n;
        select pg_terminate_backend(pid) from pg_stat_activity
        where usename = 'portal_web'");
}

### one connection for two workers that want two each

limit(1);
my @pages = load(2, 6, sub { $c->get('/famille', pending => 1) });
my $n = tally(@pages);
note explain $n;
is_deeply [grep { !/^(?:200|503)$/ } keys %$n], [], 'one: 200 or 503';
cmp_ok $n->{200} // 0, '>', 20, 'one: somebody is served';
cmp_ok +(sort { $b <=> $a } map { $_->took } @pages)[0], '<', patient(4),
    'one: none hangs';
my ($refused) = grep { $_->status == 503 } @pages;
unlike $refused->text, qr/connection|slot|role|portal_web/i,
    'nothing of it in the page' if $refused;
cheap_ok($c, 'one');

### none at all: as when others have used them up

limit(0);
wait_for(3, sub { $c->get('/famille')->status == 503 });
busy_ok($c, '/famille', 'none', 4);
busy_ok($c, '/mon-espace', 'none, once more', 4);
cheap_ok($c, 'none');
ok log_lines(qr/database connection failed: .*too many connections/),
    'the log says so';

$p->psql('alter role portal_web connection limit -1');
back_ok($c, '/famille', 'free again', 8);

### busier than the pool is large: a queue, no more connections

@pages = together(map { $c->get('/famille', pending => 1) } 1 .. 150);
is_deeply tally(@pages), { 200 => 150 }, '150 at once are served'
    or diag explain tally(@pages);
cmp_ok database_connections(), '<=', 4, 'with the pool\'s connections';

done_testing;
