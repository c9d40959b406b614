#!/usr/bin/perl

# The town's guide, step by step and word for word: a person who holds the
# paper finds each button by its name.  First as pages without scripts, where
# the written question stands for the captcha, then as JSON.

use strict;
use warnings;
use utf8;

use Portal::Test;
use Time::HiRes qw(sleep time);

my $portal = portal();
my $started = time;

# the captcha wants three seconds between page and post: all pages first
my $c = client();
my $j = client(json => 1);
my $api = $j->get('/inscription');


### step 1, as pages

my $page = $c->get('/');
like $page->text, qr/Portail Citoyen/, '1.1 the Portail Citoyen';
is $page->links->{'/inscription'}, 'Créer un compte', '1.2 « Créer un compte »';
is $page->links->{'/connexion'}, 'Me connecter', '« Me connecter » beside it';

my $form = $c->get('/inscription');
is $form->title =~ s/ –.*//r, 'Créer un compte', 'the page of that name';
like $form->text, qr/Nom .*Prénom .*Adresse électronique .*Mot de passe /s,
    '1.3 name, first name, e-mail, password';
like $form->text, qr/Combien font \w+ (?:plus|moins|fois) /,
    '1.3 a captcha to answer, in words';
ok((grep { $_ eq "S'inscrire" } buttons($form)), '1.3 « S\'inscrire »');

my %answer = written_answer($form);
ok defined $answer{captcha_answer}, 'the question has an answer';

my %person = (last_name => 'D’Hérouville-Lefèvre', first_name => 'Anaïs',
    email => 'anais.journey@parents.example',
    password => 'coquelicot vélo 72 orage');

sleep 3.2 - (time - $started) if time - $started < 3.2;

$page = $c->submit($form, { %person, %answer });
is $page->status, 303, 'signed up by the written question'
    or diag $page->text;
is $page->location, '/inscription/envoyee', 'and led on';
like $c->follow($page)->text, qr/Consultez votre messagerie/, 'to the mailbox';
is $portal->psql("select count(*) from portal.token where used_at is not null"),
    0, 'nothing is confirmed yet';

my $link = link_for($person{email});
like $link, qr{^\Q@{[ $portal->url ]}\E/inscription/confirmation\?jeton=[\w-]{43}$},
    '1.4 an e-mail arrives with a link';

$page = $c->get($link);
is_deeply [grep { /Confirmer/ } buttons($page)], ['Confirmer mon adresse'],
    '1.4 « Confirmer mon adresse »';
unlike $page->content, qr/name="password"/, 'no password asked in this browser';
$page = $c->submit($page, {});
is $page->status, 303, '1.4 the account is complete' or diag $page->text;
is $page->location, '/mon-espace?avis=confirmed', '1.5 to the Portail Citoyen';
like $page->header('location'), qr/#contenu$/, 'past the menus';
like $c->follow($page)->text, qr/adresse électronique est confirmée/,
    'where it says what was done';
$page = $c->follow($page);
like $page->text, qr/S'abonner à l'espace famille/,
    "1.5 « S'abonner à l'espace famille »";
