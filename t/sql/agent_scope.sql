--
-- What an agent sees who is for some schools or some sections alone.
--

begin;
select * from no_plan();

-- every function for agents who are no administrators asks, itself or by one of
-- those that do for it; the others have nothing of a family

select is_empty($$
    select p.proname from pg_proc p
     where p.pronamespace = 'portal'::regnamespace
       and p.prosrc ~ 'require_agent\(' and p.prosrc !~ 'require_agent\(''administrator''\)'
       and has_function_privilege('portal_web', p.oid, 'execute')
       and p.prosrc !~ 'my_requests_seen\(|my_families\(|agent_sees\(|change_seen\(|queue_page\(|families_found\(|agent_family_row\(|at_counter\(|locked_request\(|locked_ban\('
       and p.proname not in ('agent_start', 'agent_recovery_codes', 'agent_step_up_lookup', 'agent_step_up', 'family_search')
$$, 'each function for agents asks what they see');
select is_empty($$
    select n from unnest(array['change_seen', 'queue_page', 'families_found', 'search_row', 'agent_family_row', 'agent_children',
        'locked_request', 'locked_ban', 'child_bans', 'copy_family', 'at_counter', 'counter_forms', 'counter_open', 'counter_guardian_page', 'decided_charts', 'reasons_chart', 'linked_chart', 'waiting_chart']) n
     where not exists (select from pg_proc p where p.pronamespace = 'portal'::regnamespace and p.proname = n
                          and pg_get_functiondef(p.oid) ~ 'agent_sees\(|my_requests_seen\(|my_families\(|my_children\(')
$$, 'and so do those that they ask by');

create function pg_temp.is_for(schools text[], sections text[]) returns void language sql as $$
    select set_config('portal.tenant', '1', true), set_config('portal.schools', coalesce(schools::text, ''), true),
           set_config('portal.sections', coalesce(sections::text, ''), true) $$;
create function pg_temp.sees(section text, family text, child text) returns boolean language sql as $$
    select portal.agent_sees(section, family(family),
        (select c.id from portal.child c join portal.child_family m on m.child_id = c.id
          where m.family_id = family($2) and c.first_name = $3)) $$;

-- one family has a child in each of two schools

select pg_temp.is_for(null, null);
update portal.schooling set name = 'École Jean-Macé'
 where child_id = (select c.id from portal.child c join portal.child_family m on m.child_id = c.id
                    where m.family_id = family('104201') and c.first_name = 'Nina');

select ok(pg_temp.sees('guardian_tax', '104201', 'Léo') and pg_temp.sees(null, '104227', null), 'who is for everything sees everything');

select pg_temp.is_for('{École Jean-Macé}', null);
select ok(pg_temp.sees('child_health', '104201', 'Nina'), 'a child of the school');
select ok(not pg_temp.sees('child_health', '104201', 'Léo'), 'and no other, of the same family either');
select ok(pg_temp.sees('guardian_basic', '104201', null), 'a guardian belongs to every school of the children');
select ok(not pg_temp.sees('guardian_basic', '104202', null), 'and to no other');
select ok(not pg_temp.sees('guardian_basic', '104227', null), 'a family whose children have no school is nobody''s');
select pg_temp.is_for('{École Simone-Veil}', null);
select ok(pg_temp.sees('guardian_basic', '104201', null), 'of the other school as well');
select ok(pg_temp.sees('child_general', '104202', 'Hugo') and pg_temp.sees('child_general', '104203', 'Hugo'), 'both households of a child');

select pg_temp.is_for(null, '{child_health,guardian_bank}');
select ok(pg_temp.sees('child_health', '104201', 'Léo') and pg_temp.sees('guardian_bank', '104202', null), 'sections of theirs');
select ok(not pg_temp.sees('guardian_tax', '104201', null), 'and no other');
select ok(pg_temp.sees(null, '104227', null), 'whatever the school');
select bag_eq($$select unnest(portal.agent_groups())$$, array['guardian_name', 'child_health', 'guardian_bank'], 'of the file these values, and names');
select pg_temp.is_for('{École Jean-Macé}', '{child_health}');
select ok(pg_temp.sees('child_health', '104201', 'Nina') and not pg_temp.sees('child_health', '104201', 'Léo')
          and not pg_temp.sees('child_general', '104201', 'Nina'), 'both limits at once');

-- all at once, for what is counted, is the same as one by one

