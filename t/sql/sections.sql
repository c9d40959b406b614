--
-- The children's sections, additions and removals: constraints and functions.
--

begin;
select * from no_plan();

-- portal.enter, for functions that rest on it
select isnt(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->>'family', null, 'Camille is in');

create function pg_temp.set(what jsonb) returns bigint language sql as $$
    insert into portal.change_set (tenant, number, family_id, section, action, child_id, contact_id, guardian_id, subject, account_id, comment, due_on)
    select 1, tap.number(), family('104201'), what->>'section', what->>'action',
           (what->>'child')::bigint, (what->>'contact')::bigint, (what->>'guardian')::bigint, 'Essai',
           account('camille.martin@exemple.fr'), what->>'comment', current_date
    returning id $$;
create function pg_temp.child(name text) returns bigint language sql as $$
    select id from portal.child where first_name = name and tenant = 1 order by id limit 1 $$;
create function pg_temp.names() returns text language sql as $$
    select string_agg(first_name, ' ' order by rank) from portal.contact where child_id = pg_temp.child('Nina') $$;

-- constraints

prepare quiet as select pg_temp.set(jsonb_build_object('section', 'child_general', 'action', 'remove', 'child', pg_temp.child('Nina')));
select throws_ok('quiet', '23514', null, 'a removal without words is none');
prepare report as select pg_temp.set(jsonb_build_object('section', 'child_contact', 'action', 'report', 'child', pg_temp.child('Nina')));
select throws_ok('report', '23514', null, 'nor a report');
prepare other as select pg_temp.set(jsonb_build_object('section', 'child_contact', 'action', 'forget', 'child', pg_temp.child('Nina'), 'comment', 'x'));
select throws_ok('other', '23514', null, 'nothing else can be asked for');
select lives_ok($$ select pg_temp.set(jsonb_build_object('section', 'child_contact', 'action', 'add', 'child', pg_temp.child('Nina'))) from generate_series(1, 3) $$, 'additions stand side by side');
select lives_ok($$ select pg_temp.set(jsonb_build_object('section', 'child_contact', 'action', 'report', 'child', pg_temp.child('Nina'), 'comment', 'Lui')) $$, 'a report');
select throws_ok($$ select pg_temp.set(jsonb_build_object('section', 'child_contact', 'action', 'report', 'child', pg_temp.child('Nina'), 'comment', 'Elle')) $$, '23505', null, 'one open report of a person about a child: the next takes its place');
select throws_ok($$ insert into portal.collect_ban (tenant, child_id, words) values (1, pg_temp.child('Nina'), '') $$, '23514', null, 'a ban has words');
select throws_ok($$ insert into portal.collect_ban (tenant, child_id, words) values (2, pg_temp.child('Nina'), 'Lui') $$, '23503', null, 'and no child of another town');
select is_empty($$ select grantee from information_schema.role_table_grants where table_name = 'collect_ban' and grantee in ('portal_web', 'portal_jobs', 'PUBLIC') $$, 'nobody reads it but functions');
select ok(not has_column_privilege('portal_batch', 'portal.collect_ban', 'words', 'select'), 'who erases it does not read it');
insert into portal.collect_ban (tenant, child_id, words) values (1, pg_temp.child('Nina'), 'Elle');
select throws_ok($$ update portal.collect_ban set end_reason = 'x' where tenant = 1 $$, '23514', null, 'what holds has no reason to end');
select throws_ok($$ update portal.collect_ban set ended_at = now(), ended_by = (select min(id) from portal.agent where tenant = 1) where tenant = 1 $$, '23514', null, 'who ends it says why');
select throws_ok($$ update portal.collect_ban set recorded_by = (select min(id) from portal.agent where tenant = 2) where tenant = 1 $$, '23503', null, 'an agent is of the child''s town');

-- somebody who is of both households of a child asks in each

savepoint two;
insert into portal.subscription (tenant, account_id, family_id, guardian_id, since, effective_at)
select 1, account('sophie.dubois@exemple.fr'), family('104203'), guardian('104203', 2), now(), now();
create function pg_temp.hugo(number text, what jsonb) returns text language sql as $$
    select ask('saint-aubin', 'ask_change', jsonb_build_object('child', pg_temp.child('Hugo')::text) || what, account('sophie.dubois@exemple.fr'), family(number))->>'status' $$;
