--
-- Requests: constraints, what is compared, what a town's policy does, who may
-- decide.
--

begin;
select * from no_plan();

select isnt(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->>'family', null, 'Camille is in');

create function pg_temp.put(what jsonb default '{}') returns bigint language sql as $$
    insert into portal.change_set (tenant, number, family_id, section, action, guardian_id, subject, account_id, due_on,
                                   state, reason, taken_by, decided_at)
    select 1, coalesce(what->>'number', tap.number()), family('104201'),
           'guardian_address', 'change', guardian('104201', 1), 'Essai', account('camille.martin@exemple.fr'), current_date,
           coalesce(what->>'state', 'sent'), what->>'reason', (what->>'taken_by')::bigint,
           (what->>'decided_at')::timestamptz
    returning id $$;

-- constraints

select lives_ok('select pg_temp.put()', 'a request');
select throws_ok('select pg_temp.put()', '23505', null, 'one open request of a person about a thing');
select lives_ok($$ select pg_temp.put('{"state": "withdrawn"}') $$, 'what is over is not in its way');
select throws_ok($$ select pg_temp.put('{"state": "refused", "decided_at": "2026-01-01"}') $$, '23514', null, 'a refusal has its reason');
select throws_ok($$ select pg_temp.put('{"state": "accepted"}') $$, '23514', null, 'a decision its day');
select throws_ok($$ select pg_temp.put('{"state": "withdrawn", "decided_at": "2026-01-01"}') $$, '23514', null, 'and nothing else has one');
select throws_ok($$ select pg_temp.put('{"state": "withdrawn", "number": "12"}') $$, '23514', null, 'a number has its form');
select lives_ok($$ select pg_temp.put('{"state": "withdrawn", "number": "2026-0000001"}') $$, 'a number');
select throws_ok($$ select pg_temp.put('{"state": "withdrawn", "number": "2026-0000001"}') $$, '23505', null, 'is one request''s');
select throws_ok($$ insert into portal.change_item (tenant, set_id, field, old, asked) select 1, max(id), 'street', '{}', '"x"' from portal.change_set $$, '23514', null, 'a value is a text, a number or nothing');
select throws_ok($$ insert into portal.change_item (tenant, set_id, field, old, asked) select 2, max(id), 'street', 'null', '"x"' from portal.change_set $$, '23503', null, 'a field is of its request''s town');
select throws_ok($$ insert into portal.field_policy values (1, 'guardian_basic', 'email', 'secret') $$, '23514', null, 'a policy is one of four');
select throws_ok($$ insert into portal.refusal values (1, 'x', 1, 'refused', '{"en": "x"}') $$, '23514', null, 'ready words are there in French');

-- the list of fields

select is_empty($$ select f.section, f.name from portal.field f, lateral portal.field_policies(f.section) p where p.name = f.name and p.policy <> f.policy $$, 'without a word of the town the file''s policy holds');
insert into portal.field_policy values (1, 'guardian_address', 'street', 'editable'), (1, 'guardian_address', 'complement', 'required'), (1, 'guardian_basic', 'gone', 'hidden');
select is((select policy from portal.field_policies('guardian_address') where name = 'street'), 'required', 'what the file cannot be without stays required');
select is((select policy from portal.field_policies('guardian_address') where name = 'complement'), 'required', 'the town asks for more');
select is_empty($$ select 1 from portal.field_policies('guardian_basic') where name = 'gone' $$, 'a row of no field counts for nothing');
select is_empty($$ select s.name from portal.section s where not exists (select from portal.visibility v where v.field_group = s.field_group) $$, 'each section has a group of the table of visibility');
select is_empty($$ select f.section, f.name from portal.field f where f.name not like 'own\_%' and portal.section_values(f.section, case when f.section like 'guardian%' then guardian('104201', 1) when f.section = 'child_contact' then (select min(k.id) from portal.contact k where k.tenant = 1) else (select min(c.id) from portal.child c where c.tenant = 1) end) ? f.name is not true $$, 'each field has a value, if only none; one of the town''s own authorisations when it is on the list');

-- values are compared

select ok(portal.same('"a"', null, '"a"', null), 'the same text');
select ok(not portal.same('"a"', null, '"A"', null), 'another');
select ok(portal.same('null', null, null, null), 'nothing is nothing');
select ok(not portal.same('null', null, '"a"', null), 'and not something');
select ok(portal.same('"x"', decode(mac('v'), 'hex'), '"y"', decode(mac('v'), 'hex')), 'sealed: by their MACs');
select ok(not portal.same('"x"', decode(mac('v'), 'hex'), '"x"', decode(mac('w'), 'hex')), 'not by their ciphertexts');

-- numbers say nothing of how many there are

select ok((select count(distinct left(number, 6)) > 1 from (select (portal.new_request('guardian_basic', 'add', null, null, null, 'X', null, null)).number from generate_series(1, 40)) n), 'numbers do not follow one another');

-- who may decide

select throws_ok($$ select portal.decide('{"request": "1", "step": "accept"}') $$, 'PT403', null, 'a citizen decides nothing');
select throws_ok($$ select portal.queue('{}') $$, 'PT403', null, 'nor sees the queue');
select throws_ok($$ select portal.agent_request('{"request": "1"}') $$, 'PT403', null, 'nor a request as agents do');
select set_config('portal.account', '0', true), set_config('portal.agent', (select min(id)::text from portal.agent where tenant = 1), true), set_config('portal.role', 'reader', true);
select throws_ok($$ select portal.decide('{"request": "1", "step": "accept"}') $$, 'PT403', null, 'a reader decides nothing');
select is(portal.queue('{}')->>'status', '200', 'and sees the queue');
select is(portal.agent_request(jsonb_build_object('request', (select max(id)::text from portal.change_set))) ->> 'decides', 'false', 'and each request');
select set_config('portal.role', 'validator', true);
select is(portal.decide('{"request": "999999", "step": "accept", "version": "x"}')->>'status', '404', 'no such request');

select * from finish();
rollback;
