--
-- What a town's administrators decide about the fields of the families' file: a
-- page for each section, a choice for each field.
--

set search_path = portal, pg_temp;


create or replace function field_choice(p_policy text, p_validation text) returns text
    language sql immutable
    return case when p_policy in ('editable', 'required')
                then p_policy || '_' || p_validation else p_policy end;

comment on function field_choice(text, text) is
    'What is decided about a field as one word: hidden, shown, editable_agent, editable_automatic, required_agent, required_automatic.';


create or replace function field_settings(p_section text)
    returns table (name text, rank smallint, needed boolean, choice text, choices text[])
    language sql stable
begin atomic
    -- a field that the file cannot be without stays required; where the operator
    -- has decided otherwise, that may stay; nor is anything required that would shut
    -- people out, see field_asked()
    select p.name, p.rank, f.policy = 'required', field_choice(p.policy, p.validation),
           case when f.policy = 'required'
                then array['required_agent', 'required_automatic']
                     || case when p.policy <> 'required' then array[p.policy] else '{}' end
                else array['hidden', 'shown', 'editable_agent', 'editable_automatic']
                     || case when p.name not in ('street_number', 'repetition')
                             then array['required_agent', 'required_automatic']
                             else '{}' end end
      from field_policies(p_section) p
      join field f on f.section = p_section and f.name = p.name;
end;

comment on function field_settings(text) is
    'The fields of a section for who decides about them: what holds, and what may be chosen, see field_choice(). needed: the file cannot be without.';


create or replace function settings_section(input jsonb) returns text
    language sql stable
    return (select s.name
              from section s
             where s.path = input->>'section'
               and split_part(s.name, '_', 1) = input->>'kind');

comment on function settings_section(jsonb) is
    'The section of a page of settings, null: there is none. Input: kind (guardian | child), section: its name in addresses.';


create or replace function settings_fields(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_section  text := settings_section(input);
    v_values   json;
begin
    perform require_agent('administrator');

    if v_section is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    select json_object_agg(f.name, f.choice order by f.rank) into v_values
      from field_settings(v_section) f;

    return (select json_build_object('status', 200, 'version', document_version(v_values),
                'section', v_section, 'is_guardian', input->>'kind' = 'guardian',
                'values', v_values::jsonb || jsonb_build_object('version',
                                                                document_version(v_values)),
                'items', json_agg(json_build_object('field', f.name, 'needed', f.needed)
                                  order by f.rank),
                'policy', json_object_agg(f.name, 'required'),
                'choices', json_object_agg(f.name, f.choices))
              from field_settings(v_section) f);
end
$$;

comment on function settings_fields(jsonb) is
'What is decided about the fields of a section. Input: kind, section. Result: {"status": 200, "version", "section", "is_guardian", "values": {field: field_choice()} and version, "items": [{"field", "needed"}], "policy": each one is answered, "choices": {field: what may be chosen}}; 404. For administrators.';


create or replace function save_fields(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_section  text := settings_section(input);
    v_refusal  json;
    v_changed  text[];
    v_faults   json;
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    select array_agg(f.name order by f.name),
           json_agg(json_build_object('field', f.name, 'code', 'choice') order by f.rank)
               filter (where input->>f.name <> all (f.choices))
      into v_changed, v_faults
      from field_settings(v_section) f
     where input->>f.name <> f.choice;

    v_refusal := case
        when v_section is null
            then json_build_object('status', 404, 'errors', json_build_array())
        else coalesce(
            settings_stale(input, settings_fields(input)->>'version'),
            case when foreign_fields(input, v_section) is not null
                 then json_build_object('status', 422,
                                        'errors', foreign_fields(input, v_section)) end,
            case when v_changed is null then refused('', 'nothing_asked') end,
            case when v_faults is not null
                 then json_build_object('status', 422, 'errors', v_faults) end) end;

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    insert into field_policy as p (tenant, section, field, policy, validation)
    select here(), v_section, f.name, split_part(input->>f.name, '_', 1),
           coalesce(nullif(split_part(input->>f.name, '_', 2), ''), f.validation)
      from field_policies(v_section) f
     where f.name = any (v_changed)
        on conflict (tenant, section, field) do update
       set policy = excluded.policy, validation = excluded.validation;

    perform note('save_fields', v_section, 'town', here()::bigint, null, v_changed);

    return done(input, moved('/reglages/' || case input->>'kind' when 'guardian'
        then 'responsables/' else 'enfants/' end || (input->>'section'), null,
        'settings_saved'));
end
$$;

comment on function save_fields(jsonb) is
'Decides about fields of a section, for families'' pages from the next request on. Input: kind, section; field: field_choice() (absent: stays); version of the page or If-Match; idempotency key. Result: moved to the page. The audit has one row with the names of the fields. Errors: 404, settings_stale(), unknown_field, nothing_asked, choice (a field that the file cannot be without stays required). For administrators.';


create or replace function foreign_fields(input jsonb, p_section text) returns json
    language sql stable
begin atomic
    select json_agg(json_build_object('field', f.name, 'code', 'unknown_field') order by f.name)
      from (select distinct x.name from field x
             where split_part(x.section, '_', 1) = split_part(p_section, '_', 1)) f
     where input->>f.name is not null
       and not exists (select from field_policies(p_section) x where x.name = f.name);
end;

comment on function foreign_fields(jsonb, text) is
    'Fields of another section of the same kind of person, which share a form, and authorisations that are not on the town''s list, as errors; null: none.';


grant execute on function settings_fields(jsonb), save_fields(jsonb) to portal_web;
