--
-- The journal: which rows it finds, along which index; and the rounds that
-- verify the chain.
--

begin;
select * from no_plan();

select results_eq($$ select a from portal.journal_kinds() k, unnest(k.actions) a group by a having count(*) > 1 $$,
    $$ select null::text limit 0 $$, 'an operation is of one kind');
select is(portal.to_day(t), d::date, 'a day: ' || t) from (values ('2026-02-28', '2026-02-28'), ('2026-02-30', null),
    ('28/02/2026', null), ('', null), ('infinity', null)) x (t, d);

select throws_ok(format('select ask(%L, %L)', 'saint-aubin', f), 'PT403', 'not for them', f || ': not for nobody')
  from unnest(array['journal', 'journal_sheet']) f;
select throws_ok(format('select ask(%L, %L, %L, account(%L))', 'saint-aubin', f, '{}', 'camille.martin@exemple.fr'),
           'PT403', 'not for them', f || ': nor for a parent')
  from unnest(array['journal', 'journal_sheet']) f;

-- many rows, and what is read of them: the page, and ends of indexes that the planner looks at, never all

insert into portal.audit (tenant, at, agent_id, action, outcome, object, object_id, family_id)
select 1, now() - n * interval '1 minute', 1 + n % 7, case when n % 5000 = 0 then 'read_health' else 'read_request' end, 'ok',
       case when n % 1000 = 0 then 'family' else 'change_set' end,
       case when n % 1000 = 0 then family('104201') else 100000 + n end, null
  from generate_series(1, 20000) n;
analyze portal.audit;

create function pg_temp.read(filter text, most bigint, what text) returns setof text language plpgsql as $$
declare
    v_before  bigint;
    v_after   bigint;
    v_rows    bigint;
begin
    set local portal.tenant = 1;
    set local role portal_api;
    v_before := pg_stat_get_xact_tuples_returned('portal.audit'::regclass)
        + (select sum(pg_stat_get_xact_tuples_fetched(i.indexrelid) + pg_stat_get_xact_tuples_returned(i.indexrelid))
             from pg_index i where i.indrelid = 'portal.audit'::regclass);
    execute 'select count(*) from portal.journal_page(' || filter || ', ''infinity'', 9223372036854775807, 51)' into v_rows;
    v_after := pg_stat_get_xact_tuples_returned('portal.audit'::regclass)
        + (select sum(pg_stat_get_xact_tuples_fetched(i.indexrelid) + pg_stat_get_xact_tuples_returned(i.indexrelid))
             from pg_index i where i.indrelid = 'portal.audit'::regclass);
    reset role;
    return next ok(v_rows > 0 and v_after - v_before <= most, what || ': ' || v_rows || ' rows, ' || v_after - v_before || ' read');
end
$$;

grant usage on schema tap to portal_api;
grant execute on all functions in schema tap to portal_api;
select pg_temp.read('null, null, null, ''-infinity'', ''infinity''', 5000, 'all');
select pg_temp.read('3, null, null, ''-infinity'', ''infinity''', 5000, 'an agent''s');
select pg_temp.read('null, null, ''{read_health,read_bank}'', ''-infinity'', ''infinity''', 5000, 'a rare kind');
select pg_temp.read('null, ' || family('104201') || ', null, ''-infinity'', ''infinity''', 5000, 'a family''s');
select pg_temp.read('null, null, null, ''-infinity'', now() - interval ''10 days''', 5000, 'from a day on');

-- the chain, a piece at a time

create function pg_temp.walk(most int) returns text language plpgsql as $$
declare v_said text;
begin
    set local role portal_batch;
    v_said := portal.audit_walk(most);
    reset role;
    return coalesce(v_said, '') || (select ' ' || mark from portal.job where name = 'audit_round')
        || (select ' ' || mark from portal.job where name = 'audit_verified')
        || (select ' ' || mark from portal.job where name = 'audit_broken');
end
$$;
create function pg_temp.tomorrow() returns void language sql as
    $$ update portal.job set ran_at = ran_at - interval '25 hours' where name in ('audit_round', 'audit_broken', 'audit_verified') $$;

alter table portal.audit disable trigger all;
delete from portal.audit_erased;
delete from portal.audit where id not in (select id from portal.audit order by id desc limit 25);
update portal.audit set chain = null, hash = null;
alter table portal.audit enable trigger all;
update portal.job set mark = 0, ran_at = now() where name in ('audit_round', 'audit_verified', 'audit_broken');
select is(as_jobs('audit_chain', '{}')->>'chained', '25', 'a chain of 25');
select is(pg_temp.walk(10), ' 0 0 0', 'the round of today is done');
select pg_temp.tomorrow();
select is(pg_temp.walk(10), ' 10 0 0', 'ten links');
select is(pg_temp.walk(10), ' 20 0 0', 'and ten');
select is(pg_temp.walk(10), ' 0 25 0', 'and the rest: verified');
select is(pg_temp.walk(10), ' 0 25 0', 'until tomorrow');

-- what the tests find is kept by psql over the rollbacks, which pgTAP's own notes are not
savepoint a;
alter table portal.audit disable trigger all;
update portal.audit set outcome = 'changed' where chain = 14;
select pg_temp.tomorrow();
select pg_temp.walk(10) || pg_temp.walk(10) || pg_temp.walk(10) as changed \gset
select pg_temp.tomorrow();
update portal.audit set outcome = 'ok' where chain = 14;
select pg_temp.walk(100) as mended \gset
rollback to a;
alter table portal.audit disable trigger all;
delete from portal.audit where chain = 20;
select pg_temp.tomorrow();
select pg_temp.walk(100) as missing \gset
rollback to a;
alter table portal.audit disable trigger all;
delete from portal.audit where chain < 5;
select pg_temp.tomorrow();
select pg_temp.walk(100) as headless \gset
rollback to a;
alter table portal.audit disable trigger all;
insert into portal.audit_erased select tenant, chain, hash, at from portal.audit where chain = 4;
delete from portal.audit where chain < 5;
select pg_temp.tomorrow();
select pg_temp.walk(100) as erased \gset
rollback to a;
select is(:'changed'::text, ' 10 25 0the audit is not what it was at place 14 20 25 14 0 25 14', 'T212 a row that was changed is found, and stays found');
select is(:'mended'::text, ' 0 25 0', 'put right, the next round says so');
select is(:'missing'::text, 'the audit is not what it was at place 21 0 25 21', 'T212 a row taken out is missed');
select is(:'headless'::text, 'the audit is not what it was at place 5 0 25 5', 'T212 also at the start');
select is(:'erased'::text, ' 0 25 0', 'over what was erased in its time it goes on');

select * from finish();
rollback;
