#!/usr/bin/perl

# Redis is emptied, or restarted empty, under load: people are led to the
# log-in page, where they log in; nobody sees an error, nothing else is lost.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

my $p = portal(server => gate_only());
my $couple = account(qr/couple/);

for my $how ('FLUSHALL', 'restart') {
    my $c = signed_in($couple);
    is $c->get('/famille')->status, 200, "$how: before";

    my $done = 0;
    my @pages = load(2, 4, sub {
        $c->get($_[0] % 2 ? '/famille' : '/prive', pending => 1, forget => 1);
    }, 0.5, sub {
        return if $done++;
        if ($how eq 'FLUSHALL') { $p->redis_cli('FLUSHALL') }
        else { kill 'KILL', $p->redis_pid; $p->start_redis }
    });
    my $n = tally(@pages);
    note explain $n;
    is_deeply [grep { !/^(?:200|303|503)$/ } keys %$n], [],
        "$how: 200, 303, at worst 503";
    is $n->{503} // 0, 0, "$how: no 503" if $how eq 'FLUSHALL';

    my $page;
    ok wait_for(5, sub {
        $page = $c->get('/famille', forget => 1);
        $page->status == 303;
    }), "$how: to the log-in page";
    is $page->location, '/connexion?suite=%2Ffamille', "$how: and back after it";
    wait_for(5, sub { sign_in($c, $couple)->status == 303 });
    back_ok($c, '/famille', "$how, logged in", 3);
}

done_testing;
