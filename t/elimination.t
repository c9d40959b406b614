#!/usr/bin/perl

# « Bordereaux d'élimination »: where a town wants it, what families have asked for
# is destroyed only once a second administrator has approved the list.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal(jobs => 'purge=300ms');

my ($one) = agent_client(role => 'administrator');
my ($two) = agent_client(as => new_agent(role => 'administrator', name => 'Zoé Dupuis'));
my ($j, $k) = map { as_json($_) } $one, $two;

sub row { return scalar $portal->psql($_[0]) }
sub there { return row("select string_agg(number, ' ' order by number) from portal.change_set where tenant = 1 and number like '2020-%'") }

# waits until the job has gone through everything once more
sub purged {
    my $ran = row("select ran_at from portal.job where name = 'purge'");
    for (1 .. 2) {
        wait_for(patient(30), sub { row("select ran_at > '$ran' from portal.job where name = 'purge'") eq 't' })
            or return;
        $ran = row("select ran_at from portal.job where name = 'purge'");
    }
    return 1;
}


### who may

for my $role (qw(reader validator)) {
    my $c = agent_client($role eq 'reader' ? (as => new_agent(role => 'reader')) : ());
    is $c->get($_)->status, 403, "no page of a $role: $_" for '/eliminations', '/eliminations/1', '/eliminations/1.csv';
}
is client(json => 1)->get('/eliminations')->status, 404, 'nor of families';


### the setting

like $one->get('/eliminations')->text, qr/Votre ville efface sans liste/, 'as it is without';
my $page = $one->get('/reglages/conservation');
like $page->text, qr/Sans liste, dès que la durée est passée.*Après une liste approuvée par deux administrateurs/s, 'it is a setting';
is $one->submit($page, { purge_mode => 'approval' })->status, 303, 'changed';

my ($family, $guardian) = @{ ($portal->psql("select f.id, g.id from portal.family f join portal.guardian g on g.family_id = f.id
    where f.number = '104201' and g.rank = 1"))[0] };
$portal->psql("insert into portal.change_set (tenant, number, family_id, section, action, guardian_id, subject,
    state, updated_at, due_on) select 1, '2020-000000' || n, $family, 'guardian_basic', 'change', $guardian, 'Camille Martin',
    'withdrawn', now() - interval '800 days', current_date from generate_series(1, 3) n");
ok purged(), 'the job has run';
is there(), '2020-0000001 2020-0000002 2020-0000003', 'and destroyed nothing';
like $one->get('/durees')->text, qr/Votre ville fait approuver une liste avant d’effacer.*Bordereaux d’élimination/s, 'the page of periods says why';


### the list

$page = $one->get('/eliminations');
like $page->text, qr/Durée passée, sur aucun bordereau Demandes closes 3/, 'what waits';
my $r = $one->submit($page, {}, form => '/eliminations');
like $r->location, qr{^/eliminations/\d+\?avis=elimination_made$}, 'drawn up' or diag $r->text;
my ($list) = $r->location =~ m{(/eliminations/\d+)};
$page = $one->get($r->location);
like $page->text, qr/2020-0000001 104201.*À éliminer/s, 'with numbers';
unlike $page->content, qr/Camille/, 'and no name';
like $page->text, qr/un autre administrateur doit l’approuver/, 'who has drawn it up does not approve it';
unlike $page->content, qr/value="approve"/, 'there is no button';
my $doc = $j->get($list)->json;
is json_post($j, $list, { step => 'approve', version => $doc->{version} })->json->{errors}[0]{code}, 'other_needed', 'nor by a program';

my $item = (grep { $_->{number} eq '2020-0000002' } @{ $doc->{items} })[0]{id};
$r = $one->submit($page, { step => 'keep', item => $item });
is $r->status, 422, 'a line is kept with a reason';
like $r->content, qr/id="reason-error"/, 'which is missed beside its field';
my $old = $two->get($list);
$r = $one->submit($page, { step => 'keep', item => $item, reason => 'Un recours est en cours' });
is $r->status, 303, 'kept' or diag $r->text;
like $one->get($list)->text, qr/Gardé Un recours est en cours – /, 'and why';

$r = $two->submit($old, { step => 'approve' });
is $r->status, 409, 'nobody approves what they have not seen';
like $r->text, qr/Ce bordereau a changé depuis que vous l’avez ouvert/, 'in words';
my $csv = $two->get("$list.csv");
is $csv->header('content-type'), 'text/csv; charset=utf-8', 'for a spreadsheet';
like $csv->content, qr/"Demandes closes";"2020-0000002";"104201";"[\d\/]+";"Gard..";"Un recours est en cours";/, 'with the same lines';
ok purged(), 'the job has run';
is there(), '2020-0000001 2020-0000002 2020-0000003', 'and destroyed nothing yet';

$r = $two->submit($two->get($list), { step => 'approve' });
is $r->location, "$list?avis=elimination_approved", 'a second administrator approves' or diag $r->text;
ok wait_for(patient(30), sub { (there() // '') eq '2020-0000002' }), 'then what is listed is destroyed, what is kept stays';
ok wait_for(patient(30), sub { $k->get($list)->json->{list}{is_done} }), 'the list is done';
like $one->get('/eliminations')->text, qr/Terminé Approuvé par Zoé Dupuis.*Éliminés : 2/s, 'and says who approved it';
is row("select count(*) from portal.audit where action = 'destroy_archives' and object = 'elimination'"), 1, 'the audit has it';
like $one->get('/journal?genre=archive')->text, qr/Élimination faite.*Bordereau d’élimination approuvé.*Zoé Dupuis.*Bordereau d’élimination établi/s, 'the journal tells it';
is row("select count(*) from portal.retention_run where kind = 'change_set' and rows = 2"), 1, 'and what was erased is counted';


### one administrator does not give it up by a session left open

$page = $one->get('/reglages/conservation');
like $page->text, qr/donnez d’abord le code de votre application, puis faites ce changement/, 'the page of settings says what comes first';
$r = $one->submit($page, { purge_mode => 'automatic' });
is $r->status, 422, 'without a code it stays';
like $r->content, qr/id="purge_mode-error"/, 'said beside the field';
like $r->content, qr{href="/connexion/confirmation\?suite=/reglages/conservation"}, 'with where the code is given';
is row('select purge_mode from portal.town where id = 1'), 'approval', 'it stays';
is $one->submit($one->get('/reglages/conservation'), { keep_mail => 61 })->status, 303, 'the rest needs none';
$r = step_up($one, agent('administrator'), page => $one->get('/connexion/confirmation?suite=%2Freglages%2Fconservation'));
is $r->location, '/reglages/conservation?avis=stepped_up', 'the code leads back';
$page = $one->get($r->location);
unlike $page->content, qr{href="/connexion/confirmation}, 'where it is asked for no more';
is $one->submit($page, { purge_mode => 'automatic' })->status, 303, 'then it counts';
ok purged(), 'the job has run';
is there(), '2020-0000002', 'and what was kept is there';

done_testing;
