#!/usr/bin/perl

# A database of an earlier version is brought to this one.  Between two versions
# functions belong to who runs them and nobody else may call them: each migration
# meets that here, not what the one before it has made in the same breath.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Portal::Place qw(run_as slurp spew top);
use Portal::Stack;

my $stack = Portal::Stack->new;
$stack->prepare;
$stack->start_database;

my $dir = $stack->{dir};
my $sql = top() . '/sql';
my @host = ('-h', $stack->pg->socket_dir, '-U', 'postgres');

sub run_ok {
    my ($what, @command) = @_;

    my $log = "$dir/upgrade.log";
    my $ok = ok run_as(undef, $log, @command) == 0, $what;
    diag slurp($log) if !$ok;
    return $ok;
}

sub psql { run_ok(shift, 'psql', '-Xqv', 'ON_ERROR_STOP=1', @host, '-d', @_) }

sub structure {
    my ($database) = @_;

    open my $in, '-|', 'pg_dump', '-s', @host, '-d', $database or die "pg_dump: $!\n";
    my @lines = sort grep { !/^\\(?:un)?restrict / } <$in>;
    close $in or die "pg_dump of $database failed\n";
    return join '', @lines;
}

# what finish.sql leaves of a version's functions
spew("$dir/finish.sql", <<'SQL');
select format('alter function %s owner to portal_api; '
              'revoke execute on function %1$s from public', p.oid::regprocedure)
  from pg_proc p
 where p.pronamespace = 'portal'::regnamespace and p.prokind = 'f' \gexec
select format('grant execute on function %s to portal_owner', p.oid::regprocedure)
  from pg_proc p
 where p.pronamespace = 'portal'::regnamespace and p.prokind = 'f'
   and p.proname in ('fold', 'luminance', 'contrast', 'theme_contrasts', 'theme_faults', 'family_bump') \gexec
SQL

run_ok("a database: $_", 'createdb', @host, $_) for qw(older fresh);
psql('roles', 'older', '-f', "$sql/roles.sql");

my @migrations = map { m{/((\d+)_(\w+)\.sql)$} ? [$1, $2 + 0, $3] : () }
    sort glob "$sql/migrations/*.sql";
cmp_ok scalar(@migrations), '>', 6, 'there are migrations';

# what 075 finds: addresses in one line, and all that holds such a line
spew("$dir/lines.sql", <<'SQL');
insert into portal.town (id, slug, name, service, family_service, origin, host, theme, phone,
                         email, office, hours, counter, mail_from, mail_name, captcha_questions)
values (1, 'ville', 'Ville', 'P', 'F', 'https://ville.example', 'ville.example',
        '{"brand": "#0f5257", "brand_dark": "#0a3a3e", "brand_light": "#e4f1f0", "on_brand": "#ffffff", "accent": "#f6c453", "radius": ".75rem"}',
        '+33353010100', 'a@ville.example', 'M', 'H', 'C', 'b@ville.example', 'P',
        (select jsonb_agg(jsonb_build_object('q', n)) from generate_series(1, 40) n));
insert into portal.family (tenant, id, number, label) values (1, 1, '1', 'Un');
insert into portal.guardian (tenant, id, family_id, rank, last_name, first_name, link)
select 1, n, 1, n, 'N', 'P', 'mother' from generate_series(1, 9) n;
insert into portal.address (tenant, guardian_id, family_id, line1, line2, postal_code, city,
                            country, city_code)
select 1, n, 1, line, 'Bât. B', '59100', 'Roubaix', country, '59512'
  from (values (1, '12, rue des Lilas', 'FR'), (2, '7 Bis avenue X', 'FR'), (3, '5B place Y', 'FR'),
               (4, '12-14 rue Z', 'FR'), (5, '8 mai 1945', 'FR'), (6, 'Ferme du Bois', 'FR'),
               (7, '221 Baker Street', 'GB'), (8, '5 L ORÉE DU BOIS', 'FR'),
               (9, '3 C chemin du Puits', 'FR')) as x (n, line, country);
insert into portal.change_set (tenant, id, number, family_id, section, action, guardian_id,
                               subject, due_on, state, decided_at, rest)
select 1, n, '2026-000000' || n, 1, 'guardian_address', 'change', g, 'P N', '2026-12-01', state,
       case when state = 'accepted' then now() end, rest::jsonb
  from (values (1, 1, 'sent', '{"line2": {"value": "Bât. B"}, "city": {"value": "Roubaix"}}'),
               (2, 2, 'sent', '{"line1": {"value": "7 Bis avenue X"}}'),
               (3, 3, 'accepted', null), (4, 4, 'accepted', null), (5, 6, 'accepted', null),
               (6, 6, 'accepted', null), (7, 9, 'sent', null)) as x (n, g, state, rest);
