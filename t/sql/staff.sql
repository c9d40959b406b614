--
-- Families as the town's staff finds them: what a text means, and whose it is.
--

begin;
select * from no_plan();

select is(portal.search_key(t), k::jsonb, 'what is meant by ' || t) from (values
    ('Martin', '{"names": "MARTIN", "number": null}'),
    ('  d’Hérouville', '{"names": "DHEROUVILLE", "number": null}'),
    ('%_', '{"names": null, "number": null}'),
    ('104 201', '{"number": "104201", "phone": null}'),
    ('10420', '{"number": "10420", "phone": null}'),
    ('A-12', '{"names": "A12", "number": "A-12"}'),
    ('06 39 98 00 26', '{"number": "0639980026", "phone": "+33639980026"}'),
    ('+33 6.39.98', '{"number": "+336.39.98", "phone": "+3363998"}'),
    ('0032 2 123', '{"number": "00322123", "phone": "+322123"}'),
    ('Camille@', '{"email": "camille@"}')) as x (t, k);

select ok('MARTINZ' >= 'MARTIN' and 'MARTINZ' < portal.begun('MARTIN') and not 'MARTIO' < portal.begun('MARTIN'), 'the end of a beginning');

-- nobody but an agent

select throws_ok(format('select ask(%L, %L, %L)', 'saint-aubin', f, '{"search": "Martin", "family": "1", "child": "1", "guardian": "1"}'), 'PT403', 'not for them', f || ': not for nobody')
  from unnest(array['search_families', 'agent_family', 'agent_health', 'agent_tax', 'agent_child_photo']) f;
select throws_ok(format('select ask(%L, %L, %L, account(%L))', 'saint-aubin', f, '{"search": "Martin", "family": "1", "child": "1", "guardian": "1"}', 'camille.martin@exemple.fr'), 'PT403', 'not for them', f || ': nor for a parent')
  from unnest(array['search_families', 'agent_family', 'agent_health', 'agent_tax', 'agent_child_photo']) f;

-- their own family's file names it, and opens nothing that is sealed

create function pg_temp.as_agent(function text, input jsonb) returns jsonb language plpgsql as $$
declare
    v_result  jsonb;
begin
    perform portal.enter('saint-aubin', null, null, null, null, null, 1, 'test');
    perform set_config('portal.agent', (select min(id)::text from portal.agent where tenant = 1 and role = 'validator'), true), set_config('portal.role', 'validator', true);
    execute format('select portal.%I($1)', function) into v_result using '{"_": {}}'::jsonb || input;
    return v_result;
end $$;
create function pg_temp.opens() returns text language sql as $$
    select string_agg(f || ' ' || coalesce(pg_temp.as_agent(f, jsonb_build_object('family', family('104202'), 'guardian', guardian('104202', 1), 'child', (select m.child_id from portal.child_family m where m.family_id = family('104202') and exists (select from portal.child_family o where o.child_id = m.child_id and o.family_id = family('104203')) limit 1))) #>> '{errors,0,code}', 'ok'), ', ' order by f)
      from unnest('{agent_health,agent_iban,agent_tax}'::text[]) f $$;
create function pg_temp.leads() returns text language sql as $$
    select concat_ws(', ', f #>> '{guardians,0,tax_page}', f #>> '{guardians,0,iban_page}', f #>> '{children,0,health_page}')
      from pg_temp.as_agent('agent_family', jsonb_build_object('family', family('104202'))) f $$;
insert into portal.bank (tenant, guardian_id, family_id, holder, iban, iban_mac, iban_last4)
select 1, guardian('104202', 1), family('104202'), 'X', b.iban, b.iban_mac, b.iban_last4 from portal.bank b where b.tenant = 1 limit 1
on conflict do nothing;

select is(pg_temp.opens(), 'agent_health ok, agent_iban step_up_needed, agent_tax ok', 'a family''s');
select alike(pg_temp.leads(), '%/fiscales, %/iban, %/sante', 'it leads there');
select is(count(*), 0::bigint, 'nobody was refused') from portal.audit where outcome = 'own_family';
update portal.guardian set email = (select email from portal.agent where id = (select min(id) from portal.agent where tenant = 1 and role = 'validator')) where id = guardian('104203', 1);
select is(pg_temp.opens(), 'agent_health own_family, agent_iban own_family, agent_tax own_family', 'T202 not the other household of their child');
select is(pg_temp.leads(), '', 'T202 nothing leads there');
select bag_eq($$select action || ' ' || object from portal.audit where outcome = 'own_family'$$, array['read_health child', 'read_iban guardian', 'read_tax guardian'], 'T202 the audit has each');
update portal.guardian set email = (select email from portal.agent where id = (select min(id) from portal.agent where tenant = 1 and role = 'validator')) where id = guardian('104202', 1);
update portal.guardian set email = null where id = guardian('104203', 1);
select is(pg_temp.opens(), 'agent_health own_family, agent_iban own_family, agent_tax own_family', 'T202 nor their own');

select * from finish();
rollback;
