--
-- The texts that families answer authorisations by, as administrators write them.
-- A text that was shown stays what it was: another one is a new row.
--

set search_path = portal, pg_temp;


create or replace function authorisation_words(p_code text, p_lang text) returns text
    language sql stable
begin atomic
    select t.text
      from authorisation_text t
     where t.code = p_code
       and t.lang = p_lang
     order by t.id desc
     limit 1;
end;

comment on function authorisation_words(text, text) is
    'The text that is asked with now in a language; null: there is none.';


create or replace function authorisation_values(p_code text) returns jsonb
    language sql stable
    return case when authorisation_words(p_code, 'fr') is not null
        then jsonb_build_object('words_fr', authorisation_words(p_code, 'fr'),
                 'words_en', authorisation_words(p_code, 'en'), 'again', null,
                 'alone', null)
             || (select case when k.own then jsonb_build_object(
                            'title_fr', authorisation_title(p_code, 'fr'),
                            'title_en', (select w.authorisations->p_code->'en'
                                           from town w where w.id = here()))
                             else '{}' end
                   from authorisation_kinds() k
                  where k.code = p_code) end;

comment on function authorisation_values(text) is
    'The texts of an authorisation as their form has them, and the titles of one of the town''s own, where nothing is chosen for whoever changes them; null: there is none of that code.';


create or replace function authorisation_answers(p_code text) returns int
    language sql stable
begin atomic
    select count(*)::int
      from authorisation a
      left join authorisation_text t on t.tenant = a.tenant and t.id = a.text_id
     cross join (select max(n.since) as since
                   from authorisation_text n
                  where n.code = p_code and n.asks_again) again
     where a.code = p_code
       and a.answer <> 'unanswered'
       and (a.school_year >= (select school_year())) is not false
       and case when a.text_id is null then day_of(again.since) >= a.answered_on
                else again.since > t.since end is not true;
end;

comment on function authorisation_answers(text) is
    'How many answers count now, which asking again would end: answer_counts() of all of them at once.';


create or replace function authorisation_version(p_code text) returns text
    language sql stable
    return document_version(authorisation_values(p_code)::json, to_json(
               (select max(t.id) from authorisation_text t where t.code = p_code)));

comment on function authorisation_version(text) is
    'Version of authorisation_form(), which a change names.';