create function pg_temp.differ() returns bigint language sql as $$
    select (select count(*) from portal.change_set c
             where c.tenant = 1 and portal.agent_sees(c.section, c.family_id, c.child_id) <> (c.id in (select s.id from portal.my_requests_seen() s where s.tenant = 1)))
         + (select count(*) from portal.family f
             where f.tenant = 1 and portal.my_schools() is not null and portal.agent_sees(null, f.id, null) <> (f.id in (select portal.my_families()))) $$;
insert into portal.change_set (tenant, number, section, action, family_id, child_id, guardian_id, subject, state, due_on)
select 1, '2026-99' || lpad(n::text, 5, '0'), s, 'change', family('104201'),
       case when s like 'child%' then (select c.child_id from portal.child_family c where c.family_id = family('104201') order by c.child_id offset n % 2 limit 1) end, case when s like 'guardian%' then guardian('104201', 1) end, 'x', 'withdrawn', current_date
  from unnest(array['child_health', 'child_general', 'guardian_tax', 'guardian_basic', 'child_health']) with ordinality x (s, n);
select is(count(*) filter (where not portal.agent_sees(c.section, c.family_id, c.child_id)) > 0, true, 'some are not theirs') from portal.change_set c where tenant = 1;
select is(pg_temp.differ(), 0::bigint, 'by school and section');
select pg_temp.is_for('{École Jean-Macé}', null);
select is(pg_temp.differ(), 0::bigint, 'by school');
select pg_temp.is_for(null, '{guardian_tax}');
select is(pg_temp.differ(), 0::bigint, 'by section');
select pg_temp.is_for(null, null);
select is(pg_temp.differ(), 0::bigint, 'by nothing');

-- the child changes school

select pg_temp.is_for('{École Simone-Veil}', null);
select ok(not pg_temp.sees('child_general', '104201', 'Nina'), 'before');
insert into portal.schooling (tenant, child_id, name, year)
select tenant, child_id, 'École Simone-Veil', '2098-2099' from portal.schooling where name = 'École Jean-Macé';
select ok(pg_temp.sees('child_general', '104201', 'Nina'), 'a school of a year to come');
select pg_temp.is_for('{École Jean-Macé}', null);
select ok(pg_temp.sees('child_general', '104201', 'Nina'), 'and that of this year');
delete from portal.schooling where year = '2098-2099';
update portal.schooling set name = 'École Simone-Veil', year = portal.school_year() where name = 'École Jean-Macé';
select ok(not pg_temp.sees('child_general', '104201', 'Nina') and not pg_temp.sees('guardian_basic', '104201', null), 'once it has left, nothing stays');
insert into portal.schooling (tenant, child_id, name, year)
select tenant, child_id, 'École Jean-Macé', '2001-2002' from portal.schooling s where s.name = 'École Simone-Veil' and child_id = 2;
select ok(not pg_temp.sees('child_general', '104201', 'Nina'), 'a former school is none');
delete from portal.schooling where child_id = 2 and year <> '2001-2002';
select ok(pg_temp.sees('child_general', '104201', 'Nina'), 'but where the file knows no newer one');

-- another town's schools are another's

select pg_temp.is_for('{École Jacques-Prévert}', null);
select ok(not pg_temp.sees(null, '104201', null), 'T064 a school of another town');

-- limits are rights

select is((portal.limit_schools(E'ecole simone veil\n\n École Simone-Veil ', null)).schools, '{École Simone-Veil}', 'a school as it was typed, once');
select is((portal.limit_schools(E'École Simone-Veil\nPoudlard', null)).unknown, true, 'one that is none');
select is((portal.limit_schools(E'École Simone-Veil\nPoudlard', '{Poudlard}')).schools, '{École Simone-Veil,Poudlard}', 'but what the agent has stays');
select is((portal.limit_schools('', null)).schools, null, 'no line is no limit');
select is(portal.limit_sections('{"child_health": "yes"}'), '{child_health}', 'a section');
select is(portal.limit_sections('{}'), null, 'none is no limit');
select is(portal.limit_sections((select jsonb_object_agg(name, 'yes') from portal.section)), null, 'nor are all');

select throws_ok($$update portal.agent set schools = '{x}' where role = 'administrator'$$, '23514', null, 'who administers is for everything');
select throws_ok($$update portal.agent set schools = '{}'$$, '23514', null, 'an empty limit is none');
update portal.agent set epoch = 1, schools = '{x}' where role = 'validator' and tenant = 1;
select is(epoch, 2, 'T059 a limit ends the sessions') from portal.agent where role = 'validator' and tenant = 1;

