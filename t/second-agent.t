#!/usr/bin/perl

# A town may want two agents for a new IBAN: the first one's word changes
# nothing, the second one's counts; as long as there are two.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my $one = agent_client();                                      # Jeanne Caron
my $first = as_json($one);
my $page = agent_client(as => new_agent(name => 'Odile Second'));
my $second = as_json($page);
my $chief = new_agent(role => 'administrator', name => 'Alma Chef');
my $admin = agent_client(as => $chief);
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my ($family) = $portal->psql("select id from portal.family where number = '104201'");
my $camille = row("select g.id from portal.guardian g join portal.family f on f.id = g.family_id
    where f.number = '104201' and g.rank = 1");
my $c = client();
sign_in($c, $people{camille});

sub row { return scalar $portal->psql($_[0]) }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub state_of { return row("select state from portal.change_set where id = $_[0]") }
sub iban_of { return row("select iban_last4 from portal.bank where guardian_id = $camille") }
sub told { return row("select count(*) from portal.outbox where template like 'change_%'") }

sub decide {
    my ($as, $id, $step, %more) = @_;

    return json_post($as, "/demandes/$id", { step => $step,
        version => $as->get("/demandes/$id")->json->{version}, %more }, page => '/session');
}

my $n = 0;
my @IBAN = ('FR7630006000011234567890189', 'DE89370400440532013000', 'BE68539007547034',
    'ES9121000418450200051332', 'NL91ABNA0417164300', 'IT60X0542811101000000123456');

# a request with an IBAN, from the family
sub asked {
    my (%more) = @_;

    my $r = json_post(as_json($c), "/famille/responsables/$camille/bancaires", { holder => 'Camille Martin',
        iban => $IBAN[$n++ % @IBAN], bic => '', mandate => 'yes', step => 'send', %more });
    my ($id) = ($r->json->{location} // '') =~ /(\d+)$/;
    ok $id, 'asked' or diag $r->status, $r->content;
    return $id;
}


### one agent, as long as the town has not said otherwise

{
    my $id = asked();
    is decide($first, $id, 'accept')->status, 200, 'accepted';
    is state_of($id), 'accepted', 'by one';
}


### the setting

my $settings = $admin->get('/reglages/delais');
like $settings->text, qr/Accepter un nouvel IBAN demande/, 'the setting is on the page';
is $admin->submit($settings, { bank_agents => 'two' })->status, 303, 'two agents';
is row("select array_to_string(names, ',') from portal.audit where action = 'save_settings' order by id desc limit 1"),
    'bank_agents', 'in the journal by name';


### two agents

{
    my $id = asked();
    my ($iban, $told) = (iban_of(), told());
    my $before = counted(qw(bank change));
    my $r = $one->submit($one->get("/demandes/$id"), { step => 'accept' });
    is $r->status, 303, 'the first one accepts';
    like $one->get($r->location)->text, qr/Votre accord est noté.*second agent/s, 'is told that it takes another one';
    is state_of($id), 'sent', 'it waits';
    is iban_of(), $iban, 'the file is as it was';
    is counted(qw(bank change)), $before, 'nothing is written';
    is told(), $told, 'and nobody is told';
    is row("select count(*) from portal.change_item where set_id = $id and state is not null"), 0, 'no item is decided';

    my $doc = $first->get("/demandes/$id")->json;
    is $doc->{request}{own_agreement}, JSON::PP::true(), 'it is their own word';
    is $doc->{request}{agreed_by}, 'Jeanne Caron', 'by name';
    is $doc->{events}[-1]{event}, 'agreed', 'in the history';
    unlike $one->get("/demandes/$id")->content, qr/name="step" value="accept"/, 'there is no button to accept again';
    my $r2 = decide($first, $id, 'accept');
    is $r2->status . ' ' . codes($r2), '403 :own_agreement', 'nor a way';
    is state_of($id), 'sent', 'it still waits';
    is row("select outcome from portal.audit where action = 'decide' order by id desc limit 1"), 'own_agreement', 'the audit has it';

    my ($queued) = grep { $_->{id} == $id } @{ $second->get('/demandes')->json->{requests} // $second->get('/')->json->{requests} };
    is $queued->{agreed_by}, 'Jeanne Caron', 'the queue says it';
    like $page->get('/')->text, qr/second accord attendu/, 'on its page, too';
    like $page->get("/demandes/$id")->text, qr/Jeanne Caron a donné son accord/, 'and so does the request';

    my $own = $c->get("/famille/demandes/$id");
    unlike $own->text, qr/accord|Jeanne/, 'the family reads nothing of it';

    is $page->submit($page->get("/demandes/$id"), { step => 'accept' })->status, 303, 'the second one accepts';
    is state_of($id), 'accepted', 'now it is';
    isnt iban_of(), $iban, 'and the file has it';
    is row("select portal.agent_name(a.id) from portal.change_set s join portal.agent a on a.id = s.decided_by where s.id = $id"), 'Odile Second', 'decided by the second';
}

# a request that gives no IBAN
{
    my $r = json_post(as_json($c), "/famille/responsables/$camille/bancaires", { holder => 'Camille Martin-Durand', step => 'send', mandate => 'yes' });
    my ($id) = ($r->json->{location} // '') =~ /(\d+)$/;
    ok $id, 'only the holder' or diag $r->content;
    is decide($first, $id, 'accept')->status, 200, 'accepted';
    is state_of($id), 'accepted', 'by one';
}

# who takes it in charge does not keep it from the second
{
    my $id = asked();
    is decide($first, $id, 'take')->status, 200, 'in charge of the first';
    is decide($first, $id, 'accept')->status, 200, 'who agrees';
    is row("select taken_by is null from portal.change_set where id = $id"), 't', 'it is given back';
    is decide($second, $id, 'refuse', reason => 'Titulaire différent')->status, 200, 'one is enough to refuse';
    is state_of($id), 'refused', 'it is';
}

# what is asked afterwards is another matter
{
    my $id = asked();
    is decide($first, $id, 'accept')->status, 200, 'agreed';
    is decide($second, $id, 'incomplete', reason => 'Un relevé, s’il vous plaît')->status, 200, 'the second asks for more';
    my $r = json_post(as_json($c), "/famille/responsables/$camille/bancaires", { holder => 'Camille Martin',
        iban => $IBAN[$n++ % @IBAN], bic => '', mandate => 'yes', step => 'send' });
    is state_of($id), 'sent', 'the family completes it' or diag $r->content;
    is $second->get("/demandes/$id")->json->{request}{agreed_by}, undef, 'nobody stands for that';
    is decide($second, $id, 'accept')->status, 200, 'agreed, by the other';
    is state_of($id), 'sent', 'that is the first word';
    is decide($first, $id, 'accept')->status, 200, 'and now';
    is state_of($id), 'accepted', 'the second';
}

# at the counter: who filed it is the first
{
    my $place = "/familles/$family->[0]/guichet/$camille/piece";
    my $r = json_post($first, "$place/responsables/$camille/bancaires", { holder => 'Camille Martin',
        iban => $IBAN[$n++ % @IBAN], bic => '', mandate => 'yes', step => 'send' }, page => '/session');
    my ($id) = ($r->json->{location} // '') =~ /(\d+)$/;
    ok $id, 'filed' or diag $r->status, $r->content;
    is decide($second, $id, 'accept')->status, 200, 'another one accepts';
    is state_of($id), 'accepted', 'two have seen it';
}

# the first one's filing, once the family has completed it, is nobody's word
{
    my $place = "/familles/$family->[0]/guichet/$camille/piece";
    my $r = json_post($first, "$place/responsables/$camille/bancaires", { holder => 'Camille Martin',
        iban => $IBAN[$n++ % @IBAN], bic => '', mandate => 'yes', step => 'send' }, page => '/session');
    my ($id) = ($r->json->{location} // '') =~ /(\d+)$/;
    is decide($second, $id, 'incomplete', reason => 'Un relevé, s’il vous plaît')->status, 200, 'more is asked for';
    json_post(as_json($c), "/famille/responsables/$camille/bancaires", { holder => 'Camille Martin',
        iban => $IBAN[$n++ % @IBAN], bic => '', mandate => 'yes', step => 'send' });
    is state_of($id), 'sent', 'and comes';
    # the town has these two
    $portal->psql("update portal.agent set state = 'disabled' where role in ('validator', 'administrator')
        and portal.agent_name(id) not in ('Odile Second', 'Jeanne Caron') and tenant = 1");
    is decide($second, $id, 'accept')->status, 200, 'who may decide it does';
    is state_of($id), 'accepted', 'as the other one has filed it: nobody waits for ever';
    $portal->psql("update portal.agent set state = 'active' where state = 'disabled' and tenant = 1");
}

# undone by one; but not accepted again by one
{
    my $before = iban_of();
    my $id = asked();
    decide($_, $id, 'accept') for $first, $second;
    is state_of($id), 'accepted', 'by two';
    my $r = decide($first, $id, 'reverse', reason => 'Erreur');
    my ($undo) = ($r->json->{location} // '') =~ /(\d+)$/;
    is iban_of(), $before, 'undone by one';
    is $first->get("/demandes/$undo")->json->{may_reverse}, JSON::PP::false(), 'that is the end of it';
    $r = decide($first, $undo, 'reverse', reason => 'Pas une erreur');
    is $r->status . ' ' . codes($r), '409 :request_not_accepted', 'by any way';
    is iban_of(), $before, 'it is as it was';
}

# nor does it count at once where the town lets families do
{
    $portal->psql("insert into portal.field_policy (tenant, section, field, policy, validation)
        select 1, section, name, 'editable', 'automatic' from portal.field where section = 'guardian_bank'
        on conflict (tenant, section, field) do update set policy = 'editable', validation = 'automatic'");
    my $id = asked();
    is state_of($id), 'sent', 'an IBAN waits for its agents';
    is decide($second, $id, 'refuse', reason => 'Essai')->status, 200, 'refused';
    $portal->psql("update portal.town set bank_agents = 'one' where id = 1");
    $id = asked();
    is state_of($id), 'accepted', 'with one it counts at once';
    $portal->psql("update portal.town set bank_agents = 'two' where id = 1;
        delete from portal.field_policy where tenant = 1 and section = 'guardian_bank'");
}

# whoever writes
{
    my $id = asked();
    my $odile = row("select id from portal.agent where portal.agent_name(id) = 'Odile Second'");
    open my $stderr, '>&', \*STDERR or die $!;
    open STDERR, '>', '/dev/null' or die $!;
    my $done = eval {
        $portal->psql("begin; update portal.change_item set state = 'accepted' where set_id = $id;
            update portal.change_set set state = 'accepted', decided_at = now(), decided_by = $odile where id = $id; commit");
        1;
    };
    open STDERR, '>&', $stderr or die $!;
    ok !$done && state_of($id) eq 'sent', 'the database does not take one agent\'s word';

    # a town with one agent who may
    $portal->psql("update portal.agent set state = 'disabled' where role in ('validator', 'administrator')
        and id <> $odile and tenant = 1");
    is decide($second, $id, 'accept')->status, 200, 'the only agent';
    is state_of($id), 'accepted', 'is enough';
    $portal->psql("update portal.agent set state = 'active' where state = 'disabled' and tenant = 1");
}


### one agent again: not without a code

{
    $admin = agent_client(as => $chief);
    my $form = $admin->get('/reglages/delais');
    like $form->text, qr/donnez d’abord le code/, 'said beforehand';
    my $r = $admin->submit($form, { bank_agents => 'one' });
    is $r->status, 422, 'not from a session left open';
    like $r->content, qr/id="bank_agents-error"/, 'said beside the field';
    step_up($admin, $chief);
    is $admin->submit($admin->get('/reglages/delais'), { bank_agents => 'one' })->status, 303, 'then it counts';
    is row('select bank_agents from portal.town where id = 1'), 'one', 'one agent';
}

done_testing;
