--
-- What the town's administrators set, a page for each subject.  A page's form
-- has the settings in the words of people (minutes, hours); settings_row() is
-- the town that they would make.
--

set search_path = portal, pg_temp;


create or replace function settings_path(p_page text) returns text
    language sql immutable
    return case p_page when 'delays' then '/reglages/delais'
                       when 'retention' then '/reglages/conservation'
                       when 'sessions' then '/reglages/sessions' end;

comment on function settings_path(text) is 'Where a page of settings is; null: there is none of that name.';


create or replace function settings_values(p_town town, p_page text) returns jsonb
    language sql stable
    return case p_page
        when 'delays' then jsonb_build_object(
            'validation_days', p_town.validation_days,
            'subscription_effect', p_town.subscription_effect,
            'uploads_waiting', p_town.uploads_waiting, 'upload_space', p_town.upload_space)
        when 'retention' then jsonb_build_object(
            'keep_request', p_town.keep_request, 'keep_document', p_town.keep_document,
            'keep_photo', p_town.keep_photo, 'keep_inactive', p_town.keep_inactive,
            'keep_closed', p_town.keep_closed, 'keep_unconfirmed', p_town.keep_unconfirmed,
            'keep_mail', p_town.keep_mail, 'keep_session', p_town.keep_session,
            'keep_token', p_town.keep_token, 'keep_attempt', p_town.keep_attempt,
            'keep_audit', p_town.keep_audit)
        when 'sessions' then jsonb_build_object(
            'session_minutes', (p_town.session_idle + 59) / 60,
            'session_hours', (p_town.session_absolute + 3599) / 3600,
            'session_limit', p_town.session_limit,
            'agent_minutes', (p_town.agent_idle + 59) / 60,
            'agent_hours', (p_town.agent_absolute + 3599) / 3600) end;

comment on function settings_values(town, text) is
    'The settings of a page as its form has them: seconds as minutes and hours, rounded up.';


create or replace function settings_row(p_town town, p_changed jsonb) returns town
    language sql stable
    return jsonb_populate_record(p_town, p_changed || jsonb_strip_nulls(jsonb_build_object(
        'session_idle', (p_changed->>'session_minutes')::int * 60,
        'session_absolute', (p_changed->>'session_hours')::int * 3600,
        'agent_idle', (p_changed->>'agent_minutes')::int * 60,
        'agent_absolute', (p_changed->>'agent_hours')::int * 3600)));

comment on function settings_row(town, jsonb) is
    'The town with what has changed on a page, in the words of the form; what has not keeps its seconds.';


create or replace function settings_faults(p_town town) returns jsonb
    language sql stable
begin atomic
    select coalesce(jsonb_agg(jsonb_build_object('field', f.field, 'code', f.code)), '[]')
      from (values ('session_hours', 'hours_short', p_town.session_absolute < p_town.session_idle),
                   ('agent_hours', 'hours_short', p_town.agent_absolute < p_town.agent_idle))
           as f (field, code, wrong)
     where f.wrong;
end;

comment on function settings_faults(town) is
    'What does not go together in a town''s settings, as errors; what one alone may be is its form''s to say.';


create or replace function settings_sections(p_kind text, p_path text) returns json
    language sql stable
begin atomic
    select json_agg(json_build_object('section', s.name, 'path', p_path || s.path)
                    order by (select min(f.rank) from field f where f.section = s.name))
      from section s
     where split_part(s.name, '_', 1) = p_kind;
end;

comment on function settings_sections(text, text) is
    'The sections of a kind of person, each with the page that decides about its fields: [{"section", "path"}]. Input: guardian or child, what the paths begin with.';