select is(pg_temp.hugo('104202', '{"section": "child_general", "birth_place": "Lens"}'), '303', 'in one');
select is(pg_temp.hugo('104203', '{"section": "child_general", "birth_place": "Arras"}'), '303', 'and in the other');
select is(pg_temp.hugo('104202', '{"section": "child_contact", "action": "report", "comment": "Pas lui."}'), '303', 'reports');
select is(pg_temp.hugo('104203', '{"section": "child_contact", "action": "add", "last_name": "Lui", "first_name": "Jo", "link": "other", "phone_mobile": "+33639980077", "collect": "yes", "emergency": "no"}'), '303', 'adds');
select is(pg_temp.hugo('104202', '{"section": "child_contact", "action": "add", "last_name": "Lui", "first_name": "Jo", "link": "other", "phone_mobile": "+33639980077", "collect": "no", "emergency": "no"}'), '303', 'in each');
create function pg_temp.others(number text, what text) returns text language plpgsql as $$
declare v jsonb;
begin
    perform portal.enter('saint-aubin', null, null, null, null, null, 1, 'test');
    perform set_config('portal.role', 'validator', true), set_config('portal.agent', (select min(id)::text from portal.agent where tenant = 1 and role = 'validator'), true);
    v := portal.agent_request(jsonb_build_object('request', (select max(id)::text from portal.change_set where family_id = family($1) and action = $2)));
    return (select string_agg(f.number || ' ' || (x->>'what'), ', ' order by c.id) from jsonb_array_elements(v->'others') x
              join portal.change_set c on c.id = (x->>'id')::bigint join portal.family f on f.id = c.family_id);
end $$;
select is(pg_temp.others('104203', 'change'), '104202 child_general', 'who decides about a child sees what its other household asks for');
select is(pg_temp.others('104203', 'add'), '104202 report_child_contact', 'and whom it reports; contacts are each household''s own');
select is(pg_temp.others('104202', 'report'), '104203 add_child_contact, 104202 add_child_contact', 'as who records it sees who is to be added');
rollback to two;
select isnt(ask('saint-aubin', 'family', '{}', account('camille.martin@exemple.fr'), family('104201'))->>'family', null, 'Camille is in again');

-- general information

select is(portal.school_year(), case when extract(month from current_date) >= 9 then extract(year from current_date) || '-' || extract(year from current_date) + 1
          else extract(year from current_date) - 1 || '-' || extract(year from current_date) end, 'the school year begins in September');
select is(portal.child_general_faults(v::jsonb), e::jsonb, what)
  from (values ('{"insurer": "MAIF", "policy": "1", "until": "2027-01-01"}', '[]', 'insurance: whole'),
               ('{"insurer": null, "policy": null}', '[]', 'insurance: none'),
               ('{"policy": "1"}', '[{"field": "insurer", "code": "required"}]', 'a contract has an insurer'),
               ('{"insurer": "", "until": "2027-01-01"}', '[{"field": "insurer", "code": "required"}]', 'an end too'),
               ('{"school_level": "cp"}', '[{"field": "school_level", "code": "school_first"}]', 'a level has a school'),
               ('{"school_name": "École", "school_level": "cp", "school_class": "A"}', '[]', 'and a class')) as x (v, e, what);
savepoint a;
select lives_ok($$ select portal.child_general_apply(pg_temp.child('Nina'), portal.child_general_values(pg_temp.child('Nina')) || '{"insurer": null, "policy": null, "until": null, "school_name": null}') $$, 'emptied');
select is_empty($$ select from portal.insurance where child_id = pg_temp.child('Nina') union all select from portal.schooling where child_id = pg_temp.child('Nina') and year = portal.school_year() $$, 'no insurance, no school this year');
rollback to a;

-- contacts

select is(portal.child_contact_faults('{"phone_home": "+33320123456"}'), '[]', 'one telephone is enough');
select is(portal.child_contact_faults('{"phone_mobile": null}')->0->>'code', 'phone_needed', 'one there must be');
select throws_ok($$ update portal.contact set valid_from = '2026-09-02', valid_until = '2026-09-01' where child_id = pg_temp.child('Nina') $$, '23514', null, 'no contact ends before it begins');
select is(portal.child_contact_faults(v::jsonb || '{"phone_home": "+33320123456"}')->0->>'code', e, 'dates: ' || v)
  from (values ('{"valid_from": "2026-09-02", "valid_until": "2026-09-01"}', 'valid_until_early'), ('{"valid_from": "2026-09-01", "valid_until": "2026-09-01"}', null),
               ('{"valid_from": "2026-09-02", "valid_until": null}', null), ('{"valid_until": "2001-01-01"}', null)) as x (v, e);