insert into portal.change_item (tenant, set_id, field, old, asked, found, state)
values (1, 1, 'line1', '"12, rue des Lilas"', '"14 rue des Lilas"', null, null),
       (1, 2, 'line2', '"Bât. B"', 'null', null, null),
       (1, 3, 'line1', '"2 rue A"', '"5B place Y"', '"2 rue A"', 'accepted'),
       (1, 4, 'line1', '"12 rue Z"', '"12-14 rue Z"', '"12 rue Z"', 'accepted'),
       (1, 5, 'line1', '"12 rue X"', '"14 rue Y"', '"12 rue X"', 'accepted'),
       (1, 6, 'line1', '"14 rue Y"', '"14 rue Z"', '"14 rue Y"', 'accepted'),
       (1, 7, 'line1', '"12, rue T"', '"12 rue T"', null, null);
insert into portal.change (tenant, id, position, set_id, field, family_id, person_kind, person_id,
                           decided_role, state, settled_at, settled_kind, answered)
overriding system value
values (1, 11, 5, 3, 'line1', 1, 'guardian', 3, 'validator', 'open', null, null, null),
       (1, 12, 6, 4, 'line1', 1, 'guardian', 4, 'validator', 'recorded', now(), 'machine', 'recorded'),
       (1, 13, 7, 5, 'line1', 1, 'guardian', 6, 'validator', 'open', null, null, null),
       (1, 14, 8, 6, 'line1', 1, 'guardian', 6, 'validator', 'open', null, null, null);
select setval(pg_get_serial_sequence('portal.change', 'id'), 100);
insert into portal.import (tenant, id, source, name, dry, state) overriding system value
values (1, 1, 'psql', 'a.csv', true, 'checked');
insert into portal.import_line (tenant, import_id, file, line, stage, step, outcome, records, detail)
values (1, 1, 'a.csv', 2, 3, 1, 'kept',
        '[{"kind": "address", "key": "a", "values": {"line1": "1 rue B", "line2": null}}]',
        '[{"kind": "address", "key": "a", "field": "line1", "code": "kept"}]');
insert into portal.import_conflict (tenant, import_id, guardian_id, section, field, was, asked,
                                    imported, state, decided_at)
values (1, 1, 2, 'guardian_address', 'line1', '"7 bis avenue X"', '"7 bis avenue Y"',
        '"9 bis avenue X"', 'open', null),
       (1, 1, 2, 'guardian_address', 'line1', '"1 rue V"', '"1 rue V"', '"2 rue V"', 'kept', now());
insert into portal.field_policy (tenant, section, field, policy, validation)
values (1, 'guardian_address', 'line1', 'required', 'automatic'), (1, 'guardian_address', 'line2', 'hidden', 'agent');
insert into portal.outbox (tenant, recipient, template, message_id, data)
values (1, 'a@b.example', 'change_sent', 'a@b', '{"section": "guardian_address", "items": [{"field": "line1", "refused": false}]}');
SQL

