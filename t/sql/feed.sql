--
-- The way back: what is told of each kind of request, in which order, what an
-- answer does, and what it leaves alone.
--

begin;
select * from no_plan();

select isnt(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->>'family', null, 'Camille is in');

create function pg_temp.agent_is(p_role text) returns void language sql as $$
    select set_config('portal.account', '0', true), set_config('portal.family', '0', true), set_config('portal.role', p_role, true),
           set_config('portal.machine', '0', true),
           set_config('portal.agent', (select min(id)::text from portal.agent where tenant = 1 and role = p_role), true) $$;
create function pg_temp.machine_is(p_name text) returns void language sql as $$
    select set_config('portal.account', '0', true), set_config('portal.family', '0', true), set_config('portal.role', '', true),
           set_config('portal.agent', '0', true),
           set_config('portal.machine', (select id::text from portal.machine where name = p_name), true) $$;

select portal.make_machine('saint-aubin', 'Feed', tap.mac('feed'), '{feed,feed_sealed}');
select portal.make_machine('saint-aubin', 'Plain', tap.mac('plain'), '{feed}');
select portal.make_machine('saint-aubin', 'Import', tap.mac('import'), '{import}');
select throws_ok($$ select portal.make_machine('saint-aubin', 'Wrong', tap.mac('wrong'), '{feed_sealed}') $$, '23514', null,
    'what opens sealed values is a right beside the feed''s');
update portal.town set agent_decisions = 1000000, agent_readings = 1000000 where id = 1;

-- one request with these items, which an agent accepts; its id
create function pg_temp.accepted(p_section text, p_items jsonb, p_action text default 'change', p_who bigint default tap.guardian('104201', 1),
    p_family bigint default tap.family('104201')) returns bigint language plpgsql as $$
declare
    v_set   bigint;
    v_done  json;
begin
    insert into portal.change_set (tenant, number, family_id, section, action, guardian_id, subject, due_on)
    values (1, tap.number(), p_family, p_section, p_action, p_who, 'Essai', current_date)
    returning id into v_set;
    insert into portal.change_event (tenant, set_id, version, event, by_kind) values (1, v_set, 1, 'sent', 'family');
    insert into portal.change_item (tenant, set_id, field, old, asked)
    select 1, v_set, i.key, coalesce(portal.section_values(p_section, p_who)->i.key, 'null'), i.value from jsonb_each(p_items) i;
    perform pg_temp.agent_is('validator');
    v_done := portal.decide(jsonb_build_object('request', v_set::text, 'step', 'accept',
                  'version', portal.agent_request(jsonb_build_object('request', v_set::text))->>'version'));
    if (v_done->>'status')::int <> 303 then raise exception '%', v_done; end if;
    perform pg_temp.machine_is('Feed');
    return v_set;
end $$;
create function pg_temp.told(p_after bigint default 0) returns setof json language sql as $$
    select json_array_elements(portal.changes(jsonb_build_object('after', p_after::text))->'changes') $$;
create function pg_temp.answer(p_id bigint, p_state text, p_more jsonb default '{"reason": "Non."}') returns text language sql as $$
    select concat_ws(' ', a->>'status', a->>'state', a->>'code')
      from json_array_elements(portal.acknowledge_changes(jsonb_build_object('changes', jsonb_build_array(
               jsonb_build_object('id', p_id, 'state', p_state) || p_more)))->'changes') a $$;
create function pg_temp.change_of(p_set bigint, p_field text) returns bigint language sql as $$
    select max(id) from portal.change where set_id = p_set and field is not distinct from p_field $$;


-- who may

select pg_temp.machine_is('Import');
select throws_ok($$ select portal.changes('{}') $$, 'PT403', null, 'another right reads nothing');
select throws_ok($$ select portal.acknowledge_changes('{"changes": []}') $$, 'PT403', null, 'and answers nothing');
select pg_temp.agent_is('administrator');
select throws_ok($$ select portal.changes('{}') $$, 'PT403', null, 'nor does an agent');
select pg_temp.agent_is('reader');
select throws_ok($$ select portal.copied('{"change": 1}') $$, 'PT403', null, 'a reader copies nothing');
select throws_ok($$ select portal.copies('{}') $$, 'PT403', null, 'and has no list of it');
select pg_temp.machine_is('Feed');
select throws_ok($$ select portal.copies('{}') $$, 'PT403', null, 'nor has a machine');


-- what is told

create temp table sets as select pg_temp.accepted('guardian_basic', '{"profession": "Pilote", "employer": "Air"}') as one;
select results_eq($$ select c->>'field' || ' ' || (c->>'new') || ' ' || (c->>'decided_by') from pg_temp.told() c $$,
    $$ values ('profession Pilote validator'), ('employer Air validator') $$, 'each field, in the order of the pages');
