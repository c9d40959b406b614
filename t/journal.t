#!/usr/bin/perl

# « Journal »: who has read and decided what, as a town's administrators read it.

use strict;
use warnings;
use utf8;

use Encode ();
use Portal::Fault;
use Portal::Test;

my $portal = portal(jobs => 'chain=200ms');
my ($chief, $head) = agent_client(role => 'administrator');
step_up($chief, $head, stays => 1);
my $desk = as_json($chief);
my $validator = agent_client(json => 1);
my %family = map { @$_ } $portal->psql('select number, id from portal.family where tenant = 1');
my ($child) = map { $_->[0] } $portal->psql("select id from portal.child where tenant = 1 and first_name = 'Léo'");

sub row { return scalar $portal->psql($_[0]) }
sub forget { $portal->psql("delete from portal.attempt where kind = 'agent_readings'") }
sub rows { return @{ $desk->get('/journal' . ($_[0] // ''))->json->{rows} } }
sub said { return join ', ', map { "$_->{action} $_->{outcome}" } @_ }


### who may

for my $role (qw(reader validator)) {
    my $c = agent_client($role eq 'reader' ? (as => new_agent(role => 'reader')) : (role => $role));
    is $c->get($_)->status, 403, "T202 not a $role: $_" for '/journal', '/journal.csv';
    ok !$c->get('/')->links->{'/journal'}, 'whose menu does not lead there';
}
ok $chief->get('/')->links->{'/journal'}, 'an administrator is led there';
ok $chief->get('/compte')->links->{'/journal'}, 'from their account, too';


### a reading and a decision

my $health = "/familles/$family{104201}/enfants/$child/sante";
is $validator->get($health)->status, 200, 'health is read';
my $camille = signed_in(qr/couple/);
my ($me) = map { $_->[0] } $portal->psql("select id from portal.guardian where family_id = $family{104201} order by rank");
json_post(as_json($camille), "/famille/responsables/$me/base", { profession => 'Relieuse-du-journal' });
my ($set, $number) = @{ ($portal->psql('select id, number from portal.change_set order by id desc limit 1'))[0] };
my $version = $validator->get("/demandes/$set")->json->{values}{version};
is json_post($validator, "/demandes/$set", { version => $version, step => 'accept' })->status, 200, 'a decision'
    or diag explain $validator->get("/demandes/$set")->json->{policy};

{
    my @rows = rows();
    is said($rows[0]), 'read_journal ok', 'T215 opening it is a row of it, the newest';
    my ($read) = grep { $_->{action} eq 'read_health' } @rows;
    is "$read->{actor} $read->{object} $read->{family_number} $read->{href}",
        "agent child 104201 /familles/$family{104201}", 'T215 who has read whose health';
    my ($decided) = grep { $_->{action} eq 'decide' } @rows;
    is "$decided->{outcome} $decided->{thing} $decided->{href}", "accepted $number /demandes/$set", 'what was decided';
    my ($asked) = grep { $_->{action} eq 'ask_change' } @rows;
    is "$asked->{actor} $asked->{name}", 'account Camille Martin', 'who has asked';
    unlike $desk->get('/journal')->content, qr/Relieuse-du-journal/, 'T215 never a value';

    my $r = $chief->get('/journal');
    like $r->title, qr/^Journal/, 'the page';
    like $r->text, qr/Lecture de données sanitaires/, 'in words';
    like $r->text, qr/Demande \Q$number\E/, 'with its number';
    ok $r->links->{"/demandes/$set"}, 'and its page';
    unlike $r->text, qr/read_|change_set|accepted/, 'no code of ours';
    is scalar(() = $r->content =~ /<header\b/g), scalar(() = $chief->get('/compte')->content =~ /<header\b/g), 'in the frame of each page';
}


### what is chosen

{
    my $id = row("select agent_id from portal.audit where action = 'read_health'");
    is join(' ', sort { $a cmp $b } keys %{ { map { $_->{number} => 1 } rows("?agent=$id") } }), $id, 'an agent\'s';
    is said(rows('?genre=sealed')), 'read_health ok', 'readings of sealed data';
    is said(grep { $_->{action} eq 'decide' } rows('?genre=decision')), 'decide accepted', 'decisions';
    my %of = map { $_->{action} => 1 } rows('?famille=104201');
    ok $of{$_}, "of a family: $_" for qw(read_health ask_change decide read_journal);
    ok !$of{agent_sign_in}, 'and nothing else';
    ok !(grep { $_->{action} =~ /^(?:ask|decide|read_health)/ } rows('?famille=104202')), 'of another one: not these'
        if $family{104202};
    is said(rows("?agent=$id&genre=sealed&famille=104201")), 'read_health ok', 'together';

    $portal->psql("alter table portal.audit disable trigger all;
        insert into portal.audit (tenant, at, action, outcome) values
            (1, '2026-03-09 23:30+01', 'sign_out', 'ok'), (1, '2026-03-10 00:30+01', 'sign_out', 'ok'),
            (1, '2026-03-10 23:30+01', 'sign_out', 'ok'), (1, '2026-03-11 00:30+01', 'sign_out', 'ok');
        alter table portal.audit enable trigger all");
    is scalar(rows('?du=2026-03-10&au=2026-03-10')), 2, 'a day, as the town\'s clocks say';
    is scalar(rows('?au=2026-03-10')), 3, 'until a day';

    for (['?famille=999999', 'Aucune famille n’a ce numéro'], ['?du=2026-02-30', 'Écrivez un jour qui existe, par exemple'],
        ['?au=hier', 'ne précède pas'], ['?du=2026-03-10&au=2026-03-01', 'ne précède pas'])
    {
        my $r = $chief->get("/journal$_->[0]");
        is $r->status, 422, $_->[0];
        like $r->text, qr/\Q$_->[1]\E/, 'is told beside the field';
        like $r->content, qr/aria-invalid="true"/, 'by name';
        unlike $r->content, qr/role="rowheader"/, 'and shows nothing';
    }
}


### settings

{
    $portal->psql("insert into portal.audit (tenant, agent_id, action, outcome, object, object_id, request, names)
        values (1, 1, 'save_settings', '$_', 'town', 1, 'x', '{keep_mail}')") for 'delays', 'contact';
    my ($row) = rows('?genre=setting');
    is "$row->{settings_page} $row->{outcome} @{$row->{names}}", 'contact ok keep_mail', 'which settings';
    unlike $chief->get('/journal?genre=setting')->text, qr/save_|contact ok|\bdelays\b/, 'in words';
}


### pages

{
    $portal->psql("insert into portal.audit (tenant, action, outcome, agent_id) select 1, 'bar_codes', 'ok', 1 from generate_series(1, 120)");
    my (%seen, $pages, $after);
    do {
        my $doc = $desk->get('/journal?genre=code' . ($after ? "&apres=$after" : ''))->json;
        $seen{ $_->{id} }++ for @{ $doc->{rows} };
        $after = $doc->{next};
        $pages++;
    } while ($after && $pages < 9);
    is "$pages " . keys(%seen), '3 120', 'fifty at a time, each once';
    is scalar(grep { $_ > 1 } values %seen), 0, 'none twice';
    like $chief->get('/journal?genre=code')->content, qr{href="/journal\?agent=&amp;genre=code&amp;famille=&amp;du=&amp;au=&amp;apres=\d+"},
        'the next page keeps what was chosen';
}


### for a spreadsheet

{
    my $r = $chief->get('/journal.csv?famille=104201');
    is $r->header('content-type'), 'text/csv; charset=utf-8', 'CSV';
    my $csv = $r->content;
    like $csv, qr/^\xef\xbb\xbf"Quand";"Qui";/, 'UTF-8, with its mark';
    is scalar(() = $csv =~ /(?<!\r)\n/g), 0, 'CRLF';
    $csv = Encode::decode('UTF-8', $csv);
    like $csv, qr{^"\d\d/\d\d/\d{4}[^;]*";"Agent";"[^;]+";"Lecture de données sanitaires";"Succès";;"Enfant";;$child;"104201";}m, 'the same rows, in words';
    unlike $csv, qr/Relieuse-du-journal/, 'T215 no value there either';
    is said((rows('?genre=reading'))[1]), 'read_journal csv', 'T215 the file is a row, too';
    $portal->psql("update portal.agent set last_name = '=1+1' where id = (select agent_id from portal.audit where action = 'read_health')");
    unlike Encode::decode('UTF-8', $chief->get('/journal.csv?genre=sealed')->content), qr/[;"]=1/, 'no cell is a formula';
}


{
    $portal->psql("insert into portal.audit (tenant, at, agent_id, action, outcome, object, object_id, request)
        select 1, '2025-12-01'::timestamptz + n * interval '1 second', 1, 'read_family', 'ok', 'family', 1000000 + n, 'x'
          from generate_series(1, 50001) n");
    my $readings = row("select count(*) from portal.audit where action = 'read_journal'");
    # under a sanitizer each of a million allocations is traced
    my $r = $chief->get('/journal.csv?du=2025-12-01&au=2025-12-02', pending => 1)->page(300);
    is $r->status, 200, 'as many as a sheet should have';
    is scalar(() = $r->content =~ /\n/g), 50001, '50,000 rows, and the names of the columns';
    my %rows = map { $_ => 1 } $r->content =~ /;(10\d{5});/g;
    is join(' ', scalar(keys %rows), map { $_ // 0 } @rows{1000001, 1000002, 1050001}), '50000 0 1 1',
        'each once, the newest of them';
    is row("select count(*) from portal.audit where action = 'read_journal'") - $readings, 1,
        'which are one reading, however they were fetched';
    is $chief->request('HEAD', '/journal.csv?du=2025-12-01&au=2025-12-02')->header('content-length'), undef,
        'and HEAD says no length of a first piece';
    # under the chain's lock
    $portal->psql("select pg_advisory_xact_lock(7706737706);
        alter table portal.audit disable trigger all; delete from portal.audit where at < '2025-12-03';
        update portal.audit set chain = null, hash = null; delete from portal.audit_erased;
        alter table portal.audit enable trigger all");
}


### the town's own, and how often

{
    my $other = agent_client(json => 1, role => 'administrator', town => 'beaulieu');
    ok !(grep { $_->{action} eq 'read_health' } @{ $other->get('/journal')->json->{rows} }), 'another town\'s is another one';
    my ($ours) = map { $_->json } $other->get('/journal?famille=104201');
    is_deeply [@$ours{qw(status code rows)}], [422, 'filter', undef], 'nor by its family, which is none there';

    forget();
    $portal->psql("update portal.town set agent_readings = 3 where id = 1");
    is join(' ', map { $desk->get('/journal')->status } 1 .. 4), '200 200 200 429', 'T206 the journal is read as much as all else';
    is $desk->get('/journal.csv')->status, 429, 'T206 nor as a file';
    is row("select outcome from portal.audit where action = 'read_journal' order by id desc limit 1"), 'too_many', 'T206 which is kept';
    $portal->psql("update portal.town set agent_readings = 300 where id = 1");
    forget();
}


### how long it is kept

{
    is agent_client(json => 1)->get('/durees')->status, 403, 'T202 the periods: administrators\' as well';
    ok $chief->get('/reglages')->links->{'/durees'}, 'who are led there';
    my $of = sub { my ($kind) = @_; (grep { $_->{purge_kind} eq $kind } @{ $desk->get('/durees')->json->{periods} })[0] };
    is $of->('change_set')->{due}, 0, 'nothing is due';
    like $chief->get('/durees')->text, qr/Demandes closes 2 ans 0 –/, 'which is told as 0';
    is $of->('audit')->{period}{years}, 1, 'a year of the journal';
    # the purge of this stack has run: it comes again in an hour
    ok wait_for(90, sub { row("select ran_at > '-infinity' from portal.job where name = 'purge'") eq 't' }), 'a purge';
    $portal->psql("update portal.change_set set updated_at = now() - interval '1500 days' where state = 'accepted';
        insert into portal.retention_run (tenant, kind, rows) values (1, 'change_set', 3), (1, 'change_set', 4), (2, 'change_set', 9)");
    my $due = $of->('change_set');
    is "$due->{due} $due->{rows}", row("select count(*) from portal.change_set where tenant = 1
        and updated_at < now() - interval '730 days'") . ' 7', 'what is due, and what was erased';
    my $r = $chief->get('/durees');
    like $r->title, qr/^Durées et effacements/, 'the page';
    like $r->text, qr/Demandes closes 2 ans 1 7 /, 'in words';
    unlike $r->text, qr/change_set|account_/, 'no code of ours there';
    is row("select portal.purge()->>'status'"), 200, 'purged';
    is $of->('change_set')->{due}, 0, 'and gone';
    is $of->('change_set')->{rows}, 7 + $due->{due}, 'as it was counted';
}


### the chain

{
    ok wait_for(60, sub { row('select count(*) from portal.audit where chain is null') == 0 }), 'chained';
    my $again = sub { $portal->psql("update portal.job set mark = 0, ran_at = '-infinity' where name = 'audit_round'");
        wait_for(60, sub { row("select mark = 0 and ran_at > '-infinity' from portal.job where name = 'audit_round'") eq 't' }) };
    ok $again->(), 'a round';
    like $chief->get('/journal')->text, qr/Journal vérifié le .* jusqu’à la ligne n°\s\d+/, 'T212 what was verified is told';
    my $place = row("select chain from portal.audit where action = 'decide'");
    $portal->psql("alter table portal.audit disable trigger all; update portal.audit set outcome = 'refused' where chain = $place;
        alter table portal.audit enable trigger all");
    ok $again->(), 'another round';
    like $chief->get('/journal')->text, qr/ont été changées.*Première ligne en cause : n°\s$place/s, 'T212 a row that was changed is told';
    is $desk->get('/journal')->json->{chain}{broken}, $place, 'T212 to a program, too';
    ok wait_for(60, sub { scalar log_lines(qr/notice.*the audit is not what it was at place $place/) }), 'T212 and the log says so';
    $portal->psql("alter table portal.audit disable trigger all; update portal.audit set outcome = 'accepted' where chain = $place;
        alter table portal.audit enable trigger all");
    ok $again->(), 'put right';
    unlike $chief->get('/journal')->text, qr/ont été changées/, 'the next round says so';
}

### what a list does not know is refused, and is no empty list

{
    my $desk = as_json((agent_client(as => new_agent(role => 'administrator')))[0]);
    my $chief = agent_client(as => new_agent(role => 'administrator'));
    my $readings = sub { scalar $portal->psql("select count(*) from portal.audit where action = 'read_journal'") };
    my $before = $readings->();
    my %wrong = (
        '/' => [qw(etat=fini rubrique=voiture qui=tous apres=x)], '/interdictions' => [qw(etat=levees apres=-1)],
        '/codes/responsables' => [qw(etat=x page=deux)], '/codes' => [qw(apres=x)], '/imports' => [qw(apres=x)],
        '/imports/conflits' => [qw(apres=x)], '/imports/1' => [qw(resultat=perdu apres=x:y)], '/recopie' => [qw(apres=x famille=x)],
        '/refus' => [qw(apres=x)], '/journal' => [qw(genre=x agent=999999 agent=x famille=1 du=2026-02-30 au=x apres=x)],
        '/journal.csv' => [qw(genre=x agent=999999 famille=1 du=2026-02-30 au=x)],
    );
    for my $path (sort keys %wrong) {
        for my $query (@{ $wrong{$path} }) {
            my ($name) = $query =~ /^(\w+)/;
            my $r = $desk->get("$path?$query");
            is $r->status, 422, "$path?$query is refused";
            is_deeply [$r->json->{code}, map { "$_->{field} $_->{code}" } @{ $r->json->{errors} }], ['filter', "$name filter"], 'by its name';
            ok length $r->json->{errors}[0]{message}, 'in words';
            $r = $chief->get("$path?$query");
            is $r->status, 422, 'a person is told';
            unlike $r->text, qr/Aucune? (?:demande|ligne|interdiction)/, 'not that there is none';
        }
        my $r = $desk->get("$path?couleur=bleu");
        is_deeply [$r->status, $r->json->{code}], [422, 'filter_unknown'], "$path: a name that it does not know";
        like $chief->get("$path?couleur=bleu")->text, qr/un tri que le portail ne connaît pas/, 'in words';
    }
    is $readings->(), $before, 'nothing was read for it';
    my $r = $chief->get('/journal?famille=1&du=2026-02-30&genre=x');
    like $r->text, qr/Aucune famille n’a ce numéro.*Écrivez un jour qui existe/s, 'the journal says it beside each field';
    like $r->content, qr{id="famille"[^>]* value="1"}, 'with what was typed';
    like $chief->get('/journal.csv?genre=x')->text, qr/Cette page ne connaît pas ce choix/, 'in place of an empty sheet';
    is $chief->get('/journal.csv?genre=x')->header('content-type') =~ /html/, 1, 'which is no sheet';
    is $desk->get('/?etat=&rubrique=&qui=&numero=&apres=')->status, 200, 'nothing chosen is nothing wrong';
    is $chief->get('/?etat=done&avis=stepped_up')->status, 200, 'a notice goes along';
}

done_testing;
