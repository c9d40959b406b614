#!/usr/bin/perl

# One list of fields: sql/fields.tsv, the forms, docs/openapi.yaml, the decision's
# form, the labels and the database name the same.  What a town decides about a
# field holds on the page and in JSON: hidden is nowhere, shown cannot be asked
# for, required cannot be left empty, automatic counts at once.

use strict;
use warnings;
use utf8;

use Portal::Declared qw(forms sections);
use Portal::Fault;
use Portal::Place qw(slurp);
use Portal::Test;
use YAML::PP;

my ($forms, $sections) = (forms(), sections());
my $api = YAML::PP->new(boolean => 'JSON::PP')->load_file(top() . '/docs/openapi.yaml')->{components};
my %labels = map { $_ => JSON::PP->new->utf8->decode(slurp(top() . "/src/lang/$_.json")) } qw(fr en);
my $portal = portal();
# a town that has added all the authorisations that it can
$portal->psql("update portal.town set authorisations = (select jsonb_object_agg('own_' || n, jsonb_build_object('rank', n, 'fr', 'Autorisation ' || n))
    from generate_series(1, 12) n) where id = 1");

# what a form has besides its section's fields: words, and where the town asks
# for any, documents
sub besides {
    my ($form) = @_;

    return qw(comment version step), $form->{fields}{document} ? qw(document drop) : (),
        $form->{fields}{bic_kept} ? qw(bic_kept stop) : ();
}

sub names { return join ' ', sort @_ }


### the same list everywhere

cmp_ok scalar(keys %$sections), '>', 7, 'sections were found';
is names(map { "$_->[0].$_->[1]" } $portal->psql('select section, name from portal.field')),
    names(map { my $s = $_; map { "$s.$_->{name}" } @{ $sections->{$s}{fields} } } keys %$sections),
    'the database has those of sql/fields.tsv';

my %decided;
for my $section (sort keys %$sections) {
    my @fields = map { $_->{name} } @{ $sections->{$section}{fields} };
    my $form = $forms->{$section} // { fields => {} };

    is names(keys %{ $form->{fields} }), names(@fields, besides($form)), "$section: the form";
    is names(grep { $form->{fields}{$_}{sealed} } keys %{ $form->{fields} }),
        names(map { $_->{sealed} ? $_->{name} : () } @{ $sections->{$section}{fields} }),
        "$section: sealed ones";
    ok $form->{$_}, "$section: $_" for qw(partial idempotent versioned);
    is names(grep { $form->{fields}{$_}{required} } keys %{ $form->{fields} }), '',
        "$section: what is required is the town's to say";
    is names(keys %{ $api->{schemas}{"form-$section"}{properties} }),
        names(@fields, besides($form), qw(csrf key)), "$section: OpenAPI";
    for my $lang (sort keys %labels) {
        is names(grep { !defined $labels{$lang}{list}{field}{$_} } @fields), '',
            "$section: each has a name ($lang)";
        ok defined $labels{$lang}{list}{section}{$section}, "$section: has one ($lang)";
    }
    @decided{@fields} = () if !$sections->{$section}{whole};
}
is names(keys %{ $forms->{decision}{fields} }),
    names(keys %decided, qw(other_person reason_code reason version step)),
    'what is decided field by field: those of the sections that are not whole';