sub addresses_are_split {
    my ($database) = @_;

    my $all = sub {
        open my $in, '-|', 'psql', '-XAtq', @host, '-d', $database, '-c', shift or die "psql: $!\n";
        chomp(my @rows = <$in>);
        close $in;
        return \@rows;
    };

    is_deeply $all->("select concat_ws('/', coalesce(street_number, '-'), coalesce(repetition, '-'), street,
            complement, coalesce(city_code, '-')) from portal.address order by guardian_id"),
        ['12/-/rue des Lilas/Bât. B/59512', '7/bis/avenue X/Bât. B/59512', '5/B/place Y/Bât. B/59512',
         '-/-/12-14 rue Z/Bât. B/59512', '-/-/8 mai 1945/Bât. B/59512', '-/-/Ferme du Bois/Bât. B/59512',
         '-/-/221 Baker Street/Bât. B/-', '5/-/L ORÉE DU BOIS/Bât. B/59512', '3/C/chemin du Puits/Bât. B/59512'],
        'an address is split where that is certain';
    is_deeply $all->("select concat_ws(' ', set_id, field, old, asked, found, state) from portal.change_item order by set_id, field"),
        ['1 street_number "12" "14"', '2 complement "Bât. B" null',
         '3 repetition null "B" null accepted', '3 street "rue A" "place Y" "rue A" accepted',
         '3 street_number "2" "5" "2" accepted', '4 street "rue Z" "12-14 rue Z" "rue Z" accepted',
         '4 street_number "12" null "12" accepted', '5 street "rue X" "rue Y" "rue X" accepted',
         '5 street_number "12" "14" "12" accepted', '6 street "rue Y" "rue Z" "rue Y" accepted',
         '7 street "rue T" "rue T"'], 'what is asked for, by what differs';
    is_deeply $all->("select concat_ws(' ', id, jsonb_path_query_array(rest, '\$.keyvalue().key'),
            rest #>> '{street,value}', rest #>> '{repetition,value}', rest #>> '{complement,value}')
            from portal.change_set where rest is not null order by id"),
        ['1 ["city", "street", "complement", "repetition"] rue des Lilas Bât. B',
         '2 ["street", "repetition", "street_number"] avenue X bis'], 'and what was there of the rest';
    is_deeply $all->("select concat_ws(' ', set_id, field, state, position) from portal.change order by id"),
        ['3 street_number open 5', '4 street_number recorded 6', '5 street_number open 7',
         '6 street open 8', '3 repetition open', '3 street open'],
        'the feed goes on, and tells the parts that are new after it, none that a newer request has';
    is_deeply $all->("select concat_ws(' ', set_id, field) from portal.change_item where acknowledged_at is not null"),
        ['5 street'], 'for which nothing is held';
    is_deeply $all->("select concat_ws(' ', state, field, was, asked, imported) from portal.import_conflict order by state desc, field"),
        ['open street "avenue X" "avenue Y" "avenue X"', 'open street_number "7" "7" "9"',
         'kept repetition null null null', 'kept street "rue V" "rue V" "rue V"',
         'kept street_number "1" "1" "2"'], 'conflicts';
    is_deeply $all->("select records #>> '{0,values}', detail #>> '{0,field}' from portal.import_line"),
        ['{"street": "1 rue B", "complement": null}|street'], 'an import that waits is read as one line';
    is_deeply $all->("select concat_ws(' ', field, policy, validation) from portal.field_policy order by field"),
        ['complement hidden agent', 'repetition editable automatic', 'street required automatic',
         'street_number editable automatic'], 'what the town has decided';
    is_deeply $all->("select data #>> '{items,0,field}' from portal.outbox"), ['street'], 'and a mail';
}

for my $m (@migrations) {
    my ($file, $number, $name) = @$m;

    if ($number == 75) {
        psql('addresses in one line', 'older', '-c', 'set session_replication_role = replica',
            '-f', "$dir/lines.sql");
    }

    # one transaction, as sql/migrate has it
    psql("$file over a version that was in use", 'older', '-1',
        '-f', "$sql/migrations/$file", '-c', 'reset role',
        '-c', "insert into portal.migration (number, name) values ($number, '$name')",
        '-f', "$dir/finish.sql") or last;
}

run_ok('and its functions', "$sql/migrate", @host, '-d', 'older');
addresses_are_split('older');
run_ok('once more', "$sql/migrate", @host, '-d', 'older');

# a table that somebody reads for long: requests would wait behind who waits for it
my $reader = open my $held, '-|', 'psql', '-XAtq', @host, '-d', 'older', '-c', 'begin',
    '-c', 'lock table portal.migration in access share mode', '-c', "select 'held'",
    '-c', 'select pg_sleep(600)' or die "psql: $!\n";
is scalar <$held>, "held\n", 'a table is held';
isnt run_as(undef, "$dir/upgrade.log", 'timeout', 120, "$sql/migrate", @host, '-d', 'older'), 0,
    'it is not waited for without end';
like slurp("$dir/upgrade.log"), qr/lock timeout/, 'which is said';
kill 'TERM', $reader;
close $held;

run_ok('from nothing', "$sql/migrate", @host, '-d', 'fresh');

my ($older, $fresh) = map { structure($_) } qw(older fresh);
like $fresh, qr/CREATE FUNCTION portal\.decide\(/, 'the structure is read';
ok $older eq $fresh, 'it is what a new database is' or do {
    my %old = map { $_ => 1 } split /\n/, $older;
    my %new = map { $_ => 1 } split /\n/, $fresh;
    diag "only there: $_" for grep { !$new{$_} } sort keys %old;
    diag "only in a new one: $_" for grep { !$old{$_} } sort keys %new;
};

done_testing;
