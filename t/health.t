#!/usr/bin/perl

# Ready when this worker can serve a log-in, and which part is missing when it
# cannot; alive as long as it answers.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

# both workers, one after the other, say so at last: { database => 'ok', ... }
sub says {
    my ($name, $status, %want) = @_;

    my ($page, $good) = (undef, 0);
    my $said = wait_for($want{wait} // 10, sub {
        $page = monitor('/_etat');
        my $json = eval { $page->json } // {};
        my $same = $page->status == $status
            && !grep { $_ ne 'wait' && ($json->{$_} // '') ne $want{$_} } keys %want;
        $good = $same ? $good + 1 : 0;
        $good == 8;
    });

    ok($said, "$name: $status") || diag $page->status, ' ', $page->content;

    my $alive = monitor('/_etat/vivant');
    is $alive->status, 200, "$name: alive";
    is $alive->json->{status}, 'ok', "$name: and says so";
}

my $p = portal();

says('all is there', 200, status => 'ok', database => 'ok', redis => 'ok',
    tracking => 'ok', towns => 'ok', mail => 'ok', wait => 20);

my $page = monitor('/_etat');
is $page->header('content-type'), 'application/json', 'JSON';
is $page->header('cache-control'), 'no-store', 'not kept';
is_deeply [sort keys %{ $page->json }],
    [qw(database mail redis status towns tracking)], 'and nothing else';
is monitor('/_etat', method => 'HEAD')->status, 200, 'HEAD';
is monitor('/_etat', method => 'POST')->status, 405, 'POST';
is monitor('/_etat', source => '127.0.5.1')->status, 403, 'not for others';
is monitor('/_etat/vivant', source => '127.0.5.1')->status, 403, 'nor this';

### PostgreSQL

$p->stop_database;
says('PostgreSQL stopped', 503, status => 'unavailable', database => 'down',
    redis => 'ok', towns => 'ok');
$p->start_database;
says('PostgreSQL is back', 200, database => 'ok');

### Redis

$p->stop_redis;
says('Redis stopped', 503, status => 'unavailable', redis => 'down',
    tracking => 'down', database => 'ok');
$p->start_redis;
says('Redis is back', 200, redis => 'ok', tracking => 'ok');

$p->redis_cli('CONFIG', 'SET', 'min-replicas-to-write', 1);
my $refuses = 0;
ok wait_for(20, sub {
    sign_in(client(), account(qr/couple/));
    my $page = monitor('/_etat');
    $refuses = $page->status == 503 && $page->json->{redis} eq 'refuses'
        ? $refuses + 1 : 0;
    $refuses == 8;
}), 'Redis takes no writes: nobody can log in' or diag monitor('/_etat')->content;
$p->redis_cli('CONFIG', 'SET', 'min-replicas-to-write', 0);
says('Redis takes writes again', 200, redis => 'ok');

### mails that wait do not take the node away

sign_up(client());
mails();
$p->psql("update portal.outbox set state = 'queued', done_at = null,
    created_at = now() - interval '2 hours', next_try = now() + interval '1 day'");
says('a mail waits for two hours', 200, status => 'ok', mail => 'late', wait => 30);

### a database that is another's; one that was never there

$p->stop;
$p = Portal::Stack->new(mail => 'file');
$p->prepare;
$p->start_database;
rename $p->keys, $p->keys . '.good';
system(top() . '/build/portal-tool', 'keys', $p->keys) == 0 or die;
$p->start_redis;
$p->start_mail;
$p->start_nginx;
Portal::Test::adopt($p);
says('another key file', 503, database => 'refused', redis => 'ok');

$p->stop_nginx;
$p->stop_database;
$p->stop_redis;
$p->start_nginx;
says('started alone', 503, database => 'down', redis => 'down', towns => 'missing',
    tracking => 'down', mail => 'unknown');

done_testing;
