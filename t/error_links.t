#!/usr/bin/perl

# Where the summary of errors leads: to a field that is there and that a keyboard
# gets to, or nowhere.  The client looks at each page of each test; here every
# form is sent empty and with nonsense, and the agents' decisions are refused.

use strict;
use warnings;
use utf8;

use Portal::Page;
use Portal::Test;

my $portal = portal();
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };


### the look itself

sub page { Portal::Page->parse("HTTP/1.1 422 x\r\nA: b\r\n\r\n$_[0]", '/') }

my $summary = '<div class="errors" id="erreurs"><a href="#x">x</a></div>';
is_deeply [page("$summary$_->[1]")->dead_ends], $_->[2], $_->[0] for
    ['a field', '<input id="x" name="x">', []], ['none', '<input name="x">', ['x']],
    ['a hidden one', '<input id="x" type="hidden">', ['x']],
    ['what no keyboard gets to', '<p id="x">', ['x']], ['a list', '<select id="x">', []],
    ['one that is off', '<input id="x" disabled>', ['x']],
    ['what can be gone to', '<div id="x" tabindex="-1">', []];
is_deeply [page('<input name="x">')->dead_ends], [], 'without errors nothing is wrong';


### every form

my $led = 0;

sub wrong {
    my ($c, $path, @forms) = @_;

    my $page = $c->get($path);
    is $page->status, 200, $path;

    for my $form (grep { $_->{method} eq 'post' } $page->forms) {
        next if $form->{action} =~ m{^/(?:deconnexion|langue|famille/choix|session)};
        my %fields = @{ $form->{fields} };
        my @names = grep { !/^(?:csrf|key|_key|version|captcha_|step)/ } keys %fields;

        for my $value ('', 'x' x 4000, "\x{7f}") {
            my $r = $c->submit($page, { map { $_ => $value } @names }, form => $form->{action});
            next if $r->status != 422;
            my @to = $r->content =~ /<a href="#(?!contenu|menu|pied)([^"]+)"/g;
            $led += @to;
        }
    }
}

wrong(client(), $_) for qw(/inscription /inscription/renvoi /connexion /mot-de-passe/oubli);