is names(grep { ($forms->{decision}{fields}{$_}{options} // '') ne 'accept,refuse' } keys %decided), '',
    'each is accepted or refused';


### a family

my $h = client();
sign_in($h, account('couple'));
my $j = as_json($h);
my $agent = agent_client();
my $desk = as_json($agent);
my %id = map { @$_ } $portal->psql("select 'guardian', min(g.id) from portal.guardian g
    join portal.family f on f.id = g.family_id where f.number = '104201'
    union all select 'child', min(k.child_id) from portal.contact k
    join portal.family f on f.id = k.family_id where f.number = '104201'
    union all select 'contact', min(k.id) from portal.contact k
    join portal.family f on f.id = k.family_id where f.number = '104201'
    and k.child_id = (select min(o.child_id) from portal.contact o where o.family_id = f.id)");

sub page_of {
    my ($section) = @_;

    return "/famille/enfants/$id{child}/contacts/$id{contact}/modifier" if $section eq 'child_contact';
    return ($section =~ /^guardian/ ? "/famille/responsables/$id{guardian}/"
        : "/famille/enfants/$id{child}/") . $sections->{$section}{path};
}

# the town decides about one field
sub town {
    my ($section, $field, $policy, $validation) = @_;

    $validation //= 'agent';
    $portal->psql("insert into portal.field_policy (tenant, section, field, policy, validation)
        values (1, '$section', '$field', '$policy', '$validation')
        on conflict (tenant, section, field) do update
        set policy = excluded.policy, validation = excluded.validation");
}

sub codes {
    my ($r) = @_;

    return join ' ', map { "$_->{field}:$_->{code}" } @{ $r->json->{errors} // [] };
}

# is a box of that name on the page
sub has_box { return $_[0]->content =~ /name="\Q$_[1]\E(?:_day|_month|_year)?"/ ? 1 : 0 }

# asks for a field alone
sub try {
    my ($section, $name, $value) = @_;

    return send_file($j, page_of($section), {}, $name => grey(100))
        if $forms->{$section}{fields}{$name}{type} eq 'file';
    return json_post($j, page_of($section), { $name => $value });
}

# a value that the form takes, another one than was there
my %value = (yesno => 'yes', date => '2024-05-06', phone => '06 39 98 77 66',
    email => 'autre@parents.example', postcode => '59000', country => 'FR', integer => 7,
    iban => 'DE89370400440532013000', bic => 'DEUTDEFFXXX', tax_number => '3023217600053',
    tax_notice => '26ABC12345678', caf_number => '1234567', shares => '3');
sub value_of {
    my ($section, $field) = @_;

    my $is = $forms->{$section}{fields}{$field};
    return (split /,/, $is->{options})[-1] if $is->{type} eq 'choice';
    return '1985-05-06' if $section eq 'guardian_basic' && $is->{type} eq 'date';
    return $value{ $is->{type} } // 'Autrement';
}


### what is shown of a person, and what is not when it is hidden

# the places of a document: names, in lists those of all elements
sub places {
    my ($of, $at) = @_;

    return map { places($of->{$_}, $at ? "$at.$_" : $_) } keys %$of if ref $of eq 'HASH';
    return map { exists $_->{code} ? "$at.$_->{code}" : places($_, $at) } @$of if ref $of eq 'ARRAY';
    return $at;
}

sub person {
    my ($doc, $section, $list) = @_;

    my ($kind) = $section =~ /^(guardian|child)/;
    $doc = $doc->json;
    my ($one) = $list ? grep { $_->{id} == $id{$kind} } @{ $doc->{ $kind eq 'child' ? 'children'
        : 'guardians' } } : $doc->{$kind};

    my %all = map { $_ => 1 } places($one, '');
    return \%all;
}

# where a document says a field, without its section
my %place = (guardian_address => 'address', guardian_tax => 'tax', guardian_bank => 'bank',
    child_health => 'health', child_contact => 'contacts', child_authorisations => 'authorisations');
my %also = ('guardian_bank.iban' => ['bank.iban_last4'],
    'guardian_bank.mandate' => [qw(bank.mandate_date bank.mandate_reference)],
    'child_general.school_name' => [qw(school.name school.year)],
    'child_photo.photo' => [qw(photo.path photo.since)],
    # what a date means today
    'child_contact.valid_from' => [qw(contacts.valid_from contacts.to_come)],
    'child_contact.valid_until' => [qw(contacts.valid_until contacts.ended)],
    map({ ("child_general.school_$_" => ["school.$_"]) } qw(level class)),
    map({ ("child_general.$_" => ["insurance.$_"]) } qw(insurer policy until)));

# values that the demo's people lack
$portal->psql("insert into portal.upload (tenant, id, family_id, section, field, kind, size, pieces, stored)
    select 1, 'c1d2e3f4-0000-4000-8000-000000000009', id, 'child_photo', 'photo', 'jpeg', 1, 1, 1
    from portal.family where number = '104201';
    insert into portal.child_photo (tenant, child_id, upload_id)
    values (1, $id{child}, 'c1d2e3f4-0000-4000-8000-000000000009');
    insert into portal.insurance (tenant, child_id, insurer) values (1, $id{child}, 'Mutuelle')
    on conflict do nothing;
    insert into portal.schooling (tenant, child_id, year, name) values (1, $id{child}, portal.school_year(),
    'École') on conflict do nothing");

for my $section (sort keys %$sections) {
    my ($kind) = $section =~ /^(guardian|child)/;
    my $page = "/famille/" . ($kind eq 'child' ? 'enfants' : 'responsables') . "/$id{$kind}";

    for my $name (map { $_->{name} } @{ $sections->{$section}{fields} }) {
        for my $list ('', 1) {
            my $path = $list ? '/famille' : $page;
            my $was = person($j->get($path), $section, $list);
            my @expected = $name =~ /^(?:first|last)_name$/ ? () : @{ $also{"$section.$name"}
                // [ ($place{$section} ? "$place{$section}." : '') . $name] };
            is join(' ', grep { !$was->{$_} } @expected), '', "$section.$name is in $path";

            town($section, $name, 'hidden');
            my $is = person($j->get($path), $section, $list);
            is names(grep { !$is->{$_} } keys %$was), names(@expected), "$section.$name hidden: nothing else has gone";
            is names(grep { !$was->{$_} } keys %$is), names(map { "hidden.$section.$_" }
                $section eq 'child_photo' ? 'all' : (), @expected ? $name : ()),
                "$section.$name hidden: $path says so";
            $portal->psql('delete from portal.field_policy');
            is names(keys %{ person($j->get($path), $section, $list) }), names(keys %$was),
                "$section.$name shown again";
        }
    }

    # the whole of it
    $portal->psql("insert into portal.field_policy (tenant, section, field, policy)
        select 1, section, name, 'hidden' from portal.field where section = '$section'");
    my $is = person($j->get($page), $section);
    is join(' ', grep { $place{$section} && /^\Q$place{$section}\E(?:\.|$)/ } keys %$is), '',
        "$section hidden: the part has gone";
    is $j->get($page)->json->{sections}{$section}, undef, "$section hidden: it is not to be asked for";
    $portal->psql('delete from portal.field_policy');
}

my %schema = map { $_ => [grep { $_ ne 'hidden' } keys %{ $api->{schemas}{ ucfirst $_ }{properties} }] }
    qw(guardian child);
for my $kind (qw(guardian child)) {
    my $doc = $j->get("/famille/" . ($kind eq 'child' ? 'enfants' : 'responsables') . "/$id{$kind}")->json;
    is names(keys %{ $doc->{$kind} }), names(@{ $schema{$kind} }), "$kind: OpenAPI names all that is shown";
}
$portal->psql("delete from portal.child_photo");


### each field, under each policy

for my $section (sort keys %$sections) {
    my $path = page_of($section);

    for my $field (@{ $sections->{$section}{fields} }) {
        my $name = $field->{name};
        my $what = "$section.$name";

        # a level without a school is none, see form_policies()
        next if $name =~ /^school_(?:level|class)$/;

        town($section, $name, 'hidden');
        my ($page, $doc) = ($h->get($path), $j->get($path));
        ok !has_box($page, $name), "$what hidden: no box";
        is names(map { my $part = $_; exists $doc->json->{$part}{$name} ? $part : () }
            qw(values current policy)), '', "$what hidden: nowhere in JSON";
        is codes(try($section, $name, value_of($section, $name))) =~
            /(?:^| )\Q$name\E:unknown_field/ ? 1 : 0, 1, "$what hidden: unknown in JSON";
        my $csrf = $j->get('/session')->json->{csrf};
        is $h->post($path, { csrf => $csrf, $name => value_of($section, $name), step => 'send' })
            ->status, 422, "$what hidden: refused in a form" if $field->{name} ne 'photo';

        town($section, $name, 'shown');
        ($page, $doc) = ($h->get($path), $j->get($path));
        ok !has_box($page, $name), "$what shown: no box";
        is $doc->json->{policy}{$name}, 'shown', "$what shown: said in JSON";
        is codes(try($section, $name, value_of($section, $name))) =~
            /(?:^| )\Q$name\E:not_editable/ ? 1 : 0, 1, "$what shown: T101 not to be asked for";

        town($section, $name, 'required');
        ($page, $doc) = ($h->get($path), $j->get($path));
        ok has_box($page, $name), "$what required: a box";
        # a value with a hint stays when it is left empty, as does a mandate;
        # a photo has no emptying but its own button
        my $kept = $name eq 'iban';
        # what belongs to another answer is required with that, see field_asked();
        # the day of missing vaccines is given where none is
        my $apart = $name =~ /^(?:pai_(?:start|end)|vaccines_until|street_number|repetition)$/;
        is $doc->json->{policy}{$name}, $kept || $apart ? 'editable' : 'required',
            "$what required: said in JSON";
        like codes(json_post($j, $path, { $name => undef,
            $name =~ /^pai_/ ? (pai => 'yes') : () })), qr/(?:^| )\Q$name\E:required/,
            "$what required: not to be emptied" if !$kept && $name !~ /^(?:mandate|photo|vaccines_until|street_number|repetition)$/;

        town($section, $name, 'editable');
        # (the form for a photo asks for one: those that were refused are not kept)
        is $j->get($path)->json->{policy}{$name}, $name eq 'photo'
            || $field->{policy} eq 'required' && !$kept ? 'required' : 'editable', "$what editable: but for what the file cannot be without";
    }
    $portal->psql('delete from portal.field_policy');
}
is scalar($portal->psql('select count(*) from portal.change_set')), 0, 'nothing was asked by all that';


### an agent's decision knows no field that is hidden meanwhile

{
    my $path = page_of('guardian_basic');
    my $r = json_post($j, $path, { profession => 'Vitrière', employer => 'Verrerie' });
    my ($request) = $r->json->{location} =~ /(\d+)/;
    my $j2 = $desk->get("/demandes/$request")->json;
    is names(map { $_->{field} } @{ $j2->{items} }), 'employer profession', 'two are asked for';
    is codes($desk->post("/demandes/$request", { csrf => $j2->{csrf}, step => 'partly',
        version => $j2->{version}, employer => 'accept', profession => 'accept', email => 'accept',
        nonsense => 'accept' })), 'nonsense:unknown_field', 'T101 a decision about another field';
    is $desk->post("/demandes/$request", { csrf => $j2->{csrf}, step => 'refuse', reason => 'Non.',
        version => $j2->{version} })->status, 200, 'refused';
}


### automatic

for my $case (['guardian_basic', profession => 'Horlogère'], ['guardian_address', complement => 'Bâtiment C'],
    ['child_general', diet => 'vegetarian'], ['child_health', doctor_name => 'Dr Canari'])
{
    my ($section, $field, $value) = @$case;
    my $path = page_of($section);

    town($section, $field, 'editable', 'automatic');
    my $r = json_post($j, $path, { $field => $value });
    is $r->status, 200, "$section.$field automatic: asked" or diag $r->content;
    is $r->json->{notice}, 'change_done', "$section.$field: and done";
    is $j->get($path)->json->{current}{$field}, $value, "$section.$field: JSON says so";
    my %box = @{ $h->get($path)->form($path)->{fields} };
    is $box{$field}, $value, "$section.$field: and the page" if defined $box{$field};
    my ($request) = $r->json->{location} =~ /(\d+)/;
    is $j->get("/famille/demandes/$request")->json->{request}{request_state}, 'accepted',
        "$section.$field: a request all the same, that is accepted";
    is scalar(grep { $_->{id} == $request } @{ $desk->get('/')->json->{requests} }), 0,
        "$section.$field: none for agents";
    town($section, $field, 'editable');
    $r = json_post($j, $path, { $field => $field eq 'diet' ? 'no_meat' : "$value bis" });
    is $r->json->{notice}, 'change_sent', "$section.$field: an agent again";
}

# who may collect a child is new, or may on more days, only once an agent has accepted it
{
    my $path = page_of('child_contact');
    town('child_contact', $_, 'editable', 'automatic') for qw(collect last_name phone_mobile valid_until);
    $portal->psql("update portal.contact set collect = false, valid_until = null where id = $id{contact}");
    for my $case ([phone_mobile => '+33612345678', 1], [collect => 'yes', 0], [last_name => 'Quelqu’un', 0],
        [phone_mobile => '+33612345679', 1], [valid_until => '2040-05-06', 1], [valid_until => '2041-05-06', 0], [collect => 'no', 1])
    {
        my ($field, $value, $counts) = @$case;
        my $r = json_post($j, $path, { $field => $value });
        is $r->json->{notice}, $counts ? 'change_done' : 'change_sent', "$field $value: " . ($counts ? 'counts' : 'waits') or diag $r->content;
        next if $counts;
        my ($request) = $r->json->{location} =~ /(\d+)/;
        isnt $j->get($path)->json->{current}{$field}, $value, 'and is not in the file';
        is $desk->post("/demandes/$request", { csrf => $desk->get('/session')->json->{csrf}, step => 'accept',
            version => $desk->get("/demandes/$request")->json->{version} })->status, 200, 'until an agent accepts it';
    }
}
$portal->psql('delete from portal.field_policy');

# of another town nothing
$portal->psql("insert into portal.field_policy (tenant, section, field, policy)
    values (2, 'guardian_basic', 'profession', 'hidden')");
ok has_box($h->get(page_of('guardian_basic')), 'profession'), 'what another town hides is shown here';

done_testing;
