#!/usr/bin/perl

# T188: what somebody has typed, or an import has brought, is used again later, in a
# search, a mail, a feed, an export, and is never a part of an order there.

use strict;
use warnings;
use utf8;

use Encode ();

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my $NAME = q{O'Brien'); DROP TABLE portal.bank; --};
my $JOB = q{x', (select version())); delete from portal.contact; -- %s {{t.nav.home}} $1 \\};

my $rows = sub { join ' ', map { scalar $portal->psql("select count(*) from portal.$_") } qw(bank contact family) };
my $before = $rows->();
my $quoted = sub { "'" . $_[0] =~ s/'/''/gr . "'" };
my $mails = sub { join '', map { $_->{text} } mails(to => $_[0], count => 3) };

my ($c, $person) = parent();
my ($base, $guardian) = $c->get('/famille')->content =~ m{<a href="(/famille/responsables/(\d+))};
$portal->psql("update portal.guardian set last_name = @{[ $quoted->($NAME) ]}, first_name = 'Anouk' where id = $guardian");

# what is typed goes through a request, and a mail of it
my $j = as_json($c);
my $r = json_post($j, "$base/base", { profession => $JOB });
is $r->status, 200, 'asked' or diag $r->content;
my ($id) = $r->json->{location} =~ m{/demandes/(\d+)};
my $desk = as_json(scalar agent_client());
my $seen = $desk->get("/demandes/$id")->json;
is_deeply [map { $_->{asked} } @{ $seen->{items} }], [$JOB], 'T188 an agent reads what was typed';
is json_post($desk, "/demandes/$id", { step => 'accept', version => $seen->{version} })->status, 200, 'accepted';
is $portal->psql("select profession from portal.guardian where id = $guardian"), $JOB, 'T188 the file has it as it is';

# search
$r = json_post($desk, '/familles', { search => $NAME });
is_deeply [map { map { "$_->{first_name} $_->{last_name}" } grep { $_->{first_name} eq 'Anouk' } @{ $_->{guardians} } } @{ $r->json->{families} }],
    ["Anouk $NAME"], 'T188 found by it' or diag $r->content;

# feed, a spreadsheet, one's own data
my $key = $portal->machine(name => 'Logiciel', rights => 'feed');
my $feed = sub { client(agents => 1, json => 1)->get("/api/changements$_[0]", headers => { Authorization => "Bearer $key" }) };
my ($change) = @{ $feed->('')->json->{changes} };
is_deeply [$change->{new}, $change->{person}{name}], [$JOB, "Anouk $NAME"], 'T188 the feed tells it';
like Encode::decode('UTF-8', $feed->('.csv')->content), qr/\Q$JOB\E/, 'T188 and its spreadsheet';
like Encode::decode('UTF-8', $c->get('/mes-donnees.csv')->content), qr/\Q$JOB\E/, 'T188 so does what one takes along';

# mails, with the name of whom the request is about
my $said = $mails->($person->{email});
like $said, qr/\QO'Brien'); DROP TABLE portal.bank; --\E/, 'T188 a mail says the name' or diag $said;

is $rows->(), $before, 'T188 and nothing was done by it';

done_testing;
