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
                       when 'sessions' then '/reglages/sessions'
                       when 'contact' then '/reglages/contact'
                       when 'texts' then '/reglages/textes'
                       when 'verification' then '/reglages/verification'
                       when 'theme' then '/reglages/theme'
                       when 'authorisations' then '/reglages/autorisations'
                       when 'schools' then '/reglages/ecoles'
                       when 'refusals' then '/reglages/motifs'
                       when 'webhooks' then '/reglages/logiciel'
                       when 'agents' then '/agents'
                       when 'periods' then '/durees' end;

comment on function settings_path(text) is 'Where a page of settings is; null: there is none of that name.';


create or replace function settings_texts()
    returns table (name text, is_column boolean)
    language sql immutable
begin atomic
    select x.name, true
      from unnest('{service,family_service,office,hours,counter,mail_name}'::text[]) as x (name)
     union all
    select x.name, false
      from unnest('{publisher,director,host,dpo,no_code,accessibility,accessibility_state,accessibility_results,accessibility_content,accessibility_made,accessibility_plan}'::text[])
           as x (name);
end;

comment on function settings_texts() is
    'The town''s words that are set: is_column says that the French ones are a column of town, and town.texts has the other languages alone.';


create or replace function settings_words(p_town town, p_columns boolean) returns jsonb
    language sql stable
begin atomic
    select jsonb_object_agg(x.name, case when x.is_column then to_jsonb(p_town)->x.name
                                         when jsonb_typeof(p_town.texts->x.name) = 'string'
                                         then p_town.texts->x.name
                                         else coalesce(p_town.texts->x.name->'fr', 'null') end)
           || jsonb_object_agg(x.name || '_en', coalesce(p_town.texts->x.name->'en', 'null'))
      from settings_texts() x
     where x.is_column = p_columns;
end;

comment on function settings_words(town, boolean) is
    'The town''s words by name, and by name with _en in English; null: none. Input: the town, whether those with a column.';


create or replace function settings_said(p_texts jsonb, p_changed jsonb) returns jsonb
    language plpgsql immutable set search_path = portal, pg_temp as $$
declare
    v_text   record;
    v_words  jsonb;
begin
    for v_text in
        select x.name, x.is_column
          from settings_texts() x
         where p_changed ?| array[x.name, x.name || '_en']
    loop
        -- a plain text is in the first language, others stay
        v_words := p_texts->v_text.name;
        v_words := case jsonb_typeof(v_words) when 'object' then v_words
                        when 'string' then jsonb_build_object('fr', v_words) else '{}' end;

        if p_changed ? v_text.name and not v_text.is_column then
            v_words := v_words || jsonb_build_object('fr', p_changed->v_text.name);
        end if;

        if p_changed ? (v_text.name || '_en') then
            v_words := v_words || jsonb_build_object('en', p_changed->(v_text.name || '_en'));
        end if;

        v_words := jsonb_strip_nulls(v_words);
        p_texts := p_texts - v_text.name || case when v_words = '{}' then '{}'
            else jsonb_build_object(v_text.name, v_words) end;
    end loop;

    return p_texts;
end
$$;

comment on function settings_said(jsonb, jsonb) is
    'town.texts with what has changed on a page; languages that the page does not have stay.';


create or replace function settings_values(p_town town, p_page text) returns jsonb
    language sql stable
    return case p_page
        when 'delays' then jsonb_build_object(
            'validation_days', p_town.validation_days,
            'subscription_effect', p_town.subscription_effect,
            'uploads_waiting', p_town.uploads_waiting, 'upload_space', p_town.upload_space,
            'bank_agents', p_town.bank_agents, 'export_agents', p_town.export_agents)
        when 'retention' then jsonb_build_object(
            'keep_request', p_town.keep_request, 'keep_document', p_town.keep_document,
            'keep_photo', p_town.keep_photo, 'keep_inactive', p_town.keep_inactive,
            'keep_closed', p_town.keep_closed, 'keep_unconfirmed', p_town.keep_unconfirmed,
            'keep_mail', p_town.keep_mail, 'keep_session', p_town.keep_session,
            'keep_token', p_town.keep_token, 'keep_attempt', p_town.keep_attempt,
            'keep_audit', p_town.keep_audit, 'purge_mode', p_town.purge_mode)
        when 'sessions' then jsonb_build_object(
            'session_minutes', (p_town.session_idle + 59) / 60,
            'session_hours', (p_town.session_absolute + 3599) / 3600,
            'session_limit', p_town.session_limit,
            'agent_minutes', (p_town.agent_idle + 59) / 60,
            'agent_hours', (p_town.agent_absolute + 3599) / 3600)
        when 'contact' then jsonb_build_object('phone', p_town.phone, 'email', p_town.email,
            'mail_from', p_town.mail_from,
            'offered', array_to_string(p_town.languages, '_')) || settings_words(p_town, true)
        when 'texts' then settings_words(p_town, false)
        when 'verification' then (select jsonb_build_object(
                'opening_day', right(p_town.year_opens, 2)::int,
                'opening_month', left(p_town.year_opens, 2),
                'verify_reminder', yes_or_no(p_town.verify_reminder))
            || jsonb_object_agg('verify_' || s.name, coalesce(p_town.verify->>s.name, 'year'))
            || jsonb_object_agg('both_' || s.name, yes_or_no(s.name = any (p_town.verify_both)))
                   filter (where s.name like 'child%')
              from section s
             where s.name <> 'child_photo') end;