select is((select count(distinct position) from portal.change where position is not null)::int, 2, 'each has a place');
select results_eq('select (c->>''cursor'')::bigint from pg_temp.told() c', 'select position from portal.change order by position', 'which stays');

-- an undecided rest, a partial acceptance
alter table sets add part bigint, add add_child bigint, add gone bigint, add third bigint;
update sets set part = pg_temp.accepted('guardian_basic', '{"birth_place": "Lyon"}');
select is((select count(*) from pg_temp.told((select max(position) - 1 from portal.change)) c where c->>'field' = 'birth_place'), 1::bigint, 'the next');

-- the numbers go on where the last rows are gone
create temp table last as select max(position) as at from portal.change;
delete from portal.change where set_id = (select part from sets);
update sets set part = pg_temp.accepted('guardian_basic', '{"birth_place": "Nice"}');
select ok((select (c->>'cursor')::bigint > (select at from last) from pg_temp.told((select at from last)) c), 'a place is never given again');


-- answers

select is(pg_temp.answer(pg_temp.change_of((select one from sets), 'profession'), 'rejected'), '200 rejected', 'rejected');
select is(pg_temp.answer(pg_temp.change_of((select one from sets), 'profession'), 'rejected'), '200 rejected', 'again');
select is(pg_temp.answer(pg_temp.change_of((select one from sets), 'profession'), 'recorded'), '409 rejected answered_otherwise', 'otherwise');
select is(pg_temp.answer(pg_temp.change_of((select one from sets), 'employer'), 'recorded'), '200 recorded', 'the other is recorded');
select results_eq($$ select field, acknowledged_at is not null from portal.change_item where set_id = (select one from sets) order by field $$,
    $$ values ('employer', true), ('profession', false) $$, 'which alone is acknowledged');
select is((select string_agg(state, ' ' order by id) from portal.change where set_id = (select part from sets)), 'open', 'nothing else is touched');

-- another town's change is none
select is((select a->>'status' from json_array_elements(portal.acknowledge_changes('{"changes": [{"id": 999999999, "state": "recorded"}]}')->'changes') a),
    '404', 'what is not there');
set local portal.tenant = '2';
set local role portal_api;
select is((select count(*) from portal.change), 0::bigint, 'nothing of another town''s is seen');
reset role;
set local portal.tenant = '1';

-- a later one of the same settles what was rejected: it counts, and is not offered again
update sets set third = pg_temp.accepted('guardian_basic', '{"profession": "Pilote de ligne"}');
select is((select state from portal.change where id = pg_temp.change_of((select one from sets), 'profession')), 'superseded', 'the earlier one is no matter any more');
select is((select count(*) from portal.change_item where field = 'profession' and state = 'accepted' and acknowledged_at is null
             and set_id in ((select one from sets), (select third from sets))), 2::bigint, 'imports still hold it');
select is(pg_temp.answer(pg_temp.change_of((select third from sets), 'profession'), 'recorded'), '200 recorded', 'the later value is recorded');
select is((select count(*) from portal.change_item where field = 'profession' and state = 'accepted' and acknowledged_at is null
             and set_id in ((select one from sets), (select third from sets))), 0::bigint, 'and imports are free again');

-- rejected when a later one is on its way
create temp table two as select pg_temp.accepted('guardian_basic', '{"birth_name": "Un"}') as first, 0::bigint as second;
update two set second = pg_temp.accepted('guardian_basic', '{"birth_name": "Deux"}');
select is(pg_temp.answer(pg_temp.change_of((select first from two), 'birth_name'), 'rejected'), '200 superseded', 'the first is not for agents to look after');
select is(pg_temp.answer(pg_temp.change_of((select first from two), 'birth_name'), 'rejected'), '200 superseded', 'again');
select is((select acknowledged_at from portal.change_item where set_id = (select first from two)), null, 'held, as the second is');
select is(pg_temp.answer(pg_temp.change_of((select second from two), 'birth_name'), 'recorded'), '200 recorded', 'the second is recorded');
select isnt((select acknowledged_at from portal.change_item where set_id = (select first from two)), null, 'neither is held any more');
create temp table back as select pg_temp.accepted('guardian_basic', '{"birth_name": "Trois"}') as first, 0::bigint as second;
update back set second = pg_temp.accepted('guardian_basic', '{"birth_name": "Quatre"}');
select is(pg_temp.answer(pg_temp.change_of((select second from back), 'birth_name'), 'recorded'), '200 recorded', 'the second first');
select is(pg_temp.answer(pg_temp.change_of((select first from back), 'birth_name'), 'rejected'), '200 superseded', 'then the first is rejected');
select isnt((select acknowledged_at from portal.change_item where set_id = (select first from back)), null, 'and not held');

