#!/usr/bin/perl

# « Importer des familles » of the agents' host: files by a form, the check, the
# report, the import, and the values to choose between.

use strict;
use warnings;
use utf8;

use Encode ();
use Portal::Fault qw(as_json);
use IO::Compress::Zip qw(zip ZIP_CM_DEFLATE);
use Portal::Sample;
use Portal::Test;

my $portal = portal(directives => { portal_import => '200ms' });
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my $chief = agent_client(role => 'administrator');
my $desk = as_json($chief);
my @HEADER = qw(id aliasTiers sexeResp1 nomResp1 prenomResp1 dateNaisResp1 portableResp1 emailResp1
    adrNumeroVoie adrcodePostal adrLocalite typeModeReglementResp1);

sub row { return scalar $portal->psql($_[0]) }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub csv { return Encode::encode('UTF-8', join '', map { join(';', @$_) . "\r\n" } @_) }

# the form as a browser sends it: a file input that nobody has filled, too
sub send_form {
    my ($c, %o) = @_;

    my %fields = (@{ $c->get('/imports')->form('/imports')->{fields} }, %{ $o{fields} // {} });
    my $body = join "\r\n", map({ ('--b', qq(Content-Disposition: form-data; name="$_"), '', $fields{$_}) }
            'csrf', grep { $_ ne 'csrf' && !/^(?:archive|famille|enfant|enfant_famille|mandat)$/ && defined $fields{$_} } sort keys %fields),
        map({ my $bytes = $o{files}{$_}; ('--b', qq(Content-Disposition: form-data; name="$_"; filename=")
            . (defined $bytes ? 'C:\\Export\\secret de Jean.csv' : '') . '"', 'Content-Type: application/octet-stream', '',
            $bytes // '') } qw(archive famille enfant enfant_famille mandat)), '--b--', '';

    return $c->post('/imports', $body, headers => { 'Content-Type' => 'multipart/form-data; boundary=b' });
}

sub id_of {
    my ($r, $what) = @_;

    my ($id) = ($r->location // '') =~ m{^/imports/(\d+)};
    ok $id, $what or diag $r->status, $r->text;
    return $id // 0;
}

sub becomes {
    my ($id, $state) = @_;

    ok wait_for(60, sub { row("select state from portal.import where id = $id") eq $state }),
        "import $id: $state" or diag row("select i::text from portal.import i where id = $id");
}


### who may

for my $role (qw(reader validator)) {
    my ($c) = agent_client($role eq 'reader' ? (as => new_agent(role => 'reader')) : (role => $role));
    is $c->get('/imports')->status, 403, "not a $role";
    ok !$c->get('/')->links->{'/imports'}, 'whose menu does not lead there';
    is json_post(as_json($c), '/imports', { dry => 'no' }, page => '/session')->status, 403, 'nor sends';
}
ok $chief->get('/')->links->{'/imports'}, 'an administrator is led there';
my $r = $chief->get('/imports');
like $r->title, qr/^Importer des familles/, 'the page';
like $r->text, qr/Aucun import n’a encore été envoyé/, 'nothing yet';
like $r->content, qr/name="dry" type="radio" value="yes" checked>/, 'a check is the default';
like $r->text, qr/Vérifier sans rien changer/, 'which it says';


### what is no file

$r = send_form($chief);
is $r->status, 422, 'no file';
like $r->text, qr/Choisissez l’archive zip ou au moins un fichier/, 'is told beside the field';
$r = send_form($chief, files => { archive => "%PDF-1.4\n" });
is $r->status, 415, 'a PDF';
like $r->text, qr/ni une archive zip ni un fichier CSV/, 'is told, too';
is send_form($chief, files => { famille => "PK\3\4" . 'x' x 30 })->status, 415, 'an archive is no famille.csv';
is row('select count(*) from portal.import_piece'), 0, 'nothing of that is kept';


### an archive, checked

my $zip = $portal->dir . '/export.zip';
Portal::Sample->write($zip, families => 40);
open my $in, '<:raw', $zip or die;
my $bytes = do { local $/; <$in> };
my $families = row('select count(*) from portal.family');

$r = send_form($chief, files => { archive => $bytes });
my $id = id_of($r, 'an archive is sent');
like $r->location, qr/avis=import_received/, 'which is said';
becomes($id, 'checked');
is row('select count(*) from portal.family'), $families, 'a check changes nothing';
is row("select name from portal.import where id = $id"), 'archive.zip', 'under the name of its field';

$r = $chief->get("/imports/$id");
like $r->text, qr/Vérifié, rien n’a été changé/, 'its state';
like $r->text, qr/Vérification : rien n’est changé/, 'its kind';
like $r->text, qr/famille\.csv Familles \d+ typeModeReglementResp1/, 'the files, and the column that is not taken';
like $r->text, qr/famille\.csv, ligne 5 Créée portableResp1 : Ce numéro de téléphone n’est pas complet\. Corrigez-le.* Le reste de la ligne est pris/,
    'a line: file, line, column, what is wrong and what to do';
like $r->text, qr/famille\.csv, ligne 9 Refusée nomResp1 : Cette information manque\. Remplissez-la/, 'another one';
like $r->text, qr/enfantFamille\.csv, ligne \d+ Refusée enfant_id : Cet enfant n’est ni/, 'of an id that nobody knows, too';
unlike $r->text, qr/700004|sans-arobase/, 'and no value of it';
ok $r->links->{"/imports/$id/rapport.csv"}, 'the whole as a file';
is scalar(grep { /Importer|Annuler/ } buttons($r)), 2, '« Importer » and « Annuler »' or diag join ', ', buttons($r);

my $doc = $desk->get("/imports/$id")->json;
is $doc->{import}{state}, 'checked', 'JSON: the same';
ok $doc->{import}{counts}{refused} >= 8 && $doc->{import}{counts}{created} > 60, 'with its counts';
my ($told) = grep { $_->{file} eq 'mandat.csv' } @{ $doc->{lines} };
is $told->{told}[0]{code}, 'iban_key', 'an IBAN that is wrong';
is_deeply [map { $_->{outcome} } grep { $_->{outcome} ne 'refused' } @{ $desk->get("/imports/$id?resultat=refused")->json->{lines} }],
    [], 'refused ones only';
is $desk->get("/imports/$id?resultat=created")->json->{lines}[0]{outcome}, 'created', 'or those that create';

### the report for a spreadsheet

$portal->psql("update portal.import_line set errors = jsonb_set(errors, '{0,column}', '\"=HYPERLINK(\\\"x\\\")\"')
    where import_id = $id and file = 'famille.csv' and line = 5");
$r = $chief->get("/imports/$id/rapport.csv");
is $r->header('content-type'), 'text/csv; charset=utf-8', 'CSV';
like $r->header('content-disposition'), qr/rapport\.csv/, 'to keep';
like $r->content, qr/^\xef\xbb\xbf"?Fichier"?;"?Ligne"?;/, 'with its mark and semicolons';
like $r->content, qr/\r\n/, 'and line ends';
like Encode::decode('UTF-8', $r->content), qr/"famille\.csv";5;"Créée";"'=HYPERLINK\(""x""\)";.*"Ce numéro de téléphone/,
    'a cell that would be computed is not';
is $chief->get('/imports/999999/rapport.csv')->status, 404, 'of none there is none';

# a long one is fetched in pieces; a name of a file may have any character
$portal->psql("insert into portal.import_line (tenant, import_id, file, line, stage, step, outcome, records, errors)
    select tenant, import_id, case when n > 700 then 'z:1:é;.csv' else 'z:.csv' end, n, stage, step, 'refused', '[]',
           jsonb_build_array(jsonb_build_object('code', 'required', 'key', 'long-' || n))
      from portal.import_line cross join generate_series(1, 1600) n
     where import_id = $id and file = 'famille.csv' and line = 9");
my @long = $chief->get("/imports/$id/rapport.csv")->content =~ /;"long-(\d+)";/g;
is_deeply \@long, [1 .. 1600], 'each line once, in their order';
$portal->psql("delete from portal.import_line where import_id = $id and file like 'z:%'");


### « Importer »

$r = $chief->submit($chief->get("/imports/$id"), { act => 'apply' }, form => "/imports/$id");
like $r->location, qr{^/imports/$id\?avis=import_applied}, 'it goes on';
becomes($id, 'done');
cmp_ok row('select count(*) from portal.family'), '>', $families + 20, 'families are there';
is row("select last_name || ' ' || coalesce(phone_mobile, '') from portal.guardian where external_id = '700001/1'"),
    "N'Diaye +33639980001", 'with apostrophe and telephone';
is row("select count(*) from portal.child_family cf join portal.child c on c.tenant = cf.tenant and c.id = cf.child_id
    where c.external_id = '800121'"), 2, 'a child of two households is one';
$r = $chief->get("/imports/$id");
like $r->text, qr/Terminé/, 'done';
ok !grep({ /Importer$|Annuler/ } buttons($r)), 'nothing left to decide' or diag join ', ', buttons($r);
my $desk_key = { act => 'apply' };
is json_post($desk, "/imports/$id", { act => 'apply' })->status, 409, 'not twice';
is codes(json_post($desk, "/imports/$id", { act => 'cancel' })), ':import_over', 'nor cancelled any more';

# the same again changes nothing
my $again = id_of(send_form($chief, files => { archive => $bytes }, fields => { dry => 'no' }), 'the same again');
becomes($again, 'done');
$doc = $desk->get("/imports/$again")->json->{import}{counts};
is $doc->{created} + $doc->{updated}, 0, 'makes nothing new' or diag explain $doc;
cmp_ok $doc->{unchanged}, '>', 60, 'and finds all as it is';


### files apart

my %files = %{ Portal::Sample->files(families => 12) };
$id = id_of(send_form($chief, files => { famille => $files{'famille.csv'}, enfant => $files{'enfant.csv'},
    enfant_famille => $files{'enfantFamille.csv'} }), 'three files');
is row("select string_agg(name, ' ' order by file) from portal.import_file where import_id = $id"),
    'famille.csv enfant.csv enfantFamille.csv', 'are one import';
becomes($id, 'checked');
is scalar @{ $desk->get("/imports/$id")->json->{files} }, 3, 'read as such';
$r = $chief->submit($chief->get("/imports/$id"), { act => 'cancel' }, form => "/imports/$id");
like $r->location, qr/avis=import_cancelled/, '« Annuler »';
like $chief->get("/imports/$id")->text, qr/Annulé/, 'is what it is';

my $cut = id_of(send_form($chief, files => { archive => substr $bytes, 0, length($bytes) / 2 }), 'half of an archive');
becomes($cut, 'failed');
$r = $chief->get("/imports/$cut");
like $r->text, qr/Le fichier s’arrête avant la fin/, 'is told as such';
unlike $r->text, qr/Aucune ligne à regarder|Corrigez ces lignes/, 'and not as one without a mistake';

# what a form that was given up has left is not taken along
$portal->psql("insert into portal.import (tenant, source, agent_id, name, dry, state)
    select 1, 'page', id, 'famille.csv', true, 'filling' from portal.agent where tenant = 1 and role = 'administrator';
    insert into portal.import_file (tenant, import_id, file, name, size, pieces, stored)
    select tenant, id, 1, 'famille.csv', 1, 1, 1 from portal.import where state = 'filling'");
$id = id_of(send_form($chief, files => { enfant => $files{'enfant.csv'} }), 'one file after a form that was given up');
is row("select string_agg(name, ' ') from portal.import_file where import_id = $id"), 'enfant.csv', 'is by itself';
$portal->psql("delete from portal.import where state = 'filling'");
becomes($id, 'checked');

like $chief->get('/imports')->text, qr/enfant\.csv · Import \d+ Vérification/, 'the list has them';
unlike row("select string_agg(f::text, ' ') from portal.import_file f"), qr/Jean/, 'not what files were called';


### one that is under way

$portal->psql("update portal.import set state = 'reading', dry = true, finished_at = null, lines = 100, planned = 100,
    lease = gen_random_uuid(), lease_until = now() + interval '1 hour' where id = $id");
$r = $chief->get("/imports/$id");
like $r->text, qr/Lecture en cours/, 'one that is being read';
like $r->content, qr/<progress [^>]*max="100"/, 'its progress';
ok $r->links->{"/imports/$id#contenu"}, '« Actualiser » without scripts';
like $r->content, qr/<button [^>]*data-refresh="\/imports\/$id\/avancement" data-every="20"[^>]* hidden>/, 'and with them';
is $chief->get("/imports/$id/avancement")->status, 200, 'what they ask for';
like $desk->get("/imports/$id/avancement")->json->{import}{state}, qr/reading/, 'is the same';
is json_post($desk, "/imports/$id", { act => 'cancel' })->status, 200, 'cancelled meanwhile';


### round trip: a family asks, an agent accepts, the software says something else

$portal->psql("update portal.family set external_id = 'F1' where number = '104201' and tenant = 1;
    update portal.guardian set external_id = 'F1/1' where id = (select s.guardian_id from portal.subscription s
        join portal.account a on a.id = s.account_id where a.email = '$people{camille}{email}' and s.ended_at is null limit 1)");
my ($guardian) = row("select id from portal.guardian where external_id = 'F1/1'");
my $camille = client();
sign_in($camille, $people{camille});
$camille = as_json($camille);

sub ask {
    my (%fields) = @_;

    my ($set) = json_post($camille, "/famille/responsables/$guardian/base", \%fields)->json->{location} =~ m{/demandes/(\d+)};
    my $doc = $desk->get("/demandes/$set")->json;
    is json_post($desk, "/demandes/$set", { step => 'accept', version => $doc->{version} })->status, 200, 'asked and accepted';
    return $set;
}
# a line about that guardian: what is not said stays
sub software {
    my (%of) = @_;

    my $id = id_of(send_form($chief, files => { famille => csv(['id', 'nomResp1', 'prenomResp1', sort keys %of],
        ['F1', map({ row("select $_ from portal.guardian where id = $guardian") } qw(last_name first_name)),
            map { $of{$_} } sort keys %of]) }, fields => { dry => 'no' }), 'the software says');
    becomes($id, 'done');
    return $desk->get("/imports/$id")->json;
}

# psql gives bytes of UTF-8
my $was = row("select phone_mobile from portal.guardian where id = $guardian");
my $set = ask(phone_mobile => '06 39 98 77 01', profession => 'Luthière');
$doc = software(portableResp1 => '06 39 98 77 99');
is $doc->{import}{counts}{conflict}, 1, 'neither what was nor what was asked';
is row("select phone_mobile from portal.guardian where id = $guardian"), '+33639987701', 'the file is not touched';
like $chief->get('/imports')->text, qr/Une information du logiciel contredit/, 'agents are told';
$r = $chief->get('/imports/conflits');
like $r->text, qr/Téléphone portable · Camille/, 'the list says of whom';
like $r->text, qr/Avant la demande.*Demandé par la famille 06 39 98 77 01 Dans le portail aujourd’hui 06 39 98 77 01 Dans le logiciel 06 39 98 77 99/,
    'with the values';
is_deeply [grep { /Garder|Prendre/ } map { s/ Tél.*//r } buttons($r)], ['Garder celle du portail', 'Prendre celle du logiciel'],
    'and both answers' or diag join ', ', buttons($r);
my ($conflict) = $r->content =~ m{action="/imports/conflits/(\d+)"};
like $chief->get("/imports/conflits/$conflict")->text, qr/Pourquoi ce choix.*La famille ne lit pas ces mots/, 'each is a page, too';
is codes(json_post($desk, "/imports/conflits/$conflict", { act => 'both' })), 'act:choice', 'one of both';
$r = $chief->submit($r, { act => 'take' }, form => "/imports/conflits/$conflict");
like $r->location, qr{^/imports/conflits\?avis=conflict_taken}, '« Prendre celle du logiciel »';
is row("select phone_mobile from portal.guardian where id = $guardian"), '+33639987799', 'is in the file';
is codes(json_post($desk, "/imports/conflits/$conflict", { act => 'keep' })), ':conflict_decided', 'once';
like $chief->get("/imports/conflits/$conflict")->text, qr/Valeur du logiciel prise/, 'which its page says';
like $chief->get('/imports/conflits')->text, qr/Aucune information n’est à départager/, 'none is left';

ask(phone_home => '03 53 01 77 02');
software(telephoneResp1 => '03 53 01 77 88');
($conflict) = $chief->get('/imports/conflits')->content =~ m{action="/imports/conflits/(\d+)"};
{
    my @old = map { $chief->get($_) } '/imports/conflits', "/imports/conflits/$conflict";
    $portal->psql("update portal.guardian set phone_home = '+33353017755' where id = $guardian");
    for my $page (@old) {
        $r = $chief->submit($page, { act => 'take' }, form => "/imports/conflits/$conflict");
        is $r->status, 409, 'not over what has changed since';
        like $r->text, qr/dit autre chose.*03 53 01 77 55/s, 'which is shown';
    }
    is row("select phone_home from portal.guardian where id = $guardian"), '+33353017755', 'nothing is written';
    $portal->psql("update portal.guardian set phone_home = '+33353017702' where id = $guardian");
}
is json_post($desk, "/imports/conflits/$conflict", { act => 'keep', reason => 'Vu avec la famille.' })->status, 200,
    '« Garder celle du portail »';
is row("select phone_home from portal.guardian where id = $guardian"), '+33353017702', 'keeps it';
is row("select state || ' ' || reason from portal.import_conflict where id = $conflict"), 'kept Vu avec la famille.', 'with why';
is software(telephoneResp1 => '03 53 01 77 88')->{import}{counts}{conflict}, 0, 'the same again is none any more';
is row("select count(distinct action) from portal.audit where action in ('start_import', 'decide_import', 'decide_conflict')"),
    3, 'the audit says who';

# another import brings another value while a page is open
{
    ask(phone_home => '03 53 01 77 03');
    software(telephoneResp1 => '03 53 01 77 91');
    my $list = $chief->get('/imports/conflits');
    my ($one) = $list->content =~ m{action="/imports/conflits/(\d+)"};
    my $page = $chief->get("/imports/conflits/$one");
    my $version = $desk->get("/imports/conflits/$one")->json->{conflict}{version};
    software(telephoneResp1 => '03 53 01 77 92');
    for my $old ($list, $page) {
        my $said = $chief->submit($old, { act => 'take' }, form => "/imports/conflits/$one");
        is $said->status, 409, 'what was not shown is not chosen';
        like $said->text, qr/dit autre chose.*03 53 01 77 92/s, 'but shown';
    }
    is codes(json_post($desk, "/imports/conflits/$one", { act => 'keep', version => $version })), ':conflict_changed', 'to a program, too';
    is row("select phone_home from portal.guardian where id = $guardian"), '+33353017703', 'nothing is done';
    is $chief->submit($chief->get("/imports/conflits/$one"), { act => 'take' }, form => "/imports/conflits/$one")->status, 303, 'once it was';
    is row("select phone_home from portal.guardian where id = $guardian"), '+33353017792', 'it is';
}

# what is sealed is opened one by one, which is kept; of their own family an agent reads and decides nothing
{
    my $read = sub { row("select count(*) from portal.audit where action = '$_[0]' and agent_id is not null") };
    $portal->psql("insert into portal.import_conflict (tenant, family_id, guardian_id, section, field, was, asked, imported)
        select t.tenant, t.family_id, t.guardian_id, 'guardian_tax', 'tax_number', v, v, v
          from portal.tax t, to_jsonb(t.tax_number::text) v where t.guardian_id = $guardian");
    my $lists = $read->('read_conflicts');
    my $doc = $desk->get('/imports/conflits')->json->{conflicts};
    is scalar @$doc, 1, 'a sealed value';
    ok $doc->[0]{masked} && !grep({ defined $doc->[0]{$_} } qw(was asked now imported)), 'is not opened in the list';
    is $read->('read_conflicts'), $lists + 1, 'T215 that the list was read is kept';
    is $read->('read_tax'), 0, 'and nothing else was';
    my $one = "/imports/conflits/$doc->[0]{id}";
    my $list = $chief->get('/imports/conflits');
    ok $list->links->{$one}, 'the list leads there';
    unlike $list->content, qr/action="\Q$one\E"/, 'and nothing is chosen unseen';
    like $desk->get($one)->json->{conflict}{imported}, qr/^\d{13}$/, 'on its page it is';
    is $read->('read_tax'), 1, 'T215 and who has read it is kept';

    my $email = row("select a.email from portal.agent a join portal.audit x on x.agent_id = a.id where x.action = 'read_tax'");
    my $was = row("select email from portal.guardian where id = $guardian");
    $portal->psql("update portal.guardian set email = '$email' where id = $guardian");
    is_deeply $desk->get('/imports/conflits')->json->{conflicts}, [], 'T202 of their own family there is none';
    is $desk->get($one)->json->{code}, 'own_family', 'T202 is not read';
    # nor in a report, be it a page, JSON or a spreadsheet's
    my ($import, $told, $line) = split /\|/, row("select concat_ws('|', import_id, (select count(*) from portal.import_line o where o.import_id = l.import_id and o.outcome = 'conflict'), line)
        from portal.import_line l where outcome = 'conflict' and detail \@> (select jsonb_build_array(jsonb_build_object('key', external_id)) from portal.guardian where id = $guardian) order by import_id desc limit 1");
    my $shown = sub {
        my $doc = $desk->get("/imports/$import?resultat=$_[0]")->json;
        return join ' ', $doc->{import}{counts}{conflict}, scalar(grep { $_->{outcome} eq 'conflict' } @{ $doc->{lines} }),
            $chief->get("/imports/$import?resultat=$_[0]")->text =~ /contredit la demande/ ? 'page' : (), $chief->get("/imports/$import/rapport.csv")->content =~ /contredit la demande/ ? 'sheet' : ();
    };
    is $shown->($_), '0 0', "T202 nor is there one in the report of an import: $_" for 'conflict', 'all', '';
    $portal->psql("update portal.guardian set email = '$was' where id = $guardian");
    is $shown->($_), "$told $told page sheet", "which has one of another family: $_" for 'conflict', 'all', '';
    $portal->psql("update portal.guardian set email = '$email' where id = $guardian");
    my $r = json_post($desk, $one, { act => 'take' }, page => '/session');
    is $r->status . ' ' . codes($r), '403 :own_family', 'T202 nor decided';
    is row("select string_agg(distinct outcome, ' ') from portal.audit where object = 'import_conflict' and outcome like 'own%'"), 'own_family', 'and kept';
    $portal->psql("update portal.guardian set email = '$was' where id = $guardian; delete from portal.import_conflict where state = 'open'");
}

# a report of more than a page goes on where it was, whatever the file is called
{
    my $lines = csv([qw(family number label)], map { ["P$_", "n° $_", 'Nom'] } 1 .. 60);
    zip(\$lines => \my $zip, Name => 'Familles 2026-11 (+ 7 % & 100).csv', Method => ZIP_CM_DEFLATE);
    my $long = id_of(send_form($chief, files => { archive => $zip }), 'a file with an odd name');
    becomes($long, 'checked');
    my $one = $desk->get("/imports/$long")->json;
    is scalar @{ $one->{lines} }, 50, 'fifty lines';
    my $two = $desk->get("/imports/$long?apres=$one->{next}")->json;
    is scalar @{ $two->{lines} // [] }, 10, 'then the others' or diag explain $two;
    is $two->{next}, undef, 'and no more';
    my ($next) = grep { /apres=/ } keys %{ $chief->get("/imports/$long")->links };
    like $chief->get($next =~ s/#.*//r)->text, qr/ligne 61/, 'by the page\'s link, too';
    is $desk->get("/imports/$long?apres=$_")->status, 422, "$_ is no place" for '51:Familles', '1-ff', '1-', 'x';
}

# a field that is left out leaves the rest of its line, unless that is refused
{
    my $two = id_of(send_form($chief, files => { famille => csv([qw(id nomResp1 prenomResp1 portableResp1)],
        ['790001', '=1+1', 'Zoé', '06 11'], ['790002', 'Entier', 'Zoé', '06 11']) }), 'two bad numbers');
    becomes($two, 'checked');
    my $told = $chief->get("/imports/$two")->text;
    my $left = 'Ce numéro de téléphone n’est pas complet. Corrigez-le, comme 06 12 34 56 78.';
    like $told, qr/ligne 3 Créée portableResp1 : $left Le reste de la ligne est pris/, 'the rest is taken';
    like $told, qr/ligne 2 Refusée .*portableResp1 : $left famille\.csv, ligne 3/, 'of a line that is refused it is not';
}

# a number of the installation would tell a town how much the others do
{
    my ($there) = agent_client(role => 'administrator', town => 'beaulieu');
    my $ours = row('select max(id) from portal.import where tenant = 1');
    cmp_ok $ours, '>', 2, 'many were sent here';
    for my $n (1, 2) {
        is id_of(send_form($there, files => { famille => csv(\@HEADER, [$n]) }), 'another town sends one'), $n, "its number $n";
    }
    is $there->get("/imports/$ours")->status, 404, 'T070 ours is none there';
    is id_of(send_form($chief, files => { famille => csv(\@HEADER, ['x']) }), 'one more here'), $ours + 1, 'ours go on';
}

is client(json => 1)->get($_)->status, 404, "$_ is no page of families" for '/imports', '/import/1', '/imports/conflits';

done_testing;
