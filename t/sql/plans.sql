--
-- Under row-level security the hot look-ups still go by an index.
--

begin;
select * from no_plan();

-- enough rows that a scan would show
alter table portal.attempt disable trigger all;
insert into portal.family (tenant, number, label) select 1, 'X' || n, 'X' from generate_series(1, 5000) n;
insert into portal.guardian (tenant, family_id, rank, last_name, first_name, link)
select 1, id, 1, 'X', 'Y', 'mother' from portal.family where number like 'X%';
insert into portal.account (tenant, first_name, last_name, email, email_mac, password_hash)
select 1, 'X', 'Y', 'x' || n || '@x.fr', decode(mac('x' || n), 'hex'), '$argon2id$' from generate_series(1, 5000) n;
insert into portal.session (tenant, hash, account_id, epoch, absolute_until)
select 1, email_mac, id, 1, now() + interval '1 day' from portal.account where email like 'x%@x.fr';
insert into portal.code (tenant, family_id, guardian_id, mac, expires_at)
select tenant, family_id, id, decode(mac('k' || id), 'hex'), now() + interval '1 day' from portal.guardian where last_name = 'X';
insert into portal.subscription (tenant, account_id, family_id, guardian_id)
select 1, a.id, g.family_id, g.id from (select id, row_number() over (order by id) n from portal.account where email like 'x%@x.fr') a
  join (select id, family_id, row_number() over (order by id) n from portal.guardian where last_name = 'X') g using (n);
insert into portal.token (tenant, mac, purpose, account_id, epoch, expires_at)
select 1, email_mac, 'confirm', id, 1, now() + interval '1 day' from portal.account where email like 'x%@x.fr';
insert into portal.child (tenant, last_name, first_name, birth_date) select 1, 'X', 'Z' || n, '2018-01-01' from generate_series(1, 3000) n;
insert into portal.child_family (tenant, family_id, rank, child_id)
select 1, f.id, 1, c.id from (select id, row_number() over (order by id) n from portal.family where number like 'X%') f
  join (select id, row_number() over (order by id) n from portal.child where last_name = 'X') c using (n);
analyze portal.family; analyze portal.guardian; analyze portal.account; analyze portal.session; analyze portal.code;
analyze portal.subscription; analyze portal.token; analyze portal.child; analyze portal.child_family; analyze portal.authorisation; analyze portal.health;
insert into portal.agent (tenant, first_name, last_name, email, email_mac, password_hash, totp, role)
select 1, 'X', 'Y', email, email_mac, '$argon2id$', repeat('A', 60), 'reader' from portal.account where email like 'x%@x.fr';
insert into portal.agent_session (tenant, hash, agent_id, epoch, absolute_until)
select 1, email_mac, id, 1, now() + interval '1 day' from portal.agent where first_name = 'X';
insert into portal.agent_device (tenant, agent_id, mac, epoch) select tenant, id, email_mac, 1 from portal.agent where first_name = 'X';
insert into portal.family_document (tenant, family_id, version, town_version) select 1, id, 0, 1 from portal.family where number like 'X%';
analyze portal.family_document;
analyze portal.agent; analyze portal.agent_session; analyze portal.agent_device;
grant usage on schema tap to portal_api;
grant execute on all functions in schema tap to portal_api;

create function tap.plan_of(query text) returns text language plpgsql as $$
declare v_line text; v_all text := '';
begin
    for v_line in execute 'explain (costs off) ' || query loop v_all := v_all || v_line || E'\n'; end loop;
    return v_all;
end $$;

set local portal.tenant = '1';
set local portal.account = '0';
set local portal.family = '0';
set local role portal_api;
set local search_path = portal, tap, pg_temp;

