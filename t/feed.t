#!/usr/bin/perl

# The way back: what is accepted, told to the town's own software as JSON, as
# CSV and in BL.enfance's columns, and answered by it.  A reader that repeats,
# skips or answers twice loses nothing and does nothing twice.

use strict;
use warnings;
use utf8;

use Encode ();
use IPC::Open2 qw(open2);
use JSON::PP ();

use Portal::Fault qw(as_json metrics);
use Portal::Place qw(slurp);
use Portal::Test;

my $portal = portal(directives => { portal_import => '200ms' });
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my $IBAN = 'FR1420041010050500013M02606';
my $ALLERGY = 'Canari-plumes-et-duvet';

sub row { return scalar $portal->psql($_[0]) }
sub in { my $c = client(); sign_in($c, $people{ $_[0] }); return as_json($c) }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }

my ($camille, $julien) = (in('camille'), in('julien'));
my $desk = as_json(scalar agent_client());
my $page = agent_client();
my $all = $portal->machine(name => 'Logiciel', rights => 'feed,feed_sealed');
my $plain = $portal->machine(name => 'Tableur', rights => 'feed');
my $import = $portal->machine(name => 'Export', rights => 'import');
my $c = client(agents => 1, json => 1);
my ($me, $him) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
    join portal.family f on f.id = g.family_id where f.number = '104201' order by g.rank");
