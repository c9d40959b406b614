#!/usr/bin/perl

# Requests of families, from the form to the decision, as pages and as JSON:
# what is asked, checked, replaced, withdrawn, completed, accepted, refused,
# undone; two guardians, two agents, and a file that changes meanwhile.

use strict;
use warnings;
use utf8;

use Portal::Test;

my $portal = portal();
my $FAMILY = '104201';      # Camille and Julien Martin

my $camille = client();
sign_in($camille, account('couple'));
my $julien = client();
sign_in($julien, (grep { $_->{email} =~ /^julien/ } @{ $portal->demo->{accounts} })[0]);
my ($agent, $jeanne) = agent_client();
my $reader_one = new_agent(role => 'reader', name => 'Rémi Lecteur');
my $other = new_agent(name => 'Odile Autre');

sub as_json {
    my ($c) = @_;

    my $j = Portal::Client->new(stack => $portal, json => 1, origin => $c->{origin},
        map { $_ => $c->{$_} } grep { defined $c->{$_} } qw(town agents host));
    $j->{$_} = $c->{$_} for qw(cookies origin);
    return $j;
}

my ($j, $aj) = (as_json($camille), as_json($agent));

my ($me, $him) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
    join portal.family f on f.id = g.family_id where f.number = '$FAMILY' order by g.rank");
my $page = "/famille/responsables/$me";
my $address = "$page/adresse";