select unalike(plan_of(q), '%Seq Scan on ' || t || '%', 'no scan of ' || t || ': ' || left(q, 60))
  from (values
    ('session', $$select 1 from session s join account a on a.tenant = s.tenant and a.id = s.account_id where s.hash = '\x00' and s.ended_at is null$$),
    ('account', $$select 1 from session s join account a on a.tenant = s.tenant and a.id = s.account_id where s.hash = '\x00' and s.ended_at is null$$),
    ('agent_session', $$select 1 from agent_session s join agent a on a.tenant = s.tenant and a.id = s.agent_id where s.hash = '\x00' and s.ended_at is null$$),
    ('agent', $$select 1 from agent_session s join agent a on a.tenant = s.tenant and a.id = s.agent_id where s.hash = '\x00' and s.ended_at is null$$),
    ('agent', $$select 1 from agent a where a.email_mac = '\x00'$$),
    ('agent_session', $$select 1 from agent_session s where s.agent_id = 1 and s.ended_at is null$$),
    ('agent_device', $$select 1 from agent a join agent_device d on d.tenant = a.tenant and d.agent_id = a.id and d.epoch = a.epoch where a.email_mac = '\x00' and d.mac = '\x00'$$),
    ('subscription', $$select 1 from subscription u where u.account_id = 1 and u.family_id = 2 and u.ended_at is null$$),
    ('subscription', $$select 1 from subscription u where u.guardian_id = 1 and u.ended_at is null$$),
    ('subscription', $$select 1 from subscription u where u.family_id = 1 and u.ended_at is null$$),
    ('subscription', $$select 1 from subscription u where u.account_id = 1$$),
    ('token', $$select 1 from token k where k.account_id = 1$$),
    ('account', $$select 1 from account a where a.email_mac = '\x00'$$),
    ('code', $$select 1 from code k where k.mac = '\x00' and k.used_at is null$$),
    ('token', $$select 1 from token k where k.mac = '\x00'$$),
    ('guardian', $$select * from guardian_documents(1, null, 1, '{}', '{}') order by rank$$),
    ('family_document', $$select d.* from family_document d join family f on f.tenant = d.tenant and f.id = d.family_id and f.version = d.version where d.family_id = 1$$),
    ('guardian', $$select * from guardian g where g.search = 'MARTINCAMILLE'$$),
    ('child', $$select * from child_documents(1, null, '{child_health,child_contacts,child_authorisations}', null) order by rank$$),
    ('child_family', $$select * from child_documents(1, null, '{child_health}', null) order by rank$$),
    ('authorisation', $$select * from child_documents(1, null, '{child_authorisations}', null) order by rank$$),
    ('health', $$select * from child_documents(1, null, '{child_health}', null) order by rank$$)) as x (t, q);

reset role;


-- the queue of a town with many requests: what its functions themselves read

insert into portal.change_set (tenant, number, family_id, section, action, subject, due_on, created_at, urgent, state, taken_by, reason, decided_at)
select 1, '2020-' || lpad((n + 1000000)::text, 7, '0'), f.ids[1 + n % 5000], 'guardian_basic', 'add', 'X', current_date,
       now() - n * interval '1 minute', n % 500 = 0, s, case s when 'taken' then (select min(id) from portal.agent where tenant = 1) end,
       case s when 'incomplete' then 'X' end, case s when 'accepted' then now() end
  from generate_series(1, 40000) n, (select array_agg(id) as ids from portal.family where number like 'X%') f,
       lateral (select case when n % 400 = 0 then 'taken' when n % 401 = 0 then 'incomplete' when n % 3 = 0 then 'accepted' else 'sent' end) x (s);
analyze portal.change_set;
select set_config('portal.tenant', '1', true), set_config('portal.account', '0', true), set_config('portal.family', '0', true),
       set_config('portal.session', '', true), set_config('portal.request', '', true), set_config('portal.role', 'validator', true),
       set_config('portal.agent', (select min(id)::text from portal.agent where tenant = 1), true);

-- how many rows of a table a call reads; -1: it goes through all of them
create function tap.rows_read(query text, tab regclass default 'portal.change_set') returns bigint language plpgsql as $$
declare v_before record; v_after record;
begin
    select coalesce(seq_scan, 0) as scans, coalesce(idx_tup_fetch, 0) as rows into v_before from pg_stat_xact_user_tables where relid = tab;
    execute query;
    select coalesce(seq_scan, 0) as scans, coalesce(idx_tup_fetch, 0) as rows into v_after from pg_stat_xact_user_tables where relid = tab;
    return case when v_after.scans > v_before.scans then -1 else v_after.rows - v_before.rows end;
end $$;

create temp table page as select (portal.queue('{}')->>'next')::bigint as next;
select ok(n between 0 and most, 'by an index, and no more than it shows (' || n || '): ' || left(q, 80))
  from (values
    (300, $$select portal.queue('{}')$$),
    (300, $$select portal.queue('{"whose": "mine"}')$$),
    (300, $$select portal.queue('{"whose": "nobody"}')$$),
    (300, $$select portal.queue('{"state": "incomplete"}')$$),
    (300, $$select portal.queue('{"state": "done"}')$$),
    (10, $$select portal.queue('{"number": "2020-1020000"}')$$),
    (300, $$select portal.queue(jsonb_build_object('after', (select next::text from page)))$$),
    -- in the middle of all that waits
    (300, $$select portal.queue(jsonb_build_object('after', (select max(id)::text from portal.change_set where tenant = 1 and number = '2020-1020001')))$$),
    (20, $$select portal.agent_request(jsonb_build_object('request', (select next::text from page)))$$)) as x (most, q),
       lateral rows_read(q) n;

