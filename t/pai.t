#!/usr/bin/perl

# The document of a child's plan (PAI) is in its file once the request is
# accepted, and the day until which missing vaccines are due.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal(jobs => 'purge=300ms');
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my %html = map { my $c = client(); sign_in($c, $people{$_}); ($_ => $c) } qw(camille julien sophie);
my %json = map { $_ => as_json($html{$_}) } keys %html;
my $desk = agent_client();
my $agent = as_json($desk);

sub row { return Encode::decode('UTF-8', scalar $portal->psql($_[0]) // '') }
sub pdf { return "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n$_[0]\n%%EOF\n" }

my $family = row("select id from portal.family where number = '104201'");
my $leo = row("select c.id from portal.child c join portal.child_family m on m.child_id = c.id
    where m.family_id = $family order by m.rank limit 1");
my $page = "/famille/enfants/$leo";
my $sheet = "/familles/$family/enfants/$leo";
$portal->psql("update portal.health set pai = 'no', pai_start = null, pai_end = null, vaccines = 'yes', vaccines_until = null
    where child_id = $leo");

sub asked {
    my ($fields, $file) = @_;

    my $r = $file ? send_file($json{camille}, "$page/sante", $fields, document => pdf($file))
                  : json_post($json{camille}, "$page/sante", $fields);
    my ($id) = ($r->json->{location} // '') =~ /(\d+)$/;
    ok $id, 'asked' or diag $r->status, $r->content;
    return $id;
}

sub decided {
    my ($id, $step, %more) = @_;

    my $r = json_post($agent, "/demandes/$id", { step => $step, version => $agent->get("/demandes/$id")->json->{version},
        %more }, page => '/session');
    is $r->status, 200, $step or diag $r->content;
    return ($r->json->{location} // '') =~ /(\d+)/ ? $1 : 0;
}

sub health { return $json{$_[0] // 'camille'}->get($page)->json->{child}{health} }

sub holds_ok {
    my ($words, $what) = @_;

    is join(' ', map { $json{julien}->get($_->{path})->content =~ /obj\n(\w+)\n/ } @{ health('julien')->{pai_documents} }),
        $words, $what;
}

my %plan = (pai => 'yes', pai_start => '2026-09-01', pai_end => '2027-07-05');


### into the file, and who reads it

my $first = asked(\%plan, 'Premier');
is_deeply health()->{pai_documents}, [], 'what is asked for is not in the file';
is $json{camille}->get("$page/pai-1")->status, 404, 'nor to be had';
decided($first, 'accept');
holds_ok('Premier', 'once accepted the other guardian reads it');
{
    my $doc = health()->{pai_documents}[0];
    is_deeply [@$doc{qw(name file_kind path)}], ['pai-1.pdf', 'pdf', "$page/pai-1"], 'as a file of the child';
    my $r = $html{julien}->get($page);
    like $r->text, qr/Document du PAI\s*pai-1\.pdf – 1 ko \(PDF\)/, 'the page shows it';
    ok $r->links->{"$page/pai-1"}, 'and leads there';
    $r = $html{julien}->get("$page/pai-1");
    is $r->header('content-disposition'), 'attachment; filename="pai-1.pdf"', 'to be kept, not shown';
    is $r->header('cache-control'), 'private, no-store', 'by nobody else';
    is $html{camille}->get("$page/pai-2")->status, 404, 'there is no second';
    is $html{sophie}->get("$page/pai-1")->status, 404, 'T082: another family has none';
    is client()->get("$page/pai-1")->status, 303, 'T082: nor a visitor';

    my $seen = row("select count(*) from portal.audit where action = 'read_document' and object = 'child' and object_id = $leo");
    $r = $desk->get("$sheet/sante");
    ok $r->links->{"$sheet/pai-1"}, 'agents have it with the child\'s health data';
    is $agent->get("$sheet/pai-1")->content, pdf('Premier'), 'and read it';
    is row("select count(*) from portal.audit where action = 'read_document' and outcome = 'ok' and object = 'child' and object_id = $leo"),
        $seen + 1, 'the audit says so';
    like agent_client(role => 'administrator', as => new_agent(role => 'administrator', name => 'Alma Chef'))->get('/journal')->text,
        qr/justificatif/i, 'the journal too';
    is row("select count(*) from portal.upload_piece where sealed like '%Premier%'"), 0, 'nothing plain in the database';

    my $data = $json{camille}->get('/mes-donnees')->json;
    my ($child) = grep { $_->{of}{id} == $leo } @{ $data->{families}[0]{children} };
    is $child->{of}{health}{pai_documents}[0]{path}, "$page/pai-1", '« Mes données » has it';
    ok $html{camille}->get('/mes-donnees')->links->{"$page/pai-1"}, 'its page too';
    is row('select portal.check_documents()'), 0, 'the ready document is what building it gives';
}


### another one, in part, undone

my $second = asked({ pai_end => '2027-07-06' }, 'Second');
holds_ok('Premier', 'today\'s one stays in force');
decided($second, 'accept');
holds_ok('Second', 'the next accepted one takes its place');
is row("select left_by from portal.upload where set_id = $first"), $second, 'the one before is kept, and by which request it left';
is $json{camille}->get("/famille/demandes/$first/justificatif-1")->content, pdf('Premier'), 'with its own request';

my $phone = asked({ doctor_phone => '03 20 11 22 33' }, 'Carnet');
decided($phone, 'accept');
holds_ok('Second', 'a document about something else is no plan');
my $more = asked({ treatment => 'Ventoline' }, 'Ordonnance');
decided($more, 'accept');
holds_ok('Second', 'nor does a prescription take the place of the plan');
my $no = asked({ treatment => 'Cortisone' }, 'Refus');
decided($no, 'refuse', reason => 'Illisible.');
holds_ok('Second', 'nor is one that is refused');

my $undo = decided($second, 'reverse', reason => 'Erreur.');
holds_ok('Premier', 'undone: the one before is back');
decided($undo, 'reverse', reason => 'Finalement si.');
holds_ok('Second', 'and that undone, the second');

my $end = asked({ pai => 'no' });
decided($end, 'accept');
is_deeply health()->{pai_documents}, [], 'without a plan there is no document';
is $json{camille}->get("$page/pai-1")->status, 404, 'to be had';
decided($end, 'reverse', reason => 'Il en a encore un.');
holds_ok('Second', 'undone: plan and document are back');


### hidden, counted, erased

$portal->psql("insert into portal.field_policy (tenant, section, field, policy) values (1, 'child_health', 'pai', 'hidden')");
is health()->{pai_documents}, undef, 'where the town hides the plan it hides the document';
$portal->psql("delete from portal.field_policy where field = 'pai'");
{
    $portal->psql("update portal.change_set set updated_at = now() - interval '3 years', created_at = now() - interval '3 years',
        decided_at = now() - interval '3 years' where id in ($first, $second, $undo);
        update portal.change set state = 'recorded', settled_at = now(), settled_kind = 'agent' where set_id in ($first, $second, $undo)");
    ok wait_for(patient(30), sub { !row("select count(*) from portal.change_set where id in ($first, $second)") }), 'the requests are erased';
    ok wait_for(patient(30), sub { row("select count(*) from portal.retention_run where kind = 'upload'") > 0
        || row("select count(*) from portal.upload where left_at is not null") }), 'the job goes on';
    holds_ok('Second', 'what the file holds stays');
    is row("select count(*) from portal.upload where family_id = $family and left_at is not null"), 1, 'what has just left it, too';
    $portal->psql("update portal.upload set left_at = now() - interval '40 days' where left_at is not null");
    ok wait_for(patient(30), sub { !row("select count(*) from portal.upload where family_id = $family and left_at is not null") }),
        'until its time is over';
    holds_ok('Second', 'the other one is there');
    $portal->psql('update portal.town set uploads_waiting = 1 where id = 1');
    my $id = asked({ allergies => 'Noix' }, 'Place');
    $portal->psql('update portal.town set uploads_waiting = 20 where id = 1');
    is row("select count(*) from portal.upload where set_id = $id"), 1, 'it does not count as one that waits for a request';
    $portal->psql("delete from portal.upload where set_id = $id; delete from portal.change_set where id = $id");

    $portal->psql("update portal.health set pai_start = null, pai_end = current_date - 3000 where child_id = $leo");
    ok wait_for(patient(30), sub { !@{ health()->{pai_documents} } }), 'long after its end the document leaves the file';
    is row("select count(*) from portal.retention_run where kind = 'child_pai'"), 1, 'as the periods say';
    like agent_client(as => new_agent(role => 'administrator', name => 'Alma Seconde'))->get('/durees')->text, qr/Documents d’un PAI terminé/,
        'which name it';

    $portal->psql("update portal.health set pai_end = current_date + 300 where child_id = $leo");
    decided(asked({ treatment => 'Autre' }, 'Dernier'), 'accept');
    holds_ok('Dernier', 'where there is none, what comes with a treatment is it');
}


### vaccines that are missing

{
    my $half = asked({ vaccines => 'no' });
    my %form = (step => 'partly', reason => 'Illisible.', vaccines => 'refuse', vaccines_until => 'accept');
    my $page = $desk->get("/demandes/$half");
    my $seen = $agent->get("/demandes/$half")->json->{version};
    my $answer = json_post($agent, "/demandes/$half", { %form, version => $seen }, page => '/session');
    is $answer->status . ' ' . join(' ', map { "$_->{field}:$_->{code}" } @{ $answer->json->{errors} // [] }),
        '422 vaccines_until:lone_day', 'a day is not accepted without its answer';
    $answer = $desk->submit($page, { %form }, form => "/demandes/$half");
    is $answer->status, 422, 'nor on the page';
    like $answer->text, qr/acceptez aussi cette réponse, ou refusez la date/, 'which says what to do';
    is row("select count(*) from portal.change_item where set_id = $half and state is not null"), 0, 'nothing is decided';
    decided($half, 'refuse', reason => 'Illisible.');
}
{
    my $id = asked({ vaccines => 'no' });
    my %item = map { $_->{field} => $_->{asked} } @{ $agent->get("/demandes/$id")->json->{items} };
    is $item{vaccines_until}, row("select (current_date + interval '3 months')::date"), 'three months, where nobody says another day';
    decided($id, 'accept');
    is health('julien')->{vaccines_until}, $item{vaccines_until}, 'in the file';
    like $html{julien}->get($page)->text, qr/Vaccins manquants, à faire avant le \d/, 'the family reads it';
    like $desk->get("$sheet/sante")->text, qr/Vaccins manquants, à faire avant le \d/, 'agents as well';
    my $key = $portal->machine(rights => 'feed');
    my ($change) = grep { ($_->{field} // '') eq 'vaccines_until' } @{ client(json => 1, agents => 1)
        ->get('/api/changements?limite=500', headers => { Authorization => "Bearer $key" })->json->{changes} };
    is $change->{new}, $item{vaccines_until}, 'and the town\'s software';

    my $r = json_post($json{camille}, "$page/sante", { vaccines_until => '2020-01-01' });
    is $r->status . $r->json->{errors}[0]{field}, '422vaccines_until', 'a day that is past is refused';
    $r = $html{camille}->get("$page/sante");
    $r = $html{camille}->submit($r, { vaccines_until_day => 1, vaccines_until_month => 1, vaccines_until_year => 2020, step => 'send' });
    like $r->content, qr/id="vaccines_until-error"/, 'on the page as well';
    like $r->text, qr/Erreur.{1,2}: Ce jour est déjà passé/, 'beside the field';

    my $later = row("select (current_date + 200)::date");
    decided(asked({ vaccines_until => $later }), 'accept');
    is health()->{vaccines_until}, $later, 'a doctor\'s certificate may excuse for longer';
    decided(asked({ vaccines => 'yes' }), 'accept');
    is_deeply [@{ health() }{qw(vaccines vaccines_until)}], ['yes', undef], 'none is missing, no day';
}


### what has ended is to be verified

{
    my $due = sub {
        my ($block) = grep { $_->{block} eq "enfant-$leo" } @{ $json{camille}->get('/famille/verification')->json->{blocks} };
        return grep { $_ eq 'child_health' } keys %{ ($block // {})->{due} // {} };
    };
    $portal->psql("delete from portal.change_set where section = 'child_health' and state in ('sent', 'taken');
        update portal.verification set verified_on = current_date where child_id = $leo");
    $portal->psql("insert into portal.verification (tenant, section, child_id, family_id, by_guardian, verified_on)
        select 1, 'child_health', $leo, $family, min(id), current_date from portal.guardian where family_id = $family and rank = 1
        on conflict do nothing");
    $portal->psql("update portal.health set pai_end = current_date + 1 where child_id = $leo");
    is scalar($due->()), 0, 'what was looked at is not due';
    $portal->psql("update portal.verification set verified_on = current_date - 5 where child_id = $leo and section = 'child_health';
        update portal.health set pai_start = null, pai_end = current_date - 1 where child_id = $leo");
    is scalar($due->()), 1, 'a plan that has ended since is';
    $portal->psql("update portal.verification set verified_on = current_date where child_id = $leo and section = 'child_health'");
    is scalar($due->()), 0, 'until it was looked at';
    $portal->psql("update portal.verification set verified_on = current_date - 5 where child_id = $leo and section = 'child_health';
        update portal.health set pai = 'no', pai_end = null, vaccines = 'no', vaccines_until = current_date - 2 where child_id = $leo");
    is scalar($due->()), 1, 'so is the day of missing vaccines';
}


### with the child

{
    $portal->psql("update portal.health set pai = 'yes', pai_end = current_date + 300 where child_id = $leo");
    decided(asked({ treatment => 'Encore un' }, 'Fin'), 'accept');
    my $file = row("select upload_id from portal.child_pai where child_id = $leo");
    $portal->psql("delete from portal.contact where child_id = $leo; delete from portal.child where id = $leo");
    is row("select count(*) from portal.upload where id = '$file'"), 0, 'the child is erased, and its document with it';
}

done_testing;
