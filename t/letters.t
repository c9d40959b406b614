#!/usr/bin/perl

# Codes abonné and the letters that bring them: made for all, for a school, for
# one person; printed once; read by administrators alone.

use strict;
use warnings;
use utf8;

use Time::HiRes qw(sleep);

use Portal::Fault qw(as_json);
use Portal::Place qw(slurp spew spawn);
use Portal::Test;

my $portal = portal(jobs => 'purge=300ms codes=200ms');
my $CODE = qr/[2-9A-HJKMNP-Z]{4}(?:-[2-9A-HJKMNP-Z]{4}){2}/;
my ($boss, $me) = agent_client(role => 'administrator');
my $closed = agent_client(role => 'administrator');
is step_up($boss, $me, stays => 1)->status, 303, 'an administrator confirms that it is them';
my $desk = as_json($boss);
my $MINE = 'k.tenant = 1';

sub row { return scalar $portal->psql($_[0]) }
sub errors { return join ' ', map { "$_->{field}:$_->{code}" } @{ $_[0]->json->{errors} // [] } }
sub counts { return $desk->get('/codes')->json->{counts} }
sub lots { return @{ $desk->get('/codes')->json->{lots} } }
sub audit { return row("select count(*) from portal.audit where action = '$_[0]' and outcome = '"
    . ($_[1] // 'ok') . "' and agent_id is not null") }
sub guardian { my ($family, $rank) = split /:/, $_[0];
    return row("select g.id from portal.guardian g join portal.family f on f.id = g.family_id
        where f.tenant = 1 and f.number = '$family' and g.rank = $rank") }

# what is drawn: a path of rectangles, as a picture that zbarimg reads
sub read_qr {
    my ($size, $path) = @_;

    my @dark = map { [(0) x $size] } 1 .. $size;
    while ($path =~ /\GM(\d+) (\d+)h(\d+)v1h-(\d+)z/gc) {
        die "a run that does not close\n" if $3 != $4;
        $dark[$2][$_] = 1 for $1 .. $1 + $3 - 1;
    }
    die "an odd path\n" if (pos($path) // 0) != length $path;

    my $file = $portal->dir . '/qr.pgm';
    my $rows = join '', map { my $row = $_; (join '', map { ($_ ? "\0" : "\377") x 6 } @$row) x 6 } @dark;
    open my $out, '>:raw', $file or die "$file: $!\n";
    printf $out "P5\n%d %d\n255\n%s", 6 * $size, 6 * $size, $rows;
    close $out;
    chomp(my $text = `zbarimg -q --raw $file 2>/dev/null`);
    return $text;
}


### who may

for my $role (qw(reader validator)) {
    my $c = agent_client(as => new_agent(role => $role));
    is $c->get($_)->status, 403, "$role: $_" for qw(/codes /codes/responsables /codes/essais /codes/lettres/1),
        '/codes/responsables/1';
    ok !$c->get('/')->links->{'/codes'}, "$role: the menu does not lead there";
    is json_post(as_json($c), '/codes', { step => 'all' }, page => '/session')->status, 403, "$role: asks for none";
    is json_post(as_json($c), '/codes/lettres/1/imprimees', {}, page => '/session')->status, 403,
        "$role: prints none";
}
is row("select count(*) from portal.audit where action like '%letter%'"), 0, 'nothing of that is a reading';
ok $boss->get('/')->links->{'/codes'}, 'the menu of an administrator leads there';


### where the town is

my $r = $boss->get('/codes');
like $r->text, qr/Sans code 21 .* lettre à imprimer 5 .* imprimée.* 8 .* périmé.* 2 Compte relié 5/s, 'the counts';
is_deeply counts(), { none => 21, to_print => 5, printed => 8, expired => 2, linked => 5, barred => 0 },
    'JSON: the same';
my ($lot) = lots();
is_deeply [@$lot{qw(letters left)}], [5, 5], 'a lot waits';
like $r->text, qr/Lot $lot->{id} .*? 5 lettres 5 lettres à imprimer/s, 'and is on the page';


### the letters

my $before = row('select md5(string_agg(k::text, chr(10) order by k.id)) from portal.code k');
my $path = "/codes/lettres/$lot->{id}";
$r = $closed->get($path);
is $r->status . ' ' . $r->location, "303 /connexion/confirmation?suite=%2Fcodes%2Flettres%2F$lot->{id}",
    '7.5.3 letters of several families ask for a code';
is as_json($closed)->get($path)->json->{code}, 'step_up_needed', '7.5.3 of a program too';
is audit('read_letters'), 0, '7.5.3 and nothing was read';
$r = $boss->get($path);
is $r->status, 200, 'the letters';
is $r->header('Cache-Control'), 'no-store', 'are kept nowhere';
my @letters = $r->content =~ m{<article class="paper">(.*?)</article>}gs;
is scalar @letters, 5, 'a page each';
my $doc = $desk->get($path)->json;
is $doc->{link}, $portal->url . '/mes-abonnements/nouveau#code=', 'behind the #, which no server is sent';
my %known = map { $_->{code} => $_ } grep { $_->{town} eq 'saint-aubin' } @{ $portal->demo->{codes} };

for my $letter (@{ $doc->{letters} }) {
    my $html = shift @letters;
    my $name = "$letter->{first_name} $letter->{last_name}";
    my $known = $known{ $letter->{code} };
    is $known && $known->{guardian}, $name, "$name: their code";
    my ($shown) = $html =~ m{<p class="paper-big">([^<]*)</p>};
    is $shown, $letter->{code}, 'in groups of four';
    my ($size, $path) = $html =~ m{viewBox="0 0 (\d+) \1"[^>]*><path d="([^"]*)"};
    is read_qr($size, $path), $doc->{link} . $letter->{code}, 'the QR code says the link';
    is $letter->{qr}, undef, 'JSON: a program draws itself';
    like $html, qr/<strong>\d+(?:er)? \S+ \d{4}<\/strong>/, 'until when, in words';
    is $letter->{expires_on}, row("select (expires_at at time zone 'Europe/Paris')::date - 1 from portal.code k
        where guardian_id = $letter->{guardian} and printable"), 'to the end of that day';
    like $html, qr/>$letter->{address}{postal_code} |<br>$letter->{address}{postal_code} /, 'the address'
        if $letter->{address};
}
is scalar(grep { $_->{address} } @{ $doc->{letters} }), 4, 'one has no address';
is $doc->{without_address}[0]{name}, 'Robin Anaïs', 'and is listed';
like $r->text, qr/Lettres sans adresse .*? Robin Anaïs/s, 'on the page, too';
is row('select md5(string_agg(k::text, chr(10) order by k.id)) from portal.code k'), $before,
    'to read them changes nothing';
is audit('read_letters'), 2, 'each reading is in the audit';
is $boss->get('/codes/lettres/999999')->status, 404, 'a lot that is none';
{
    my ($far, $there) = agent_client(role => 'administrator', town => 'beaulieu', json => 1);
    is step_up($far, $there)->status, 200, 'an administrator of another town';
    my %ours = map { $_->{code} => 1 } @{ $desk->get($path)->json->{letters} };
    my $theirs = $far->get($path)->json->{letters};
    ok keys %ours && !grep({ $ours{ $_->{code} } } @{ $theirs // [] }), 'T070 of that number another town has its own lot, or none';
    is $far->get('/codes')->json->{lots}[0]{id}, 1, 'numbered from 1 there';
    $portal->psql('insert into portal.letter_lot (tenant, size) values (1, 1), (1, 1)');
    is $far->get('/codes/lettres/' . row('select max(number) from portal.letter_lot where tenant = 1'))->status, 404, 'T070 one of ours is none there';
    $portal->psql('delete from portal.letter_lot where tenant = 1 and size = 1 and not exists (select from portal.code k where k.lot_id = letter_lot.id)');
}

$portal->psql("update portal.town set agent_readings = 2; delete from portal.attempt where kind = 'agent_readings'");
is $desk->get($path)->status, 200, "a reading" for 1, 2;
is $desk->get($path)->status, 429, 'more than an agent reads in an hour';
is audit('read_letters', 'too_many'), 1, 'which the audit says';
$portal->psql("update portal.town set agent_readings = 300; delete from portal.attempt where kind = 'agent_readings'");

# a code of a letter connects, however it is typed
my ($used) = grep { $_->{last_name} eq 'Guérin' } @{ $doc->{letters} };
my $person = new_account();
my $parent = client(source => '127.0.41.1');
sign_in($parent, $person);
subscribe($parent, lc $used->{code} =~ s/-/ /gr);
is row("select count(*) from portal.subscription where guardian_id = $used->{guardian} and ended_at is null"), 1,
    'a code of a letter connects';
is row("select count(*) from portal.code k where guardian_id = $used->{guardian} and copy is not null"), 0,
    'and its copy goes';
is scalar @{ $desk->get($path)->json->{letters} }, 4, 'as does its letter';


### printed

$r = $boss->get($path);
my $form = "$path/imprimees";
my $printed = $boss->submit($r, {}, form => $form);
is $printed->location, '/codes?avis=letters_printed', 'printed';
like $boss->get($printed->location)->text, qr/L’impression est confirmée.*Lot $lot->{id} .*?Imprimé .*?Paul Delmas/s,
    'by whom, on the page';
is row("select count(*) from portal.code k where (tenant, lot_id) =
    (select tenant, id from portal.letter_lot where tenant = 1 and number = $lot->{id}) and copy is not null"), 0,
    'their copies are erased';
is audit('print_letters'), 1, 'a row of the audit';
is $boss->submit($r, {}, form => $form)->location, $printed->location, 'the same form again: the same';
is json_post($desk, $form, {}, page => $path)->status, 200, 'said again';
is audit('print_letters'), 1, 'it is the same';
my $at = row("select printed_at from portal.letter_lot where tenant = 1 and number = $lot->{id}");
$r = $boss->get($path);
like $r->text, qr/leurs codes ne peuvent plus être relus/, 'nothing is left to read';
unlike $r->content, $CODE, 'and nothing is shown';
is_deeply $desk->get($path)->json->{letters}, [], 'JSON: nor there';
is counts()->{to_print}, 0, 'none is to be printed';
is json_post($desk, '/codes/lettres/999999/imprimees', {}, page => $path)->status, 404, 'a lot that is none';

my ($still) = grep { $_->{last_name} ne 'Guérin' } @{ $doc->{letters} };
my $next = client(source => '127.0.41.2');
sign_in($next, new_account());
subscribe($next, $still->{code});
is row("select count(*) from portal.subscription where guardian_id = $still->{guardian} and ended_at is null"), 1,
    'what is printed connects';


### for a school

$r = $boss->get('/codes');
my $refused = $boss->submit($r, { step => 'school', school => '' }, form => '/codes#');
is $refused->status, 422, 'which school?';
like $refused->text, qr/Choisissez une école de la liste/, 'it is asked';
is errors(json_post($desk, '/codes', { step => 'school', school => 'École Inconnue' })), 'school:all_have_codes',
    'one that nobody is in';

# nobody makes them while this is held
my $hold = spawn(undef, $portal->dir . '/hold.log', 'psql', '-X', '-q', $portal->pg->psql_args, '-c',
    'select pg_advisory_lock(7706737711), pg_sleep(600)');
ok wait_for(10, sub { row("select count(*) from pg_stat_activity where
    wait_event = 'PgSleep' and query like '%7706737711%'") }), 'the job is kept away';
my $school = $desk->get('/codes')->json->{schools}[0]{code};
my $want = row("select count(distinct g.id) from portal.guardian g
    join portal.child_family m on m.tenant = g.tenant and m.family_id = g.family_id
    join portal.schooling s on s.tenant = m.tenant and s.child_id = m.child_id
    left join portal.subscription u on u.tenant = g.tenant and u.guardian_id = g.id and u.ended_at is null
    left join portal.code k on k.tenant = g.tenant and k.guardian_id = g.id and k.used_at is null
        and k.revoked_at is null and k.expires_at > now()
    where g.tenant = 1 and u.id is null and k.id is null and s.name = '$school' and s.year = portal.school_year()");
cmp_ok $want, '>', 5, 'some of the school have none';
my $ordered = $boss->submit($r, { step => 'school', school => $school }, form => '/codes#');
is $ordered->location, '/codes?avis=codes_ordered', 'asked for';
$r = $boss->get('/codes');
like $r->text, qr/en cours de création : \($school\) 0 sur $want/, 'how far it is';
is_deeply [@{ $desk->get('/codes')->json->{order} }{qw(school wanted made asked_by)}],
    [$school, $want, 0, $me->{name}], 'JSON: the same';
is errors(json_post($desk, '/codes', { step => 'all' })), ':codes_under_way', 'one order at a time';
is json_post($desk, '/codes', { step => 'stop' })->status, 200, 'stopped';
is $desk->get('/codes')->json->{order}, undef, 'it is no more';
is json_post($desk, '/codes', { step => 'school', school => $school })->status, 200, 'asked for again';
$portal->psql("select count(pg_terminate_backend(pid)) from pg_stat_activity
    where query like '%7706737711%' and pid <> pg_backend_pid()");
waitpid $hold, 0;
ok wait_for(20, sub { !$desk->get('/codes')->json->{order} }), 'the job makes them';
my ($made) = lots();
is_deeply [@$made{qw(letters left school made_by)}], [$want, $want, $school, $me->{name}], 'in a lot';
is row("select count(*) from portal.audit where action = 'make_codes'"), 1, 'the audit has the order';

# each is a code, of its own guardian, and found by what the database has
for my $letter (@{ $desk->get("/codes/lettres/$made->{id}")->json->{letters} }[0, -1]) {
    like $letter->{code}, qr/^$CODE\z/, 'a code';
    is row("select count(*) from portal.code k where $MINE and guardian_id = $letter->{guardian} and revoked_at is null
        and mac = decode('" . tool("mac\tsaint-aubin\tcode\t$letter->{code}") . "', 'hex')
        and expires_at = ((portal.today() + 181) || ' 00:00 Europe/Paris')::timestamptz"), 1, 'of the guardian';
}


### for all, in lots

$portal->psql(q{
    insert into portal.family (tenant, number, label) select 1, 'Z' || n, 'Foule ' || n from generate_series(1, 450) n;
    insert into portal.guardian (tenant, family_id, rank, last_name, first_name, link)
    select 1, f.id, 1, 'Foule', 'Jean', 'father' from portal.family f where f.number like 'Z%'});
my $none = counts();

# a family that somebody holds waits, and nobody waits for it
my $held = spawn(undef, $portal->dir . '/held.log', 'psql', '-X', '-q', $portal->pg->psql_args, '-c',
    q{begin}, '-c', q{select 1 from portal.family where number = 'Z7' for no key update}, '-c', q{select pg_sleep(600), 'Z7'});
ok wait_for(10, sub { row("select count(*) from pg_stat_activity where
    wait_event = 'PgSleep' and query like '%Z7%'") }), 'a family is held';
is json_post($desk, '/codes', { step => 'all' })->status, 200, 'all who have none';
ok wait_for(30, sub { my $order = $desk->get('/codes')->json->{order};
    $order && $order->{made} == $order->{wanted} - 1 }), 'are given one, but for that family';
$portal->psql("select count(pg_terminate_backend(pid)) from pg_stat_activity
    where query like '%Z7%' and pid <> pg_backend_pid()");
waitpid $held, 0;
ok wait_for(30, sub { !$desk->get('/codes')->json->{order} }), 'which has its turn then';
my $after = counts();
is $after->{none} + $after->{expired}, 0, 'nobody lacks one';
is $after->{to_print}, $none->{to_print} + $none->{none} + $none->{expired}, 'an expired one counts as none';
my @all = grep { !$_->{school} && !$_->{guardian} && $_->{id} > $made->{id} } lots();
is_deeply [sort { $b <=> $a } map { $_->{letters} } @all], [200, 199, $none->{none} + $none->{expired} - 400, 1],
    'in lots of 200 at most';
is row('select count(*) - count(distinct mac) from portal.code'), 0, 'all of them differ';
my ($full) = grep { $_->{letters} == 200 } @all;
$r = $boss->get("/codes/lettres/$full->{id}");
is scalar(() = $r->content =~ /<svg class="paper-qr"/g), 200, 'a lot of 200 has a page and a QR code each';
is errors(json_post($desk, '/codes', { step => 'all' })), ':all_have_codes', 'then there is nothing to do';

# drawn some at a time, and no worker that is to end goes before the last one
my %drawn;
for my $n (0 .. 19) {
    my $sent = $boss->get("/codes/lettres/$full->{id}", pending => 1);
    sleep $n * 0.005;
    kill 'HUP', $portal->nginx->pid;
    $drawn{ $sent->page->status }++;
}
is_deeply \%drawn, { 200 => 20 }, 'a reload meanwhile loses none';
ok all_ready(), 'the new workers';


### for one

my $anouk = guardian('104203:1');
my $at_desk = "/codes/responsables/$anouk";
$r = $boss->get($at_desk);
like $r->text, qr/Lettre imprimée .* Si la lettre s’est perdue/s, 'a letter that was lost';
my ($old) = grep { $_->{guardian} eq row("select first_name || ' ' || last_name from portal.guardian where id = $anouk") }
    values %known;
my $issued = $boss->submit($r, { step => 'issue' }, form => $at_desk);
my ($own) = $issued->location =~ m{^/codes/lettres/(\d+)\?avis=code_issued} or diag $issued->status, $issued->location;
is $boss->submit($r, { step => 'issue' }, form => $at_desk)->location, $issued->location, 'the form again: no other one';
my ($letter) = @{ as_json($closed)->get("/codes/lettres/$own")->json->{letters} };
ok $letter, 'a letter for one asks for no code';
is $letter->{guardian}, $anouk, 'a lot of its own';
is audit('issue_code'), 1, 'in the audit';
my $late = client(source => '127.0.41.3');
sign_in($late, new_account());
like $late->submit($late->get('/mes-abonnements/nouveau'), { code => $old->{code}, step => 'search' })->text,
    qr/Ce code ne peut pas être utilisé/, 'the old one is no good any more';
subscribe($late, $letter->{code});
is row("select count(*) from portal.subscription where guardian_id = $anouk and ended_at is null"), 1, 'the new one is';

$r = $boss->get($at_desk);
like $r->text, qr/Compte relié Compte Odile Essai Depuis le/s, 'who has connected';
like $r->text, qr/Utilisé .*? Odile Essai .*? Annulé/s, 'what became of the codes';
unlike $r->content, qr/value="issue"/, 'no code for who is connected';
my $no = json_post($desk, $at_desk, { step => 'issue' });
is $no->status . errors($no), '409:code_linked', 'refused';
like $no->json->{errors}[0]{message}, qr/Un compte est déjà relié à cette personne/, 'with a sentence';
is $desk->get('/codes/responsables/999999')->status, 404, 'nobody';
is json_post($desk, '/codes/responsables/999999', { step => 'issue' }, page => '/codes')->status, 404, 'no code for nobody';


### a family that gets none

my $barred = guardian('104204:1');
$at_desk = "/codes/responsables/$barred";
is $boss->submit($boss->get($at_desk), { step => 'bar' }, form => $at_desk)->location, "$at_desk?avis=codes_barred", 'barred';
is row("select count(*) from portal.code k where k.family_id = (select family_id from portal.guardian where id = $barred)
    and used_at is null and revoked_at is null"), 0, 'both guardians\' codes end';
is errors(json_post($desk, $at_desk, { step => 'issue' })), ':code_barred', 'no code';
is counts()->{barred}, 2, 'counted';
is errors(json_post($desk, '/codes', { step => 'all' })), ':all_have_codes', 'nor among all';
like $boss->get('/codes/responsables?etat=barred')->text, qr/Exclue des envois/, 'and listed';
is json_post($desk, $at_desk, { step => 'allow' })->status, 200, 'allowed again';
is json_post($desk, $at_desk, { step => 'issue' })->status, 200, 'gets a code';


### who is found

$doc = $desk->get('/codes/responsables?nom=gu%C3%A9rin+no')->json;
is_deeply [map { [@$_{qw(name code_state account has_address)}] } @{ $doc->{guardians} }],
    [['Guérin Noël', 'linked', 'Odile Essai', JSON::PP::true]], 'by a part of the name';
is_deeply [map { $_->{family_number} } @{ $desk->get('/codes/responsables?nom=104204')->json->{guardians} }],
    ['104204', '104204'], 'by the family\'s number';
is $desk->get("/codes/responsables?nom=$_")->status, 200, "whatever is typed: $_"
    for '', '%00', 'a%00b', '%FF', '%', '%25', "%27%22%3C", 'x' x 3000;
$doc = $desk->get('/codes/responsables?nom=foule')->json;
is scalar @{ $doc->{guardians} }, 50, '50 at a time';
is $doc->{next}, 2, 'and on';
like $boss->get('/codes/responsables?nom=foule')->content, qr{<form\ method="get"\ action="/codes/responsables">
    <input\ type="hidden"\ name="nom"\ value="foule"><input\ type="hidden"\ name="etat"\ value="">
    <button\ [^>]*name="page"\ value="2">}x, 'by a form, which any name can go through';
my $readings = audit('read_linked');
$desk->get('/codes/responsables?etat=none');
is audit("read_linked"), $readings, 'who reads of nobody\'s account leaves no line';
$doc = $desk->get('/codes/responsables?etat=linked')->json;
is scalar @{ $doc->{guardians} }, counts()->{linked}, 'who is connected';
is scalar(grep { !$_->{account} || !$_->{since} } @{ $doc->{guardians} }), 0, 'by whom and when';
is audit('read_linked'), $readings + 1, 'which the audit says was read';
$doc = $desk->get('/codes/responsables?nom=gu%C3%A9rin+no')->json;
is audit('read_linked'), $readings + 2, 'however they were found';
is $desk->get("/codes/responsables/$doc->{guardians}[0]{id}")->json->{guardian}{account}, 'Odile Essai', 'also by themselves';
is audit('read_linked'), $readings + 3, 'T215 which is kept';


### who has tried

$doc = $desk->get('/codes/essais')->json;
is_deeply [map { [@$_{qw(wrong blocked)}] } @{ $doc->{days} }], [[1, 0]], 'by day';
is_deeply [map { [@$_{qw(name wrong blocked)}] } @{ $doc->{accounts} }], [['Odile Essai', 1, 0]], 'by account';
like $boss->get('/codes/essais')->text, qr/Odile Essai.*1 .*0/s, 'on the page';
is audit('read_code_attempts'), 2, 'and that was read';


### after 30 days

my ($seen, $unseen) = ($full, grep { $_->{letters} == 199 } @all);
$portal->psql("update portal.code k set issued_at = issued_at - interval '31 days' where tenant = 1 and lot_id in
    (select id from portal.letter_lot where tenant = 1 and number in ($seen->{id}, $unseen->{id}))");
ok wait_for(20, sub { !row("select count(*) from portal.code k where printable and tenant = 1 and lot_id in
    (select id from portal.letter_lot where tenant = 1 and number in ($seen->{id}, $unseen->{id}))") }),
    'no copy is kept for more than 30 days';
is row("select count(*) from portal.code k where (tenant, lot_id) =
    (select tenant, id from portal.letter_lot where tenant = 1 and number = $seen->{id}) and revoked_at is null"), $seen->{letters},
    'what was opened may be in the post';
is row("select count(*) from portal.code k where (tenant, lot_id) =
    (select tenant, id from portal.letter_lot where tenant = 1 and number = $unseen->{id}) and revoked_at is null"), 0,
    'what nobody has seen is no use';
is counts()->{none}, $unseen->{letters} + 1, 'and is to be made again, as for the guardian whose code was ended';
like row("select kind from portal.retention_run where kind = 'code_copy' limit 1"), qr/code_copy/, 'which is told';


### the logs have none

my $logs = join '', map { slurp($_) } grep { -f } glob $portal->dir . '/*/*.log';
cmp_ok length $logs, '>', 1000, 'there are logs';
unlike $logs, $CODE, 'no code in any of them';

done_testing;
