--
-- Sections with sealed fields: tax, bank and health, as their functions see
-- them.  What is sealed here is any text of that form.
--

begin;
select * from no_plan();

create function pg_temp.me() returns bigint language sql as $$ select tap.account('camille.martin@exemple.fr') $$;
create function pg_temp.ask(function text, input jsonb) returns jsonb language sql as $$
    select tap.ask('saint-aubin', $1, $2, pg_temp.me(), tap.family('104201')) $$;
-- as nginx sends it
create function pg_temp.sealed(value text, hint text default null) returns jsonb language sql as $$
    select jsonb_strip_nulls(jsonb_build_object('sealed', rpad(md5(random()::text), 60, 'A'), 'mac', tap.mac($1), 'hint', $2)) $$;
create function pg_temp.child(name text) returns bigint language sql as $$ select id from portal.child where first_name = $1 and tenant = 1 $$;
create function pg_temp.set() returns portal.change_set language sql as $$ select c from portal.change_set c order by id desc limit 1 $$;
create function pg_temp.fields() returns text language sql as $$
    select string_agg(field, ' ' order by field) from portal.change_item where set_id = (pg_temp.set()).id $$;
create function pg_temp.accept() returns void language plpgsql as $$
begin
    update portal.change_item set state = 'accepted' where set_id = (pg_temp.set()).id;
    set local role portal_api;
    perform portal.change_apply(pg_temp.set());
    perform portal.change_step((pg_temp.set()).id, 'accepted', 'accepted', 'town', null);
    reset role;
end
$$;
create function pg_temp.bank(more jsonb) returns jsonb language sql as $$
    select pg_temp.ask('ask_change', jsonb_build_object('section', 'guardian_bank', 'guardian', tap.guardian('104201', 1)::text) || $1) $$;
create function pg_temp.health(more jsonb) returns jsonb language sql as $$
    select pg_temp.ask('ask_change', jsonb_build_object('section', 'child_health', 'child', pg_temp.child('Léo')::text) || $1) $$;
create function pg_temp.code(answer jsonb) returns text language sql as $$ select $1->'errors'->0->>'field' || ':' || ($1->'errors'->0->>'code') $$;


-- whose place

select is(pg_temp.ask('seal_place', jsonb_build_object('section', 'guardian_bank', 'guardian', g.id::text)),
          jsonb_build_object('status', 200, 'kind', 'guardian', 'id', g.seal_id), 'one''s own')
  from portal.guardian g where g.id = guardian('104201', 1);
select is(pg_temp.ask('seal_place', jsonb_build_object('section', 'child_health', 'child', c.id::text)),
          jsonb_build_object('status', 200, 'kind', 'child', 'id', c.seal_id), 'a child of the family')
  from portal.child c where c.id = pg_temp.child('Léo');
select is(pg_temp.ask('seal_place', x.input)->>'status', '404', 'nobody else''s: ' || x.input::text)
  from (values (jsonb_build_object('section', 'guardian_bank', 'guardian', guardian('104201', 2)::text)),
               (jsonb_build_object('section', 'guardian_tax', 'guardian', guardian('104201', 2)::text)),
               (jsonb_build_object('section', 'guardian_tax', 'guardian', guardian('104207', 1)::text)),
               (jsonb_build_object('section', 'child_health', 'child', pg_temp.child('Mariam')::text)),
               ('{"section": "child_health", "child": "x"}'), ('{"section": "child_health"}'),
               ('{"section": "nothing", "child": "1"}'), ('{}')) x (input);
select is(ask('saint-aubin', 'seal_place', jsonb_build_object('section', 'guardian_tax', 'guardian', guardian('104201', 1)::text), account('ines.faure@exemple.fr'))->>'status',
          '404', 'nor for an account without a family');


-- tax

select is(pg_temp.ask('ask_change', jsonb_build_object('section', 'guardian_tax', 'guardian', guardian('104201', 1)::text,
              'caf_number', pg_temp.sealed('c'), 'tax_number', pg_temp.sealed('t'), 'shares', '3.5'))->>'status', '303', 'tax is asked for');
