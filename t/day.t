#!/usr/bin/perl

# The town's day is that of France, whatever zone the process or the machine
# has: forms compare with the day that the database compares with.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my $h = client();
sign_in($h, $people{camille});
my $j = as_json($h);
my ($leo) = map { $_->[0] } $portal->psql("select id from portal.child
    where first_name = 'Léo' and tenant = 1");

sub row { return scalar $portal->psql($_[0]) }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }


### a birth of today, where nginx has another day

# whatever the hour: twelve hours behind Greenwich it is yesterday in the
# morning, fourteen before it is tomorrow in the afternoon
sub born {
    my $hour = row("select extract(hour from now() at time zone 'Europe/Paris')");

    local $ENV{TZ} = $hour < 12 ? 'TTT12' : 'TTT-14';
    $portal->nginx->stop;
    $portal->nginx->start;
    all_ready();

    my @days = map { row("select portal.today() + $_") } 0, 1;
    my @r = map { json_post($j, "/famille/enfants/$leo/generales",
        { birth_date => $_, step => 'check' }) } @days;

    # at midnight: once more
    return $days[0] eq row('select portal.today()') ? @r : born();
}

my @born = born();
is $born[0]->status, 200, 'a birth of today' or diag $born[0]->content;
is codes($born[1]), 'birth_date:date_future', 'one of tomorrow is to come';

done_testing;