my ($leo) = map { $_->[0] } $portal->psql("select id from portal.child
    where first_name = 'Léo' and tenant = 1");
my $base = "/famille/responsables/$me";

# what the software knows
$portal->psql("update portal.family set external_id = 'F-0042' where number = '104201';
    update portal.guardian set external_id = 'F-0042/1' where id = $me;
    update portal.child set external_id = '0077' where id = $leo");

sub feed {
    my ($query, %o) = @_;

    return $c->get('/api/changements' . ($o{csv} ? '.csv' : '') . ($query // ''),
        headers => { Authorization => 'Bearer ' . ($o{key} // $all) });
}

sub answer {
    my ($changes, %o) = @_;

    return $c->post('/api/changements/accuses', { changes => $changes },
        headers => { Authorization => 'Bearer ' . ($o{key} // $all) });
}

# one answer: its status and code
sub told {
    my $r = answer([@_]);

    return join ' ', map { "$_->{status}:" . ($_->{code} // $_->{state}) } @{ $r->json->{changes} };
}

sub ask {
    my ($who, $path, $fields) = @_;

    my $r = json_post($who, $path, $fields);
    my ($id) = ($r->json->{location} // '') =~ /(\d+)/;
    ok $id, "asked: $path" or diag $r->status, $r->content;
    return $id;
}

sub decide {
    my ($id, $step, %more) = @_;

    my $version = $desk->get("/demandes/$id")->json->{version};
    return json_post($desk, "/demandes/$id", { step => $step, version => $version, %more });
}

sub accepted {
    my ($who, $path, $fields) = @_;

    my $id = ask($who, $path, $fields);
    is decide($id, 'accept')->status, 200, 'and accepted';
    return $id;
}


### nothing yet, and who may

my $r = feed();
is_deeply [@{ $r->json }{qw(changes next more)}], [[], 0, JSON::PP::false], 'nothing to tell';
is $r->header('set-cookie'), undef, 'no cookie';
ok !exists $r->json->{csrf}, 'no token';
is feed('', key => $import)->status, 403, 'another right opens nothing';
is feed('', key => 'A' x 43)->status, 401, 'nor another key';
is $desk->get('/api/changements')->status, 401, 'nor an agent';
is $camille->get('/api/changements')->status, 404, 'nor is it at the families';
is answer([], key => $import)->status, 403, 'answers likewise';
is row("select count(*) from portal.audit where action = 'read_feed'"), 0, 'nothing read, nothing noted';


### one change is one field

my $one = accepted($camille, "$base/base", { profession => 'Pilote', phone_work => '01 39 98 01 02' });
$r = feed();
is $r->status, 200, 'read';
is_deeply [map { $_->{field} } @{ $r->json->{changes} }], [qw(phone_work profession)], 'each field';
my ($phone, $job) = @{ $r->json->{changes} };
is_deeply [@$job{qw(section action new decided_by state)}, $job->{person}{external_id},
    $job->{person}{kind}, $job->{family}{external_id}, $job->{family}{number}, $job->{person}{name}],
    ['guardian_basic', 'change', 'Pilote', 'validator', 'open', 'F-0042/1', 'guardian', 'F-0042',
        '104201', 'Camille Martin'], 'whom, what, by whom';
is $phone->{new}, '+33139980102', 'as it is kept';
like $job->{request}, qr/^20\d\d-\d{7}$/, 'the number of the request';
is $job->{effective_on}, row('select portal.today()'), 'the day';
unlike $r->content, qr/Jeanne|email/, 'no agent by name';
ok $phone->{cursor} < $job->{cursor}, 'in their order';
is $r->json->{next}, $job->{cursor}, 'where to go on';

my $again = feed();
is $again->content, $r->content, 'the same cursor gives the same again';
is_deeply feed("?apres=$job->{cursor}")->json->{changes}, [], 'and none after the last';
my $first = feed('?limite=1')->json;
is_deeply [scalar @{ $first->{changes} }, $first->{more}], [1, JSON::PP::true], 'in portions';
is_deeply feed("?limite=1&apres=$first->{next}")->json->{changes}, [$job], 'none is left out';
is feed("?apres=x")->status, 422, 'a cursor that is none';
is feed("?after=$first->{next}")->json->{code}, 'filter_unknown', 'nor does the feed begin anew for a name that it does not know';
my $ahead = feed("?apres=999999999");
is $ahead->status, 422, 'one that is ahead, as after an older dump was put back';
is $ahead->json->{code}, 'cursor_ahead', 'and that is said';
is feed("?limite=501")->status, 422, 'too much at once';
is feed("?limite=0")->status, 422, 'nothing at once';
like feed("?limite=$_")->json->{errors}[0]{message}, qr/^Demandez de 1 à 500 /, "and says how much: $_" for 0, 501;
is row("select string_agg(outcome, ' ' order by id) from portal.audit where action = 'read_feed'"),
    'rows_2 rows_2 rows_1 rows_1', 'each reading is noted, by how much';

# a request that waits, or is refused, is none
my $waits = ask($camille, "$base/base", { employer => 'Mairie' });
is_deeply feed("?apres=$job->{cursor}")->json->{changes}, [], 'what waits is not told';
is decide($waits, 'refuse', reason => 'Non.')->status, 200, 'refused';
is_deeply feed("?apres=$job->{cursor}")->json->{changes}, [], 'nor is what was refused';


### what was committed late is not passed over

{
    my $at = feed()->json->{next};
    my $sophie = in('sophie');
    my ($her) = map { $_->[0] } $portal->psql("select guardian_id from portal.subscription u
        join portal.account a on a.id = u.account_id where a.email = '$people{sophie}{email}'
        and u.ended_at is null limit 1");
    my $early = ask($camille, "$base/base", { employer => 'Mairie' });
    my $later = ask($sophie, "/famille/responsables/$her/base", { employer => 'Hôpital' });

    # an agent accepts the first; its transaction is not over yet
    my $pid = open2(my $out, my $in, 'psql', '-X', '-q', '-At', '-v', 'ON_ERROR_STOP=1',
        $portal->pg->psql_args);
    $in->autoflush(1);
    print $in "begin; select set_config('portal.' || n, v, true) from (values ('tenant', '1'),
        ('account', '0'), ('family', '0'), ('session', ''), ('request', 'late'), ('role', 'validator'),
        ('agent', (select min(id)::text from portal.agent where tenant = 1 and role = 'administrator')))
        as s (n, v);
        select 'said ' || (portal.decide(jsonb_build_object('request', '$early', 'step', 'accept',
            'version', portal.decision_version(c, portal.decision_now(c))))->>'status')
          from portal.change_set c where c.id = $early;\n";
    my $said = '';
    while (defined(my $line = <$out>)) { if ($line =~ /^said (\d+)/) { $said = $1; last } }
    is $said, 303, 'one is being accepted';

    is decide($later, 'accept')->status, 200, 'another one meanwhile';
    my $seen = feed("?apres=$at")->json;
    is_deeply [map { "$_->{field} $_->{new}" } @{ $seen->{changes} }], ['employer Hôpital'],
        'who reads now sees that one';
    
    print $in "commit;\n";
    close $in;
    waitpid $pid, 0;
    my $late = feed("?apres=$seen->{next}")->json;
    is_deeply [map { "$_->{field} $_->{new}" } @{ $late->{changes} }], ['employer Mairie'],
        'and the first after it, although it is older';
    ok $late->{changes}[0]{id} < $seen->{changes}[0]{id}, 'it is older';
    is_deeply [map { $_->{id} } @{ feed("?apres=$at")->json->{changes} }],
        [$seen->{changes}[0]{id}, $late->{changes}[0]{id}], 'the order stays as it was read';
}


### answers

is told({ id => $phone->{id}, state => 'recorded' }), '200:recorded', 'recorded';
is told({ id => $phone->{id}, state => 'recorded' }), '200:recorded', 'twice is once';
is row("select count(*) from portal.audit where action = 'acknowledge_feed'"), 1, 'noted once';
is told({ id => $phone->{id}, state => 'rejected', reason => 'Trop tard' }), '409:answered_otherwise',
    'another answer is none';
is row("select state || ' ' || coalesce(reason, '-') from portal.change where id = $phone->{id}"),
    'recorded -', 'what was first stays';
my $seen = $camille->get("/famille/demandes/$one")->json->{request};
is $seen->{recorded_on}, undef, 'not all of the request yet';
is_deeply { map { $_->{field} => $_->{held_on} } @{ $seen->{items} } },
    { phone_work => row('select portal.today()'), profession => undef }, 'the family sees which';
my $html = client();
sign_in($html, $people{camille});
like $html->get("/famille/demandes/$one")->text,
    qr/Enregistré dans le logiciel de la ville le \d+\S* \S+ \d{4}/, 'in its own words';

$r = answer([{ id => $job->{id}, state => 'rejected', reason => 'Profession inconnue' },
    { id => 987654, state => 'recorded' }, { id => $job->{id}, state => 'maybe' },
    { id => $job->{id}, state => 'rejected' }, { state => 'recorded' }]);
is join(' ', map { "$_->{status}:" . ($_->{code} // $_->{state}) } @{ $r->json->{changes} }),
    '200:rejected 404:unknown_change 422:state 422:reason_needed 404:unknown_change',
    'each has its own answer, and holds up no other';
# else an id of the software's under a name mistyped would be lost, and the next import bring somebody twice
is told({ id => $phone->{id}, state => 'recorded', externalId => '0042' }), '422:unknown_field', 'nor does one say what is not known';
is told({ id => "$job->{id}", state => 'rejected', reason => 'Autrement dit' }), '200:rejected', 'again';
is row("select reason from portal.change where id = $job->{id}"), 'Profession inconnue', 'as at first';
is row("select bool_and(acknowledged_at is null) from portal.change_item where set_id = $one
    and field = 'profession'"), 't', 'what was rejected is not held';
is row("select bool_and(acknowledged_at is not null) from portal.change_item where set_id = $one
    and field = 'phone_work'"), 't', 'what was recorded is';
is codes(answer([map { { id => $_, state => 'recorded' } } 1 .. 501])), 'changes:list_long', 'too many';
is scalar @{ answer([map { { id => 900000 + $_, state => 'recorded' } } 1 .. 500])->json->{changes} }, 500,
    'as many as may be';
$r = answer([map { { id => 900000 + $_, state => 'rejected', reason => 'x' x 300 } } 1 .. 500]);
is $r->status, 200, 'and with a reason each, which is more than another form may have';
is scalar @{ $r->json->{changes} // [] }, 500, 'all of them are answered';
is codes(answer('x')), 'changes:type', 'no list';
is codes(answer([1])), 'changes:list_element', 'no object';
is codes(answer([{ id => {} }])), 'changes:list_element', 'nor one within';
for my $body (['{"changes": [', 400], ["{\"changes\": [{\"id\": \"\xff\"}]}", 400],
    ['{"changes": [' . join(',', ('{}') x 5000) . ']}', 413], ['{"changes": [], "x": 1}', 422])
{
    is $c->post('/api/changements/accuses', $body->[0], headers => {
        'Content-Type' => 'application/json', Authorization => "Bearer $all" })->status, $body->[1],
        'body: ' . substr $body->[0], 0, 24;
}
is $c->post('/api/changements/accuses', 'changes=', headers => {
    'Content-Type' => 'application/x-www-form-urlencoded', Authorization => "Bearer $all" })->status, 415,
    'no form';
is_deeply [map { $_->{state} } grep { $_->{request} eq $job->{request} } @{ feed()->json->{changes} }],
    [qw(recorded rejected)], 'who lost the cursor sees what is settled';


### what was rejected is an agent's matter

unlike $html->get("/famille/demandes/$one")->content, qr/Profession inconnue|rejet/i,
    'the family is not told of it';
$portal->psql("update portal.town set way_back = 'feed', version = version + 1 where id = 1");
$r = $page->get('/refus');
like $r->title, qr/^Refusés par le logiciel/, 'a list';
like $r->text, qr/Raison donnée par le logiciel : Profession inconnue/, 'with the reason';
like $page->get("/demandes/$one")->text, qr/Profession.{1,3} Refusée par le logiciel de la ville.*Profession inconnue/,
    'the request says it';
ok $page->get('/')->links->{'/refus'}, 'the menu leads there';
is $page->submit($r, { act => 'resend' }, form => '/refus')->location, '/refus?avis=change_resent', 'sent again';
unlike $page->get('/refus')->text, qr/Profession inconnue/, 'off the list';
my $new = (grep { $_->{field} eq 'profession' && $_->{state} eq 'open' } @{ feed()->json->{changes} })[0];
ok $new && $new->{id} != $job->{id} && $new->{cursor} > $job->{cursor}, 'told again, as another change';
is $new->{new}, 'Pilote', 'of the same value';
is told({ id => $job->{id}, state => 'rejected', reason => 'x' }), '200:superseded',
    'a late answer to the former is none to it';
is json_post($desk, '/refus', { change => $job->{id}, act => 'resend' })->status, 409, 'not twice';
is told({ id => $new->{id}, state => 'rejected', reason => 'Toujours pas' }), '200:rejected', 'rejected again';

# a town that copies by hand, whose menu has no such list: its page leads there
$portal->psql("update portal.town set way_back = 'manual', version = version + 1 where id = 1");
$r = $page->get('/recopie');
ok !exists $page->get('/')->links->{'/refus'}, 'not in the menu of a town without interface';
is $r->links->{'/refus'}, 'Voir ce qu’il a refusé', 'what a program has rejected is not forgotten there';
$portal->psql("update portal.town set way_back = 'feed', version = version + 1 where id = 1");

# undone: another change tells what was there
is decide($one, 'reverse', reason => 'Le logiciel ne connaît pas ce métier.')->status, 200, 'undone';
is row("select count(*) from portal.change where state = 'rejected'"), 0, 'nothing is left to look after';
ok !$desk->get('/recopie')->json->{refused}, 'and none is led there';
my ($back) = grep { $_->{field} eq 'profession' && $_->{state} eq 'open' } @{ feed()->json->{changes} };
is $back->{old}, 'Pilote', 'the former value comes back';
is told({ id => $back->{id}, state => 'recorded' }), '200:recorded', 'and is recorded';
is row("select count(*) from portal.change_item i where i.field = 'profession' and i.state = 'accepted'
    and i.acknowledged_at is null"), 0, 'nothing of it is held back from imports any more';


### somebody added, and taken out

my $added = accepted($camille, '/famille/enfants/ajout', { last_name => 'Martin', first_name => 'Zélie',
    birth_date => '2021-05-03', sex => 'f' });
my ($zelie) = map { $_->[0] } $portal->psql("select child_id from portal.change_set where id = $added");
my ($child) = grep { $_->{action} eq 'add' } @{ feed()->json->{changes} };
is_deeply [@$child{qw(section field)}, @{ $child->{person} }{qw(kind external_id name id)}],
    ['child_general', undef, 'child', undef, 'Zélie Martin', $zelie], 'one change, of somebody unknown yet';
is_deeply { map { $_->{field} => $_->{new} } @{ $child->{fields} } }, { last_name => 'Martin',
    first_name => 'Zélie', birth_date => '2021-05-03', sex => 'f' }, 'with all that was asked';
is told({ id => $child->{id}, state => 'recorded', external_id => '0077' }), '409:external_id_taken',
    'an id that is somebody else\'s';
is row("select state from portal.change where id = $child->{id}"), 'open', 'nothing was done';
is told({ id => $child->{id}, state => 'recorded', external_id => '0099' }), '200:recorded', 'its own';
is row("select external_id from portal.child where id = $zelie"), '0099', 'by which imports find it';
is told({ id => $child->{id}, state => 'recorded', external_id => '0099' }), '200:recorded', 'again';
is told({ id => $child->{id}, state => 'recorded', external_id => '0100' }), '409:external_id_other', 'no other';
is $camille->get("/famille/demandes/$added")->json->{request}{recorded_on}, row('select portal.today()'),
    'the family sees it';

my $gone = accepted($camille, "/famille/enfants/$zelie/retrait", { comment => 'Elle ne vient plus.' });
my ($out) = grep { $_->{action} eq 'remove' } @{ feed()->json->{changes} };
is_deeply [$out->{person}{external_id}, $out->{field}, $out->{fields}, $out->{words}],
    ['0099', undef, [], undef], 'who is taken out is known by the software\'s id';
is told({ id => $out->{id}, state => 'recorded' }), '200:recorded', 'recorded';

# a guardian's row goes: the id of then is told
my $second = row("insert into portal.guardian (tenant, family_id, rank, last_name, first_name, link, external_id)
    select 1, family_id, 9, 'Martin', 'Odile', 'other', 'F-0042/9' from portal.guardian where id = $me returning id");
accepted($camille, "/famille/responsables/$second/retrait", { comment => 'Partie.' });
my ($left) = grep { $_->{action} eq 'remove' && $_->{section} eq 'guardian_basic' } @{ feed()->json->{changes} };
is $left->{person}{external_id}, 'F-0042/9', 'also of a guardian, whose row is gone';


### what is sealed

my $bank = accepted($camille, "$base/bancaires", { holder => 'Camille Martin', iban => $IBAN, mandate => 'yes' });
accepted($camille, "/famille/enfants/$leo/sante", { allergies => $ALLERGY });
my ($iban) = grep { ($_->{field} // '') eq 'iban' } @{ feed()->json->{changes} };
is $iban->{new}, $IBAN, 'opened for who may have it';
like $iban->{old}, qr/^FR\d+/, 'as what was there';
like $iban->{mandate_reference}, qr/^PF-/, 'with the mandate';
is $iban->{withheld}, JSON::PP::false, 'nothing is withheld';
my $seen_by = feed('', key => $plain);
($iban) = grep { ($_->{field} // '') eq 'iban' } @{ $seen_by->json->{changes} };
is_deeply [@$iban{qw(old new withheld)}], [undef, undef, JSON::PP::true], 'and for nobody else';
unlike $seen_by->content, qr/$IBAN|$ALLERGY|sealed"? *:/, 'in no other way either';
like row("select outcome from portal.audit where action = 'read_feed' order by id desc limit 1"),
    qr/^rows_\d+$/, 'a reading without';
feed();
like row("select outcome from portal.audit where action = 'read_feed' order by id desc limit 1"),
    qr/^rows_\d+_sealed_2$/, 'and one with: how many';


### for a spreadsheet

$r = feed('', csv => 1);
is $r->header('content-type'), 'text/csv; charset=utf-8', 'CSV, whatever a program accepts';
my $csv = $r->content;
like $csv, qr/^\xef\xbb\xbf"?Curseur/, 'UTF-8, with its mark';
is scalar(() = $csv =~ /(?<!\r)\n/g), 0, 'CRLF';
my $text = Encode::decode('UTF-8', $csv);
like $text, qr/"guardian_basic"|Profession/, 'in words';
like $text, qr/"'\+33139980102"/, 'what would be computed is neutralised';
like $text, qr{"03/05/2021"}, 'dates as in France';
like $text, qr/"$IBAN"/, 'sealed values for who may have them';
unlike Encode::decode('UTF-8', feed('', csv => 1, key => $plain)->content), qr/$IBAN|$ALLERGY/, 'for nobody else';
is feed('?format=excel', csv => 1)->status, 422, 'a format that is none';
like feed('?format=excel', csv => 1)->header('content-type'), qr{^application/problem\+json}, 'said in JSON';
is feed('', csv => 1, key => 'x')->status, 401, 'no key';

$r = feed('?format=bl', csv => 1);
my @lines = split /\r\n/, Encode::decode('UTF-8', substr $r->content, 3);
my @names = split /;/, shift @lines;
my @rows = map { my @cells = map { s/^"|"$//gr } split /;/; my %row; @row{@names} = @cells; \%row } @lines;
is scalar @rows, scalar @{ feed()->json->{changes} }, 'one line per change';
my ($born) = grep { $_->{action} eq 'add' } @rows;
is_deeply [@$born{qw(fichier enfant_id sexe nom prenom dateNaissance)}],
    ['enfant.csv', "'0099", 'FEMININ', 'Martin', 'Zélie', '03/05/2021'], 'a child in BL\'s words';
my ($rum) = grep { $_->{iban} } @rows;
is_deeply [@$rum{qw(fichier titulaire_id famille_id iban)}], ['mandat.csv', 'F-0042', 'F-0042', $IBAN], 'an account';
like $rum->{rum}, qr/^PF-/, 'with its mandate';
my ($tel) = grep { $_->{telephoneProResp} } @rows;
is_deeply [@$tel{qw(fichier famille_id resp telephoneProResp)}], ['famille.csv', 'F-0042', '1', '01 39 98 01 02'],
    'a guardian by the place in the family';
my ($other) = grep { ($_->{champ} // '') eq 'profession' } @rows;
is $other->{valeur}, 'Pilote', 'what BL has no column for';


### by hand

$portal->psql("update portal.town set way_back = 'manual', version = version + 1 where id = 1");
my $family = row("select id from portal.family where number = '104201'");
$r = $page->get('/recopie');
like $r->title, qr/^Modifications à recopier/, 'a page';
ok $page->get('/')->links->{'/recopie'}, 'in the menu';
like $r->text, qr/Martin.*\(104201\)/, 'by families';
like $r->text, qr/Donnée protégée/, 'what is sealed is not shown';
unlike $r->content, qr/$IBAN|$ALLERGY/, 'nowhere';
for my $list (qw(/recopie /refus)) {
    my $count = "select count(*) from portal.audit where action = 'read_changes' and agent_id is not null";
    my $was = row($count);
    $page->get($list);
    is row($count), $was + 1, "T215 who has read $list is kept";
}
my $reads = "select count(*) from portal.audit where action in ('read_bank', 'read_health')";
my $before = row($reads);
$r = $page->get("/recopie?famille=$family");
like $r->text, qr/$ALLERGY/, 'opened of one family';
unlike $r->text, qr/$IBAN/, 'but for an IBAN';
like $r->text, qr/•••• \Q@{[substr $IBAN, -4]}\E.*Voir l’IBAN entier/s, 'of which its end is shown, and where the rest is';
like $r->text, qr/Référence du mandat \(RUM\) PF-/, 'with the mandate';
is row($reads), $before + 2, 'and it is noted who has read';
{
    my $own = agent_client(as => new_agent(role => 'administrator', email => 'camille.martin@exemple.fr'));
    my $r = $own->get("/recopie?famille=$family");
    is $r->status, 403, 'T202 nobody opens what is sealed of their own family, here neither';
    unlike $r->content, qr/$ALLERGY/, 'T202 nothing of it is shown';
    is row("select count(*) from portal.audit where action in ('read_bank', 'read_health') and outcome = 'own_family' and object_id = $family"), 1,
        'T202 which the audit has';
    is row($reads), $before + 3, 'T202 and nothing was read';
    unlike $own->get('/recopie')->content, qr/$ALLERGY/, 'the list opens nothing anyway';
}

my ($copy) = $portal->psql("select id from portal.change where field = 'employer' and family_id = $family");
is $page->submit($r, { change => $copy->[0] }, form => '/recopie')->location,
    "/recopie?famille=$family&avis=change_copied", 'one is ticked';
is row("select state || ' ' || settled_kind from portal.change where id = $copy->[0]"), 'recorded agent', 'noted';
is told({ id => $copy->[0], state => 'recorded' }), '200:recorded', 'the software says the same later';
is told({ id => $copy->[0], state => 'rejected', reason => 'x' }), '409:answered_otherwise', 'or too late another';

# what came since the page was made is not ticked along
$r = $page->get('/recopie');
my $since = accepted($camille, "$base/base", { employer => 'Région' });
my ($upto) = $r->content =~ /name="family" value="$family"><input type="hidden" name="upto" value="(\d+)"/;
is json_post($desk, '/recopie', { family => $family + 0, upto => $upto + 0 })->status, 200, 'the whole family';
is_deeply [$portal->psql("select set_id from portal.change where state = 'open' and family_id = $family")],
    [[$since]], 'but for what was not on the page';
is json_post($desk, '/recopie', { family => $family + 0 })->status, 422, 'not without saying up to where';
is agent_client(as => new_agent(role => 'reader'), json => 1)->get('/recopie')->status, 403, 'not for readers';
is $camille->get("/famille/demandes/$bank")->json->{request}{recorded_on}, row('select portal.today()'),
    'the family sees what was copied';


### an import that brings the value

sub imported {
    my ($phone) = @_;

    my $csv = Encode::encode('UTF-8', "id;nomResp1;prenomResp1;telephoneProResp1\r\nF-0042;Martin;Camille;$phone\r\n");
    my $r = $c->request('PUT', '/import/famille.csv?dry=no', body => $csv, headers => { 'Content-Type' => 'text/csv',
        Authorization => "Bearer $import" });
    is $r->status, 202, "the software says $phone";
    ok wait_for(60, sub { row("select state from portal.import order by id desc limit 1") eq 'done' }), 'imported';
}

is told({ id => row("select id from portal.change where set_id = $since"), state => 'recorded' }), '200:recorded', 'done';
$portal->psql("update portal.change set state = 'recorded', settled_at = now(), settled_kind = 'agent', settled_by = 1
    where state = 'open'");
like $page->get('/recopie')->text, qr/toutes les modifications acceptées sont dans le logiciel/, 'nothing waits';
my $job_id = row('select id from portal.change where set_id = ' . accepted($camille, "$base/base", { employer => 'Canton' }));
is told({ id => $job_id, state => 'rejected', reason => 'Employeur inconnu' }), '200:rejected', 'but one is refused';
like $page->get('/recopie')->text, qr/a refusé des modifications.*Rien d’autre à recopier/, 'and is not said to be there';
is json_post($desk, '/refus', { change => $job_id + 0, act => 'copied' })->status, 200, 'copied by hand';
my $round = accepted($camille, "$base/base", { phone_work => '01 39 98 01 77' });
imported('01 39 98 01 02');
is row("select state from portal.change where set_id = $round"), 'open', 'the old value says nothing';
is row("select phone_work from portal.guardian where id = $me"), '+33139980177', 'and overwrites nothing';
imported('01 39 98 01 77');
is row("select state || ' ' || settled_kind from portal.change where set_id = $round"), 'recorded import',
    'the accepted one shows that the software holds it';
is $camille->get("/famille/demandes/$round")->json->{request}{recorded_on}, row('select portal.today()'),
    'and the family sees it';
imported('01 39 98 01 88');
is row("select phone_work from portal.guardian where id = $me"), '+33139980188', 'from then on imports write there';

### a sealed value that is damaged holds up neither the others nor its own change

{
    expect_complaint(qr/a sealed value does not open/);
    my $at = feed('?limite=500')->json->{next};
    my $sick = accepted($camille, "/famille/enfants/$leo/sante", { allergies => 'Arachide', treatment => 'Ventoline' });
    accepted($camille, "$base/base", { employer => 'Département' });
    my $whole = feed("?apres=$at")->json;
    is_deeply [map { @{ $_->{unreadable} } } @{ $whole->{changes} }], [], 'all of it can be read';
    my $turned = "to_jsonb(overlay(asked #>> '{}' placing translate(substr(asked #>> '{}', 40, 1), 'ABCDEFGH', 'BCDEFGHA') || 'x' from 40 for 1))";
    my $was = row("select asked from portal.change_item where set_id = $sick and field = 'allergies'");
    $portal->psql("update portal.change_item set asked = $turned where set_id = $sick and field = 'allergies'");

    my $lines = sub { scalar grep { /a sealed value does not open/ } split /^/, slurp($portal->nginx->error_log) };
    my $logged = $lines->();
    my $r = feed("?apres=$at");
    is $r->status, 200, 'one is damaged: the feed goes on';
    my ($bad, @rest) = sort { ($a->{field} ne 'allergies') <=> ($b->{field} ne 'allergies') } @{ $r->json->{changes} };
    is_deeply [@$bad{qw(id field new withheld unreadable)}], [(grep { $_->{field} eq 'allergies' } @{ $whole->{changes} })[0]{id},
        'allergies', undef, JSON::PP::false, ['/new']], 'its change says which value';
    is_deeply [sort { $a->{cursor} <=> $b->{cursor} } @rest], [grep { $_->{field} ne 'allergies' } @{ $whole->{changes} }],
        'the others are as they were';
    is_deeply [@{ $r->json }{qw(next more)}], [@$whole{qw(next more)}], 'and so is where to go on';
    unlike $r->content, qr/\$sealed|\$unreadable/, 'nothing of the machinery';
    is $lines->() - $logged, 1, 'the log has one line';
    is metrics()->{portal_unreadable_values_total}, 1, 'and the node has counted it';

    my $csv = Encode::decode('UTF-8', feed("?apres=$at", csv => 1)->content);
    like $csv, qr/;"allergies";[^\r\n]*;"ILLISIBLE\x{a0}: valeur enregistrée mais abîmée/, 'CSV says it in the cell';
    like $csv, qr/"Ventoline"/, 'beside the others';
    is scalar(() = $csv =~ /ILLISIBLE/g), 1, 'and nowhere else';
    like Encode::decode('UTF-8', feed("?apres=$at&format=bl", csv => 1)->content), qr/;"?allergies"?;"?ILLISIBLE/, 'in BL\'s columns too';
    is_deeply [map { @{ $_->{unreadable} } } @{ feed("?apres=$at", key => $plain)->json->{changes} }], [], 'who opens nothing meets nothing';

    is told({ id => $bad->{id}, state => 'rejected', reason => 'Illisible' }), '200:rejected', 'it can be answered';
    $portal->psql("update portal.change_item set asked = '$was' where set_id = $sick and field = 'allergies'");
    ($bad) = grep { $_->{id} == $bad->{id} } @{ feed("?apres=$at")->json->{changes} };
    is_deeply [@$bad{qw(new unreadable)}], ['Arachide', []], 'put back, the same cursor gives it whole';
    $portal->psql("update portal.change set state = 'superseded' where id = $bad->{id}");
    is told({ id => $_->{id}, state => 'recorded' }), '200:recorded', 'the others too' for @rest;
}

# what is not held waits longer than what is
is_deeply [$portal->psql("select state, count(*) from portal.change where state not in ('recorded', 'superseded')
    and family_id = $family group by 1")], [], 'nothing is left';

done_testing;
