--
-- The town's ready words for refusing a request or asking for more, as its
-- administrators write them.
--

set search_path = portal, pg_temp;


create or replace function refusal_used(p_code text) returns boolean
    language sql stable
    return exists (select from change_set c where c.reason_code = p_code);

comment on function refusal_used(text) is
    'Whether a request was answered with these words: they stay, since its family reads them there.';


create or replace function refusal_list(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    perform require_agent('administrator');

    return (select json_build_object('status', 200, 'refusals', coalesce(json_agg(
                json_build_object('code', r.code, 'refusal_kind', r.kind, 'rank', r.rank,
                    'text', coalesce(r.texts->>(input->'_'->>'lang'), r.texts->>'fr'),
                    'used', refusal_used(r.code))
                order by r.kind desc, r.rank, r.code), '[]'))
              from refusal r);
end
$$;

comment on function refusal_list(jsonb) is
'The town''s ready words. Result: {"status": 200, "refusals": [{"code", "refusal_kind": refused | incomplete, "rank", "text", "used"}]}. For administrators.';


create or replace function refusal_values(p_code text) returns jsonb
    language sql stable
    return case when p_code is null
        then (select jsonb_build_object('refusal_kind', 'refused', 'text_fr', null,
                         'text_en', null, 'rank', least(coalesce(max(r.rank), 0) + 1, 999))
                from refusal r)
        else (select jsonb_build_object('refusal_kind', r.kind, 'text_fr', r.texts->'fr',
                         'text_en', r.texts->'en', 'rank', r.rank)
                from refusal r
               where r.code = p_code) end;

comment on function refusal_values(text) is
    'Ready words as their form has them; null code: what a new one begins with; null: there are none of that code.';


create or replace function refusal_form(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_code     text := nullif(input->>'code', '');
    v_values   jsonb := refusal_values(v_code);
    v_version  text;
begin
    perform require_agent('administrator');

    if v_values is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    -- where a new one stands is no matter of versions
    v_version := document_version(case when v_code is null then '{}'
                                       else v_values end::json);

    return json_build_object('status', 200, 'version', v_version, 'code', v_code,
        'adds', v_code is null,
        'used', v_code is not null and refusal_used(v_code),
        'values', v_values || jsonb_build_object('version', v_version));
end
$$;

comment on function refusal_form(jsonb) is
'One of the town''s ready words, or a new one. Input: code (empty: a new one). Result: {"status": 200, "version", "code", "adds", "used", "values": refusal_values() and version}; 404. For administrators.';


create or replace function save_refusal(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_code     text := nullif(input->>'code', '');
    v_step     text := coalesce(input->>'step', 'save');
    v_refusal  json;
    v_values   jsonb;
    v_changed  jsonb;
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_values := refusal_values(v_code);

    select jsonb_object_agg(e.key, e.value) into v_changed
      from jsonb_each(input) e
     where v_values ? e.key
       and (v_values->e.key <> e.value or v_code is null and e.value <> 'null');

    v_refusal := case
        when v_values is null
            then json_build_object('status', 404, 'errors', json_build_array())
        else coalesce(
            settings_stale(input, refusal_form(input)->>'version'),
            case when v_step = 'remove' and v_code is null
                     then json_build_object('status', 404, 'errors', json_build_array())
                 when v_step = 'remove' and refusal_used(v_code)
                     then refused('', 'refusal_used', 409)
                 when v_step = 'save' and v_changed is null
                     then refused('', 'nothing_asked')
                 when v_step = 'save' and (v_values || v_changed)->>'text_fr' is null
                     then refused('text_fr', 'required') end) end;

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    if v_step = 'remove' then
        delete from refusal r where r.code = v_code;
        perform note('save_refusal', 'removed', 'refusal', null, null, array[v_code]);

        return done(input, moved('/reglages/motifs', null, 'refusal_removed'));
    end if;

    perform write_refusal(v_code, v_values || v_changed, array(
        select n from jsonb_object_keys(v_changed) n order by n));

    return done(input, moved('/reglages/motifs', null, 'settings_saved'));
end
$$;

comment on function save_refusal(jsonb) is
'Adds ready words, changes some or takes them away. Input: code (empty: new ones); refusal_kind, text_fr, text_en, rank (absent: stays); step: save (absent) or remove; version of the page or If-Match; idempotency key. Result: moved to the list. The audit has one row: added, changed or removed, the code and the names of what was changed. Errors: 404, settings_stale(), refusal_used (409: requests were answered with them), nothing_asked, text_fr required. For administrators.';


create or replace function write_refusal(p_code text, p_values jsonb, p_names text[])
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_texts  jsonb := jsonb_strip_nulls(jsonb_build_object('fr', p_values->'text_fr',
                                                           'en', p_values->'text_en'));
    v_code   text := coalesce(p_code, 'own_' || translate(
        left(replace(gen_random_uuid()::text, '-', ''), 12), '0123456789', 'ghijklmnop'));
begin
    -- words in a language that the page does not have stay
    insert into refusal as r (tenant, code, rank, kind, texts)
    values (here(), v_code, (p_values->>'rank')::smallint, p_values->>'refusal_kind', v_texts)
        on conflict (tenant, code) do update
       set rank = excluded.rank, kind = excluded.kind,
           texts = r.texts - '{fr,en}'::text[] || excluded.texts;

    perform note('save_refusal', case when p_code is null then 'added' else 'changed' end,
                 'refusal', null, null, v_code || p_names);
end
$$;

comment on function write_refusal(text, jsonb, text[]) is
    'Writes ready words and their row of the audit. Input: code (null: a new one is made), refusal_values() as they are to be, names of what has changed. The caller holds the town''s row.';


grant execute on function refusal_list(jsonb), refusal_form(jsonb), save_refusal(jsonb)
   to portal_web;
