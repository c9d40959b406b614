#!/usr/bin/perl

# Agents' notes on a family: for each other, withdrawn and never edited, on no
# page of families but in their own data.

use strict;
use warnings;
use utf8;

use JSON::PP ();
use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my $page = agent_client();
my $desk = as_json($page);
my $reader = agent_client(json => 1, as => new_agent(role => 'reader', name => 'Rémi Lecteur'));
my ($family) = map { $_->[0] } $portal->psql("select id from portal.family where number = '104201'");
my $file = "/familles/$family";
my $WORDS = 'Père joignable après 18 h, canari-jaune-72';

sub row { return scalar $portal->psql($_[0]) }
sub audited { return row("select action || ' ' || outcome || ' ' || object from portal.audit order by id desc limit 1") }
sub notes { return $_[0]->get($file)->json->{notes} }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }


### written

{
    my $r = $page->get($file);
    like $r->text, qr/lit dans « Mes données »|les lit dans/, 'the form says that the family reads it';
    like $r->text, qr/la loi le prévoit\. Aucune note\. Nouvelle note/, 'and that there is none yet';
    $r = $page->submit($r, { text => $WORDS }, form => $file);
    is $r->status, 303, 'written, as a form';
    $r = $page->get($r->location);
    like $r->text, qr/La note est ajoutée/, 'and told so';
    like $r->text, qr/\Q$WORDS\E/, 'it is on the page of the family';
    like $r->text, qr/Écrite le .* Jeanne Caron/, 'with day and author';
    is row("select outcome || ' ' || object from portal.audit where action = 'add_note'"), 'ok family_note', 'the audit says so, no word of it';
    for ([{ text => '' }, qr/^text:/, 'empty'], [{ text => 'x' x 2001 }, qr/^text:/, 'too long'],
        [{ text => 'NIR 1 85 05 78 006 084 91' }, qr/nir/, 'a social security number'])
    {
        my ($fields, $code, $what) = @$_;
        $r = json_post($desk, $file, $fields, page => '/session');
        is $r->status, 422, "$what: refused";
        like codes($r), $code, 'says why';
    }
    $r = $page->submit($page->get($file), { text => 'NIR 1 85 05 78 006 084 91, rappelé' }, form => $file);
    is $r->status, 422, 'a form that is refused';
    like $r->text, qr/Notes des agents.*1 85 05 78 006 084 91, rappelé/s, 'comes with the page and what was typed';
    $page->submit($page->get($file), { text => '<script>alert(1)</script>' }, form => $file);
    unlike $page->get($file)->content, qr/<script>alert/, 'what is typed is text';
    is json_post($reader, $file, { text => 'x' }, page => '/session')->status, 403, 'a reader writes none';
    is notes($reader)->{list}[-1]{text}, $WORDS, 'and reads them';
    ok !notes($reader)->{writes}, 'without a form';
    is json_post($desk, '/familles/999999', { text => 'x' }, page => '/session')->status, 404, 'of no family';
    is row('select count(*) from portal.family_note'), 2, 'nothing of what was refused is there';
}


### families: on no page but their own data

{
    my $c = client();
    sign_in($c, account(qr/couple/));
    for my $path ('/famille', '/mon-espace', '/famille/demandes') {
        unlike $c->get($path)->content, qr/canari-jaune/, "not on $path";
    }
    my $r = $c->get('/mes-donnees');
    like $r->text, qr/\Q$WORDS\E/, 'in their own data';
    unlike $r->text, qr/Jeanne Caron/, 'without who wrote it';
    like $c->get('/mes-donnees.csv')->content, qr/canari-jaune-72/, 'in the file, too';
    my $other = client();
    sign_in($other, account(qr/separated/));
    unlike $other->get('/mes-donnees')->content, qr/canari-jaune/, 'of no other family';
}


### withdrawn

{
    my $id = row("select id from portal.family_note where text like '%canari%'");
    my $path = "$file/notes/$id";
    is json_post($reader, $path, {}, page => '/session')->status, 403, 'not by a reader';
    is $desk->get("/familles/" . row("select min(id) from portal.family where tenant = 1 and id <> $family") . "/notes/$id")->status,
        404, 'not under another family';
    my $r = $page->get($path);
    like $r->text, qr/Ses mots sont effacés pour toujours/, 'says what that is';
    $r = $page->submit($r, {}, form => $path);
    is $r->status, 303, 'withdrawn';
    $r = $page->get($r->location);
    unlike $r->text, qr/canari-jaune/, 'its words are gone';
    like $r->text, qr/Note retirée le .* Jeanne Caron/, 'that it was there is said, and who withdrew it';
    is row("select count(*) from portal.family_note where text like '%canari%'"), 0, 'nowhere in the table';
    is audited(), 'read_family ok family', 'read again';
    is row("select outcome || ' ' || object_id from portal.audit where action = 'withdraw_note' and outcome = 'ok'"), "ok $id", 'the audit keeps it';
    is json_post($desk, $path, {}, page => '/session')->status, 409, 'once';
    my $c = client();
    sign_in($c, account(qr/couple/));
    $c = as_json($c);
    my ($told) = grep { !defined $_->{text} } @{ $c->get('/mes-donnees')->json->{families}[0]{notes} };
    ok $told->{withdrawn_at}, 'the family is told that there was one';
}


### their own family

{
    $portal->psql("update portal.guardian set email = '" . agent()->{email} . "' where family_id = $family and rank = 1");
    is_deeply notes($desk), { own => JSON::PP::true(), writes => JSON::PP::false(), list => [] }, 'of their own they read none';
    my $r = json_post($desk, $file, { text => 'x' }, page => '/session');
    is $r->status . ' ' . codes($r), '403 :own_family', 'nor write one';
    my $path = "$file/notes/" . row('select max(id) from portal.family_note');
    is $desk->get($path)->status, 403, 'nor open one';
    is json_post($desk, $path, {}, page => '/session')->status, 403, 'nor withdraw one';
}

done_testing;
