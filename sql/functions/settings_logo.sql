--
-- The town's logo, as an administrator sends it: the program of photos makes a
-- small PNG or JPEG of it, which is prepared, looked at and published with the
-- theme.  Whoever opens the portal may have the one that is shown.
--

set search_path = portal, pg_temp;


create or replace function logo_hash_of(p_path text) returns text
    language sql immutable parallel safe
    return substring(p_path from '^/logo/([0-9a-f]{64})[.]');

comment on function logo_hash_of(text) is
    'The row of logo that a path leads to; null: it is a file of the operator''s.';


create or replace function logo_path(p_logo logo) returns text
    language sql immutable parallel safe
    return '/logo/' || (p_logo).hash || '.' || (p_logo).kind;

comment on function logo_path(logo) is 'The address of a logo, which is never another''s.';


create or replace function logo_shape(p_path text) returns jsonb
    language sql stable
    return coalesce((select logo_size(l.width, l.height)
                       from logo l
                      where l.hash = logo_hash_of(p_path)), logo_size(48, 48));

comment on function logo_shape(text) is 'logo_size() of the logo at a path.';


create or replace function alt_of(p_look jsonb, input jsonb) returns text
    language sql immutable
    return coalesce(p_look->'alt'->>(input->'_'->>'lang'), p_look->'alt'->>'fr');

comment on function alt_of(jsonb, jsonb) is
    'What a logo shows, in the language of who asks. Input: look_of(), the request (_.lang). Null: nothing is said.';


create or replace function logo_used(p_hash text) returns boolean
    language sql stable
    return exists (select from town t where t.id = here() and t.logo_hash = p_hash)
           or exists (select from town_theme h where h.logo_hash = p_hash);

comment on function logo_used(text) is
    'Whether a logo is shown, prepared, or the one of before.';


create or replace function logo_kept() returns logo
    language sql stable
begin atomic
    select l.*
      from logo l
     where l.sent_by = my_agent()
       and l.since > now() - interval '1 hour'
       and not logo_used(l.hash)
     order by l.since desc
     limit 1;
end;

comment on function logo_kept() is
    'The logo that this agent has just sent with a form that was refused for another reason: it need not be sent again.';


create or replace function forget_logos(p_sent uuid) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    delete from logo l
     where l.sent_as is distinct from p_sent
       and not logo_used(l.hash);
end
$$;

comment on function forget_logos(uuid) is
    'Erases the logos that are neither shown nor prepared nor of before, so that a town has four at the most. Input: the one that has just been sent; null: none. The caller holds the town''s row.';