-- an external id is a machine's to give once, to the guardian and the child
select is(portal.put_external_id('contact', 1, 'x'), 'no_external_id', 'a contact has none');
select is(portal.put_external_id('guardian', 999999, 'x'), 'person_gone', 'nobody');
select is(portal.put_external_id('guardian', tap.guardian('104201', 2), (select external_id from portal.guardian g where g.external_id is not null
              and g.tenant = 1 and g.id <> tap.guardian('104201', 2) limit 1)),
          case when (select external_id from portal.guardian where id = tap.guardian('104201', 2)) is null then 'external_id_taken' else 'external_id_other' end,
          'another''s is refused');


-- imports

create temp table held as select pg_temp.accepted('guardian_basic', '{"phone_work": "+33139980177"}') as id;
update portal.change_item set acknowledged_at = now() where set_id = (select id from held);
select is((select state || ' ' || settled_kind || ' ' || coalesce(answered, '-') from portal.change where set_id = (select id from held)),
    'recorded import -', 'what an import has brought is over');
select is(pg_temp.answer(pg_temp.change_of((select id from held), 'phone_work'), 'recorded'), '200 recorded', 'the machine says so too');
select is(pg_temp.answer(pg_temp.change_of((select id from held), 'phone_work'), 'rejected'), '409 recorded answered_otherwise', 'or else it is late');

-- an addition is over when all that came with it is there
create temp table added as select pg_temp.accepted('guardian_basic', '{"last_name": "Neuf", "first_name": "Nadia", "link": "guardian"}', 'add', null) as id;
update portal.change_item set acknowledged_at = now() where set_id = (select id from added) and field = 'link';
select is((select state from portal.change where set_id = (select id from added)), 'open', 'not with the first of its fields');
update portal.change_item set acknowledged_at = now() where set_id = (select id from added) and acknowledged_at is null;
select is((select state from portal.change where set_id = (select id from added)), 'recorded', 'but with the last');


-- how long

create temp table old as select pg_temp.accepted('guardian_basic', '{"birth_name": "Vieux"}') as id, pg_temp.accepted('guardian_basic', '{"phone_home": "+33139980178"}') as done;
select is(pg_temp.answer(pg_temp.change_of((select done from old), 'phone_home'), 'recorded'), '200 recorded', 'one is recorded');
update portal.change_set set updated_at = now() - make_interval(days => (select keep_request from portal.town where id = 1) + 1)
 where id in ((select id from old), (select done from old));
select is(portal.erase_traces('change_set', t, 100), 1, 'a request goes in its time') from portal.town t where t.id = 1;
select is((select count(*) from portal.change_set where id = (select id from old)), 1::bigint, 'not one that the software has not got');
update portal.change_set set updated_at = now() - make_interval(days => 2 * (select keep_request from portal.town where id = 1) + 1)
 where id = (select id from old);
select is(portal.erase_traces('change_set', t, 100), 1, 'nor for ever') from portal.town t where t.id = 1;
select is((select count(*) from portal.change where set_id = (select id from old)), 0::bigint, 'its change goes along');


-- nothing of it is written by others

select is_empty($$ select p.name from unnest(array['insert', 'update', 'delete']) p (name)
     where has_table_privilege('portal_web', 'portal.change', p.name) or has_table_privilege('portal_jobs', 'portal.change', p.name)
        or has_table_privilege('portal_api', 'portal.change', 'delete') $$, 'nobody takes a change back');

-- number and street are one column of BL.enfance's

select pg_temp.agent_is('validator');
update portal.address set street_number = '7', repetition = 'bis', street = 'rue Haute', complement = null where guardian_id = tap.guardian('104201', 1);
create temp table moved on commit drop as select pg_temp.accepted('guardian_address', '{"street_number": "9", "repetition": null, "complement": "Étage 3"}') as id;
select is((select string_agg(concat_ws(' ', c.field, portal.bl_cells(s, portal.change_document(c, s, false))), ', ' order by c.id)
    from portal.change c join portal.change_set s on s.id = c.set_id where c.set_id = (select id from moved)),
    'street_number { "adrNumeroVoie" : "9 rue Haute" }, repetition { "adrNumeroVoie" : "9 rue Haute" }, complement {}',
    'the whole line with each of its parts');

select * from finish();
rollback;
