--
-- Codes abonné in lots: who gets one, what a job makes of an order, what is
-- printed and what is left of it.
--

begin;
select * from no_plan();

create function pg_temp.as_agent(role text, function text, input jsonb default '{}') returns jsonb language plpgsql as $$
declare
    v_result  jsonb;
    v_agent   text := (select min(id)::text from portal.agent a where a.tenant = 1 and a.role = as_agent.role);
begin
    perform portal.enter('saint-aubin', null, null, null, null, null, 1, 'test');
    perform set_config('portal.agent', v_agent, true), set_config('portal.role', role, true);
    execute format('select portal.%I($1)', function) into v_result using '{"_": {}}'::jsonb || input;
    return v_result;
end $$;

-- what nginx would bring
create function pg_temp.codes(n int) returns jsonb language sql volatile as $$
    select jsonb_agg(jsonb_build_object('id', gen_random_uuid(), 'mac', tap.mac('code' || random() || i),
                     'sealed', rpad('A', 60, 'A'))) from generate_series(1, n) i $$;
create function pg_temp.work(brought jsonb default null) returns jsonb language sql volatile as $$
    select tap.as_jobs('code_work', jsonb_build_object('every', 5, 'brought', brought))::jsonb $$;

-- who may
select throws_ok(format($$select pg_temp.as_agent('validator', %L)$$, f), 'PT403', null, 'not for validators: ' || f)
  from unnest(array['codes', 'order_codes', 'code_guardians', 'guardian_code', 'save_guardian_code', 'letters', 'print_letters', 'code_attempts']) f;
select throws_ok(format($$select tap.ask('saint-aubin', %L, '{}', account('camille.martin@exemple.fr'), family('104201'))$$, f), 'PT403', null, 'nor for families: ' || f)
  from unnest(array['codes', 'letters', 'print_letters']) f;

-- the copies: by one function, and only for an administrator
select pg_temp.as_agent('administrator', 'codes')->'counts'->>'to_print' as waiting,
       (select id from portal.letter_lot where tenant = 1) as lot \gset
select is((select count(*) from portal.letter_copies(:lot)), :waiting::bigint, 'an administrator''s copies');
select set_config('portal.role', 'administrator', true), set_config('portal.agent', (select min(id)::text from portal.agent where tenant = 1 and role = 'validator'), true);
select is((select count(*) from portal.letter_copies(:lot)), 0::bigint, 'whoever says they are one');
select set_config('portal.agent', '0', true);
select is((select count(*) from portal.letter_copies(:lot)), 0::bigint, 'nobody''s');
select throws_ok($$update portal.code set copy = 'x' where used_at is not null$$, '23514', null, 'a sealed copy is one');

-- the copy goes with the code's end, whoever writes that
update portal.code set revoked_at = now() where id = (select min(id) from portal.code where printable and tenant = 1);
select is((select count(*) from portal.code where tenant = 1 and revoked_at is not null and printable), 0::bigint, 'what is taken back has no copy');

-- an order
select is(pg_temp.work()->'bring', 'null', 'nothing to do');
select is(pg_temp.as_agent('administrator', 'order_codes', '{"step": "all"}')->>'status', '303', 'asked for');
select wanted as wanted from portal.code_order where ended_at is null \gset
select is(pg_temp.work(), '{"status": 200, "note": null, "more": true, "bring": {"town": "saint-aubin", "codes": 200}}', 'codes are to be brought, for that town');
select is(pg_temp.work(jsonb_build_object('town', 'beaulieu', 'codes', pg_temp.codes(3)))->'bring'->>'town', 'saint-aubin', 'those of another town are no use');
select is((select made from portal.code_order where ended_at is null), 0, 'and nothing is made of them');
select is(pg_temp.work(jsonb_build_object('town', 'saint-aubin', 'codes', pg_temp.codes(10)))->>'more', 'true', 'ten of them');
select is((select made from portal.code_order where ended_at is null), 10, 'are given');
select is((select size from portal.letter_lot order by id desc limit 1), 10, 'in a lot');
select is(pg_temp.work(jsonb_build_object('town', 'saint-aubin', 'codes', pg_temp.codes(200)))->>'note', format('saint-aubin %s codes', :wanted), 'the rest');
select is(pg_temp.as_agent('administrator', 'codes')->'order', 'null', 'it is done');
select is((select count(*) from portal.without_code(null, 0, null) join portal.guardian g on g.id = guardian_id and g.tenant = 1), 0::bigint, 'nobody lacks one');
select is((select count(*) from portal.code k where tenant = 1 and used_at is null and revoked_at is null and expires_at <= now()), 0::bigint, 'what had expired counts no more');
select is((select count(distinct lot_id) from portal.code where tenant = 1 and issued_at = now() and printable), 2::bigint, 'each in its lot');

