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
use Portal::Place qw(spawn);
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
        join(' ', ('get') x !!$get, ('post') x !!$act, ('put') x !!($body =~ /portal_put\b/)),
        "$path: the same methods";

    for my $method (grep { $_ ne 'parameters' } sort keys %$item) {
        my $op = $item->{$method};
        my $is = $method eq 'post' ? $form->{$name} : undef;
        my %in;
        push @{ $in{ $_->{in} } }, $_->{name} for map { seen($_) } @{ $item->{parameters} // [] },
            @{ $op->{parameters} // [] };

        $op{ $op->{operationId} } = { %$op, method => $method, path => $path, form => $is };
        is join(' ', map { keys %$_ } @{ $op->{security} // [] }),
            $body =~ /portal_allow\s+(agent|machine)\b/ ? $1 : '', "$path $method: for whom";
        is_deeply $in{path} // [], [$path =~ /\{(\w+)\}/g], "$path $method: in the path";
        is_deeply [sort @{ $in{query} // [] }], [sort $body =~ /\$arg_(\w+)/g],
            "$path $method: in the query";
        my $machine = $is && grep { $_->{type} eq 'list' } values %{ $is->{fields} };
        is_deeply [sort @{ $in{header} // [] }], [sort $is && !$machine ? 'X-CSRF-Token' : (),
            $is && $is->{idempotent} ? 'Idempotency-Key' : (), $is && $is->{versioned}
            ? 'If-Match' : ()], "$path $method: headers";
        next if !$is;

        like $op->{requestBody}{'$ref'}, qr{/\Q$name\E$}, "$path: its form";
        next if $base->{components}{requestBodies}{$name};      # the families', see t/openapi.t
        $sent{$name} = 1;
        my $schema = seen(seen($op->{requestBody})->{content}{'application/json'}{schema});
        is_deeply [sort keys %{ $schema->{properties} }], [sort keys %{ $is->{fields} }, $machine ? () : 'csrf',
            $is->{idempotent} ? 'key' : ()], "$name: the same fields";
        is_deeply [sort @{ $schema->{required} // [] }],
            [sort grep { $is->{fields}{$_}{required} && (!$is->{partial} || $is->{fields}{$_}{hidden}) }
                keys %{ $is->{fields} }], "$name: required";
        is $schema->{additionalProperties}, JSON::PP::false, "$name: no other field";
        for my $field (grep { $is->{fields}{$_}{type} eq 'choice' } sort keys %{ $is->{fields} }) {
            is_deeply seen($schema->{properties}{$field})->{enum},
                [split /,/, $is->{fields}{$field}{options}], "$name.$field: enum";
        }
        for my $field (grep { $is->{fields}{$_}{max} && $is->{fields}{$_}{type} ne 'file' } sort keys %{ $is->{fields} }) {
            my $most = { list => 'maxItems', integer => 'maximum' }->{ $is->{fields}{$field}{type} } // 'maxLength';
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

my $portal = portal(directives => { portal_import => '200ms' });
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
    my ($with) = send_file($family, "/famille/responsables/$me/adresse", { complement => 'Escalier 9' },
        document => "%PDF-1.4\n%%EOF\n")->json->{location} =~ /(\d+)/;
    answered(agentDocument => $c->get("/demandes/$with/justificatif-1"), 200);
    answered(agentDocument => $c->get("/demandes/$with/justificatif-2"), 404);
    my $plan = '/familles/' . $portal->psql("select family_id from portal.guardian where id = $me") . "/enfants/$child/pai";
    $portal->psql("update portal.health set pai = 'yes' where child_id = $child;
        insert into portal.child_pai (tenant, child_id, upload_id, set_id)
        select 1, $child, id, $with from portal.upload where set_id = $with");
    answered(agentChildPai => $c->get("$plan-1"), 200);
    answered(agentChildPai => $c->get("$plan-2"), 404);
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

# notes on a family
{
    my $path = '/familles/' . $portal->psql("select id from portal.family where number = '104201'");
    post(addNote => $c, $path, { text => 'A rappelé.' }, 200);
    post(addNote => $c, $path, { text => undef }, 422, 'without a word');
    post(addNote => $c, '/familles/999999', { text => 'A' }, 404);
    my $note = "$path/notes/" . answered(agentFamily => $c->get($path), 200)->json->{notes}{list}[0]{id};
    answered(agentNote => $c->get($note), 200);
    answered(agentNote => $c->get("$path/notes/999999"), 404);
    post(withdrawNote => $c, "$path/notes/999999", {}, 404);
    post(withdrawNote => $c, $note, {}, 200);
    post(withdrawNote => $c, $note, {}, 409, 'withdrawn already');
    answered(agentNote => $c->get($note), 200, 'withdrawn');
}

answered(statistics => $c->get('/statistiques'), 200);

# an account number, whole
{
    my $set = $portal->psql("select max(id) from portal.change_set where section = 'guardian_bank'");
    my $owner = $portal->psql("select family_id from portal.guardian where id = $me");
    my $own = "/familles/$owner/responsables/$me/iban";
    my ($page, $as) = agent_client();
    my $desk = json_of($page);

    answered(agentIban => $desk->get($own), 403);
    answered(requestIban => $desk->get("/demandes/$set/iban"), 403);
    answered(agentStepUpPage => $desk->get('/connexion/confirmation'), 200);
    post(agentStepUp => $desk, '/connexion/confirmation', { otp => '000000' }, 422);
    step_up($page, $as, stays => 1);
    $desk = json_of($page);
    answered(agentIban => $desk->get($own), 200);
    answered(agentIban => $desk->get("/familles/$owner/responsables/999999/iban"), 404);
    answered(requestIban => $desk->get("/demandes/$set/iban"), 200);
    answered(requestIban => $desk->get('/demandes/999999/iban'), 404);
    $portal->psql("set session_replication_role = replica; update portal.agent set totp_step = 0");
    post(agentStepUp => $desk, '/connexion/confirmation', { otp => otp($as->{totp_secret}), next => '/journal' }, 200);
}

# families from the town's software
{
    my ($page, $head) = agent_client(role => 'administrator');
    answered(journalSheet => json_of($page)->get('/journal.csv'), 403);
    answered(letters => json_of($page)->get('/codes/lettres/' . $portal->psql('select min(number) from portal.letter_lot where tenant = 1')), 403);
    step_up($page, $head, stays => 1);
    my $chief = json_of($page);
    answered(journal => $chief->get("/journal$_"), 200, $_) for '', '?agent=1&genre=session&du=2026-01-01';
    answered(journal => $chief->get("/journal?$_"), 422, $_) for 'famille=personne&du=hier&apres=1', 'couleur=bleu';
    answered($_->[0] => $chief->get($_->[1]), 422, 'what no list knows') for [queue => '/?etat=fini'], [bans => '/interdictions?etat=x'],
        [codeGuardians => '/codes/responsables?etat=x'], [codes => '/codes?apres=x'], [copies => '/recopie?apres=x'],
        [importConflicts => '/imports/conflits?apres=x'], [imports => '/imports?apres=x'], [journalSheet => '/journal.csv?genre=x'],
        [refusedChanges => '/refus?apres=x'];
    answered(journalSheet => $chief->get('/journal.csv'), 200);
    answered(periods => $chief->get('/durees'), 200);

    # a file with many families, by two
    answered(exports => $chief->get('/exports'), 200, 'of a town that wants one');
    post(askExport => $chief, '/exports', { wanted => 'journal', reason => 'Plainte.' }, 409);
    portal()->psql("update portal.town set export_agents = 'two' where id = 1");
    my $other = agent_client(json => 1, as => new_agent(role => 'administrator'));
    answered(journalSheet => $chief->get('/journal.csv'), 403, 'without an agreement');
    answered(exports => $chief->get('/exports?sorte=journal&genre=session'), 200, 'to be asked');
    answered(exports => $chief->get('/exports?couleur=bleu'), 422);
    post(askExport => $chief, '/exports', { wanted => 'journal' }, 422, 'without a reason');
    my $export = post(askExport => $chief, '/exports', { wanted => 'journal', reason => 'Plainte.' }, 200)->json->{location};
    answered(exports => $chief->get('/exports'), 200, 'with one');
    answered(export => $chief->get($export), 200);
    answered(export => $chief->get('/exports/999999'), 404);
    post(decideExport => $chief, '/exports/999999', { step => 'agree' }, 404);
    post(decideExport => $chief, $export, { step => 'agree' }, 403);
    post(decideExport => $other, $export, { step => 'agree' }, 422, 'without a code');
    portal()->psql("update portal.agent_session set confirmed_at = 'infinity' where ended_at is null");
    post(decideExport => $other, $export, { step => 'agree' }, 200);
    post(decideExport => $other, $export, { step => 'agree' }, 409);
    answered(export => $chief->get($export), 200, 'agreed');
    answered(journalSheet => $chief->get('/journal.csv'), 200, 'with an agreement');
    portal()->psql("update portal.town set export_agents = 'one' where id = 1");

    # what is destroyed with approval
    answered(eliminations => $chief->get('/eliminations'), 200);
    post(makeElimination => $chief, '/eliminations', {}, 422, 'a town that wants no list');
    portal()->psql("update portal.town set purge_mode = 'approval' where id = 1;
        insert into portal.change_set (tenant, number, family_id, section, action, subject, state, updated_at, due_on)
        select 1, '2020-0000001', min(id), 'guardian_basic', 'add', 'X', 'withdrawn', now() - interval '9 years', current_date
          from portal.family where tenant = 1");
    answered(eliminations => $chief->get('/eliminations'), 200, 'something is due');
    my $disposal = post(makeElimination => $chief, '/eliminations', {}, 200)->json->{location};
    answered(elimination => $chief->get($disposal), 200);
    answered(eliminationSheet => $chief->get("$disposal.csv"), 200);
    answered(elimination => $chief->get('/eliminations/999999'), 404);
    answered(eliminationSheet => $chief->get('/eliminations/999999.csv'), 404);
    my $listed = $chief->get($disposal)->json;
    my %keep = (step => 'keep', item => $listed->{items}[0]{id}, reason => 'Recours.');
    post(decideElimination => $chief, '/eliminations/999999', { %keep, version => 'x' }, 404);
    post(decideElimination => $chief, $disposal, { %keep, version => 'x' }, 409);
    post(decideElimination => $chief, $disposal, { %keep, version => $listed->{version} }, 412, undef, 'If-Match' => '"0"');
    post(decideElimination => $chief, $disposal, { step => 'approve', version => $listed->{version} }, 422, 'who has drawn it up');
    post(decideElimination => $chief, $disposal, { %keep, version => $listed->{version} }, 200);
    answered(elimination => $chief->get($disposal), 200, 'with a line that is kept');
    answered(eliminations => $chief->get('/eliminations'), 200, 'with a list');
    portal()->psql("update portal.town set purge_mode = 'automatic' where id = 1");
    answered(imports => $chief->get('/imports'), 200, 'none');
    my $csv = "id;nomResp1;prenomResp1;portableResp1\r\nF1;Petit;Rose;06\r\nF2;;Rose;\r\n";
    my $send = sub { send_file($chief, '/imports', { dry => $_[0] }, famille => $_[1] // $csv) };
    my $path = answered(startImport => $send->('yes'), 200)->json->{location};
    my $is = sub { my ($state) = @_; wait_for(30, sub { $portal->psql("select state from portal.import
        order by id desc limit 1") eq $state }) };
    ok $is->('checked'), 'checked';
    answered(imports => $chief->get("/imports$_"), 200, $_) for '', '?apres=1';
    answered(importReport => $chief->get("$path$_"), 200, $_) for '', '?resultat=refused', '?resultat=all', '?apres=1-66616d696c6c652e637376';
    answered(importReport => $chief->get('/imports/999999'), 404);
    answered(importReport => $chief->get("$path?resultat=x"), 422);
    answered(importProgress => $chief->get("$path/avancement"), 200);
    answered(importProgress => $chief->get('/imports/999999/avancement'), 404);
    answered(importSheet => $chief->get("$path/rapport.csv"), 200);
    answered(importSheet => $chief->get("$path/rapport.csv", headers => { Accept => 'text/csv' }), 200, 'a file');
    answered(importSheet => $chief->get('/imports/999999/rapport.csv'), 404);
    post(decideImport => $chief, $path, seen($op{decideImport}{requestBody})->{content}{'application/json'}{example},
        200, 'its example');
    ok $is->('done'), 'done';
    post(decideImport => $chief, $path, { act => 'cancel' }, 409);
    post(decideImport => $chief, '/imports/999999', { act => 'cancel' }, 404);
    post(startImport => $chief, '/imports', { dry => 'yes' }, 422, 'without a file');

    # an accepted request that the software contradicts
    my $open = asked(phone_home => '03 53 01 66 01');
    post(decide => $c, "/demandes/$open", { step => 'accept', version => $now->("/demandes/$open") }, 200, 'accepted');
    $portal->psql("update portal.family set external_id = 'F9' where tenant = 1 and number = '104201';
        update portal.guardian set external_id = 'F9/1' where id = $me");
    my ($last, $first) = map { @$_ } $portal->psql("select last_name, first_name from portal.guardian where id = $me");
    answered(startImport => $send->('no', "id;nomResp1;prenomResp1;telephoneResp1\r\nF9;$last;$first;03 53 01 66 99\r\n"),
        200, 'the software');
    ok $is->('done'), 'done';
    my $list = answered(importConflicts => $chief->get('/imports/conflits'), 200)->json->{conflicts};
    answered(importConflicts => $chief->get('/imports/conflits?apres=999999'), 200, 'none');
    my $one = "/imports/conflits/$list->[0]{id}";
    answered(conflict => $chief->get($one), 200);
    answered(conflict => $chief->get('/imports/conflits/999999'), 404);
    my $example = seen($op{decideConflict}{requestBody})->{content}{'application/json'}{example};
    post(decideConflict => $chief, '/imports/conflits/999999', $example, 404);
    post(decideConflict => $chief, $one, $example, 200, 'its example');
    post(decideConflict => $chief, $one, $example, 409);

    # not for other agents
    answered($_->[0] => $c->get($_->[1]), 403) for [journal => '/journal'], [journalSheet => '/journal.csv'], [periods => '/durees'], [exports => '/exports'], [export => '/exports/1'], [eliminations => '/eliminations'],
        [elimination => '/eliminations/1'], [eliminationSheet => '/eliminations/1.csv'], [imports => '/imports'], [importReport => $path],
        [importProgress => "$path/avancement"], [importSheet => "$path/rapport.csv"],
        [importConflicts => '/imports/conflits'], [conflict => $one];

    # by a machine
    my ($key, $feed) = map { $portal->machine(name => $_, rights => $_) } qw(import feed);
    my $m = client(json => 1, agents => 1);
    my $put = sub { my ($body, $with, %h) = @_; $m->request('PUT', '/import/familles.csv', body => $body,
        headers => { Authorization => "Bearer $with", %h }) };
    my $there = answered(putImport => $put->($csv, $key), 202)->location;
    answered(putImport => $put->($csv, $feed), 403);
    answered(putImport => $put->('', $key), 422);
    answered(putImport => $put->($csv, $key, 'Content-Type' => 'text/html'), 415);
    answered(putImport => $put->($csv, $key, 'Content-Length' => 99_000_000), 413);
    answered(machineReport => $m->get($there, headers => { Authorization => "Bearer $key" }), 200);
    answered(machineReport => $m->get("$there?$_", headers => { Authorization => "Bearer $key" }), 200, $_)
        for qw(outcome=all after=1-61 limit=1);
    answered(machineReport => $m->get("$there?after=$_", headers => { Authorization => "Bearer $key" }), 422, $_) for qw(1 1:a 1-ff);
    answered(machineReport => $m->get("$there?outcome=x", headers => { Authorization => "Bearer $key" }), 422);
    answered(machineReport => $m->get($there, headers => { Authorization => "Bearer $feed" }), 403);
    answered(machineReport => $m->get('/import/999999', headers => { Authorization => "Bearer $key" }), 404);
}

# what was accepted, for the town's software
my %bearer;
{
    my ($all, $import) = map { $portal->machine(name => "Voie $_", rights => $_) } 'feed,feed_sealed', 'import';
    my $m = client(json => 1, agents => 1);
    my $with = sub { headers => { Authorization => "Bearer $_[0]" } };
    %bearer = (Authorization => "Bearer $all");
    my $all_told = answered(changes => $m->get('/api/changements?limite=500', $with->($all)), 200)->json->{changes};
    cmp_ok scalar @$all_told, '>', 3, 'changes of several kinds';
    answered(changes => $m->get('/api/changements?apres=1&limite=1', $with->($all)), 200, 'one');
    answered(changes => $m->get('/api/changements?apres=x', $with->($all)), 422);
    answered(changes => $m->get('/api/changements', $with->($import)), 403);
    answered(changesSheet => $m->get("/api/changements.csv$_", $with->($all)), 200, $_) for '', '?format=bl';
    answered(changesSheet => $m->get('/api/changements.csv?format=x', $with->($all)), 422);
    answered(changesSheet => $m->get('/api/changements.csv', $with->($import)), 403);

    answered(copies => $c->get("/recopie$_"), 200, $_) for '', '?apres=1';
    my $copies = $c->get('/recopie')->json->{families};
    answered(copies => $c->get("/recopie?famille=$copies->[0]{family}"), 200, 'one family');
    my $one = $copies->[0]{requests}[0]{changes}[0]{id};
    post(copied => $c, '/recopie', { change => $one }, 200);
    post(copied => $c, '/recopie', { family => 999999, upto => 1 }, 404);
    post(copied => $c, '/recopie', {}, 422, 'nothing');

    my @open = grep { $_->{state} eq 'open' && $_->{id} != $one } @$all_told;
    my $example = seen($op{acknowledgeChanges}{requestBody})->{content}{'application/json'}{example};
    is wrong(seen($op{acknowledgeChanges}{requestBody})->{content}{'application/json'}{schema}, $example), '', 'its example';
    my $send = sub { my ($body, $key) = @_; $m->post('/api/changements/accuses', $body, $with->($key // $all)) };
    answered(acknowledgeChanges => $send->($example), 200, 'its example');
    answered(acknowledgeChanges => $send->({ changes => [{ id => $open[0]{id}, state => 'recorded' },
        { id => $open[1]{id}, state => 'rejected', reason => 'Inconnu' }, { id => 'x' }] }), 200, 'answers');
    answered(acknowledgeChanges => $send->({ changes => [] }, $import), 403);

    answered(refusedChanges => $c->get("/refus$_"), 200, $_) for '', '?apres=1';
    post(resendChange => $c, '/refus', { change => $open[1]{id}, act => 'resend' }, 200);
    post(resendChange => $c, '/refus', { change => $open[1]{id}, act => 'resend' }, 409);
    post(resendChange => $c, '/refus', { change => 999999, act => 'resend' }, 404);
    answered(agentRequest => $c->get("/demandes/$_->[0]"), 200, 'what became of it')
        for $portal->psql('select distinct set_id from portal.change');
}

# codes and letters
{
    my ($page, $head) = agent_client(role => 'administrator');
    step_up($page, $head, stays => 1);
    my $boss = json_of($page);
    my $example = sub { seen($op{ $_[0] }{requestBody})->{content}{'application/json'}{example} };
    my $doc = answered(codes => $boss->get('/codes'), 200)->json;
    my $lot = "/codes/lettres/$doc->{lots}[0]{id}";
    my $letter = answered(letters => $boss->get($lot), 200)->json->{letters}[0];
    answered(letters => $boss->get('/codes/lettres/999999'), 404);
    post(printLetters => $boss, "$lot/imprimees", $example->('printLetters'), 200);
    post(printLetters => $boss, '/codes/lettres/999999/imprimees', {}, 404);
    answered(letters => $boss->get($lot), 200, 'printed');
    my $one = "/codes/responsables/$letter->{guardian}";
    answered(guardianCode => $boss->get($one), 200);
    answered(guardianCode => $boss->get('/codes/responsables/999999'), 404);
    my $to = post(saveGuardianCode => $boss, $one, $example->('saveGuardianCode'), 200)->json->{location};
    answered(letters => $boss->get($to), 200, 'of one');
    answered(guardianCode => $boss->get($one), 200, 'with a letter');
    post(saveGuardianCode => $boss, $one, { step => 'bar' }, 200, 'bar');
    post(saveGuardianCode => $boss, $one, { step => 'issue' }, 409, 'barred');
    answered(guardianCode => $boss->get($one), 200, 'barred');
    post(saveGuardianCode => $boss, $one, { step => 'allow' }, 200, 'allow');
    post(saveGuardianCode => $boss, '/codes/responsables/999999', { step => 'issue' }, 404);
    answered(codeGuardians => $boss->get("/codes/responsables$_"), 200, $_) for '', '?nom=martin', '?etat=linked', '?page=9';
    post(orderCodes => $boss, '/codes', { step => 'school', school => undef }, 422, 'which?');

    # nobody makes them while this is held
    my $hold = spawn(undef, $portal->dir . '/hold.log', 'psql', '-X', '-q', $portal->pg->psql_args, '-c',
        'select pg_advisory_lock(7706737711), pg_sleep(600)');
    ok wait_for(10, sub { $portal->psql("select count(*) from pg_stat_activity where
        wait_event = 'PgSleep' and query like '%7706737711%'") }), 'the job is kept away';
    post(orderCodes => $boss, '/codes', $example->('orderCodes'), 200, 'its example');
    answered(codes => $boss->get('/codes'), 200, 'under way');
    post(orderCodes => $boss, '/codes', { step => 'all' }, 409, 'another order');
    post(orderCodes => $boss, '/codes', { step => 'stop' }, 200, 'stopped');
    $portal->psql("select count(pg_terminate_backend(pid)) from pg_stat_activity
        where query like '%7706737711%' and pid <> pg_backend_pid()");
    waitpid $hold, 0;
    answered(codes => $boss->get('/codes?apres=1'), 200, 'those before');
    answered(codeAttempts => $boss->get('/codes/essais'), 200);
}

# a family and its file
{
    answered(searchPage => $c->get('/familles'), 200);
    my $example = seen($op{searchFamilies}{requestBody})->{content}{'application/json'}{example};
    my $found = post(searchFamilies => $c, '/familles', $example, 200, 'its example')->json->{families}[0]{id};
    post(searchFamilies => $c, '/familles', { search => 'Personnequin' }, 200, 'nobody');
    post(searchFamilies => $c, '/familles', { search => '!!!' }, 422, 'nothing to search by');
    for my $family (map { $_->[0] } $portal->psql('select id from portal.family where tenant = 1')) {
        my $file = answered(agentFamily => $c->get("/familles/$family"), 200, "family $family")->json;
        answered(agentTax => $c->get($_->{tax_page}), 200, $_->{tax_page}) for @{ $file->{guardians} };
        answered(agentHealth => $c->get($_->{health_page}), 200, $_->{health_page}) for @{ $file->{children} };
        answered(agentChildPhoto => $c->get($_->{child}{photo}{path}), 200)
            for grep { $_->{child}{photo} } @{ $file->{children} };
    }
    answered(agentFamily => $c->get('/familles/999999'), 404);
    answered(agentTax => $c->get("/familles/$found/responsables/999999/fiscales"), 404);
    answered(agentHealth => $c->get("/familles/$found/enfants/999999/sante"), 404);
    answered(agentChildPhoto => $c->get("/familles/$found/enfants/999999/photo.jpg"), 404);
}

# at the counter
{
    my $second = json_of(scalar agent_client(as => new_agent(name => 'Odile Second')));
    my ($family, $child, $contact) = @{ ($portal->psql("select k.family_id, k.child_id, k.id from portal.contact k
        join portal.guardian g on g.family_id = k.family_id where g.id = $me order by k.child_id, k.id limit 1"))[0] };
    my $mate = $portal->psql("select id from portal.guardian where family_id = $family and id <> $me limit 1");
    my $there = "/familles/$family/guichet";
    answered(counter => $c->get($there), 200);
    answered(counter => $c->get('/familles/999999/guichet'), 404);
    answered(counterGuardian => $c->get("$there/$me/connu"), 200);
    answered(counterGuardian => $c->get("$there/999999/connu"), 404);
    my ($g, $kid) = ("$there/$me/courrier/responsables", "$there/$me/telephone/enfants");
    my %body = (
        GuardianBasic => ["$g/$me/base", { employer => 'Guichet' }],
        GuardianAddress => ["$g/$me/adresse", { complement => 'Guichet' }],
        GuardianTax => ["$g/$me/fiscales", { shares => '4' }],
        GuardianBank => ["$g/$me/bancaires", { holder => 'Camille Guichet', iban => 'FR7630006000011234567890189', mandate => 'yes' }],
        GuardianRemoval => ["$g/$mate/retrait", { comment => 'Parti.' }],
        GuardianAddition => ["$g/ajout", { last_name => 'Petit', first_name => 'Nil', link => 'other' }],
        ChildGeneral => ["$kid/$child/generales", { birth_place => 'Guichet' }],
        ChildAuthorisations => ["$kid/$child/autorisations", { leave_alone => 'unanswered', transport => 'unanswered', hospital => 'unanswered',
            swimming => 'unanswered', image_web => 'unanswered' }],
        ChildPhoto => ["$kid/$child/photo", undef],
        ChildHealth => ["$kid/$child/sante", { allergies => 'Guichet' }],
        ChildRemoval => ["$kid/$child/retrait", { comment => 'Parti.' }],
        ChildAddition => ["$kid/ajout", { last_name => 'Petit', first_name => 'Nil', birth_date => '2021-05-06' }],
        ContactAddition => ["$kid/$child/contacts/nouveau", { last_name => 'Petit', first_name => 'Nil', link => 'friend',
            phone_mobile => '06 39 98 00 09', collect => 'no', emergency => 'yes' }],
        Contact => ["$kid/$child/contacts/$contact/modifier", { phone_home => '03 53 01 88 88', emergency => 'yes' }],
        ContactRemoval => ["$kid/$child/contacts/$contact/retrait", { comment => 'Parti.' }],
        CollectReport => ["$kid/$child/contacts/interdiction", { comment => 'Un jugement.' }],
    );
    my %asked = map { $op{$_}{path} =~ /moyen\}\/./ && /^counter(\w+)/ ? ($1 => 1) : () } keys %op;
    is_deeply [sort keys %body], [sort keys %asked], 'every form of the counter';
    for my $form (sort keys %asked) {
        my ($path, $fields) = @{ $body{$form} // next };
        my $none = $path =~ s{^/familles/\d+}{/familles/999999}r;
        answered("counter$form" => $c->get($path), 200);
        answered("counter$form" => $c->get($none), 404);
        post("file$form" => $c, $none, $fields // {}, 404);
        post("file$form" => $c, $path, $fields // {}, 412, undef, 'If-Match' => '"0"');
        post("file$form" => $c, $path, { %{ $fields // {} }, version => 'x' }, 409, 'another version');
        my $r = $fields ? post("file$form" => $c, $path, $fields, 200)
            : answered("file$form" => send_file($c, $path, {}, photo => grey(60)), 200);
        my ($filed) = ($r->json->{location} // '') =~ m{^/demandes/(\d+)};
        answered(agentRequest => $c->get("/demandes/$filed"), 200, "$form, filed");
        post(decide => $c, "/demandes/$filed", { step => 'accept', version => $now->("/demandes/$filed") }, 403, "$form: by who filed it");
        answered("counter$form" => $c->get($path), 200, 'once it is asked for');
    }
    post(fileGuardianAddress => $c, $body{GuardianAddress}[0], { complement => 'Encore', step => $_ }, 200, $_) for qw(check edit);
    answered(counterGuardian => $c->get("$there/$me/connu"), 200, 'with what is asked for');
    answered(queue => $c->get('/'), 200, 'with what was filed');
    answered(agentFamily => $c->get("/familles/$family"), 200, 'with what was filed');
}

# agents themselves
{
    my $boss = json_of(scalar agent_client(role => 'administrator'));
    my $example = seen($op{inviteAgent}{requestBody})->{content}{'application/json'}{example};
    my $made = post(inviteAgent => $boss, '/agents', $example, 200, 'its example')->json->{location};
    post(inviteAgent => $boss, '/agents', $example, 422, 'known');
    post(inviteAgent => $c, '/agents', $example, 403, 'a validator');
    answered(agents => $boss->get('/agents'), 200);
    answered(agents => $c->get('/agents'), 403);
    answered(agentAccountPage => $boss->get($made), 200, 'invited');
    answered(agentAccountPage => $boss->get('/agents/999999'), 404);
    answered(agentAccountPage => $c->get($made), 403);
    post(changeAgent => $c, $made, { step => 'disable', version => 'x' }, 403, 'a validator');
    post(changeAgent => $boss, '/agents/999999', { step => 'disable', version => 'x' }, 404);
    post(changeAgent => $boss, $made, { step => 'disable' }, 428);
    post(changeAgent => $boss, $made, { step => 'disable' }, 412, undef, 'If-Match' => '"0"');
    post(changeAgent => $boss, $made, { step => 'disable', version => 'x' }, 409);
    post(changeAgent => $boss, $made, { step => 'role', version => $boss->get($made)->json->{version} }, 422, 'no role');
    post(changeAgent => $boss, $made, { step => 'role', role => 'administrator',
        version => $boss->get($made)->json->{version} }, 200, 'one of two');
    answered(agentAccountPage => $boss->get($made), 200, 'a role waits');
    post(changeAgent => $boss, $made, { step => 'schools', schools => 'Poudlard', version => $boss->get($made)->json->{version} }, 422, 'no school');
    post(changeAgent => $boss, $made, { step => 'schools', schools => 'École Simone-Veil', version => $boss->get($made)->json->{version} }, 200, 'a school');
    post(changeAgent => $boss, $made, { step => 'sections', child_health => 'yes', version => $boss->get($made)->json->{version} }, 200, 'a section');
    answered(agentAccountPage => $boss->get($made), 200, 'for these alone');
    answered(agents => $boss->get('/agents'), 200, 'in the list');

    my $n = client(json => 1, agents => 1);
    my ($token) = letter($example->{email}, 'agent_invited')->{text} =~ /jeton=([\w-]{43})/;
    answered(agentInvitation => $n->get("/invitation?jeton=$token"), 200);
    answered(agentInvitation => $n->get('/invitation'), 200, 'no link');
    my %accept = (%{ seen($op{agentAccept}{requestBody})->{content}{'application/json'}{example} }, token => $token);
    post(agentAccept => $n, '/invitation', { %accept, new_password => 'court' }, 422, 'too short');
    my $secret = post(agentAccept => $n, '/invitation', \%accept, 200, 'its example')->json->{enrol}[0]{secret};
    post(agentAccept => $n, '/invitation', \%accept, 410, 'once');
    my $new = { email => $example->{email}, password => $accept{new_password}, totp_secret => $secret, town => 'saint-aubin' };
    my $in = json_of(scalar agent_client(as => $new));
    answered(agentRecoveryPage => $in->get('/compte/codes-de-secours'), 200);
    my $code = post(agentRecoveryCodes => $in, '/compte/codes-de-secours', {}, 200)->json->{codes}[0]{code};
    answered(agentRecoverPage => $n->get('/connexion/secours'), 200);
    post(agentRecover => $n, '/connexion/secours', { email => $new->{email}, password => $new->{password},
        recovery_code => free_code()->{code} }, 422, 'another code');
    post(agentRecover => $n, '/connexion/secours', { email => $new->{email}, password => $new->{password},
        recovery_code => $code }, 200);
}

# what administrators set
my $admin = json_of(scalar agent_client(role => 'administrator'));

# the town's software is told: to an address that nobody answers at
{
    my $example = seen($op{addWebhook}{requestBody})->{content}{'application/json'}{example};
    answered(webhooks => $c->get('/reglages/logiciel'), 403, 'a validator');
    post(addWebhook => $c, '/reglages/logiciel', $example, 403, 'a validator');
    post(addWebhook => $admin, '/reglages/logiciel', { %$example, url => 'http://a/' }, 422);
    my $hook = '/reglages/logiciel/' . post(addWebhook => $admin, '/reglages/logiciel', $example, 200, 'its example')
        ->json->{webhook}{id};
    post(addWebhook => $admin, '/reglages/logiciel', $example, 409, 'again');
    answered(webhooks => $admin->get('/reglages/logiciel'), 200);
    answered(webhook => $admin->get($hook), 200);
    answered(webhook => $c->get($hook), 403, 'a validator');
    answered(webhook => $admin->get('/reglages/logiciel/987654'), 404);
    my $do = sub { my ($step, $status, %more) = @_;
        post(changeWebhook => $admin, $hook, { step => $step, version => $admin->get($hook)->json->{version}, %more }, $status, $step) };
    post(changeWebhook => $c, $hook, { step => 'test' }, 403, 'a validator');
    post(changeWebhook => $admin, '/reglages/logiciel/987654', { step => 'test', version => 'x' }, 404);
    post(changeWebhook => $admin, $hook, { step => 'test' }, 428);
    post(changeWebhook => $admin, $hook, { step => 'test' }, 412, undef, 'If-Match' => '"0"');
    $do->(test => 200);
    Portal::Place::wait_for(40, sub { @{ $admin->get($hook)->json->{attempts} } });
    answered(webhook => $admin->get($hook), 200, 'with what was sent');
    $do->(stop => 200);
    $do->(test => 409);
    $do->(secret => 200);
    $do->(resume => 200);
    $do->(remove => 200);
}
answered(settings => $admin->get('/reglages'), 200);
answered(settings => $c->get('/reglages'), 403, 'a validator');
answered(settingsRefusals => $admin->get('/reglages/motifs'), 200);
answered(settingsRefusals => $c->get('/reglages/motifs'), 403, 'a validator');
answered(settingsAuthorisations => $admin->get('/reglages/autorisations'), 200);
answered(settingsAuthorisations => $c->get('/reglages/autorisations'), 403, 'a validator');
for ([moveAuthorisation => 'settingsAuthorisations'], [addAuthorisation => 'newAuthorisation'], [withdrawAuthorisation => 'listedAuthorisation']) {
    my ($name, $of) = @$_;
    my $path = $op{$name}{path} =~ s/\{autorisation\}/swimming/r;
    my $example = seen($op{$name}{requestBody})->{content}{'application/json'}{example};
    answered($of => $admin->get($path), 200);
    answered($of => $c->get($path), 403, 'a validator');
    post($name => $c, $path, { %$example, version => 'x' }, 403, 'a validator');
    post($name => $admin, $path, $example, 428);
    post($name => $admin, $path, $example, 412, undef, 'If-Match' => '"0"');
    post($name => $admin, $path, { %$example, version => 'x' }, 409, 'another version');
    post($name => $admin, $path, { %$example, version => $admin->get($path)->json->{version} }, 200, 'its example');
    post($name => $admin, $path, { %$example, version => $admin->get($path)->json->{version} }, 422, 'once more') if $name ne 'moveAuthorisation';
    answered($of => $admin->get($path), 200, 'and then');
}
answered(listedAuthorisation => $admin->get('/reglages/autorisations/rien/liste'), 404);
post(withdrawAuthorisation => $admin, '/reglages/autorisations/rien/liste', { step => 'withdraw', version => 'x' }, 404);
answered(settingsAuthorisations => $admin->get('/reglages/autorisations'), 200, 'with one that was added, and one that was taken out');
answered(settingsAuthorisation => $admin->get('/reglages/autorisations/own_1'), 200, 'one of the town\'s own');
answered(settingsSchools => $admin->get('/reglages/ecoles'), 200);
answered(settingsSchools => $c->get('/reglages/ecoles'), 403, 'a validator');
post(takeSchools => $c, '/reglages/ecoles', {}, 403, 'a validator');
post(takeSchools => $admin, '/reglages/ecoles', {}, 200);
post(takeSchools => $admin, '/reglages/ecoles', {}, 422, 'nothing');
# a theme that is not prepared yet
answered($_ => $admin->get($op{$_}{path}), 404) for qw(settingsThemePreview settingsThemeSheet);
post(saveThemePreview => $admin, '/reglages/theme/apercu', { step => 'publish', version => $admin->get('/reglages/theme')->json->{version} }, 404);
for my $name (grep { /^save/ && $op{$_}{tags}[0] eq 'settings' } sort keys %op) {
    my $of = $name =~ s/^save/settings/r;
    # what is prepared of a logo is something to look at
    $portal->psql("delete from portal.town_theme where state = 'draft'") if $name eq 'saveTheme';
    my $path = $op{$name}{path} =~ s/\{(\w+)\}/one_of($op{$name}{path}, $1)/ger;
    my $example = seen($op{$name}{requestBody})->{content}{'application/json'}{example};
    $example = { %$example, text_en => 'More.' } if $path =~ /more$/;
    $example = { %$example, name => 'École du Vieux-Port' } if $path =~ m{ecoles/[0-9]};
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

post(saveTheme => $admin, '/reglages/theme', { step => 'former', version => $admin->get('/reglages/theme')->json->{version} }, 200, 'the former one');
answered(settingsThemeSheet => $admin->get('/reglages/theme/apercu.css'), 200);
answered(settingsThemeSheet => $c->get('/reglages/theme/apercu.css'), 403, 'a validator');

# a logo, which is not published
{
    my $sent = send_file($admin, '/reglages/theme/logo', { version => $admin->get('/reglages/theme/logo')->json->{version} },
        'logo', grey(100));
    answered(saveLogo => $sent, 200, 'a picture');
    answered(settingsLogo => $admin->get('/reglages/theme/logo'), 200, 'with it');
    my $logo = $admin->get('/reglages/theme/logo')->json->{logo};
    answered(agentLogo => $admin->get($logo), 200);
    answered(agentLogo => $c->get($logo), 404, 'nobody else has it');
}

# what may stand at that place of an address
sub one_of {
    my ($path, $name) = @_;

    my ($said) = grep { ($_->{name} // q{}) eq $name } map { seen($_) } @{ $api->{paths}{$path}{parameters} };
    return $said->{schema}{enum} ? $said->{schema}{enum}[0] : $name eq 'motif' ? 'more'
        : $name eq 'ecole' ? scalar $portal->psql('select min(id) from portal.school where tenant = 1') : undef;
}

# a reader, and nobody
my $r = json_of(scalar agent_client(as => new_agent(role => 'reader', name => 'Rémi Lecteur')));
answered(agentSession => $r->get('/session'), 200, 'a reader');
post(decide => $r, $path, { step => 'accept', version => $now->($path) }, 403, 'a reader');
answered(copies => $r->get('/recopie'), 403, 'a reader');
answered($_ => $r->get($op{$_}{path} =~ s/\{moyen\}/piece/r =~ s/\{\w+\}/1/gr), 403, 'a reader') for grep { /^counter/ } sort keys %op;
answered($_->[0] => $r->get("/codes$_->[1]"), 403, 'a reader') for ['codes', ''], ['codeGuardians', '/responsables'],
    ['guardianCode', '/responsables/1'], ['letters', '/lettres/1'], ['codeAttempts', '/essais'];

sub json_of { twin($_[0], json => 1) }

# who is for a section alone
{
    my $one = new_agent(name => 'Odette Bornée');
    $portal->psql("update portal.agent set sections = '{child_health}' where email = '$one->{email}'");
    my $c = json_of(scalar agent_client(as => $one));
    answered(agentAccount => $c->get('/compte'), 200, 'their limits');
    answered(statistics => $c->get('/statistiques'), 200, 'of theirs');
    answered(agentFamily => $c->get('/familles/' . $portal->psql("select family_id from portal.guardian where id = $me")), 200, 'what is theirs of it');
    answered(queue => $c->get('/'), 200, 'theirs');
}

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
    answered(agentChildPai => $own->get("/familles/$_->[0]/enfants/$_->[1]/pai-1"), 403, 'their own') for $portal->psql("select m.family_id,
        p.child_id from portal.child_pai p join portal.child_family m using (child_id) join portal.guardian g on g.family_id = m.family_id
        where g.id = $me");
    answered(ban => $own->get("/interdictions/$ban"), 403, 'their own');
    my $note = join '/notes/', @{ ($portal->psql('select family_id, max(id) from portal.family_note group by 1'))[0] };
    answered(agentNote => $own->get("/familles/$note"), 403, 'their own');
    my ($family, $child) = @{ ($portal->psql("select m.family_id, m.child_id from portal.child_family m
        join portal.guardian g on g.family_id = m.family_id where g.id = $me order by m.child_id limit 1"))[0] };
    answered(agentTax => $own->get("/familles/$family/responsables/$me/fiscales"), 403, 'their own');
    answered(agentHealth => $own->get("/familles/$family/enfants/$child/sante"), 403, 'their own');
}

for my $name (sort keys %op) {
    my $op = $op{$name};
    my $path = $op->{path} =~ s/\{(\w+)\}/one_of($op->{path}, $1) \/\/ 1/ger;
    my $nobody = client(json => 1, agents => 1);
    answered($name, $op->{method} eq 'put' ? $nobody->request('PUT', '/import/a.csv', body => 'a')
        : $nobody->${ \$op->{method} }($path, $op->{form} ? {} : ()), 401, 'nobody') if @{ $op->{security} // [] };
    next if !$op->{form};

    my $machine = grep { $_->{type} eq 'list' } values %{ $op->{form}{fields} };
    my %token = $machine ? %bearer : ('X-CSRF-Token' => $c->get('/session')->json->{csrf});
    my $send = sub { my ($body, $status, $what, %h) = @_;
        answered($name, $c->post($path, $body, headers => { %token, %h }), $status, $what) };
    answered($name, $c->post($path, {}), 403, 'no token') if !$op->{form}{logout} && !$machine;
    $send->({ nonsense => 'x' }, 422, 'another field');
    $send->('{', 400, 'half a body', 'Content-Type' => 'application/json');
    $send->('<a/>', 415, 'another type', 'Content-Type' => 'text/xml');
    $send->('"' . 'x' x ($machine ? 270_000 : 66_000) . '"', 413, 'too much', 'Content-Type' => 'application/json');
}
answered(agentSignOut => $c->post('/deconnexion', {}, headers => { Origin => 'https://evil.example',
    'Sec-Fetch-Site' => 'cross-site' }), 403, 'from elsewhere');
post(agentSignOut => $c, '/deconnexion', { everywhere => 'yes' }, 200);

# what was not seen is others' to show: 429 t/agents.t, 503 t/fault, a key whose
# first request is under way t/openapi.t
is join(', ', grep { !$seen{$_} && !/ (?:429|503)$|^inviteAgent 409$/ } map { my $id = $_;
    map { "$id $_" } sort keys %{ $op{$id}{responses} } } sort keys %op), '',
    'every operation was done and refused as it is written';

done_testing;
