#!/usr/bin/perl

# Whose answer an authorisation is: one guardian with parental authority is enough,
# but nobody's answer takes the place of another guardian's without an agent who has
# read that it does.

use strict;
use warnings;
use utf8;

use Encode qw(decode);
use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my %who = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my ($camille, $julien) = map { my $c = client(); sign_in($c, $who{$_}); $c } qw(camille julien);
my ($jc, $jj) = map { as_json($_) } $camille, $julien;
my ($admin) = agent_client(role => 'administrator');
my $desk = as_json($admin);

sub row { my $v = $portal->psql($_[0]); return defined $v ? decode('UTF-8', $v) : undef }
my $leo = row("select min(id) from portal.child where first_name = 'Léo' and tenant = 1");
my $page = "/famille/enfants/$leo";
my %guardian = map { $_ => row("select g.id from portal.guardian g join portal.family f on f.id = g.family_id
    where f.number = '104201' and g.first_name = '$_'") } qw(Camille Julien);
$portal->psql("update portal.authorisation set answer = 'unanswered', answered_on = null, school_year = null, text_id = null
    where child_id = $leo");

sub ask {
    my ($c, %fields) = @_;

    my $r = json_post($c, "$page/autorisations", \%fields);
    return ($r->json->{location} // '') =~ m{/demandes/(\d+)} ? $1 : die $r->content;
}

sub decide {
    my ($id, %fields) = @_;

    return json_post($desk, "/demandes/$id", { version => $desk->get("/demandes/$id")->json->{version}, step => 'accept', %fields });
}
sub item { my ($id, $field) = @_; return (grep { $_->{field} eq $field } @{ $desk->get("/demandes/$id")->json->{items} })[0] }
sub state { return row("select state from portal.change_set where id = $_[0]") }
sub whose {
    return row("select a.answer || ' ' || coalesce(g.first_name, '-') from portal.authorisation a
        left join portal.guardian g on g.id = a.guardian_id where a.child_id = $leo and a.code = '$_[0]'");
}


### one is enough, and the answer is theirs

my $id = ask($jc, leave_alone => 'yes');
is_deeply [$desk->get("/demandes/$id")->json->{has_other_answers} ? 1 : 0, item($id, 'leave_alone')->{other_answer}], [0, undef], 'nobody else has answered';
is decide($id)->status, 200, 'accepted';
is whose('leave_alone'), 'yes Camille', 'it is hers';
is((grep { $_->{code} eq 'leave_alone' } @{ $jj->get($page)->json->{child}{authorisations} })[0]{answer}, 'yes', 'and holds for the child, as the other guardian reads');


### the other one says otherwise

my $no = ask($jj, leave_alone => 'no', transport => 'yes');
my $other = item($no, 'leave_alone')->{other_answer};
is_deeply [@{$other}{qw(name link answer)}], ['Camille Martin', 'mother', 'yes'], 'the agent is told whose answer it would replace';
is item($no, 'transport')->{other_answer}, undef, 'only there';
my $r = $admin->get("/demandes/$no");
like $r->text, qr/Un autre responsable a répondu autrement, et sa réponse compte aujourd’hui/, 'in words';
like $r->text, qr/Rentrer seul.*?la réponse d’un autre responsable\s: Camille Martin \(Mère\), /s, 'beside the answer of now';
is whose('leave_alone'), 'yes Camille', 'which stays';
is decide($no)->status, 200, 'accepted over that page';
is whose('leave_alone'), 'no Julien', 'it is his then';
is item($no, 'leave_alone')->{other_answer}, undef, 'nothing to be told any more';
is decide($no, step => 'reverse', reason => 'La mère n’est pas d’accord.')->status, 200, 'undone';
is whose('leave_alone'), 'yes Camille', 'it is hers again';

my $own = ask($jc, leave_alone => 'no');
is item($own, 'leave_alone')->{other_answer}, undef, 'who changes their own answer replaces nobody\'s';
is json_post($jc, "/famille/demandes/$own", {})->status, 200, 'and takes it back';


### where answers count at once

$portal->psql("insert into portal.field_policy (tenant, section, field, policy, validation)
    select 1, 'child_authorisations', f.name, 'editable', 'automatic' from portal.field f where f.section = 'child_authorisations'
    on conflict (tenant, section, field) do update set validation = 'automatic'");
is state(ask($jc, hospital => 'yes')), 'accepted', 'an answer that nobody has given counts at once';
is whose('hospital'), 'yes Camille', 'as hers';
is state(ask($jc, hospital => 'no')), 'accepted', 'so does another one of hers';
is state(ask($jj, hospital => 'no', image_web => 'no')), 'accepted', 'and the same answer of another one, with what is new';
my $wait = ask($jj, hospital => 'yes');
is state($wait), 'sent', 'one that differs waits for an agent';
is whose('hospital'), 'no Camille', 'and changes nothing';
is state(my $mine = ask($jc, hospital => 'unanswered')), 'sent', 'nor does hers while the other\'s is not decided';
is decide($wait, step => 'refuse', reason => 'Mettez-vous d’accord.')->status, 200, 'refused';
is whose('hospital'), 'no Camille', 'hers stays';

# what an import or an older version has left is nobody's
$portal->psql("update portal.authorisation set answer = 'yes', answered_on = portal.today(), guardian_id = null where child_id = $leo and code = 'image_press'");
is state(ask($jj, image_press => 'no')), 'accepted', 'an answer that is nobody\'s is nobody\'s to keep';


### who has no parental authority

my $before = row('select count(*) from portal.change_set');
$portal->psql("update portal.guardian set authority = false where id = $guardian{Julien}");
my $was = $jj->get($page)->json;
ok !$was->{may_answer}, 'a program is told';
is $was->{sections}{child_authorisations}, undef, 'there is no form';
$r = $julien->get($page);
like $r->text, qr/Seuls les responsables qui ont l’autorité parentale répondent/, 'and a person';
unlike $r->content, qr{href="$page/autorisations"}, 'without a link that leads nowhere';
is $julien->get("$page/autorisations")->status, 404, 'nor does the address';
is $jj->post("$page/autorisations", { transport => 'no', csrf => $jj->get('/session')->json->{csrf} })->status, 404, 'nothing can be sent';
is row('select count(*) from portal.change_set'), $before, 'nothing was';
unlike $julien->get('/famille/verification')->content, qr{$page/autorisations}, '« Tout vérifier » does not ask';
is $jj->get("$page/sante")->status, 200, 'the rest is theirs as before';
ok $jc->get($page)->json->{may_answer}, 'the other guardian answers';
$portal->psql("update portal.guardian set authority = null where id = $guardian{Julien}");
is $julien->get("$page/autorisations")->status, 200, 'who is not known to have none may';


### an answer outlives who gave it

is row("select count(*) from portal.authorisation where guardian_id = $guardian{Camille} and child_id = $leo") > 0, 1, 'some are hers';
is row('select portal.check_documents()'), 0, 'the ready documents are as building them makes them';

done_testing;