-- what comes while it is under way counts: a code of one's own, a bar
select pg_temp.as_agent('administrator', 'save_guardian_code', jsonb_build_object('guardian', guardian('104217', 1), 'step', 'bar'));
select is((select count(*) from portal.code where guardian_id = guardian('104217', 1) and revoked_at is null), 0::bigint, 'barred: no code');
select is((select count(*) from portal.without_code(null, 0, null) where guardian_id = guardian('104217', 1)), 0::bigint, 'nor does it lack one');
select is(pg_temp.as_agent('administrator', 'save_guardian_code', jsonb_build_object('guardian', guardian('104217', 1), 'step', 'issue', 'issued', pg_temp.codes(1)->0))->'errors'->0->>'code', 'code_barred', 'none on request either');
select is((select count(*) from portal.code_bar where ended_at is null), 1::bigint, 'there is one bar');
select pg_temp.as_agent('administrator', 'save_guardian_code', jsonb_build_object('guardian', guardian('104217', 1), 'step', s)) from unnest('{bar,allow,allow}'::text[]) s;
select is((select count(*) filter (where ended_at is null) || ' ' || count(*) from portal.code_bar), '0 1', 'ended, and known as one that held');

-- one for one person
select is(pg_temp.as_agent('administrator', 'save_guardian_code', jsonb_build_object('guardian', guardian('20304', 1), 'step', 'issue', 'issued', pg_temp.codes(1)->0))->>'status', '404', 'not of another town');
select is(pg_temp.as_agent('administrator', 'save_guardian_code', jsonb_build_object('guardian', guardian('104201', 1), 'step', 'issue', 'issued', pg_temp.codes(1)->0))->'errors'->0->>'code', 'code_linked', 'not of who is connected');
select mac as before from portal.code where guardian_id = guardian('104203', 1) and used_at is null and revoked_at is null \gset
select is(pg_temp.as_agent('administrator', 'save_guardian_code', jsonb_build_object('guardian', guardian('104203', 1), 'step', 'issue', 'issued', pg_temp.codes(1)->0))->>'status', '303', 'issued');
select isnt((select revoked_at from portal.code where mac = :'before'), null, 'the one of before is taken back');
select is((select count(*) from portal.code where guardian_id = guardian('104203', 1) and used_at is null and revoked_at is null), 1::bigint, 'there is one');
select is((select expires_at from portal.code where guardian_id = guardian('104203', 1) and printable), ((portal.today() + 181)::timestamp at time zone 'Europe/Paris'), 'to the end of the last day');

update portal.guardian set email = (select a.email from portal.agent a where a.tenant = 1 and a.role = 'administrator' order by a.id limit 1) where id = guardian('104205', 2);
select is(pg_temp.as_agent('administrator', 'save_guardian_code', jsonb_build_object('guardian', guardian('104205', 1), 'step', s, 'issued', pg_temp.codes(1)->0))->'errors'->0->>'code', 'own_family', 'nobody does so for their own family: ' || s)
  from unnest(array['issue', 'bar', 'allow']) s;

-- printed
select max(number) as own from portal.letter_lot where tenant = 1 \gset
select is(jsonb_array_length(pg_temp.as_agent('administrator', 'letters', jsonb_build_object('lot', :own))->'letters'), 1, 'its letter');
select is(pg_temp.as_agent('administrator', 'print_letters', jsonb_build_object('lot', :own))->>'status', '303', 'printed');
select is(pg_temp.as_agent('administrator', 'print_letters', jsonb_build_object('lot', :own))->>'status', '303', 'again');
select is((select count(*) from portal.audit where action = 'print_letters'), 1::bigint, 'once');
select is(pg_temp.as_agent('administrator', 'letters', jsonb_build_object('lot', :own))->'letters', '[]', 'nothing is left to read');
select is((select portal.code_state(false, id, expires_at, printable) from portal.code where guardian_id = guardian('104203', 1) and revoked_at is null and used_at is null), 'printed', 'and the code is good');
select is(pg_temp.as_agent('administrator', 'letters', jsonb_build_object('lot', (select max(number) + 1 from portal.letter_lot where tenant = 1)))->>'status', '404', 'a lot that is none');

