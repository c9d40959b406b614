#!/usr/bin/perl

# Redis with a replica and three sentinels: the master dies, is replaced on
# purpose, hangs. Both links of every worker go where the new master is.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Time::HiRes qw(time);

use Portal::Fault;
use Portal::Sentinels;

my $p = Portal::Stack->new(server => gate_only());
$p->prepare;
my $redis = Portal::Sentinels->new(dir => $p->dir . '/sentinels',
    password => $p->{redis_password});
$redis->start;
$p->{external}{redis} = $redis->directive;

$p->start_database;
$p->start_mail;
$p->start_nginx;
Portal::Test::adopt($p);

wait_for(5, sub { client()->get('/')->title =~ /Saint-Aubin/ });
my $couple = account(qr/couple/);
my $c = signed_in($couple);
my $visitor = new_account();        # log-ins that end no session of the others
ok listening(), 'the links are with the master';
is $c->get($_)->status, 200, "known: $_" for qw(/famille /prive);

failover('dies', 8, sub { kill 'KILL', $redis->pid($redis->master) });

my ($dead) = grep { !$redis->pid($_) } qw(redis-1 redis-2);
$redis->start_redis($dead, $redis->master);
wait_for(20, sub { $redis->ready }) or diag 'no replica';
failover('is replaced', 4, sub {
    like $redis->cli('sentinel-1', qw(SENTINEL FAILOVER portal)), qr/OK/,
        'a failover on purpose';
});

# sentinels go, too; two of three are enough
wait_for(20, sub { $redis->ready }) or diag 'no replica';
kill 'KILL', $redis->pid('sentinel-2');
my $hung = $redis->pid($redis->master);
failover('hangs', 9, sub { kill 'STOP', $hung });
kill 'CONT', $hung;

# it comes back believing that it is the master: nobody goes there
wait_for(5, sub { $c->get('/prive')->status == 200 });
ok listening(), 'the old master is not gone back to';

done_testing;
$redis->stop;


# from the server that has both kinds of links of both workers
sub listening {
    my ($not) = @_;

    return wait_for(12, sub {
        my $master = $redis->master // return;

        return if defined $not && $master eq $not;
        $redis->cli($master, qw(CLIENT LIST)) =~ /name=portal:command/
            && $redis->cli($master, qw(INFO clients))
                =~ /^tracking_clients:2/m;
    });
}

sub failover {
    my ($what, $seconds, $happen) = @_;

    my $old = $redis->master;
    my ($happened, $pending, %logins, $back);
    my @pages = load(long($seconds, 60), 3, sub {
        twin($c)->get('/famille', pending => 1);
    }, 0.4, sub {
        if (!$happened) {
            $happened = time;
            $happen->();
            return;
        }
        my $page = sign_in(client(source => '127.3.0.' . int(1 + rand 250)),
            $visitor);
        $logins{ $page->status }++;
        $back //= time if $page->status == 303;
    });

    note explain { pages => tally(@pages), logins => \%logins };
    my $n = tally(@pages);
    is_deeply [grep { !/^(?:200|503)$/ } keys %$n], [], "$what: 200 or 503";
    cmp_ok $n->{503} // 0, '<', $n->{200} / 20,
        "$what: pages go on with what shared memory holds";
    is_deeply [grep { !/^(?:303|503)$/ } keys %logins], [],
        "$what: log-in works, or 503";
    ok $back, "$what: log-in is back" or return;
    note sprintf '%s: log-in after %.2f s', $what, $back - $happened;
    ok listening($old), "$what: both links of both workers are with the new one";
    is $c->get('/prive')->status, 200, "$what: the sessions are there";

    my $leaver = signed_in($couple);
    my $twin = twin($leaver);
    is $twin->get('/prive')->status, 200, "$what: a new one" for 1 .. 4;
    $leaver->submit($leaver->get('/mon-espace'), {}, form => '/deconnexion');
    ok wait_for(1, sub { $twin->get('/prive')->status == 303 }),
        "$what: the invalidation link works";
    is $twin->get('/prive')->status, 303, "$what: at each worker" for 1 .. 4;
}