select pg_temp.accept();
select is(row(encode(caf_mac, 'hex'), encode(tax_number_mac, 'hex'), shares)::text, row(mac('c'), mac('t'), 3.5::numeric(4, 2))::text, 'accepted, with its MACs')
  from portal.tax where guardian_id = guardian('104201', 1);
select is(pg_temp.code(pg_temp.ask('ask_change', jsonb_build_object('section', 'guardian_tax', 'guardian', guardian('104201', 1)::text,
              'tax_number', pg_temp.sealed('t')))), ':nothing_asked', 'another ciphertext of the same is nothing');

delete from portal.tax where guardian_id = guardian('104201', 1);
select is(pg_temp.ask('ask_change', jsonb_build_object('section', 'guardian_tax', 'guardian', guardian('104201', 1)::text, 'quotient', 12))->>'status',
          '303', 'who had none');
select pg_temp.accept();
select is(row(quotient, tax_number is null, family_id)::text, row(12, true, family('104201'))::text, 'has a row') from portal.tax where guardian_id = guardian('104201', 1);


-- the account and its mandate

delete from portal.bank where guardian_id = guardian('104201', 1);
select is(pg_temp.code(pg_temp.bank(jsonb_build_object('iban', pg_temp.sealed('one', '1111'), 'mandate', 'yes'))), 'holder:required', 'a holder');
select is(pg_temp.code(pg_temp.bank(jsonb_build_object('holder', 'C', 'mandate', 'yes'))), 'iban:required', 'an account');
select is(pg_temp.code(pg_temp.bank(jsonb_build_object('holder', 'C', 'iban', null, 'mandate', 'yes'))), 'iban:required', 'not an empty one');
select is(pg_temp.code(pg_temp.bank(jsonb_build_object('holder', 'C', 'iban', pg_temp.sealed('one', '1111')) || x.answer)), x.code, 'a mandate: ' || x.answer::text)
  from (values ('{}'::jsonb, 'mandate:required'), ('{"mandate": "unanswered"}', 'mandate:required'),
               ('{"mandate": null}', 'mandate:required'), ('{"mandate": "no"}', 'mandate:mandate_needed')) x (answer, code);
select is(count(*)::int, 0, 'nothing was stored') from portal.change_set where section = 'guardian_bank';

