#!/usr/bin/perl

# The town's guide over HTTP, from « Créer un compte » to the family file, as a
# browser without scripts walks it; t/browser.t walks it in Chromium.

use strict;
use warnings;
use utf8;

use Portal::Test;

my $portal = portal();
my $c = client();

### step 1

my $page = $c->get('/');
is $page->status, 200, 'home';
is $page->links->{'/inscription'}, 'Créer un compte', 'the button';

my ($person, $sent) = sign_up($c);
is $sent->status, 303, 'signed up';
is $sent->location, '/inscription/envoyee', 'look at your mail';

my $mail = mail_to($person->{email});
ok $mail, 'the mail' or BAIL_OUT 'no mail';
like $mail->{link}, qr{^\Q@{[ $portal->url ]}\E/inscription/confirmation\?jeton=},
    'its link follows the port';
ok $mail->{html}, 'an HTML part besides';
like $mail->{from}, qr/Saint-Aubin/, 'from the town';

my $before = $portal->psql('select count(*) from portal.session');
$page = $c->get($mail->{link}) for 1 .. 2;
is $page->status, 200, 'the link, twice';
is $portal->psql('select count(*) from portal.session'), $before,
    'opening it does nothing';

$page = $c->submit($page, {});
is $page->status, 303, 'confirmed' or diag $page->text;
$page = $c->follow($page);
like $page->text, qr/S'abonner à l'espace famille/, 'the way on';

like $c->get($mail->{link})->text, qr/Ce lien a déjà servi/,
    'the link is used up';

### step 2

my $code = free_code(town => 'saint-aubin');
$page = $c->submit($c->get('/mes-abonnements/nouveau'),
    { code => lc($code->{code}) =~ s/-/ /gr, step => 'search' });
is $page->status, 200, 'the code is found';
unlike $page->text, qr/\Q$code->{guardian}/, 'initials only';
$page = $c->submit($page, { step => 'add' });
is $page->status, 303, 'added';
is $page->location, '/mes-abonnements', 'to the list';
like $c->get('/mes-abonnements')->text, qr/Famille n°/, 'in the list';
isnt $c->get('/famille')->status, 200, 'not before the next log-in';

$page = $c->submit($c->get('/mon-espace'), {}, form => '/deconnexion');
is $page->status, 303, 'logged out';
is $c->get('/mon-espace')->status, 303, 'really';
$page = sign_in($c, $person);
is $page->status, 303, 'in again';

### step 3, reading

$page = $c->get('/famille');
is $page->status, 200, 'the family file' or diag $page->text;
like $page->text, qr/Responsables.*Enfants/s, 'guardians and children';

my @people = sort grep { m{^/famille/(?:responsables|enfants)/\d+$} }
    keys %{ $page->links };
cmp_ok scalar @people, '>=', 2, 'people in it';
for my $path (@people) {
    $page = $c->get($path);
    is $page->status, 200, $path;
    like $page->text, $path =~ /enfants/
        ? qr/Informations générales.*Données sanitaires.*Autorisations.*Contacts/s
        : qr/Informations fiscales.*Informations de base.*Adresse.*Données bancaires/s,
        'its sections';
}

my $json = client(json => 1);
$json->cookie('__Host-portal', $c->cookie('__Host-portal'));
is $json->get('/famille')->json->{status} // 200, 200, 'the same as JSON';

done_testing;
