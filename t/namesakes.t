#!/usr/bin/perl

# Two guardians of one family may each ask for the same person: who accepts the
# second request is told that the file has somebody of that name, and says that it
# is another person, or refuses.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Test;

my $portal = portal();
my %people = map { ($_->{email} =~ /^(\w+)/)[0] => $_ } @{ $portal->demo->{accounts} };
my ($camille, $julien) = map { my $c = client(); sign_in($c, $people{$_}); $c } qw(camille julien);
my ($cj, $jj) = map { as_json($_) } $camille, $julien;
my $desk = agent_client();
my $agent = as_json($desk);

sub row { return scalar $portal->psql($_[0]) }
sub codes { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }

my ($leo) = map { $_->[0] } $portal->psql("select c.id from portal.child c join portal.child_family m on m.child_id = c.id
    join portal.family f on f.id = m.family_id where f.number = '104201' and c.first_name = 'Léo'");

sub asked {
    my ($who, $path, $fields) = @_;

    my $r = json_post($who, $path, $fields);
    my ($id) = ($r->json->{location} // '') =~ /(\d+)$/;
    ok $id, "asked: $path" or diag $r->status, ' ', $r->content;
    return $id;
}

sub decided {
    my ($id, $step, %more) = @_;

    return json_post($agent, "/demandes/$id", { step => $step, version => $agent->get("/demandes/$id")->json->{version}, %more });
}

my %ask = (
    child => ['/famille/enfants/ajout',
        { last_name => 'Martin', first_name => 'Zélie', birth_date => '2024-05-02' },
        { last_name => 'MARTIN', first_name => 'Zelie', birth_date => '2024-05-02' },
        { last_name => 'Martin', first_name => 'Zélie', birth_date => '2024-05-03' }],
    guardian => ['/famille/responsables/ajout',
        { last_name => 'Roy', first_name => 'Ève', link => 'guardian', birth_date => '1980-02-01' },
        { last_name => 'roy', first_name => 'Eve', link => 'other' },
        { last_name => 'Roy', first_name => 'Ève', link => 'other', birth_date => '1980-02-02' }],
    contact => ["/famille/enfants/$leo/contacts/nouveau",
        { last_name => 'Petit', first_name => 'Odile', link => 'friend', phone_mobile => '0612345678', collect => 'no', emergency => 'no' },
        { last_name => 'PETIT', first_name => 'odile', link => 'neighbour', phone_home => '0321000000', collect => 'no', emergency => 'no' },
        { last_name => 'Petit', first_name => 'Odette', link => 'friend', phone_mobile => '0612345678', collect => 'no', emergency => 'no' }],
);

for my $kind (sort keys %ask) {
    my ($path, $first, $same, $other) = @{ $ask{$kind} };
    my $count = "select count(*) from portal.$kind where first_name in ('Zélie', 'Zelie', 'Ève', 'Eve', 'Odile', 'odile')";

    # both ask before either is accepted
    my $one = asked($cj, $path, $first);
    my $two = asked($jj, $path, $same);
    my $version = $agent->get("/demandes/$two")->json->{version};
    is_deeply $agent->get("/demandes/$one")->json->{namesakes}, [], "$kind: the file has nobody of that name";
    is decided($one, 'accept')->status, 200, 'the first is accepted';
    is row($count), 1, 'and there';

    my $doc = $agent->get("/demandes/$two")->json;
    is_deeply $doc->{namesakes}, [{ name => "$first->{first_name} $first->{last_name}",
        birth_date => $first->{birth_date} }], 'the second says who is there already';
    my $page = $desk->get("/demandes/$two");
    like $page->text, qr/Le dossier a déjà quelqu’un de ce nom.*$first->{first_name} $first->{last_name}/, 'so does its page';
    like $page->content, qr/type="checkbox" id="[^"]+" name="other_person" value="yes">/, 'with a box that is not ticked';

    my $r = json_post($agent, "/demandes/$two", { step => 'accept', version => $version });
    is $r->status . codes($r), '422other_person:same_person', 'accepted from a page of before: nothing is done';
    $r = decided($two, 'accept');
    is $r->status . codes($r), '422other_person:same_person', 'nor from this one';
    if ($kind ne 'contact') {
        $r = decided($two, 'partly', map { $_->{field} => 'accept' } @{ $doc->{items} });
        is $r->status . codes($r), '422other_person:same_person', 'nor field by field';
    }
    $r = $desk->submit($page, { step => 'accept' }, form => "/demandes/$two");
    is $r->status, 422, 'nor by the form';
    like $r->text, qr/Si c’est une autre personne, cochez la case/, 'which says why';
    my ($to) = $r->content =~ m{<a href="#(other_person[\w-]*)">};
    like $r->content, qr/<input type="checkbox" id="\Q$to\E" name="other_person"/, 'and leads to the box' if ok $to, 'a link';
    is row($count) . row("select state from portal.change_set where id = $two"), '1sent', 'the request waits as it did';
    is row("select count(*) from portal.audit where action = 'decide' and outcome = 'same_person' and object_id = $two") > 0, 1,
        'the audit has it';

    my $seen = $jj->get("/famille/demandes/$two");
    unlike $seen->content, qr/namesake|other_person|same_person/, 'who asked reads nothing of it';

    if ($kind eq 'guardian') {
        is decided($two, 'refuse', reason => 'Cette personne est déjà dans le dossier.')->status, 200, 'it can be refused';
        is row($count), 1, 'and nobody is there twice';
    } else {
        $r = $desk->submit($desk->get("/demandes/$two"), { step => 'accept', other_person => 'yes' }, form => "/demandes/$two");
        is $r->status, 303, 'ticked, it is accepted' or diag $r->text;
        is row($count), 2, 'as another person';
        unlike $desk->get("/demandes/$two")->content, qr/other_person/, 'then nothing is asked any more';
    }

    my $third = asked($cj, $path, $other);
    is_deeply $agent->get("/demandes/$third")->json->{namesakes}, [], 'another birth date, or name, is another person';
    is decided($third, 'accept')->status, 200, 'accepted without more ado';
}

# two agents at once
{
    my $path = $ask{contact}[0];
    my @two = map { asked($_, $path, { last_name => 'Deux', first_name => 'Fois', link => 'friend', phone_mobile => '0612345678', collect => 'no', emergency => 'no' }) } $cj, $jj;
    my $second = as_json(agent_client(as => new_agent(name => 'Odile Seconde')));
    my @version = map { $agent->get("/demandes/$_")->json->{version} } @two;
    my @r = map { json_post($_ ? $second : $agent, "/demandes/$two[$_]", { step => 'accept', version => $version[$_] }, page => '/session') } 0, 1;
    is join(' ', map { $_->status } @r), '200 422', 'two agents, a request each: one of them is accepted';
}

done_testing;
