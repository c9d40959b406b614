--
-- The town's colours and forms: an administrator prepares a theme, looks at it
-- on the portal's own parts, publishes it, and can come back to the one of
-- before.  What could not be read is refused with its contrast.
--

set search_path = portal, pg_temp;


create or replace function theme_words() returns table (name text, word text, value text)
    language sql immutable
begin atomic
    values ('radius', 'none', '0'), ('radius', 'small', '.25rem'),
           ('radius', 'medium', '.5rem'), ('radius', 'large', '.75rem'),
           ('arch', 'flat', '0'), ('arch', 'low', '1rem'), ('arch', 'high', '14rem'),
           ('font_title', 'sans', null),
           ('font_title', 'serif', 'Georgia, "Times New Roman", "DejaVu Serif", serif');
end;

comment on function theme_words() is
    'What the page offers in words, and what the theme has for it; null: the theme does without.';


create or replace function theme_values(theme jsonb) returns jsonb
    language sql stable
begin atomic
    select jsonb_object_agg(n.name, case
               when n.colour then theme->>n.name
               else coalesce((select w.word from theme_words() w
                               where w.name = n.name
                                 and w.value is not distinct from theme->>n.name),
                             'own') end)
      from (values ('brand', true), ('brand_dark', true), ('brand_light', true),
                   ('on_brand', true), ('accent', true), ('radius', false),
                   ('arch', false), ('font_title', false)) as n (name, colour);
end;

comment on function theme_values(jsonb) is
    'A theme as its form has it: colours, and the rest in words of theme_words(); own: what the operator has made of it.';


create or replace function theme_with(theme jsonb, p_changed jsonb) returns jsonb
    language sql stable
begin atomic
    select jsonb_strip_nulls(theme || coalesce(jsonb_object_agg(e.key, case
               when left(e.value, 1) = '#' then e.value
               when e.value = 'own' then theme->>e.key
               else (select w.value from theme_words() w
                      where w.name = e.key and w.word = e.value) end), '{}'))
      from jsonb_each_text(p_changed) e;
end;

comment on function theme_with(jsonb, jsonb) is
    'A theme with what has changed on the page, theme_values() back again.';


create or replace function theme_errors(theme jsonb, p_changed jsonb, input jsonb) returns json
    language sql stable
begin atomic
    -- of a pair the colour that was changed is the one to change again
    with weak as (
        select case when p_changed ? c.front = (p_changed ? c.back) then c.field
                    when p_changed ? c.front then c.front else c.back end as field,
               c.front, c.back, c.ratio, c.needed
          from theme_contrasts(theme) c
         where c.ratio < c.needed
    ), worst as (
        select distinct on (w.field) w.field,
               case when w.field = w.front then w.back else w.front end as partner,
               trunc(w.ratio::numeric, 2)::text as ratio
          from weak w
         order by w.field, w.ratio / w.needed, w.front, w.back
    )
    select json_agg(json_build_object('field', w.field,
               'code', case w.partner when '#ffffff' then 'weak_white'
                                      when '#f6f5f1' then 'weak_ground'
                                      when '#111111' then 'weak_black'
                                      when 'brand' then 'weak_brand'
                                      when 'brand_dark' then 'weak_dark'
                                      when 'brand_light' then 'weak_light'
                                      when 'on_brand' then 'weak_text'
                                      when 'accent' then 'weak_accent'
                                      else 'weak_ink' end,
               'ratio', case when input->'_'->>'lang' = 'en' then w.ratio
                             else replace(w.ratio, '.', ',') end)
               order by array_position('{brand,brand_dark,brand_light,on_brand,accent}',
                                       w.field))
      from worst w;
end;

comment on function theme_errors(jsonb, jsonb, jsonb) is
    'The contrasts that are too weak, as errors, with the ratio as it is read; null: none. One beside each colour: of the pairs that its change has made weak, the one that lacks most, whose code names the partner. Where both of a pair were changed, or neither, it is beside the one that theme_contrasts() says. Input: the theme, the values that were changed, the request (_.lang).';


create or replace function look_of(p_state text) returns jsonb
    language sql stable
    return case p_state
        when 'shown' then (select jsonb_build_object('theme', t.theme, 'logo', t.logo,
                                      'alt', coalesce(t.texts->'logo_alt', '{}'))
                             from town t
                            where t.id = here())
        else (select jsonb_build_object('theme', h.theme, 'logo', h.logo, 'alt', h.logo_alt)
                from town_theme h
               where h.state = p_state) end;

