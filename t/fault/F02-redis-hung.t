#!/usr/bin/perl

# Redis takes commands and says nothing.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Time::HiRes qw(sleep);

use Portal::Fault;

my $p = portal(server => gate_only());
my $couple = account(qr/couple/);
my $c = signed_in($couple);
my $stranger = signed_in(qr/separated/);
my $leaver = signed_in(qr/two families/);
$_->get('/mon-espace') for $c, $leaver;

my $left = $p->psql("select count(*) from portal.session where
    ended_at is null");

kill 'STOP', $p->redis_pid;

# at once: nobody has noticed yet
my @sent = map { ($c->get('/famille', pending => 1),
    $stranger->get('/famille', pending => 1), $c->get('/', pending => 1)) }
    1 .. 5;
my @pages = together(@sent);
is_deeply [map { $_->status } @pages[map { 3 * $_ } 0 .. 4]], [(200) x 5],
    'one who is known';
is_deeply [map { $_->status } @pages[map { 3 * $_ + 1 } 0 .. 4]], [(503) x 5],
    'one who is not: 503';
is_deeply [map { $_->status } @pages[map { 3 * $_ + 2 } 0 .. 4]], [(200) x 5],
    'a page for everybody';
cmp_ok +(sort { $b <=> $a } map { $_->took } @pages)[0], '<', patient(2.5),
    'nobody waits longer than Redis\' timeout and a second';
cheap_ok($c, 'hung');

# whichever state the link is in, no session is half there
my $other = client();
my $page = $other->submit($other->get('/connexion'),
    { map { $_ => $couple->{$_} } qw(email password) });
refused_busy_ok($page, undef, 'log-in', 2);
ok !$other->cookie('__Host-portal'), 'no cookie';

# a log-out now: Redis still holds the record, and cannot be told
my $twin = twin($leaver);
$page = $leaver->submit($leaver->get('/mon-espace'), {}, form => '/deconnexion');
is $page->status, 303, 'log-out';
is $p->psql("select count(*) from portal.session where ended_at is null"),
    $left - 1, 'the row is ended';
isnt $twin->get('/mon-espace')->status, 200, 'dead at once';

# three seconds of silence end the trust in copies; each worker hears them by
# itself
my $none = 0;
ok wait_for(8, sub {
    $none = (grep { $_->status != 503 } together(map {
        $c->get('/prive', pending => 1) } 1 .. 10)) ? 0 : $none + 1;
    $none == 5;
}), 'the gate alone: no trust without the link';
busy_ok($c, '/prive', 'the gate alone');
is $c->get('/famille')->status, 200, 'PostgreSQL decides: the page';
busy_ok($stranger, '/famille', 'not in shared memory');
cheap_ok($c, 'noticed');
sleep long(0, 10);

kill 'CONT', $p->redis_pid;

back_ok($stranger, '/famille', 'it goes on', 8);
back_ok($c, '/prive', 'it goes on', 8);
isnt $twin->get($_)->status, 200, "who logged out meanwhile: $_"
    for qw(/prive /famille /mes-abonnements/sans-code);
ok wait_for(5, sub { sign_in(client(), $couple)->status == 303 }),
    'log-in is back';

done_testing;
