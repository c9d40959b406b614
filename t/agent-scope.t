#!/usr/bin/perl

# An agent who is for some schools or some sections alone: what they find, read,
# decide, count and copy, and who says so.

use strict;
use warnings;
use utf8;

use Encode qw(decode encode);
use Portal::Fault;
use Portal::Test;

my $portal = portal();
my ($VEIL, $MACE) = ('École Simone-Veil', 'École Jean-Macé');

sub row { return scalar $portal->psql($_[0]) }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }

my %family = map { @$_ } $portal->psql('select number, id from portal.family where tenant = 1');
my ($family, $other) = @family{qw(104201 104202)};
my %child = map { my $name = $_; lc($name =~ s/é/e/r) => row("select c.id from portal.child c
    join portal.child_family m on m.child_id = c.id where m.family_id = $family and c.first_name = '$name'") } qw(Léo Nina);
my $guardian = row("select min(id) from portal.guardian where family_id = $family");

# one family has a child in each of two schools, no other family has one in the second
$portal->psql("update portal.schooling set name = '$MACE' where child_id = $child{nina}");

my $camille = as_json(signed_in(qr/couple/));
sub asked {
    my ($path, $fields) = @_;

    my $r = json_post($camille, $path, $fields);
    return ($r->json->{location} // '') =~ /(\d+)$/ ? $1 : die $r->content;
}
my %set = (
    guardian => asked("/famille/responsables/$guardian/base", { profession => 'Luthière' }),
    tax      => asked("/famille/responsables/$guardian/fiscales", { shares => '3,5' }),
    bank     => asked("/famille/responsables/$guardian/bancaires", { holder => 'Camille Martin',
        iban => 'FR1420041010050500013M02606', mandate => 'yes' }),
    nina     => asked("/famille/enfants/$child{nina}/sante", { allergies => 'Noix-pour-nina' }),
    leo      => asked("/famille/enfants/$child{leo}/sante", { allergies => 'Noix-pour-leo' }),
);
my %name = reverse %set;

my $boss = agent_client(role => 'administrator', json => 1);

# boxes, as a browser without scripts sends them; { field => value } besides
sub tick {
    my ($c, $id, @schools) = @_;

    my %more = ref $schools[0] ? %{ shift @schools } : ();
    my %fields = (@{ $c->get("/agents/$id")->form("/agents/$id")->{fields} }, step => 'schools', %more);
    delete $fields{schools};
    my $escape = sub { encode('UTF-8', $_[0]) =~ s/([^A-Za-z0-9_-])/sprintf '%%%02X', ord $1/ger };

    return $c->post("/agents/$id", join('&', map({ "$_=" . $escape->($fields{$_}) } sort keys %fields),
        map { 'schools=' . $escape->($_) } @schools), headers => { 'Content-Type' => 'application/x-www-form-urlencoded' });
}

sub ticked { map { decode('UTF-8', $_) } $_[0]->content =~ /name="schools" value="([^"]+)" checked/g }

# an administrator says what an agent is for; the agent logs in again
sub is_for {
    my ($agent, $step, %fields) = @_;

    my $id = row("select id from portal.agent where email = '$agent->{email}'");
    my $page = $boss->get("/agents/$id")->json;
    return json_post($boss, "/agents/$id", { step => $step, version => $page->{version}, %fields });
}

sub seen {
    my ($c, $path) = @_;

    return join ' ', sort map { $name{ $_->{id} } // () } @{ $c->get($path // '/')->json->{requests} };
}


### who sets it

my $agent = new_agent(name => 'Odette Bornée');
my $id = row("select id from portal.agent where email = '$agent->{email}'");
my $c = agent_client(as => $agent, json => 1);
is seen($c), 'bank guardian leo nina tax', 'an agent without limits sees all';
{
    my $page = twin($boss, json => 0)->get("/agents/$id");
    like $page->text, qr/Ce que voit cet agent .*$VEIL/s, 'an administrator finds the limits, and the schools';
    like $page->text, qr/Écoles Toutes les écoles Rubriques Toutes les rubriques/, 'and that there are none';

    my $r = is_for($agent, 'schools', schools => "$MACE\nPoudlard");
    is $r->status . codes($r), '422schools:school_unknown', 'a school that no child is in';
    my $html = twin($boss, json => 0);
    $r = tick($html, $id, 'Poudlard', $VEIL);
    like $r->text, qr/Écoles de cet agent .*Aucun enfant n’est inscrit dans l’une de ces écoles/s, 'is said beside the field';
    is_deeply [ticked($r)], [$VEIL], 'what was ticked is ticked again';
    is_deeply [ticked($page)], [], 'as none was';

    # boxes, in the order of the alphabet
    my @known = map { $_->{code} } @{ $boss->get("/agents/$id")->json->{known_schools} };
    is_deeply [$page->content =~ /name="schools" value="([^"]+)"/g], [map { encode('UTF-8', $_) } @known], 'a box for each school';
    unlike $page->content, qr/<textarea/, 'nothing is typed';
    unlike $page->content, qr/id="ecoles-/, 'few schools need no letters';
    is tick($html, $id, $MACE, $VEIL)->location, "/agents/$id?avis=agent_changed", 'two are ticked';
    is_deeply [sort +(ticked($html->get("/agents/$id")))], [sort $MACE, $VEIL], 'and stay so';
    is_deeply [ticked(tick($html, $id, { version => 'x' }, $MACE))], [$MACE], 'somebody else was faster: what was ticked is there still';

    # a school that is no more
    $portal->psql("update portal.agent set schools = array['École Disparue', '$MACE'] where id = $id");
    $r = $html->get("/agents/$id");
    like $r->text, qr/École Disparue n’est plus une école de la ville/, 'one that is no more is seen';
    is_deeply [sort +(ticked($r))], [sort 'École Disparue', $MACE], 'and ticked';
    is tick($html, $id, 'École Disparue', $VEIL)->location, "/agents/$id?avis=agent_changed", 'it may stay';
    is row("select schools = array['École Disparue', '$VEIL'] from portal.agent where id = $id"), 't', 'as it is';
    is tick($html, $id, $VEIL)->location, "/agents/$id?avis=agent_changed", 'or be taken off';
    unlike $html->get("/agents/$id")->text, qr/Disparue/, 'and is not offered any more';

    # a large town
    $portal->psql("insert into portal.school (tenant, name, rank) select 1, 'École ' || chr(65 + n % 26) || 'lbert ' || n, n
        from generate_series(1, 170) n");
    $r = $html->get("/agents/$id");
    cmp_ok scalar(() = $r->content =~ /type="checkbox" id="ecole-/g), '>=', 172, 'so many boxes';
    like $r->content, qr{<a href="#ecoles-Q">Q</a>.*<h3 id="ecoles-Q">Q</h3>}s, 'with letters that lead there';
    my @many = map { $_->{code} } @{ $boss->get("/agents/$id")->json->{known_schools} };
    is tick($html, $id, @many[0 .. 169])->location, "/agents/$id?avis=agent_changed", '170 of them are ticked';
    is_deeply [map { encode('UTF-8', $_) } ticked($html->get("/agents/$id"))], [map { encode('UTF-8', $_) } @many[0 .. 169]], 'and stay so';
    is tick($html, $id)->location, "/agents/$id?avis=agent_changed", 'none is all';
    is row("select schools is null from portal.agent where id = $id"), 't', 'which is no limit';
    $portal->psql('delete from portal.school where tenant = 1');

    is is_for($agent, 'schools', schools => 'ecole jean mace')->status, 200, 'one that is, however it is typed';
    is row("select schools = array['$MACE'] from portal.agent where id = $id"), 't', 'is kept as the file has it';
    is $c->get('/')->status, 401, 'T059 the sessions end';
    is row("select outcome || ' ' || object_id || ' ' || (agent_id = (select id from portal.agent
        where email = '${\ agent('administrator')->{email} }')) from portal.audit where action = 'change_agent'
        order by id desc limit 1"), "schools $id true", 'T214 the audit says who has changed it';
    like twin($boss, json => 0)->get('/journal')->text, qr/Écoles choisies/, 'and so does the journal';

    my $two = new_agent(role => 'administrator', name => 'Anna Autre');
    is codes(is_for($two, 'sections', child_health => 'yes')), ':sees_all', 'who administers is for everything';
    my $reader = agent_client(as => new_agent(role => 'reader'), json => 1);
    is json_post($reader, "/agents/$id", { step => 'schools', version => 'x' }, page => '/session')->status, 403,
        'T202 nobody else sets it';
}


### a school

{
    my $c = agent_client(as => $agent, json => 1);
    my $html = twin($c, json => 0);

    like $html->get('/compte')->text, qr/Écoles $MACE Rubriques Toutes les rubriques/, 'they read what they are for';
    is seen($c), 'bank guardian nina tax', 'the queue: the child\'s, and what touches its guardian';
    for my $page (qw(/ /familles /statistiques)) {
        like $html->get($page)->text, qr/Vous voyez ici ce qui concerne les enfants de ces écoles, et leurs familles : $MACE/, "$page says so";
        unlike $html->get($page)->text, qr/Vous voyez ici ces rubriques/, 'and of all sections nothing';
        is_deeply [map { $_->{school} } @{ $c->get($page)->json->{limits}{schools} }], [$MACE], 'a program, too';
        is agent_client(json => 1)->get($page)->json->{limits}, undef, 'who is for all is told nothing';
    }
    like $html->submit($html->get('/familles'), { search => 'martin' }, form => '/familles')->text, qr/de ces écoles, et leurs familles : $MACE/,
        'so does what a search has found';
    is $c->get("/demandes/$set{leo}")->status, 404, 'a request of another school is none';
    is $c->get("/demandes/$set{nina}")->status, 200, 'theirs is there';
    is $c->get("/demandes/$set{guardian}")->status, 200, 'so is the guardian\'s, who has a child there';
    my $number = row("select number from portal.change_set where id = $set{leo}");
    is seen($c, "/?numero=$number"), '', 'nor by its number';

    my $version = agent_client(json => 1)->get("/demandes/$set{leo}")->json->{version};
    my $r = json_post($c, "/demandes/$set{leo}", { step => 'accept', version => $version }, page => '/session');
    is $r->status, 404, 'T079 a decision on it is refused as if it were not there';
    is row("select state from portal.change_set where id = $set{leo}"), 'sent', 'T079 and nothing is done';
    is json_post($c, "/demandes/$set{leo}", { step => 'take', version => $version }, page => '/session')->status, 404,
        'T079 nor is it taken';

    my $search = sub { join ' ', map { $_->{number} } @{ json_post($c, '/familles', { search => $_[0] })->json->{families} } };
    is $search->('martin camille'), '104201', 'the search finds the family';
    is $search->('Nina'), '104201', 'by its child of the school';
    is $search->('Léo'), '', 'and not by the other one';
    is $search->('104202'), '', 'nor another family';
    is join(' ', map { $_->{first_name} } @{ json_post($c, '/familles', { search => '104201' })->json->{families}[0]{children} }),
        'Nina', 'nor names that one';

    my $file = $c->get("/familles/$family");
    is join(' ', map { $_->{child}{first_name} } @{ $file->json->{children} }), 'Nina', 'the file has the child of the school';
    is join(' ', sort map { $name{ $_->{id} } // () } @{ $file->json->{requests} }), 'bank guardian nina tax', 'and its requests';
    ok scalar @{ $file->json->{guardians} }, 'and the guardians';
    is $c->get("/familles/$other")->status, 404, 'another family\'s is none';
    is $c->get("/familles/$family/enfants/$child{leo}/sante")->status, 404, 'nor the other child\'s health';
    is $c->get("/familles/$family/enfants/$child{nina}/sante")->status, 200, 'this one\'s is there';
    is $c->get("/familles/$other/responsables/1/fiscales")->status, 404, 'nor another family\'s tax';
    is json_post($c, "/familles/$other", { text => 'A rappelé.' }, page => '/session')->status, 404, 'no note there';

    my $all = agent_client(json => 1)->get('/statistiques')->json;
    my $stats = $c->get('/statistiques')->json;
    is $stats->{families}, 1, 'counts are of theirs';
    my $waiting = sub { my $n = 0; $n += $_->{bars}[0]{value} for @{ $_[0]{waiting}{rows} }; $n };
    is $waiting->($all) - $waiting->($stats), row("select count(*) from portal.change_set where tenant = 1 and state in ('sent', 'taken')
        and child_id is distinct from $child{nina} and not (family_id = $family and child_id is null)"), 'and of no other request';
    is $stats->{logins}, undef, 'who was refused at the door is counted for who sees all';

    # what is accepted, to be copied
    my $desk = agent_client(json => 1);
    for my $which (qw(leo nina)) {
        my $doc = $desk->get("/demandes/$set{$which}")->json;
        is json_post($desk, "/demandes/$set{$which}", { step => 'accept', version => $doc->{version} })->status, 200, "$which is accepted";
    }
    my %change = map { @$_ } $portal->psql("select set_id, id from portal.change where state = 'open'");
    my $copies = $c->get('/recopie')->json;
    is join(' ', map { $name{ $_->{request} } } map { @{ $_->{requests} } } @{ $copies->{families} }), 'nina', '« À recopier » has theirs';
    like $c->get("/recopie?famille=$family")->content, qr/Noix-pour-nina/, 'opened';
    unlike $c->get("/recopie?famille=$family")->content, qr/Noix-pour-leo/, 'the other\'s is not';
    is json_post($c, '/recopie', { change => $change{ $set{leo} } + 0 })->status, 404, 'nor ticked';
    is json_post($c, '/recopie', { family => $family + 0, upto => 999999 })->status, 200, 'all of the family:';
    is join(' ', map { "$name{$_->[0]} $_->[1]" } $portal->psql("select set_id, state from portal.change order by 1")),
        'nina recorded leo open', 'theirs is ticked, the other\'s waits';
}


### a child who changes school

{
    my $c = agent_client(as => $agent, json => 1);
    $portal->psql("update portal.schooling set name = '$VEIL' where child_id = $child{nina}");
    is seen($c), '', 'the child has gone, and its guardian\'s requests with it';
    is $c->get("/demandes/$set{$_}")->status, 404, "T079 $_: none any more" for qw(nina guardian);
    is $c->get("/familles/$family")->status, 404, 'nor the family';

    $portal->psql("update portal.schooling set name = '$MACE' where child_id = $child{leo}");
    is seen($c), 'bank guardian tax', 'another child of it has come';
    is $c->get("/demandes/$set{leo}")->status, 200, 'with what was asked for it';
    is join(' ', map { $_->{child}{first_name} } @{ $c->get("/familles/$family")->json->{children} }), 'Léo', 'and the file has that one';
}


### sections

{
    is is_for($agent, 'schools', schools => '')->status, 200, 'no school is any';
    is is_for($agent, 'sections', guardian_tax => 'yes', child_health => 'yes')->status, 200, 'two sections';
    my $c = agent_client(as => $agent, json => 1);
    my $html = twin($c, json => 0);
    is seen($c), 'tax', 'the queue: theirs';
    is join(' ', map { $_->{section} } @{ $c->get('/')->json->{sections} }), 'child_health guardian_tax', 'nor can others be chosen';
    is $c->get("/demandes/$set{$_}")->status, 404, "$_: none" for qw(bank guardian);
    is $c->get("/demandes/$set{leo}")->status, 200, 'of health it is there, decided or not';
    is $c->get("/familles/$other")->status, 200, 'any family';

    my $page = $html->get("/familles/$family");
    unlike $page->text, qr/Compte bancaire|Adresse postale|Autorisations|Contacts/, 'of the file nothing of other sections';
    like $page->text, qr/Voir les informations fiscales.*Voir les données de santé/s, 'what is theirs';
    my $file = $c->get("/familles/$family")->json;
    is_deeply [@{ $file->{guardians}[0]{guardian} }{qw(bank phone_mobile address)}], [undef, undef, undef], 'JSON: nor there';
    is_deeply [sort keys %{ $file->{sees} }], [qw(child_health guardian_name guardian_tax)], 'JSON: and which they are';
    is $c->get("/familles/$family/responsables/$guardian/fiscales")->status, 200, 'tax is read';

    step_up($c, $agent);
    is $c->get("/familles/$family/responsables/$guardian/iban")->status, 404, 'an account number is not, whatever code is given';
    is $c->get("/demandes/$set{bank}/iban")->status, 404, 'nor one that is asked for';

    my $version = $boss->get("/agents/$id")->json->{version};
    is is_for($agent, 'sections', guardian_bank => 'yes')->status, 200, 'another section';
    is $c->get('/')->status, 401, 'T059 ends the session';
    is json_post($boss, "/agents/$id", { step => 'sections', version => $version })->status, 409, 'what was read before is another version';
    $c = agent_client(as => $agent, json => 1);
    is seen($c), 'bank', 'and shows that';
    is $c->get("/familles/$family/enfants/$child{nina}/sante")->status, 404, 'and health no more';
    step_up($c, $agent);
    is $c->get("/demandes/$set{bank}/iban")->status, 200, 'the account number is theirs';

    is is_for($agent, 'role', role => 'reader')->status, 200, 'another role';
    $c = agent_client(as => $agent, json => 1);
    is seen($c), 'bank', 'T059 widens nothing';
    is is_for($agent, 'sections')->status, 200, 'no section is all';
    is seen(scalar agent_client(as => $agent, json => 1)), 'bank guardian tax', 'all there is to do';
}


### who must not collect a child

{
    is is_for($agent, 'role', role => 'validator')->status, 200, 'a validator again';
    my $report = asked("/famille/enfants/$child{leo}/contacts/interdiction", { comment => 'Un jugement de mars.' });
    my $desk = agent_client(json => 1);
    json_post($desk, "/demandes/$report", { step => 'accept', version => $desk->get("/demandes/$report")->json->{version} });
    my $ban = row('select max(id) from portal.collect_ban');
    ok $ban, 'a ban';

    for (['schools', schools => $VEIL], ['sections', child_health => 'yes']) {
        is_for($agent, @$_);
        my $c = agent_client(as => $agent, json => 1);
        is join(' ', map { $_->{id} } @{ $c->get('/interdictions')->json->{bans} }), '', "$_->[0]: not listed for who is for another";
        is $c->get("/interdictions/$ban")->status, 404, "$_->[0]: nor read";
        is json_post($c, "/interdictions/$ban", { reason => 'Fini.', version => 'x' }, page => '/session')->status, 404, "$_->[0]: nor ended";
        is_for($agent, schools => (schools => ''));
    }
    is_for($agent, 'sections', child_contact => 'yes');
    is_for($agent, 'schools', schools => $MACE);
    is +(scalar agent_client(as => $agent, json => 1))->get("/interdictions/$ban")->status, 200, 'who is for its school and its section reads it';
}

done_testing;
