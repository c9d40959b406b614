--
-- What is destroyed with approval: who lists, who approves, what the job may erase.
--

begin;
select * from no_plan();

create function pg_temp.as_agent(p_agent bigint) returns void language sql as $$
    select portal.enter('saint-aubin', null, null, null, null, 999, 1, 'r');
    select set_config('portal.agent', p_agent::text, true), set_config('portal.role', (select role from portal.agent where id = p_agent), true) $$;
create function pg_temp.purge() returns json language sql as $$ select tap.as_jobs('purge', '{}') $$;

update portal.agent set state = 'active', role = 'administrator' where tenant = 1;
create temp table who as select min(id) as a, max(id) as b from portal.agent where tenant = 1;
select isnt(a, b, 'two administrators') from who;
delete from portal.change_set where tenant = 1;
delete from portal.upload where tenant = 1 and id not in (select upload_id from portal.child_photo);

create function pg_temp.old(p_number text, p_state text, p_days int) returns bigint language sql as $$
    insert into portal.change_set (tenant, number, family_id, section, action, guardian_id, subject, state, updated_at, decided_at, due_on, reason)
    select 1, '2020-' || p_number, family('104201'), 'guardian_basic', 'change', guardian('104201', 1), 'Camille Martin', p_state, now() - make_interval(days => p_days),
           case when p_state in ('accepted', 'refused') then now() - make_interval(days => p_days) end, current_date, 'Non'
    returning id $$;
create temp table sets as select n, pg_temp.old(n, s, d) as id
    from (values ('0000001', 'withdrawn', 800), ('0000002', 'refused', 900), ('0000003', 'withdrawn', 10), ('0000004', 'refused', 40)) as x (n, s, d);
create function pg_temp.left_of() returns text language sql as $$
    select coalesce(string_agg(right(c.number, 1), ' ' order by c.number), '') from portal.change_set c where c.tenant = 1 $$;
insert into portal.upload (tenant, id, family_id, section, field, kind, size, pieces, stored, set_id, created_at)
select 1, gen_random_uuid(), family('104201'), 'guardian_basic', 'document', 'pdf', 10, 1, 1, id, now() - interval '40 days' from sets where n in ('0000002', '0000004');
insert into portal.upload (tenant, id, family_id, section, field, kind, size, pieces, stored, created_at)
values (1, gen_random_uuid(), family('104201'), 'guardian_basic', 'document', 'pdf', 10, 1, 1, now() - interval '2 days');
insert into portal.collect_ban (tenant, child_id, family_id, words, recorded_at, ended_at, ended_by, end_reason)
select 1, m.child_id, m.family_id, 'Lui', now() - interval '900 days', now() - interval '800 days', a, 'Fini' from who, portal.child_family m where m.family_id = family('104201') limit 1;
update portal.town set keep_document = 30 where id = 1;
create function pg_temp.files() returns bigint language sql as $$ select count(*) from portal.upload where tenant = 1 and section = 'guardian_basic' $$;

-- automatic, as ever