create or replace function store_logo(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    u        jsonb := input->'upload';
    v_text   text := translate(u->>'bytes', '-_', '+/');
    v_bytes  bytea;
begin
    perform require_agent('administrator');
    perform 1 from town t where t.id = here() for no key update;

    if answered(input) then
        return json_build_object('status', 200, 'kept', true);
    end if;

    v_bytes := decode(rpad(v_text, (length(v_text) + 3) / 4 * 4, '='), 'base64');

    insert into logo as l (tenant, hash, sent_as, sent_by, kind, width, height, bytes)
    values (here(), encode(sha256(v_bytes), 'hex'), (u->>'id')::uuid, my_agent(),
            u->>'kind', (u->>'width')::smallint, (u->>'height')::smallint, v_bytes)
        on conflict (tenant, hash) do update
       set sent_as = excluded.sent_as, sent_by = excluded.sent_by, since = now();

    perform forget_logos((u->>'id')::uuid);

    return json_build_object('status', 200);
end
$$;

comment on function store_logo(jsonb) is
'Keeps a logo that came with a form, for save_logo(). Input: "upload": {"id", "kind": png | jpeg, "width", "height", "bytes": base64url}, as the program of photos has made it; _ as answered(). Result: {"status": 200}. Called by nginx before the form''s function. For administrators.';


create or replace function logo_form(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_look  jsonb := coalesce(look_of('draft'), look_of('shown'));
    v_kept  logo;
begin
    perform require_agent('administrator');

    v_kept := logo_kept();

    return json_build_object('status', 200, 'version', theme_version(),
        'logo', v_look->'logo', 'alt', alt_of(v_look, input),
        'logo_shape', logo_shape(v_look->>'logo'),
        'own', logo_hash_of(v_look->>'logo') is not null,
        'kept', case when v_kept.hash is not null
                     then json_build_object('logo', logo_path(v_kept),
                              'logo_shape', logo_shape(logo_path(v_kept))) end,
        'draft', look_of('draft') is not null,
        'values', jsonb_build_object('alt_fr', v_look->'alt'->'fr',
            'alt_en', v_look->'alt'->'en', 'version', theme_version()));
end
$$;

comment on function logo_form(jsonb) is
'The page where a logo is prepared: that of the draft, else the one that is shown. Result: {"status": 200, "version", "logo": its path, "alt": what it shows, "logo_shape": {"width", "height"} as it is shown, "own": it was sent here, so that it can be taken away, "kept": logo_kept() that the form goes on with, or null, "draft": a theme is being prepared, "values": {"alt_fr", "alt_en", "version"}}. For administrators.';


create or replace function logo_with(p_look jsonb, input jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_alt   jsonb := p_look->'alt';
    v_logo  text := p_look->>'logo';
    v_lang  text;
begin
    foreach v_lang in array '{fr,en}'::text[] loop
        if input ? ('alt_' || v_lang) then
            v_alt := jsonb_strip_nulls(v_alt || jsonb_build_object(v_lang,
                         nullif(input->>('alt_' || v_lang), '')));
        end if;
    end loop;

    -- a file of the operator's is not an administrator's to take away
    if input->>'step' = 'remove' then
        return case when logo_hash_of(v_logo) is null then p_look
                    else p_look || '{"logo": "/static/favicon.svg", "alt": {}}' end;
    end if;

    -- a form that brings none goes on with what is there
    v_logo := coalesce((select logo_path(l) from logo l
                         where l.sent_as = (input->'logo'->>'upload')::uuid),
                       logo_path(logo_kept()), v_logo);

    return p_look || jsonb_build_object('logo', v_logo, 'alt', v_alt);
end
$$;

comment on function logo_with(jsonb, jsonb) is
    'look_of() with what the form about the logo has changed.';


create or replace function save_logo(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_refusal  json;
    v_now      jsonb;
    v_look     jsonb;
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_now := coalesce(look_of('draft'), look_of('shown'));
    v_look := logo_with(v_now, input);

    v_refusal := coalesce(settings_stale(input, theme_version()),
        case when v_look = v_now then refused('', 'nothing_asked') end);

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    perform draw_look(v_look);

    return done(input, moved('/reglages/theme/apercu', null, 'theme_checked'));
end
$$;

comment on function save_logo(jsonb) is
'Prepares a logo, which nobody but administrators sees until the theme is published. Input: logo: {"upload": id of store_logo()} (null or absent: logo_kept(), or as it is), alt_fr, alt_en: what it shows (absent: as it is; empty: nothing that the town''s name beside it does not say); step: check (absent), or remove: the portal''s own sign in place of one that was sent, and nothing said; version of the page or If-Match; idempotency key. Result: moved to the preview. Errors: settings_stale(), nothing_asked. For administrators.';


create or replace function logo_file(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_logo    logo;
    v_public  boolean;
begin
    select l.* into v_logo
      from logo l
     where l.hash = input->>'hash'
       and l.kind = input->>'kind';

    v_public := exists (select from town t
                         where t.id = here() and t.logo_hash = v_logo.hash)
                or exists (select from town_theme h
                            where h.state = 'former' and h.logo_hash = v_logo.hash);

    if v_logo.hash is null or not v_public and my_role() is distinct from 'administrator' then
        return no_file();
    end if;

    return json_build_object('status', 200, 'kind', v_logo.kind, 'name', 'logo.' || v_logo.kind,
        'size', octet_length(v_logo.bytes), 'etag', case when v_public then v_logo.hash end,
        'bytes', rtrim(translate(encode(v_logo.bytes, 'base64'), E'+/\n', '-_'), '='));
end
$$;

comment on function logo_file(jsonb) is
'A logo of the town: the one that is shown, or was before, for everybody and for ever; any other for administrators. Input: hash, kind, as its address says. Result: portal_file''s document with "bytes", and "etag" of what may be kept; 404.';


grant execute on function store_logo(jsonb), logo_form(jsonb), save_logo(jsonb), logo_file(jsonb)
   to portal_web;
