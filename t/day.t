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


### an answer that is given in summer is for the year that begins

{
    my $page = "/famille/enfants/$leo";
    my $desk = as_json(scalar agent_client());
    my $answer = sub { (grep { $_->{code} eq 'image_press' }
        @{ $j->get($page)->json->{child}{authorisations} })[0] };
    my $year = row('select portal.school_year()');
    my $summer = substr $year, 5;

    for (["$summer-06-30", 'no', $year], ["$summer-07-01", 'yes', $summer . '-' . ($summer + 1)],
        ["$summer-08-31", 'no', $summer . '-' . ($summer + 1)])
    {
        my ($day, $says, $for) = @$_;

        $portal->psql("create or replace function portal.today() returns date
            language sql stable return date '$day'");
        $portal->psql("update portal.authorisation set answer = 'unanswered', answered_on = null,
            school_year = null, text_id = null, guardian_id = null where child_id = $leo and code = 'image_press'");
        my ($id) = json_post($j, "$page/autorisations", { image_press => $says })->json->{location}
            =~ m{/demandes/(\d+)};
        is $j->get("/famille/demandes/$id")->json->{request}{items}[0]{agreement}{school_year}, $for,
            "$day: the request says $for";
        is json_post($desk, "/demandes/$id", { step => 'accept',
            version => $desk->get("/demandes/$id")->json->{version} })->status, 200, "$day: accepted";
        is join(' ', @{ $answer->() }{qw(answer school_year)}), "$says $for", "$day: and the file";
        is $j->get("$page/autorisations")->json->{current}{image_press}, $says, "$day: it counts at once";
    }

    $portal->psql("create or replace function portal.today() returns date
        language sql stable return date '$summer-09-01'");
    is $j->get("$page/autorisations")->json->{current}{image_press}, 'no', 'and still in September';
    like $h->get($page)->text, qr/à partir du 1er juillet \d{4} compte tout de suite/, 'the page says so';
}

done_testing;