my $c = client();
sign_in($c, $people{camille});
my ($me) = $c->get('/famille')->content =~ m{/famille/responsables/(\d+)};
my ($child) = map { $_->[0] } $portal->psql("select min(m.child_id) from portal.child_family m
    join portal.family f on f.id = m.family_id where f.number = '104201'");
my ($contact) = map { $_->[0] } $portal->psql("select min(id) from portal.contact where child_id = $child");
wrong($c, $_) for qw(/mon-compte/mot-de-passe /mon-compte/adresse /mon-compte/connexions
    /mes-donnees/fermeture /mes-abonnements/nouveau /famille/responsables/ajout /famille/enfants/ajout),
    (map { "/famille/responsables/$me/$_" } qw(base adresse fiscales bancaires)),
    "/famille/responsables/" . ($portal->psql("select max(g.id) from portal.guardian g join portal.family f
        on f.id = g.family_id where f.number = '104201'"))[0][0] . '/retrait',
    (map { "/famille/enfants/$child/$_" } qw(sante generales autorisations retrait contacts/nouveau
        contacts/interdiction)),
    $contact ? map { "/famille/enfants/$child/contacts/$contact/$_" } qw(modifier retrait) : ();

cmp_ok $led, '>', 50, "the summaries led to fields: $led";


### a decision that is refused

sub ask {
    my ($path, %fields) = @_;

    my $page = $c->get($path);
    my $r = $c->submit($page, { %fields, step => 'send' }, form => $path);
    is $r->status, 303, "asked: $path" or diag $r->text;
    return ($r->location // '') =~ m{demandes/(\d+)} ? $1 : 0;
}

my $agent = agent_client();

sub refused {
    my ($id, $fields, $page) = @_;

    return $agent->submit($page // $agent->get("/demandes/$id"),
        { reason_code => 'not_shown', reason => 'Deux mots.', %$fields }, form => "/demandes/$id");
}

sub kept {
    my ($r, $id, $what) = @_;

    my %f = @{ $r->form("/demandes/$id")->{fields} };
    is $f{reason_code}, $what eq 'reverse' ? undef : 'not_shown',
        "$what: the ready answer is still chosen";
    is $f{reason}, 'Deux mots.', "$what: the words are still there";
    return %f;
}

{
    my ($kid) = $c->get('/famille')->content =~ m{/famille/enfants/(\d+)};
    my $path = "/famille/enfants/$kid/contacts/nouveau";
    my $r = $c->submit($c->get($path), { last_name => '', first_name => '', step => 'send' },
        form => $path);
    is $r->status, 422, 'a contact without anything';
    my ($list) = Encode::decode('UTF-8', $r->content) =~ m{id="erreurs".*?<ul>(.*?)</ul>}s;
    my %said = $list =~ m{<a href="#(\w+)">([^<]+)</a>}g;
    like $said{last_name}, qr/^Nom du contact\s: Saisissez un nom/, 'each link names its field' or diag $list;
    like $said{collect}, qr/^Peut venir chercher l’enfant\s: Choisissez «.Oui.» ou «.Non.»\.$/,
        'and nothing is suggested of who may collect' or diag $list;
    my %once = map { $_ => 1 } values %said;
    is scalar keys %once, scalar keys %said, 'no two say the same';
}

my $base = "/famille/responsables/$me/base";
my $id = ask($base, profession => 'Luthière', employer => 'Atelier');

my $r = refused($id, { step => 'partly', profession => 'accept' });
is $r->status, 422, 'a line without its decision';
like $r->content, qr/<a href="#employer">/, 'which the summary leads to';
my %f = kept($r, $id, '422');
is $f{profession}, 'accept', 'the decided line is as it was';

$r = refused($id, { step => 'partly', reason => undef, reason_code => undef });
is $r->status, 422, 'neither a decision nor a reason';
like $r->content, qr/<a href="#$_">/, "all that is missing at once: $_" for qw(profession employer reason);

my $page = $agent->get("/demandes/$id");
$portal->psql("update portal.guardian set profession = 'Facteur' where id = $me");
$r = refused($id, { step => 'refuse' }, $page);
is $r->status, 409, 'the file has moved';
kept($r, $id, '409');

$portal->psql("update portal.change_set set taken_by = (select min(id) from portal.agent
    where tenant = 1 and role = 'administrator'), state = 'taken' where id = $id");
$r = refused($id, { step => 'refuse' });
is $r->status, 409, 'taken by another';
kept($r, $id, 'taken');
is refused($id, { step => 'take' })->status, 303, 'taken over';

$r = refused($id, { step => 'refuse', reason_code => 'no_such_answer' });
is $r->status, 422, 'an answer that the town does not have';
like $r->content, qr/<a href="#reason_code">/, 'leads to the list';
is refused($id, { step => 'refuse' })->status, 303, 'and with one that it has it is done';

# accepted, but what would be there does not go together: no field of this page
$portal->psql("delete from portal.insurance where child_id = $child");
$id = ask("/famille/enfants/$child/generales", insurer => 'MAIF', policy => 'P 1');
$r = refused($id, { step => 'partly', insurer => 'refuse', policy => 'accept' });
is $r->status, 422, 'a contract without its insurer';
like $r->content, qr/<a href="#insurer">/, 'leads to the line';
kept($r, $id, 'partly');
$portal->psql("update portal.change_item set asked = 'null' where set_id = $id and field = 'insurer'");
$portal->psql("delete from portal.change_item where set_id = $id and field = 'insurer'");
$r = refused($id, { step => 'accept' });
is $r->status, 422, 'and where that line is none of the request';
unlike $r->content, qr/<a href="#insurer">/, 'nothing leads there';
like $r->text, qr/Assurance scolaire : Saisissez le nom de l’assurance/, 'but it is named';
kept($r, $id, 'accept');

# one that was accepted is undone
$portal->psql("insert into portal.change_item (tenant, set_id, field, old, asked) values (1, $id, 'insurer', 'null', '\"MAIF\"')");
is refused($id, { step => 'accept' })->status, 303, 'accepted';
$portal->psql("update portal.insurance set policy = 'P 12' where child_id = $child;
    update portal.change_item set state = 'refused' where set_id = $id and field = 'policy'");
# with words of one's own: there is no ready answer for it
$r = refused($id, { step => 'reverse', reason_code => undef });
is $r->status, 422, 'that does not go back';
unlike $r->content, qr/<a href="#insurer">/, 'no field to go to';
kept($r, $id, 'reverse');

# whole sections have no lines to decide
$id = ask("/famille/responsables/$me/adresse", street => 'rue du Test');
$portal->psql("update portal.change_item set asked = '\"1234\"', field = 'postal_code' where set_id = $id and field = 'street'");
$r = refused($id, { step => 'accept' });
is $r->status, 422, 'an address that is none';
unlike $r->content, qr/<a href="#postal_code">/, 'is no field of the page';
like $r->text, qr/Code postal : /, 'but named';
kept($r, $id, 'whole');

done_testing;
