--
-- Texts of authorisations: what another one makes of the answers given before.
--

begin;
select * from no_plan();

select portal.enter('saint-aubin', null, null, null, null, 999, 1, 'r');
select set_config('portal.agent', (select a.id from portal.agent a where a.tenant = 1 and a.role = 'administrator' limit 1)::text, true),
       set_config('portal.role', 'administrator', true);

create function pg_temp.save(p_code text, p_input jsonb) returns jsonb language sql as $$
    select portal.save_authorisation(jsonb_build_object('code', p_code, '_', '{}'::jsonb, 'version',
        portal.authorisation_form(jsonb_build_object('code', p_code))->>'version') || p_input)::jsonb $$;
-- "answer, does it count" of a child's code
create function pg_temp.answer(p_code text) returns text language sql as $$
    select a.answer || ' ' || portal.answer_counts(a) from portal.authorisation a where a.tenant = 1 and a.child_id = (select min(child_id)
        from portal.authorisation where tenant = 1) and a.code = p_code $$;
create function pg_temp.give(p_code text, p_lang text) returns void language sql as $$
    update portal.authorisation a set answer = 'yes', answered_on = portal.today(), school_year = portal.school_year(),
           text_id = case when p_lang <> '' then (select max(t.id) from portal.authorisation_text t where t.tenant = 1 and t.code = p_code and t.lang = p_lang) end
     where a.tenant = 1 and a.code = p_code and a.child_id = (select min(child_id) from portal.authorisation where tenant = 1) $$;
-- one query for all of them says what answer_counts() says of each
create function pg_temp.counted(p_code text) returns text language plpgsql as $$
declare
    v  text;
begin
    set local role portal_api;
    select case when portal.authorisation_answers(p_code) = n then 'the same' else portal.authorisation_answers(p_code) || ' for ' || n end into v
      from (select count(*) as n from portal.authorisation a where a.code = p_code and a.answer <> 'unanswered' and portal.answer_counts(a)) x;
    reset role;
    return v;
end $$;
-- what was there before this transaction is older than what it writes
set local session_replication_role = replica;
update portal.authorisation_text set since = now() - interval '10 days';
set local session_replication_role = origin;

select pg_temp.give('transport', 'en');
select is(pg_temp.answer('transport'), 'yes true', 'an answer');
select is(pg_temp.save('transport', '{"words_fr": "Autre", "alone": "yes", "again": "no"}')->>'location', '/reglages/autorisations', 'another text');
select is(pg_temp.answer('transport'), 'yes true', 'it still counts');
select is((select string_agg(t.lang || ' ' || t.text, ', ') from portal.authorisation_text t where t.tenant = 1 and t.since = now()), 'fr Autre', 'one row');
select is((select string_agg(x.c, ' ' order by x.c) from (select a.names::text as c from portal.audit a where a.action = 'save_authorisation') x),
    '{transport,words_fr}', 'the audit has the names');

select is(pg_temp.save('leave_alone', '{"again": "yes"}')->>'status', '303', 'the same text, asked again');
select is((select string_agg(t.lang, ' ' order by t.lang) from portal.authorisation_text t where t.tenant = 1 and t.code = 'leave_alone' and t.since = now() and t.asks_again), 'en fr',
    'in every language');
select pg_temp.give('leave_alone', l) from unnest('{fr,en}'::text[]) l;
select is(pg_temp.answer('leave_alone'), 'yes true', 'an answer by it, in a language of its own, counts');
set local session_replication_role = replica;
update portal.authorisation a set text_id = (select min(t.id) from portal.authorisation_text t where t.tenant = 1 and t.code = a.code and t.lang = 'en')
 where a.tenant = 1 and a.code = 'leave_alone' and a.text_id is not null;
set local session_replication_role = origin;
select is(pg_temp.answer('leave_alone'), 'yes false', 'one by the text of before does not');
select is(pg_temp.counted(c), 'the same', 'counted at once: ' || c) from unnest('{leave_alone,transport}'::text[]) c;
select pg_temp.give('leave_alone', '');
select is(pg_temp.answer('leave_alone'), 'yes false', 'nor one of today by no known text');
select is(pg_temp.counted('leave_alone'), 'the same', 'counted at once');
update portal.authorisation set answered_on = portal.today() + 1 where tenant = 1 and code = 'leave_alone' and answer = 'yes';
select is(pg_temp.answer('leave_alone'), 'yes true', 'one of later does');
select is(pg_temp.counted('leave_alone'), 'the same', 'counted at once');
update portal.authorisation set school_year = '2001-2002' where tenant = 1 and code = 'transport' and answer = 'yes';
select is(pg_temp.counted('transport'), 'the same', 'of a year that is over');
update portal.authorisation set school_year = portal.school_year() where tenant = 1 and code = 'transport' and answer = 'yes';
select is(pg_temp.answer('transport'), 'yes true', 'others do');
select is((select count(*) from portal.authorisation_text t where t.tenant = 2 and t.asks_again), 0::bigint, 'nobody is asked in another town');

select is(pg_temp.save('transport', '{}')->'errors'->0->>'code', 'nothing_asked', 'as it is');
select is(pg_temp.save('transport', '{"words_en": null}')->'errors'->0->>'code', 'text_stays', 'a text is not taken away');
select is(pg_temp.save('rien', '{"words_fr": "x"}')->>'status', '404', 'there is no other authorisation');
select throws_ok('delete from portal.authorisation_text', '23001', null, 'what was read stays');

select * from finish();
rollback;
