--
-- Charts: places are made of numbers here, since a template cannot reckon.
--

begin;
select * from no_plan();

select is(portal.chart('x', '[]', null, false), '{"name": "x", "rows": [], "height": 0}', 'nothing');
select results_eq($$ select (b->>'width')::int, b->'known', (b->>'second')::boolean
    from jsonb_path_query(portal.chart('x', '[{"values": [100, 50]}, {"values": [1, 0]}, {"values": [null]}, {"values": [1000]}]', 100, false), '$.rows[*].bars[*]') b $$,
    $$ values (204, 'true'::jsonb, false), (102, 'true', true), (2, 'true', false), (0, 'true', true), (0, 'false', false), (204, 'true', false) $$,
    'bars as long as their numbers; none is longer than its room');
select is((portal.chart('x', '[{"values": [1]}]', 100000, false) #>> '{rows,0,bars,0,width}')::int, 1, 'what is there is seen');
select ok(not exists (select from jsonb_path_query(portal.chart('x', '[{"values": [7, 3]}, {"values": [5]}]', 7, a), '$.rows[*].bars[*].y') y
    group by y having count(*) > 1), 'no bar lies on another') from unnest(array[false, true]) a;

select is(array_length(portal.month_starts(), 1), 12, 'twelve months');
select is(portal.day_of(m), date_trunc('month', portal.day_of(m))::date, 'each begins in the town') from unnest(portal.month_starts()) m;

select throws_ok($$ select ask('saint-aubin', 'statistics') $$, 'PT403', 'not for them', 'not for nobody');
select throws_ok($$ select ask('saint-aubin', 'statistics', '{}', account('camille.martin@exemple.fr')) $$, 'PT403', 'not for them', 'nor for a parent');

-- a school that is called otherwise is one row, of what is verified in all of it

select portal.enter('saint-aubin', null, null, null, null, 999, 1, 'r');
create function pg_temp.schools() returns text language plpgsql as $$
declare
    v  text;
begin
    set local role portal_api;
    select string_agg(format('%s %s/%s', r->>'school', r->>'verified', r->>'children'), ', ' order by r->>'school') into v from jsonb_array_elements(portal.verified_chart()->'rows') r;
    reset role;
    return v;
end $$;
set local session_replication_role = replica;
delete from portal.schooling where tenant = 1;
delete from portal.verification where tenant = 1;
create temp table pupil on commit drop as
select m.child_id, min(m.family_id) as family_id, row_number() over (order by m.child_id) as n from portal.child_family m where m.tenant = 1 group by 1 order by 1 limit 3;
insert into portal.schooling (tenant, child_id, name, year) select 1, child_id, case n when 1 then 'Veil' when 2 then 'Groupe Veil' else 'Macé' end, portal.school_year() from pupil;
insert into portal.verification (tenant, section, child_id, family_id, by_guardian, verified_on)
select 1, r.section, p.child_id, p.family_id, (select min(g.id) from portal.guardian g where g.family_id = p.family_id), portal.today()
  from pupil p cross join portal.verification_rules() r where r.section like 'child%' and (p.n <> 2 or r.section <> 'child_health');
select is(pg_temp.schools(), 'Groupe Veil 0/1, Macé 1/1, Veil 1/1', 'two schools');
insert into portal.school (tenant, id, name, others, rank) values (1, 1, 'Groupe Veil', '{Veil}', 1);
select is(pg_temp.schools(), 'Groupe Veil 1/2, Macé 1/1', 'one');
select set_config('portal.schools', portal.school_names('{Groupe Veil}')::text, true);
select is(pg_temp.schools(), 'Groupe Veil 1/2', 'of who is for it');
select set_config('portal.schools', '', true);
update portal.verification set verified_on = '2001-01-01' where child_id = (select child_id from pupil where n = 1) and section = 'child_general';
select is(pg_temp.schools(), 'Groupe Veil 0/2, Macé 1/1', 'what was verified long ago is not');

-- where each guardian has to: those who are connected, whoever was before

update portal.verification set verified_on = portal.today() where tenant = 1;
update portal.town set verify_both = '{child_general}' where id = 1;
delete from portal.subscription where tenant = 1;
select is(pg_temp.schools(), 'Groupe Veil 0/2, Macé 0/1', 'nobody is connected: nobody has');
create temp table parent on commit drop as
select g.id, g.family_id, row_number() over (order by g.id) as n
  from portal.guardian g where g.family_id = (select family_id from pupil where n = 1);
select is((select count(*) from parent)::int, 2, 'a child of two');
insert into portal.subscription (tenant, account_id, family_id, guardian_id, since, effective_at, ended_at)
select 1, (select a.id from portal.account a where a.tenant = 1 order by a.id offset n limit 1), family_id, id, now(), now(), case n when 1 then now() end from parent;
select is(pg_temp.schools(), 'Groupe Veil 0/2, Macé 0/1', 'the one who has is connected no more, the other one has not');
update portal.verification set by_guardian = (select id from parent where n = 2) where child_id = (select child_id from pupil where n = 1) and section = 'child_general';
select is(pg_temp.schools(), 'Groupe Veil 1/2, Macé 0/1', 'the other one has');
update portal.subscription set ended_at = null where tenant = 1;
select is(pg_temp.schools(), 'Groupe Veil 0/2, Macé 0/1', 'both are connected, one has');
insert into portal.verification (tenant, section, child_id, family_id, by_guardian, verified_on)
select 1, 'child_general', p.child_id, p.family_id, (select id from parent where n = 1), portal.today() from pupil p where p.n = 1;
select is(pg_temp.schools(), 'Groupe Veil 1/2, Macé 0/1', 'both have');

select * from finish();
rollback;