create or replace function authorisation_form(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_code     text := input->>'code';
    v_values   jsonb := authorisation_values(v_code);
    v_version  text := authorisation_version(v_code);
    v_kind     record;
begin
    perform require_agent('administrator');

    if v_values is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    select k.own, k.withdrawn_on into v_kind from authorisation_kinds() k where k.code = v_code;

    return json_build_object('status', 200, 'version', v_version, 'code', v_code,
        'title', authorisation_title(v_code, input->'_'->>'lang'), 'own', v_kind.own,
        'withdrawn_on', v_kind.withdrawn_on,
        'answers', authorisation_answers(v_code),
        'former', (select coalesce(json_agg(json_build_object('lang', f.lang,
                              'words', f.text, 'since', f.since) order by f.id desc), '[]')
                     from (select t.*, row_number() over (partition by t.lang
                                                          order by t.id desc) as n
                             from authorisation_text t
                            where t.code = v_code
                            order by t.id desc
                            limit 50) f
                    where f.n > 1),
        'policy', (select json_object_agg(p.name, case when p.name in ('words_fr', 'again',
                                                                       'title_fr')
                              then 'required' else 'editable' end)
                     from jsonb_object_keys(v_values) p (name)),
        'values', v_values || jsonb_build_object('version', v_version));
end
$$;

comment on function authorisation_form(jsonb) is
'An authorisation''s texts. Input: code. Result: {"status": 200, "version", "code", "title", "own": the town has added it, "withdrawn_on": day since which it is not asked, "answers": authorisation_answers(), "policy": what its form has, "former": [{"lang", "words", "since"}] of before, newest first, "values": authorisation_values() and version}; 404. For administrators.';


create or replace function authorisation_faults(p_values jsonb, p_changed jsonb) returns json
    language sql immutable
    return case
        when p_changed->'words_en' = 'null' then refused('words_en', 'text_stays')
        when p_changed->'title_en' = 'null' then refused('title_en', 'text_stays')
        when not coalesce(p_changed ?| '{words_fr,words_en,title_fr,title_en}', false)
             and p_changed->>'again' is distinct from 'yes' then refused('', 'nothing_asked')
        -- the other language would go on saying what the text said before
        when p_changed ? 'words_fr' <> (p_changed ? 'words_en')
             and p_values->>'words_en' is not null
             and p_changed->>'alone' is distinct from 'yes'
            then refused(case when p_changed ? 'words_fr' then 'words_en' else 'words_fr' end,
                         'language_alone')
        when p_changed->>'again' is null and p_changed ?| '{words_fr,words_en}'
            then refused('again', 'required') end;

comment on function authorisation_faults(jsonb, jsonb) is
    'What is wrong with another text: a language that is taken away (text_stays), nothing_asked, a language that alone is written anew while nobody says that the other one still says the same (language_alone), or no answer to whether families are asked again, where a text changes. Input: authorisation_values() of now, what a form changes. Null: nothing.';


create or replace function save_authorisation(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_code     text := input->>'code';
    v_refusal  json;
    v_values   jsonb;
    v_changed  jsonb;
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_values := authorisation_values(v_code);
    v_changed := settings_asked(input, v_values);

    v_refusal := case
        when v_values is null
            then json_build_object('status', 404, 'errors', json_build_array())
        else coalesce(
            settings_stale(input, authorisation_version(v_code)),
            authorisation_faults(v_values, v_changed),
            title_faults(v_code, v_changed)) end;

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    perform write_authorisation(v_code, v_values || v_changed, v_changed);

    if v_changed ?| '{title_fr,title_en}' then
        perform keep_authorisations(authorisation_order(false) || authorisation_order(true),
            v_code, jsonb_strip_nulls(jsonb_build_object('fr', v_changed->'title_fr',
                                                         'en', v_changed->'title_en')));
    end if;

    perform note('save_authorisation', 'ok', 'authorisation_text', null, null,
        v_code || array(select k.key from jsonb_each(v_changed) k
                         where k.key like 'words%' or k.key like 'title%'
                            or k.value = '"yes"' and k.key = 'again'
                         order by k.key));

    return done(input, moved('/reglages/autorisations', null, 'settings_saved'));
end
$$;

comment on function save_authorisation(jsonb) is
'Writes another text for an authorisation, from the next page on. Who has answered keeps the answer with its text. Input: code; words_fr, words_en, of an own one also title_fr, title_en (absent: stays); again: no, or yes, and answers of before count no more; alone: yes, the language that is not written anew still says the same; version of the page or If-Match; idempotency key. Result: moved to the list. The audit has one row: the code and the names of what was changed. Errors: 404, settings_stale(), authorisation_faults(), title_faults(). For administrators.';


create or replace function write_authorisation(p_code text, p_values jsonb, p_changed jsonb)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- who asks again asks in every language, or those who read another one
    -- could never answer
    insert into authorisation_text (tenant, code, lang, text, asks_again)
    select here(), p_code, w.lang, w.words, p_values->>'again' = 'yes'
      from (select l.lang, case l.lang when 'fr' then p_values->>'words_fr'
                                       when 'en' then p_values->>'words_en'
                                       else authorisation_words(p_code, l.lang) end as words
              from (select t.lang from authorisation_text t where t.code = p_code
                     union
                    select 'en') l) w
     where w.words is not null
       and (p_values->>'again' = 'yes' or p_changed ? ('words_' || w.lang))
     order by w.lang = 'fr', w.lang;
end
$$;

comment on function write_authorisation(text, jsonb, jsonb) is
    'Adds the rows that another text is. Input: code, authorisation_values() as they are to be, what has changed. The caller holds the town''s row.';


grant execute on function authorisation_form(jsonb),
    save_authorisation(jsonb)
   to portal_web;