select is(portal.late_faults(s, jsonb_build_array(jsonb_build_object('field', f)), jsonb_build_object('valid_from', d, 'valid_until', portal.today() + n))->0->>'code', e, s || ' ' || f || ' ' || n || coalesce(' from ' || d, ''))
  from (values ('child_contact', 'valid_until', -1, null, 'valid_until_past'), ('child_contact', 'valid_until', 0, null, null), ('child_contact', 'collect', -1, null, null),
               ('child_contact', 'valid_until', -1, '2999-01-01', null), ('child_general', 'valid_until', -1, null, null)) as x (s, f, n, d, e);
set local timezone = 'Pacific/Auckland';
select is(portal.today(), (now() at time zone 'Europe/Paris')::date, 'the day is the town''s');
reset timezone;
select is(portal.contact_period(v::jsonb), e::daterange, v)
  from (values ('{"valid_from": "2026-09-01", "valid_until": "2026-09-02"}', '[2026-09-01,2026-09-02]'), ('{"valid_from": null}', '(,)'),
               ('{"valid_until": "2026-09-02"}', '(,2026-09-02]'), ('{"valid_from": "2026-09-03", "valid_until": "2026-09-02"}', 'empty')) as x (v, e);
update portal.contact set valid_from = portal.today() - 3, valid_until = case rank when 1 then portal.today() - 1 when 3 then portal.today() end where child_id = pg_temp.child('Nina');
select is((select string_agg(concat_ws('/', k->>'to_come', k->>'ended'), ' ' order by k->>'rank')
             from portal.child_documents(family('104201'), pg_temp.child('Nina'), '{child_contacts}', day) d, json_array_elements(d.document->'contacts') k), e, 'read ' || what)
  from (values (portal.today(), 'today', 'false/true false false/false'), (portal.today() - 4, 'four days ago', 'true/false true true/false'),
               (portal.today() - 3, 'three days ago', 'false/false false false/false'), (null, 'from what is kept', '  ')) as x (day, what, e);
update portal.contact set valid_from = null, valid_until = null where child_id = pg_temp.child('Nina');

savepoint a;
create temp table nina on commit drop as select id, rank, first_name as name from portal.contact where child_id = pg_temp.child('Nina');
update portal.contact k set first_name = 'N' || n.rank from nina n where n.id = k.id;
create function pg_temp.put(name text, place int) returns text language sql as $$
    select portal.child_contact_apply(k.id, portal.child_contact_values(k.id) || jsonb_build_object('rank', place)) from portal.contact k where k.first_name = name $$;
select is(pg_temp.names(), 'N1 N2 N3', 'three contacts');
select lives_ok($$ select pg_temp.put('N3', 1) $$, 'to the front'); select is(pg_temp.names(), 'N3 N1 N2', 'the others close up');
select lives_ok($$ select pg_temp.put('N3', 2) $$, 'one down'); select is(pg_temp.names(), 'N1 N3 N2', 'it is the second');
select lives_ok($$ select pg_temp.put('N1', 30) $$, 'far'); select is(pg_temp.names(), 'N3 N2 N1', 'is last');
select lives_ok($$ select pg_temp.put('N3', null) $$, 'nowhere'); select is(pg_temp.names(), 'N2 N1 N3', 'is last too');
select is((select string_agg(rank::text, ' ' order by rank) from portal.contact where child_id = pg_temp.child('Nina')), '1 2 3', 'without a gap');
rollback to a;

-- urgent

select is(portal.contact_urgent(s, a, (select id from portal.contact where child_id = pg_temp.child('Nina') and rank = n), i::jsonb), e, s || ' ' || a || ' of contact ' || n || ' ' || i)
  from (values ('child_contact', 'report', 1, '[]', true), ('child_contact', 'remove', 1, '[]', true), ('child_contact', 'remove', 2, '[]', false),
               ('child_contact', 'change', 1, '[{"field": "collect"}]', true), ('child_contact', 'change', 1, '[{"field": "last_name"}]', true),
               ('child_contact', 'change', 1, '[{"field": "rank"}]', false), ('child_contact', 'change', 2, '[{"field": "collect"}]', false),
               ('child_contact', 'add', 1, '[{"field": "collect"}]', false), ('child_general', 'remove', 1, '[]', false)) as x (s, a, n, i, e);