savepoint a;
select pg_temp.purge();
select is(pg_temp.left_of(), '3 4', 'a town that has set nothing erases what has had its time');
select is(pg_temp.files(), 0::bigint, 'and the files');
select is_empty($$select from portal.collect_ban where tenant = 1 and ended_at < now() - interval '730 days'$$, 'and the bans');
select pg_temp.as_agent(a) from who;
select is(portal.make_elimination('{"_": {}}') #>> '{errors,0,code}', 'purge_automatic', 'a list would be of no use');
rollback to a;

-- with approval

update portal.town set purge_mode = 'approval' where id = 1;
insert into portal.attempt select 1, 'test', int8send(n), 1, now() - interval '3 days', now() - interval '3 days', '-infinity' from generate_series(1, 3) n;
select pg_temp.purge();
select is(pg_temp.left_of(), '1 2 3 4', 'nothing that families have asked for is erased without a list');
select is(pg_temp.files(), 2::bigint, 'of the files what no request has named goes');
select is_empty($$select from portal.attempt where kind = 'test'$$, 'and what the law makes short');

select pg_temp.as_agent(a) from who;
select is((portal.eliminations('{}')->'due')::jsonb, '[{"purge_kind": "change_set", "due": 2}, {"purge_kind": "collect_ban", "due": 1}, {"purge_kind": "document", "due": 1}]',
    'what is past its time; a request''s documents go with it');
create temp table list as select split_part(portal.make_elimination('{"_": {}}')->>'location', '/', 3)::bigint as id;
select is((portal.eliminations('{}')->>'has_due'), 'false', 'what is listed is not due a second time');
select is(portal.make_elimination('{"_": {}}') #>> '{errors,0,code}', 'nothing_due', 'nor listed');
create function pg_temp.page() returns jsonb language sql as $$ select portal.elimination_list(jsonb_build_object('list', id))::jsonb from list $$;
select is((select string_agg(concat_ws(':', i->>'purge_kind', right(i->>'number', 1), i->>'family_number', i->>'item_state'), ' ' order by i->>'purge_kind', i->>'number')
    from jsonb_array_elements(pg_temp.page()->'items') i), 'change_set:1:104201:listed change_set:2:104201:listed collect_ban:104201:listed document:4:104201:listed', 'numbers');
select unalike(portal.elimination_sheet(jsonb_build_object('list', id))::text, '%Camille%', 'no name, no value') from list;

create function pg_temp.say(p_step text, more jsonb default '{}') returns text language sql as $$
    select concat_ws(' ', r->>'status', r->>'notice', r #>> '{errors,0,code}')
      from list, (select portal.decide_elimination(jsonb_build_object('list', id, 'step', p_step, 'version', pg_temp.page()->>'version', '_', '{}'::jsonb) || more)::jsonb as r from list) x $$;
select is(pg_temp.say('approve'), '422 other_needed', 'who has listed does not approve');
select throws_ok($$update portal.elimination e set state = 'approved', approved_at = now(), approved_by = e.made_by where tenant = 1$$, '23514', null, 'nor may the database');
select is(pg_temp.say('keep', '{"item": 0, "reason": "x"}'), '422 item_needed', 'a line is kept');
select is(pg_temp.say('keep', jsonb_build_object('item', pg_temp.page() #>> '{items,0,id}')), '422 required', 'with a reason');
create temp table first as select (i->>'id')::bigint as id from jsonb_array_elements(pg_temp.page()->'items') i where i->>'number' like '%1';
select is(pg_temp.say('keep', jsonb_build_object('item', id, 'reason', 'Un recours est en cours')), '303 elimination_kept', 'kept') from first;
select pg_temp.as_agent(b) from who;
select is(pg_temp.say('approve', '{"version": "x"}'), '409 elimination_changed', 'who has not seen the list as it is does not approve');
select is(pg_temp.say('approve', '{"_": {"if_match": ["x"]}}'), '412 version_changed', 'If-Match');
select pg_temp.purge();
select is(pg_temp.left_of(), '1 2 3 4', 'an open list destroys nothing');
select pg_temp.as_agent(b) from who;
savepoint standing;
update portal.agent set since = now(), since_by = (select b from who) where id = (select a from who);
select is(pg_temp.say('approve'), '403 asker_new', 'nobody approves the list of one whose rights another one alone has just given');
rollback to standing;
select is(pg_temp.say('approve'), '303 elimination_approved', 'another administrator approves');
select is(pg_temp.say('cancel'), '409 elimination_changed', 'what is approved is approved');
select pg_temp.purge();
select is(pg_temp.left_of(), '1 3 4', 'then the job destroys what is listed, and nothing else');
select is(pg_temp.files(), 0::bigint, 'files, too');
select pg_temp.purge();
select pg_temp.as_agent(b) from who;
select is((select row(pg_temp.page() #>> '{list,elimination_state}', pg_temp.page() #>> '{list,kept}', pg_temp.page() #>> '{list,destroyed}')::text), '(done,1,3)', 'the list is done');
select is((select string_agg(x.action || ' ' || x.outcome, ', ' order by x.id) from portal.audit x, list where x.object = 'elimination' and x.object_id = list.id),
    'make_elimination ok, read_elimination csv, approve_elimination other_needed, keep_elimination item_needed, keep_elimination required, keep_elimination ok, approve_elimination elimination_changed, approve_elimination version_changed, approve_elimination ok, cancel_elimination elimination_changed, destroy_archives ok',
    'the audit has all of it');
select is((portal.eliminations('{}')->>'has_due'), 'false', 'what is kept is not listed again');
update portal.elimination_item set kept_at = now() - interval '366 days' where state = 'kept';
select is((portal.eliminations('{}')->>'has_due'), 'true', 'but a year later');

-- a list that is given up

select split_part(portal.make_elimination('{"_": {}}')->>'location', '/', 3)::bigint as id into temp list2;
update list set id = list2.id from list2;
select is(pg_temp.say('cancel'), '303 elimination_cancelled', 'given up');
select pg_temp.purge();
select is(pg_temp.left_of(), '1 3 4', 'nothing of it is destroyed');
select pg_temp.as_agent(b) from who;
select is((portal.eliminations('{}')->>'has_due'), 'true', 'it can be listed again');

-- a list has room for what it may name alone

rollback to a;
update portal.town set purge_mode = 'approval' where id = 1;
insert into portal.upload (tenant, id, family_id, section, field, kind, size, pieces, stored, created_at)
select 1, gen_random_uuid(), family('104201'), 'guardian_basic', 'document', 'pdf', 10, 1, 1, now() - interval '2 days' from generate_series(1, 4);
update portal.upload u set created_at = now() - interval '26 hours' from sets s where u.set_id = s.id and s.n = '0000004';
select matches((select string_agg(d.kind || ' ' || right(d.number, 1), ', ') from portal.town t cross join lateral portal.elimination_due(t, 1, 'unlisted') d where t.id = 1 and d.kind = 'document'),
    '^document [24]$', 'what no request names takes no place of a document that is due');

-- what is kept holds its request

rollback to a;
create function pg_temp.listed(p_state text, p_kind text, p_object text, p_item text default 'listed') returns bigint language sql as $$
    with l as (insert into portal.elimination (tenant, state, made_by, approved_at, approved_by, ended_at)
               select 1, p_state, a, case when p_state in ('approved', 'done') then now() end, case when p_state in ('approved', 'done') then b end,
                      case when p_state in ('done', 'cancelled') then now() end from who returning id)
    insert into portal.elimination_item (tenant, list_id, kind, object, since, state, reason, kept_at, kept_by)
    select 1, l.id, p_kind, p_object, current_date, p_item, case p_item when 'kept' then 'Un recours' end,
           case p_item when 'kept' then now() end, case p_item when 'kept' then a end from l, who returning list_id $$;
create function pg_temp.due(p_kind text default 'change_set') returns text language sql as $$
    select coalesce(string_agg(right(d.number, 1), ' ' order by d.number), '')
      from portal.town t cross join lateral portal.elimination_due(t, 500, 'unlisted') d where t.id = 1 and d.kind = p_kind $$;
create temp table file as select u.id, u.set_id from portal.upload u join sets s on s.id = u.set_id where s.n = '0000002';
update portal.town set purge_mode = 'approval' where id = 1;
savepoint kept;
select pg_temp.as_agent(a) from who;
select is(pg_temp.due(), '1 2', 'what is due');
select pg_temp.listed('approved', 'change_set', set_id::text), pg_temp.listed('open', 'document', id::text, 'kept') from file;
select pg_temp.purge();
select is(pg_temp.left_of(), '1 2 3 4', 'a document that was kept after the list with its request was drawn up holds the request');
select is(pg_temp.files(), 2::bigint, 'and is there');
delete from portal.change_set c using file f where c.id = f.set_id;
select pg_temp.purge();
select is(pg_temp.files(), 2::bigint, 'also where the request is no more');
update portal.elimination_item set kept_at = now() - interval '366 days' where state = 'kept';
select pg_temp.purge();
select is(pg_temp.files(), 1::bigint, 'for a year');

rollback to kept;
update portal.upload u set section = 'child_photo', guardian_id = null from file f where u.id = f.id;
select pg_temp.listed('done', 'photo', id::text, 'kept') from file;
select pg_temp.as_agent(a) from who;
select is(pg_temp.due(), '1', 'a photo that is kept, too: its request is not listed');
select pg_temp.listed('approved', 'change_set', set_id::text) from file;
select pg_temp.purge();
select is(pg_temp.left_of(), '1 2 3 4', 'nor destroyed');
rollback to kept;

-- the job starts from the lists, however much waits for one

select pg_temp.listed('approved', 'change_set', id::text) from sets where n = '0000001';
set local track_functions = 'pl';
create function pg_temp.asked() returns bigint language sql as $$
    select coalesce(pg_stat_get_xact_function_calls('portal.may_erase(portal.town, text, text, text)'::regprocedure), 0) $$;
create temp table asked as select pg_temp.asked() as n;
select is((select count(*) from portal.town t cross join lateral portal.due_requests(t, 500, 'all') where t.id = 1), 2::bigint, 'two requests are due');
select is(pg_temp.asked() - n, 2::bigint, 'each is asked about') from asked;
select is((select count(*) from portal.town t cross join lateral portal.due_requests(t, 500, 'purge') where t.id = 1), 1::bigint, 'one is approved');
select is(pg_temp.asked() - n, 3::bigint, 'and asked about, alone') from asked;
select is_empty($$select d from portal.town t cross join lateral portal.due_uploads(t, 500, 'purge') as d join portal.upload u on u.id = d where t.id = 1 and u.set_id is not null$$, 'no file');
select is_empty($$select portal.due_bans(t, 500, 'purge') from portal.town t where t.id = 1$$, 'no ban');
select is(pg_temp.asked() - n, 3::bigint, 'none of them is') from asked;
rollback to kept;

-- an approval holds for 30 days, what is kept for a year

create temp table l as select pg_temp.listed('approved', 'change_set', id::text) as id from sets where n = '0000002';
insert into portal.elimination_item (tenant, list_id, kind, object, since, state, reason, kept_at, kept_by)
select 1, l.id, 'change_set', s.id::text, current_date, 'kept', 'Un recours', now() - interval '31 days', a from l, who, sets s where s.n = '0000001';
create function pg_temp.state() returns text language sql as $$ select e.state from portal.elimination e, l where e.id = l.id $$;
update portal.elimination e set approved_at = now() - interval '31 days' from l where e.id = l.id;
select pg_temp.purge();
select is(pg_temp.left_of(), '1 2 3 4', 'an old approval destroys nothing');
select is(pg_temp.state(), 'cancelled', 'its list is over');
select pg_temp.as_agent(a) from who;
select is(pg_temp.due(), '2', 'what is left of it can be listed again, but what is kept on it not');
update portal.town set keep_audit = 180 where id = 1;
update portal.elimination e set ended_at = now() - interval '360 days' from l where e.id = l.id;
select pg_temp.purge();
select is(pg_temp.state(), 'cancelled', 'it is there for a year, also where the audit is not');
update portal.elimination e set ended_at = now() - interval '367 days' from l where e.id = l.id;
select pg_temp.purge();
select is(pg_temp.state(), null, 'then no more');
rollback to kept;
select pg_temp.listed('approved', 'change_set', id::text) from sets where n = '0000002';
update portal.elimination e set approved_at = now() - interval '29 days';
select pg_temp.purge();
select is(pg_temp.left_of(), '1 3 4', 'a younger one does');
rollback to kept;

-- nor does a town that wants no list any more

select pg_temp.listed('open', 'change_set', id::text, 'kept') from sets where n = '0000001';
update portal.town set purge_mode = 'automatic' where id = 1;
select pg_temp.purge();
select is(pg_temp.left_of(), '1 3 4', 'what was kept stays, also where nothing waits for a list any more');
update portal.elimination set state = 'cancelled', ended_at = now();
select pg_temp.purge();
select is(pg_temp.left_of(), '3 4', 'but what was kept on a list that was given up');
rollback to kept;

-- who may

update portal.agent set role = 'validator' where tenant = 1;
select pg_temp.as_agent(b) from who;
select throws_ok(format('select portal.%I(''{"list": 1, "_": {}}'')', f), 'PT403', null, 'a validator: ' || f)
  from unnest('{eliminations,make_elimination,elimination_list,elimination_sheet,decide_elimination}'::text[]) f;

-- the lists themselves

update portal.elimination set made_at = now() - interval '3 years', ended_at = now() - interval '2 years' where state in ('done', 'cancelled');
select pg_temp.purge();
select is_empty($$select from portal.elimination_item where tenant = 1$$, 'a list is kept as long as the audit');

select * from finish();
rollback;