create temp table who as select role, id, epoch from portal.agent where tenant = 1;
grant select on who to portal_api;
insert into portal.agent_session (tenant, hash, agent_id, epoch, absolute_until)
select 1, decode(tap.mac('v'), 'hex'), id, epoch, now() + interval '1 hour' from who where role = 'validator';
select portal.enter_agent('saint-aubin', tap.mac('v'), id, epoch, 999, 1, 'r') from who where role = 'validator';
select is(portal.my_schools(), '{x}', 'a transaction knows what its agent is for');
select portal.enter_agent('saint-aubin', null, null, null, 999, 1, 'r');
select is(portal.my_schools(), null, 'and nothing of who entered before');

-- a school that is called otherwise keeps its children and its agents

update portal.agent set schools = '{École Simone-Veil,x}' where role = 'validator' and tenant = 1;
update who set epoch = a.epoch from portal.agent a where a.id = who.id;
insert into portal.agent_session (tenant, hash, agent_id, epoch, absolute_until)
select 1, decode(tap.mac('v2'), 'hex'), id, epoch, now() + interval '1 hour' from who where role = 'validator';
create function pg_temp.sees_veil() returns text language sql as $$
    select portal.enter_agent('saint-aubin', tap.mac('v2'), id, epoch, 999, 1, 'r') from who where role = 'validator';
    select concat_ws(' ', pg_temp.sees('child_general', '104201', 'Léo'), pg_temp.sees('child_general', '104202', 'Hugo'), pg_temp.sees('child_general', '104201', 'Nina'),
        (select count(*) = (select count(distinct s.child_id) from portal.schooling s where s.tenant = 1 and s.name in ('École Simone-Veil', 'Groupe Veil')) from (select distinct portal.my_children()) c)) $$;
select is(pg_temp.sees_veil(), 't t f t', 'a school by its name in the file');
insert into portal.school (tenant, name, others, rank) values (1, 'Groupe Veil', '{École Simone-Veil,Veil (primaire)}', 1), (2, 'École Jean-Macé', '{École Simone-Veil}', 1);
select is(pg_temp.sees_veil(), 't t f t', 'once it has another');
update portal.schooling s set name = 'Groupe Veil' where s.tenant = 1 and s.child_id = (select m.child_id from portal.child_family m join portal.child c on c.id = m.child_id where m.family_id = family('104201') and c.first_name = 'Léo');
select is(pg_temp.sees_veil(), 't t f t', 'also where the file writes that one');
select is(portal.limit_list(a)->'schools', '[{"school": "Groupe Veil"}, {"school": "x"}]', 'pages show what it is called now') from portal.agent a where a.tenant = 1 and a.role = 'validator';
select is(portal.limit_schools(t, null)::text, x, 'a limit takes any name of it: ' || replace(t, E'\n', ' / '))
  from (values ('groupe veil', '("{""Groupe Veil""}",f)'), (E'VEIL PRIMAIRE\nÉcole Simone-Veil', '("{""Groupe Veil""}",f)'), (E'Poudlard\necole jean mace', '("{""École Jean-Macé""}",t)'), (E' \n', '(,f)')) as v (t, x);
select ok(portal.in_schools(portal.school_names('{Veil (primaire)}'), family('104201'), null) and portal.school_names(null) is null and portal.school_names('{y}') = '{y}', 'by all its names');
update portal.agent set schools = '{Groupe Veil}' where role = 'validator' and tenant = 1;
update who set epoch = a.epoch from portal.agent a where a.id = who.id;
update portal.agent_session s set epoch = who.epoch from who where who.id = s.agent_id and s.ended_at is null;
select is(pg_temp.sees_veil(), 't t f t', 'who is for it by its new name sees all of it');

set local role portal_api;
select set_config('portal.agent', (select id::text from who where role = 'validator'), true), set_config('portal.role', 'validator', true);
select throws_ok($$update portal.agent set schools = null where role = 'validator'$$, '42501', null, 'T202 nobody takes their own limit away');
select set_config('portal.agent', (select id::text from who where role = 'administrator'), true), set_config('portal.role', 'administrator', true);
select lives_ok($$update portal.agent set sections = '{child_health}' where role = 'validator'$$, 'an administrator sets it');
reset role;

select * from finish();
rollback;