update portal.contact set valid_from = '2026-09-01', valid_until = '2027-07-05' where child_id = pg_temp.child('Nina');
select is(portal.contact_urgent('child_contact', 'change', (select id from portal.contact where child_id = pg_temp.child('Nina') and rank = n),
              (select jsonb_agg(jsonb_build_object('field', d.key, 'asked', d.value)) from jsonb_each(i::jsonb) d)), e, 'contact ' || n || ' ' || i)
  from (values (1, '{"valid_until": "2027-07-04"}', true), (1, '{"valid_until": "2027-07-06"}', false), (1, '{"valid_until": null}', false),
               (1, '{"valid_from": "2026-09-02"}', true), (1, '{"valid_from": "2026-08-31"}', false), (1, '{"valid_from": null}', false),
               (1, '{"valid_from": "2027-09-01", "valid_until": "2028-07-05"}', true), (2, '{"valid_until": "2027-07-04"}', false)) as x (n, i, e);
update portal.contact set valid_from = null, valid_until = null where child_id = pg_temp.child('Nina');
select ok(portal.contact_urgent('child_contact', 'change', (select id from portal.contact where child_id = pg_temp.child('Nina') and rank = 1), i), 'what had no limit gets one: ' || i::text)
  from unnest(array['[{"field": "valid_until", "asked": "2999-01-01"}]', '[{"field": "valid_from", "asked": "2001-01-01"}]']::jsonb[]) i;

-- who comes and who goes

select is(portal.child_known('child_general', family('104201'), '{"first_name": "NINA", "last_name": "martin", "birth_date": "2020-09-03"}'), '[{"field": "first_name", "code": "child_known"}]', 'a child is there once, however it is written');
select is(portal.child_known('child_general', family('104201'), '{"first_name": "Nina", "last_name": "Martin", "birth_date": "2021-09-03"}'), '[]', 'another birth date is another child');
select is(portal.remove_faults('guardian_basic', family(f)), e::jsonb, f)
  from (values ('104201', '[]'), ('104202', '[{"field": "", "code": "last_guardian"}]')) as x (f, e);

savepoint a;
insert into portal.contact (tenant, family_id, child_id, rank, last_name, first_name, link, phone_mobile)
select 1, family('104201'), pg_temp.child('Nina'), r, 'X', 'Y', 'other', '+33600000000' from generate_series(4, 30) r;
select is(portal.add_faults('child_contact', family('104201'), pg_temp.child('Nina'), '{}')->0->>'code', 'list_full', 'a full list');
delete from portal.contact where child_id = pg_temp.child('Nina') and rank in (2, 5);
create temp table late on commit drop as select pg_temp.set(jsonb_build_object('section', 'child_contact', 'action', 'add', 'child', pg_temp.child('Nina'))) as id;
insert into portal.change_item (tenant, set_id, field, old, asked, state) select 1, late.id, v.f, 'null', v.a::jsonb, 'accepted'
  from late, (values ('last_name', '"Zed"'), ('first_name', '"Zoé"'), ('link', '"other"'), ('phone_mobile', '"+33600000001"'), ('collect', '"no"'), ('emergency', '"no"')) as v (f, a);
select is(portal.change_faults(c), '[]', 'one that somebody has left is not') from portal.change_set c join late using (id);
select lives_ok($$ select portal.change_apply(c) from portal.change_set c join late using (id) $$, 'though its last place is taken');
select is((select max(rank) || ' ' || max(rank) filter (where last_name = 'Zed') || ' ' || count(*) from portal.contact where child_id = pg_temp.child('Nina')), '29 29 29', 'who is added is the last one, the others close up');
rollback to a;
select is(array[portal.next_rank(null, 30), portal.next_rank('{1,4}', 30), portal.next_rank('{1,2,20}', 20)], '{1,5,3}', 'places');
select is(array(select portal.next_rank(t, 4, n) from (values (1, null::smallint[]), (2, '{1,3}'), (3, '{2,4}'), (4, '{1,2,3,4}')) x (i, t), generate_series(1, 3) n order by i, n),
          '{1,2,3,4,2,5,1,3,5,5,5,5}', 'of several at once, and none that the list has not');