sub live {
    my ($column, $id) = @_;

    my $table = $column =~ /^(street_number|repetition|street|complement|city|postal_code|country|hosted_by)$/
        ? 'address' : 'guardian';
    my $key = $table eq 'address' ? 'guardian_id' : 'id';
    return Encode::decode('UTF-8', scalar $portal->psql(
        "select $column from portal.$table where $key = " . ($id // $me)) // '');
}

sub outside {
    my ($column, $value, $id) = @_;

    my $table = $column =~ /^(street|complement|city)$/ ? 'address' : 'guardian';
    my $key = $table eq 'address' ? 'guardian_id' : 'id';
    $portal->psql(Encode::encode('UTF-8', "update portal.$table set $column = "
        . (defined $value ? "'$value'" : 'null') . " where $key = " . ($id // $me)));
}

# asks as a page does, without scripts: form, check, send; returns the answer
sub ask {
    my ($c, $path, $fields) = @_;

    my $form = $c->get($path);
    my $step = $form->content =~ /name="step" value="check"/ ? 'check' : 'send';
    my $r = $c->submit($form, { %$fields, step => $step }, form => $path);
    return $r if $step eq 'send' || $r->status != 200;
    return $c->submit($r, { step => 'send' }, form => $path);
}

sub number_of { $_[0]->location =~ m{^/famille/demandes/(\d+)} ? $1 : undef }

sub state_of {
    my ($id) = @_;

    return scalar $portal->psql("select state from portal.change_set where id = $id");
}

sub decide {
    my ($c, $id, $fields, $from) = @_;

    $from //= $c->get("/demandes/$id");
    return $c->submit($from, $fields, form => "/demandes/$id");
}


### the form, the check, the receipt

my $street = live('street');
my $form = $camille->get($address);

is $form->status, 200, 'the form';
like $form->title, qr/Adresse/, 'says which section';
my %field = @{ $form->form($address)->{fields} };
is $field{street}, $street, 'opens with what the file holds';
like $field{version}, qr/^[0-9a-f]{32}$/, 'and its version';
is $field{country}, 'FR', 'the country is chosen';
like $form->content, qr/<option value="FR" selected>France/, 'by its name';
unlike $form->text, qr/authority|guardian_|NULL/, 'no technical word';

my $rows = counted(qw(change_set change_item outbox audit idempotency));
my $check = $camille->submit($form, { street_number => '3', street => 'rue des Lilas', step => 'check' },
    form => $address);

is $check->status, 200, 'the check';
like $check->title, qr/Vérifiez votre demande/, 'its title';
like $check->text, qr/Numéro Avant : \d+ Demandé : 3 Nom de la rue ou de la voie Avant : \Q$street\E Demandé : rue des Lilas/, 'both values';
is counted(qw(change_set change_item outbox audit idempotency)), $rows, 'stores nothing';

my $again = $camille->submit($check, { step => 'edit' }, form => $address);
is { @{ $again->form($address)->{fields} } }->{street}, 'rue des Lilas',
    '« Modifier ma demande »: what was typed';
is counted(qw(change_set change_item)), join(' ', (split ' ', $rows)[0 .. 3]),
    'nothing stored either';

my $none = $camille->submit($camille->get($address), { step => 'check' }, form => $address);
like $none->text, qr/Vous n’avez rien modifié/, 'a check of nothing says so';
is $camille->submit($camille->get($address), { step => 'send' }, form => $address)->status,
    422, 'nothing cannot be sent';

for my $bad ([street => '', 'Saisissez le nom de la rue'], [postal_code => '4400', '75001'],
    [city => 'x' x 101, 'plus court'], [country => 'ZZ', '']) {
    my ($name, $value, $words) = @$bad;
    my $r = $camille->submit($camille->get($address),
        { street => 'rue Kept', $name => $value, step => 'check' }, form => $address);
    is $r->status, 422, "$name = « " . substr($value, 0, 8) . " » is refused";
    like $r->content, qr/id="$name-error"/, 'beside the field';
    like $r->text, qr/$words/, 'with words that help';
    is { @{ $r->form($address)->{fields} } }->{street} // '', $name eq 'street' ? '' : 'rue Kept',
        'what was typed is there';
}

my $sent = $camille->submit($check, { step => 'send' }, form => $address);
is $sent->status, 303, 'sent';
my $id = number_of($sent);
my $receipt = $camille->get($sent->location);
my ($number) = $receipt->text =~ /(20\d\d-\d{7})/;

like $receipt->text, qr/Votre demande est envoyée/, 'the receipt says so';
ok $number, 'it has a number';
like $receipt->text, qr/En attente de validation/, 'a state';
like $receipt->text, qr/Réponse prévue avant le \d+/, 'a day';
like $receipt->text, qr/\Q$street\E.*rue des Lilas/s, 'and what was asked';
is live('street'), $street, 'the file has not changed';

my $mail = letter('camille.martin@exemple.fr', 'change_sent');
like $mail->{subject}, qr/\Q$number\E/, 'the mail has the number';
like $mail->{text}, qr/Numéro\b.*Nom de la rue ou de la voie/s, 'names the fields';
unlike $mail->{text}, qr/Lilas|\Q$street\E/, 'and gives no value';
like $mail->{html}, qr{/famille/demandes/$id}, 'it leads to the request';

my $shown = $camille->get($page);
like $shown->text, qr/Numéro et voie \d+ \Q$street\E/, "the person's page: today's value";
like $shown->text, qr/Modification demandée.*Demandé : 3 .*Demandé : rue des Lilas/s, 'the asked one beside it';
like $camille->get('/famille/demandes')->text, qr/En cours.*\Q$number\E.*Terminées/s,
    '« Mes demandes »';


### as JSON

my $doc = $j->get($address)->json;
is "$doc->{values}{street_number} $doc->{values}{street}", '3 rue des Lilas', 'JSON: the form opens with what is asked';
is $doc->{current}{street}, $street, 'and says what the file holds';
is $doc->{request}{number}, $number, 'and which request';
is $doc->{policy}{street}, 'required', 'and the policy';
is join(' ', map { $_->{asked} } @{ $j->get("/famille/demandes/$id")->json->{request}{items} }), '3 rue des Lilas',
    'the request';
is $j->get('/famille/demandes')->json->{open}[0]{id}, $id, 'the list';


### a new one replaces it; the same twice counts once

my $r = json_post($j, $address, { complement => 'Bâtiment B' });
is $r->status, 200, 'JSON: another field alone';
my $second = $r->json->{location} =~ m{(\d+)\?*} ? $1 : 0;
is state_of($id), 'replaced', 'the former one is replaced';
is_deeply [map { $_->{field} } @{ $j->get("/famille/demandes/$second")->json->{request}{items} }],
    [qw(street_number street complement)], 'what was asked before is still asked';
is scalar($portal->psql("select replaces from portal.change_set where id = $second")), $id,
    'it says which one it replaces';
like $camille->get("/famille/demandes/$id")->text, qr/Remplacée par une autre/, 'and so does the page';

$r = json_post($j, $address, { street => undef });
is $r->status, 422, 'a required field cannot be emptied';
is $r->json->{errors}[0]{code}, 'required', 'and that is the reason';
is json_post($j, $address, { rank => 1 })->status, 422, 'a field of no form';
is json_post($j, $address, { section => 'guardian_tax' })->status, 422,
    'nor can the section be chosen';
is json_post($j, $address, { postal_code => '1' })->status, 422, 'a wrong code';
is json_post($j, $address, { country => 'BE' })->status, 200,
    'abroad with a code of five digits';
my ($third) = map { $_->{id} } @{ $j->get('/famille/demandes')->json->{open} };

my $etag = $j->get($address)->header('etag');
is json_post($j, $address, { complement => 'C' }, headers => { 'If-Match' => '"old"' })->status, 412,
    'If-Match of another version';
is json_post($j, $address, { complement => 'C' }, headers => { 'If-Match' => $etag })->status, 200,
    'If-Match of this one';


### taking it back

my ($open) = map { $_->{id} } @{ $j->get('/famille/demandes')->json->{open} };
$r = $camille->submit($camille->get("/famille/demandes/$open"), {}, form => "/famille/demandes/$open");
is $r->status, 303, 'withdrawn';
is state_of($open), 'withdrawn', 'in the database too';
like $camille->get("/famille/demandes/$open")->text, qr/Annulée par vous/, 'by her, she reads';
like $agent->get("/demandes/$open")->text, qr/Annulée par la famille/, 'by the family, an agent reads';
unlike $agent->get("/demandes/$open")->text, qr/par vous/, 'not by the agent';
{
    my $number = $portal->psql("select number from portal.change_set where id = $open");
    like $agent->get("/?numero=$number")->text, qr/Annulée par la famille/, 'nor in the queue';
}
like $camille->get($r->location)->text, qr/Votre demande est annulée/, 'and the page says so';
is { @{ $camille->get($address)->form($address)->{fields} } }->{street}, $street,
    'the form opens with the file again';

$id = number_of(ask($camille, $address, { street => 'rue Une' }));
$r = ask($camille, $address, { street => $street });
is state_of($id), 'withdrawn', 'asking for what the file holds withdraws the request';


### accepted: read back by the family and by the other guardian

$id = number_of(ask($camille, $address, { street_number => '3', street => 'rue des Lilas', complement => 'Étage 2' }));
unlike $julien->get($page)->text, qr/Lilas/, 'the other guardian sees no proposal';
unlike $julien->get('/famille/demandes')->text, qr/Adresse/, 'nor the request';
is $julien->get("/famille/demandes/$id")->status, 404, 'nor at its address';
my $his = number_of(ask($julien, $address, { street => 'place Ronde' }));
ok $his, 'he may ask about the same address';

my $queue = $agent->get('/');
like $queue->text, qr{Adresse\W+Camille Martin}, 'the queue';
my $case = $agent->get("/demandes/$id");
is $case->status, 200, 'the request';
like $case->text, qr/Vu par la famille.*Dans le dossier aujourd’hui.*Demandé/s, 'three columns';
like $case->text, qr/Une autre demande porte sur les mêmes informations/,
    'it says that there is another one';
like $case->text, qr/entier/, 'an address is accepted whole';
is decide($agent, $id, { step => 'partly', street => 'accept' }, $case)->status, 422,
    'never in part';

$r = decide($agent, $id, { step => 'accept' }, $case);
is $r->status, 303, 'accepted';
is live('street'), 'rue des Lilas', 'the file says so';
is live('complement'), 'Étage 2', 'all of it';
like $camille->get($page)->text, qr/Numéro et voie 3 rue des Lilas/, 'read back by the family';
like $julien->get($page)->text, qr/Numéro et voie 3 rue des Lilas/, 'and by the other guardian';
like $camille->get("/famille/demandes/$id")->text, qr/Acceptée/, 'the request says so';
{
    my $number = $portal->psql("select number from portal.change_set where id = $id");
    for my $query ("numero=$number", "etat=waiting&rubrique=child_photo&qui=mine&numero=+$number+") {
        my $found = $agent->get("/?$query");
        is scalar(() = $found->content =~ m{href="/demandes/\d+"}g), 1, "$query: one request";
        ok $found->links->{"/demandes/$id"}, 'whatever its state and the other choices';
        like $found->text, qr/Les autres choix ne comptent pas/, 'which the page says';
    }
    unlike $agent->get('/')->text, qr/\Q$number\E|ne comptent pas/, 'not without a number';
    is_deeply $aj->get('/?numero=2000-0000000')->json->{requests}, [], 'a number of nothing';
}
like letter('camille.martin@exemple.fr', 'change_accepted')->{subject}, qr/acceptée/, 'and a mail';

$case = $agent->get("/demandes/$his");
like $case->text, qr/A changé/, "the other guardian's request: both have moved";
like $case->text, qr/\Q$street\E.*rue des Lilas.*place Ronde/s, 'all three values';
is decide($agent, $his, { step => 'refuse' }, $case)->status, 422, 'a refusal needs a reason';
$r = decide($agent, $his, { step => 'refuse', reason => 'Votre conjointe a donné une autre adresse.' },
    $case);
is $r->status, 303, 'refused';
like $julien->get("/famille/demandes/$his")->text, qr/Refusée.*Votre conjointe a donné/s,
    'he reads why';
like letter('julien.martin@exemple.fr', 'change_refused')->{text}, qr/Votre conjointe a donné/, 'in the mail too';
{
    my $mail = letter('julien.martin@exemple.fr', 'change_refused')->{text};
    like $mail, qr/nouvelle demande depuis cette page/, 'where he may ask anew';
    my ($anew) = $julien->get("/famille/demandes/$his")->content
        =~ m{href="([^"]+)">Faire une nouvelle demande};
    like $julien->get($anew // '/nulle-part')->text, qr/Modifier «\sAdresse\s»/, 'and the page leads there';
    unlike $camille->get("/famille/demandes/$id")->content, qr/Faire une nouvelle demande/, 'not one that was accepted';
}
unlike $camille->get("/famille/demandes/$id")->text, qr/conjointe/, 'she does not';


### half an address is none: what was not asked for is compared too

$id = number_of(ask($camille, $address, { complement => 'Étage 4' }));
my $whole = $aj->get("/demandes/$id")->json;
is_deeply [map { $_->{field} } @{ $whole->{rest} }],
    [qw(street_number repetition street locality postal_code city country hosted_by)], 'what is not asked for is there';
is_deeply [grep { $_->{conflict} } @{ $whole->{rest} }], [], 'as it was';
ok !$whole->{conflict}, 'nothing to warn of';
unlike $agent->get("/demandes/$id")->text, qr/A changé|Le dossier a changé/, 'nor on the page';
my $town = live('city');
outside(city => 'Lille');
$whole = $aj->get("/demandes/$id")->json;
is_deeply [map { "$_->{field} $_->{before} $_->{now}" } grep { $_->{conflict} } @{ $whole->{rest} }],
    ["city $town Lille"], 'the file has moved beside what is asked';
ok $whole->{conflict}, 'the agent is warned';
$case = $agent->get("/demandes/$id");
like $case->text, qr/Le dossier a changé depuis la demande/, 'on the page';
like $case->text, qr/Commune A changé \Q$town\E Lille Non demandé/, 'of which field';
outside(city => $town);
ok !$aj->get("/demandes/$id")->json->{conflict}, 'not once it is back';
$portal->psql("update portal.change_set set rest = null where id = $id");
$whole = $agent->get("/demandes/$id")->text;
like $whole, qr/Commune Non conservé \Q$town\E Non demandé/, 'asked before that was kept: what there is today';
unlike $whole, qr/A changé/, 'of which nothing is said';
is decide($agent, $id, { step => 'refuse', reason => 'Non.' })->status, 303, 'refused';


### more is asked for, and given

my $base = "$page/base";
$id = number_of(ask($camille, $base, { profession => 'Sage-femme', phone_work => '01 02 03 04 05' }));
$number = $portal->psql("select number from portal.change_set where id = $id");
decide($agent, $id, { step => 'incomplete', reason => 'Précisez votre employeur.' });
is state_of($id), 'incomplete', 'the town asks for more';
like $camille->get("/famille/demandes/$id")->text, qr/À compléter.*Précisez votre employeur/s,
    'the family reads what';
is decide($agent, $id, { step => 'accept' })->status, 409, 'it is not to be decided meanwhile';
is number_of(ask($camille, $base, { employer => 'Hôpital' })), $id, 'completed under its number';
is state_of($id), 'sent', 'and waits again';
is_deeply [map { $_->{field} } @{ $aj->get("/demandes/$id")->json->{items} }],
    [qw(phone_work profession employer)], 'with all that is asked';


# or never given
{
    my $open = number_of(ask($julien, $base, { phone_home => '01 02 03 04 11' }));
    my $another = agent_client(as => $other);
    decide($another, $open, { step => 'take' });
    decide($another, $open, { step => 'incomplete', reason => 'Est-ce bien ce numéro ?' });
    my $waits = $agent->get("/demandes/$open");
    like $waits->text, qr/La famille ne répond pas/, 'an agent may end it';
    unlike $waits->content, qr/value="(?:accept|partly|incomplete|take)"/, 'and nothing else';
    is decide($agent, $open, { step => $_, reason => "Non." })->status, 409, "not $_" for qw(accept take release incomplete);
    is decide($agent, $open, { step => "refuse" })->status, 422, "with its reason";
    is decide($agent, $open, { step => 'refuse', reason => "Sans réponse de votre part." })->status, 303,
        'also where another one had taken it';
    like $julien->get("/famille/demandes/$open")->text, qr/Refusée.*Sans réponse de votre part/s, 'the family reads why';
    is number_of(ask($julien, $base, { phone_home => '01 02 03 04 11' })) > $open, 1, 'and asks anew';
    $open = as_json($julien)->get('/famille/demandes')->json->{open}[0]{id};
    $julien->submit($julien->get("/famille/demandes/$open"), {}, form => "/famille/demandes/$open");
}


### accepted in part

my $apart = number_of(ask($julien, $base, { phone_home => '01 02 03 04 09' }));
unlike $agent->get("/demandes/$id")->text, qr/Une autre demande/, 'who asks about other fields is no other';
ask($julien, $base, { phone_home => '01 02 03 04 09', employer => 'Clinique' });
$case = $agent->get("/demandes/$id");
like $case->text, qr/Une autre demande porte sur les mêmes informations/, 'with one field in common it is';
for my $open (map { $_->{id} } @{ as_json($julien)->get('/famille/demandes')->json->{open} }) {
    $julien->submit($julien->get("/famille/demandes/$open"), {}, form => "/famille/demandes/$open");
}
like $case->text, qr/Réponse à la famille \(obligatoire pour refuser ou demander une précision/,
    'the answer is not said to be optional';
unlike $case->text, qr/facultatif/, 'nor anything';
$r = decide($agent, $id, { step => 'partly', phone_work => 'accept', profession => 'refuse',
    reason => 'La profession ne correspond pas.' }, $case);
is $r->status, 422, 'each line needs its decision';
like $r->text, qr/corriger Employeur\s: Choisissez «\sAccepter\s» ou «\sRefuser\s»/, 'the one without it is named';
$r = decide($agent, $id, { step => 'partly', phone_work => 'accept', profession => 'refuse',
    employer => 'accept' }, $case);
is $r->status, 422, 'and a refused one its reason';
my ($profession, $work) = (live('profession'), live('phone_work'));
$r = decide($agent, $id, { step => 'partly', phone_work => 'accept', profession => 'refuse',
    employer => 'accept', reason => 'La profession ne correspond pas.' }, $case);
is $r->status, 303, 'accepted in part';
is live('phone_work'), '+33102030405', 'what was accepted is in the file';
is live('profession'), $profession, 'what was refused is not';
like $camille->get("/famille/demandes/$id")->text,
    qr/Acceptée en partie.*La profession ne correspond pas.*Sage-femme Refusé/s, 'the family reads both';


### an accepted change is undone by another one

$case = $agent->get("/demandes/$id");
unlike $case->content, qr/name="reason_code"/, 'no ready words of other answers';
like $case->text, qr/Réponse à la famille \(obligatoire pour annuler\)/, 'its own are needed';
is json_post($aj, "/demandes/$id", { step => 'reverse', reason_code => 'proof_needed',
    version => $aj->get("/demandes/$id")->json->{version} })->status, 422, 'nor sent by a program';
$r = decide($agent, $id, { step => 'reverse' });
is $r->status, 422, 'with a reason';
$r = decide($agent, $id, { step => 'reverse', reason => 'Erreur de saisie.' });
is $r->status, 303, 'undone';
isnt $r->location, undef, 'by a request of its own';
is live('phone_work'), $work, 'the file is as it was';
is state_of($id), 'partly', 'history stays';
my ($undone) = $r->location =~ /(\d+)/;
is scalar($portal->psql("select reverses from portal.change_set where id = $undone")), $id,
    'and says what it undoes';

# once, and who had asked reads it
like $agent->get("/demandes/$id")->text, qr/Annulée par la demande n° \d{4}-\d{7}/, 'the page says so';
ok $agent->get("/demandes/$id")->links->{"/demandes/$undone"}, 'and leads there';
unlike $agent->get("/demandes/$id")->content, qr/value="reverse"/, 'with nothing to undo';
$r = decide($agent, $id, { step => 'reverse', reason => 'Encore.' });
is $r->status, 409, 'not twice';
like $r->text, qr/Cette modification a déjà été annulée/, 'which is said';
is_deeply [map { $_->{code} } @{ json_post($aj, "/demandes/$id", { step => 'reverse', reason => 'Encore.',
    version => $aj->get("/demandes/$id")->json->{version} })->json->{errors} }], ['request_reversed'],
    'as JSON too';
my ($path) = letter('camille.martin@exemple.fr', 'change_reversed')->{text} =~ m{(/famille/demandes/\d+)};
is $path, "/famille/demandes/$undone", 'the mail leads to what undid it';
$r = $camille->get($path);
is $r->status, 200, 'which opens for who had asked';
like $r->text, qr{La mairie a remis ces informations.*Erreur de saisie.*Ce que la mairie a remis.*Remis\s:}s,
    'and says so';
is $julien->get($path)->status, 404, 'for nobody else';
like $camille->get("/famille/demandes/$id")->text, qr/La mairie a annulé cette modification/,
    'as does her request';
like $camille->get('/famille/demandes')->text, qr/Acceptée en partie Annulée par la demande n°/,
    'and the list';

# what comes back is what the file held, not what the family had seen
outside(profession => 'Sage-femme');
$id = number_of(ask($camille, $base, { profession => 'Aide-soignante' }));
outside(profession => 'Médecin');
is decide($agent, $id, { step => 'accept' })->status, 303, 'accepted over another value';
is live('profession'), 'Aide-soignante', 'what was asked';
my $waits = number_of(ask($camille, $base, { employer => 'Clinique' }));
$r = decide($agent, $id, { step => 'reverse', reason => 'Erreur de saisie.' });
is $r->status, 303, 'undone, while she asks for something else';
is live('profession'), 'Médecin', 'what the file held just before';
is state_of($waits), 'sent', 'what she asks for waits';
($undone) = $r->location =~ /(\d+)/;
is decide($agent, $undone, { step => 'reverse', reason => 'Finalement si.' })->status, 303,
    'that is undone too';
is live('profession'), 'Aide-soignante', 'what it had undone';
$camille->submit($camille->get("/famille/demandes/$waits"), {}, form => "/famille/demandes/$waits");

# what was there then no longer goes with what the file holds now
my ($child) = map { $_->[0] } $portal->psql("select m.child_id from portal.child_family m
    join portal.family f on f.id = m.family_id where f.number = '$FAMILY' order by m.rank limit 1");
$portal->psql("delete from portal.insurance where child_id = $child");
$id = number_of(ask($camille, "/famille/enfants/$child/generales", { insurer => 'MAIF' }));
is decide($agent, $id, { step => 'accept' })->status, 303, 'an insurance where there was none';
$portal->psql("update portal.insurance set policy = 'P 12' where child_id = $child");
$rows = counted(qw(change_set change_item change_event outbox));
$case = $agent->get("/demandes/$id");
$r = decide($agent, $id, { step => 'reverse', reason => 'Erreur de saisie.' }, $case);
is $r->status, 422, 'a contract without its insurer does not come back';
like $r->text, qr/Saisissez le nom de l’assurance/, 'the agent reads which field';
is counted(qw(change_set change_item change_event outbox)), $rows, 'nothing is written';
is scalar($portal->psql("select insurer || ' ' || policy from portal.insurance
    where child_id = $child")), 'MAIF P 12', 'nor in the file';
is state_of($id), 'accepted', 'the request is as it was';

# who was added is taken out again: an adult who may collect, a child, a guardian
for (["/famille/enfants/$child/contacts/nouveau", 'contact', 'Retirer un contact',
        { last_name => 'Rebours', first_name => 'Alix', link => 'friend', phone_mobile => '0612345678', collect => 'yes', emergency => 'no' }],
    ['/famille/enfants/ajout', 'child_family', 'Retirer un enfant',
        { last_name => 'Rebours', first_name => 'Zoé', birth_date_day => 1, birth_date_month => 2, birth_date_year => 2024 }],
    ['/famille/responsables/ajout', 'guardian', 'Retirer un responsable', { last_name => 'Rebours', first_name => 'Max', link => 'other' }])
{
    my ($path, $table, $what, $fields) = @$_;
    my $there = sub { scalar $portal->psql("select count(*) from portal.$table x join portal.family f on f.id = x.family_id where f.number = '$FAMILY'") };
    my $before = $there->();

    $id = number_of(ask($camille, $path, $fields));
    is decide($agent, $id, { step => 'accept' })->status, 303, "$table: added";
    is $there->(), $before + 1, 'there it is';
    like $agent->get("/demandes/$id")->content, qr/value="reverse"/, 'that can be undone';
    $r = decide($agent, $id, { step => 'reverse', reason => 'Acceptée par erreur.' });
    is $r->status, 303, 'undone' or diag $r->text;
    is $there->(), $before, 'by taking it out again';
    ($undone) = $r->location =~ /(\d+)/;
    like $agent->get("/demandes/$undone")->text, qr/Acceptée .*$what.*Annule la demande n°/s, 'a request of its own';
    like $camille->get("/famille/demandes/$undone")->text, qr/Acceptée par erreur\./, 'whose reason the family reads';
    like $camille->get("/famille/demandes/$id")->text, qr/annulé cette modification/, 'beside what it undoes';
    ok letter('camille.martin@exemple.fr', 'change_reversed'), 'and hears of';
    unlike $agent->get("/demandes/$id")->content, qr/value="reverse"/, 'once';
    is scalar($portal->psql("select count(*) from portal.change where set_id = $undone")), 1, 'the town\'s software is told';
}
$id = number_of(ask($camille, "/famille/enfants/$child/contacts/nouveau", { last_name => 'Parti', first_name => 'Luc', link => 'friend',
    phone_mobile => '0612345678', collect => 'no', emergency => 'yes' }));
decide($agent, $id, { step => 'accept' });
$case = $agent->get("/demandes/$id");
$portal->psql("delete from portal.contact where last_name = 'Parti'");
unlike $agent->get("/demandes/$id")->content, qr/value="reverse"/, 'who has gone meanwhile is not taken out';
is decide($agent, $id, { step => 'reverse', reason => 'Erreur.' }, $case)->status, 409, 'nor by a page of before';


### the file changes between reading and asking

$form = $camille->get($base);
outside(employer => 'Mairie');
$r = $camille->submit($form, { profession => 'Luthière', step => 'send' }, form => $base);
is $r->status, 409, 'an old page is not sent';
like $r->text, qr/Rien n’a été enregistré Le dossier a changé/, 'it says why';
unlike $r->text, qr/à corriger/, 'which is nothing to be mended';
%field = @{ $r->form($base)->{fields} };
is $field{profession}, 'Luthière', 'what was typed is there';
$r = $camille->submit($r, { employer => 'Mairie', step => 'send' }, form => $base);
is $r->status, 303, 'looked at again, it is sent';
$id = number_of($r);

$form = $camille->get($base);
ask($camille, $base, { profession => 'Luthière d’art' });
is $camille->submit($form, { profession => 'Autre', step => 'send' }, form => $base)->status, 409,
    'two tabs: the second is told of the first';


# what the person left as it was takes the value of now; what both have changed
# stays as typed, with the value of now beside it
{
    my $tax = "$page/fiscales";
    my $fields = sub { return { @{ $_[0]->form($tax)->{fields} } } };
    my $set = sub { $portal->psql("update portal.tax set $_[0] where guardian_id = $me") };

    $set->('quotient = 1376, shares = 2.5');
    my $form = $camille->get($tax);
    my %open = %{ $fields->($form) };
    is $open{quotient}, 1376, 'the form opens with the quotient';
    like $open{opened}, qr/^[A-Za-z0-9_.-]+$/, 'and says what it was opened with, in tags';
    is length($open{opened}) % 8, 0, 'one for each field';
    my $typed = $camille->submit($form, { quotient => '1 376 €', reference_income => '23456,70', step => 'check' },
        form => $tax);
    is $typed->status, 422, 'amounts are whole numbers';
    like $typed->text, qr/le quotient familial en euros, en chiffres seuls .*, par exemple 850\./, 'says the quotient, by its own example';
    like $typed->text, qr/le revenu en euros, en chiffres seuls .*, par exemple 23456\./, 'and so does the income';
    is $fields->($typed)->{quotient}, '1 376 €', 'what was typed stays';
    is $fields->($camille->get($tax))->{opened}, $open{opened}, 'the same for the same';

    $set->('quotient = 900');
    isnt $fields->($camille->get($tax))->{opened}, $open{opened}, 'another for another value';
    my $r = $camille->submit($form, { shares => '3', step => 'check' }, form => $tax);
    is $r->status, 409, 'the file has changed';
    my %now = %{ $fields->($r) };
    is $now{quotient}, 900, 'what was not touched has the value of now';
    is $now{shares}, '3', 'what was typed stays';
    like $r->text, qr/Quotient familial.*?Cette réponse a changé entre-temps\. Voici/s, 'and it is said';
    unlike $r->text, qr/Valeur d’aujourd’hui/, 'nothing is in two minds';
    $r = $camille->submit($r, { step => 'check' }, form => $tax);
    is $r->status, 200, 'sent again as the page advises';
    like $r->text, qr/Nombre de parts.*2,50? .*3/s, 'the parts are asked for';
    unlike $r->text, qr/1\s?376|Quotient/, 'and the newer quotient is not undone';

    $form = $r;
    $set->('quotient = 950');
    is $fields->($camille->submit($form, { step => 'send' }, form => $tax))->{quotient}, 950,
        'nor over the page that shows it again';

    $form = $camille->get($tax);
    $set->('quotient = 1000, shares = 4');
    $r = $camille->submit($form, { quotient => '1 200', step => 'check' }, form => $tax);
    is $r->status, 409, 'both have changed the same';
    %now = %{ $fields->($r) };
    is $now{quotient}, '1 200', 'what was typed stays';
    like $r->text, qr/Quotient familial.*?Valeur d’aujourd’hui\s: 1000/s, 'with the value of now beside it';
    like $r->content, qr/id="quotient-moved".*aria-describedby="[^"]*quotient-moved"/s, 'to be heard, too';
    is $now{shares}, '4', 'and the other is that of now';
    $r = $camille->submit($r, { step => 'check' }, form => $tax);
    like $r->text, qr/Quotient familial.*1000 .*1200/s, 'sent again it is what was typed';

    # a field that is wrong gives an old page a new version, too
    $form = $camille->get($tax);
    $set->('quotient = 1100');
    $r = $camille->submit($form, { shares => 'beaucoup', step => 'check' }, form => $tax);
    is $r->status, 422, 'an answer that is none';
    is $fields->($r)->{quotient}, 1100, 'the rest is of now';
    is $fields->($r)->{shares}, 'beaucoup', 'what was typed stays';

    # another spelling of the same is no change
    $form = $camille->get($tax);
    $set->('shares = 2');
    is $fields->($camille->submit($form, { shares => '4,00', step => 'check' }, form => $tax))->{shares},
        '2', 'the same in another spelling was not touched';

    # who sends no tags
    $form = $camille->get($tax);
    $set->('quotient = 1150');
    $r = $camille->submit($form, { opened => undef, step => 'check' }, form => $tax);
    is $r->status, 409, 'without tags';
    is $fields->($r)->{quotient}, 1100, 'what was sent stays';
    like $r->text, qr/Valeur d’aujourd’hui\s: 1150/, 'with the value of now beside it';
    $r = $camille->submit($form, { opened => 'A' x 8, step => 'check' }, form => $tax);
    like $r->text, qr/Valeur d’aujourd’hui\s: 1150/, 'nor do tags of nothing change that';

    # one's own request, from two tabs
    $form = $camille->get($tax);
    is ask($camille, $tax, { quotient => '700' })->status, 303, 'one tab asks';
    $r = $camille->submit($form, { shares => '1', step => 'check' }, form => $tax);
    is $r->status, 409, 'the other is told';
    is $fields->($r)->{quotient}, 700, 'and keeps what the first has asked';
    is ask($camille, $tax, { quotient => '1150' })->status, 303, 'which is taken back';
}

# what is empty and what is wrong are told at once, in the order of the page
{
    my $said = sub { join ' ', $_[0]->content =~ m{<a href="#(?!contenu|menu|pied)(\w+)">}g };
    my $r = $camille->submit($camille->get($address), { street => '', postal_code => '591',
        step => 'check' }, form => $address);
    is $r->status, 422, 'two mistakes';
    is $said->($r), 'street postal_code', 'both are said';
    like $r->content, qr/id="street-error"/, 'beside the field, too';
    is $said->($camille->submit($camille->get($address), { street => '', step => 'check' },
        form => $address)), 'street', 'the function says the same of what is empty';
    is $said->($camille->submit($camille->get($address), { postal_code => '591', street => undef,
        step => 'check' }, form => $address)), 'postal_code',
        'what was not sent is in the file, and not empty';
    is $said->($camille->submit($camille->get($address), { postal_code => '591', complement => '',
        step => 'check' }, form => $address)), 'postal_code', 'what may be empty is not said';

    my ($kid) = $camille->get('/famille')->content =~ m{/famille/enfants/(\d+)};
    my $new = "/famille/enfants/$kid/contacts/nouveau";
    is $said->($camille->submit($camille->get($new), { last_name => 'Vasseur', first_name => '',
        link => 'neighbour', phone_mobile => '06 12', emergency => 'no', step => 'send' },
        form => $new)), 'first_name phone_mobile collect',
        'an answer that was not given is none';
}


### a file that changes under the agent; two agents

($id) = map { $_->{id} } @{ $j->get('/famille/demandes')->json->{open} };
$case = $agent->get("/demandes/$id");
outside(profession => 'Peintre');
$r = decide($agent, $id, { step => 'accept' }, $case);
is $r->status, 409, 'decided over an old page';
like $r->text, qr/a changé depuis que vous avez ouvert/, 'it says so';
like $r->text, qr/Peintre.*Luthière d’art/s, 'with both values';
is live('profession'), 'Peintre', 'nothing was written';

my $two = agent_client(as => $other);
my $theirs = $two->get("/demandes/$id");
is decide($agent, $id, { step => 'take' })->status, 303, 'taken in charge';
like $two->get('/')->text, qr/Jeanne Caron/, 'the queue says by whom';
is decide($two, $id, { step => 'accept' }, $theirs)->status, 409, 'the other is told';
is decide($two, $id, { step => 'accept' })->status, 409, 'also over the page of now';
is decide($two, $id, { step => 'take' })->status, 303, 'who may take it over';
is decide($two, $id, { step => 'accept' })->status, 303, 'and decide';
is live('profession'), 'Luthière d’art', 'the conflict was seen and decided';
$r = decide($agent, $id, { step => 'refuse', reason => 'Trop tard.' }, $case);
is $r->status, 409, 'a decided request is decided';
like $r->text, qr/Rien n’a été enregistré La mairie a déjà répondu/, 'and says so';

$id = number_of(ask($camille, $base, { employer => 'Un' }));
$case = $agent->get("/demandes/$id");
ask($camille, $base, { employer => 'Deux' });
$r = decide($agent, $id, { step => 'accept' }, $case);
is $r->status, 409, 'T113: a replaced request is not accepted';
isnt live('employer'), 'Un', 'nothing was written';
like $r->text, qr/n’est plus à traiter/, 'the page says so';


### who may

for my $c ($agent, $aj) {
    is $c->get('/demandes/999999')->status, 404, 'no such request';
}
($id) = map { $_->{id} } @{ $j->get('/famille/demandes')->json->{open} };
my $elsewhere = agent_client(town => 'beaulieu', as => agent('validator', 'beaulieu'));
is $elsewhere->get("/demandes/$id")->status, 404, "another town's request";
my $reader = agent_client(as => $reader_one);
$case = $reader->get("/demandes/$id");
is $case->status, 200, 'a reader reads';
unlike $case->text, qr/Tout accepter/, 'and is offered nothing else';
is decide($reader, $id, { step => 'accept' }, $agent->get("/demandes/$id"))->status, 403,
    'nor may decide';

my $own = new_agent(name => 'Camille Martin', email => 'camille.martin@exemple.fr');
my $ours = agent_client(as => $own);
$r = json_post(as_json($ours), "/demandes/$id", { step => 'accept',
    version => $aj->get("/demandes/$id")->json->{version} }, page => '/');
is $r->status . $r->json->{errors}[0]{code}, '403own_family', 'T202: nobody decides about their own family';
$r = $ours->get("/demandes/$id");
is $r->status, 403, 'nor reads of it';
like $r->text, qr/Cela concerne votre propre famille/, 'in words';
is as_json($ours)->get("/demandes/$id")->json->{code}, 'own_family', 'a program reads why';
my $ours_number = $portal->psql("select number from portal.change_set where id = $id");
ok $agent->get("/?numero=$ours_number")->links->{"/demandes/$id"}, 'by its number an agent finds it';
for my $path ('/', "/?numero=$ours_number", '/?etat=done', '/?etat=incomplete', '/?qui=nobody') {
    is scalar(grep { $portal->psql("select f.number from portal.change_set c join portal.family f
        on f.id = c.family_id where c.id = $_") eq '104201' }
        map { m{^/demandes/(\d+)$} ? $1 : () } keys %{ $ours->get($path)->links }), 0, "$path: none of it";
}
isnt scalar(grep { m{^/demandes/\d} } keys %{ $agent->get('/?etat=done')->links }), 0,
    'where another agent finds some';

my $stranger = $portal->psql("select g.id from portal.guardian g join portal.family f
    on f.id = g.family_id where f.number = '104203' limit 1");
for my $c ($camille, $j) {
    my $path = '/famille/responsables/' . $stranger . '/adresse';
    is $c->get($path)->status, 404, "another family's guardian";
    my $r = $c->{json} ? json_post($c, $path, { street => 'x' }, page => $address)
        : $c->submit($camille->get($address), { street => 'x', step => 'send' }, form => $address);
    ok $r->status == 404 || !$c->{json}, 'nor to ask about';
}
is json_post($aj, "/demandes/$id", { step => 'accept' })->status, 428,
    'a program says which version it decides over';
is json_post($aj, "/demandes/$id", { step => 'accept', version => 'x' x 32 })->status, 409,
    'the right one';
is json_post($aj, "/demandes/$id", { step => 'accept',
    version => $aj->get("/demandes/$id")->json->{version} })->status, 200, 'and it is done';


### the same address as another's

{
    my $other = $camille->get("/famille/responsables/$him/adresse");
    like $other->text, qr/Reprendre l’adresse d’un autre responsable.*Camille Martin/, 'who lives at the same place';
    my $his = live('street', $him);
    outside(street => 'rue du Moulin', $him);
    my $copied = $camille->get("/famille/responsables/$him/adresse?copie=$me");
    is { @{ $copied->form("/famille/responsables/$him/adresse")->{fields} } }->{street},
        live('street'), 'the form begins with that address';
    my $r = $camille->submit($copied, { postal_code => '1', step => 'check' },
        form => "/famille/responsables/$him/adresse");
    is $r->status, 422, 'with a postcode that is none';
    is { @{ $r->form("/famille/responsables/$him/adresse")->{fields} } }->{street},
        live('street'), 'a copy is not what was left as it was';
    outside(street => $his, $him);
    is $camille->get("/famille/responsables/$him/adresse?copie=$stranger")->status, 404,
        "never with another family's";
    is $camille->get("/famille/responsables/$him/adresse?copie=$him")->status, 404,
        'nor with itself';
}


### twenty at once

{
    my $form = $camille->get($address);
    my @sockets;

    for my $n (1 .. 20) {
        my $pid = fork // die;
        next if $pid && push @sockets, $pid;
        my $r = $camille->submit($form, { street => 'rue Vingt', step => 'send' }, form => $address);
        POSIX::_exit($r->status == 303 ? 0 : 1);
    }
    my $bad = 0;
    for (@sockets) { waitpid $_, 0; $bad++ if $? }
    is $bad, 0, 'twenty submissions of one form: each is led to the receipt';
    is scalar($portal->psql("select count(*) from portal.change_set s join portal.change_item i
        on i.set_id = s.id where i.asked = '\"rue Vingt\"'")), 1, 'and there is one request';
}


### an address in its parts

{
    my $place = sub { Encode::decode('UTF-8', scalar $portal->psql("select concat_ws(' ', coalesce(street_number, '-'),
        coalesce(repetition, '-'), street, coalesce(city_code, '-'), coalesce(ban_id, '-'))
        from portal.address where guardian_id = $me")) };
    my $typed = sub {
        $camille->submit($camille->get($address), { step => 'check', @_ }, form => $address);
    };
    my $wrong = sub { join ' ', $_[0]->content =~ /id="(\w+)-error"/g };

    $portal->psql("update portal.address set street_number = '1', repetition = null, street = 'rue Haute',
        city_code = '59512', ban_id = '59512_1_1', ban_score = 0.9, ban_date = current_date where guardian_id = $me");

    my $file = '/familles/' . $portal->psql("select id from portal.family where number = '$FAMILY'");
    like $agent->get($file)->text, qr/Code Insee de la commune 59512 Base adresse nationale 59512_1_1, vue le [^(]+ \(score 0[.,]9\d*\)/, 'agents see the codes';
    like $agent->get($file)->content, qr{</div>\s*<div><dt>Code Insee}, 'in the list of the address';
    is $aj->get($file)->json->{guardians}[0]{codes}{ban_id}, '59512_1_1', 'JSON: too';

    my $r = $typed->(street_number => 'douze', repetition => 'bis bis', street => 'rue des Lilas');
    is $r->status . ' ' . $wrong->($r), '422 street_number repetition', 'no number, no index';
    like $r->text, qr/en chiffres, par exemple 12.*12-14.*bis, ter, quater ou une seule lettre/s, 'in words that help';
    is { @{ $r->form($address)->{fields} } }->{street_number}, 'douze', 'as it was typed';
    is $wrong->($typed->(street_number => '', repetition => 'bis')), 'repetition', 'an index without a number';
    is_deeply [map { "$_->{field}:$_->{code}" } @{ json_post($j, $address, { street_number => '12345' })->json->{errors} }],
        ['street_number:street_number'], 'JSON: by its code';
    is $wrong->($typed->(street_number => '12-14', street => 'rue Haute')), 'street_number', 'two numbers';
    like $typed->(street_number => '', street => '12-14 rue Haute')->text,
        qr/Nom de la rue ou de la voie Avant : \S+ \S+ Demandé : 12-14 rue Haute/, 'stand before the street, as the message says';

    like $typed->(street_number => '12 Bis')->text, qr/Numéro Avant : \S+ Demandé : 12 Bis, ter… Avant : Non renseigné Demandé : bis/,
        'the index in the number\'s box is read as such';
    $r = $typed->(street_number => '', street => '3B, allée du Parc', hosted_by => 'Mme Denise Laurent');
    like $r->text, qr/Demandé : 3 .*Demandé : B .*Demandé : allée du Parc .*Demandé : Mme Denise Laurent/, 'and a whole line in the street\'s';
    my $id = number_of($camille->submit($r, { step => 'send' }, form => $address));
    my $case = $agent->get("/demandes/$id");
    like $case->text, qr/Numéro .*3.*Bis, ter… .*B.*Nom de la rue ou de la voie .*allée du Parc/s, 'the agent reads the parts';
    is decide($agent, $id, { step => 'accept' }, $case)->status, 303, 'accepted';
    is $place->(), '3 B allée du Parc 59512 -', 'the file has them; the town\'s code stays, the address\' own goes';
    like $camille->get($page)->text, qr/Numéro et voie 3 B allée du Parc/, 'one line where it is read';

    for ($page, $address, '/famille', "/famille/demandes/$id") {
        unlike $camille->get($_)->content, qr/59512|city_code|ban_id/, "no code on $_";
        unlike $j->get($_)->content, qr/59512|city_code|ban_id/, 'nor for a program';
    }
    like $camille->get('/mes-donnees')->text, qr/Code Insee de la commune 59512 Numéro de l’adresse dans la Base adresse nationale Non renseigné/,
        'but where all that is held is told';
    is json_post($j, $address, { $_ => '59350' })->json->{errors}[0]{code}, 'unknown_field', "and nobody asks for $_" for qw(city_code ban_id);

    $id = number_of(ask($camille, $address, { postal_code => '59000', city => 'Lille' }));
    is decide($agent, $id, { step => 'accept' }, $agent->get("/demandes/$id"))->status, 303, 'another town';
    is $place->(), '3 B allée du Parc - -', 'has another code, which nobody knows yet';

    $id = number_of(ask($camille, $address, { country => 'GB', postal_code => 'SW1A 2AA', city => 'London',
        street_number => '', repetition => '', street => '10 Downing Street' }));
    is decide($agent, $id, { step => 'accept' }, $agent->get("/demandes/$id"))->status, 303, 'abroad';
    is $place->(), '- - 10 Downing Street - -', 'a line is a line';
    is decide($agent, $id, { step => 'reverse', reason => 'Erreur' }, $agent->get("/demandes/$id"))->status, 303, 'undone';
    is $place->(), '3 B allée du Parc - -', 'the parts are there again';

    $portal->psql("insert into portal.field_policy (tenant, section, field, policy) select t.id, 'guardian_address', f, 'hidden'
        from portal.town t, unnest(array['street_number', 'repetition']) f where t.slug = 'saint-aubin'");
    $r = $typed->(street => '12 bis rue des Lilas');
    is $r->status, 200, 'a form without boxes for number and index';
    like $r->text, qr/Demandé : 12 bis rue des Lilas/, 'keeps the line as it was typed';
    $portal->psql("delete from portal.field_policy where section = 'guardian_address'");
}


### what the town decides about fields

$portal->psql("insert into portal.field_policy (tenant, section, field, policy, validation)
    select t.id, 'guardian_basic', f.field, f.policy, f.validation from portal.town t,
    (values ('birth_name', 'hidden', 'agent'), ('birth_place', 'shown', 'agent'),
            ('email', 'required', 'agent'), ('phone_home', 'editable', 'automatic'))
    as f (field, policy, validation) where t.slug = 'saint-aubin'");
$form = $camille->get($base);
%field = @{ $form->form($base)->{fields} };
ok !exists $field{birth_name}, 'a hidden field is not on the form';
ok !exists $field{birth_place}, 'nor one that is only shown';
unlike $j->get($base)->content, qr/birth_name/, 'JSON: a hidden field is nowhere';
for my $case ([{ birth_name => 'X' }, 'unknown_field'], [{ birth_place => 'X' }, 'not_editable'],
    [{ email => '' }, 'required']) {
    my $r = json_post($j, $base, $case->[0]);
    is $r->status, 422, join('=', %{ $case->[0] }) . ' is refused';
    is $r->json->{errors}[0]{code}, $case->[1], "as $case->[1]";
}
$r = json_post($j, $base, { phone_home => '03 20 11 22 33' });
is $r->status, 200, 'what the town lets count at once';
is live('phone_home'), '+33320112233', 'is in the file';
$r = json_post($j, $base, { phone_home => undef, profession => 'Facteur' });
is live('phone_home'), '+33320112233', 'together with another field an agent decides';

# what was empty and left so, and has been filled in meanwhile, is not missing
outside(email => undef);
$form = $camille->get($base);
outside(email => 'martin@parents.example');
$r = $camille->submit($form, { phone_work => '03', step => 'check' }, form => $base);
is $r->status, 422, 'a wrong answer over an older page';
is { @{ $r->form($base)->{fields} } }->{email}, 'martin@parents.example', 'shows what the file holds now';
is_deeply [$r->content =~ /id="(\w+)-error"/g], ['phone_work'], 'and does not call that empty';
outside(email => undef);
$r = $camille->submit($camille->get($base), { phone_work => '03', step => 'check' }, form => $base);
is_deeply [$r->content =~ /id="(\w+)-error"/g], ['email', 'phone_work'], 'as what still is';


### what is kept of it

my %seen = map { $_->[0] => $_->[1] } $portal->psql("select action || ' ' || outcome,
    count(*) from portal.audit where action in ('ask_change', 'decide', 'read_request',
    'withdraw_change', 'reverse_request', 'take_request') group by 1");
ok $seen{$_}, "audit: $_" for 'ask_change sent', 'ask_change accepted', 'decide accepted',
    'decide partly', 'decide refused', 'decide incomplete', 'decide own_family', 'read_request own_family',
    'decide request_changed', 'read_request ok', 'withdraw_change ok', 'reverse_request ok',
    'take_request ok';
is scalar($portal->psql("select count(*) from portal.change_set s where s.version <>
    (select count(*) from portal.change_event e where e.set_id = s.id)")), 0,
    'each version of a request is an event of its history';
is scalar($portal->psql("select count(*) from portal.audit where action in ('decide',
    'read_request') and agent_id is null")), 0, 'each says which agent';

done_testing;