comment on function settings_values(town, text) is
    'The settings of a page as its form has them: seconds as minutes and hours, rounded up; a text in English under its name with _en.';


create or replace function settings_verified(p_town town, p_changed jsonb) returns jsonb
    language sql stable
begin atomic
    -- numbers and choices of the form; what has not changed stays
    select jsonb_build_object(
               'year_opens', coalesce(p_changed->>'opening_month', left(p_town.year_opens, 2))
                   || '-' || coalesce(lpad(p_changed->>'opening_day', 2, '0'),
                                      right(p_town.year_opens, 2)),
               'verify_reminder', coalesce(p_changed->>'verify_reminder' = 'yes',
                                           p_town.verify_reminder),
               'verify', p_town.verify || coalesce(
                   jsonb_object_agg(s.name, p_changed->('verify_' || s.name))
                       filter (where p_changed ? ('verify_' || s.name)), '{}'),
               'verify_both', coalesce(jsonb_agg(s.name order by s.name)
                   filter (where coalesce(p_changed->>('both_' || s.name) = 'yes',
                                          s.name = any (p_town.verify_both))), '[]'))
      from section s;
end;

comment on function settings_verified(town, jsonb) is
    'The columns of a town that say what is verified each year, with what has changed on their page.';


create or replace function settings_row(p_town town, p_changed jsonb) returns town
    language sql stable
    return jsonb_populate_record(p_town, p_changed || settings_verified(p_town, p_changed)
        || jsonb_strip_nulls(jsonb_build_object(
        'session_idle', (p_changed->>'session_minutes')::int * 60,
        'session_absolute', (p_changed->>'session_hours')::int * 3600,
        'agent_idle', (p_changed->>'agent_minutes')::int * 60,
        'agent_absolute', (p_changed->>'agent_hours')::int * 3600,
        'languages', string_to_array(p_changed->>'offered', '_'),
        'texts', settings_said(p_town.texts, p_changed))));

comment on function settings_row(town, jsonb) is
    'The town with what has changed on a page, in the words of the form; what has not keeps its seconds.';


create or replace function settings_faults(p_town town) returns jsonb
    language sql stable
begin atomic
    select coalesce(jsonb_agg(jsonb_build_object('field', f.field, 'code', f.code)), '[]')
      from (values ('session_hours', 'hours_short', p_town.session_absolute < p_town.session_idle),
                   ('agent_hours', 'hours_short', p_town.agent_absolute < p_town.agent_idle),
                   ('opening_day', 'day_of_month',
                    p_town.year_opens in ('04-31', '06-31')))
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
                'groups', json_agg(json_build_object('settings_group', g.name, 'pages', (
                    select json_agg(json_build_object('settings_page', p.page,
                                        'settings_line', p.page,
                                        'path', settings_path(p.page)) order by p.place)
                      from unnest(g.pages) with ordinality as p (page, place)))
                    order by g.place),
                'guardian_sections', settings_sections('guardian', '/reglages/responsables/'),
                'child_sections', settings_sections('child', '/reglages/enfants/'))
              from (values (1, 'town', array['contact', 'texts', 'theme', 'schools']),
                           (2, 'families', array['authorisations', 'refusals', 'delays',
                                                 'verification']),
                           (3, 'people', array['agents', 'sessions']),
                           (4, 'data', array['retention', 'periods', 'webhooks']))
                   as g (place, name, pages));
end
$$;

comment on function settings(jsonb) is
'All that administrators set, for the one page that leads to it. Result: {"status": 200, "groups": [{"settings_group", "pages": [{"settings_page", "settings_line": the same, "path"}]}], "guardian_sections", "child_sections": settings_sections()}. For administrators.';