select is(pg_temp.bank(jsonb_build_object('holder', 'C', 'iban', pg_temp.sealed('one', '1111'), 'mandate', 'yes'))->>'status', '303', 'asked for');
select is(pg_temp.fields(), 'holder iban mandate', 'all three');
select is(pg_temp.code(pg_temp.bank(jsonb_build_object('iban', pg_temp.sealed('two', '2222')))), 'mandate:required', 'the agreement is not carried over to another account');
select is(pg_temp.bank('{"iban": null, "bic": "PSSTFRPP"}')->>'status', '303', 'left empty');
select is(pg_temp.fields(), 'bic holder iban mandate', 'the account asked for stays');
select is(count(*)::int, 1, 'and its owner is warned once') from portal.outbox where template = 'change_iban';
select is(pg_temp.bank(jsonb_build_object('iban', pg_temp.sealed('two', '2222'), 'mandate', 'yes'))->>'status', '303', 'another one');
select is(count(*)::int, 2, 'is another warning') from portal.outbox where template = 'change_iban';
select is(pg_temp.ask('section_form', jsonb_build_object('section', 'guardian_bank', 'guardian', guardian('104201', 1)::text))->'values'->'iban', 'null', 'the form does not get it back');
select is(pg_temp.ask('section_form', jsonb_build_object('section', 'guardian_bank', 'guardian', guardian('104201', 1)::text))->'policy'->>'iban', 'editable', 'and may leave it empty');
select is(count(*)::int, 0, 'nor does the list of requests')
  from portal.change_item i, lateral (select pg_temp.ask('my_requests', '{}')::text as list offset 0) r
 where i.field = 'iban' and position(i.asked #>> '{}' in r.list) > 0;

select pg_temp.accept();
create temp table first on commit drop as select * from portal.bank where guardian_id = guardian('104201', 1);
select is(row(holder, iban_last4, bic, mandate_date, encode(iban_mac, 'hex'))::text, row('C', '2222', null::text, current_date, mac('two'))::text, 'accepted, without the BIC of the account before') from first;
select matches(mandate_reference, '^[A-Z0-9-]{1,35}$', 'the mandate has a reference') from first;

-- later
update portal.bank set mandate_date = current_date - 400 where guardian_id = guardian('104201', 1);
select is(pg_temp.code(pg_temp.bank(jsonb_build_object('iban', pg_temp.sealed('two', '2222'), 'mandate', 'yes'))), ':nothing_asked', 'the same account, agreed to already');
select is(pg_temp.bank('{"holder": "D"}')->>'status', '303', 'the holder');
select pg_temp.accept();
select is(row(b.holder, b.mandate_reference, b.mandate_date)::text, row('D', f.mandate_reference, current_date - 400)::text, 'leaves the mandate')
  from portal.bank b join first f using (tenant, guardian_id);
select is(pg_temp.bank(jsonb_build_object('iban', pg_temp.sealed('three', '3333'), 'mandate', 'yes'))->>'status', '303', 'a third account');
select is(pg_temp.fields(), 'iban mandate', 'takes a new one');
select pg_temp.accept();
select is(row(b.iban_last4, b.mandate_date, b.mandate_reference <> f.mandate_reference)::text, row('3333', current_date, true)::text, 'with another reference')
  from portal.bank b join first f using (tenant, guardian_id);
select is(count(distinct r)::int, 1000, 'references differ') from (select portal.new_mandate() as r from generate_series(1, 1000)) x;

-- a mandate that the town does not ask for
insert into portal.field_policy (tenant, section, field, policy) values (1, 'guardian_bank', 'mandate', 'hidden');
select is(pg_temp.bank(jsonb_build_object('iban', pg_temp.sealed('four', '4444')))->>'status', '303', 'a town without direct debits');
select is(pg_temp.fields(), 'iban', 'asks for none');
select is(pg_temp.code(pg_temp.bank('{"mandate": "yes"}')), 'mandate:unknown_field', 'and takes none');


-- who is warned

create function pg_temp.left() returns text language sql as $$ select l.email::text from portal.account a, portal.left_address(a) l where a.id = pg_temp.me() $$;
select is(pg_temp.left(), null, 'an address that did not change');
insert into portal.token (tenant, mac, purpose, account_id, epoch, created_at, expires_at, email, email_mac)
select 1, decode(mac(x.email || x.days), 'hex'), 'undo', pg_temp.me(), 1, now() - x.days * interval '1 day', now() + interval '1 day', x.email, decode(mac(x.email), 'hex')
  from (values ('long-ago@exemple.fr', 31)) x (email, days);
select is(pg_temp.left(), null, 'one of more than 30 days ago');
insert into portal.token (tenant, mac, purpose, account_id, epoch, created_at, expires_at, email, email_mac)
select 1, decode(mac(x.email || x.days), 'hex'), 'undo', pg_temp.me(), 1, now() - x.days * interval '1 day', now() + interval '1 day', x.email,
       case when x.days = 3 then (select email_mac from portal.account where id = pg_temp.me()) else decode(mac(x.email), 'hex') end
  from (values ('own@exemple.fr', 29), ('thief@exemple.fr', 1), ('asked-only@exemple.fr', 3)) x (email, days);
select is(pg_temp.left(), 'own@exemple.fr', 'the first one of the last 30 days');
update portal.token set used_at = now() where email = 'own@exemple.fr';
select is(pg_temp.left(), 'thief@exemple.fr', 'but one that was given back');


-- health

create function pg_temp.born(day date) returns text language plpgsql as $$
begin
    update portal.child set birth_date = day where id = pg_temp.child('Léo');
    return portal.vaccines_for(pg_temp.child('Léo'));
end
$$;
select is(pg_temp.born('2017-12-31'), 'dtp', 'born before 2018');
select is(pg_temp.born('2018-01-01'), 'eleven', 'from 2018');
select is(pg_temp.born('2024-12-31'), 'eleven', 'until 2024');
select is(pg_temp.born('2025-01-01'), 'acwy_b', 'from 2025');

select is(portal.urgent(x.section, jsonb_build_array(jsonb_build_object('field', x.field))), x.wanted, 'urgent? ' || x.section || ' ' || x.field)
  from (values ('child_health', 'allergies', true), ('child_health', 'allergy_action', true), ('child_health', 'treatment', true),
               ('child_health', 'pai', true), ('child_health', 'pai_end', true), ('child_health', 'notes', false),
               ('child_health', 'swims', false), ('guardian_bank', 'iban', false)) x (section, field, wanted);
select ok(not portal.urgent('child_health', '[]'), 'nothing is not');

-- what a town requires of some answers alone
savepoint needed;
insert into portal.field_policy (tenant, section, field, policy, validation)
select 1, 'child_health', f, 'required', 'agent' from unnest('{pai_start,pai_end,vaccines_until}'::text[]) f;
update portal.health set pai = 'no', pai_start = null, pai_end = null, vaccines = 'yes', vaccines_until = null where child_id = pg_temp.child('Léo');
select is(string_agg(f.value, ' '), 'editable editable editable', 'the form does not ask for it before it is known')
  from jsonb_each_text(pg_temp.ask('section_form', jsonb_build_object('section', 'child_health', 'child', pg_temp.child('Léo')::text))->'policy') f
 where f.key in ('pai_start', 'pai_end', 'vaccines_until');
select is(pg_temp.health('{"doctor_name": "Dr A"}')->>'status', '303', 'without a plan its dates are not missing');
select is(pg_temp.code(pg_temp.health('{"pai": "yes", "pai_start": "2026-09-01"}')), 'pai_end:required', 'of a plan its end is');
select is(pg_temp.health('{"vaccines": "no"}')->>'status', '303', 'missing vaccines have three months');
select pg_temp.accept();
update portal.health set vaccines_until = null where child_id = pg_temp.child('Léo');
select is(pg_temp.code(pg_temp.health('{"doctor_name": "Dr B"}')), 'vaccines_until:required', 'or a day that is asked for');
rollback to needed;

select is(pg_temp.code(pg_temp.health('{"pai": "yes", "pai_start": "2026-09-02", "pai_end": "2026-09-01"}')), 'pai_end:pai_end_early', 'a plan ends after it begins');
select is(pg_temp.health('{"pai": "yes", "pai_start": "2026-09-01", "pai_end": "2026-09-01"}')->>'status', '303', 'or the same day');
select ok((pg_temp.set()).urgent, 'urgent');
select pg_temp.accept();
select is(pg_temp.health('{"pai": "unanswered"}')->>'status', '303', 'no answer');
select is(pg_temp.fields(), 'pai pai_end pai_start', 'is no plan');

-- an agent may accept the answer alone: the row stays one that may be
update portal.change_item set state = case field when 'pai' then 'accepted' else 'refused' end where set_id = (pg_temp.set()).id;
select lives_ok($$ select portal.change_apply(pg_temp.set()) $$, 'accepted in part');
select is(row(pai::text, pai_start)::text, row('unanswered', null::date)::text, 'without a plan no dates') from portal.health where child_id = pg_temp.child('Léo');

select is(pg_temp.health(jsonb_build_object('notes', pg_temp.sealed('n')))->>'status', '303', 'notes');
select is(pg_temp.fields(), 'notes', 'what the file holds by now is not asked for');
select pg_temp.accept();
select is(encode(notes_mac, 'hex'), mac('n'), 'accepted') from portal.health where child_id = pg_temp.child('Léo');
select is(pg_temp.health('{"notes": null}')->>'status', '303', 'emptied');
select pg_temp.accept();
select is(row(notes, notes_mac)::text, row(null::portal.sealed, null::portal.mac)::text, 'is nothing') from portal.health where child_id = pg_temp.child('Léo');

select throws_ok($$update portal.change_item set asked = '{"sealed": "x"}'$$, '23514', null, 'an item is a value, never what nginx sent');
select throws_ok($$update portal.town set creditor_id = 'FR72'$$, '23514', null, 'a creditor identifier has 13 characters');

select * from finish();
rollback;
