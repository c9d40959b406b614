#!/usr/bin/perl

# Two nodes are sent the same form, the same decision or twenty different
# requests about the same section at once: one of them counts.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

my $p = portal(nodes => 2);
my $me = $p->psql("select g.id from portal.guardian g join portal.family f
    on f.id = g.family_id where f.number = '104201' and g.rank = 1");
my $base = "/famille/responsables/$me/base";
my $camille = signed_in(qr/couple/);
my @at = map { twin($camille, node => $_) } 1, 2;

sub one { return scalar $p->psql($_[0]) }

my $open = "select count(*) from portal.change_set
    where state in ('sent', 'taken', 'incomplete')";


### the same form, at both nodes, twice each

for my $round (1 .. 5) {
    my $sets = one('select count(*) from portal.change_set');
    my $mails = one("select count(*) from portal.outbox
        where template = 'change_sent'");
    my $form = $camille->get($base);
    my @pages = together(map { $at[$_ % 2]->submit($form, { step => 'send',
        profession => "Nœud $round" }, form => $base, pending => 1) } 1 .. 4);

    is_deeply tally(@pages), { 303 => 4 }, "T104 round $round: all are led"
        or diag map { $_->text } @pages;
    my %places = map { ($_->location // '') => 1 } @pages;
    is keys %places, 1, "T104 round $round: to the one receipt";
    is one('select count(*) from portal.change_set') - $sets, 1,
        "T104 round $round: one request";
    is one("select count(*) from portal.outbox
        where template = 'change_sent'") - $mails, 1,
        "T104 round $round: one mail";
    is one($open), 1, "T104 round $round: one is open";
}

# as a program, whose twin is told instead of waiting
{
    my @json = map { twin($_, json => 1, node => $_->{node}) } @at;
    my $csrf = $json[0]->get($base)->json->{csrf};
    my $sets = one('select count(*) from portal.change_set');
    my @pages = together(map { $json[$_ % 2]->post($base, { csrf => $csrf,
        profession => 'Nœud JSON' }, headers => { 'Idempotency-Key' => 'nodes' },
        pending => 1) } 1 .. 4);
    my $n = tally(@pages);

    is_deeply [grep { !/^(?:200|409)$/ } keys %$n], [], 'T104 JSON: 200 or 409'
        or diag explain $n;
    ok $n->{200}, 'T104 JSON: it is done';
    is one('select count(*) from portal.change_set') - $sets, 1,
        'T104 JSON: one request';
}


### twenty different ones

{
    my @json = map { twin($_, json => 1, node => $_->{node}) } @at;
    my $csrf = $json[0]->get($base)->json->{csrf};
    my $sets = one('select count(*) from portal.change_set');
    my @pages = together(map { $json[$_ % 2]->post($base, { csrf => $csrf,
        profession => "Différent $_" }, pending => 1) } 1 .. 20);

    is_deeply tally(@pages), { 200 => 20 }, 'twenty at once: each is taken'
        or diag map { $_->content } grep { $_->status != 200 } @pages;
    is one($open), 1, 'one is open';
    is one('select count(*) from portal.change_set') - $sets, 20,
        'the others are there';
    is one("select count(*) from portal.change_set s where s.state = 'replaced'
        and 1 <> (select count(*) from portal.change_set n
            where n.replaces = s.id)"), 0, 'each replaced by one';
    my %numbers = map { $_->json->{location} => 1 } @pages;
    is keys %numbers, 20, 'under numbers of their own';
}

# over one page: the second is told of the first
{
    my $form = $camille->get($base);
    my @pages = together(map { my $c = $at[$_ % 2];
        $c->submit($form, { step => 'send', key => undef,
            profession => "Page $_" }, form => $base, pending => 1) } 1 .. 20);

    is_deeply tally(@pages), { 303 => 1, 409 => 19 },
        'twenty over one page: one is taken, the others are told';
    is one($open), 1, 'one is open';
}


### two agents

my @agents = map { scalar agent_client(as => new_agent(), node => $_) } 1, 2;

for my $round (1 .. 5) {
    my ($id) = $camille->submit($camille->get($base), { step => 'send',
        profession => "Décision $round" }, form => $base)->location =~ /(\d+)/;
    my $path = "/demandes/$id";
    my @forms = map { $_->get($path) } @agents;
    my @steps = ([step => 'accept'],
        [step => $round % 2 ? 'accept' : 'refuse', reason => 'Non.']);
    my @pages = together(map { $agents[$_]->submit($forms[$_],
        { @{ $steps[$_] } }, form => $path, pending => 1) } 0, 1);

    is_deeply tally(@pages), { 303 => 1, 409 => 1 },
        "two agents, round $round: one decides, the other is told"
        or diag map { $_->text } @pages;
    is one("select count(*) from portal.audit where action = 'decide'
        and object_id = $id and outcome in ('accepted', 'refused')"), 1,
        "round $round: one decision in the audit";
    is one("select count(*) from portal.outbox where data->>'number' =
        (select number from portal.change_set where id = $id)
        and template in ('change_accepted', 'change_refused')"), 1,
        "round $round: one mail";
    my ($won) = grep { $pages[$_]->status == 303 } 0, 1;
    is one("select state || ' ' || (profession = 'Décision $round')::text
        from portal.change_set s join portal.guardian g on g.id = s.guardian_id
        where s.id = $id"), $steps[$won][1] eq 'accept' ? 'accepted true'
        : 'refused false', "round $round: the file says what was decided";
}

done_testing;
