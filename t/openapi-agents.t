#!/usr/bin/perl

# docs/openapi-agents.yaml says what the agents' host does, as docs/openapi.yaml
# does of the families': the same paths, methods, audiences and fields as its
# configuration, and every operation answers what is written there.

use Portal::Test;

use strict;
use warnings;
use utf8;

use JSON::Validator;
use Portal::Declared qw(forms locations);
use Portal::Fault;
use YAML::PP;

# the families' components stand there by reference
my $load = sub { YAML::PP->new(boolean => 'JSON::PP')->load_file(top() . "/docs/$_[0].yaml") };
my ($api, $base) = map { $load->($_) } qw(openapi-agents openapi);
my %part = %{ $base->{components} };
$part{$_} = { %{ $part{$_} // {} }, %{ $api->{components}{$_} } } for keys %{ $api->{components} };
inside($_) for $api, \%part;

# references, as they are once both are one
sub inside {
    my ($node) = @_;

    $node->{'$ref'} =~ s/^openapi\.yaml#/#/
        if ref $node eq 'HASH' && defined $node->{'$ref'} && !ref $node->{'$ref'};
    inside($_) for ref $node eq 'HASH' ? values %$node : ref $node eq 'ARRAY' ? @$node : ();
}

sub seen {
    my ($node) = @_;

    while (ref $node eq 'HASH' && defined $node->{'$ref'}) {
        my ($kind, $name) = $node->{'$ref'} =~ m{^#/components/(\w+)/([\w-]+)$};
        $node = $part{$kind // ''}{$name // ''} // die "$node->{'$ref'} leads nowhere\n";
    }

    return $node;
}


### against agents.inc and the forms

my $form = forms();
my (%op, %sent);
my @pages = grep { $_->{body} !~ /portal_error;/ } locations('agents');

is_deeply [sort keys %{ $api->{paths} }], [sort map { $_->{path} } @pages], 'the same paths';

for my $page (@pages) {
    my ($path, $body) = @$page{qw(path body)};
    my $item = $api->{paths}{$path} or next;
    my ($act) = map { [split] } $body =~ /portal_(?:post|verify)\s+([^;]*);/;
    my $name = $act ? $act->[$body =~ /portal_verify/ ? 2 : 1] : '';
    my $get = $body =~ /portal_(?:get|page|file)\b/;

    is join(' ', grep { $_ ne 'parameters' } sort keys %$item),
        join(' ', ('get') x !!$get, ('post') x !!$act), "$path: the same methods";

    for my $method (grep { $_ ne 'parameters' } sort keys %$item) {
        my $op = $item->{$method};
        my $is = $method eq 'post' ? $form->{$name} : undef;
        my %in;
        push @{ $in{ $_->{in} } }, $_->{name} for map { seen($_) } @{ $item->{parameters} // [] },
            @{ $op->{parameters} // [] };

        $op{ $op->{operationId} } = { %$op, method => $method, path => $path, form => $is };
        is !!@{ $op->{security} // [] }, $body =~ /portal_allow\s+agent;/, "$path $method: for whom";
        is_deeply $in{path} // [], [$path =~ /\{(\w+)\}/g], "$path $method: in the path";
        is_deeply [sort @{ $in{query} // [] }], [sort $body =~ /\$arg_(\w+)/g],
            "$path $method: in the query";
        is_deeply [sort @{ $in{header} // [] }], [sort $is ? 'X-CSRF-Token' : (),
            $is && $is->{idempotent} ? 'Idempotency-Key' : (), $is && $is->{versioned}
            ? 'If-Match' : ()], "$path $method: headers";
        next if !$is;

        like $op->{requestBody}{'$ref'}, qr{/\Q$name\E$}, "$path: its form";
        $sent{$name} = 1;
        my $schema = seen(seen($op->{requestBody})->{content}{'application/json'}{schema});
        is_deeply [sort keys %{ $schema->{properties} }], [sort keys %{ $is->{fields} }, 'csrf',
            $is->{idempotent} ? 'key' : ()], "$name: the same fields";
        is_deeply [sort @{ $schema->{required} // [] }],
            [sort grep { $is->{fields}{$_}{required} && (!$is->{partial} || $is->{fields}{$_}{hidden}) }
                keys %{ $is->{fields} }], "$name: required";
        is $schema->{additionalProperties}, JSON::PP::false, "$name: no other field";
        for my $field (grep { $is->{fields}{$_}{type} eq 'choice' } sort keys %{ $is->{fields} }) {
            is_deeply seen($schema->{properties}{$field})->{enum},
                [split /,/, $is->{fields}{$field}{options}], "$name.$field: enum";
        }
        for my $field (grep { $is->{fields}{$_}{max} } sort keys %{ $is->{fields} }) {
            my $most = $is->{fields}{$field}{type} eq 'integer' ? 'maximum' : 'maxLength';
            is seen($schema->{properties}{$field})->{$most}, $is->{fields}{$field}{max},
                "$name.$field: $most";
        }
    }
}

# what is written in this file is used in it
{
    my (%used, @left);
    @left = ($api->{paths});
    while (@left) {
        my $node = pop @left;
        push @left, ref $node eq 'HASH' ? values %$node : ref $node eq 'ARRAY' ? @$node : ();
        next if ref $node ne 'HASH' || !defined $node->{'$ref'} || ref $node->{'$ref'};
        push @left, seen($node) if !$used{ $node->{'$ref'} }++;
    }
    is join(', ', grep { !$used{$_} } map { my $kind = $_; map { "#/components/$kind/$_" }
        sort keys %{ $api->{components}{$kind} } } qw(requestBodies responses schemas)), '',
        'every component is used';
}


### against the portal

my $portal = portal();
my %seen;

sub wrong {
    my ($schema, $data) = @_;

    return join '; ', JSON::Validator->new->schema({ '$schema' =>
        'https://json-schema.org/draft/2019-09/schema', %$schema, components => \%part })
        ->schema->validate($data);
}

# is this answer written there
sub answered {
    my ($id, $r, $status, $what) = @_;

    my $op = $op{$id} or die "no operation $id\n";
    $what = "$id: " . ($what // $status);
    is $r->status, $status, $what or diag substr $r->content, 0, 400;
    $seen{"$id " . $r->status} = 1;

    my $said = seen($op->{responses}{ $r->status }) or return ok 0, "$what: a status that is written";
    my ($type) = split /;/, $r->header('content-type') // '';
    ok $said->{content}{$type}, "$what: $type is written there" or return;
    return $r if $type !~ /json$/;
    is wrong($said->{content}{$type}{schema}, $r->json), '', "$what: as written" or diag $r->content;
    is defined $r->header('etag'), defined $said->{headers}{ETag}, "$what: ETag or none";

    return $r;
}

sub post {
    my ($id, $c, $path, $fields, $status, $what, %headers) = @_;

    my $token = $c->get('/session')->json->{csrf};
    return answered($id, $c->post($path, $fields, headers => { 'X-CSRF-Token' => $token, %headers }),
        $status, $what);
}

my $parent = client();
sign_in($parent, account('couple'));
my $family = as_json($parent);
my ($me) = map { $_->[0] } $portal->psql("select g.id from portal.guardian g
    join portal.family f on f.id = g.family_id where f.number = '104201' and g.rank = 1");
$portal->psql("insert into portal.refusal (tenant, code, rank, kind, texts)
    values (1, 'more', 1, 'incomplete', '{\"fr\": \"Encore.\"}')");

sub asked {
    my (%fields) = @_;

    my $r = json_post($family, "/famille/responsables/$me/base",
        { %fields ? %fields : (profession => 'Luthière', phone_work => '03 53 01 99 99') });
    return ($r->json->{location} // '') =~ m{(\d+)} ? $1 : die $r->content;
}

my $c = client(json => 1, agents => 1);
answered(agentSignInPage => $c->get('/connexion'), 200);
answered(agentLanguagePage => $c->get('/langue'), 200);
answered(agentTheme => $c->get('/theme.css'), 200);
answered(agentSession => $c->get('/session'), 200, 'nobody');
post(agentSetLanguage => $c, '/langue', { lang => 'fr' }, 200);
my $jeanne = agent();
post(agentSignIn => $c, '/connexion', { email => $jeanne->{email}, password => 'x', otp => '123456' }, 422);
post(agentSignIn => $c, '/connexion', { map({ $_ => $jeanne->{$_} } qw(email password)),
    otp => otp($jeanne->{totp_secret}) }, 200);
answered(agentSignInPage => $c->get('/connexion'), 200, 'who is in');
answered(agentSession => $c->get('/session'), 200, 'an agent');
answered(agentAccount => $c->get('/compte'), 200);
post(agentProlong => $c, '/session/prolongation', {}, 200);

my $id = asked();
my $path = "/demandes/$id";
my $now = sub { $c->get($_[0] // $path)->json->{version} };
answered(queue => $c->get('/'), 200);
answered(queue => $c->get("/?$_"), 200, $_) for qw(etat=done etat=incomplete qui=mine qui=nobody
    rubrique=guardian_basic numero=2026-0000000 apres=1);
answered(agentRequest => $c->get($path), 200);
post(decide => $c, $path, { step => 'accept' }, 428);
post(decide => $c, $path, { step => 'accept' }, 428, 'any version', 'If-Match' => '*');
post(decide => $c, $path, { step => 'accept' }, 412, undef, 'If-Match' => '"0"');
post(decide => $c, $path, { step => 'accept', version => 'x' }, 409, 'another version');
post(decide => $c, $path, { step => 'refuse', version => $now->() }, 422, 'without a reason');
post(decide => $c, $path, { step => 'take', version => $now->() }, 200, 'taken');
answered(agentRequest => $c->get($path), 200, 'taken');
my $example = seen($op{decide}{requestBody})->{content}{'application/json'}{example};
is wrong(seen($op{decide}{requestBody})->{content}{'application/json'}{schema}, $example), '',
    'its example';
post(decide => $c, $path, { %$example, version => $now->() }, 200, 'its example',
    'Idempotency-Key' => '"decision-1"');
answered(agentRequest => $c->get($path), 200, 'decided');
post(decide => $c, $path, { step => 'accept', version => $now->() }, 409, 'decided already');
post(decide => $c, $path, { step => 'reverse', reason => 'Erreur.', version => $now->() }, 200, 'undone');
answered(queue => $c->get('/?etat=done'), 200, 'done');

$id = asked(employer => 'Atelier');
$path = "/demandes/$id";
my $etag = $c->get($path)->header('etag');
post(decide => $c, $path, { step => 'incomplete', reason_code => 'more' }, 200, 'more is asked for',
    'If-Match' => $etag);
answered(agentRequest => $c->get($path), 200, 'incomplete');
answered(queue => $c->get('/?etat=incomplete'), 200, 'incomplete');
answered(agentRequest => $c->get('/demandes/999999'), 404);
post(decide => $c, '/demandes/999999', { step => 'accept', version => 'x' }, 404);

# additions, removals, reports, and each section
{
    my $child = $portal->psql("select min(k.child_id) from portal.contact k join portal.family f
        on f.id = k.family_id where f.number = '104201'");
    json_post($family, "/famille/enfants/$child/retrait", { comment => 'Il a déménagé.' });
    json_post($family, "/famille/enfants/$child/contacts/interdiction", { comment => 'Un jugement.' });
    json_post($family, "/famille/enfants/$child/sante", { allergies => 'Noix' });
    json_post($family, "/famille/responsables/$me/bancaires", { holder => 'Camille Martin',
        iban => 'FR1420041010050500013M02606', mandate => 'yes' });
    json_post($family, '/famille/enfants/ajout', { last_name => 'Petit', first_name => 'Rose',
        birth_date => '2020-05-06' });
    json_post($family, "/famille/$_/retrait", { comment => 'Parti.' }) for "responsables/$me",
        map { "enfants/$child/contacts/$_->[0]" } $portal->psql("select min(k.id)
        from portal.contact k where k.child_id = $child and k.family_id =
        (select g.family_id from portal.guardian g where g.id = $me)");
    my ($photo) = send_file($family, "/famille/enfants/$child/photo", {}, photo => grey(200))
        ->json->{location} =~ /(\d+)/;
    answered(agentPhoto => $c->get("/demandes/$photo/photo.jpg"), 200);
    answered(agentPhotoBefore => $c->get("/demandes/$photo/photo-avant.jpg"), 404);
    answered(agentPhotoNow => $c->get("/demandes/$photo/photo-actuelle.jpg"), 404);
    post(decide => $c, "/demandes/$photo", { step => 'accept', version => $now->("/demandes/$photo") },
        200, 'a photo');
    ($photo) = send_file($family, "/famille/enfants/$child/photo", {}, photo => grey(90))
        ->json->{location} =~ /(\d+)/;
    answered(agentPhotoBefore => $c->get("/demandes/$photo/photo-avant.jpg"), 200);
    answered(agentPhotoNow => $c->get("/demandes/$photo/photo-actuelle.jpg"), 200);
    answered(agentPhoto => $c->get('/demandes/999999/photo.jpg'), 404);
    my ($with) = send_file($family, "/famille/responsables/$me/adresse", { line2 => 'Escalier 9' },
        document => "%PDF-1.4\n%%EOF\n")->json->{location} =~ /(\d+)/;
    answered(agentDocument => $c->get("/demandes/$with/justificatif-1"), 200);
    answered(agentDocument => $c->get("/demandes/$with/justificatif-2"), 404);
    my @all = $portal->psql("select id from portal.change_set order by id");
    cmp_ok scalar @all, '>', 6, 'requests of all kinds';
    is join(' ', sort map { grep { /^is_/ } keys %{ $_->{leaves} // {} } }
        map { $c->get("/demandes/$_->[0]")->json } @all), 'is_child is_contact is_guardian',
        'whoever would leave';
    answered(agentRequest => $c->get("/demandes/$_->[0]"), 200, "request $_->[0]") for @all;
}

# who must not collect a child
{
    my $report = $portal->psql("select id from portal.change_set where action = 'report'");
    post(decide => $c, "/demandes/$report", { step => 'accept', version => $now->("/demandes/$report") }, 200,
        'a report');
    my $ban = answered(bans => $c->get('/interdictions'), 200)->json->{bans}[0]{id};
    my $path = "/interdictions/$ban";
    answered(bans => $c->get("/interdictions?$_"), 200, $_) for qw(etat=ended apres=1);
    answered(ban => $c->get($path), 200);
    answered(ban => $c->get('/interdictions/999999'), 404);
    my $example = seen($op{endBan}{requestBody})->{content}{'application/json'}{example};
    post(endBan => $c, $path, $example, 428);
    post(endBan => $c, $path, $example, 412, undef, 'If-Match' => '"0"');
    post(endBan => $c, '/interdictions/999999', { %$example, version => 'x' }, 404);
    post(endBan => $c, $path, { reason => undef, version => $now->($path) }, 422, 'without a reason');
    post(endBan => $c, $path, { %$example, version => $now->($path) }, 200, 'its example');
    post(endBan => $c, $path, { %$example, version => $now->($path) }, 409, 'ended already');
    answered(ban => $c->get($path), 200, 'ended');
    answered(bans => $c->get('/interdictions?etat=ended'), 200, 'those that ended');
    answered(agentRequest => $c->get("/demandes/$report"), 200, 'its request');
}

# what administrators set
my $admin = json_of(scalar agent_client(role => 'administrator'));
answered(settings => $admin->get('/reglages'), 200);
answered(settings => $c->get('/reglages'), 403, 'a validator');
answered(settingsRefusals => $admin->get('/reglages/motifs'), 200);
answered(settingsRefusals => $c->get('/reglages/motifs'), 403, 'a validator');
for my $name (grep { /^save/ } sort keys %op) {
    my $of = $name =~ s/^save/settings/r;
    my $path = $op{$name}{path} =~ s/\{(\w+)\}/one_of($op{$name}{path}, $1)/ger;
    my $example = seen($op{$name}{requestBody})->{content}{'application/json'}{example};
    $example = { %$example, text_en => 'More.' } if $path =~ /more$/;
    answered($of => $admin->get($path), 200);
    answered($of => $c->get($path), 403, 'a validator');
    post($name => $c, $path, $example, 403, 'a validator');
    post($name => $admin, $path, $example, 428);
    post($name => $admin, $path, $example, 412, undef, 'If-Match' => '"0"');
    post($name => $admin, $path, { %$example, version => 'x' }, 409, 'another version');
    post($name => $admin, $path, { version => $admin->get($path)->json->{version} }, 422, 'nothing');
    post($name => $admin, $path, { %$example, version => $admin->get($path)->json->{version} }, 200, 'its example');
    next if $path eq $op{$name}{path};
    my $none = $op{$name}{path} =~ s/\{(\w+)\}/rien/r;
    answered($of => $admin->get($none), 404);
    post($name => $admin, $none, { %$example, version => 'x' }, 404);
}

# what may stand at that place of an address
sub one_of {
    my ($path, $name) = @_;

    my ($said) = grep { $_->{name} eq $name } @{ $api->{paths}{$path}{parameters} };
    return $said->{schema}{enum} ? $said->{schema}{enum}[0] : $name eq 'motif' ? 'more' : undef;
}

# a reader, and nobody
my $r = json_of(scalar agent_client(as => new_agent(role => 'reader', name => 'Rémi Lecteur')));
answered(agentSession => $r->get('/session'), 200, 'a reader');
post(decide => $r, $path, { step => 'accept', version => $now->($path) }, 403, 'a reader');

sub json_of { twin($_[0], json => 1) }

# what is about the agent's own family
{
    my $own = json_of(scalar agent_client(as => new_agent(name => 'Camille Martin',
        email => 'camille.martin@exemple.fr')));
    my ($photo, $with, $ban) = map { scalar $portal->psql($_) }
        "select max(id) from portal.change_set where section = 'child_photo'",
        "select max(set_id) from portal.upload where section = 'guardian_address'",
        'select max(id) from portal.collect_ban';
    answered(agentRequest => $own->get("/demandes/$photo"), 403, 'their own');
    answered(agentPhoto => $own->get("/demandes/$photo/photo.jpg"), 403, 'their own');
    answered(agentPhotoBefore => $own->get("/demandes/$photo/photo-avant.jpg"), 403, 'their own');
    answered(agentPhotoNow => $own->get("/demandes/$photo/photo-actuelle.jpg"), 403, 'their own');
    answered(agentDocument => $own->get("/demandes/$with/justificatif-1"), 403, 'their own');
    answered(ban => $own->get("/interdictions/$ban"), 403, 'their own');
}

for my $name (sort keys %op) {
    my $op = $op{$name};
    my $path = $op->{path} =~ s/\{(\w+)\}/one_of($op->{path}, $1) \/\/ 1/ger;
    answered($name, client(json => 1, agents => 1)->${ \$op->{method} }($path, $op->{form} ? {} : ()),
        401, 'nobody') if @{ $op->{security} // [] };
    next if !$op->{form};

    my %token = ('X-CSRF-Token' => $c->get('/session')->json->{csrf});
    my $send = sub { my ($body, $status, $what, %h) = @_;
        answered($name, $c->post($path, $body, headers => { %token, %h }), $status, $what) };
    answered($name, $c->post($path, {}), 403, 'no token') if !$op->{form}{logout};
    $send->({ nonsense => 'x' }, 422, 'another field');
    $send->('{', 400, 'half a body', 'Content-Type' => 'application/json');
    $send->('<a/>', 415, 'another type', 'Content-Type' => 'text/xml');
    $send->('"' . 'x' x 66_000 . '"', 413, 'too much', 'Content-Type' => 'application/json');
}
answered(agentSignOut => $c->post('/deconnexion', {}, headers => { Origin => 'https://evil.example',
    'Sec-Fetch-Site' => 'cross-site' }), 403, 'from elsewhere');
post(agentSignOut => $c, '/deconnexion', { everywhere => 'yes' }, 200);

# what was not seen is others' to show: 429 t/agents.t, 503 t/fault
is join(', ', grep { !$seen{$_} && !/ (?:429|503)$/ } map { my $id = $_;
    map { "$id $_" } sort keys %{ $op{$id}{responses} } } sort keys %op), '',
    'every operation was done and refused as it is written';

done_testing;
