--
-- The list of authorisations, as a town's administrators keep it: what it has added,
-- what it asks for no more, and the order.  Answers are never written here.
--

set search_path = portal, pg_temp;


create or replace function authorisation_order(p_withdrawn boolean) returns text[]
    language sql stable
    return (select coalesce(array_agg(k.code order by k.rank), '{}')
              from authorisation_kinds() k
             where (k.withdrawn_on is not null) = p_withdrawn);

comment on function authorisation_order(boolean) is
    'The codes of the town''s list in its order, or of those that it does not ask for any more.';


create or replace function keep_authorisations(p_order text[], p_code text, p_made jsonb)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update town t
       set authorisations = (
               select jsonb_object_agg(o.code, jsonb_strip_nulls(
                          coalesce(t.authorisations->o.code, '{}')
                          || case when o.code = p_code then p_made else '{}' end
                          || jsonb_build_object('rank', o.rank)))
                 from unnest(p_order) with ordinality as o (code, rank))
     where t.id = here();
end
$$;

comment on function keep_authorisations(text[], text, jsonb) is
    'Writes town.authorisations. Input: all codes in their order, those that are not asked for last; the one that changes, and what of it does (null: goes). The caller holds the town''s row, whose trigger tells nginx and the ready documents.';


create or replace function title_faults(p_code text, p_titles jsonb) returns json
    language sql stable
begin atomic
    select json_build_object('status', 422, 'location', null, 'session', null, 'errors',
               json_agg(json_build_object('field', 'title_' || l.lang,
                            'code', case when k.withdrawn_on is null then 'title_taken'
                                         else 'title_former' end,
                            'name', authorisation_title(k.code, l.lang))
                        order by l.lang desc))
      from (values ('fr'), ('en')) as l (lang)
      join authorisation_kinds() k on k.code is distinct from p_code
                                  and fold(authorisation_title(k.code, l.lang))
                                      = fold(p_titles->>('title_' || l.lang))
    having count(*) > 0;
end;

comment on function title_faults(text, jsonb) is
    'Titles that another authorisation has (title_taken, title_former of one that is not asked for any more, with its "name"), as a refusal; null: none. Input: the code that is to have them (null: a new one), {"title_fr", "title_en"}.';


create or replace function authorisation_list_version() returns text
    language sql stable
    return document_version((select to_json(t.authorisations) from town t where t.id = here()));

comment on function authorisation_list_version() is
    'Version of authorisation_list(), which each change of the list names.';


create or replace function authorisation_requests(p_code text) returns int
    language sql stable
begin atomic
    select count(*)::int
      from change_set c
      join change_item i on i.tenant = c.tenant and i.set_id = c.id
     where c.section = 'child_authorisations'
       and c.state in ('sent', 'taken', 'incomplete')
       and i.field = p_code;
end;

comment on function authorisation_requests(text) is
    'How many requests that are not decided yet answer an authorisation.';


