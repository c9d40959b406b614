--
-- The counter: an agent asks for a guardian, and does not decide what they filed.
--

begin;
select * from no_plan();

select isnt(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->>'family', null, 'Camille is in');
select ok(portal.counter_guardian() is null and portal.counter_place() is null and portal.asking_account() = account('camille.martin@exemple.fr')
    and portal.asks_as() = 'family' and portal.asks_by() = portal.me(), 'who is logged in asks for themselves');
select throws_ok(format('select portal.%I(%L)', f, jsonb_build_object('family', family('104201')::text, 'asker', guardian('104201', 1)::text, 'identified', 'piece',
    'section', 'guardian_basic', 'guardian', guardian('104201', 1)::text)), 'PT403', 'not for them', f || ': not for a parent')
  from unnest(array['counter', 'counter_guardian_page', 'counter_form', 'counter_change']) f;
select ok(portal.at_counter(jsonb_build_object('family', family('104202')::text, 'asker', guardian('104202', 1)::text, 'identified', 'piece')) is null, 'a parent is at no counter');
select ok(portal.counter_guardian() is null and portal.my_family() = family('104201'), 'and gets nowhere by it');

select portal.enter('saint-aubin', null, null, null, null, null, 1, 'test'),
       set_config('portal.agent', (select min(id)::text from portal.agent where tenant = 1 and role = 'validator'), true), set_config('portal.role', 'reader', true);
create function pg_temp.there(more jsonb default '{}') returns jsonb language sql as $$
    select jsonb_build_object('family', family('104201')::text, 'asker', guardian('104201', 1)::text, 'identified', 'piece') || more $$;
select throws_ok(format('select portal.%I(pg_temp.there(%L))', f, '{"section": "guardian_basic", "upload": {}}'), 'PT403', 'not for them', f || ': not for a reader')
  from unnest(array['counter', 'counter_guardian_page', 'counter_form', 'counter_change', 'seal_place', 'store_upload']) f;
select set_config('portal.role', 'validator', true);
select is(portal.at_counter(pg_temp.there(w::jsonb))->>'status', '404', 'nobody is there: ' || w)
  from unnest(array['{"identified": "parole"}', '{"identified": null}', '{"asker": "0"}', '{"asker": "x"}', '{"family": "999999"}',
                    jsonb_build_object('asker', guardian('104202', 1)::text)::text]) w;
select ok(portal.my_family() is null and portal.counter_guardian() is null, 'nothing is set for that');
select ok(portal.at_counter(pg_temp.there()) is null, 'Camille is');
select results_eq('select portal.my_family(), portal.counter_guardian(), portal.counter_identified(), portal.asking_account(), portal.asks_as(), portal.asks_by()',
    $$ values (family('104201'), guardian('104201', 1), 'document'::text, account('camille.martin@exemple.fr'), 'agent'::text, portal.my_agent()) $$, 'for her, by the agent');
select ok(portal.me() is null, 'nobody is logged in as her');
select is(portal.counter_place(), '/familles/' || family('104201') || '/guichet/' || guardian('104201', 1) || '/piece', 'her pages');
select isnt((portal.subject('guardian_bank', jsonb_build_object('guardian', guardian('104201', 1)::text))).id, null, 'she may ask about her own account');
select is((portal.subject('guardian_bank', jsonb_build_object('guardian', guardian('104201', 2)::text))).id, null, 'not about another guardian''s');
select is((portal.subject('guardian_basic', jsonb_build_object('guardian', guardian('104202', 1)::text))).id, null, 'nor another family''s');

-- what is filed

select is(portal.ask_change(jsonb_build_object('section', 'guardian_basic', 'guardian', guardian('104201', 1)::text, 'employer', 'Guichet', '_', '{}'::jsonb))->>'notice', 'change_filed', 'filed');
create temp table filed as select * from portal.change_set order by id desc limit 1;
select results_eq('select state, filed_by, identified, asker_id, account_id from filed',
    $$ values ('sent'::text, portal.my_agent(), 'document'::text, guardian('104201', 1), account('camille.martin@exemple.fr')) $$, 'marked, and hers');
