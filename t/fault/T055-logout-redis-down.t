#!/usr/bin/perl

# A log-out while Redis is not there, whose file brings the record
# back later: the person is out at once, and stays out.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

my $p = portal(server => gate_only());

my $c = signed_in(qr/couple/);
my $stays = signed_in(qr/separated/);
my $twin = twin($c);
is $_->get('/prive')->status, 200, 'before' for $c, $stays;
my $key = 'sess:' . tool("mac\tsaint-aubin\tsession\t"
    . $c->cookie('__Host-portal'));

like $p->redis_cli('SAVE'), qr/OK/, 'what Redis will find again';
kill 'KILL', $p->redis_pid;
wait_for(5, sub { !$p->redis_pid }) or die;

my $page = $c->submit($c->get('/mon-espace'), {}, form => '/deconnexion');
is $page->status, 303, 'T055 a log-out without Redis is one';
is $p->psql("select count(*) from portal.session where ended_at is not null
    and hash = decode('" . substr($key, 5) . "', 'hex')"), 1,
    'T055 because PostgreSQL has it';
isnt $twin->get($_)->status, 200, "T055 out of $_ at once" for qw(/famille /prive);

$p->start_redis;
like $p->redis_cli('EXISTS', $key), qr/1/, 'Redis has the record again';
back_ok($stays, '/prive', 'Redis is back', 8);
is_deeply tally(together(map { twin($twin)->get($_, pending => 1) }
    ('/famille', '/prive', '/mon-espace') x 7)), { 303 => 21 },
    'T055 and out for good';

done_testing;
