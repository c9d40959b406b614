#!/usr/bin/perl

# The pages that a French public site owes its visitors: reached from the foot
# of every page, and in each town's own words where it has any.

use strict;
use warnings;
use utf8;

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
    'Justificatifs, après la réponse de la mairie 2 ans', 'retirées ou refusées 30 jours',
    'appuyez sur « Modifier »';

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
ok wait_for(15, sub {
    # a call brings the new document to its worker
    $b->get('/inscription/confirmation?jeton=x');
    ($b->get('/aide')->links->{'/accessibilite'} // '') =~ /partiellement/;
}), 'the foot says what an audit found';
ok wait_for(15, sub {
    $b->get('/inscription/confirmation?jeton=x', @$english)->text
        =~ /Accessibility: partly compliant/;
}), 'in each language';

done_testing;
