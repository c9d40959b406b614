#!/usr/bin/perl

# PostgreSQL commits and its answer never comes, or the question never reached
# it: nginx cannot know which.  Nobody hears that it failed, or that it was
# done; the same form sent again counts once.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Cut;
use Portal::Fault;

my $p = Portal::Stack->new;
my $road = $p->dir . '/road';
$p->{directives} = { portal_database =>
    qq{"host=$road dbname=portal user=portal_web"} };
$p->prepare;
$p->start_database;
Portal::Place::make_dir($road, 0755);
my $cut = Portal::Cut->new("$road/.s.PGSQL.5432",
    $p->pg->socket_dir . '/.s.PGSQL.5432');
$p->start_redis;
$p->start_mail;
$p->start_nginx;
Portal::Test::adopt($p);

# how the answer goes: nothing was asked, nothing comes back, a part of it does
# (the results without the end of the transaction), silence until the timeout
my @WAYS = (['before'], ['after', 0], ['after', 1], ['after', 40],
    ['after', -6], ['after', -1], ['silent', 0], ['silent', -6]);

my $truth = qr/ne sait pas si votre demande a été enregistrée/;
my $lie = qr/n’a pas (?:pu )?(?:été|être) enregistré|Rien n’(?:a été|est)/;

my ($c) = person();
ok wait_for(5, sub { $c->get('/mon-espace')->status == 200 }), 'the road is open';


sub person {
    my (%o) = @_;

    my $person = new_account(%o);
    my $c = client(source => '127.16.0.' . (1 + int rand 250),
        town => $o{town});
    my $r = sign_in($c, $person);
    die 'no log-in: ', $r->status, "\n" if $r->status != 303;

    return ($c, $person);
}

