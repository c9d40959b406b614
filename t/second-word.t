#!/usr/bin/perl

# Where two are asked for, one administrator cannot become the only one, nor make
# the second one: others who are taken rights still count for seven days, who is
# given some does not yet, a rule that is given up holds; and all administrators
# are told.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Place qw(top);
use Portal::Test;

my $portal = portal();
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my %as = (
    chief => new_agent(role => 'administrator', name => 'Alma Chef'),
    other => new_agent(role => 'administrator', name => 'Zoé Dupuis'),
    odile => new_agent(name => 'Odile Second'),
);
my %page;
my %id = map { $_ => row("select id from portal.agent where email = '$as{$_}{email}'") } keys %as;
my $family = row("select id from portal.family where number = '104201'");
my $camille = row("select g.id from portal.guardian g where g.family_id = $family and g.rank = 1");
my $c = as_json(signed($people{camille}));

# the town has these three
$portal->psql("update portal.agent set state = 'disabled' where tenant = 1
    and id not in (" . join(',', values %id) . ")");
$portal->psql("update portal.town set bank_agents = 'two', export_agents = 'two' where id = 1");

sub row { return scalar $portal->psql($_[0]) }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub state_of { return row("select state from portal.change_set where id = $_[0]") }
sub posted { return row("select string_agg(recipient, ' ' order by recipient) from portal.outbox where template = '$_[0]'") // '' }
sub all { return join ' ', sort map { $as{$_}{email} } qw(chief other) }
sub signed { my $c = client(); sign_in($c, $_[0]); return $c }
sub forget { $portal->psql("delete from portal.attempt; delete from portal.outbox where template in ('agent_rights', 'town_rule')") }

# somebody's session, opened anew where their rights have changed
sub who {
    my ($name) = @_;

    $page{$name} = agent_client(as => $as{$name})
        if !$page{$name} || $page{$name}->get('/session')->status != 200
            || !as_json($page{$name})->get('/session')->json->{signed_in};
    return as_json($page{$name});
}

sub change {
    my ($by, $whom, $step, %more) = @_;

    my $r = json_post(who($by), "/agents/$id{$whom}", { step => $step,
        version => who($by)->get("/agents/$id{$whom}")->json->{version}, %more });
    delete $page{$whom};
    return $r;
}

sub decide {
    my ($by, $id, $step, %more) = @_;

    return json_post(who($by), "/demandes/$id", { step => $step,
        version => who($by)->get("/demandes/$id")->json->{version}, %more }, page => '/session');
}

my $n = 0;
my @IBAN = ('FR7630006000011234567890189', 'DE89370400440532013000', 'BE68539007547034',
    'ES9121000418450200051332', 'NL91ABNA0417164300', 'IT60X0542811101000000123456');

sub asked {
    my $r = json_post($c, "/famille/responsables/$camille/bancaires", { holder => 'Camille Martin',
        iban => $IBAN[$n++ % @IBAN], bic => '', mandate => 'yes', step => 'send' });
    my ($id) = ($r->json->{location} // '') =~ /(\d+)$/;
    ok $id, 'asked' or diag $r->status, $r->content;
    return $id;
}

# as if it were so many days later
sub later {
    $portal->psql("update portal.agent_former set until = until - interval '$_[0]';
        update portal.agent set since = since - interval '$_[0]';
        update portal.town_rule set until = until - interval '$_[0]'");
}


### one limits all others, and decides alone

{
    my $id = asked();
    is change(chief => 'odile', 'sections', child_general => 'yes')->status, 200, 'one is limited to something else';
    is posted('agent_rights'), all(), 'which all administrators are told, who has done it too';
    is change(chief => 'other', 'role', role => 'reader')->status, 200, 'an administrator is made a reader';
    is change(chief => 'other', 'disable')->status, 200, 'and disabled';
    is posted('agent_rights'), join(' ', map { ($_) x 3 } split ' ', all()), 'who was one until now is told as well';

    is decide(chief => $id, 'accept')->status, 200, 'the only one left says yes';
    is state_of($id), 'sent', '2.3.5 and it still waits for another one';
    is who('chief')->get('/exports')->json->{two}, JSON::PP::true(), '2.3.5 many families at once, too';
    is codes(decide(chief => $id, 'accept')), ':own_agreement', 'saying it again is nothing';

    # freed again, nobody is the second one at once
    is change(chief => 'odile', 'sections')->status, 200, 'free again';
    my $r = decide(odile => $id, 'accept');
    is $r->status . ' ' . codes($r), '403 :rights_new', '2.3.5 the word of who was just given rights is no second one';
    is state_of($id), 'sent', 'it waits';
    is row("select count(*) from portal.audit where action = 'decide' and outcome = 'rights_new'"), 1, 'the audit has it';
    like agent_client(as => $as{chief})->get("/agents/$id{odile}")->text, qr/Droits récents.*ne compte pas pour le second avant le/s,
        'the page of the agent says so';
    is codes(change(chief => 'odile', 'vouch')), ':second_needed', '2.3.5 who has given them does not confirm them';

    later('7 days');
    is codes(decide(chief => $id, 'accept')), ':own_agreement', 'seven days later the second one is one again';
    is decide(odile => $id, 'accept')->status, 200, 'who then';
    is state_of($id), 'accepted', 'is the second';
}


### nobody waits for ever

{
    is change(chief => 'odile', 'disable')->status, 200, 'who leaves';
    my $id = asked();
    is decide(chief => $id, 'accept')->status, 200, 'the only one';
    is state_of($id), 'sent', 'waits for seven days';
    later('7 days');
    is decide(chief => $id, 'accept')->status, 200, 'and then';
    is state_of($id), 'accepted', 'is enough';
    is who('chief')->get('/exports')->json->{two}, JSON::PP::false(), 'for all';

    # or the operator says so
    is change(chief => 'odile', 'enable')->status, 200, 'back';
    later('8 days');

    # away for three days: at no moment is the other one alone
    is change(chief => 'odile', 'disable')->status, 200, 'away';
    later('3 days');
    is change(chief => 'odile', 'enable')->status, 200, 'and back before seven days';
    later('5 days');
    $id = asked();
    decide(chief => $id, 'accept');
    is state_of($id), 'sent', '2.3.5 eight days after, one still waits for them';
    is codes(decide(odile => $id, 'accept')), ':rights_new', 'whose word is not old enough';
    later('3 days');
    is decide(odile => $id, 'accept')->status, 200, 'and then';
    is state_of($id), 'accepted', 'is';

    is change(chief => 'odile', 'disable')->status, 200, 'and away';
    $id = asked();
    decide(chief => $id, 'accept');
    is state_of($id), 'sent', 'it waits again';
    is system(top() . '/sql/town', 'lift', 'saint-aubin', '-o', '/dev/null', $portal->pg->psql_args), 0, 'sql/town lift';
    is decide(chief => $id, 'accept')->status, 200, 'then';
    is state_of($id), 'accepted', 'the only one is enough';
    is row("select count(*) from portal.audit where action = 'lift_waits'"), 1, 'which the audit has';
}


### one makes the second one

{
    $portal->psql("update portal.agent set state = 'active', role = 'administrator' where id = $id{other}");
    forget();
    is change(chief => 'odile', 'enable')->status, 200, 'an agent of theirs';
    is posted('agent_rights'), all(), 'which all administrators are told';
    my $id = asked();
    is codes(decide(odile => $id, 'accept')), ':rights_new', '2.3.5 gives no first word';
    is decide(chief => $id, 'accept')->status, 200, 'one agrees';
    is codes(decide(odile => $id, 'accept')), ':rights_new', '2.3.5 nor a second one';
    is state_of($id), 'sent', 'it waits';

    # nor for what was filed at the counter
    my $place = "/familles/$family/guichet/$camille/piece/responsables/$camille/base";
    my $r = json_post(who('chief'), $place, { profession => 'Luthière', step => 'send' }, page => '/session');
    my ($filed) = ($r->json->{location} // '') =~ /(\d+)$/;
    ok $filed, 'filed at the counter' or diag $r->content;
    is codes(decide(odile => $filed, 'accept')), ':rights_new', '2.3.5 nor for what was filed at the counter';
    like $page{odile}->get("/demandes/$filed")->text, qr/Un seul administrateur vous a donné ces droits/, 'said on the page';
    is decide(other => $filed, 'accept')->status, 200, 'another one decides that';

    # a second administrator confirms them
    is change(other => 'odile', 'vouch')->status, 200, 'another administrator confirms them';
    is decide(odile => $id, 'accept')->status, 200, 'then they are';
    is state_of($id), 'accepted', 'the second one';
    is codes(change(other => 'odile', 'vouch')), ':request_changed', 'confirmed once';

    # an administrator who was disabled and comes back
    change(chief => 'other', 'disable');
    change(chief => 'other', 'enable');
    $portal->psql("update portal.agent_session set confirmed_at = 'infinity' where ended_at is null");
    my $export = json_post(who('chief'), '/exports', { wanted => 'journal', reason => 'x' })->json->{location};
    who('other');
    $portal->psql("update portal.agent_session set confirmed_at = 'infinity' where ended_at is null");
    is codes(json_post(who('other'), $export, { step => 'agree' })), ':rights_new', '2.3.5 nor do they open many families';
    $portal->psql("update portal.agent set granted_role = 'administrator', granted_by = $id{chief} where id = $id{odile}");
    is codes(change(other => 'odile', 'confirm')), ':rights_new', '2.3.5 nor make a third one';

    # nor is what they ask for another one's to say yes to
    $portal->psql("update portal.agent set granted_by = $id{other} where id = $id{odile}");
    is codes(change(chief => 'odile', 'confirm')), ':asker_new', '2.3.5 nor give one that another confirms';
    like join(' ', map { ref ? @$_ : $_ } $portal->psql("begin; set local portal.tenant = '1'; set local portal.agent = '$id{chief}'; set local portal.role = 'administrator';
        set local role portal_api; update portal.agent set role = 'administrator', granted_role = null, granted_by = null where id = $id{odile};
        select 'new ' || portal.is_new($id{odile}); rollback")), qr/new true/, '2.3.5 the table says so too';
    $export = json_post(who('other'), '/exports', { wanted => 'journal', reason => 'x' })->json->{location};
    is codes(json_post(who('chief'), $export, { step => 'agree' })), ':asker_new', '2.3.5 nor ask for many families';
    $portal->psql("update portal.agent set granted_role = null, granted_by = null where id = $id{odile}");
    later('8 days');

    # whatever a function does
    my $said = $portal->psql("begin; update portal.agent set since = now(), since_by = $id{chief} where id = $id{odile};
        set local portal.tenant = '1'; set local portal.agent = '$id{chief}'; set local portal.role = 'administrator'; set local role portal_api;
        do \$\$ begin update portal.agent set since = '-infinity', since_by = null where id = $id{odile};
        exception when insufficient_privilege then perform set_config('t.said', 'refused', false); end \$\$;
        select current_setting('t.said', true); rollback");
    like $said, qr/refused/, '2.3.5 the table does not let them either';
}


### one gives up the rule

{
    forget();
    who('chief');
    $portal->psql("update portal.agent_session set confirmed_at = 'infinity' where ended_at is null");
    my $chief = $page{chief};
    is $chief->submit($chief->get('/reglages/delais'), { bank_agents => 'one', export_agents => 'one' })->status, 303, 'one is to be enough';
    is posted('town_rule'), all(), 'which all administrators are told';
    like $chief->get('/reglages/delais')->text, qr/Nouvel IBAN : deux personnes restent demandées jusqu’au/, 'the page says from when';
    my $id = asked();
    is decide(chief => $id, 'accept')->status, 200, 'one says yes';
    is state_of($id), 'sent', '2.3.5 and it waits all the same';
    is who('chief')->get('/exports')->json->{two}, JSON::PP::true(), '2.3.5 as do many families at once';
    later('6 days 23 hours');
    decide(chief => $id, 'accept');
    is state_of($id), 'sent', 'for seven days';

    # put back and given up again, it begins anew
    is $chief->submit($chief->get('/reglages/delais'), { bank_agents => 'two' })->status, 303, 'put back';
    is $chief->submit($chief->get('/reglages/delais'), { bank_agents => 'one' })->status, 303, 'and given up again';
    later('2 hours');
    decide(chief => $id, 'accept');
    is state_of($id), 'sent', '2.3.5 seven days anew';
    later('7 days');
    is decide(chief => $id, 'accept')->status, 200, 'after which';
    is state_of($id), 'accepted', 'one is enough';
    unlike $chief->get('/reglages/delais')->text, qr/restent demandées/, 'and the page says nothing more';

    # lists of what is destroyed, too
    is $chief->submit($chief->get('/reglages/conservation'), { purge_mode => 'approval' })->status, 303, 'lists';
    is $chief->submit($chief->get('/reglages/conservation'), { purge_mode => 'automatic' })->status, 303, 'and none';
    # what families read of it: who closes an account, and the page of everybody
    my $told = sub { $c->get('/mes-donnees/fermeture')->json->{retention}{approval} };
    my $public = sub {
        my ($wanted) = @_;
        return wait_for(20, sub { client()->get('/donnees-personnelles')->text =~ $wanted });
    };
    is who('chief')->get('/eliminations')->json->{approval}, JSON::PP::true(), '2.3.5 are asked for still';
    is $told->(), JSON::PP::true(), 'as families are told';
    ok $public->(qr/la ville en vérifie d’abord la liste/), 'and everybody';
    later('7 days');
    is who('chief')->get('/eliminations')->json->{approval}, JSON::PP::false(), 'then not';
    is $told->(), JSON::PP::false(), 'which they are told then';
    ok $public->(qr/l’effacement est automatique\./), 'and everybody';
}

done_testing;
