#!/usr/bin/perl

# The texts of authorisations, as administrators write them: families read another
# one at once, keep what they have answered with its text, and are asked again only
# where the administrator says so.

use strict;
use warnings;
use utf8;

use Encode qw(decode);
use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my ($admin) = agent_client(role => 'administrator');
my $desk = as_json($admin);
my $list = '/reglages/autorisations';

sub row { my $v = $portal->psql($_[0]); return defined $v ? decode('UTF-8', $v) : undef }
sub codes { join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub change {
    my ($c, $path, %fields) = @_;

    return json_post($c, $path, { version => $c->get($path)->json->{version}, %fields });
}


### who may

for my $role (qw(reader validator)) {
    my $c = agent_client($role eq 'reader' ? (as => new_agent(role => 'reader')) : ());
    is $c->get($_)->status, 403, "$role: not $_" for $list, "$list/transport";
    my $j = as_json($c);
    is $j->post("$list/transport", { csrf => $j->get('/session')->json->{csrf}, version => 'x' })->status, 403, 'nor changes one';
}
is client(json => 1)->get($list)->status, 404, 'no page of families';


### a family that has answered

my $parent = client();
sign_in($parent, account('couple'));
my $jp = as_json($parent);
my $child = $jp->get('/famille')->json->{children}[0]{id};
my $page = "/famille/enfants/$child";
my $answer = sub { my ($code) = @_; (grep { $_->{code} eq $code } @{ $jp->get($page)->json->{child}{authorisations} })[0] };
$portal->psql("update portal.authorisation a set answer = 'yes', answered_on = portal.today(), school_year = portal.school_year(),
    text_id = (select min(t.id) from portal.authorisation_text t where t.tenant = 1 and t.code = a.code and t.lang = 'fr')
    where a.child_id = $child and a.code in ('transport', 'swimming')");
my $before = $answer->('transport')->{text};
like $before, qr/^J’autorise le transport/, 'the text that was read';


### another text

my $r = $admin->get('/reglages');
like $r->content, qr/href="$list"/, 'it is found';
$r = $admin->get($list);
like $r->text, qr/Être transporté lors des sorties J’autorise le transport de mon enfant/, 'the texts';
like $r->content, qr{href="/reglages/enfants/autorisations"}, 'and where it is said which are asked';
$r = $admin->get("$list/transport");
like $r->text, qr/Ce texte est le premier/, 'one of them';
$r = $admin->submit($r, { words_fr => '', again => 'no' });
is $r->status, 422, 'words are needed';
like $r->text, qr/Écrivez le texte que la famille doit lire/, 'in words';
my $open = $parent->get("$page/autorisations");
my $other_words = "J’autorise le transport.\n\nEn car ou en bus.";
$r = $admin->get("$list/transport");
is scalar(() = $r->content =~ /name="again" type="radio"/g), 2, 'two answers to whether families are asked again';
unlike $r->content, qr/name="again"[^>]* checked/, 'and none is chosen for the administrator';
like $r->text, qr/Non : les réponses déjà données restent valables.*Oui : les réponses déjà données ne comptent plus/s, 'what each does is said';
$r = $admin->submit($r, { words_fr => $other_words, again => 'no' });
is $r->status, 422, 'one language alone is not changed by an oversight';
like $r->content, qr/<p class="error" id="words_en-error">/, 'beside the other one';
like $r->text, qr/Vous n’avez changé que l’autre langue/, 'in words';
like $r->content, qr/En car ou en bus/, 'what was typed stays';
like $r->content, qr/value="no" checked/, 'and what was chosen';
unlike $r->content, qr/name="alone"[^>]* checked/, 'nothing is ticked by itself';
$r = $admin->submit($r, { words_fr => $other_words, alone => 'yes', again => undef });
is $r->status, 422, 'whether to ask again is to be chosen';
like $r->text, qr/Choisissez si les familles doivent répondre de nouveau/, 'in words';
like $r->content, qr/name="alone"[^>]* checked/, 'what was ticked stays';
is row("select count(*) from portal.audit where action = 'save_authorisation'"), 0, 'nothing was written';
$r = $admin->submit($r, { words_fr => $other_words, alone => 'yes', again => 'no' });
is $r->location, "$list?avis=settings_saved", 'written' or diag $r->text;
is row("select string_agg(outcome || ' ' || array_to_string(names, ','), ' ') from portal.audit where action = 'save_authorisation'"),
    'ok transport,words_fr', 'one row, with the names';
is row("select count(*) from portal.authorisation_text where tenant = 2 and text like '%En car%'"), 0, 'another town keeps its own';
is $parent->submit($open, { transport => 'no', step => 'send' })->status, 409, 'nobody answers by a text they have not read';
like $parent->get("$page/autorisations")->text, qr/En car ou en bus/, 'the form has the new one';
is $answer->('transport')->{text}, $before, 'what was answered stays, with its text';
is $jp->get("$page/autorisations")->json->{values}{transport}, 'yes', 'and counts';
ok !$answer->('transport')->{asked_again}, 'nobody is asked again';
unlike $parent->get($page)->text, qr/À donner de nouveau/, 'nor told so';
$r = $admin->get("$list/transport");
like $r->text, qr/Texte du .* J’autorise le transport de mon enfant, pour les sorties/, 'the former one can be read';
like $r->content, qr/id="words_en"[^>]*>\s*I allow/, 'English stays';


### asked again

my $count = $desk->get("$list/swimming")->json->{answers};
cmp_ok $count, '>', 0, 'how many answers count';
$r = $admin->submit($admin->get("$list/swimming"), { words_fr => 'Baignades, nouvelle règle.', alone => 'yes', again => 'yes' });
is $r->location, "$list?avis=settings_saved", 'another text, and asked again' or diag $r->text;
is $desk->get("$list/swimming")->json->{answers}, 0, 'none counts any more';
is $answer->('swimming')->{answer}, 'yes', 'the answer stays';
unlike $answer->('swimming')->{text}, qr/nouvelle règle/, 'with its text';
ok $answer->('swimming')->{asked_again}, 'and is to be given again';
like $parent->get($page)->text, qr/Participer aux baignades.*?Accordée À donner de nouveau/, 'which the page says';
is $jp->get("$page/autorisations")->json->{values}{swimming}, 'unanswered', 'the form asks';
my $family = row("select family_id from portal.child_family where child_id = $child limit 1");
like agent_client()->get("/familles/$family")->text, qr/Participer aux baignades.*?Accordée À donner de nouveau/, 'so does the agents\' one say';
is $jp->get("$page/autorisations")->json->{values}{transport}, 'yes', 'that one alone';
my $asked = json_post($jp, "$page/autorisations", { swimming => 'yes' });
my ($id) = ($asked->json->{location} // '') =~ m{/demandes/([0-9-]+)};
ok $id, 'the same answer is one again' or diag explain $asked->json;
my $agent = agent_client(json => 1);
is json_post($agent, "/demandes/$id", { step => 'accept', version => $agent->get("/demandes/$id")->json->{version} })->status, 200,
    'accepted';
like $answer->('swimming')->{text}, qr/nouvelle règle/, 'by the new text';
ok !$answer->('swimming')->{asked_again}, 'and counts';
is $desk->get("$list/swimming")->json->{answers}, 1, 'it is the first';

# whoever reads in English is asked too, and can answer
is row("select count(*) from portal.authorisation_text t where t.tenant = 1 and t.code = 'swimming' and t.asks_again"), 2,
    'in each language, so that an answer by the English one counts';


### a program, and two administrators

my $doc = $desk->get("$list/hospital");
is $doc->header('etag'), '"' . $doc->json->{version} . '"', 'the version is the ETag';
is json_post($desk, "$list/hospital", { again => 'yes' })->status, 428, 'a version is compulsory';
is codes(change($desk, "$list/hospital", again => 'no', alone => 'yes')), ':nothing_asked', 'as it is';
is codes(change($desk, "$list/hospital", words_fr => 'A.', words_en => 'B.')), 'again:required', 'there is no silent answer for programs either';
is codes(change($desk, "$list/hospital", words_en => 'B.', again => 'no')), 'words_fr:language_alone', 'nor is French left behind';
is codes(change($desk, "$list/hospital", words_en => 'B.', again => 'no', alone => undef)), 'words_fr:language_alone', 'whatever null is';
is codes(change($desk, "$list/hospital", words_en => undef)), 'words_en:text_stays', 'a language is not taken away';
is codes(change($desk, "$list/hospital", words_fr => 'x' x 2001)), 'words_fr:too_long', 'nor is it endless';
is $desk->get("$list/rien")->status, 404, 'there is no other';
my $mine = $admin->get("$list/hospital");
my $other = agent_client(json => 1, as => new_agent(role => 'administrator', name => 'Zoé Dupuis'));
is change($other, "$list/hospital", words_en => 'In an emergency.', alone => 'yes', again => 'no')->status, 200, 'another is faster';
$r = $admin->submit($mine, { words_fr => 'En cas d’urgence.', alone => 'yes', again => 'no' });
is $r->status, 409, 'who comes second hears of it';
is $admin->submit($r, {})->status, 303, 'and saves once it is looked at';
is change($desk, "$list/hospital", words_fr => '<b>{{x}}</b>', alone => 'yes', again => 'no')->status, 200, 'a text is text';
like $parent->get("$page/autorisations")->content, qr/&lt;b&gt;\{\{x\}\}&lt;\/b&gt;/, 'and nothing else';

done_testing;