create or replace function settings_form(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_values  jsonb;
begin
    perform require_agent('administrator');

    select settings_values(t, input->>'page') into v_values from town t where t.id = here();

    return json_build_object('status', 200, 'version', document_version(v_values::json),
        'settings_page', input->>'page', 'path', settings_path(input->>'page'),
        'previews', coalesce(input->>'page' = 'texts', false),
        'preview', coalesce(input->>'step' = 'check', false),
        'confirms', coalesce((v_values->>'purge_mode' = 'approval'
                              or v_values->>'bank_agents' = 'two'
                              or v_values->>'export_agents' = 'two')
                             and not stepped_up(), false),
        'rules', (select coalesce(json_agg(json_build_object('town_rule', r.rule,
                             'until', r.until) order by r.rule), '[]')
                    from town_rule r
                    join town t on t.id = r.tenant
                   where r.until > now()
                     and v_values->>r.rule in ('one', 'automatic')),
        'values', v_values || jsonb_build_object('version', document_version(v_values::json)));
end
$$;

comment on function settings_form(jsonb) is
'A page of settings. Input: page, of settings_path(); step: check shows what would be said. Result: {"status": 200, "version", "settings_page", "path", "previews": it can be, "preview": it is, "confirms": one of its settings asks for a code first, "rules": those given up that still hold: [{"town_rule", "until"}], "values": settings_values() and version}. For administrators.';


create or replace function settings_asked(input jsonb, p_values jsonb) returns jsonb
    language sql immutable
    return (select jsonb_object_agg(e.key, e.value)
              from jsonb_each(input) e
             where p_values ? e.key
               and p_values->e.key <> e.value);

comment on function settings_asked(jsonb, jsonb) is
    'What a form asks to change; what was not sent stays as it is. Input: the form''s fields, the values of now. Null: nothing.';


create or replace function settings_turn(input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_answer  json;
begin
    perform require_agent('administrator');

    v_answer := repeated(input);

    -- two administrators come one after another
    if v_answer is null then
        perform 1 from town t where t.id = here() for no key update;
    end if;

    return v_answer;
end
$$;

comment on function settings_turn(jsonb) is
    'What each change by an administrator begins with: holds the town''s row, so that what is read after it is what is changed. Input: _ as repeated(). Result: null to go on, else the answer that was given already. Errors, raised: PT403.';


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


create or replace function tell_rules(p_changed jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    perform post(gen_random_uuid(), a.email, a.email_mac, 'town_rule', 'fr',
                 jsonb_build_object('origin', t.agent_origin, 'by', agent_name(my_agent()),
                                    'day', day_of(now() + interval '7 days'),
                                    'path', case when p_changed ? 'purge_mode'
                                                 then '/reglages/conservation'
                                                 else '/reglages/delais' end))
       from agent a
       join town t on t.id = a.tenant
      where (p_changed->>'purge_mode' = 'automatic' or p_changed->>'bank_agents' = 'one'
             or p_changed->>'export_agents' = 'one')
        and (a.role = 'administrator' and a.state = 'active'
             or a.id in (select x from administrators_lately() x));
end
$$;

comment on function tell_rules(jsonb) is
    'Mails all administrators, also who was one in the last seven days, that a rule that asks for two is given up. Input: what has changed in the settings.';


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
    -- looking does nothing: it claims no key and waits for nobody
    if input->>'step' = 'check' then
        return settings_form(input);
    end if;

    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    select t.* into v_town from town t where t.id = here();

    v_values := settings_values(v_town, v_page);
    v_changed := settings_asked(input, v_values);

    v_refusal := coalesce(settings_stale(input, document_version(v_values::json)),
        case when v_changed is null then refused('', 'nothing_asked')
             -- what two had to agree to is not given up by a session left open
             when v_changed->>'purge_mode' = 'automatic' and not coalesce(stepped_up(), false)
                 then refused('purge_mode', 'step_up_needed')
             when v_changed->>'bank_agents' = 'one' and not coalesce(stepped_up(), false)
                 then refused('bank_agents', 'step_up_needed')
             when v_changed->>'export_agents' = 'one' and not coalesce(stepped_up(), false)
                 then refused('export_agents', 'step_up_needed') end);

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    v_town := settings_row(v_town, v_changed);
    v_faults := settings_faults(v_town);

    if v_faults <> '[]' then
        return done(input, json_build_object('status', 422, 'errors', v_faults));
    end if;

    perform settings_write(v_town);
    perform tell_rules(v_changed);
    perform note('save_settings', v_page, 'town', v_town.id::bigint, null,
        (select array_agg(n order by n) from jsonb_object_keys(v_changed) n));

    return done(input, moved(settings_path(v_page), null, 'settings_saved'));
end
$$;

comment on function save_settings(jsonb) is
'Changes settings of the town; they hold from the next request on. Input: page; its settings (absent: stays), version of the page or If-Match; step: save (absent), or check, which shows what would be said and changes nothing; idempotency key. Result: moved to the page, or the page. The audit has one row with the names of what was changed. Errors: settings_stale(), nothing_asked, settings_faults(), step_up_needed of purge_mode, bank_agents and export_agents: from two people back to one asks for another code, see step_up.sql, is told to all administrators and counts after seven days, see rule_holds(). For administrators.';


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
           agent_absolute = p_town.agent_absolute,
           year_opens = p_town.year_opens,
           verify = p_town.verify,
           verify_both = p_town.verify_both,
           verify_reminder = p_town.verify_reminder,
           purge_mode = p_town.purge_mode,
           bank_agents = p_town.bank_agents,
           export_agents = p_town.export_agents,
           service = p_town.service,
           family_service = p_town.family_service,
           phone = p_town.phone,
           email = p_town.email,
           office = p_town.office,
           hours = p_town.hours,
           counter = p_town.counter,
           mail_from = p_town.mail_from,
           mail_name = p_town.mail_name,
           languages = p_town.languages,
           texts = p_town.texts
     where t.id = here();
end
$$;

comment on function settings_write(town) is
    'Writes what the pages of settings change; the town''s trigger tells nginx. The caller holds the row.';


grant execute on function settings(jsonb), settings_form(jsonb), save_settings(jsonb)
   to portal_web;
