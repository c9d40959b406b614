--
-- Settings: who may, what is written, what the audit keeps.
--

begin;
select * from no_plan();

create function pg_temp.as_agent(p_role text) returns void language sql as $$
    select portal.enter('saint-aubin', null, null, null, null, 999, 1, 'r');
    select set_config('portal.agent', (select a.id from portal.agent a where a.tenant = 1 and a.role = p_role limit 1)::text, true),
           set_config('portal.role', p_role, true) $$;
create function pg_temp.save(p_page text, p_input jsonb) returns jsonb language sql as $$
    select portal.save_settings(jsonb_build_object('page', p_page, '_', '{}'::jsonb, 'version',
        portal.settings_form(jsonb_build_object('page', p_page))->>'version') || p_input)::jsonb $$;

-- who may

select portal.enter('saint-aubin', null, null, null, null, 999, 1, 'r');
select throws_ok($$select portal.settings('{}')$$, 'PT403', null, 'nobody');
select pg_temp.as_agent('validator');
select throws_ok(format('select portal.%I(''{"page": "delays"}'')', f), 'PT403', null, 'a validator: ' || f)
  from unnest('{settings,settings_form,save_settings,settings_fields,save_fields}'::text[]) f;

-- what is written

select pg_temp.as_agent('administrator');
select is(pg_temp.save('delays', '{"validation_days": 12, "slug": "x", "version_": 1, "keep_mail": 1}')->>'location', '/reglages/delais', 'saved');
select is((select row(t.validation_days, t.slug, t.keep_mail)::text from portal.town t where t.id = 1), '(12,saint-aubin,30)', 'a page changes its own settings and no other');
select is((select validation_days from portal.town where id = 2), 10, 'of its own town');
select is((select row(a.action, a.outcome, a.object, a.object_id, a.names)::text from portal.audit a order by a.id desc limit 1),
    '(save_settings,delays,town,1,{validation_days})', 'the audit has the name, no value');
select is(pg_temp.save('delays', '{"validation_days": 12}')->'errors'->0->>'code', 'nothing_asked', 'the same again is no change');
select is(pg_temp.save('delays', '{"validation_days": 13, "version": "x"}')->>'status', '409', 'over another version');
select is(pg_temp.save('delays', '{"validation_days": 13, "version": null}')->>'status', '428', 'over none');
select is(pg_temp.save('delays', '{"validation_days": 13, "version": null, "_": {"if_match": ["x"]}}')->>'status', '412', 'If-Match');

-- a change elsewhere is no other version of this page

create temp table v as select portal.settings_form('{"page": "sessions"}')->>'version' as version;
select pg_temp.save('delays', '{"validation_days": 14}');
select is(portal.settings_form('{"page": "sessions"}')->>'version', version, 'another page is another matter') from v;

-- each setting of a page can be written: nothing that a form takes is lost

create function pg_temp.other(p_value jsonb) returns jsonb language sql as $$
    select case when jsonb_typeof(p_value) = 'number' then to_jsonb(p_value::int + 1)
                when p_value = '"fr_en"' then '"en_fr"'
                when p_value#>>'{}' ~ '^\+33' then '"+33353010199"' when p_value#>>'{}' ~ '@' then '"a@b.example"'
                when p_value = '"relogin"' then '"immediate"'
                when p_value = '"07"' then '"06"' when p_value = '"year"' then '"july"' when p_value = '"automatic"' then '"approval"' when p_value = '"no"' then '"yes"' when p_value = '"one"' then '"two"'
                when jsonb_typeof(p_value) = 'string' then '"other words"' end $$;
create function pg_temp.kept(p_page text, p_name text, p_value jsonb) returns jsonb language plpgsql as $$
begin
    perform pg_temp.save(p_page, jsonb_build_object(p_name, p_value));
    return portal.settings_form(jsonb_build_object('page', p_page))->'values'->p_name;
end $$;
select is(pg_temp.kept(p, e.key, coalesce(pg_temp.other(e.value), case when e.key like 'keep%' then '1'::jsonb else '"w"' end)),
    coalesce(pg_temp.other(e.value), case when e.key like 'keep%' then '1'::jsonb else '"w"' end), p || ': ' || e.key)
  from unnest('{contact,texts,delays,retention,sessions,verification}'::text[]) p, jsonb_each(portal.settings_form(jsonb_build_object('page', p))::jsonb->'values') e
 where e.key <> 'version';

-- fields

select is(portal.settings_fields(jsonb_build_object('kind', k, 'section', p))->>'status', '404', k || ' ' || p)
  from (values ('guardian', 'sante'), ('child', 'base'), ('%', 'base'), ('guardian', '%'), (null, null)) v (k, p);
select is(portal.save_fields('{"kind": "guardian", "section": "sante", "version": "x", "_": {}}')->>'status', '404', 'nor is there anything to save');
create function pg_temp.decide(p_input jsonb) returns jsonb language sql as $$
    select portal.save_fields('{"kind": "guardian", "section": "base", "_": {}}' || jsonb_build_object('version',
        portal.settings_fields('{"kind": "guardian", "section": "base"}')->>'version') || p_input)::jsonb $$;
select is(pg_temp.decide('{"employer": "hidden", "title": null}')->>'status', '303', 'decided');
select is((select row(policy, validation)::text from portal.field_policies('guardian_basic') where name = 'employer'), '(hidden,agent)', 'as it says');
select pg_temp.decide('{"employer": "editable_automatic"}');
select pg_temp.decide('{"employer": "hidden"}');
select is((select row(policy, validation)::text from portal.field_policies('guardian_basic') where name = 'employer'), '(hidden,automatic)', 'who decides stays as it was while it is hidden');
select is((select string_agg(name || ' ' || policy || ' ' || validation, ', ') from portal.field_policies('guardian_basic') where name in ('title')), 'title editable agent', 'null is no answer');

-- the audit

select throws_ok($$update portal.audit set names = '{x}' where names is not null$$, '42501', null, 'names stay');
select throws_ok($$insert into portal.audit (tenant, action, outcome, names) values (1, 'a', 'ok', '{"a value"}')$$, '23514', null, 'and are no values');
select isnt(portal.audit_hash(a, 1, '\x00'), portal.audit_hash(jsonb_populate_record(a, '{"names": ["x"]}'), 1, '\x00'), 'the chain holds them')
  from portal.audit a where a.names is not null limit 1;

select * from finish();
rollback;