create or replace function settings(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    perform require_agent('administrator');

    return (select json_build_object('status', 200,
                'pages', json_agg(json_build_object('settings_page', p.page,
                             'path', settings_path(p.page)) order by p.place),
                'guardian_sections', settings_sections('guardian', '/reglages/responsables/'),
                'child_sections', settings_sections('child', '/reglages/enfants/'))
              from unnest(array['delays', 'retention', 'sessions'])
                   with ordinality as p (page, place));
end
$$;

comment on function settings(jsonb) is
'The subjects that administrators set. Result: {"status": 200, "pages": [{"settings_page", "path"}], "guardian_sections", "child_sections": settings_sections()}. For administrators.';


create or replace function settings_form(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_values  jsonb;
begin
    perform require_agent('administrator');

    select settings_values(t, input->>'page') into v_values from town t where t.id = here();

    return json_build_object('status', 200, 'version', document_version(v_values::json),
        'settings_page', input->>'page', 'path', settings_path(input->>'page'),
        'values', v_values || jsonb_build_object('version', document_version(v_values::json)));
end
$$;

comment on function settings_form(jsonb) is
'A page of settings. Input: page, of settings_path(). Result: {"status": 200, "version", "settings_page", "path", "values": settings_values() and version}. For administrators.';


create or replace function settings_stale(input jsonb, p_version text) returns json
    language sql stable
    return case
        when input->>'version' is null
             and jsonb_typeof(input->'_'->'if_match') is distinct from 'array'
            then refused('', 'version_needed', 428)
        when stale(input, p_version) is not null then stale(input, p_version)
        when input->>'version' <> p_version then refused('', 'settings_changed', 409) end;

comment on function settings_stale(jsonb, text) is
    'Whether settings were changed by somebody else since the page was opened. Input: version of the page or If-Match; the version of now, its rows locked. Result: null to go on, or 428 version_needed, 412 version_changed, 409 settings_changed.';


create or replace function save_settings(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_page     text := input->>'page';
    v_refusal  json;
    v_town     town;
    v_values   jsonb;
    v_changed  jsonb;
    v_faults   jsonb;
begin
    perform require_agent('administrator');

    v_refusal := repeated(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    -- two administrators come one after another
    select t.* into v_town from town t where t.id = here() for no key update;

    v_values := settings_values(v_town, v_page);

    -- what was not sent stays as it is
    select jsonb_object_agg(e.key, e.value) into v_changed
      from jsonb_each(input) e
     where v_values ? e.key
       and v_values->e.key <> e.value;

    v_refusal := coalesce(settings_stale(input, document_version(v_values::json)),
        case when v_changed is null then refused('', 'nothing_asked') end);

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    v_town := settings_row(v_town, v_changed);
    v_faults := settings_faults(v_town);

    if v_faults <> '[]' then
        return done(input, json_build_object('status', 422, 'errors', v_faults));
    end if;

    perform settings_write(v_town);
    perform note('save_settings', v_page, 'town', v_town.id::bigint, null,
        (select array_agg(n order by n) from jsonb_object_keys(v_changed) n));

    return done(input, moved(settings_path(v_page), null, 'settings_saved'));
end
$$;

comment on function save_settings(jsonb) is
'Changes settings of the town; they hold from the next request on. Input: page; its settings (absent: stays), version of the page or If-Match; idempotency key. Result: moved to the page. The audit has one row with the names of what was changed. Errors: settings_stale(), nothing_asked, settings_faults(). For administrators.';


create or replace function settings_write(p_town town) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update town t
       set validation_days = p_town.validation_days,
           subscription_effect = p_town.subscription_effect,
           uploads_waiting = p_town.uploads_waiting,
           upload_space = p_town.upload_space,
           keep_unconfirmed = p_town.keep_unconfirmed,
           keep_inactive = p_town.keep_inactive,
           keep_closed = p_town.keep_closed,
           keep_request = p_town.keep_request,
           keep_document = p_town.keep_document,
           keep_photo = p_town.keep_photo,
           keep_mail = p_town.keep_mail,
           keep_session = p_town.keep_session,
           keep_token = p_town.keep_token,
           keep_attempt = p_town.keep_attempt,
           keep_audit = p_town.keep_audit,
           session_idle = p_town.session_idle,
           session_absolute = p_town.session_absolute,
           session_limit = p_town.session_limit,
           agent_idle = p_town.agent_idle,
           agent_absolute = p_town.agent_absolute
     where t.id = here();
end
$$;

comment on function settings_write(town) is
    'Writes what the pages of settings change; the town''s trigger tells nginx. The caller holds the row.';


grant execute on function settings(jsonb), settings_form(jsonb), save_settings(jsonb)
   to portal_web;
