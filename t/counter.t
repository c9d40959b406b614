#!/usr/bin/perl

# At the counter: an agent files for a guardian what the guardian could file, by
# the same forms, checks and rules; it is marked, told, and decided by another.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my $PDF = "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\nGuichet\n%%EOF\n";

my $agent = agent_client();                                    # Jeanne Caron
my $desk = as_json($agent);
my $other = as_json(scalar agent_client(as => new_agent(name => 'Odile Second')));
my $reader = agent_client(json => 1, as => new_agent(role => 'reader', name => 'Rémi Lecteur'));
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };

sub row { return scalar $portal->psql($_[0]) }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub in { my $c = client(); sign_in($c, $people{ $_[0] }); return $c }
sub family { return row("select id from portal.family where number = '$_[0]'") }
sub guardian { return row("select g.id from portal.guardian g join portal.family f on f.id = g.family_id
    where f.number = '$_[0]' and g.rank = $_[1]") }
sub state_of { return row("select state from portal.change_set where id = $_[0]") }
sub mails_of { return row("select count(*) from portal.outbox where recipient = '$_[0]' and template = '$_[1]'") }

my ($family, $camille, $julien) = (family(104201), guardian(104201, 1), guardian(104201, 2));
my $child = row("select m.child_id from portal.child_family m where m.family_id = $family and m.rank = 1");
my $place = "/familles/$family/guichet/$camille/piece";
my $c = in('camille');
my $j = in('julien');

# what was filed: the request's id
sub filed {
    my ($r, $what) = @_;

    my ($id) = ($r->location // '') =~ m{^/demandes/(\d+)};
    ($id) = ($r->json->{location} // '') =~ m{^/demandes/(\d+)} if !$id && ($r->header('content-type') // '') =~ /json/;
    ok $id, "$what: filed" or diag $r->status, $r->content;
    return $id;
}

sub decide {
    my ($as, $id, $step, %more) = @_;

    return json_post($as, "/demandes/$id", { step => $step,
        version => $as->get("/demandes/$id")->json->{version}, %more }, page => '/session');
}


### who may, and for whom

{
    ok $agent->get("/familles/$family")->links->{"/familles/$family/guichet"}, 'the file leads to the counter';
    is $reader->get("/familles/$family")->json->{counter}, undef, 'not a reader\'s';
    for my $path ("/familles/$family/guichet", $place, "$place/responsables/$camille/adresse") {
        is $reader->get($path)->status, 403, "a reader: 403 of $path";
        is $c->get($path)->status, 404, 'and on the families\' host there is no such page';
    }
    my $before = counted(qw(change_set upload change_event outbox));
    is json_post($reader, "$place/responsables/$camille/adresse", { street => 'rue X', step => 'send' }, page => '/session')->status,
        403, 'a reader files nothing';
    is json_post($reader, "$place/responsables/$camille/bancaires", { iban => 'FR1420041010050500013M02606' }, page => '/session')->status,
        403, 'nor what is sealed';
    is send_file(as_json(agent_client(as => new_agent(role => 'reader', name => 'Réa Lectrice'))), '/session', {}, x => 'y')->status,
        405, 'no file goes elsewhere';
    is counted(qw(change_set upload change_event outbox)), $before, 'nothing of it is there';

    my $r = $agent->get("/familles/$family/guichet");
    like $r->text, qr/Ne gardez aucune copie de sa pièce d’identité/, 'no copy is kept';
    like $r->text, qr/Camille Martin.*Un compte est relié.*Julien Martin/s, 'who asks, and who will be told';
    is_deeply [map { $_->{identified} } @{ $desk->get("/familles/$family/guichet")->json->{guardians}[0]{ways} }],
        [qw(document known letter phone)], 'four ways to have been identified';
    like $agent->get('/familles/' . family(104204) . '/guichet')->text, qr/Aucun compte n’est relié à cette personne/,
        'who will not be told is said';

    my $stranger = guardian(104202, 1);
    is $desk->get("/familles/$family/guichet/$stranger/piece")->status, 404, 'no guardian of another family';
    is $desk->get("/familles/$family/guichet/$camille/parole")->status, 404, 'no other way';
    is $desk->get('/familles/999999/guichet')->status, 404, 'no such family';
    is $desk->get("$place/enfants/999999/sante")->status, 404, 'no such child';

    # the guardian's own rights
    my %forms = map { $_->{id} => join ' ', map { $_->{what} } @{ $_->{forms} } } @{ $desk->get($place)->json->{guardians} };
    is $forms{$camille}, 'guardian_basic guardian_address guardian_tax guardian_bank remove_guardian_basic', 'of herself';
    is $forms{$julien}, 'guardian_basic guardian_address remove_guardian_basic', 'of another guardian what she may ask for';
    is $desk->get("$place/responsables/$julien/fiscales")->status, 404, 'not his tax data';
    is json_post($desk, "$place/responsables/$julien/bancaires", { iban => 'FR1420041010050500013M02606', holder => 'X', mandate => 'yes' },
        page => '/session')->status, 404, 'nor his account';
    is row("select count(*) from portal.audit where action = 'ask_change' and outcome = 'not_allowed' and agent_id is not null"), 1,
        'which the audit says';
}


### each form speaks to an agent: « vous » is not the parent

{
    my $page = $desk->get($place)->json;
    my @paths = map { $_->{path} } map { @{ $_->{forms} } } map { @$_ } @$page{qw(guardians children)};
    cmp_ok scalar(@paths), '>', 15, 'forms';

    for my $lang (qw(fr en)) {
        for my $path (@paths) {
            my $r = $agent->get($path, headers => { 'Accept-Language' => $lang });
            my ($main) = $r->content =~ m{<main.*?>(.*)</main>}s;
            like $r->content, qr/<html lang="$lang"/, "$path in $lang";
            # the mandate's own words are the debtor's to hear
            my $mandate = $main =~ s{<section class="notice" aria-labelledby="mandat">(.*?)</section>}{}s ? $1 : undef;
            unlike $main, qr/\bvo(?:tre|s)\b|\byours?\b/i, 'asks nobody for their own';
            like $mandate, qr/Lisez ce texte|Read this text/, 'which the page says'
                if $path =~ /bancaires/;
        }
    }
}


### the same form, filled with the file; filed, marked

my $address = "$place/responsables/$camille/adresse";
my $street = row("select street from portal.address where guardian_id = $camille");
my $id;
{
    my $own = as_json($c)->get("/famille/responsables/$camille/adresse")->json;
    my $r = $desk->get($address)->json;
    is_deeply $r->{values}, { %{ $own->{values} }, version => $r->{version} }, 'it opens with what hers opens with';
    is_deeply $r->{policy}, $own->{policy}, 'and lets change the same';
    is $own->{counter}, undef, 'of which hers knows nothing';
    is_deeply [@{ $r->{counter} }{qw(identified told path)}, $r->{counter}{guardian}{name}],
        ['document', JSON::PP::true(), $place, 'Camille Martin'], 'for whom, and how she was identified';
    is row("select action || ' ' || object from portal.audit order by id desc limit 1"), 'read_family family', 'the reading is in the audit';

    $r = $agent->get($address);
    like $r->text, qr/Demande au guichet.*Camille Martin.*pièce d’identité vue/s, 'the page says for whom';
    ok !grep({ m{^/famille/} } keys %{ $r->links }), 'and leads to no page of families';
    $r = $agent->submit($r, { street => '', step => 'check' }, form => $address);
    is $r->status, 422, 'the same checks';
    like $r->text, qr/Camille Martin.*pièce d’identité vue/s, 'on the same page';
    $r = $agent->submit($r, { street => 'rue du Guichet', step => 'check' }, form => $address);
    like $r->text, qr/Vérifiez la demande de cette personne.*Relisez-la avec la personne.*Modifier la demande/s, 'in an agent\'s words';
    unlike $r->text, qr/votre demande|ma demande|demandé à la mairie/, 'not in a parent\'s';
    like $r->text, qr/Rien n’est encore déposé.*rue du Guichet/s, 'shown again before it is sent';
    is row('select count(*) from portal.change_set where filed_by is not null'), 0, 'nothing is stored for that';
    $r = $agent->submit($r, { step => 'send' }, form => $address);
    is $r->status, 303, 'filed';
    $id = filed($r, 'an address');
    $r = $agent->get($r->location);
    like $r->text, qr/La demande est déposée/, 'told so';
    like $r->text, qr/Déposée au guichet le.*Déposée par Jeanne Caron.*pièce d’identité vue/s, 'marked';
    like $r->text, qr/Demandé par Camille Martin/, 'who asked';
    like $r->text, qr/demande déposée au guichet de la mairie \(Jeanne Caron\)/, 'in its history';
    unlike $r->text, qr/Message de la famille/, 'what an agent has written is no family\'s word';
    is row("select state || ' ' || identified || ' ' || asker_id || ' ' || (account_id is not null) from portal.change_set where id = $id"),
        "sent document $camille true", 'it waits, and is hers';
    is row("select street from portal.address where guardian_id = $camille"), $street, 'nothing has changed in the file';
    my ($in) = grep { $_->{id} == $id } @{ $desk->get('/')->json->{requests} };
    is $in->{filed}, JSON::PP::true(), 'the queue says so';
    like $agent->get('/')->text, qr/Guichet/, 'to people, too';
    like $agent->get("/familles/$family")->text, qr/Guichet/, 'as the file does';
    is row("select outcome || ' ' || object from portal.audit where action = 'file_change'"), 'sent change_set', 'the audit, too';
}


### told

{
    my $mail = letter($people{camille}{email}, 'change_filed');
    like $mail->{text}, qr/a enregistré la demande.*pièce d’identité vue/s, 'she is told by mail at once';
    like $mail->{text}, qr/Ce n’est pas vous.*Appelez/s, 'with whom to call when it was not her';
    unlike $mail->{text}, qr/Jeanne|Caron|rue du Guichet/, 'no name of an agent, no value';
    is mails_of($people{camille}{email}, 'change_sent'), 0, 'once';
    is mails_of($people{julien}{email}, 'change_filed'), 0, 'and no other guardian';

    my $r = $c->get('/famille/demandes');
    like $r->text, qr/Déposée au guichet le/, '« Mes demandes » has it';
    $r = $c->get("/famille/demandes/$id");
    like $r->text, qr/Déposée au guichet le.*Ce n’est pas vous/s, 'marked, with what to do';
    like $r->text, qr/demande déposée au guichet de la mairie/, 'in its history';
    unlike $r->content, qr/Jeanne|Caron/, 'never the agent\'s name';
    my $doc = as_json($c)->get("/famille/demandes/$id");
    is $doc->json->{request}{identified}, 'document', 'as JSON';
    ok $doc->json->{request}{filed_at}, 'with when';
    unlike $doc->content, qr/Jeanne|filed_by/, 'and no agent';
    unlike $c->get('/mes-donnees')->content, qr/Jeanne Caron/, 'nor in her own data';
    is $j->get("/famille/demandes/$id")->status, 404, 'another guardian does not see it';
    $r = $c->get('/famille/demandes/' . filed_by_herself());
    unlike $r->text, qr/guichet/, 'what she sends herself is not marked';
}

sub filed_by_herself {
    my ($own) = json_post(as_json($c), "/famille/responsables/$camille/base", { profession => 'Relieuse' })
        ->json->{location} =~ /(\d+)/;
    return $own;
}


### another agent decides

{
    my $doc = $desk->get("/demandes/$id")->json;
    is_deeply [@$doc{qw(decides own_filing)}], [JSON::PP::false(), JSON::PP::true()], 'who filed it does not decide';
    like $agent->get("/demandes/$id")->text, qr/un autre agent la décide/, 'and is told so';
    my $before = counted(qw(change_event outbox));
    for my $step (qw(take accept refuse incomplete)) {
        my $r = decide($desk, $id, $step, reason => 'Pour voir');
        is $r->status . ' ' . codes($r), '403 :own_filing', "not $step";
    }
    is counted(qw(change_event outbox)), $before, 'nothing is done';
    is row("select count(*) from portal.audit where action = 'decide' and outcome = 'own_filing'"), 4, 'the audit says it';
    is state_of($id), 'sent', 'it waits';
    is $other->get("/demandes/$id")->json->{decides}, JSON::PP::true(), 'another one does';
    is decide($other, $id, 'accept')->status, 200, 'accepted';
    is row("select street from portal.address where guardian_id = $camille"), 'rue du Guichet', 'the file holds it';
    is decide($desk, $id, 'reverse', reason => 'Non')->status, 403, 'nor does who filed it undo it';
    ok letter($people{camille}{email}, 'change_accepted'), 'the answer goes to her';

    my $key = $portal->machine(rights => 'feed');
    my ($change) = grep { $_->{field} && $_->{field} eq 'street' } @{ client(json => 1, agents => 1)->get('/api/changements?limite=500',
        headers => { Authorization => "Bearer $key" })->json->{changes} };
    is $change->{at_counter}, JSON::PP::true(), 'the town\'s software is told how it came';
    like client(agents => 1)->get('/api/changements.csv', headers => { Authorization => "Bearer $key" })->text,
        qr/Déposée au guichet/, 'in its file, too';
}


### once, and over the page that was read

{
    my $path = "$place/responsables/$camille/base";
    my $page = $desk->get($path);
    my @same = ($path, { csrf => $page->json->{csrf}, version => $page->json->{version}, employer => 'Guichet SA' },
        headers => { 'Idempotency-Key' => '"depot-1"' });
    my $first = filed($desk->post(@same), 'the first time');
    is filed($desk->post(@same), 'again'), $first, 'sent again it is the same request';
    is mails_of($people{camille}{email}, 'change_filed'), 2, 'and one more mail';
    my $r = $desk->post($path, { csrf => $page->json->{csrf}, version => $page->json->{version}, employer => 'Autre' });
    is $r->status . ' ' . codes($r), '409 :file_changed', 'an older page is not overwritten from';
    is $desk->post($path, { csrf => $page->json->{csrf}, employer => 'Autre' }, headers => { 'If-Match' => '"0"' })->status, 412, 'nor by If-Match';

    # her own open request is the one that is mended; to take it back is hers
    is row("select asked #>> '{}' from portal.change_item where set_id = $first and field = 'profession'"), 'Relieuse', 'what she had asked for goes along';
    is $desk->get($path)->json->{request}{id}, $first, 'the form says so';
    like $agent->get($place)->text, qr/Demandes en cours de cette personne.*Informations de base/s, 'as the page of what she may ask for';
    $r = json_post($desk, $path, { map { $_ => $page->json->{current}{$_} } qw(employer profession) });
    is $r->status . ' ' . codes($r), '422 :nothing_asked', 'nothing differs: nothing is withdrawn';
    is state_of($first), 'sent', 'it is still open';
    json_post(as_json($c), "/famille/demandes/$first", {});
    is state_of($first), 'withdrawn', 'she takes it back herself';
}


### what the town lets families do

{
    my $path = "$place/responsables/$camille/base";
    is codes(json_post($desk, $path, { authority => 'no' })), 'authority:not_editable', 'what is only shown';
    $portal->psql("insert into portal.field_policy values (1, 'guardian_basic', 'profession', 'hidden')");
    is codes(json_post($desk, $path, { profession => 'Agent' })), 'profession:unknown_field', 'what is hidden';
    unlike $desk->get($path)->content, qr/"profession"/, 'is on no form';
    $portal->psql("update portal.field_policy set policy = 'editable', validation = 'automatic' where field = 'profession'");
    my $id = filed(json_post($desk, $path, { profession => 'Agente' }), 'what counts at once when she sends it');
    is state_of($id), 'sent', 'waits when an agent files it';
    is row("select coalesce(profession, '') = 'Agente' from portal.guardian where id = $camille"), 'f', 'and is not in the file';
    $portal->psql('delete from portal.field_policy');
    is decide($other, $id, 'refuse', reason => 'Essai')->status, 200, 'refused';
    $portal->psql("insert into portal.section_document values (1, 'guardian_tax', 'required')");
    is codes(json_post($desk, "$place/responsables/$camille/fiscales", { shares => '3' })), 'document:required', 'the same documents';
}


### documents: of that agent for that guardian, then of the request

{
    my $tax = "$place/responsables/$camille/fiscales";
    my $r = send_file($desk, $tax, { shares => '', tax_number => 'x', step => 'send' }, document => $PDF);
    is $r->status, 422, 'a number that is none';
    is row('select (agent_id is not null) || chr(32) || asker_id || chr(32) || (account_id is null) from portal.upload'), "true $camille true",
        'the file is kept, as the agent\'s for her';
    is scalar @{ $desk->get($tax)->json->{kept} }, 1, 'for the next try';
    is scalar @{ $other->get($tax)->json->{kept} }, 0, 'not another agent\'s';
    is scalar @{ as_json($c)->get("/famille/responsables/$camille/fiscales")->json->{kept} }, 0, 'nor hers';
    is row("select count(*) from portal.audit where action = 'read_tax' and object = 'guardian' and object_id = $camille and agent_id is not null") > 0,
        1, 'who reads sealed data is in the audit';
    my $id = filed(json_post($desk, $tax, { shares => '3.5', tax_number => '3023217600053' }), 'with it');
    is $c->get("/famille/demandes/$id/justificatif-1")->content, $PDF, 'she reads it with her request';
    is $agent->get("/demandes/$id/justificatif-1")->content, $PDF, 'as agents do';
    is decide($other, $id, 'accept')->status, 200, 'accepted';
    is as_json($c)->get("/famille/responsables/$camille")->json->{guardian}{tax}{tax_number}, '3023217600053', 'sealed for its place';
}


### somebody who must not collect the child

{
    my $contacts = "$place/enfants/$child/contacts";
    my $id = filed(json_post($desk, "$contacts/interdiction", { comment => 'Jean Valjean : jugement du 3 mars' }), 'a report');
    is decide($other, $id, 'accept')->status, 200, 'recorded';
    for my $path ($place, "$contacts/nouveau", "$place/enfants/$child/sante") {
        like $agent->get($path)->text, qr/Jean Valjean : jugement/, 'the agent has it before them';
    }
    is scalar @{ $desk->get("$contacts/nouveau")->json->{counter}{bans} }, 1, 'as JSON';
    unlike $c->get("/famille/enfants/$child/contacts/nouveau")->content, qr/Valjean/, 'no page of families has it';
    my $told = mails_of($people{julien}{email}, 'contact_asked');
    $id = filed(json_post($desk, "$contacts/nouveau", { last_name => 'Valjean', first_name => 'Jean', link => 'other',
        phone_mobile => '06 39 98 00 77', collect => 'yes', emergency => 'no' }), 'all the same it is asked for');
    is scalar @{ $other->get("/demandes/$id")->json->{bans} }, 1, 'who decides sees the ban';
    is mails_of($people{julien}{email}, 'contact_asked'), $told + 1, 'the other guardian is told who shall collect';
    is mails_of($people{camille}{email}, 'contact_asked'), 0, 'who asked is told what was filed';
    like $agent->get($place)->text, qr{Jean Valjean · .*Reprendre la demande}s, 'an addition can be mended';
    my $edit = (grep { $_->{id} == $id } @{ $desk->get($place)->json->{requests} })[0]{edit};
    is $edit, "$contacts/nouveau/$id", 'by its own form';
    is $desk->get($edit)->json->{values}{last_name}, 'Valjean', 'filled';
    is decide($other, $id, 'refuse', reason => 'Interdiction')->status, 200, 'refused';
}


### an account, an authorisation, a photo, health, who leaves

{
    my $id = filed(json_post($desk, "$place/responsables/$camille/bancaires", { holder => 'Camille Martin',
        iban => 'FR1420041010050500013M02606', mandate => 'yes' }), 'an account');
    is mails_of($people{camille}{email}, 'change_iban'), 1, 'its owner is warned';
    unlike $agent->get("/demandes/$id")->content, qr/20041010050500013M02606/, 'no page shows it whole';
    my $answers = "$place/enfants/$child/autorisations";
    my $other_way = { yes => 'no' }->{ $desk->get($answers)->json->{current}{transport} } // 'yes';
    filed(json_post($desk, $answers, { transport => $other_way }), 'an authorisation');
    is row("select (agreement ? 'text')::text from portal.change_item i join portal.change_set c on c.id = i.set_id
        where c.section = 'child_authorisations' order by c.id desc limit 1"), 'true', 'which is kept';
    filed(json_post($desk, "$place/enfants/$child/sante", { allergies => 'Arachide' }), 'health');
    filed(json_post($desk, "$place/enfants/$child/generales", { birth_place => 'Guichetville' }), 'the child');
    $id = filed(send_file($desk, "$place/enfants/$child/photo", {}, photo => grey(120)), 'a photo');
    is decide($other, $id, 'accept')->status, 200, 'accepted';
    like $agent->get("$place/enfants/$child/photo")->content, qr{src="/familles/$family/enfants/$child/photo\.jpg"}, 'the form shows it';
    is $agent->get("/familles/$family/enfants/$child/photo.jpg")->status, 200, 'from where agents see it';
    filed(json_post($desk, "$place/responsables/$julien/retrait", { comment => 'Il est parti.' }), 'who leaves');
    filed(json_post($desk, "$place/responsables/ajout", { last_name => 'Petit', first_name => 'Rose', link => 'other' }), 'a guardian');
    filed(json_post($desk, "$place/enfants/ajout", { last_name => 'Petit', first_name => 'Lou', birth_date => '2020-05-06' }), 'a child');
    is codes(json_post($desk, "$place/enfants/ajout", { last_name => 'Petit', first_name => 'Lou', birth_date => '2020-05-06' })),
        'first_name:child_asked', 'who is asked for already';
    my $contact = row("select min(id) from portal.contact where child_id = $child and family_id = $family");
    filed(json_post($desk, "$place/enfants/$child/contacts/$contact/modifier", { emergency => 'yes', phone_home => '03 53 01 22 22' }), 'a contact');
    filed(json_post($desk, "$place/enfants/$child/contacts/$contact/retrait", { comment => 'Parti' }), 'who collects no more');
}


### a guardian without an account

{
    my ($f, $g) = (family(104204), guardian(104204, 1));
    my $place = "/familles/$f/guichet/$g/telephone";
    my $path = "$place/responsables/$g/base";
    my $before = row('select count(*) from portal.outbox');
    like $agent->get($path)->text, qr/elle ne reçoit aucun message/, 'nobody will be told, which the page says';
    is $desk->get($path)->json->{counter}{told}, JSON::PP::false(), 'as JSON';
    my $id = filed(json_post($desk, $path, { employer => 'Un' }), 'filed');
    my $iban = filed(json_post($desk, "$place/responsables/$g/bancaires", { holder => 'A B', iban => 'FR1420041010050500013M02606',
        mandate => 'yes' }), 'an account');
    is row('select count(*) from portal.outbox'), $before, 'no mail';
    is row("select (account_id is null) || ' ' || asker_id || ' ' || identified from portal.change_set where id = $id"), "true $g phone", 'it is the guardian\'s';
    like $agent->get("/demandes/$id")->text, qr/la réponse ne lui est pas envoyée/, 'who decides is told that nobody hears of it';
    my $next = filed(json_post($desk, $path, { employer => 'Deux' }), 'another one');
    is state_of($id), 'replaced', 'the open one about the same is replaced';
    is decide($other, $next, 'incomplete', reason => 'Depuis quand ?')->status, 200, 'more is asked for';
    is row('select count(*) from portal.outbox'), $before, 'which nobody can be told either';
    like $agent->get($path)->text, qr/Depuis quand.*Complétez la demande ici/s, 'at the counter it can be completed';
    is filed(json_post($other, $path, { employer => 'Trois' }), 'completed'), $next, 'under its number';
    like $other->get("/demandes/$next")->content, qr/"filed_more"/, 'by the agent';
    is decide($_->[0], $next, 'accept')->status, 403, "not decided by $_->[1]" for [$other, 'who completed it'], [$desk, 'who filed it'];
    my $third = as_json(scalar agent_client(role => 'administrator'));
    is decide($third, $next, 'accept')->status, 200, 'a third one does';
    is row("select employer from portal.guardian where id = $g"), 'Trois', 'and it is in the file';

    # once they have an account, it is theirs to read
    my ($c) = parent(code => free_code(guardian => 'Élodie Le Goff-D’Hérouville'));
    my $j = as_json($c);
    my ($number) = row("select number from portal.change_set where id = $next");
    like $c->get('/famille/demandes')->text, qr/\Q$number/, 'who connects later finds it among their requests';
    is $j->get("/famille/demandes/$next")->status, 200, 'may open it';
    is_deeply [sort { $a <=> $b } map { $_->{id} } @{ $j->get('/mes-donnees')->json->{requests} }],
        [sort { $a <=> $b } $id, $iban, $next], 'and « Mes données » tells all of them';
    like $c->get("/famille/responsables/$g/bancaires")->text, qr/Vous avez déjà demandé une modification/, 'the open one is gone on with';
}


### a child of two households: the other one's guardian is told like always

{
    my $shared = row("select m.child_id from portal.child_family m group by 1 having count(*) > 1 and bool_or(m.family_id = " . family(104202) . ')');
    my $g = guardian(104202, 1);
    is $desk->get('/familles/' . family(104202) . "/guichet/$g/courrier/enfants/$shared/generales")->status, 200, 'her child';
    is $desk->get("/familles/$family/guichet/$camille/piece/enfants/$shared/generales")->status, 404, 'not through another family';
}


### an agent who is for some sections, or some schools

{
    my ($few, $far) = map { my $limit = $_; my $who = new_agent(name => 'Une Partie');
        $portal->psql("update portal.agent set $limit where email = '$who->{email}'"); as_json(scalar agent_client(as => $who)) }
        "sections = '{guardian_basic}'", "schools = '{Ailleurs}'";
    my $page = $few->get($place)->json;
    is_deeply [map { $_->{what} } map { @{ $_->{forms} } } @{ $page->{guardians} }, @{ $page->{children} }],
        [(qw(guardian_basic remove_guardian_basic)) x @{ $page->{guardians} }], 'T079 files what they are for';
    is join(' ', map { $_->{what} } @{ $page->{family_forms} }), 'add_guardian_basic', 'of who is added, too';
    is $few->get("$place/responsables/$camille/base")->status, 200, 'and opens it';
    is $few->get($address)->status, 404, 'nothing else is there';
    is json_post($few, $address, { street => 'rue X', step => 'send' }, page => '/session')->status, 404, 'nor filed';
    is send_file($few, "$place/responsables/$camille/base", {}, document => $PDF)->status, 422, 'nor sent with something else';
    is $far->get($_)->status, 404, "of no child in their schools: $_" for "/familles/$family/guichet", $place, $address;
}


### limits

{
    my $path = "$place/responsables/$julien/base";
    my $fields = { csrf => $other->get('/session')->json->{csrf}, employer => 'Limite' };
    $portal->psql("update portal.town set agent_readings = 2 where id = 1; delete from portal.attempt");
    is $other->get($path)->status, 200, 'an hour\'s worth' for 1, 2;
    my $r = $other->get($path);
    is $r->status . ' ' . $r->json->{code}, '429 too_many_readings', 'T206 no more is opened';
    is json_post($other, $path, { employer => 'Y', step => 'check' }, page => '/session')->status, 429, 'nor shown again';
    filed($other->post($path, { %$fields, employer => $_ }), 'what was read may be filed') for 'Un', 'Deux';
    $r = $other->post($path, { %$fields, employer => 'Limite 2' });
    is $r->status . ' ' . codes($r), '429 :too_many_filings', 'T206 no more than that';
    cmp_ok $r->header('retry-after'), '>', 0, 'for a while';
    is row("select count(*) from portal.change_item where asked = '\"Limite 2\"'"), 0, 'nothing is done';
    is row("select count(*) from portal.audit where action = 'file_change' and outcome = 'too_many'"), 1, 'the audit says so';
    $portal->psql("update portal.town set agent_readings = 300 where id = 1; delete from portal.attempt");
}


### their own family, and a town with one agent

{
    $portal->psql("update portal.guardian set email = 'jeanne.caron\@saint-aubin.example' where id = " . guardian(104205, 1));
    my $own = '/familles/' . family(104205) . '/guichet';
    my $g = guardian(104205, 2);
    is $desk->get("/familles/" . family(104205))->json->{counter}, undef, 'their own family: no way there';
    is $desk->get($_)->status, 403, "their own family: $_" for $own, "$own/$g/connu", "$own/$g/connu/responsables/$g/base";
    my $r = json_post($desk, "$own/$g/connu/responsables/$g/base", { employer => 'Moi' }, page => '/session');
    is $r->status . ' ' . codes($r), '403 :own_family', 'T202 nor do they file for it';
    is json_post($desk, "$own/$g/connu/responsables/$g/bancaires", { iban => 'FR1420041010050500013M02606' }, page => '/session')->status,
        403, 'nor is anything sealed for it';

    my $id = filed(json_post($desk, "$place/responsables/$camille/base", { employer => 'Seule' }), 'filed');
    is decide($desk, $id, 'accept')->status, 403, 'two see it';
    $portal->psql("update portal.agent set state = 'disabled' where tenant = 1 and role <> 'reader' and email not like 'jeanne%'");
    is $desk->get("/demandes/$id")->json->{own_filing}, JSON::PP::false(), 'a town with one agent';
    $portal->psql("update portal.agent set state = 'active', sections = '{child_photo}' where first_name = 'Odile'");
    is $desk->get("/demandes/$id")->json->{own_filing}, JSON::PP::false(), 'or whose other agent is for something else';
    $portal->psql("update portal.agent set state = 'active', email = '$people{camille}{email}' where email like 'paul.delmas%'");
    is $desk->get("/demandes/$id")->json->{own_filing}, JSON::PP::false(), 'or whose other agent is of that family';
    is decide($desk, $id, 'accept')->status, 200, 'has one to decide';
    is row("select employer from portal.guardian where id = $camille"), 'Seule', 'and decides';
}

done_testing;
