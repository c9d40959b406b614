#!/usr/bin/perl

# PostgreSQL on another machine: at night nobody calls, and what stands between
# forgets a connection that says nothing; the first parent of the morning must not
# wait for an answer on it.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Place qw(free_port slurp);

my $port = free_port();
my $p = Portal::Stack->new(directives => { portal_database =>
    qq{"host=127.0.0.1 port=$port dbname=portal user=portal_web"} });
my $proxy = proxy($port, $p->pg->socket_dir . '/.s.PGSQL.5432');
Portal::Test::adopt($p->start);

# of each connection to that port: in how many seconds the kernel probes it; none: 0
sub probes {
    my $to = sprintf '%04X', $port;

    return map { $_->[5] =~ /^02:([0-9A-F]+)$/ ? hex($1) / 100 : 0 }
        grep { $_->[2] =~ /:$to$/ && $_->[3] eq '01' }
        map { [split] } split /\n/, slurp('/proc/net/tcp');
}

is signed_in(qr/couple/)->get('/famille')->status, 200, 'a page of it';
my @probes;
ok wait_for(10, sub { @probes = probes(); @probes && !grep { $_ > 60 || $_ == 0 } @probes }),
    'each connection that is idle is probed within a minute' or diag "@probes";

proxy_stop($proxy);

done_testing;