-- states
select results_eq($$ select portal.code_state(l, c, e, p) from (values (true, null::bigint, null::timestamptz, null::boolean), (false, null, null, null), (false, 1, now(), true), (false, 1, now() + interval '1 s', true), (false, 1, now() + interval '1 s', false)) x (l, c, e, p) $$,
    $$ values ('linked'), ('none'), ('expired'), ('to_print'), ('printed') $$, 'how far somebody is');

-- after 30 days
update portal.code set issued_at = now() - interval '31 days' where printable and tenant = 1;
select as_jobs('purge', '{"limit": 5000}');
select is((select count(*) from portal.code where printable and tenant = 1), 0::bigint, 'no copy is kept longer');
select is((select count(*) from portal.code k join portal.letter_lot l on l.tenant = k.tenant and l.id = k.lot_id where l.made_by is not null and l.printed_at is null and k.revoked_at is null and k.used_at is null and k.tenant = 1), 0::bigint, 'what nobody has read is no code any more');
select isnt((select count(*) from portal.code k where lot_id = :lot and revoked_at is null), 0::bigint, 'but where it was not made here');

-- a school that is called otherwise

select portal.enter('saint-aubin', null, null, null, null, null, 1, 'test');
create function pg_temp.lack(school text) returns bigint language sql as $$
    select count(*) from portal.without_code(school, 0, null) $$;
create temp table lacking on commit drop as
select pg_temp.lack('École Simone-Veil') as n, json_array_length(portal.code_schools()) as schools;
select ok(n > 0, 'some lack a code') from lacking;
insert into portal.school (tenant, name, others, rank) values (1, 'Groupe Veil', '{École Simone-Veil}', 1);
update portal.schooling set name = 'Groupe Veil' where tenant = 1 and name = 'École Simone-Veil' and child_id = (select min(child_id) from portal.schooling where tenant = 1);
select is(pg_temp.lack(s), n, 'they are of the school, however it is asked for: ' || s) from lacking, unnest('{Groupe Veil,École Simone-Veil}'::text[]) s;
select is(pg_temp.lack('Poudlard'), 0::bigint, 'and of no other');
select ok(json_array_length(portal.code_schools()) = schools and portal.code_schools()::text ~ 'Groupe Veil' and portal.code_schools()::text !~ 'Simone-Veil', 'it is one') from lacking;

-- lots, and lists of what is to be destroyed, are numbered by town, without a gap

select is((select string_agg(number::text, ' ' order by number) from portal.letter_lot where tenant = 2), '1', 'each town begins at 1');
select is((select string_agg(number::text, ' ' order by number) from portal.letter_lot where tenant = 1),
    (select string_agg(n::text, ' ' order by n) from portal.letter_lot l, generate_series(1, (select count(*) from portal.letter_lot where tenant = 1)) n
      where l.tenant = 1 and l.number = n), 'and goes on without one left out');
select max(number) as last from portal.letter_lot where tenant = 1 \gset
savepoint undone;
insert into portal.letter_lot (tenant, size) values (1, 1);
rollback to undone;
insert into portal.letter_lot (tenant, size) values (2, 1);
insert into portal.letter_lot (tenant, size) values (1, 1);
select is((select max(number) from portal.letter_lot where tenant = 1), :last + 1, 'what is undone, and another town''s, take none');
delete from portal.letter_lot where tenant = 1 and number = :last + 1;
insert into portal.letter_lot (tenant, size) values (1, 1);
select is((select max(number) from portal.letter_lot where tenant = 1), :last + 2, 'and none is given twice');
select is((select string_agg(number::text, ' ' order by number) from portal.letter_lot where tenant = 2), '1 2', 'there, too');

select * from finish();
rollback;
