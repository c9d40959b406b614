--
-- Languages: what a person chose, and what a town says in each.
--

set search_path = portal, pg_temp;


create or replace function set_language(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_lang  text := input->>'lang';
begin
    if not exists (select from town t where t.id = here() and v_lang = any (t.languages)) then
        return refused('lang', 'choice');
    end if;

    -- the browser keeps it as well, and of nobody in particular alone; no right
    -- changes with it, so the session stays the same
    if me() is not null then
        update account a
           set lang = v_lang
         where a.id = me()
           and a.lang <> v_lang;

        perform note('set_language', 'ok', 'account', me());
    end if;

    return json_build_object('status', 303,
        'location', coalesce(local_path(input->>'path'), '/'),
        'session', null, 'errors', json_build_array(), 'language', v_lang);
end
$$;

comment on function set_language(jsonb) is
'Chooses the language of pages and mails, one of those that the town offers. Input: lang; path (of the page to go back to).
Result: 303 path or /, {"language"} for nginx to keep in the browser; of a signed-in person the account keeps it too, for mails and the next log-ins. Errors: lang choice.';


create or replace function town_text(texts jsonb, name text, lang text, plain text)
    returns text
    language sql immutable
    return coalesce(texts->name->>lang, plain);

comment on function town_text(jsonb, text, text, text) is
    'What a town calls a thing in a language: texts as in town.texts, else the plain text.';


grant execute on function set_language(jsonb) to portal_web;
grant execute on function town_text(jsonb, text, text, text) to portal_batch;
