#!/usr/bin/perl

# Another nginx takes over under load, with USR2, WINCH and QUIT, or is sent
# away again with HUP and QUIT: no request is lost, and a log-out at one
# generation is known to the other, which has shared memory of its own.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Time::HiRes qw(sleep time);

use Portal::Fault;
use Portal::Place qw(pid_alive slurp);

# nginx hands a new binary what "env" names alone: what the sanitizers are told to
# pass over, too
my $p = portal(main => 'env LSAN_OPTIONS;', server => gate_only()
    =~ s/alias/add_header X-Worker \$pid always;
            alias/r);
my $dir = $p->nginx->dir;
my $c = signed_in(qr/couple/);
my @leavers = map { signed_in($_) } qr/two families/, qr/separated/,
    qr/unlinked/;
$c->get('/famille') for 1 .. 10;

# a request that is at work in PostgreSQL while its worker is told to go
my $undo = slow_function('my_space', 1);
my (@pages, @slow);

# under load, until the code says so
sub meanwhile {
    my ($name, $seconds, $until) = @_;
    my $end = time + $seconds;
    my $there;

    while (!($there = $until->()) && time < $end) { burst(6) }
    burst(6) for 1 .. 5;

    return ok $there, $name;
}

sub burst {
    push @pages, together(map {
        $c->get(('/famille', '/', '/static/portal.css', '/prive')[$_ % 4],
            pending => 1)
    } 1 .. $_[0]);
}

sub slow { push @slow, map { $c->get('/mon-espace', pending => 1) } 1 .. 2 }

sub children {
    my ($pid) = @_;

    return grep { (slurp("/proc/$_/cmdline") // '') =~ /worker process/ }
        split ' ', slurp("/proc/$pid/task/$pid/children") // '';
}

sub old_pid { (slurp("$dir/nginx.pid.oldbin") // '') =~ /(\d+)/ ? $1 : undef }

# the new master writes its pid before its workers are ready
sub upgrade {
    my ($name) = @_;
    my $old = $p->nginx->pid;

    slow();
    sleeping(1);
    kill 'USR2', $old;
    meanwhile("$name: a second master", 20, sub {
        my $new = $p->nginx->pid;
        $new && $new != $old && old_pid() && children($new) == 2;
    });
    is old_pid(), $old, "$name: beside the first";

    return ($old, $p->nginx->pid);
}

# a log-out while both serve; each generation has a copy of the session
sub logged_out {
    my ($leaver, $name) = @_;
    my $twin = twin($leaver);

    is_deeply workers_answer($twin), { 200 => 4 },
        "$name: known to all workers of both";
    my $out = $leaver->submit($leaver->get('/aide'), {},
        form => '/deconnexion');
    is $out->status, 303, "$name: log-out";
    my $dead = wait_for(2, sub { !workers_answer($twin)->{200} });
    ok $dead, "$name: heard of by both";
    is_deeply workers_answer($twin), { 303 => 4 }, "$name: by each worker";
    is tally(map { $twin->get('/famille') } 1 .. 20)->{303}, 20,
        "$name: nor has it a page";
}

# how many workers give which answer, once all four have given one
sub workers_answer {
    my ($c) = @_;
    my %by;

    wait_for(15, sub {
        $by{ $_->header('x-worker') // 'none' }{ $_->status } = 1
            for together(map { $c->get('/prive', pending => 1) } 1 .. 20);
        keys %by >= 4;
    });

    my %n;
    $n{$_}++ for map { keys %$_ } values %by;
    return \%n;
}

sub nothing_lost {
    my ($name) = @_;
    my $n = tally(@pages);

    note explain $n;
    is_deeply [keys %$n], [200], "$name: no request is lost"
        or diag explain $n;
    cmp_ok $n->{200}, '>', 100, "$name: of many";
    is_deeply tally(together(@slow)), { 200 => scalar @slow },
        "$name: nor one that PostgreSQL was at work for";
    @pages = @slow = ();
}

# both generations listen to Redis: from then on copies are kept
sub both_tracked {
    return wait_for(8, sub {
        ($p->redis_cli('INFO', 'clients') // '') =~ /^tracking_clients:4/m;
    });
}


### the new one takes over

my ($old, $new) = upgrade('upgrade');
ok both_tracked(), 'four workers hear of changes';
logged_out($leavers[0], 'two generations');
slow();
sleeping(1);
kill 'WINCH', $old;
meanwhile('the old workers go', 15, sub { !children($old) });
ok pid_alive($old, $dir), 'the old master waits';
kill 'QUIT', $old;
meanwhile('the old master goes', 10, sub { !pid_alive($old, $dir) });
is $p->nginx->pid, $new, 'the new one is nginx now';
is scalar($p->nginx->workers), 2, 'with its workers';
nothing_lost('upgrade');
ok wait_for(5, sub { database_connections() <= 4 }),
    'the connections of the old one are closed' or diag database_connections();

is $c->get('/famille')->status, 200, 'who was logged in still is';
my $metrics = metrics();
cmp_ok $metrics->{'portal_http_requests_total{town="saint-aubin",'
    . 'audience="family",class="2xx"}'}, '>', 0, 'it counts';
is $metrics->{'portal_workers{state="running"}'}, 2, 'its own workers alone';
is sign_in(client(), account(qr/couple/))->status, 303, 'log-in at the new one';


### the new one is no good: back to the old one, at its WINCH

($old, $new) = upgrade('roll-back');
kill 'WINCH', $old;
meanwhile('its workers go', 15, sub { !children($old) });
slow();
sleeping(1);
kill 'HUP', $old;
meanwhile('the old master has workers again', 15,
    sub { children($old) == 2 });
ok both_tracked(), 'four workers hear of changes';
logged_out($leavers[1], 'the other way');
kill 'QUIT', $new;
meanwhile('the new one goes', 15, sub { !pid_alive($new, $dir) });
# it hears of the other's end, and then takes its name back
ok wait_for(10, sub { ($p->nginx->pid // 0) == $old }), 'the old one is nginx again';
ok !-e "$dir/nginx.pid.oldbin", 'under its name';
nothing_lost('roll-back');

$c->get('/prive') for 1 .. 10;
is $c->get($_)->status, 200, "who was logged in still is: $_"
    for '/famille', '/prive';
is sign_in(client(), account(qr/unlinked/))->status, 303, 'log-in';


### and a third time: what came before leaves nothing in the way

($old, $new) = upgrade('once more');
kill 'WINCH', $old;
meanwhile('workers go', 15, sub { !children($old) });
kill 'QUIT', $old;
meanwhile('the master goes', 10, sub { !pid_alive($old, $dir) });
nothing_lost('once more');
$undo->();
back_ok($c, '/famille', 'then', 3);

done_testing;