savepoint a;
create temp table leaves on commit drop as select pg_temp.set(jsonb_build_object('section', 'child_general', 'action', 'remove', 'child', pg_temp.child('Nina'), 'comment', 'x')) as id;
select lives_ok($$ select portal.change_apply(c) from portal.change_set c join leaves using (id) $$, 'a child goes');
select is((select count(*) from portal.child_family where child_id = pg_temp.child('Nina')), 0::bigint, 'out of the family');
select is((select count(*) from portal.health where child_id = pg_temp.child('Nina')), 1::bigint, 'and is not deleted');
select is((select count(*) from portal.contact where child_id = pg_temp.child('Nina')), 0::bigint, 'but for the household''s contacts');
rollback to a;

savepoint a;
create temp table gone on commit drop as select pg_temp.set(jsonb_build_object('section', 'guardian_basic', 'action', 'remove', 'guardian', guardian('104201', 2), 'comment', 'x')) as id;
select is(portal.change_faults(c), '[]', 'a guardian may go') from portal.change_set c join gone using (id);
select lives_ok($$ select portal.change_apply(c) from portal.change_set c join gone using (id) $$, 'and goes');
select is_empty($$ select from portal.subscription where account_id = account('julien.martin@exemple.fr') and ended_at is null $$, 'the subscription ends');
select throws_ok($$ update portal.subscription set ended_at = null where account_id = account('julien.martin@exemple.fr') $$, '23514', null, 'a live subscription has its guardian');
select is(portal.change_faults(c)->0->>'code', 'subject_gone', 'nobody goes twice') from portal.change_set c join gone using (id);
create temp table last on commit drop as select pg_temp.set(jsonb_build_object('section', 'guardian_basic', 'action', 'remove', 'guardian', guardian('104201', 1), 'comment', 'x')) as id;
select throws_ok($$ select portal.change_apply(c) from portal.change_set c join last using (id) $$, '23514', null, 'the last one stays, whoever asks');
rollback to a;

select is(portal.form_path(b, s, a, 7, 9), p, p)
  from (values ('/famille', 'child_general', 'add', '/famille/enfants/ajout/9'), ('/famille', 'guardian_basic', 'add', '/famille/responsables/ajout/9'),
               ('/famille/enfants/1', 'child_contact', 'add', '/famille/enfants/1/contacts/nouveau/9'), ('/famille/enfants/1', 'child_contact', 'change', '/famille/enfants/1/contacts/7/modifier'),
               ('/famille/enfants/1', 'child_contact', 'remove', '/famille/enfants/1/contacts/7/retrait'), ('/famille/enfants/1', 'child_contact', 'report', '/famille/enfants/1/contacts/interdiction'),
               ('/famille/enfants/1', 'child_general', 'remove', '/famille/enfants/1/retrait'), ('/famille/enfants/1', 'child_general', 'change', '/famille/enfants/1/generales')) as x (b, s, a, p);

select is((select count(*) from portal.field where section = 'child_authorisations' and name not like 'own%'), (select count(*) from portal.authorisation where child_id = pg_temp.child('Nina')), 'a field for each authorisation');
select is_empty($$ select name from portal.field where section = 'child_authorisations' and name not like 'own%' except select code from portal.authorisation $$, 'of the same name');

-- the texts that authorisations are answered by

select is((select string_agg(code || ' ' || count, ', ' order by code) from (select code, count(*) from portal.authorisation_text where tenant = 1 group by code) x),
    'hospital 2, image_internal 2, image_press 2, image_web 2, leave_alone 2, swimming 2, transport 2', 'a town begins with a text for each, in both languages');
select throws_ok($$ update portal.authorisation_text set text = 'x' where tenant = 1 $$, '23001', null, 'a text that was shown stays as it was');
select throws_ok($$ delete from portal.authorisation_text where tenant = 1 $$, '23001', null, 'and stays');
select throws_ok($$ update portal.authorisation set answer = 'unanswered', answered_on = null, school_year = '2026-2027' $$, '23514', null, 'no answer holds for no year');
select throws_ok($$ update portal.authorisation set answer = 'yes', answered_on = current_date, text_id = (select max(id) from portal.authorisation_text where tenant = 2) where tenant = 1 $$, '23503', null, 'a text is of the child''s town');
select is(portal.school_year_of(d::date), y, 'the school year of ' || d) from (values ('2026-08-31', '2025-2026'), ('2026-09-01', '2026-2027'), ('2026-12-31', '2026-2027'), ('2027-01-01', '2026-2027')) as x (d, y);
select is(portal.answer_year_of(d::date), y, 'the year that an answer is for, ' || d) from (values ('2026-06-30', '2025-2026'), ('2026-07-01', '2026-2027'), ('2026-08-31', '2026-2027'), ('2026-09-01', '2026-2027'), ('2026-12-31', '2026-2027'), ('2027-06-30', '2026-2027')) as x (d, y);
create function pg_temp.text_in(p_lang text) returns text language plpgsql as $$
begin
    update portal.account set lang = p_lang where id = account('camille.martin@exemple.fr');
    return (select t.text from portal.authorisation_texts() t where t.code = 'swimming');
