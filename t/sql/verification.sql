--
-- What families verify each year: for how long it counts, who has to, what counts
-- as verified and what does not, and the mail that tells of it.
--

begin;
select * from no_plan();

-- for how long

select is(portal.verified_since(r, '05-15', d::date), s::date, r || ' on ' || d)
  from (values ('year', '2027-05-14', '2026-05-15'), ('year', '2027-05-15', '2027-05-15'),
               ('year', '2027-12-31', '2027-05-15'), ('year', '2028-01-01', '2027-05-15'),
               ('months_12', '2027-03-01', '2026-03-02'), ('months_6', '2027-08-31', '2027-03-01'),
               ('january', '2027-01-01', '2027-01-01'), ('july', '2027-06-30', '2026-07-01'),
               ('september', '2027-09-01', '2027-09-01')) as x (r, d, s);

select portal.enter('saint-aubin', null, null, null, null, null, 1, 'r');
savepoint a;
update portal.town set year_opens = '05-01' where id = 1;
select is(portal.answer_year_of(d::date), y, 'the year that an answer is for, where the town opens on 1 May: ' || d)
  from (values ('2027-04-30', '2026-2027'), ('2027-05-01', '2027-2028'), ('2027-09-01', '2027-2028'), ('2028-04-30', '2027-2028')) as x (d, y);
rollback to a;

-- constraints

create function pg_temp.child(name text) returns bigint language sql as $$
    select id from portal.child where first_name = name and tenant = 1 order by id limit 1 $$;
prepare nobody as insert into portal.verification (tenant, section, family_id, by_guardian, verified_on)
    values (1, 'child_health', family('104201'), guardian('104201', 1), current_date);
select throws_ok('nobody', '23514', null, 'a verification is of somebody');
prepare stranger as insert into portal.verification (tenant, section, child_id, family_id, by_guardian, verified_on)
    values (1, 'child_health', pg_temp.child('Nina'), family('104201'), guardian('104202', 1), current_date);
select throws_ok('stranger', '23503', null, 'by a guardian of that family');
select throws_ok($$update portal.town set year_opens = '02-01' where id = 1$$, '23514', null, 'a school year opens in spring or summer');
select throws_ok($$update portal.town set year_opens = '06-31' where id = 1$$, '22008', null, 'on a day that there is');
select throws_ok($$update portal.town set verify_both = '{guardian_bank}' where id = 1$$, '23514', null, 'what is a guardian''s own each need not verify');

-- a year: it is 2 May, the town opens on the 1st

create or replace function portal.today() returns date language sql stable as $$ select '2027-05-02'::date $$;
update portal.town set year_opens = '05-01' where id = 1;
update portal.authorisation set school_year = '2026-2027' where tenant = 1 and school_year is not null;

create function pg_temp.page(who text) returns jsonb language sql as $$
    select ask('saint-aubin', 'verification', '{}', account(who), family('104201')) $$;
create function pg_temp.keys(who text) returns text language sql as $$
    select coalesce(string_agg((b->>'block') || ':' || (select string_agg(split_part(k, '_', 2), '+' order by k)
                                                 from jsonb_object_keys(b->'due') k), ' '), '')
      from jsonb_array_elements(pg_temp.page(who)->'blocks') b where b->>'block' !~ '^responsable' $$;
create function pg_temp.block(who text, block text) returns jsonb language sql as $$
    select b from jsonb_array_elements(pg_temp.page(who)->'blocks') b where b->>'block' = block $$;