comment on function look_of(text) is
    'How the portal looks, or would with the draft or the former theme: {"theme", "logo": its path, "alt": {language: what it shows}}; null: there is none.';


create or replace function theme_of(p_state text) returns jsonb
    language sql stable
    return look_of(p_state)->'theme';

comment on function theme_of(text) is 'The theme that is shown, the draft or the former one; null: there is none.';


create or replace function theme_version() returns text
    language sql stable
    return document_version(look_of('shown')::json, look_of('draft')::json,
                            look_of('former')::json);

comment on function theme_version() is 'The version of the pages about the theme.';


create or replace function draw_look(p_look jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    insert into town_theme as h (tenant, state, theme, logo, logo_alt)
    values (here(), 'draft', p_look->'theme', p_look->>'logo', p_look->'alt')
        on conflict (tenant, state) do update
       set theme = excluded.theme, logo = excluded.logo, logo_alt = excluded.logo_alt,
           since = now();

    perform forget_logos(null);
end
$$;

comment on function draw_look(jsonb) is
    'Makes look_of() the draft. The caller holds the town''s row.';


create or replace function theme_form(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_look    jsonb := coalesce(look_of('draft'), look_of('shown'));
    v_values  jsonb := theme_values(v_look->'theme');
begin
    perform require_agent('administrator');

    return json_build_object('status', 200, 'version', theme_version(),
        'logo', v_look->'logo', 'alt', alt_of(v_look, input),
        'logo_shape', logo_shape(v_look->>'logo'),
        'draft', theme_of('draft') is not null, 'former', theme_of('former') is not null,
        'choices', (select json_object_agg(w.name, w.words)
                      from (select o.name, array_agg(o.word order by o.place) as words
                              from (select t.name, t.word, t.place
                                      from theme_words() with ordinality
                                           as t (name, word, value, place)
                                     union all
                                    select v.key, v.value, 0
                                      from jsonb_each_text(v_values) v
                                     where v.value = 'own') o
                             group by o.name) w),
        'values', v_values || jsonb_build_object('version', theme_version()));
end
$$;

comment on function theme_form(jsonb) is
'The page where a theme is prepared: the draft, else the one that is shown. Result: {"status": 200, "version", "logo": its path, "alt": what it shows, "logo_shape": {"width", "height"} as it is shown, "draft": there is one, "former": there is one to come back to, "choices": {field: words}, "values": theme_values() and version}. For administrators.';


create or replace function save_theme(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_back     boolean := coalesce(input->>'step', 'check') = 'former';
    v_refusal  json;
    v_now      jsonb;
    v_changed  jsonb;
    v_look     jsonb;
    v_theme    jsonb;
    v_errors   json;
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_look := coalesce(look_of(case when v_back then 'former' else 'draft' end),
                       look_of('shown'));
    v_now := coalesce(theme_of('draft'), theme_of('shown'));
    v_changed := settings_asked(input, theme_values(v_now));
    v_theme := case when v_back then theme_of('former')
                    else theme_with(v_now, coalesce(v_changed, '{}')) end;
    v_look := v_look || jsonb_build_object('theme', v_theme);

    -- « own » keeps what is there: it cannot be chosen where there is none
    select json_agg(json_build_object('field', e.key, 'code', 'choice')) into v_errors
      from jsonb_each_text(v_changed) e
     where e.value = 'own' and not v_back;

    v_refusal := coalesce(settings_stale(input, theme_version()),
        case when v_theme is null then refused('', 'theme_none')
             when v_errors is null and v_look = look_of('shown')
                 then refused('', 'nothing_asked')
             when coalesce(v_errors, theme_errors(v_theme, v_changed, input)) is not null
                 then json_build_object('status', 422,
                          'errors', coalesce(v_errors, theme_errors(v_theme, v_changed, input))) end);

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    perform draw_look(v_look);

    return done(input, moved('/reglages/theme/apercu', null, 'theme_checked'));
end
$$;

comment on function save_theme(jsonb) is
'Prepares a theme, which nobody but administrators sees until it is published. Input: theme_values() (absent: as in the draft, else as shown); step: check (absent), or former, which prepares the theme of before, with its logo; version of the page or If-Match; idempotency key. Result: moved to the preview. Errors: settings_stale(), nothing_asked (that is how the portal looks), theme_none (there is no former one), theme_errors(), choice. For administrators.';


create or replace function theme_preview(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_draft  jsonb := theme_of('draft');
begin
    perform require_agent('administrator');

    if v_draft is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    return (select json_build_object('status', 200, 'version', theme_version(),
                'contrasts', json_agg(json_build_object('colour', c.field,
                    'contrast', c.code, 'ratio', trunc(c.ratio::numeric, 2)::text,
                    'needed', c.needed::numeric(3, 1)::text) order by c.n),
                'sheet', theme_sheet(v_draft),
                'logo', look_of('draft')->'logo', 'alt', alt_of(look_of('draft'), input),
                'logo_shape', logo_shape(look_of('draft')->>'logo'),
                'logo_changes', look_of('draft') - 'theme' <> look_of('shown') - 'theme',
                'values', theme_values(v_draft)
                          || jsonb_build_object('version', theme_version()))
              from (select x.field, x.code, min(x.ratio) as ratio, max(x.needed) as needed,
                           min(x.n) as n
                      from theme_contrasts(v_draft) with ordinality
                           as x (field, code, front, back, needed, ratio, n)
                     group by x.field, x.code) c);
end
$$;

comment on function theme_preview(jsonb) is
'The theme that is being prepared, to be looked at. Result: {"status": 200, "version", "contrasts": [{"colour", "contrast": with what, "ratio", "needed"}], "sheet": theme_sheet(), "logo": its path, "alt": what it shows, "logo_shape": {"width", "height"} as it is shown, "logo_changes": it is another one than now, "values": theme_values() and version}; 404: there is none. For administrators.';


create or replace function show_look(p_look jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- a sheet that was a file says the theme of before
    update town t
       set theme = p_look->'theme',
           theme_css = case when t.theme = p_look->'theme' then t.theme_css end,
           logo = p_look->>'logo',
           -- of a file it is the operator's to say
           logo_width = case when t.logo = p_look->>'logo' then t.logo_width
                       else coalesce((select l.width from logo l
                                       where l.hash = logo_hash_of(p_look->>'logo')), 48) end,
           logo_height = case when t.logo = p_look->>'logo' then t.logo_height
                       else coalesce((select l.height from logo l
                                       where l.hash = logo_hash_of(p_look->>'logo')), 48) end,
           texts = case when p_look->'alt' = '{}' then t.texts - 'logo_alt'
                        else t.texts || jsonb_build_object('logo_alt', p_look->'alt') end
     where t.id = here();
end
$$;

comment on function show_look(jsonb) is
    'Makes look_of() the town''s. The caller holds its row.';


create or replace function publish_theme(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_step     text := input->>'step';
    v_refusal  json;
    v_draft    jsonb;
    v_shown    jsonb;
    v_names    text[];
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_draft := look_of('draft');
    v_shown := look_of('shown');

    v_refusal := coalesce(settings_stale(input, theme_version()),
        case when v_draft is null
                 then json_build_object('status', 404, 'errors', json_build_array())
             when v_step is null then refused('', 'nothing_asked') end);

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    delete from town_theme h where h.state = 'draft';

    if v_step = 'drop' then
        perform forget_logos(null);
        return done(input, moved('/reglages/theme', null, 'theme_dropped'));
    end if;

    select array_agg(coalesce(n.key, o.key) order by coalesce(n.key, o.key)) into v_names
      from jsonb_each(v_draft->'theme' || v_draft - 'theme') n
      full join jsonb_each(v_shown->'theme' || v_shown - 'theme') o on o.key = n.key
     where n.value is distinct from o.value;

    insert into town_theme as h (tenant, state, theme, logo, logo_alt)
    values (here(), 'former', v_shown->'theme', v_shown->>'logo', v_shown->'alt')
        on conflict (tenant, state) do update
       set theme = excluded.theme, logo = excluded.logo, logo_alt = excluded.logo_alt,
           since = now();

    perform show_look(v_draft);
    perform forget_logos(null);
    perform note('publish_theme', 'ok', 'town', here()::bigint, null, v_names);

    return done(input, moved('/reglages/theme', null, 'theme_published'));
end
$$;

comment on function publish_theme(jsonb) is
'Shows the prepared theme and logo on every page from the next request on, or drops them. Input: step (publish | drop); version of the preview or If-Match; idempotency key. Result: moved to /reglages/theme. The audit has one row with the names of what another theme has changed, logo and alt among them. Errors: settings_stale(), 404 (nothing is prepared), nothing_asked (no step). For administrators.';


grant execute on function theme_form(jsonb), save_theme(jsonb), theme_preview(jsonb),
    publish_theme(jsonb)
   to portal_web;
