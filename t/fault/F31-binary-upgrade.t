#!/usr/bin/perl

# A new binary beside the old one (USR2), and the way back: no request is lost,
# sessions live on, as they are Redis' and PostgreSQL's.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Place qw(slurp);

my $p = portal();
my $c = signed_in(qr/couple/);
$c->get('/famille') for 1 .. 6;

my $file = $p->nginx->dir . '/nginx.pid';

sub pid_in { return ((slurp($_[0]) // '') =~ /(\d+)/)[0] // 0 }

# requests while the code does its steps, one per half a second
sub under_load {
    my ($name, @steps) = @_;

    my @pages = load(0.5 * @steps + 1, 4, sub {
        $c->get(('/famille', '/', '/mon-espace')[$_[0] % 3], pending => 1);
    }, 0.5, sub { (shift @steps // return)->() });

    is_deeply [keys %{ tally(@pages) }], [200], "$name: no request is lost"
        or diag explain tally(@pages);
    is scalar(@steps), 0, "$name: every step";
}

sub both_there {
    my ($old) = @_;

    ok wait_for(10, sub { pid_in("$file.oldbin") == $old && pid_in($file)
        && pid_in($file) != $old && monitor('/_etat')->status == 200 }), 'both are there';

    return pid_in($file);
}

### the way there

my $old = $p->nginx->pid;
my $new;
under_load('USR2, QUIT',
    sub { kill 'USR2', $old },
    sub { $new = both_there($old) },
    sub { kill 'QUIT', $old });
ok wait_for(15, sub { !kill 0, $old }), 'the old one is gone';
is $p->nginx->pid, $new, 'the new one is nginx now';
is $c->get('/famille')->status, 200, 'the session lives';
ok wait_for(10, sub { database_connections() <= 4 }), 'with the connections of one';

my $metrics = metrics();
cmp_ok $metrics->{'portal_http_requests_total{town="saint-aubin",audience="family",class="2xx"}'},
    '>', 0, 'it counts';
is $metrics->{'portal_workers{state="running"}'}, 2, 'its own workers alone';

### the way back: the old one takes over again

$old = $new;
under_load('USR2, WINCH, HUP, QUIT',
    sub { kill 'USR2', $old },
    sub { $new = both_there($old) },
    sub { kill 'WINCH', $old },
    sub { kill 'HUP', $old },
    sub { kill 'QUIT', $new });
ok wait_for(15, sub { !kill(0, $new) && $p->nginx->pid == $old }), 'the old one is nginx again';

# a log-out while both were there would have been told to both: Redis tells
# every worker of every generation
is $c->get('/famille')->status, 200, 'the session lives';

done_testing;