-- whether an account has asked to add somebody, which each reading of a file wants to know
set local role portal_api;
select unalike(plan_of($$select from change_set c where c.account_id = 1 and c.action = 'add'$$), '%Seq Scan on change_set%', 'no scan of change_set: additions');
reset role;


-- « Rechercher une famille », in a town where many bear a name

update portal.town set agent_readings = 1000000 where id = 1;
insert into portal.guardian (tenant, family_id, rank, last_name, first_name, birth_name, link, email, phone_mobile, phone_home, phone_work)
select 1, id, 2, 'Nom' || id, 'Prénom' || id, 'Née' || id, 'father', 'g' || id || '@x.fr', '+336' || 10000000 + id, '+333' || 10000000 + id, '+331' || 10000000 + id
  from portal.family where number like 'X%';
analyze portal.guardian; analyze portal.account; analyze portal.family; analyze portal.child; analyze portal.subscription; analyze portal.child_family;
select ok(n between 0 and 700, 'a search goes along an index of ' || t || ' (' || n || '): ' || w)
  from unnest(array['Nom', 'Prénom9', 'née 12', 'X', 'X12', 'x 1', 'x9@x.fr', 'x', 'g12@', 'g', '06 10 00', '03 10 00', '01 10', '+33 6 1', 'Z', 'Zzz', '104201']) w,
       unnest(array['guardian', 'child', 'family', 'account', 'child_family', 'subscription']) t,
       lateral rows_read(format('select portal.search_families(jsonb_build_object(''search'', %L))', w || case when length(w) < 2 then 'a' else '' end), ('portal.' || t)::regclass) n;
select is(json_array_length(portal.search_families('{"search": "nom"}')->'families'), 50, 'and ends with the page');

-- an agent who is for a school that none of them is in: its families are looked up once, not for each

select set_config('portal.schools', '{Nulle part}', true);
select ok(n between 0 and 100, 'nothing is asked of each (' || n || '): ' || left(q, 80))
  from unnest(array[$$select portal.queue('{}')$$, $$select portal.queue('{"state": "done"}')$$, $$select portal.queue('{"state": "incomplete"}')$$,
                    $$select portal.search_families('{"search": "nom"}')$$, $$select portal.search_families('{"search": "Z"}')$$]) q,
       lateral rows_read(q, 'portal.child_family') n;
select is(portal.queue('{"state": "done"}')->>'requests', '[]', 'and nothing is found');
select set_config('portal.schools', '', true);

-- « Codes »: whoever is looked for, the others' families are not gone through

select set_config('portal.role', 'administrator', true);
select ok(n <= 60, 'guardians by their codes: not family after family (' || n || '): ' || x)
  from unnest('{"{}", "{\"state\": \"expired\"}", "{\"state\": \"barred\"}", "{\"name\": \"nobody\"}", "{\"name\": \"x\"}", "{\"name\": \"X9\", \"state\": \"to_print\"}"}'::text[]) x,
       lateral rows_read(format('select portal.code_guardians(%L)', x), 'portal.family') n;

select ok(n between 0 and 100, 'whose conflicts are counted: by an index of ' || t || ' (' || n || ')')
  from unnest('{guardian,account,subscription}'::text[]) t, lateral rows_read($$select portal.imports('{}')$$, ('portal.' || t)::regclass) n;

-- conflicts, of which each looks for the others of its person

insert into portal.import_conflict (tenant, family_id, guardian_id, section, field, was, asked, imported)
select 1, family_id, id, 'guardian_basic', f, '1', '2', '3' from portal.guardian, unnest('{profession,employer}'::text[]) f where last_name = 'X';
insert into portal.import_conflict (tenant, family_id, child_id, section, field, was, asked, imported)
select 1, m.family_id, c.id, 'child_general', 'diet', '1', '2', '3' from portal.child c join portal.child_family m on m.child_id = c.id where c.last_name = 'X';
insert into portal.contact (tenant, family_id, child_id, rank, last_name, first_name, link, phone_mobile)
select 1, m.family_id, c.id, 1, 'X', 'Y', 'other', '+33639980001' from portal.child c join portal.child_family m on m.child_id = c.id where c.last_name = 'X';
insert into portal.import_conflict (tenant, family_id, contact_id, section, field, was, asked, imported)
select 1, family_id, id, 'child_contact', 'phone_mobile', '1', '2', '3' from portal.contact where last_name = 'X';
analyze portal.import_conflict; analyze portal.contact;
create temp table of_each as
select (select max(id) - 60 from portal.import_conflict where guardian_id is not null) as guardian, (select max(id) - 60 from portal.import_conflict where child_id is not null) as child,
       (select max(id) - 60 from portal.import_conflict where contact_id is not null) as contact;