like $page->content, qr{<a class="button" href="/mes-abonnements">S&#39;abonner},
    '1.5 is a link';
like $c->get($link)->content, qr{<a class="button" href="/mon-espace">},
    'the link opened again leads on, not to a log-in that is done';


### step 2

$page = $c->get('/mes-abonnements');
is $page->title =~ s/ –.*//r, 'Mes abonnements',
    '2.1 that link opens « Mes abonnements »';

my ($menu) = $c->get('/')->content =~ m{(<nav class="menu".*?</nav>)}s;
like $menu // '', qr{href="/mon-espace".*?Mon espace citoyen}s,
    '2.1 the other way: « Mon espace citoyen » in the menu of the home page';
like $c->get('/mon-espace')->content,
    qr{<h3><a href="/mes-abonnements">Mes abonnements</a>},
    '2.1 then the module « Mes abonnements »';

is $c->get('/famille')->location, '/mes-abonnements?avis=subscribe_first',
    '2.2 the step cannot be skipped';
my $why = qr/La page que vous avez demandée appartient à l’espace famille/;
like $c->follow($c->get('/famille'))->text, $why, '2.2 which is said';
unlike $page->text, $why, 'and not to who opens the list';

my $code = free_code(town => 'saint-aubin', situation => 'couple');
is $page->links->{'/mes-abonnements/nouveau'}, "M'abonner", "2.4 « M'abonner »";
is $page->links->{'/mes-abonnements/sans-code'}, "Je n'ai pas de code abonné",
    "« Je n'ai pas de code abonné »";
like $c->get('/mes-abonnements/sans-code')->text, qr/À qui le demander/,
    'says where to ask';
{
    my $said = $c->get('/mes-abonnements/sans-code')->text;
    my $ask = $c->get('/mes-abonnements/sans-code', headers => { Accept => 'application/json' })->json->{contact} // {};
    for (qw(office email counter hours)) {
        my $words = ($ask->{$_} // 'nothing') =~ s/\s+/ /gr;
        like $said, qr/\Q$words\E/, "JSON, too: $_";
    }
    is $ask->{phone}, '+33353010100', 'and the telephone';
}
like $c->get('/mes-abonnements/sans-code')->text, qr/Votre contact : Service Enfance et éducation 03/,
    'the foot of the page has a place for any name';

$page = $c->get('/mes-abonnements/nouveau');
like $page->text, qr/Code abonné/, '2.4 type the code abonné';
is_deeply [grep { /Rech/ } buttons($page)], ['Rechercher'], '2.4 « Rechercher »';
$page = $c->submit($page, { code => $code->{code}, step => 'search' });
is $page->status, 200, 'found' or diag $page->text;
is_deeply [grep { /Ajouter/ } buttons($page)], ['Ajouter cet abonnement'],
    '« Ajouter cet abonnement »';
$page = $c->follow($c->submit($page, { step => 'add' }));
is $page->title =~ s/ –.*//r, 'Mes abonnements', '2.5 back in the list';
my ($number) = $portal->psql("select f.number from portal.subscription s
    join portal.family f on f.id = s.family_id order by s.id desc limit 1");
like $page->text, qr/Famille n° \Q$number->[0]\E/, '2.5 which shows it';
like $page->text, qr/« Se déconnecter ».*connectez-vous de nouveau/,
    '2.6 and says what is left to do';

is $c->get('/famille')->location, '/mes-abonnements?avis=subscribe_first', '2.6 not in effect yet';
like $c->follow($c->get('/famille'))->text,
    qr/$why.*s’ouvrira dès que votre abonnement sera actif.*Il reste une étape/s,
    '2.6 which is said beside what is left to do';
my ($top) = $page->content =~ m{(<header.*?</header>)}s;
like $top, qr{<form method="post" action="/deconnexion">.*Se d..connecter</button>}s,
    '2.6 « Se déconnecter » at the top, a POST';
$page = $c->submit($page, {}, form => '/deconnexion');
is $page->status, 303, '2.6 logged out';
ok !defined $c->cookie('__Host-portal'), 'the cookie is gone';
$page = $c->get('/mon-espace');
is $page->location, '/connexion?suite=%2Fmon-espace', 'really';
$page = $c->get('/connexion');
ok((grep { $_ eq 'Me connecter' } buttons($page)), '« Me connecter »');
$page = $c->submit($page, { email => uc $person{email},
    password => $person{password} });
is $page->status, 303, '2.6 in again, whatever the case of the address';


### step 3

$page = $c->follow($page);
is $page->links->{'/famille'}, 'Espace Famille', '3.1 « Espace Famille »';
like $page->content, qr{<a href="/famille"[^>]*>.*?<span>Dossier Famille</span>}s,
    '3.1 « Dossier Famille »';
$page = $c->get('/famille');
is $page->status, 200, '3.1 the file';
like $page->text, qr/Responsables .*Enfants /s, '3.2 guardians and children';

my ($guardian) = grep { m{^/famille/responsables/\d+$} } sort keys %{ $page->links };
my ($child) = grep { m{^/famille/enfants/\d+$} } sort keys %{ $page->links };
for ([$guardian, 'Informations fiscales', 'Informations de base', 'Adresse',
        'Données bancaires'],
    [$child, 'Informations générales', 'Autorisations', 'Données sanitaires',
        'Contacts'])
{
    my ($path, @sections) = @$_;
    my $inside = $c->get($path);
    is $inside->status, 200, $path;
    my @titles = $inside->content =~ m{<h2[^>]*>(.*?)</h2>}gs;
    s/<[^>]*>//g, $_ = Encode::decode('UTF-8', $_) for @titles;
    for my $section (@sections) {
        ok((grep { $_ eq $section } @titles), "3.3, 3.4 « $section »");
    }
}


### the same as JSON

my %api = (last_name => 'O\'Brien', first_name => 'Seán',
    email => 'sean.journey@parents.example',
    password => 'parapluie gentiane 41 lune');

is $api->header('content-type'), 'application/json', 'JSON: /inscription';
my ($salt, $target, $max) = @{ $api->json->{captcha}{pow} }{qw(salt target max)};
ok $salt && $target && $max, 'JSON: a challenge to work on';
require Digest::SHA;
my ($pow) = grep { Digest::SHA::sha256_hex("$salt$_") eq $target } 0 .. $max;
my $r = $j->post('/inscription', { %api, csrf => $api->json->{csrf},
    captcha_challenge => $api->json->{captcha}{challenge},
    captcha_pow => "$pow" });
is $r->status, 200, 'JSON: signed up' or diag $r->content;
is $r->json->{location}, '/inscription/envoyee', 'JSON: told where to go on';

my ($token) = link_for($api{email}) =~ /jeton=(.*)/;
my $state = $j->get("/inscription/confirmation?jeton=$token")->json;
is $state->{state}, 'valid', 'JSON: the link is good';
ok $state->{same_browser}, 'JSON: and the browser known';
$r = $j->post('/inscription/confirmation',
    { csrf => $state->{csrf}, token => $token });
is $r->status, 200, 'JSON: confirmed' or diag $r->content;
is $r->json->{location}, '/mon-espace', 'JSON: to the space';
ok !exists $r->json->{session}, 'JSON: nothing of the session effect';
is $j->get('/mon-espace')->json->{account}{email}, $api{email}, 'JSON: who I am';

$code = free_code(town => 'saint-aubin', situation => 'separated');
$r = json_post($j, '/mes-abonnements/nouveau',
    { code => $code->{code}, step => 'search' });
is $r->status, 200, 'JSON: searched' or diag $r->content;
like $r->json->{found}{guardian}, qr/^\w\. \w\.$/, 'JSON: initials';
$r = json_post($j, '/mes-abonnements/nouveau',
    { code => $code->{code}, step => 'add' });
is $r->json->{location}, '/mes-abonnements', 'JSON: added' or diag $r->content;
my $list = $j->get('/mes-abonnements')->json;
is scalar @{ $list->{subscriptions} }, 1, 'JSON: in the list';
ok $list->{waiting} && !$list->{subscriptions}[0]{effective}, 'JSON: waits';
is $list->{effect}, 'relogin', 'JSON: for the next log-in';
$r = $j->get('/famille');
is $r->status, 403, 'JSON: not before';
is $r->header('content-type'), 'application/problem+json', 'JSON: a problem';

$r = json_post($j, '/deconnexion', {}, page => '/mon-espace');
is $r->status, 200, 'JSON: logged out' or diag $r->content;
is $j->get('/mon-espace')->status, 401, 'JSON: really';
$r = json_post($j, '/connexion',
    { email => $api{email}, password => $api{password} });
is $r->status, 200, 'JSON: in again' or diag $r->content;

my $family = $j->get('/famille')->json;
is $family->{status}, 200, 'JSON: the family file';
ok @{ $family->{guardians} } && @{ $family->{children} }, 'JSON: of people';
for (['responsables', 'guardian', 'guardians', qw(address tax bank)],
    ['enfants', 'child', 'children', qw(health authorisations contacts)])
{
    my ($path, $name, $list, @keys) = @$_;
    my $one = $family->{$list}[0];
    my $alone = $j->get("/famille/$path/$one->{id}")->json->{$name};
    # what the ready document does not have: words, and what depends on today
    delete @$_{qw(text title asked_again)} for @{ $alone->{authorisations} // [] };
    delete @$_{qw(to_come ended)}
        for map { @{ $_->{contacts} // [] } } $alone, $one;
    is_deeply $alone, $one, "JSON: /famille/$path/{id}";
    ok exists $alone->{$_}, "JSON: $name has $_" for @keys;
}

done_testing;
