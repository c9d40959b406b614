#!/usr/bin/perl

# Redis is not there: who is known goes on where PostgreSQL decides; what only
# the gate guards, and log-in, answer 503.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

my $p = portal(server => gate_only());
my $couple = account(qr/couple/);
my $c = signed_in($couple);
my $leaver = signed_in(qr/separated/);
my $later = signed_in(qr/two families/);

# in shared memory; the last one is not
$_->get('/mon-espace') for $c, $leaver;
is $c->get('/prive')->status, 200, 'the gate alone, with Redis';
is client()->get('/prive')->status, 303, 'not for everybody';

my $live = "select count(*) from portal.session where ended_at is null";

for my $how (qw(TERM KILL)) {
    my $name = "Redis ended with $how";

    kill $how, $p->redis_pid or die;
    wait_for(5, sub { !$p->redis_pid }) or die;

    is $c->get($_)->status, 200, "$name: $_ of one who is known"
        for qw(/famille /mon-espace /mes-abonnements);
    my @pages = together(map { $c->get('/famille', pending => 1) } 1 .. 20);
    is_deeply tally(@pages), { 200 => 20 }, "$name: many times"
        or diag explain tally(@pages);
    cmp_ok +(sort { $b <=> $a } map { $_->took } @pages)[0], '<', patient(2),
        "$name: nobody waits";

    busy_ok($c, '/prive', "$name, the gate alone");
    busy_ok($c, '/mes-abonnements/sans-code', "$name, no SQL behind it");
    busy_ok($later, '/famille', "$name, not in shared memory")
        if $how eq 'TERM';
    cheap_ok($c, $name);
    cheap_ok(client(), "$name, unknown people");
    is client()->get('/famille')->status, 303, "$name: to the log-in page";

    # no log-in, and no session left behind by one
    my $before = $p->psql($live);
    my $other = client();
    my $page = $other->submit($other->get('/connexion'),
        { map { $_ => $couple->{$_} } qw(email password) });
    refused_busy_ok($page, undef, "$name: log-in", 2);
    ok !$other->cookie('__Host-portal'), "$name: no cookie";
    is $p->psql($live), $before, "$name: no row";

    # log-out works: the row is what counts
    if ($how eq 'TERM') {
        my $twin = twin($leaver);
        my $cookie = $leaver->cookie('__Host-portal');
        $page = $leaver->submit($leaver->get('/mon-espace'), {},
            form => '/deconnexion');
        is $page->status, 303, "$name: log-out";
        is $p->psql($live), $before - 1, "$name: its row is ended";
        isnt $twin->get('/mon-espace')->status, 200,
            "$name: the cookie is dead at once";
    }

    $p->start_redis;
    back_ok($_, '/aide', "$name, again", 3) for $c;
    ok wait_for(8, sub {
        grep { $_->status == 303 } sign_in(client(), $couple);
    }), "$name: log-in is back by itself";

    # what Redis held is lost: people log in again, and are led there
    ok wait_for(5, sub { $c->get('/prive')->status == 303 }),
        "$name: the cache was lost";
    $c = signed_in($couple);
    ok tracked(), "$name: each worker hears of changes again";
    $c->get('/mon-espace');
    is $c->get('/prive')->status, 200, "$name: a new session";
}

cmp_ok scalar(log_lines(qr/redis/i)), '<', 60, 'the log is not flooded';

done_testing;