create function pg_temp.say(who text, block text, more jsonb default '{}') returns text language sql as $$
    select concat_ws(' ', r->>'status', r->>'notice', r #>> '{errors,0,code}')
      from (select coalesce(pg_temp.block(who, block)->>'version', 'x')) v (version),
           ask('saint-aubin', 'verify', jsonb_build_object('block', block, 'version', v.version) || more,
               account(who), family('104201')) r $$;
create function pg_temp.nina() returns text language sql as $$ select 'enfant-' || pg_temp.child('Nina') $$;
create function pg_temp.leo() returns text language sql as $$ select 'enfant-' || pg_temp.child('Léo') $$;
create temp table who as select 'camille.martin@exemple.fr' as c, 'julien.martin@exemple.fr' as j;

select is(pg_temp.keys(c), format('%s:authorisations+contact+general+health %s:authorisations+contact+general+health', pg_temp.leo(), pg_temp.nina()),
    'all of both children is due') from who;
select is((select string_agg(b->>'block', ' ') from jsonb_array_elements(pg_temp.page(c)->'blocks') b where b->'guardian' <> 'null'),
    'responsable-' || guardian('104201', 1), 'who is connected answers for themselves') from who;
select is(pg_temp.page(c)->>'school_year', '2027-2028', 'for the coming year') from who;
select ok(pg_temp.block(c, 'responsable-' || guardian('104201', 1)) #> '{guardian,address,street}' is not null, 'with what the town holds') from who;

select is(pg_temp.say(c, pg_temp.nina(), '{"version": "x"}'), '409 verify_changed', 'over another version: nothing') from who;
select is(pg_temp.say(c, pg_temp.nina(), '{"version": null}'), '409 verify_changed', 'over none') from who;
select is(pg_temp.say(c, pg_temp.nina(), '{"_": {"if_match": ["x"]}}'), '412 version_changed', 'If-Match') from who;
select is(pg_temp.say(c, 'enfant-' || (select min(x.id) from portal.child x where x.tenant = 2)), '404', 'another town''s child') from who;
select is(pg_temp.say(c, 'enfant-' || pg_temp.child('Hugo')), '404', 'another family''s') from who;
select is(pg_temp.say(c, 'chien-1'), '404', 'no such thing') from who;
select is_empty('select from portal.verification', 'none of it counts');
select is(pg_temp.say(c, 'responsable-' || guardian('104202', 1)), '404', 'nor another family''s guardian') from who;
select is((select row(a.action, a.outcome, a.object, a.object_id)::text from portal.audit a order by id desc limit 1), format('(ask_change,not_allowed,guardian_basic,%s)', guardian('104202', 1)),
    'what is not theirs leaves a trace');

-- « rien n'a changé »

create temp table held as select portal.health_values(pg_temp.child('Nina')) as v, (select version from portal.family f where f.id = family('104201')) as version;
select is(pg_temp.say(c, pg_temp.nina()), '303 verified', 'one gesture') from who;
select results_eq($$select section, verified_on, by_guardian from portal.verification where child_id = pg_temp.child('Nina') order by 1$$,
    $$select s, '2027-05-02'::date, guardian('104201', 1) from unnest(array['child_authorisations', 'child_contact', 'child_general', 'child_health']) s$$,
    'verifies each section');
select is(portal.health_values(pg_temp.child('Nina')), v, 'the file is as it was') from held;
select is(pg_temp.keys(c), pg_temp.leo() || ':authorisations+contact+general+health', 'what is verified is asked no more') from who;
select is(pg_temp.keys(j), pg_temp.leo() || ':authorisations+contact+general+health', 'nor of the other parent') from who;
select is(pg_temp.say(c, pg_temp.nina()), '303 verified', 'sent twice it is verified once') from who;
select results_eq($$select answer <> 'unanswered', school_year, text_id is not null from portal.authorisation where child_id = pg_temp.child('Nina') group by 1, 2, 3 order by 1$$,
    $$values (false, null, false), (true, '2027-2028', true)$$, 'answers to authorisations are given again, to the text of now');
select results_eq($$select c.state, c.section, bool_and(i.old = i.asked), count(*) from portal.change_set c join portal.change_item i on i.set_id = c.id where c.child_id = pg_temp.child('Nina') group by 1, 2$$,
    $$values ('accepted', 'child_authorisations', true, 6::bigint)$$, 'by a request that counts at once');
select is((select count(*) from portal.change x join portal.change_set c on c.id = x.set_id where c.child_id = pg_temp.child('Nina')), 6::bigint, 'which the town''s software is told');

-- what counts as verified, what does not

savepoint a;
update portal.child set birth_place = 'Brest' where id = pg_temp.child('Léo');
select ok(pg_temp.block(c, pg_temp.leo())->'due' ? 'child_general', 'what the town or an import writes verifies nothing') from who;
create temp table asked as select ask('saint-aubin', 'ask_change', jsonb_build_object('section', 'child_general', 'child', pg_temp.child('Léo'), 'birth_place', 'Lens'),
    account(c), family('104201')) as r from who;
select is(r->>'status', '303', 'a change is asked for') from asked;
select is(pg_temp.keys(c), pg_temp.leo() || ':authorisations+contact+health', 'who asks for a change has looked') from who;
select is(pg_temp.keys(j), pg_temp.leo() || ':authorisations+contact+general+health', 'which the other parent does not read of') from who;
select ask('saint-aubin', 'withdraw_request', jsonb_build_object('request', split_part(r->>'location', '/', 4)), account(c), family('104201')) from asked, who;
select is(pg_temp.keys(c), pg_temp.leo() || ':authorisations+contact+general+health', 'what is withdrawn verifies nothing') from who;
rollback to a;

-- an open request: the town has what there was to say

select ask('saint-aubin', 'ask_change', jsonb_build_object('section', 'child_general', 'child', pg_temp.child('Léo'), 'birth_place', 'Lens'), account(c), family('104201')) from who;
select is(pg_temp.keys(c), pg_temp.leo() || ':authorisations+contact+health', 'asked for last year, not answered: the asker is not asked') from who;
select is(pg_temp.keys(j), pg_temp.leo() || ':authorisations+contact+general+health', 'the other parent, who knows nothing of it, is') from who;
rollback to a;

-- who does not see the request reads nothing of it by the day, before it is accepted or when it is refused

create function pg_temp.day(family text) returns text language sql as $$
    select portal.verified_days('child', pg_temp.child('Léo'), family(family)) #>> '{child_general,verified_on}' $$;
create function pg_temp.decide(step text) returns text language plpgsql as $$
declare
    v_set  portal.change_set := (select s from portal.change_set s order by s.id desc limit 1);
begin
    perform set_config('portal.account', '0', true), set_config('portal.family', '0', true), set_config('portal.role', 'validator', true),
            set_config('portal.agent', (select min(id)::text from portal.agent where tenant = 1 and role = 'validator'), true);
    update portal.change_event e set at = '2027-05-03 10:00 Europe/Paris' where e.set_id = v_set.id and e.event = 'sent';
    return portal.decide(jsonb_build_object('request', v_set.id::text, 'step', step, 'reason', 'Parce que.', 'version', portal.decision_version(v_set, portal.decision_now(v_set))))->>'status';
end $$;
insert into portal.child_family (tenant, family_id, rank, child_id) select 1, family('104202'), 30, pg_temp.child('Léo');
select pg_temp.say(j, pg_temp.leo()) from who;
select is(pg_temp.day('104201') || ' ' || pg_temp.day('104202'), '2027-05-02 2027-05-02', 'the day is read in both households');
create or replace function portal.today() returns date language sql stable as $$ select '2027-05-03'::date $$;
create function pg_temp.asks() returns text language sql as $$ select ask('saint-aubin', 'ask_change', jsonb_build_object('section', 'child_general', 'child',
    pg_temp.child('Léo'), 'birth_place', 'Lens'), account(c), family('104201'))->>'status' from who $$;
select is(pg_temp.asks(), '303', 'one parent asks for a change the day after');
select is(pg_temp.day('104201') || ' ' || pg_temp.day('104202'), '2027-05-02 2027-05-02', 'which moves the day for nobody');
select is((select count(*) from portal.verification where section = 'child_general' and child_id = pg_temp.child('Léo')), 1::bigint, 'what was verified before stays');
select is(pg_temp.decide('refuse'), '303', 'refused');
select is(pg_temp.day('104201') || ' ' || pg_temp.day('104202'), '2027-05-02 2027-05-02', 'nor does a refusal');
select is(pg_temp.asks(), '303', 'asked again');
select is(pg_temp.decide('accept'), '303', 'and accepted');
select is(pg_temp.day('104201') || ' ' || pg_temp.day('104202'), '2027-05-03 2027-05-03', 'then the asker has verified it, and all see the value');
create or replace function portal.today() returns date language sql stable as $$ select '2027-05-02'::date $$;
rollback to a;

-- nor does the yearly mail come to who has asked for all there is

update portal.town set verify_reminder = true, verify = (select jsonb_object_agg(name, 'never') from portal.section where name <> 'child_general') where id = 1;
select ask('saint-aubin', 'ask_change', jsonb_build_object('section', 'child_general', 'child', pg_temp.child(n), 'birth_place', 'Lens'), account(c), family('104201')) from who, unnest(array['Léo', 'Nina']) n;
delete from portal.verification where child_id = pg_temp.child('Nina');
select as_jobs('purge', '{}');
select is((select string_agg(o.recipient, ' ') from portal.outbox o where o.template = 'verification_reminder' and o.recipient ~ 'martin'), j, 'who waits for the town is not reminded') from who;
rollback to a;

-- what is missing, what must be answered again

insert into portal.field_policy (tenant, section, field, policy, validation) values (1, 'child_general', 'sex', 'required', 'agent'), (1, 'child_health', 'hearing_aid', 'required', 'agent');
insert into portal.field_policy (tenant, section, field, policy, validation) values (1, 'child_health', 'vaccines_until', 'required', 'agent'), (1, 'child_health', 'pai_end', 'required', 'agent');
update portal.health set vaccines = 'yes', vaccines_until = null, pai = 'no', pai_start = null, pai_end = null where child_id = pg_temp.child('Léo');
select is(pg_temp.block(c, pg_temp.leo()) #> '{due,child_health,lacks}', '[{"field": "hearing_aid"}]', 'a required answer that is missing is named') from who;
insert into portal.authorisation_text (tenant, code, lang, text) values (1, 'transport', 'fr', 'Autre texte');
update portal.authorisation a set text_id = t.id from portal.authorisation_text t
 where t.tenant = 1 and t.code = a.code and t.lang = 'fr' and t.text <> 'Autre texte' and a.child_id = pg_temp.child('Léo') and a.answer <> 'unanswered' and a.code = 'transport';
select is(pg_temp.block(c, pg_temp.leo()) #>> '{due,child_authorisations,again}', 'true', 'another text is answered again') from who;
select is(pg_temp.say(c, pg_temp.leo()), '303 verified', 'the rest is verified') from who;
select is(pg_temp.keys(c), pg_temp.leo() || ':authorisations+health', 'and these stay') from who;
select is(pg_temp.say(c, pg_temp.leo()), '422 verify_lacks', 'which nobody can say are right') from who;
rollback to a;

update portal.authorisation set school_year = '2025-2026' where child_id = pg_temp.child('Léo') and code = 'transport';
select is(pg_temp.block(c, pg_temp.leo()) #>> '{due,child_authorisations,can}', 'false', 'an answer whose year is over is not carried over') from who;
rollback to a;

-- what was verified, and the town asks again

select pg_temp.say(c, pg_temp.leo()) from who;
insert into portal.authorisation_text (tenant, code, lang, text, since, asks_again) values (1, 'hospital', 'fr', 'Autre texte', '2030-01-01', true);
update portal.verification set verified_on = '2027-04-30' where child_id = pg_temp.child('Léo');
select is((select array_agg(r.code || r.lapsed) from portal.renewals(pg_temp.child('Léo')) r), '{hospitaltrue}', 'an answer that the town asks for again is none, whatever its year');
select is(pg_temp.block(c, pg_temp.leo()) #>> '{due,child_authorisations,can}', 'false', 'nobody can say that it has not changed') from who;
rollback to a;

-- the form: the same answer, for the coming year

create temp table again as select ask('saint-aubin', 'ask_change', jsonb_build_object('section', 'child_authorisations', 'child', pg_temp.child('Léo'),
    'image_press', portal.child_authorisations_values(pg_temp.child('Léo'))->>'image_press'), account(c), family('104201')) as r from who;
select is(r->>'notice', 'change_done', 'the same answer is given again') from again;
select is((select string_agg(i.field || ':' || (i.asked #>> '{}'), ' ') from portal.change_item i where i.set_id = split_part(r->>'location', '/', 4)::bigint),
    'image_press:yes', 'that one alone') from again;
select is((select school_year from portal.authorisation where child_id = pg_temp.child('Léo') and code = 'image_press'), '2027-2028', 'at once, for the coming year');
select is((select school_year from portal.authorisation where child_id = pg_temp.child('Léo') and code = 'image_web'), '2026-2027', 'the others stay');
rollback to a;

-- given again, an answer stays whose it is

update portal.authorisation set guardian_id = case code when 'image_press' then guardian('104201', 2) end where child_id = pg_temp.child('Léo');
select is(pg_temp.say(c, pg_temp.leo()), '303 verified', 'one guardian verifies what another one has answered') from who;
select is((select row(a.school_year, a.guardian_id)::text from portal.authorisation a where a.child_id = pg_temp.child('Léo') and a.code = 'image_press'),
    format('(2027-2028,%s)', guardian('104201', 2)), 'for the coming year it is still the other one''s');
select is((select row(a.school_year, a.guardian_id)::text from portal.authorisation a where a.child_id = pg_temp.child('Léo') and a.code = 'image_web'),
    format('(2027-2028,%s)', guardian('104201', 1)), 'what was nobody''s is theirs');
rollback to a;

-- an authorisation that the town has added, which need not be answered

update portal.town set authorisations = '{"own_1": {"fr": "Vélo", "rank": 90, "since": "2027-05-02"}}' where id = 1;
select is(pg_temp.keys(c), pg_temp.leo() || ':authorisations+contact+general+health', 'verified on the day itself: it is not asked for again') from who;
update portal.verification set verified_on = '2027-05-01' where child_id = pg_temp.child('Nina');
select is(pg_temp.block(c, pg_temp.nina()) #>> '{due,child_authorisations,can}', 'true', 'verified before: nothing of it is compulsory') from who;
select is(pg_temp.say(c, pg_temp.nina()), '303 verified', 'one gesture') from who;
select is(pg_temp.keys(c), pg_temp.leo() || ':authorisations+contact+general+health', 'is enough') from who;
insert into portal.field_policy (tenant, section, field, policy, validation) values (1, 'child_authorisations', 'own_1', 'required', 'agent');
select is(pg_temp.block(c, pg_temp.nina()) #>> '{due,child_authorisations,can}', 'false', 'one that is compulsory is to be answered, also on the day itself') from who;
rollback to a;

-- siblings

delete from portal.contact k where k.child_id in (pg_temp.child('Nina'), pg_temp.child('Léo'));
delete from portal.verification v where v.section = 'child_contact';
select is(pg_temp.keys(c), format('%s:authorisations+general+health contacts-%s:contact', pg_temp.leo(), least(pg_temp.child('Léo'), pg_temp.child('Nina'))), 'the same contacts are asked once') from who;
select is(pg_temp.say(c, 'contacts-' || least(pg_temp.child('Léo'), pg_temp.child('Nina'))), '303 verified', 'for both') from who;
select is((select count(*) from portal.verification v where v.section = 'child_contact'), 2::bigint, 'by one answer');
rollback to a;

-- each guardian, where the town wants that

update portal.town set verify_both = '{child_general}' where id = 1;
select is(pg_temp.keys(j), format('%s:authorisations+contact+general+health %s:general', pg_temp.leo(), pg_temp.nina()), 'one parent is not enough') from who;
select is(pg_temp.keys(c), pg_temp.leo() || ':authorisations+contact+general+health', 'who has answered waits') from who;
select is(pg_temp.page(c)->'waiting', '[{"name": "Nina", "section": "child_general"}]', 'and reads for what') from who;
select is(portal.verified_days('child', pg_temp.child('Nina'), family('104201'))->'child_general', null, 'it is not verified yet');
select is(pg_temp.say(j, pg_temp.nina()), '303 verified', 'the other one answers') from who;
select is(portal.verified_days('child', pg_temp.child('Nina'), family('104201')) #>> '{child_general,verified_on}', '2027-05-02', 'then it is');
rollback to a;

-- who has no parental authority answers no authorisation, and is not waited for

update portal.town set verify_both = '{child_authorisations}' where id = 1;
select is(pg_temp.page(c)->'waiting', '[{"name": "Nina", "section": "child_authorisations"}]', 'each guardian has to') from who;
update portal.guardian set authority = false where id = guardian('104201', 2);
select is(pg_temp.page(c)->'waiting', '[]', 'who may') from who;
select is(portal.verified_days('child', pg_temp.child('Nina'), family('104201')) #>> '{child_authorisations,verified_on}', '2027-05-02', 'it is verified');
select is(pg_temp.keys(c), pg_temp.leo() || ':authorisations+contact+general+health', 'and not due') from who;
rollback to a;

-- the town's rules

update portal.town set verify = '{"child_health": "never", "child_contact": "months_6"}' where id = 1;
select is(pg_temp.keys(c), pg_temp.leo() || ':authorisations+contact+general', 'what is never verified is not asked for') from who;
create or replace function portal.today() returns date language sql stable as $$ select '2027-11-02'::date $$;
select is(pg_temp.keys(c), format('%s:authorisations+contact+general %s:contact', pg_temp.leo(), pg_temp.nina()), 'six months later what was verified for six months is due') from who;
create or replace function portal.today() returns date language sql stable as $$ select '2028-05-01'::date $$;
select is(pg_temp.keys(j), format('%s:authorisations+contact+general %s:authorisations+contact+general', pg_temp.leo(), pg_temp.nina()), 'a year later all of it is') from who;
rollback to a;

-- the mail

rollback to a;
create or replace function pg_temp.told() returns text language sql as $$
    select coalesce(string_agg(split_part(o.recipient, '.', 1), ' ' order by o.recipient), '') from portal.outbox o
     where o.template = 'verification_reminder' and o.recipient ~ 'martin' $$;
savepoint a;
select as_jobs('purge', '{}');
select is(pg_temp.told(), '', 'a town that has not switched it on tells nobody');
update portal.town set verify_reminder = true where id = 1;
update portal.account set reminders = false where email = (select j from who);
select as_jobs('purge', '{}');
select is(pg_temp.told(), 'camille', 'one that has tells who wants to know');
select is((select row(o.lang, o.data)::text from portal.outbox o where o.recipient = c and o.template = 'verification_reminder'),
    '(fr,"{""path"": ""/famille/verification"", ""school_year"": ""2027-2028""}")', 'with no name') from who;
select as_jobs('purge', '{}');
select is(pg_temp.told(), 'camille', 'once');
select is(ask('saint-aubin', 'set_reminders', '{"reminders": "yes"}', account(j))->>'notice', 'reminders_on', 'who wants it again') from who;
select as_jobs('purge', '{}');
select is(pg_temp.told(), 'camille julien', 'is told');
select is(ask('saint-aubin', 'set_reminders', '{"reminders": "no"}', account(c))->>'notice', 'reminders_off', 'who does not') from who;
create or replace function portal.today() returns date language sql stable as $$ select '2028-05-01'::date $$;
select as_jobs('purge', '{}');
select is(pg_temp.told(), 'camille julien julien', 'is told no more, the other one next year');
create or replace function portal.today() returns date language sql stable as $$ select '2028-10-01'::date $$;
update portal.account set reminded_year = null, reminders = true;
select as_jobs('purge', '{}');
select is(pg_temp.told(), 'camille julien julien', 'in October it is too late');
rollback to a;

update portal.town set verify_reminder = true, verify = (select jsonb_object_agg(name, 'never') from portal.section) where id = 1;
select as_jobs('purge', '{}');
select is(pg_temp.told(), '', 'who has nothing to verify is not told');
update portal.account set reminded_year = null;
update portal.town set verify = verify - 'child_authorisations' where id = 1;
update portal.guardian set authority = false where id = guardian('104201', 2);
select as_jobs('purge', '{}');
select is(pg_temp.told(), 'camille', 'nor who may verify none of it');
update portal.town set verify = verify || '{"child_authorisations": "never"}' where id = 1;
update portal.account set reminded_year = null;
select is(row(r->>'rows', r->>'more')::text, '(1,true)', 'but was looked at, which counts: a turn ends') from as_jobs('purge', '{"limit": 1}') r;
select as_jobs('purge', '{}');
select is(row(r->>'rows', r->>'more')::text, '(0,false)', 'once a year') from as_jobs('purge', '{}') r;
drop index portal.subscription_guardian;
with a as (insert into portal.account (tenant, first_name, last_name, email, email_mac, password_hash, state, confirmed_at)
           select 1, a.first_name, a.last_name, 'p' || n || '@exemple.fr', sha256(int4send(n)), a.password_hash, 'active', now()
             from portal.account a, generate_series(1, 60) n where a.email = (select c from who) returning id)
insert into portal.subscription (tenant, account_id, family_id, guardian_id, effective_at)
select 1, a.id, family('104201'), guardian('104201', 1), now() from a;
select is(row(r->>'rows', r->>'more')::text, '(50,true)', 'fifty in a turn') from as_jobs('purge', '{}') r;
select is(row(r->>'rows', r->>'more')::text, '(10,false)', 'then the others') from as_jobs('purge', '{}') r;

-- what is counted by school

select portal.enter('saint-aubin', null, null, null, null, null, 1, 'r');
select is((select r->>'verified' from jsonb_array_elements(portal.verified_chart()->'rows') r where (r->>'verified')::int > 0), null, 'a town that asks for nothing has nothing verified');
rollback to a;
update portal.schooling set year = portal.school_year();
select is((select sum((r->>'verified')::int) from jsonb_array_elements(portal.verified_chart()->'rows') r), 1::bigint, 'a child all of which is verified counts');
update portal.town set verify_both = '{child_authorisations}' where id = 1;
select is((select sum((r->>'verified')::int) from jsonb_array_elements(portal.verified_chart()->'rows') r), 0::bigint, 'not before each guardian has');
update portal.guardian set authority = false where id = guardian('104201', 2);
select is((select sum((r->>'verified')::int) from jsonb_array_elements(portal.verified_chart()->'rows') r), 1::bigint, 'but for who may not');
update portal.verification set verified_on = '2027-04-30' where section = 'child_health';
select is((select sum((r->>'verified')::int) from jsonb_array_elements(portal.verified_chart()->'rows') r), 0::bigint, 'one with a section that is not does not');

select * from finish();
rollback;