end $$;
insert into portal.authorisation_text (tenant, code, lang, text) values (1, 'swimming', 'fr', 'Nouveau'), (1, 'swimming', 'de', 'Neu'), (2, 'swimming', 'fr', 'Ailleurs');
select is((select string_agg(l || ' ' || coalesce(x.text, '-'), ', ' order by l) from unnest('{fr,en,de,it}'::text[]) l cross join lateral (select pg_temp.text_in(l)) x (text)),
    'de Neu, en I allow my child to take part in swimming and water games watched over by a lifeguard., fr Nouveau, it Nouveau', 'the latest, in the language of the account, else in French');


-- the town's own list

create function pg_temp.listed() returns text language sql as $$ select string_agg(p.name, ' ' order by p.rank) from portal.field_policies('child_authorisations') p $$;
select is(pg_temp.listed(), 'image_internal image_press image_web leave_alone transport hospital swimming', 'own ones are in no list before they are made');
select throws_ok(format('update portal.town set authorisations = %L where id = 1', v), '23514', null, 'no list: ' || v)
  from unnest('{"[]","{\"other\": {\"rank\": 1}}","{\"own_13\": {\"rank\": 1, \"fr\": \"x\"}}","{\"swimming\": {}}","{\"swimming\": {\"rank\": 0}}","{\"own_1\": {\"rank\": 1}}","{\"own_1\": {\"rank\": 1, \"fr\": \"\"}}"}'::text[]) v;
update portal.town set authorisations = '{"own_2": {"rank": 1, "fr": "Vélo", "en": "Bicycle", "since": "2026-11-01"}, "swimming": {"rank": 2, "withdrawn": "2026-11-02"}}' where id = 1;
select is(pg_temp.listed(), 'own_2 image_internal image_press image_web leave_alone transport hospital', 'own ones, the order, without what is out of it');
select is(portal.authorisation_title(c, l), t, l || ' ' || c) from (values ('own_2', 'fr', 'Vélo'), ('own_2', 'en', 'Bicycle'), ('own_2', 'de', 'Vélo'), ('swimming', 'de', 'Participer aux baignades')) as x (c, l, t);
select is((select string_agg(k.code || ' ' || k.own || ' ' || coalesce(k.since::text, '-') || ' ' || coalesce(k.withdrawn_on::text, '-'), ', ' order by k.code) from portal.authorisation_kinds() k where k.code in ('own_1', 'own_2', 'swimming')),
    'own_2 true 2026-11-01 -, swimming false - 2026-11-02', 'all that the town knows');
select is(portal.authorisation_added(pg_temp.child('Nina'), d::date), y, 'new since ' || coalesce(d, 'ever')) from (values ('2026-10-31', true), ('2026-11-01', false), ('2026-11-02', false), (null, true)) as x (d, y);
insert into portal.field_policy (tenant, section, field, policy, validation) values (1, 'child_authorisations', 'own_2', 'required', 'agent');
select is(portal.authorisation_added(pg_temp.child('Nina'), d::date), y, 'compulsory, new since ' || d) from (values ('2026-11-01', true), ('2026-11-02', false)) as x (d, y);
delete from portal.field_policy where tenant = 1 and section = 'child_authorisations' and field = 'own_2';
select is(portal.child_authorisations_values(pg_temp.child('Nina'))->>'own_2', 'unanswered', 'no row is no answer');
select throws_ok($$ insert into portal.authorisation (tenant, child_id, code) values (1, pg_temp.child('Nina'), 'own_13') $$, '23514', null, 'there are twelve');
insert into portal.authorisation (tenant, child_id, code, answer, answered_on) values (1, pg_temp.child('Nina'), 'own_2', 'no', '2026-11-03');
select is(portal.authorisation_added(pg_temp.child('Nina'), null), false, 'an answered one is not new');
select is(portal.child_authorisations_values(pg_temp.child('Nina'))->>'own_2', 'no', 'its answer');

select * from finish();
rollback;
