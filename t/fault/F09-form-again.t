#!/usr/bin/perl

# PostgreSQL goes while a form is being filled in: the page that says so
# carries what was typed, and its button sends the same again, once.

use Portal::Test;

use strict;
use warnings;
use utf8;

use Portal::Fault;

my $p = portal();
my $c = signed_in(qr/couple/);
my $me = $p->psql("select g.id from portal.guardian g join portal.family f
    on f.id = g.family_id where f.number = '104201' and g.rank = 1");
my $path = "/famille/responsables/$me/base";
my $add = '/famille/enfants/ajout';
my $BUTTON = 'Envoyer de nouveau';

sub asked { return $p->psql("select count(*) from portal.change_set") }

# the form as the page that came with 503 has it
sub carried {
    my ($page, $path) = @_;

    my $form = $page->form($path) or return {};
    return { @{ $form->{fields} } };
}

my $form = $c->get($path);
my $new = $c->get($add);
my $typed = { step => 'send', profession => 'Sœur « A » "><svg onload=alert(1)>' };
my $child = { step => 'send', first_name => 'Zoé', last_name => "L'Été", birth_date_day => 2,
    birth_date_month => 3, birth_date_year => 2024, sex => 'f' };
my $password = $c->get('/mon-compte/mot-de-passe');
my $before = asked();

$p->stop_database;

my $page = $c->submit($form, $typed, form => $path);
is $page->status, 503, 'while it is away: 503';
ok $page->header('retry-after'), 'with a time';
like $page->text, qr/n’a pas été enregistré.*envoyez de nouveau.*gardé dans cette page/s, 'says that nothing is lost';
ok((grep { $_ eq $BUTTON } buttons($page)), "« $BUTTON »");
like $page->header('cache-control'), qr/no-store/, 'kept nowhere';
unlike $page->content, qr/<svg onload/, 'T151 what was typed is text';
my %had = @{ $form->form($path)->{fields} };
my %has = %{ carried($page, $path) };
is $has{profession}, $typed->{profession}, 'what was typed is there';
is $has{step}, 'send', 'the button that was pressed';
is $has{key}, $had{key}, 'the key';
is $has{opened}, $had{opened}, 'what the page was made over';
is $has{version}, $had{version}, 'and its version';
ok $has{csrf}, 'a token';

my $again = $c->submit($page, {}, form => $path);
is $again->status, 503, 'pressed too early: 503';
is carried($again, $path)->{$_}, $has{$_}, "$_ is still there" for qw(profession key opened step);

my $kid = $c->submit($new, $child, form => $add);
is carried($kid, $add)->{$_}, $child->{$_}, "a child: $_" for sort keys %$child;

my $secret = $c->submit($password, { current_password => 'la mienne de toujours 1', new_password => 'une autre, plus longue 2' });
is $secret->status, 503, 'a password: 503';
unlike $secret->content, qr/la mienne|une autre, plus/, 'is not in the page';
ok !(grep { $_ eq $BUTTON } buttons($secret)), 'which has no such button';
like $secret->text, qr/n’a pas été enregistré/, 'and says as before what became of it';

my $json = $c->submit($form, $typed, form => $path, headers => { Accept => 'application/json' });
is $json->json->{code}, 'not_done', 'JSON: as before';
ok !exists $json->json->{retry}, 'JSON: no form';


$p->start_database;
back_ok($c, '/mon-espace', 'back', 8);

my $sent = $c->submit($again, {}, form => $path);
is $sent->status, 303, 'sent again' or diag $sent->text;
is asked(), $before + 1, 'one request';
is $p->psql("select count(*) from portal.change_item where asked::text like '%svg onload%'"), 1, 'of what was typed';
is $c->submit($page, {}, form => $path)->location, $sent->location, 'the first page, too, is that request';
is $c->submit($form, $typed, form => $path)->location, $sent->location, 'and the form itself';
is asked(), $before + 1, 'still one';
$sent = $c->submit($kid, {}, form => $add);
is $sent->status, 303, 'a child' or diag $sent->text;
is asked(), $before + 2, 'asked for once';

done_testing;
