--
-- A new IBAN that takes two agents.
--

begin;
select * from no_plan();

create temp table two as select array_agg(id order by id) as ids from portal.agent
 where tenant = 1 and role in ('validator', 'administrator') and state = 'active';
select cmp_ok((select cardinality(ids) from two), '>=', 2, 'the town has two');

select isnt(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->>'family', null, 'Camille is in');
insert into portal.change_set (tenant, number, family_id, section, action, guardian_id, subject, due_on)
values (1, tap.number(), family('104201'), 'guardian_bank', 'change', guardian('104201', 1), 'Camille Martin', current_date + 10);
create temp table s as select * from portal.change_set order by id desc limit 1;
insert into portal.change_item (tenant, set_id, field, old, asked, state) select 1, id, 'iban', 'null', '"x"', 'accepted' from s;
create function pg_temp.step(p_version int, p_event text, p_kind text, p_by bigint) returns void language sql as $$
    insert into portal.change_event (tenant, set_id, version, event, by_kind, by_id) select 1, s.id, p_version, p_event, p_kind, p_by from s $$;
create function pg_temp.barred(n int) returns boolean language sql as $$
    select portal.second_bars(c, ids[n]) from portal.change_set c join s using (tenant, id) cross join two $$;
select pg_temp.step(1, 'sent', 'family', 1);

select ok(portal.gives_iban(c), 'it gives an IBAN') from portal.change_set c join s using (tenant, id);
select ok(not pg_temp.barred(1), 'one agent is enough');
select throws_ok($$ update portal.town set bank_agents = 'three' where id = 1 $$, '23514', null, 'one or two');
update portal.town set bank_agents = 'two' where id = 1;
select ok(pg_temp.barred(1) and pg_temp.barred(2), 'now two are asked for');
select pg_temp.step(2, 'agreed', 'agent', ids[1]) from two;
select ok(pg_temp.barred(1) and not pg_temp.barred(2), 'one has agreed: the other one decides');
select is((portal.awaits_second(c)).by_id, ids[1], 'and is waited for') from portal.change_set c join s using (tenant, id) cross join two;
select throws_ok($$ update portal.change_set set state = 'accepted', decided_at = now(), decided_by = (select ids[1] from two) where id = (select id from s) $$,
    '23514', 'two agents accept an IBAN in this town', 'not the one alone, whoever writes');
select pg_temp.step(3, 'completed', 'family', 1);
select ok(pg_temp.barred(2), 'nobody stands for what has changed since');
select pg_temp.step(4, 'filed_more', 'agent', ids[2]) from two;
select ok(pg_temp.barred(2) and not pg_temp.barred(1), 'who completed it at the counter does');
update portal.change_item i set state = 'refused' from s where i.set_id = s.id;
select ok(not portal.gives_iban(c), 'what is refused gives none') from portal.change_set c join s using (tenant, id);
update portal.change_item i set state = 'accepted', asked = 'null' from s where i.set_id = s.id;
select ok(not portal.gives_iban(c), 'nor what takes it away') from portal.change_set c join s using (tenant, id);
update portal.agent set state = 'disabled' where tenant = 1 and id <> (select ids[2] from two);
select ok(not pg_temp.barred(2), 'the only agent is enough');
select throws_ok($$ select pg_temp.step(5, 'agreed', 'family', 1) $$, '23514', null, 'no family agrees');

select * from finish();
rollback;