select ok(n between 0 and 400, 'a page of conflicts reads those of its persons (' || n || '): ' || t)
  from of_each, lateral (values ('the first', null), ('guardians', guardian), ('children', child), ('contacts', contact)) x (t, after),
       lateral rows_read(format('select portal.import_conflicts(jsonb_build_object(''after'', %L))', after::text), 'portal.import_conflict') n;
select ok(n between 0 and 20, 'one by itself, too (' || n || '): ' || t)
  from of_each, lateral (values ('guardian', guardian), ('child', child), ('contact', contact)) x (t, id),
       lateral rows_read(format('select portal.conflict(jsonb_build_object(''conflict'', %L))', id::text), 'portal.import_conflict') n;
grant usage on schema tap to portal_apply;
grant execute on all functions in schema tap to portal_apply;
grant select on of_each to portal_apply;
set local role portal_apply;
select ok(n between 0 and 20, 'what an import asks of one, too (' || n || '): ' || t)
  from of_each, lateral (values ('guardian_basic', guardian), ('child_general', child), ('child_contact', contact)) x (t, id) join portal.import_conflict c on c.id = x.id,
       lateral rows_read(format('select portal.import_kept_before(%L, %s, ''x'', ''"1"'', null), portal.import_rule(jsonb_build_object(''do'', ''settle'', ''section'', %1$L, ''id'', %2$s, ''fields'', jsonb_build_array(%3$L)), null)',
           t, coalesce(c.guardian_id, c.child_id, c.contact_id), c.field), 'portal.import_conflict') n;
reset role;


-- answers to many changes of the same fields of one person

insert into portal.machine (tenant, name, key_mac, rights) values (1, 'Plans', decode(tap.mac('plans'), 'hex'), '{feed}');
insert into portal.change_set (tenant, number, family_id, section, action, guardian_id, subject, due_on, state, decided_at)
select 1, tap.number(), g.family_id, 'guardian_basic', 'change', g.id, 'Réponse', current_date, 'accepted', now()
  from (select guardian('104201', 1) as id, family('104201') as family_id) g, generate_series(1, 100);
insert into portal.change_item (tenant, set_id, field, old, asked, state)
select 1, s.id, f, '"a"', '"b"', 'accepted' from portal.change_set s, unnest('{profession,employer,email,phone_home,phone_work}'::text[]) f where s.subject = 'Réponse';
insert into portal.change (tenant, set_id, field, family_id, person_kind, person_id, decided_role)
select 1, s.id, i.field, s.family_id, 'guardian', s.guardian_id, 'validator' from portal.change_set s join portal.change_item i on i.tenant = s.tenant and i.set_id = s.id
 where s.subject = 'Réponse' order by s.id;
analyze portal.change; analyze portal.change_item; analyze portal.change_set;
select set_config('portal.role', '', true), set_config('portal.agent', '0', true),
       set_config('portal.machine', (select id::text from portal.machine where name = 'Plans'), true);
create temp table answers as select jsonb_build_object('changes', jsonb_agg(jsonb_build_object('id', c.id::text, 'reason', 'Non.',
    'state', case when c.id % 3 = 0 then 'rejected' else 'recorded' end) order by c.id)) as given
  from portal.change c join portal.change_set s on s.tenant = c.tenant and s.id = c.set_id where s.subject = 'Réponse';
create function tap.changes_read() returns bigint language sql as $$
    select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint from pg_stat_xact_user_tables where relid = 'portal.change'::regclass $$;
create temp table seen as select changes_read() as before;
select is((select count(*) from answers, json_array_elements(portal.acknowledge_changes(given)->'changes') a where (a->>'status')::int = 200)::int, 500, 'five hundred answers at once');
select ok(n < 20000, 'what is answered reads no more for what was answered before (' || n || ')') from (select changes_read() - before as n from seen) x;
select results_eq($$select c.state, count(*), count(i.acknowledged_at) from portal.change c join portal.change_set s on s.tenant = c.tenant and s.id = c.set_id
    join portal.change_item i on i.tenant = c.tenant and i.set_id = c.set_id and i.field = c.field where s.subject = 'Réponse' group by 1 order by 1$$,
    $$select c.state, count(*), count(*) filter (where c.state <> 'rejected') from portal.change c join portal.change_set s on s.tenant = c.tenant and s.id = c.set_id
    where s.subject = 'Réponse' group by 1 order by 1$$, 'and acknowledges all but what counts and was rejected');
select cmp_ok((select count(*) from portal.change c join portal.change_set s on s.tenant = c.tenant and s.id = c.set_id where s.subject = 'Réponse' and c.state = 'superseded')::int,
    '>', 150, 'most that was rejected was superseded');

select * from finish();
rollback;