select results_eq('select event, by_kind, by_id from portal.change_event where set_id = (select id from filed)', $$ values ('filed'::text, 'agent'::text, portal.my_agent()) $$, 'its history says it');
select is((select template from portal.outbox order by created_at desc, id limit 1), 'change_filed', 'told by mail');
select ok((select portal.own_filing(f) from (select c.* from portal.change_set c join filed using (id)) f), 'another agent decides it');
select throws_ok($$ update portal.change_set set state = 'accepted', decided_at = now(), decided_by = filed_by where id = (select id from filed) $$, '23514', 'who filed a request does not decide it', 'whoever writes');
update portal.agent set state = 'disabled' where tenant = 1 and id <> portal.my_agent() and role <> 'reader';
select ok((select not portal.own_filing(f) from (select c.* from portal.change_set c join filed using (id)) f), 'a town with one agent has them decide');
select lives_ok($$ update portal.change_set set state = 'accepted', decided_at = now(), decided_by = filed_by where id = (select id from filed) $$, 'past the trigger, too');

-- what cannot be

select throws_ok($$ update portal.change_set set identified = 'seen' where id = (select id from filed) $$, '23514', null, 'one of four ways');
select throws_ok($$ update portal.change_set set identified = null where id = (select id from filed) $$, '23514', null, 'who filed it says how');
select throws_ok($$ insert into portal.change_event (tenant, set_id, version, event, by_kind, by_id) select 1, id, 9, 'filed', 'family', 1 from filed $$, '23514', null, 'no family files at the counter');
select throws_ok($$ insert into portal.upload (tenant, id, account_id, agent_id, section, field, kind, size, pieces)
    values (1, gen_random_uuid(), account('camille.martin@exemple.fr'), portal.my_agent(), 'guardian_tax', 'document', 'pdf', 1, 1) $$, '23514', null, 'a file has one sender');

-- a contact to begin with is of a child that the agent sees

create function pg_temp.child(name text) returns bigint language sql as $$
    select c.id from portal.child c join portal.child_family m on m.child_id = c.id where m.family_id = family('104201') and c.first_name = name $$;
create function pg_temp.copies() returns text language sql as $$
    select (select count(*) from json_array_elements(portal.contact_copies(pg_temp.child('Nina')))) || ' ' || (select count(*) from portal.contact k where k.family_id = portal.my_family()
            and k.child_id = pg_temp.child('Léo') and portal.copied_contact(pg_temp.child('Nina'), k.id::text) is not null) $$;
update portal.contact k set last_name = k.last_name || 'de-leo' where k.child_id = pg_temp.child('Léo');
update portal.schooling set name = 'École Jean-Macé' where child_id = pg_temp.child('Nina');
select is(pg_temp.copies(), '2 2', 'who is for all schools may copy the other child''s');
select set_config('portal.schools', '{École Simone-Veil,École Jean-Macé}', true);
select is(pg_temp.copies(), '2 2', 'and who is for both');
select set_config('portal.schools', '{École Jean-Macé}', true);
select is(pg_temp.copies(), '0 0', 'who is for this child''s school alone copies none of the other''s');
select ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'));
select is(pg_temp.copies(), '2 2', 'a parent does');

-- what was filed for who had no account is the account's that is connected then

select ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'));
create function pg_temp.open(number text, section text, mine boolean) returns bigint language sql as $$
    insert into portal.change_set (tenant, number, family_id, section, action, guardian_id, subject, account_id, asker_id, due_on, filed_at, filed_by, identified)
    select 1, tap.number(), family($1), section, 'change', guardian($1, 1), 'Essai', case when mine then portal.me() end, guardian($1, 1), current_date,
           case when not mine then now() end, case when not mine then (select min(id) from portal.agent where tenant = 1) end, case when not mine then 'known' end
    returning id $$;
create temp table waits on commit drop as
select pg_temp.open('104201', 'guardian_basic', true) as a, pg_temp.open('104204', 'guardian_address', true) as b,
       pg_temp.open('104204', 'guardian_basic', false) as one, pg_temp.open('104204', 'guardian_address', false) as two;
select lives_ok($$ select portal.adopt_requests(guardian('104204', 1)) $$, 'connected');
select is((select account_id from portal.change_set where id = one), portal.me(), 'also where they ask for the same in another family') from waits;
select is((select account_id from portal.change_set where id = two), null, 'but not beside their own about the same') from waits;

-- the next transaction

select portal.enter('saint-aubin', null, null, null, null, null, 1, 'test');
select ok(portal.counter_guardian() is null and portal.counter_identified() is null, 'who comes next is nobody''s agent');

select * from finish();
rollback;