sub subscriptions {
    my ($person) = @_;

    return $p->psql("select count(*) from portal.subscription
        where account_id = $person->{id}");
}

sub found {
    my ($c, $code) = @_;

    return $c->submit($c->get('/mes-abonnements/nouveau'),
        { code => $code->{code}, step => 'search' });
}


### with a key: a subscription

for my $way (@WAYS) {
    my ($how, $bytes) = @$way;
    my $name = join ' ', @$way;
    my ($c, $person) = person();
    my $form = found($c, free_code(town => 'saint-aubin'));
    my %sent = @{ $form->form->{fields} };

    $cut->at('subscribe', @$way);
    my $page = $c->submit($form, { step => 'add' });
    ok $cut->done, "$name: cut";
    is subscriptions($person), $how eq 'before' ? 0 : 1,
        "$name: " . ($how eq 'before' ? 'nothing was done' : 'it was done');

    is $page->status, 503, "$name: 503";
    ok $page->header('retry-after'), "$name: Retry-After";
    like $page->text, $truth, "$name: the truth";
    unlike $page->text, $lie, "$name: and no other";
    my %again = @{ $page->form('/mes-abonnements/nouveau')->{fields} };
    is $again{$_}, $sent{$_}, "$name: $_ as it was" for qw(key code);

    # sent again as it stands there; and by one who reloads the page
    for my $again ($page, $form) {
        my $done = $c->submit($again, { step => 'add' });
        is $done->status, 303, "$name: sent again" or diag $done->text;
        is $done->location, '/mes-abonnements?avis=subscribed',
            "$name: the one answer";
    }
    is subscriptions($person), 1, "$name: once";
}

{
    my ($c, $person) = person();
    my $json = as_json($c);
    my $code = free_code(town => 'saint-aubin')->{code};
    my %body = (code => $code, step => 'add',
        csrf => $json->get('/mes-abonnements/nouveau')->json->{csrf});
    my %key = (headers => { 'Idempotency-Key' => 'unsure-1' });

    $cut->at('subscribe', 'after', 0);
    my $r = $json->post('/mes-abonnements/nouveau', \%body, %key);
    is $r->status, 503, 'JSON: 503';
    is $r->json->{errors}[0]{code}, 'unknown_outcome', 'JSON: unknown';
    $r = $json->post('/mes-abonnements/nouveau', \%body, %key);
    is $r->status, 200, 'JSON: the same again' or diag $r->content;
    is $r->json->{location}, '/mes-abonnements', 'JSON: the stored answer';
    is subscriptions($person), 1, 'JSON: once';
}


### with a key: a sign-up

for my $way (['before'], ['after', 0]) {
    my $name = "sign-up, $way->[0]";
    my $c = client(source => '127.16.1.1');
    my $email = "unsure.$way->[0]\@exemple.fr";
    my $form = $c->get('/inscription');
    my %person = (last_name => 'Garnier', first_name => 'Zoé', email => $email,
        password => 'boussole marine 12 hiver');
    my %captcha = $c->captcha($form);

    $cut->at('sign_up', @$way);
    my $page = $c->submit($form, { %person, %captcha });
    is $page->status, 503, "$name: 503";
    like $page->text, $truth, "$name: the truth";
    my %again = @{ $page->form->{fields} };
    is $again{email}, $email, "$name: filled";
    is $again{password}, '', "$name: without the password";

    my $done = $c->submit($page, { password => $person{password},
        $c->captcha($page) });
    is $done->status, 303, "$name: sent again" or diag $done->text;
    is $p->psql("select count(*) from portal.outbox
        where recipient = '$email'"), 1, "$name: one mail";
}


### a session that a transaction opened, and whose cookie never came

my $live = 'select count(*) from portal.session where ended_at is null
    and account_id = ';

my $n = 0;

for my $way (@WAYS) {
    my $name = "log-in, " . join ' ', @$way;
    my $person = new_account();
    my $c = client(source => '127.16.2.' . ++$n);
    my $form = $c->get('/connexion');
    my %fields = map { $_ => $person->{$_} } qw(email password);

    $cut->at('sign_in', @$way);
    my $page = $c->submit($form, \%fields);
    ok $cut->done, "$name: cut";
    is $page->status, 503, "$name: 503";
    ok !defined $c->cookie('__Host-portal'), "$name: no cookie";
    ok wait_for(5, sub { $p->psql("$live $person->{id}") == 0 }),
        "$name: no session is left";

    is $c->submit($form, \%fields)->status, 303, "$name: and again: in";
    is $p->psql("$live $person->{id}"), 1, "$name: one session";
}

# of the look-up that comes first
{
    my $person = new_account();
    my $c = client(source => '127.16.3.1');
    my $form = $c->get('/connexion');

    $cut->at('sign_in_lookup', 'after', 0);
    is $c->submit($form, { map { $_ => $person->{$_} } qw(email password) })
        ->status, 503, 'the look-up: 503';
    is $p->psql("select count(*) from portal.session
        where account_id = $person->{id}"), 0, 'the look-up: no session';
    is sign_in($c, $person)->status, 303, 'and again';
}

# renewed by a subscription: the old one has ended, or has not
for my $way (['before'], ['after', 0]) {
    my $name = "renewal, $way->[0]";
    my ($c, $person) = person(town => 'beaulieu');
    my $form = found($c, free_code(town => 'beaulieu'));
    my $sid = $c->cookie('__Host-portal');

    $cut->at('subscribe', @$way);
    my $page = $c->submit($form, { step => 'add' });

    if ($way->[0] eq 'before') {
        is $page->status, 503, "$name: 503";
        is $c->cookie('__Host-portal'), $sid, "$name: the session stays";
        is $c->submit($page, { step => 'add' })->status, 303,
            "$name: sent again";
    } else {
        ok $page->form('/connexion'),
            "$name: its session has ended: the log-in, with the form"
            or diag $page->text;
        ok wait_for(5, sub { $p->psql("$live $person->{id}") == 0 }),
            "$name: no session is left";
        my $in = $c->submit($page, { map { $_ => $person->{$_} }
            qw(email password) }, form => '/connexion');
        is $in->status, 303, "$name: in again" or diag $in->text;
        my $back = $c->get($in->location);
        my %had = @{ $form->form->{fields} };
        my %has = @{ $back->form('/mes-abonnements/nouveau')->{fields} };
        is $has{key}, $had{key}, "$name: the form is back, with its key";
        my $done = $c->submit($back, { step => 'add' },
            form => '/mes-abonnements/nouveau');
        is $done->status, 303, "$name: and sent again has the one answer"
            or diag $done->text;
    }
    is $c->get('/famille')->status, 200, "$name: the subscription counts";
    is subscriptions($person), 1, "$name: once";
    is $p->psql("$live $person->{id}"), 1, "$name: one session";
}


### log-out

for my $way (['before'], ['after', 0], ['after', -6]) {
    my $name = 'log-out, ' . join ' ', @$way;
    my ($c, $person) = person();
    my $twin = twin($c);
    my $page = $c->get('/mon-espace');

    $cut->at('sign_out', @$way);
    my $out = $c->submit($page, {}, form => '/deconnexion');
    is $out->status, 503, "$name: 503, not « déconnecté »";
    is $twin->get('/mon-espace')->status, $way->[0] eq 'before' ? 200 : 303,
        "$name: as PostgreSQL has it";
    $out = $c->submit($page, {}, form => '/deconnexion');
    is $out->status, 303, "$name: again";
    is $out->location, '/?avis=signed_out', "$name: and told so";
    is $_->get('/mon-espace')->status, 303, "$name: out" for $c, $twin;
}


### what only reads is asked again

for my $way (grep { $_->[0] ne 'silent' } @WAYS) {
    $cut->at('my_space', @$way);
    is $c->get('/mon-espace')->status, 200, "a page, @$way: nobody notices";
    ok $cut->done, "a page, @$way: cut";
}

$cut->stop;

done_testing;
