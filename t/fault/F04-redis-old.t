#!/usr/bin/perl

# Redis comes back with an old dump: who has logged out since stays out.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

my $p = portal(server => gate_only());
my $c = signed_in(qr/couple/);
my $stays = signed_in(qr/separated/);
my $later = signed_in(qr/two families/);
my $old = twin($c);

is $old->get($_)->status, 200, "before: $_" for qw(/famille /prive);
like $p->redis_cli('SAVE'), qr/OK/, 'a dump';

is $c->submit($c->get('/mon-espace'), {}, form => '/deconnexion')->status, 303,
    'log-out after it';
is $old->get($_)->status, 303, "logged out: $_" for qw(/famille /prive);

my $keys = () = $p->redis_cli('KEYS', 'sess:*') =~ /^sess:/gm;
kill 'KILL', $p->redis_pid;
wait_for(5, sub { !$p->redis_pid });
$p->start_redis;
is +(() = $p->redis_cli('KEYS', 'sess:*') =~ /^sess:/gm), $keys + 1,
    'the old record is there again';

back_ok($stays, '/famille', 'who did not log out', 5);

# its copy in shared memory must not come back either: several times
for my $path (qw(/prive /mes-abonnements/sans-code /famille /prive /mon-espace
    /mes-abonnements /prive))
{
    my $page = twin($old)->get($path);
    is $page->status, 303, "the old cookie: $path";
    is $page->header('location') =~ m{^/connexion} ? 1 : 0, 1, 'to the log-in';
}
my $json = as_json($old);
is $json->get('/famille')->status, 401, 'a program is told 401';

is $stays->get('/prive')->status, 200, 'who stayed passes the gate';

done_testing;
