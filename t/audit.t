#!/usr/bin/perl

# The audit of requests and decisions: each thing done has exactly one row, that
# says who, where, what and in which request (T214); who has read sealed data is
# in it by name, without a value (T215); the chain holds, and what is not
# chained yet is a metric.

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Place qw(spawn);
use Portal::Test;

my $p = portal(jobs => 'chain=200ms');
my $family = $p->psql("select id from portal.family where number = '104201'");
my ($me, $him) = map { $_->[0] } $p->psql("select id from portal.guardian
    where family_id = $family order by rank");
my ($leo, $nina) = map { $_->[0] } $p->psql("select child_id from portal.child_family
    where family_id = $family order by rank");
my ($contact, $other) = map { $_->[0] } $p->psql("select id from portal.contact
    where child_id = $leo and family_id = $family order by rank, id");

my $camille = signed_in(qr/couple/);
my $j = as_json($camille);
my $account = $p->psql("select id from portal.account where email = 'camille.martin\@exemple.fr'");
my ($agent, $validator) = agent_client();
my $aj = as_json($agent);
my $who = $p->psql("select id from portal.agent where email = '$validator->{email}'");
my %csrf = map { $_ => $_->get('/session')->json->{csrf} } $j, $aj;
my ($page, $child) = ("/famille/responsables/$me", "/famille/enfants/$leo");

# the rows that the code leaves behind; what is drawn or is a time may hold any digits
sub rows {
    my ($code) = @_;

    my $last = $p->psql('select coalesce(max(id), 0) from portal.audit');
    my $r = $code->();
    my @rows = map { { action => $_->[0], outcome => $_->[1], object => "$_->[2] $_->[3]",
        who => "$_->[4] $_->[5]", family => $_->[6], request => $_->[7], town => $_->[8],
        all => $_->[9] } } $p->psql("select action, outcome, object, object_id, account_id,
        agent_id, family_id, request, tenant, to_jsonb(a) - '{at,hash,request}'::text[] from portal.audit a
        where id > $last order by id");

    return ($r, @rows);
}

# one row and no other
sub one_ok {
    my ($name, $status, $want, $code) = @_;

    my ($r, @rows) = rows($code);
    is $r->status, $status, "$name: $status" or diag $r->content;
    is scalar @rows, 1, "T214 $name: one row" or diag explain \@rows;
    my $row = $rows[0] // return $r;
    is "$row->{action} $row->{outcome}", $want, "$name: $want";
    like $row->{object}, qr/^change_set [1-9]/, "$name: of which request";
    is $row->{town}, 1, "$name: of which town";
    is $row->{who}, $want =~ /^(?:ask|withdraw)/ ? "$account " : " $who", "$name: by whom";
    is $row->{family}, $want =~ /^(?:ask|withdraw)/ ? $family : '', "$name: for which family";
    like $row->{request}, qr/^[0-9a-f]{16,}$/, "$name: in which request of nginx";

    return $r;
}

sub ask {
    my ($path, $fields) = @_;

    return $j->post($path, { csrf => $csrf{$j}, %$fields });
}

sub last_set { return scalar $p->psql('select max(id) from portal.change_set') }

sub decide {
    my ($id, %fields) = @_;

    my $doc = $aj->get("/demandes/$id")->json;
    return sub { $aj->post("/demandes/$id", { csrf => $csrf{$aj}, version => $doc->{version},
        %fields }) };
}


### asking, each page once

my @ASKED = (
    ["$page/base", { profession => 'Relieuse' }],
    ["$page/adresse", { complement => 'Bâtiment C' }],
    ["$page/fiscales", { reference_income => '41237' }],
    ["$page/bancaires", { iban => 'FR1420041010050500013M02606', holder => 'Camille Martin',
        mandate => 'yes' }],
    ["/famille/responsables/$him/adresse", { complement => 'Bâtiment D' }],
    ['/famille/responsables/ajout', { last_name => 'Nouveau', first_name => 'Ana',
        link => 'other' }],
    ['/famille/enfants/ajout', { last_name => 'Nouvel', first_name => 'Ulysse',
        birth_date => '2024-02-03' }],
    ["$child/generales", { birth_place => 'Douai' }],
    ["$child/autorisations", { image_press => 'unanswered' }],
    ["$child/sante", { notes => 'Canari-de-la-lecture' }],
    ["/famille/enfants/$nina/retrait", { comment => 'Déménage' }],
    ["$child/contacts/nouveau", { last_name => 'Voisin', first_name => 'Ali',
        link => 'neighbour', phone_mobile => '06 12 34 56 78', collect => 'yes',
        emergency => 'no' }],
    ["$child/contacts/$contact/modifier", { last_name => 'Changé' }],
    ["$child/contacts/$contact/retrait", { comment => 'Parti' }],
    ["$child/contacts/interdiction", { comment => 'Ne doit pas venir' }],
);
my %set;

for (@ASKED) {
    my ($path, $fields) = @$_;

    one_ok("asking $path", 200, 'ask_change sent', sub { ask($path, $fields) });
    $set{$path} = last_set();
}

one_ok('asking again', 200, 'ask_change sent', sub { ask("$page/base", { employer => 'Atelier' }) });
my $base = last_set();

{
    my (undef, @rows) = rows(sub { ask("$page/base", { employer => 'X', step => 'check' }) });
    is scalar @rows, 0, 'a check, which stores nothing, leaves none';
    (undef, @rows) = rows(sub { $j->get("/famille/demandes/$base") });
    is scalar @rows, 0, 'nor does reading one\'s own';
}


### what may not be asked

# leaves a row, whichever function finds it: the form's own, the one that says
# where to seal, the one that stores a file
{
    my ($stranger, $their) = @{ ($p->psql("select g.id, m.child_id from portal.guardian g
        join portal.family f on f.id = g.family_id
        join portal.child_family m on m.family_id = f.id
        where f.number = '104203' order by g.rank, m.rank limit 1"))[0] };
    my $paper = sub {
        my ($path, $name) = @_;
        return $j->post($path, join("\r\n", '--b', 'Content-Disposition: form-data; name="csrf"', '',
            $csrf{$j}, '--b', qq(Content-Disposition: form-data; name="$name"; filename="x"), '',
            $name eq 'photo' ? grey(90) : "%PDF-1.4\n%%EOF\n", '--b--', ''),
            headers => { 'Content-Type' => 'multipart/form-data; boundary=b' });
    };
    $p->psql("insert into portal.field_policy (tenant, section, field, policy)
        values (1, 'guardian_basic', 'employer', 'shown'), (1, 'guardian_basic', 'profession', 'hidden')");

    for (['a stranger', 404, "guardian_address $stranger", 'not_allowed',
            sub { ask("/famille/responsables/$stranger/adresse", { street => 'x' }) }],
        ['only to look', 404, "guardian_address $stranger", 'not_allowed',
            sub { ask("/famille/responsables/$stranger/adresse", { street => 'x', step => 'check' }) }],
        ['nobody', 404, 'guardian_basic 999999', 'not_allowed',
            sub { ask('/famille/responsables/999999/base', { profession => 'x' }) }],
        ['the other guardian\'s account', 404, "guardian_bank $him", 'not_allowed',
            sub { ask("/famille/responsables/$him/bancaires", { iban => 'FR1420041010050500013M02606' }) }],
        ['a stranger\'s health', 404, "child_health $their", 'not_allowed',
            sub { ask("/famille/enfants/$their/sante", { allergies => 'Canari' }) }],
        ['a stranger\'s paper', 404, "guardian_address $stranger", 'not_allowed',
            sub { $paper->("/famille/responsables/$stranger/adresse", 'document') }],
        ['a stranger\'s photo', 404, "child_photo $their", 'not_allowed',
            sub { $paper->("/famille/enfants/$their/photo", 'photo') }],
        ['a stranger\'s contact', 404, "child_contact $contact", 'not_allowed',
            sub { ask("/famille/enfants/$their/contacts/$contact/modifier", { last_name => 'x' }) }],
        ['what is only shown', 422, "guardian_basic $me", 'not_editable',
            sub { ask("$page/base", { employer => 'x' }) }],
        ['what is hidden', 422, "guardian_basic $me", 'not_editable',
            sub { ask("$page/base", { profession => 'x' }) }])
    {
        my ($name, $status, $object, $outcome, $code) = @$_;
        my ($r, @rows) = rows($code);

        is $r->status, $status, "asking about $name: $status" or diag $r->content;
        is join(', ', map { "$_->{action} $_->{outcome} $_->{object} $_->{who}" } @rows),
            "ask_change $outcome $object $account ", "T214 $name: one row";
        is_deeply [grep { /Canari|2606/ } map { $_->{all} } @rows], [], "$name: without a value";
    }

    $p->psql("delete from portal.field_policy");
    my $set = $p->psql("select min(id) from portal.change_set");
    my $julien = as_json(signed_in((grep { $_->{email} =~ /^julien/ } @{ $p->demo->{accounts} })[0]));
    my ($r, @rows) = rows(sub { json_post($julien, "/famille/demandes/$set", {}, page => '/session') });
    is $r->status, 404, 'taking back another\'s request';
    is join(', ', map { "$_->{action} $_->{outcome} $_->{object}" } @rows),
        "withdraw_change not_allowed change_set $set", 'T214 one row';
    (undef, @rows) = rows(sub { ask("$page/adresse", { postal_code => '1' }) });
    is scalar @rows, 0, 'what is mistyped leaves none';
    (undef, @rows) = rows(sub { $j->get("/famille/responsables/$stranger/adresse") });
    is scalar @rows, 0, 'nor does a page that there is not';
}


### what agents do

one_ok('taking', 200, 'take_request ok', decide($base, step => 'take'));
one_ok('giving back', 200, 'release_request ok', decide($base, step => 'release'));
one_ok('asking for more', 200, 'decide incomplete',
    decide($base, step => 'incomplete', reason => 'Où ?'));
one_ok('completing', 200, 'ask_change sent', sub { ask("$page/base", { employer => 'Reliure' }) });
one_ok('no reason', 422, 'decide reason_needed', decide($base, step => 'refuse'));
one_ok('ready words of nobody', 422, 'decide choice',
    decide($base, step => 'refuse', reason_code => 'nobody_wrote_it'));
one_ok('not each line', 422, 'decide undecided', decide($base, step => 'partly', reason => 'Non.'));
one_ok('half of a whole', 422, 'decide whole_only',
    decide($set{"$page/adresse"}, step => 'partly', reason => 'Non.'));
one_ok('accepting in part', 200, 'decide partly', decide($base, step => 'partly',
    profession => 'accept', employer => 'refuse', reason => 'Non.'));
one_ok('undoing', 200, 'reverse_request ok', decide($base, step => 'reverse', reason => 'Erreur.'));
one_ok('accepting', 200, 'decide accepted', decide($set{"$page/adresse"}, step => 'accept'));
one_ok('refusing', 200, 'decide refused',
    decide($set{"$child/generales"}, step => 'refuse', reason => 'Non.'));
one_ok('too late', 409, 'decide request_decided',
    decide($set{"$child/generales"}, step => 'accept'));
for my $path ('/famille/responsables/ajout', "/famille/enfants/$nina/retrait") {
    one_ok("accepting $path", 200, 'decide accepted', decide($set{$path}, step => 'accept'));
    # who was added is taken out again, who has gone comes back
    one_ok("undoing $path", 200, 'reverse_request ok', decide($set{$path}, step => 'reverse', reason => 'Erreur.'));
}
{
    my $late = decide($set{"$child/sante"}, step => 'accept');
    $p->psql("update portal.health set swims = 'no' where child_id = $leo");
    one_ok('over an old page', 409, 'decide request_changed', $late);
}


### taking back

one_ok('taking back', 200, 'withdraw_change ok',
    sub { $j->post('/famille/demandes/' . $set{"$child/autorisations"}, { csrf => $csrf{$j} }) });
{
    my $complement = $p->psql("select coalesce(complement, '') from portal.address where guardian_id = $him");
    one_ok('asking for what is there', 200, 'withdraw_change ok',
        sub { ask("/famille/responsables/$him/adresse", { complement => $complement }) });
}

$p->psql("insert into portal.field_policy (tenant, section, field, policy, validation)
    values (1, 'guardian_basic', 'phone_home', 'editable', 'automatic')");
one_ok('what counts at once', 200, 'ask_change accepted',
    sub { ask("$page/base", { phone_home => '03 20 11 22 33' }) });


### reading what is sealed

my $reader = as_json(scalar agent_client(as => new_agent(role => 'reader')));
my @CANARIES = ('Canari-de-la-lecture', '41237', 'FR1420041010050500013M02606', '2606');

for (['fiscales', 'read_tax'], ['bancaires', 'read_bank'], ['sante', 'read_health'],
    ['contacts/nouveau', 'read_request'])
{
    my ($path, $action) = @$_;
    my ($set) = map { $set{$_} } grep { m{/\Q$path\E$} } sort keys %set;

    for my $c ($agent, $aj, $reader) {
        my ($r, @rows) = rows(sub { $c->get("/demandes/$set") });
        is $r->status, 200, "reading $path";
        is join(' ', map { "$_->{action} $_->{outcome} $_->{object}" } @rows),
            "$action ok change_set $set", "T215 $path: one row, which names it";
        my $all = $rows[0]{all} // '';
        is_deeply [grep { index($all, $_) >= 0 } @CANARIES], [], "T215 $path: and no value"
            if $action ne 'read_request';
        like $rows[0]{who}, qr/^ [1-9]/, "T215 $path: by which agent";
    }
}

{
    my (undef, @rows) = rows(sub { $aj->get('/demandes/999999') });
    is scalar @rows, 0, 'nothing read, nothing told';
    (undef, @rows) = rows(sub { $aj->get('/') });
    is scalar @rows, 0, 'the queue has no values';
}


### T206: more than a person can do waits

{
    my ($many) = agent_client(as => new_agent(role => 'validator'));
    my $mj = as_json($many);
    my $csrf = $mj->get('/session')->json->{csrf};
    my $two = agent_client(as => new_agent(role => 'validator'));
    my $id = $set{"$child/contacts/nouveau"};
    my ($health) = $set{"$child/sante"};
    my $act = sub {
        my ($step, %o) = @_;
        my $version = $p->psql("select portal.decision_version(c, portal.decision_now(c))
            from portal.change_set c, set_config('portal.tenant', '1', true) where c.id = $id");
        return $mj->post("/demandes/$id", { csrf => $csrf, version => $version, step => $step, %o });
    };
    my $allow = sub { $p->psql("update portal.town set $_[0] = $_[1] where id = 1") };

    is join(' ', @{ ($p->psql('select agent_decisions, agent_readings from portal.town where id = 1'))[0] }),
        '300 300', 'T206 what an hour holds';
    $allow->(agent_decisions => 3);
    is $act->('take')->status, 200, 'taking is no decision';
    is $act->('incomplete')->status, 422, 'nor is what is refused';
    for my $n (1 .. 3) {
        my ($r, @rows) = rows(sub { $act->('incomplete', reason => 'Qui ?') });
        is $r->status . ' ' . @rows, '200 1', "T206 decision $n: one row";
        $p->psql("update portal.change_set set state = 'sent', taken_by = null where id = $id");
    }
    my $before = counted(qw(change_set change_event outbox));
    my ($r, @rows) = rows(sub { $act->('incomplete', reason => 'Qui ?') });
    is $r->status, 429, 'T206 the fourth waits';
    is $r->json->{errors}[0]{code}, 'too_many_decisions', 'a program reads why';
    cmp_ok $r->header('retry-after'), '>', 3000, 'and how long';
    is join(' ', map { "$_->{action} $_->{outcome} $_->{object}" } @rows),
        "decide too_many_decisions change_set $id", 'T206 in the audit, too';
    is counted(qw(change_set change_event outbox)), $before, 'nothing is done';
    is $act->('release')->status, 200, 'giving back is still possible';
    my $seen = $many->get("/demandes/$id");
    $r = $many->submit($seen, { step => 'refuse', reason => 'Assez de mots.' }, form => "/demandes/$id");
    is $r->status, 429, 'in the browser too';
    like $r->text, qr/très nombreuses demandes en une heure.*Réessayez dans/s, 'in words';
    like $r->content, qr/Assez de mots\./, 'and what was typed is there';
    is $two->submit($two->get("/demandes/$id"), { step => 'incomplete', reason => 'Qui ?' },
        form => "/demandes/$id")->status, 303, 'another agent goes on';

    $p->psql("update portal.change_set set state = 'sent', taken_by = null where id = $id");
    $p->psql("update portal.attempt set first_at = first_at - interval '2 hours',
        next_at = next_at - interval '2 hours' where kind = 'agent_decisions'");
    is $act->('incomplete', reason => 'Qui ?')->status, 200, 'an hour later it goes on';

    $allow->(agent_readings => 2);
    is $mj->get("/demandes/$health")->status, 200, "T206 reading $_" for 1, 2;
    ($r, @rows) = rows(sub { $mj->get("/demandes/$health") });
    is $r->status, 429, 'T206 a third reading of health waits';
    is $r->json->{code}, 'too_many_readings', 'a program reads why';
    cmp_ok $r->header('retry-after'), '>', 3000, 'and how long';
    unlike $r->content, qr/Canari-de-la-lecture/, 'without the value';
    is join(' ', map { "$_->{action} $_->{outcome}" } @rows), 'read_health too_many', 'T206 in the audit, too';
    $r = $many->get("/demandes/$health");
    is $r->status, 429, 'in the browser too';
    like $r->text, qr/très nombreux dossiers en une heure.*Réessayez dans/s, 'in words';
    is $many->get("/demandes/$base")->status, 200, 'what has no sealed data is read';
    is $two->get("/demandes/$health")->status, 200, 'and another agent reads it';
    $allow->($_ => 300) for qw(agent_decisions agent_readings);
}


### the chain

ok wait_for(20, sub { $p->psql('select count(*) from portal.audit where chain is null') == 0 }),
    'all is chained';
is scalar $p->psql("select portal.audit_verify()->>'status'", 'portal_jobs'), 200, 'the chain holds';

# nothing is chained while another does it, and operators see that
my $busy = spawn(undef, $p->dir . '/busy.log', 'psql', '-X', '-q', $p->pg->psql_args, '-c',
    'select pg_advisory_lock(7706737706), pg_sleep(600)');
ok wait_for(10, sub { $p->psql("select count(*) from pg_stat_activity where
    wait_event = 'PgSleep' and query like '%7706737706%'") }), 'the job is kept away';
$aj->get("/demandes/$base") for 1 .. 3;
my $tail = $p->psql('select count(*) from portal.audit where chain is null');
cmp_ok $tail, '>=', 3, 'some rows are not chained';
ok wait_for(40, sub { (metrics()->{portal_audit_unchained} // -1) == $tail }),
    "portal_audit_unchained: $tail" or diag metrics()->{portal_audit_unchained} // 'none';
$p->psql("select count(pg_terminate_backend(pid)) from pg_stat_activity
    where query like '%7706737706%' and pid <> pg_backend_pid()");
waitpid $busy, 0;
ok wait_for(40, sub { (metrics()->{portal_audit_unchained} // -1) == 0 }), 'and none at last';
is scalar $p->psql("select portal.audit_verify()->>'status'", 'portal_jobs'), 200, 'the chain holds';

# the newest rows cut off: the chain does not know, the log does
{
    my $verify = sub { my ($head) = @_; join ' ', map { $_ // '' } @{ ($p->psql("select v->>'status',
        v->>'head' from portal.audit_verify('" . ($head ? qq({"head": "$head"}) : '{}') . "') v",
        'portal_jobs'))[0] } };
    my $told = sub { ((log_lines(qr/the audit ends with/))[-1] // '') =~ /notice.* (\d+:[0-9a-f]{64})$/ ? $1 : '' };
    my $end;
    ok wait_for(20, sub { $end = $p->psql("select max(chain) || ':' || encode(
        (array_agg(hash order by chain desc))[1], 'hex') from portal.audit");
        $told->() eq $end }), 'T212 the log is told how the audit ends' or diag $told->(), "\n$end";
    is scalar(grep { /$end/ } log_lines(qr/the audit ends with/)), 1, 'once';
    is $verify->($end), '200 there', 'T212 which is in the chain';
    $p->psql("set session_replication_role = replica; delete from portal.audit
        where chain > (select max(chain) - 3 from portal.audit)");
    is $verify->(), '200 ', 'cut off, the chain alone holds';
    is $verify->($end), '409 missing', 'T212 the end that was told is missing';
    $aj->get("/demandes/$base") for 1 .. 4;
    ok wait_for(20, sub { my $now = $told->(); $now ne $end && $verify->($now) eq '200 there' }),
        'it goes on from there';
    is $verify->($end), '409 missing', 'T212 and what is new does not take its place';
}

# a row that is changed behind everybody's back
$p->psql("set session_replication_role = replica; update portal.audit set outcome = 'ok'
    where action = 'decide' and outcome = 'refused'");
is scalar $p->psql("select portal.audit_verify()->>'bad' = (select min(id)::text
    from portal.audit where action = 'decide' and object_id = " . $set{"$child/generales"} . ")"), 't',
    'T212 a refusal made an acceptance is found';

done_testing;
