--
-- Notes on a family: never edited, of one town.
--

begin;
select * from no_plan();

insert into portal.family_note (tenant, family_id, text, written_by)
select 1, family('104201'), 'Une note', min(id) from portal.agent where tenant = 1;

select throws_ok($$ update portal.family_note set withdrawn_at = now(), withdrawn_by = written_by $$, '23514', null, 'withdrawn is without words');
select throws_ok($$ update portal.family_note set text = null $$, '23514', null, 'without words is withdrawn');
select throws_ok($$ update portal.family_note set withdrawn_by = written_by $$, '23514', null, 'who withdraws, and when');
select is(json_array_length(portal.family_data_notes(family('104201'))), 1, 'the family''s own data tells it');
select is(json_array_length(portal.family_data_notes(0)), 0, 'and no other');
select ok(not has_column_privilege('portal_api', 'portal.family_note', 'written_by', 'update')
    and not has_column_privilege('portal_api', 'portal.family_note', 'written_at', 'update')
    and not has_table_privilege('portal_api', 'portal.family_note', 'delete'), 'no function says who or when anew, or takes one away');

grant usage on schema tap to portal_api;
grant execute on all functions in schema tap to portal_api;
set local portal.tenant = '2';
set local search_path = tap, portal, pg_temp;
set local role portal_api;
select is((select count(*) from portal.family_note), 0::bigint, 'another town sees none');
reset role;

select throws_ok(format('select ask(%L, %L, %L, account(%L))', 'saint-aubin', f, '{"family": "1", "note": "1", "text": "x"}', 'camille.martin@exemple.fr'), 'PT403', 'not for them', f || ': not for a parent')
  from unnest(array['add_note', 'agent_note', 'withdraw_note']) f;

insert into portal.family (tenant, number, label) values (1, 'N-1', 'Notée');
insert into portal.family_note (tenant, family_id, text, written_by)
select 1, family('N-1'), 'Une note', min(id) from portal.agent where tenant = 1;
delete from portal.family where number = 'N-1';
select is((select count(*) from portal.family_note), 1::bigint, 'a note goes with its family');

select * from finish();
rollback;
