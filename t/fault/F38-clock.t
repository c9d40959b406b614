#!/usr/bin/perl

# The clock of a node was ahead and is set right, or it jumps: whoever is at work
# stays logged in.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Place qw(spew);

plan skip_all => 'the sanitizers want to be first' if Portal::Nginx->sanitized;

my $p = Portal::Stack->new;
$p->prepare;
my $file = $p->dir . '/clock';
my $library = $p->dir . '/clock.so';
is system('gcc', '-shared', '-fPIC', '-O1', "-DCLOCK_FILE=\"$file\"", '-o', $library,
    top() . '/t/fault/clock.c', '-ldl'), 0, 'a clock that can be set';

sub set_clock { spew("$file.new", "$_[0]\n", 0644); rename "$file.new", $file or die $! }

set_clock(0);
$p->$_ for qw(start_database start_redis start_mail);
{
    local $ENV{LD_PRELOAD} = $library;
    $p->start_nginx;
}
Portal::Test::adopt($p);

# seconds until Redis takes the session for an idle one
sub left {
    my ($key) = split /\n/, $p->redis_cli('KEYS', 'seen:*');
    return $p->redis_cli('TTL', $key) + 0;
}

sub age {
    my ($key) = split /\n/, $p->redis_cli('KEYS', 'seen:*');
    $p->redis_cli('EXPIRE', $key, 300);
}

my $c = signed_in(qr/couple/);
ok tracked(), 'copies are kept in shared memory';
is $c->get('/famille')->status, 200, 'at work' for 1 .. 5;
cmp_ok left(), '>', 1000, 'which Redis knows';

for my $jump (3600, 0, -7200, 0) {
    set_clock($jump);
    age();
    ok wait_for(20, sub { $c->get('/famille')->status == 200 && left() > 1000 }),
        "the clock is off by $jump s: that somebody is at work is told all the same";
}

# what the access log says of the time proves that nginx has seen it
my %hours = map { /"time":"\S+T(\d\d):/ ? ($1 => 1) : () }
    split /\n/, Portal::Place::slurp($p->nginx->access_log);
cmp_ok scalar(keys %hours), '>=', 3, 'nginx has lived through all of it';

done_testing;
