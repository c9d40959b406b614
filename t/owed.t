#!/usr/bin/perl

# The pages that a French public site owes its visitors: reached from the foot
# of every page, and in each town's own words where it has any.

use strict;
use warnings;
use utf8;

use Portal::Declared qw(locations);
use Portal::Test;

my $portal = portal();
my $c = client();
my %owed = ('/accessibilite' => 'Accessibilité : non conforme',
    '/donnees-personnelles' => 'Données personnelles',
    '/mentions-legales' => 'Mentions légales', '/plan-du-site' => 'Plan du site',
    '/aide' => 'Aide et contact');

sub plain { $_[0] =~ s/[\x{a0}\x{202f}]/ /gr }

for my $path ('/', '/connexion', '/nulle-part', '/langue', sort keys %owed) {
    my $page = $c->get($path);
    my ($foot) = $page->content =~ m{(<footer.*</footer>)}s;
    my $links = (bless { content => $foot }, ref $page)->links;
    is_deeply { map { $_ => plain($links->{$_} // '-') } keys %owed }, \%owed,
        "the foot of $path leads to all";
}

# from the agents' pages, too: those are on the families' host
for my $path ('/connexion', '/nulle-part') {
    my ($foot) = client(agents => 'saint-aubin')->get($path)->content =~ m{(<footer.*</footer>)}s;
    my $links = (bless { content => $foot }, 'Portal::Page')->links;
    is_deeply { map { $_ => plain($links->{$portal->url . $_} // '-') } keys %owed }, \%owed,
        "agents: the foot of $path leads to all";
}

my $text = $c->get('/accessibilite')->text;
like $text, qr/RGAA 4\.1\.2.*non conforme/, 'a statement without an audit';
like $text, qr/\Q$_\E/, "the statement: $_" for 'Résultats des tests',
    'Contenus non accessibles', 'Établissement de cette déclaration',
    'Signaler une difficulté', 'Schéma pluriannuel', 'Défenseur des droits',
    'Libre réponse 71120';

$text = $c->get('/mentions-legales')->text;
like $text, qr/Mme Denise Fournier, maire/, 'who is responsible for it';
like $text, qr/Hébergeur imaginaire, 10 quai.*Téléphone : 03 53 01 09 00/,
    'the host, by name, address and telephone';

$text = plain($c->get('/donnees-personnelles')->text);
like $text, qr/Délégué à la protection des données, Mairie, 1 place/,
    'the data protection officer';
like $text, qr/CNIL/, 'and whom to complain to';

like $text, qr/$_/, "what is asked for and sent: $_" for 'Vos demandes : ',
    'Justificatifs, après la réponse de la mairie 2 ans', 'annuler le retrait d.une personne 30 jours',
    'appuyez sur « Modifier »';

# each page that has a name of its own is on the map, for who may go there; what
# takes an id in its address, sends or is an answer to a form is not
{
    my $map = $c->get('/plan-du-site')->links;
    my %not = map { $_ => 1 } '/plan-du-site', '/inscription/envoyee', '/mot-de-passe/envoye',
        '/inscription/confirmation', '/mot-de-passe/nouveau', '/mon-compte/adresse/confirmation',
        '/mon-compte/adresse/annulation', '/mes-abonnements/resiliation';
    my @pages = grep { !$not{$_} } map { $_->{path} }
        grep { $_->{path} !~ /\{|\.\w+$/ && $_->{body} =~ /portal_(?:get|page)\b/
            && $_->{body} !~ /portal_error/ } locations('pages');
    cmp_ok scalar(@pages), '>', 20, 'pages were found';
    is join(' ', grep { !$map->{$_} } @pages), '', 'the map has every page';

    my ($parent) = parent(source => '127.0.9.31');
    my $links = $parent->get('/mon-compte')->links;
    is plain($links->{'/mes-donnees'} // ''), 'Mes données', '« Mon compte » leads to « Mes données »';
    is plain($links->{'/mes-donnees/fermeture'} // ''), 'Fermer mon compte', 'and to closing it';

    # the cookies that are given are those that are told
    my $d = client(source => '127.0.9.32');
    my $page = $d->get('/langue?retour=/');
    my ($form) = grep { $_->{action} =~ m{^/langue} } $page->forms;
    $d->submit($page, { lang => 'en' }, form => $form->{action}) if $form;
    sign_in($d, new_account());
    is join(' ', sort keys %{ $d->{cookies} }), '__Host-device __Host-lang __Host-portal __Host-visit',
        'four cookies';
    like $text, qr/Quatre cookies au plus/, 'are told';
    like $text, qr/$_/, "and for how long: $_" for 'fermez le navigateur\. Le deuxième',
        'pendant 90 jours', 'la langue pendant un an';
}

# what one can do is what the pages offer
$text = plain($c->get('/aide')->text);
like $text, qr/Une information du dossier est fausse.*« Modifier »/, 'help: how to ask for a change';
like $text, qr/« Mes demandes »/, 'help: and to follow it';
unlike $text, qr/Appelez ou écrivez au service : il/, 'help: not by telephone alone';
like plain($c->get('/')->text), qr/Si quelque chose a changé, demandez-le en ligne/,
    'home: the file is there to be changed';

my $b = client(town => 'beaulieu');
like $b->get('/mentions-legales')->text, qr/Le maire de la commune\./,
    'what holds where a town has written nothing';
like $b->get('/donnees-personnelles')->text,
    qr/enfance\@beaulieu\.example, à l’attention du délégué/, 'likewise';

my $english = [headers => { 'Accept-Language' => 'en' }];
like $c->get('/mentions-legales', @$english)->text,
    qr/Ms Denise Fournier, mayor/, 'in English where the town says so';

# after an audit
$portal->psql(q{update portal.town set texts = texts || '{
    "accessibility": {"fr": "Accessibilité : partiellement conforme",
                      "en": "Accessibility: partly compliant"}}'
    where slug = 'beaulieu'});
ok everywhere(sub { $b->get('/aide', @_) },
    sub { ($_[0]->links->{'/accessibilite'} // '') =~ /partiellement/ }, 15),
    'the foot says what an audit found';
ok everywhere(sub { $b->get('/inscription/confirmation?jeton=x', @$english, @_) },
    sub { $_[0]->text =~ /Accessibility: partly compliant/ }, 15), 'in each language';

done_testing;