create or replace function authorisation_list(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_lang     text := input->'_'->>'lang';
    v_version  text := authorisation_list_version();
    v_former   json;
begin
    perform require_agent('administrator');

    select coalesce(json_agg(json_build_object('code', k.code,
               'title', authorisation_title(k.code, v_lang), 'own', k.own,
               'withdrawn_on', k.withdrawn_on,
               'requests', authorisation_requests(k.code)) order by k.rank), '[]')
      into v_former
      from authorisation_kinds() k
     where k.withdrawn_on is not null;

    return (select json_build_object('status', 200, 'version', v_version,
                'authorisations', json_agg(
                json_build_object('code', p.name, 'title', authorisation_title(p.name, v_lang),
                    'own', p.name like 'own\_%',
                    'choice', field_choice(p.policy, p.validation),
                    'first', p.n = 1, 'last', p.n = p.all,
                    'words', coalesce(authorisation_words(p.name, v_lang),
                                      authorisation_words(p.name, 'fr')),
                    'since', (select day_of(max(t.since)) from authorisation_text t
                               where t.code = p.name))
                order by p.rank),
                'former', v_former, 'has_former', json_array_length(v_former) > 0,
                'full', free_authorisation() is null,
                'values', json_build_object('version', v_version))
              from (select f.*, row_number() over (order by f.rank) as n,
                           count(*) over () as all
                      from field_policies('child_authorisations') f) p);
end
$$;

comment on function authorisation_list(jsonb) is
'The authorisations. Result: {"status": 200, "version", "authorisations": [{"code", "title", "own": the town has added it, "choice": field_choice(), "first", "last": it can be moved no further, "words": the text, "since": the day when it was last changed}], "former": [{"code", "title", "own", "withdrawn_on", "requests": authorisation_requests()}] that are not asked for any more, "has_former", "full": no other one can be added, "values": {"version"}}. For administrators.';


create or replace function move_authorisation(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_refusal  json;
    v_order    text[];
    v_code     text := coalesce(input->>'up', input->>'down');
    v_from     int;
    v_to       int;
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_order := authorisation_order(false);
    v_from := array_position(v_order, v_code);
    v_to := case when input->>'up' is not null then v_from - 1 else v_from + 1 end;

    v_refusal := coalesce(
        settings_stale(input, authorisation_list_version()),
        case when v_to is null or v_to not between 1 and cardinality(v_order)
             then refused('', 'nothing_asked') end);

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    v_order[v_from] := v_order[v_to];
    v_order[v_to] := v_code;

    perform keep_authorisations(v_order || authorisation_order(true), null, null);
    perform note('save_authorisation', 'ok', 'authorisation_text', null, null,
                 array[v_code, 'rank']);

    return done(input, moved('/reglages/autorisations', null, 'settings_saved'));
end
$$;

comment on function move_authorisation(jsonb) is
'Moves an authorisation by one place: forms, files and requests show them in that order. Input: up, or down: its code; version of the list or If-Match; idempotency key. Result: moved to the list. The audit has one row: the code and rank. Errors: settings_stale(), nothing_asked (it is the first, the last, or not on the list). For administrators.';


create or replace function free_authorisation() returns text
    language sql stable
    return (select f.name
              from field f
              join town w on w.id = here()
             where f.section = 'child_authorisations'
               and f.name like 'own\_%'
               and not w.authorisations ? f.name
             order by f.rank
             limit 1);

comment on function free_authorisation() is
    'The code that the next authorisation of the town''s own has; null: it has as many as there can be. One that is not asked for any more keeps its code, as its answers do.';


create or replace function new_authorisation(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_version  text := authorisation_list_version();
begin
    perform require_agent('administrator');

    return json_build_object('status', 200, 'version', v_version,
        'english', 'en' = any (t.languages), 'full', free_authorisation() is null,
        'policy', json_build_object('title_fr', 'required', 'words_fr', 'required',
            'title_en', case when 'en' = any (t.languages) then 'required' else 'editable' end,
            'words_en', case when 'en' = any (t.languages) then 'required' else 'editable' end),
        'values', json_build_object('version', v_version))
      from town t
     where t.id = here();
end
$$;

comment on function new_authorisation(jsonb) is
'The page that adds an authorisation. Result: {"status": 200, "version", "english": the town offers English, "full": no other one can be added, "policy", "values": {"version"}}. For administrators.';


create or replace function new_faults(input jsonb, p_english boolean) returns json
    language sql stable
begin atomic
    select case
        when free_authorisation() is null then refused('', 'twelve_own')
        else coalesce(
            -- who reads English reads all of it, or none
            (select json_build_object('status', 422, 'location', null, 'session', null,
                        'errors', json_agg(json_build_object('field', f.name,
                                                             'code', 'required')))
               from (values ('title_en'), ('words_en')) as f (name)
              where input->>f.name is null
                and (p_english or input->>'title_en' is not null
                     or input->>'words_en' is not null)
             having count(*) > 0),
            title_faults(null, input)) end;
end;

comment on function new_faults(jsonb, boolean) is
    'What is wrong with a new authorisation: twelve_own, an English title or text that is missing where the town offers English, or the other one is there, title_faults(). Null: nothing.';


create or replace function add_authorisation(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_code     text;
    v_refusal  json;
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_refusal := coalesce(
        settings_stale(input, authorisation_list_version()),
        new_faults(input, (select 'en' = any (t.languages) from town t where t.id = here())));

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    v_code := free_authorisation();

    insert into authorisation_text (tenant, code, lang, text, asks_again)
    select here(), v_code, w.lang, w.words, false
      from (values ('fr', input->>'words_fr'), ('en', input->>'words_en')) as w (lang, words)
     where w.words is not null;

    perform keep_authorisations(authorisation_order(false) || v_code
                                || authorisation_order(true), v_code,
        jsonb_build_object('fr', input->'title_fr', 'en', input->'title_en',
                           'since', today()));
    perform note('save_authorisation', 'added', 'authorisation_text', null, null,
                 array[v_code]);

    return done(input, moved('/reglages/autorisations', null, 'settings_saved'));
end
$$;

comment on function add_authorisation(jsonb) is
'Adds an authorisation to the end of the list: families are asked from the next page on, each child unanswered. Input: title_fr, words_fr; title_en, words_en; version of the page or If-Match; idempotency key. Result: moved to the list. The audit has one row: its code. Errors: settings_stale(), new_faults(). For administrators.';


create or replace function listed_authorisation(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_code     text := input->>'code';
    v_version  text := authorisation_list_version();
    v_result   json;
begin
    perform require_agent('administrator');

    select json_build_object('status', 200, 'version', v_version, 'code', k.code,
               'title', authorisation_title(k.code, input->'_'->>'lang'),
               'withdrawn_on', k.withdrawn_on, 'answers', authorisation_answers(k.code),
               'requests', authorisation_requests(k.code),
               'values', json_build_object('version', v_version))
      into v_result
      from authorisation_kinds() k
     where k.code = v_code;

    return coalesce(v_result,
                    json_build_object('status', 404, 'errors', json_build_array()));
end
$$;

comment on function listed_authorisation(jsonb) is
'The page that takes an authorisation out of the list, or back into it. Input: code. Result: {"status": 200, "version", "code", "title", "withdrawn_on": null while it is on the list, "answers": authorisation_answers(), "requests": authorisation_requests(), "values": {"version"}}; 404. For administrators.';


create or replace function withdraw_authorisation(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_code      text := input->>'code';
    v_withdraw  boolean := input->>'step' = 'withdraw';
    v_listed    text[];
    v_former    text[];
    v_refusal   json;
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_listed := authorisation_order(false);
    v_former := authorisation_order(true);

    v_refusal := case
        when v_code <> all (v_listed || v_former)
            then json_build_object('status', 404, 'errors', json_build_array())
        else coalesce(
            settings_stale(input, authorisation_list_version()),
            case when v_withdraw <> (v_code = any (v_listed)) then refused('', 'nothing_asked')
                 when v_listed = array[v_code] and v_withdraw then refused('', 'last_one') end)
        end;

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    -- who comes back is the last one, and asked for as a new one is
    perform keep_authorisations(array_remove(v_listed, v_code) || v_code
                                || array_remove(v_former, v_code), v_code,
        case when v_withdraw then jsonb_build_object('withdrawn', today())
             else jsonb_build_object('withdrawn', null, 'since', today()) end);
    perform note('save_authorisation', case when v_withdraw then 'withdrawn' else 'restored' end,
                 'authorisation_text', null, null, array[v_code]);

    return done(input, moved('/reglages/autorisations', null, 'settings_saved'));
end
$$;

comment on function withdraw_authorisation(jsonb) is
'Takes an authorisation out of the list, or back into it. Nobody is asked for one that is out of it and no page of today shows it; its answers stay, with their texts, for « Mes données ». Requests that answer it stay in the queue, which says so. Input: code; step: withdraw or restore; version of the page or If-Match; idempotency key. Result: moved to the list. The audit has one row: its code. Errors: 404, settings_stale(), nothing_asked (it is so already), last_one (the list is never empty). For administrators.';


grant execute on function authorisation_list(jsonb), move_authorisation(jsonb),
    new_authorisation(jsonb), add_authorisation(jsonb), listed_authorisation(jsonb),
    withdraw_authorisation(jsonb)
   to portal_web;
