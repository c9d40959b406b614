#!/usr/bin/perl

# PostgreSQL waits for a lock, works for long, or hangs: who needs it hears 503
# within the timeout (3 s), nobody else waits.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Time::HiRes qw(sleep time);

use Portal::Fault;

my $p = portal();
my $c = signed_in(qr/couple/);

# each worker knows who this is, and its connections are open
$c->get($_) for ('/famille', '/mon-espace') x 20;

# the others while something waits: the slowest of the best nine in ten
sub others_ok {
    my ($name, @paths) = @_;

    my @took;
    my %bad;
    for (1 .. 20) {
        for my $path (@paths) {
            my $page = $c->get($path);
            push @took, $page->took;
            $bad{"$path " . $page->status}++ if $page->status != 200;
        }
    }
    @took = sort { $a <=> $b } @took;

    is_deeply \%bad, {}, "$name: all answered" or diag explain \%bad;
    cmp_ok $took[ $#took / 2 ], '<', patient(0.05), "$name: in milliseconds";
    cmp_ok $took[ $#took * 0.9 ], '<', patient(0.25), "$name: nearly all";
    cmp_ok $took[-1], '<', patient(1.5), "$name: none waits";
}

### one request works for nearly two seconds

my $undo = slow_function('my_space', 1.8);
my $slow = $c->get('/mon-espace', pending => 1);
ok sleeping(1), 'a request is asleep in PostgreSQL';
others_ok('one waits for SQL', '/famille', '/', '/static/portal.css');
ok sleeping(1), 'all that time';
my $page = $slow->page;
is $page->status, 200, 'it is answered' or diag $page->text;
cmp_ok $page->took, '>=', 1.8, 'after its time';
$undo->();

### longer than PostgreSQL may: statement_timeout

$undo = slow_function('my_space', 30);
busy_ok($c, '/mon-espace', 'too long', 4);
is $p->psql("select count(*) from pg_stat_activity
    where usename = 'portal_web' and state = 'active'"), 0,
    'and no longer at work there';

### more of them than connections: a queue with a deadline

my @many = map { $c->get('/mon-espace', pending => 1) } 1 .. 12;
ok sleeping(2), 'all connections of a worker at least are asleep';
others_ok('all connections wait', '/', '/static/portal.css', '/inscription');
my @pages = together(@many);
is_deeply tally(@pages), { 503 => 12 }, 'all 503'
    or diag explain tally(@pages);
my ($last) = sort { $b <=> $a } map { $_->took } @pages;
cmp_ok $last, '<', patient(4), 'none hangs';
$undo->();
back_ok($c, '/mon-espace', 'too many', 4);

### a lock: lock_timeout

my $unlock = locked('family_document');
busy_ok($c, '/famille', 'locked', 4);
my $waiting = $c->get('/famille', pending => 1);
others_ok('one waits for a lock', '/mes-abonnements', '/');
is $waiting->page->status, 503, 'that one';
$unlock->();
back_ok($c, '/famille', 'unlocked', 3);

### it hangs: nothing comes, not even an end

my @pids = $p->pg->pids;
kill 'STOP', @pids;
@many = map { $c->get('/famille', pending => 1) } 1 .. 6;
cheap_ok($c, 'hung');
@pages = together(@many);
is_deeply tally(@pages), { 503 => 6 }, 'hung: all 503'
    or diag explain tally(@pages);
($last) = sort { $b <=> $a } map { $_->took } @pages;
cmp_ok $last, '<', patient(4), 'hung: none waits longer than the timeout and a second';
busy_ok($c, '/famille', 'hung, later', 4);
cheap_ok($c, 'hung, later');
sleep long(0, 20);
kill 'CONT', @pids;
back_ok($c, '/famille', 'goes on', 8);

others_ok('after all', '/famille', '/mon-espace');
cmp_ok database_connections(), '<=', 4, 'the pool has its size';

done_testing;
