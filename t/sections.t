#!/usr/bin/perl

# Every section of the file by every way a request can go: modified, accepted,
# refused, completed, replaced, withdrawn and in conflict, as pages without
# scripts and as JSON (with scripts: t/browser/sections.mjs).  An accepted one
# is read back by who asked, and by the other guardian where
# sql/visibility.tsv lets them see it, and nowhere else.

use strict;
use warnings;
use utf8;

use Portal::Fault qw(as_json);
use Portal::Place qw(slurp);
use Portal::Test;

my $portal = portal();

# Camille and Julien Martin, of one family
my %who = map { $_->{email} =~ /^(\w+)/ ? ($1 => $_) : () }
    @{ $portal->demo->{accounts} };
my ($asks, $other) = map { my $c = client(); sign_in($c, $who{$_}); $c }
    qw(camille julien);
my ($agent) = agent_client(as => new_agent());
my %json = map { $_ => as_json($_) } $asks, $other, $agent;

my ($me) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
    join portal.family f on f.id = g.family_id
    where f.number = '104201' order by g.rank limit 1");
my ($child, $contact) = @{ ($portal->psql("select c.child_id, c.id
    from portal.contact c join portal.family f on f.id = c.family_id
    where f.number = '104201' order by c.child_id, c.rank limit 1"))[0] };

# what the sections know of who may see them
my %group = map { my @f = split /\t/; $f[1] eq ':' ? ($f[0] => $f[2]) : () }
    grep { /\t/ && !/^#/ } split /\n/, slurp(top() . '/sql/fields.tsv');
my %shared = map { my @f = split /\t/;
    $f[1] eq 'same_family' && $f[2] eq 't' ? ($f[0] => 1) : () }
    grep { !/^#/ } split /\n/, slurp(top() . '/sql/visibility.tsv');

# A section: the path of its form, the field that is asked for, and values of
# it; now: what the person's page says it is, in JSON; moves: SQL by which the
# town's software changes it, or another field that is asked for with it; with:
# what goes along.  value and moves get a number or word of their own, what the
# file holds and what was last asked for.
my $guardian = "/famille/responsables/$me";
my $of_child = "/famille/enfants/$child";
my %SECTION = (
    guardian_basic => { path => "$guardian/base", field => 'profession',
        value => sub { "Métier $_[0]" },
        now => sub { $_[0]{guardian}{profession} },
        moves => sub { "update portal.guardian set profession = '$_[0]' where id = $me" } },
    guardian_address => { path => "$guardian/adresse", field => 'street',
        value => sub { "rue des Saules $_[0]" },
        now => sub { $_[0]{guardian}{address}{street} },
        moves => sub { "update portal.address set street = '$_[0]' where guardian_id = $me" } },
    guardian_tax => { path => "$guardian/fiscales", field => 'shares',
        value => sub { ($_[0] % 9) + 1 . ',5' },
        says => sub { $_[0] =~ tr/,/./r },
        now => sub { $_[0]{guardian}{tax}{shares} + 0 },
        with => sub { (notice_reference => sprintf '26TEST%07d', $_[0]) },
        moves => sub { "update portal.tax set shares = 11.5 where guardian_id = $me" } },
    guardian_bank => { path => "$guardian/bancaires", field => 'holder',
        value => sub { 'Titulaire ' . chr(65 + $_[0] % 26) },
        now => sub { $_[0]{guardian}{bank}{holder} },
        moves => sub { "update portal.bank set holder = '$_[0]' where guardian_id = $me" } },
    child_general => { path => "$of_child/generales", field => 'birth_place',
        value => sub { "Ville n° $_[0]" },
        now => sub { $_[0]{child}{birth_place} },
        moves => sub { "update portal.child set birth_place = '$_[0]' where id = $child" } },
    child_authorisations => { path => "$of_child/autorisations", field => 'leave_alone',
        value => sub { neither(@_[1, 2]) },
        now => sub { (map { $_->{answer} } grep { $_->{code} eq 'leave_alone' }
            @{ $_[0]{child}{authorisations} })[0] },
        moves => sub { my $third = neither(@_[1, 2]);
            "update portal.authorisation set answer = '$third', answered_on = "
                . ($third eq 'unanswered' ? 'null' : 'current_date')
                . ", school_year = null, text_id = null, guardian_id = null where child_id = $child and code = 'leave_alone'" } },
    child_health => { path => "$of_child/sante", field => 'notes',
        value => sub { "Dort avec le doudou n° $_[0]" },
        now => sub { $_[0]{child}{health}{notes} },
        with => sub { (doctor_name => "Docteur $_[0]") },
        moves => sub { "update portal.health set doctor_name = '$_[0]' where child_id = $child" } },
    child_contact => { path => "$of_child/contacts/$contact/modifier", field => 'last_name',
        value => sub { 'Voisin-' . chr(65 + $_[0] % 26) },
        now => sub { (map { $_->{last_name} } grep { $_->{id} == $contact }
            @{ $_[0]{child}{contacts} })[0] },
        moves => sub { "update portal.contact set last_name = '$_[0]' where id = $contact" } },
);
is_deeply [sort keys %SECTION], [sort grep { $_ ne 'child_photo' } keys %group],
    'every section but the photo, which t/photo_page.t goes through';

my $serial = 0;

for my $mode (qw(html json)) {
    goes($_, $mode) for sort keys %SECTION;
}

### what the town may not be told (CNIL: a social security number)

for my $section (sort keys %SECTION) {
    refuses_nir($SECTION{$section}{path}, $section);
}
refuses_nir("/famille/responsables/$me/retrait", 'retrait');
refuses_nir("$of_child/contacts/interdiction", 'interdiction');

done_testing;


sub refuses_nir {
    my ($path, $form) = @_;

    my @fields = map { /^field\s+(\w+)\s+(?:text|lines)\b/ && !/\bhidden\b/ ? $1 : () }
        split /\n/, slurp(top() . "/conf.d/portal/forms/$form.form");
    my $csrf = $json{$asks}->get($path)->json->{csrf};

    for my $field (@fields) {
        my $r = $json{$asks}->post($path, { csrf => $csrf,
            $field => 'Son numéro : 1 85 05 78 006 084 91' });
        is $r->status . ' ' . join(' ', map { "$_->{field} $_->{code}" }
                grep { $_->{field} eq $field } @{ $r->json->{errors} // [] }),
            "422 $field private_nir", "$form: no social security number in $field";
    }
}

# of three possible answers another one
sub neither {
    my %not = map { $_ => 1 } grep { defined } @_;

    return (grep { !$not{$_} } qw(yes no unanswered))[0];
}


### the ways of a section

sub goes {
    my ($section, $mode) = @_;

    my $s = { %{ $SECTION{$section} }, section => $section, mode => $mode,
        name => "$section as $mode" };
    my $first = held($s);

    # modified and accepted
    my ($id, $value) = asked($s);
    is held($s), $first, "$s->{name}: asked for, the file is as it was";
    decided($s, $id, 'accept');
    is state_of($id), 'accepted', 'accepted';
    is held($s), $value, 'read back';
    seen_by_other($s, $value);

    # refused
    ($id) = asked($s);
    decided($s, $id, 'refuse', reason => 'Le justificatif manque.');
    is state_of($id), 'refused', "$s->{name}: refused";
    is held($s), $value, 'the file is as it was';
    like told($s, $id), qr/Le justificatif manque/, 'the family reads why';

    # completed
    ($id) = asked($s);
    decided($s, $id, 'incomplete', reason => 'Précisez.');
    is state_of($id), 'incomplete', "$s->{name}: more is asked for";
    like told($s, $id), qr/Précisez/, 'the family reads what';
    my ($same, $completed) = asked($s);
    is $same, $id, 'completed under its number';
    decided($s, $id, 'accept');
    is held($s), $completed, 'and read back';

    # replaced, and withdrawn
    my ($old) = asked($s);
    ($id) = asked($s);
    isnt $id, $old, "$s->{name}: another one";
    is state_of($old), 'replaced', 'takes the place of the first';
    withdrawn($s, $id);
    is state_of($id), 'withdrawn', 'withdrawn';
    is held($s), $completed, 'the file is as it was';

    # in conflict: the file moves between asking and deciding
    ($id, $value) = asked($s);
    my $page = opened($s, $id);
    my $moved = 'Mairie ' . ++$serial;
    $portal->psql(Encode::encode('UTF-8', $s->{moves}->($moved, $completed, $value)));
    is decision($s, $id, $page, 'accept')->status, 409,
        "$s->{name}: the file has moved, an old page decides nothing";
    is state_of($id), 'sent', 'the request waits';
    my $case = opened($s, $id);
    ok conflict($s, $case), 'the new page says that both have moved';
    is decision($s, $id, $case, 'accept')->status, $mode eq 'html' ? 303 : 200,
        'seen, it is decided';
    is held($s), $value, 'and read back';
}


sub state_of {
    my ($id) = @_;

    return scalar $portal->psql("select state from portal.change_set where id = $id");
}

# what the person's page says of the field, to who asks or to another
sub held {
    my ($s, $c) = @_;

    my ($path) = $s->{path} =~ m{^(/famille/\w+/\d+)};

    return $s->{now}->($json{ $c // $asks }->get($path)->json);
}

sub seen_by_other {
    my ($s, $value) = @_;

    my ($path) = $s->{path} =~ m{^(/famille/\w+/\d+)};
    my $text = $other->get($path)->text;

    if ($shared{ $group{ $s->{section} } }) {
        is held($s, $other), $value, 'by the other guardian too';
        return;
    }
    unlike $json{$other}->get($path)->content, qr/"$s->{field}"/,
        'the other guardian has no such field';
    is $json{$other}->get($s->{path})->status, 404, 'nor its form';
}


### what a family does

# asks for another value: the request's number, the value as the file will say it
sub asked {
    my ($s) = @_;

    my $value = $s->{value}->(++$serial, held($s), $s->{last});
    $s->{last} = $value;
    my %fields = ($s->{field} => $value, $s->{with} ? $s->{with}->($serial) : ());

    if ($s->{mode} eq 'json') {
        my $r = json_post($json{$asks}, $s->{path}, \%fields);
        is $r->status, 200, "$s->{name}: asked for" or diag $r->content;
        return ($r->json->{location} =~ /(\d+)/, $s->{says} ? $s->{says}->($value) : $value);
    }

    my $r = $asks->get($s->{path});
    my $check = $r->content =~ /name="step" value="check"/;
    $r = $asks->submit($r, { %fields, step => $check ? 'check' : 'send' }, form => $s->{path});
    if ($check) {
        like $r->title, qr/Vérifiez votre demande/, "$s->{name}: shown again first";
        $r = $asks->submit($r, { step => 'send' }, form => $s->{path});
    }
    is $r->status, 303, "$s->{name}: asked for" or diag $r->text;

    return ($r->location =~ /(\d+)/, $s->{says} ? $s->{says}->($value) : $value);
}

sub told {
    my ($s, $id) = @_;

    return $asks->get("/famille/demandes/$id")->text if $s->{mode} eq 'html';
    return Encode::decode('UTF-8',
        $json{$asks}->get("/famille/demandes/$id")->content);
}

sub withdrawn {
    my ($s, $id) = @_;

    my $path = "/famille/demandes/$id";
    my $r = $s->{mode} eq 'html' ? $asks->submit($asks->get($path), {}, form => $path)
        : json_post($json{$asks}, $path, {});
    is $r->status, $s->{mode} eq 'html' ? 303 : 200, 'taken back';
}


### what an agent does

sub opened {
    my ($s, $id) = @_;

    my $page = ($s->{mode} eq 'html' ? $agent : $json{$agent})->get("/demandes/$id");
    is $page->status, 200, 'the agent opens it';

    return $page;
}

sub decision {
    my ($s, $id, $page, $step, %more) = @_;

    my $path = "/demandes/$id";

    return $agent->submit($page, { step => $step, %more }, form => $path)
        if $s->{mode} eq 'html';
    return $json{$agent}->post($path, { csrf => $page->json->{csrf},
        version => $page->json->{version}, step => $step, %more });
}

sub decided {
    my ($s, $id, $step, %more) = @_;

    my $r = decision($s, $id, opened($s, $id), $step, %more);
    is $r->status, $s->{mode} eq 'html' ? 303 : 200, "$step: done" or diag $r->content;
}

sub conflict {
    my ($s, $case) = @_;

    return $case->text =~ /A changé/ if $s->{mode} eq 'html';
    return scalar grep { $_->{conflict} } @{ $case->json->{items} };
}
