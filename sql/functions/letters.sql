--
-- Codes abonné and the letters that bring them: made for all who have none, for
-- a school, for one person; printed a lot at a time.  For administrators.
--

set search_path = portal, pg_temp;


-- what a guardian has -----------------------------------------------------------

create or replace function code_state(linked boolean, code bigint, expires_at timestamptz,
    printable boolean)
    returns text
    language sql stable
    return case when linked then 'linked'
                when code is null then 'none'
                when expires_at <= now() then 'expired'
                when printable then 'to_print'
                else 'printed' end;

comment on function code_state(boolean, bigint, timestamptz, boolean) is
    'How far a guardian is: none (no code), to_print (good, its letter is not printed), printed (good, nobody can read it any more), expired (not used in time), linked. Input: an account is connected with them; id, end and printable of the code that is neither used nor taken back.';


create or replace function last_day(p_end timestamptz) returns date
    language sql stable
    return day_of(p_end) - 1;

comment on function last_day(timestamptz) is
    'The last whole day that a code is good on, as its letter says it.';


create or replace function code_counts() returns json
    language sql stable
begin atomic
    select json_build_object(
               'none', count(*) filter (where s.state = 'none'),
               'to_print', count(*) filter (where s.state = 'to_print'),
               'printed', count(*) filter (where s.state = 'printed'),
               'expired', count(*) filter (where s.state = 'expired'),
               'linked', count(*) filter (where s.state = 'linked'),
               'barred', count(*) filter (where s.barred))
      from (select code_state(u.id is not null, k.id, k.expires_at, k.printable) as state,
                   b.family_id is not null as barred
              from guardian g
              left join code k on k.tenant = g.tenant and k.guardian_id = g.id
                              and k.used_at is null and k.revoked_at is null
              left join subscription u on u.tenant = g.tenant and u.guardian_id = g.id
                                      and u.ended_at is null
              left join code_bar b on b.tenant = g.tenant and b.family_id = g.family_id
                                  and b.ended_at is null) s;
end;

comment on function code_counts() is
    'How many guardians of the town are in each code_state(); "barred": of families that get no code, counted besides.';


create or replace function without_code(p_school text, p_after bigint, p_limit int)
    returns table (guardian_id bigint, family_id bigint)
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    -- once, not for each child
    v_names  text[] := school_names(array[p_school]);
    v_year   text := school_year();
begin
    return query
    select g.id, g.family_id
      from guardian g
     where g.id > p_after
       and not exists (select
                         from code k
                        where k.tenant = g.tenant and k.guardian_id = g.id
                          and k.used_at is null and k.revoked_at is null
                          and k.expires_at > now())
       and not exists (select
                         from subscription u
                        where u.tenant = g.tenant and u.guardian_id = g.id
                          and u.ended_at is null)
       and not exists (select
                         from code_bar b
                        where b.tenant = g.tenant and b.family_id = g.family_id
                          and b.ended_at is null)
       and (p_school is null
            or exists (select
                         from child_family m
                         join schooling s on s.tenant = m.tenant and s.child_id = m.child_id
                        where m.tenant = g.tenant and m.family_id = g.family_id
                          and s.name = any (v_names)
                          and s.year = v_year))
     order by g.id
     limit p_limit;
end
$$;

comment on function without_code(text, bigint, int) is
    'Guardians who have no good code, are not connected and whose family is not barred, by id. Input: a school of this year or null, the guardian to begin after, how many at most.';


-- making codes ------------------------------------------------------------------

create or replace function make_lot(p_guardians bigint[], p_codes jsonb, p_order bigint,
    p_agent bigint)
    returns bigint
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_lot   bigint;
    v_ends  timestamptz := (today() + 1 + (select t.code_days from town t where t.id = here()))
                           ::timestamp at time zone 'Europe/Paris';
begin
    update code k
       set revoked_at = now()
     where k.guardian_id = any (p_guardians)
       and k.used_at is null
       and k.revoked_at is null;

    insert into letter_lot (tenant, order_id, size, made_by)
    values (here(), p_order, cardinality(p_guardians), p_agent)
    returning id into v_lot;

    insert into code (tenant, family_id, guardian_id, mac, seal_id, copy, expires_at, lot_id)
    select here(), g.family_id, g.id, decode(c.code->>'mac', 'hex'), (c.code->>'id')::uuid,
           c.code->>'sealed', v_ends, v_lot
      from unnest(p_guardians) with ordinality as w (id, n)
      join guardian g on g.id = w.id
      join jsonb_array_elements(p_codes) with ordinality as c (code, n) using (n);

    return v_lot;
end
$$;

comment on function make_lot(bigint[], jsonb, bigint, bigint) is
    'Gives guardians a new code each, in a lot of their own; the one they had counts no more. The caller holds their families. Input: the guardians, 200 at most; as many codes as nginx made: [{"id", "mac", "sealed"}]; the order they are for; who asked. Result: the lot.';


create or replace function make_codes(p_order bigint, p_codes jsonb) returns code_order
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_order      code_order;
    v_limit      int := least(jsonb_array_length(p_codes), 200);
    v_guardians  bigint[];
    v_families   bigint[];
    v_locked     bigint[];
begin
    select o.* into v_order
      from code_order o
     where o.id = p_order
       and o.ended_at is null
       for no key update;

    if not found then
        return null;
    end if;

    select array_agg(w.guardian_id order by w.guardian_id), array_agg(w.family_id)
      into v_guardians, v_families
      from without_code(v_order.school, v_order.place, v_limit) w;

    -- a family that somebody holds has its turn when the job begins again
    v_locked := array(select f.id
                        from family f
                       where f.id = any (v_families)
                       order by f.tenant, f.id
                         for no key update skip locked);

    if v_locked <> '{}' then
        -- asked anew: whoever held one may have made a code or joined meanwhile
        select array_agg(w.guardian_id order by w.guardian_id) into v_locked
          from without_code(v_order.school, v_order.place, v_limit) w
         where w.family_id = any (v_locked)
           and w.guardian_id = any (v_guardians);
    end if;

    if v_locked <> '{}' then
        perform make_lot(v_locked, p_codes, v_order.id, v_order.asked_by);
    end if;

    v_order.made := v_order.made + coalesce(cardinality(v_locked), 0);
    v_order.missed := v_order.missed
                      or coalesce(cardinality(v_locked), 0)
                         < coalesce(cardinality(v_guardians), 0);
    v_order.place := coalesce(v_guardians[cardinality(v_guardians)], v_order.place);

    if coalesce(cardinality(v_guardians), 0) < v_limit then
        if v_order.missed then
            v_order.place := 0;
            v_order.missed := false;
        else
            v_order.ended_at := now();
            perform note('make_codes', 'ok', 'code_order', v_order.id);
        end if;
    end if;

    update code_order o
       set made = v_order.made, place = v_order.place, missed = v_order.missed,
           ended_at = v_order.ended_at
     where o.id = v_order.id;

    return v_order;
end
$$;

comment on function make_codes(bigint, jsonb) is
    'One lot of an order, in a transaction of its own. Input: the order, codes as make_lot(). Result: the order as it is now; null when it is over. For code_work().';


create or replace function code_work(input jsonb default '{}') returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_order  code_order;
    v_slug   text;
    v_set    text;
    v_note   text;
    v_more   boolean := true;
begin
    if not pg_try_advisory_xact_lock(7706737711) then
        return json_build_object('status', 200, 'note', null, 'more', false, 'bring', null);
    end if;

    select o.* into v_order
      from code_order o
     where o.ended_at is null
     order by o.asked_at, o.tenant
     limit 1;

    if not found then
        return json_build_object('status', 200, 'note', null, 'more', false, 'bring', null);
    end if;

    v_slug := (select t.slug from town t where t.id = v_order.tenant);

    if input->'brought'->>'town' = v_slug then
        v_set := set_config('portal.tenant', v_order.tenant::text, true)
              || set_config('portal.account', '0', true)
              || set_config('portal.family', '0', true)
              || set_config('portal.session', '', true)
              || set_config('portal.request', '', true);

        v_order := make_codes(v_order.id, input->'brought'->'codes');

        if v_order.ended_at is not null then
            v_note := v_slug || ' ' || v_order.made || ' codes';
        end if;

        -- what was locked is tried at the next turn, not at once
        v_more := v_order.ended_at is not null or v_order.place > 0;
    end if;

    return json_build_object('status', 200, 'note', v_note, 'more', v_more,
        'bring', case when v_note is null then
            json_build_object('town', v_slug, 'codes', 200) end);
end
$$;

comment on function code_work(jsonb) is
'Makes the codes that agents have asked for, a lot in each call. Codes are nginx''s to make, for a town: a first call says for which. Input: every; brought (what the last answer asked for: {"town", "codes"}).
Result: {"status": 200, "note": an order that is done, or null, "more": call again, "bring": {"town", "codes": how many} for the next call, or null}. For portal_jobs.';


create or replace function order_codes(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again   json;
    v_step    text := input->>'step';
    v_school  text := case when input->>'step' = 'school' then input->>'school' end;
    v_wanted  int;
    v_order   bigint;
begin
    perform require_agent('administrator');

    v_again := repeated(input);

    if v_again is not null then
        return v_again;
    end if;

    if v_step = 'stop' then
        update code_order o
           set ended_at = now()
         where o.ended_at is null
        returning o.id into v_order;
        perform note('stop_codes', 'ok', 'code_order', v_order);

        return done(input, moved('/codes', null, 'codes_stopped'));
    end if;

    if v_step = 'school' and v_school is null then
        return done(input, refused('school', 'required'));
    end if;

    v_wanted := (select count(*) from without_code(v_school, 0, null));

    if v_wanted = 0 then
        return done(input, refused(case v_step when 'school' then 'school' else '' end,
                                   'all_have_codes'));
    end if;

    insert into code_order (tenant, school, wanted, asked_by)
    values (here(), v_school, v_wanted, my_agent())
    on conflict do nothing
    returning id into v_order;

    if v_order is null then
        return done(input, refused('', 'codes_under_way', 409));
    end if;

    perform note('order_codes', 'ok', 'code_order', v_order);

    return done(input, moved('/codes', null, 'codes_ordered'));
end
$$;

comment on function order_codes(jsonb) is
'Has codes made by the job, for all who have none. Input: step (all | school | stop), school; idempotency key. Result: moved to /codes; stopping keeps what is made. Errors: school required; all_have_codes (nobody lacks one), 409 codes_under_way (an order is not done yet). For administrators.';


-- pages ---------------------------------------------------------------------------

create or replace function lot_row(p_lot letter_lot) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_left  int := (select count(*) from code k
                     where k.tenant = (p_lot).tenant and k.lot_id = (p_lot).id
                       and k.printable and k.expires_at > now());
begin
    return json_build_object('id', (p_lot).number, 'letters', (p_lot).size,
               'left', v_left, 'open', v_left > 0,
               'made_at', (p_lot).made_at, 'made_by', agent_name((p_lot).made_by),
               'school', (select o.school from code_order o
                           where o.tenant = (p_lot).tenant and o.id = (p_lot).order_id),
               'guardian', case when (p_lot).order_id is null and (p_lot).size = 1 then
                   (select g.first_name || ' ' || g.last_name
                      from code k
                      join guardian g on g.tenant = k.tenant and g.id = k.guardian_id
                     where k.tenant = (p_lot).tenant and k.lot_id = (p_lot).id) end,
               'printed', (p_lot).printed_at is not null,
               'printed_at', (p_lot).printed_at, 'printed_by', agent_name((p_lot).printed_by));
end
$$;

comment on function lot_row(letter_lot) is
    'A lot as pages show it: {"id": its number in the town, "letters": how many it had, "left": how many can still be printed, "open": some can, "made_at", "made_by", "school", "guardian": of a letter made for one person, "printed", "printed_at", "printed_by"}.';


create or replace function code_schools() returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(json_agg(json_build_object('code', x.name) order by x.name), '[]')
              from (select distinct school_named(d.name) as name
                      from (select distinct s.name
                              from schooling s
                             where s.year = (select school_year())) d) x);
end
$$;

comment on function code_schools() is
    'Schools of this year that children of the town are in: [{"code": name}].';


create or replace function codes(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_lots  letter_lot[];
    v_wrong json;
begin
    perform require_agent('administrator');

    v_wrong := wrong_filter('apres', is_id(input->>'after'));

    if v_wrong is not null then
        return v_wrong;
    end if;

    v_lots := array(select l
                      from letter_lot l
                     where l.number < coalesce(to_id(input->>'after'), 9223372036854775807)
                     order by l.number desc
                     limit 21);

    return json_build_object('status', 200, 'counts', code_counts(),
        'order', (select json_build_object('school', o.school, 'wanted', o.wanted,
                             'made', o.made, 'asked_at', o.asked_at,
                             'asked_by', agent_name(o.asked_by))
                    from code_order o where o.ended_at is null),
        'lots', (select coalesce(json_agg(lot_row(l) order by l.number desc), '[]')
                   from unnest(v_lots[1:20]) l),
        'next', case when cardinality(v_lots) > 20 then v_lots[20].number end,
        'schools', code_schools(),
        'days', (select t.code_days from town t where t.id = here()));
end
$$;

comment on function codes(jsonb) is
'How far the town is with its codes. Input: after (number of the last lot seen). Result: {"status": 200, "counts": code_counts(), "order": what is being made: {"school", "wanted", "made", "asked_at", "asked_by"} or null, "lots": [lot_row()], the latest first, 20 at a time, "next": id to go on after or null, "schools": code_schools(), "days": that a code is good for}. For administrators.';


create or replace function code_guardians(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_state  text := nullif(input->>'state', '');
    v_name   text := nullif(fold(coalesce(input->>'name', '')), '');
    v_page   bigint := least(greatest(coalesce(to_id(input->>'page'), 1), 1), 10000);
    v_found  bigint[];
    v_rows   json[];
    v_wrong  json;
begin
    perform require_agent('administrator');

    v_wrong := coalesce(
        wrong_filter('etat', v_state in ('none', 'to_print', 'printed', 'expired', 'linked',
                                         'barred')),
        wrong_filter('page', is_id(input->>'page')));

    if v_wrong is not null then
        return v_wrong;
    end if;

    if v_state is null and v_name is null then
        v_found := array(
            select g.id
              from guardian g
             order by g.search, g.id
             limit 51
            offset (v_page - 1) * 50);
    else
        -- all that match, then the page of them: by name, one after the other until
        -- there are enough, a large town would be gone through row by row
        v_found := array(
            with found as materialized (
                select g.id, g.search
                  from guardian g
                  left join code k on k.tenant = g.tenant and k.guardian_id = g.id
                                  and k.used_at is null and k.revoked_at is null
                  left join subscription u on u.tenant = g.tenant and u.guardian_id = g.id
                                          and u.ended_at is null
                  left join code_bar b on b.tenant = g.tenant and b.family_id = g.family_id
                                      and b.ended_at is null
                 where (v_state is null
                        or code_state(u.id is not null, k.id, k.expires_at, k.printable)
                           = v_state
                        or v_state = 'barred' and b.family_id is not null)
                   and (v_name is null or strpos(g.search, v_name) > 0
                        or g.family_id = (select f.id from family f
                                           where f.number = upper(trim(input->>'name')))))
            select w.id
              from found w
             order by w.search, w.id
             limit 51
            offset (v_page - 1) * 50);
    end if;

    v_rows := array(
        select json_build_object('id', g.id, 'name', g.last_name || ' ' || g.first_name,
                   'family_number', f.number, 'code_state', s.state,
                   'is_linked', s.state = 'linked', 'barred', b.family_id is not null,
                   'has_address', d.guardian_id is not null,
                   'expires_on', case when s.state in ('to_print', 'printed', 'expired')
                                      then last_day(k.expires_at) end,
                   'account', a.first_name || ' ' || a.last_name, 'since', u.since)
          from guardian g
          join family f on f.tenant = g.tenant and f.id = g.family_id
          left join address d on d.tenant = g.tenant and d.guardian_id = g.id
          left join code k on k.tenant = g.tenant and k.guardian_id = g.id
                          and k.used_at is null and k.revoked_at is null
          left join subscription u on u.tenant = g.tenant and u.guardian_id = g.id
                                  and u.ended_at is null
          left join account a on a.tenant = u.tenant and a.id = u.account_id
          left join code_bar b on b.tenant = g.tenant and b.family_id = g.family_id
                          and b.ended_at is null
         cross join lateral (select code_state(u.id is not null, k.id, k.expires_at,
                                               k.printable)) s (state)
         where g.id = any (v_found)
         order by g.search, g.id);

    if exists (select from unnest(v_rows[1:50]) r where r->>'account' is not null) then
        perform note('read_linked', 'ok');
    end if;

    return json_build_object('status', 200, 'guardians', to_json(v_rows[1:50]),
        'next', case when cardinality(v_rows) > 50 then v_page + 1 end,
        'filter', json_build_object('name', input->>'name', 'state', coalesce(v_state, ''),
                      'any', v_page > 1 or num_nonnulls(v_state, v_name) > 0),
        'states', (select json_agg(json_build_object('code_state', s.name,
                              'chosen', s.name = v_state) order by s.n)
                     from unnest(array['none', 'to_print', 'printed', 'expired', 'linked',
                                       'barred']) with ordinality as s (name, n)));
end
$$;

comment on function code_guardians(jsonb) is
'The guardians of the town and how far each is, by name, 50 at a time. Input: name (a part of it, or the family''s number), state (of code_state(), or barred), page. Result: {"status": 200, "guardians": [{"id", "name", "family_number", "code_state", "is_linked", "barred", "has_address", "expires_on": its last day, "account": who is connected, "since"}], "next": page to go on with or null, "filter": what was chosen, with "any": whether anything was, "states"}; 422 filter. The audit says who has read whose accounts are connected (read_linked). For administrators.';


create or replace function guardian_code(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_guardian  json;
    v_id        bigint := to_id(input->>'guardian');
begin
    perform require_agent('administrator');

    select json_build_object('id', g.id, 'name', g.first_name || ' ' || g.last_name,
               'family_number', f.number, 'family_label', f.label,
               'has_address', exists (select from address d where d.guardian_id = g.id),
               'code_state', s.state, 'is_linked', s.state = 'linked',
               'live', s.state in ('to_print', 'printed'),
               'lot', case when s.state = 'to_print'
                           then (select l.number from letter_lot l where l.id = k.lot_id) end,
               'barred', b.family_id is not null, 'barred_since', b.since,
               'account', a.first_name || ' ' || a.last_name, 'since', u.since)
      into v_guardian
      from guardian g
      join family f on f.tenant = g.tenant and f.id = g.family_id
      left join code k on k.tenant = g.tenant and k.guardian_id = g.id
                      and k.used_at is null and k.revoked_at is null
      left join subscription u on u.tenant = g.tenant and u.guardian_id = g.id
                              and u.ended_at is null
      left join account a on a.tenant = u.tenant and a.id = u.account_id
      left join code_bar b on b.tenant = g.tenant and b.family_id = g.family_id
                          and b.ended_at is null
     cross join lateral (select code_state(u.id is not null, k.id, k.expires_at,
                                           k.printable)) s (state)
     where g.id = v_id;

    if v_guardian is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    if exists (select from code k
                where k.guardian_id = v_id and k.used_by is not null)
       or v_guardian->>'account' is not null
    then
        perform note('read_linked', 'ok', 'guardian', v_id);
    end if;

    return json_build_object('status', 200, 'guardian', v_guardian,
        'codes', (select coalesce(json_agg(json_build_object('issued_at', k.issued_at,
                             'expires_on', last_day(k.expires_at),
                             'code_end', case when k.used_at is not null then 'used'
                                              when k.revoked_at is not null then 'revoked'
                                              when k.expires_at <= now() then 'expired'
                                              when k.printable then 'to_print'
                                              else 'printed' end,
                             'ended_at', coalesce(k.used_at, k.revoked_at),
                             'account', a.first_name || ' ' || a.last_name)
                         order by k.id desc), '[]')
                    from code k
                    left join account a on a.tenant = k.tenant and a.id = k.used_by
                   where k.guardian_id = v_id));
end
$$;

comment on function guardian_code(jsonb) is
'The codes of a guardian. Input: guardian. Result: {"status": 200, "guardian": {"id", "name", "family_number", "family_label", "has_address", "code_state", "is_linked", "live": has a good code, "lot": to print it with, "barred", "barred_since", "account": who is connected, "since"}, "codes": all there were, the latest first: [{"issued_at", "expires_on", "code_end": used | revoked | expired | to_print | printed, "ended_at", "account"}]}; 404. The audit says who has read whose account is connected (read_linked). For administrators.';


create or replace function save_guardian_code(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again   json;
    v_step    text := input->>'step';
    v_id      bigint := to_id(input->>'guardian');
    v_family  bigint;
    v_page    text := '/codes/responsables/' || to_id(input->>'guardian');
    v_lot     bigint;
begin
    perform require_agent('administrator');

    v_again := repeated(input);

    if v_again is not null then
        return v_again;
    end if;

    v_family := (select g.family_id from guardian g where g.id = v_id);

    if v_family is null then
        return done(input, json_build_object('status', 404, 'errors', json_build_array()));
    end if;

    perform lock_subject(null, null, v_family);

    if is_agents_family(null, array[v_family]) then
        perform note('issue_code', 'own_family', 'guardian', v_id);
        return done(input, refused('', 'own_family', 403));
    end if;

    if v_step = 'bar' then
        insert into code_bar (tenant, family_id, agent_id)
        values (here(), v_family, my_agent())
        on conflict do nothing;

        update code k
           set revoked_at = now()
         where k.family_id = v_family and k.used_at is null and k.revoked_at is null;

        perform note('bar_codes', 'ok', 'family', v_family);
        return done(input, moved(v_page, null, 'codes_barred'));
    end if;

    if v_step = 'allow' then
        update code_bar b
           set ended_at = now(), ended_by = my_agent()
         where b.family_id = v_family and b.ended_at is null;

        perform note('allow_codes', 'ok', 'family', v_family);
        return done(input, moved(v_page, null, 'codes_allowed'));
    end if;

    if exists (select from subscription u
                where u.guardian_id = v_id and u.ended_at is null)
    then
        perform note('issue_code', 'code_linked', 'guardian', v_id);
        return done(input, refused('', 'code_linked', 409));
    end if;

    if exists (select from code_bar b
                where b.family_id = v_family and b.ended_at is null) then
        perform note('issue_code', 'code_barred', 'guardian', v_id);
        return done(input, refused('', 'code_barred', 409));
    end if;

    v_lot := make_lot(array[v_id], jsonb_build_array(input->'issued'), null, my_agent());
    perform note('issue_code', 'ok', 'guardian', v_id);

    return done(input, moved('/codes/lettres/' || (select l.number from letter_lot l
                                                    where l.id = v_lot), null, 'code_issued'));
end
$$;

comment on function save_guardian_code(jsonb) is
'Gives a guardian a new code, which ends the one they had, or bars their family from codes, which ends all of its codes. Input: guardian, step (issue | bar | allow), issued (the code as nginx made it); idempotency key. Result: moved to the letter, or to the guardian. Errors: 404; 403 own_family; 409 code_linked (an account is connected with them), code_barred. For administrators.';


-- letters -------------------------------------------------------------------------

create or replace function letter_copies(p_lot bigint)
    returns table (code_id bigint, sealed text)
    language sql stable security definer set search_path = portal, pg_temp as $$
    select k.id, 'code/' || k.seal_id || '/code/' || k.copy
      from code k
     where k.lot_id = p_lot
       and k.copy is not null
       and k.expires_at > now()
       and exists (select
                     from agent a
                    where a.id = my_agent() and a.role = 'administrator'
                      and a.state = 'active');
$$;

comment on function letter_copies(bigint) is
    'The sealed codes of a lot, for nginx to open: the one function that reads them. Input: the lot. Result: nothing unless an administrator asks.';


create or replace function letters(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_lot      letter_lot;
    v_wanted   jsonb;
    v_refusal  json;
    v_letters  json;
    v_without  json;
begin
    perform require_agent('administrator');

    select l.* into v_lot from letter_lot l where l.number = to_id(input->>'lot');

    if not found then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    -- a letter for one family is a day's work; all of them open all files
    if (lot_row(v_lot)->>'left')::int > 1 then
        v_wanted := export_wanted('letters', jsonb_build_object('lot', v_lot.number));
        v_refusal := coalesce(step_up(), export_refusal('letters', v_wanted));

        if v_refusal is not null then
            return v_refusal;
        end if;
    end if;

    v_refusal := agent_limit('readings');

    if v_refusal is not null then
        perform note('read_letters', 'too_many', 'letter_lot', v_lot.id);
        return v_refusal;
    end if;

    perform use_export('letters', v_wanted);
    perform note('read_letters', 'ok', 'letter_lot', v_lot.id);

    select coalesce(json_agg(json_build_object(
               'code', json_build_object('$sealed', s.sealed), 'qr', null,
               'title', g.title, 'first_name', g.first_name, 'last_name', g.last_name,
               'guardian', g.id, 'family_number', f.number,
               'expires_on', last_day(k.expires_at),
               'address', case when d.guardian_id is not null then json_build_object(
                   'hosted_by', d.hosted_by, 'line', address_line(to_jsonb(d)),
                   'complement', d.complement,
                   'locality', d.locality, 'postal_code', d.postal_code, 'city', d.city,
                   'country', nullif(d.country, 'FR')) end) order by g.search, g.id), '[]')
      into v_letters
      from letter_copies(v_lot.id) s
      join code k on k.id = s.code_id
      join guardian g on g.tenant = k.tenant and g.id = k.guardian_id
      join family f on f.tenant = g.tenant and f.id = g.family_id
      left join address d on d.tenant = g.tenant and d.guardian_id = g.id;

    select coalesce(json_agg(json_build_object('guardian', l->'guardian',
                        'name', (l->>'last_name') || ' ' || (l->>'first_name'))), '[]')
      into v_without
      from json_array_elements(v_letters) l
     where json_typeof(l->'address') = 'null';

    return json_build_object('status', 200, 'lot', lot_row(v_lot),
        'link', (select t.origin from town t where t.id = here())
                || '/mes-abonnements/nouveau#code=',
        'letters', v_letters, 'without_address', v_without,
        'some_without', json_array_length(v_without) > 0, 'day', today());
end
$$;

comment on function letters(jsonb) is
'The letters of a lot that are not printed yet, with their codes; the audit says who has read them (read_letters), and it counts as a reading of sealed data. Input: lot. Result: {"status": 200, "lot": lot_row(), "link": what a code is put behind to be an address, "letters": by name: [{"code", "qr": null, "title", "first_name", "last_name", "guardian", "family_number", "expires_on", "address": {"hosted_by", "line": address_line(), "complement", "locality", "postal_code", "city", "country": null for France} or null}], "without_address": [{"guardian", "name"}], "some_without": there are such, "day"}; 404; 403 step_up_needed, export_needed where there is more than one; 429 too_many_readings. For administrators.';


create or replace function print_letters(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again  json;
    v_lot    letter_lot;
begin
    perform require_agent('administrator');

    v_again := repeated(input);

    if v_again is not null then
        return v_again;
    end if;

    select l.* into v_lot from letter_lot l where l.number = to_id(input->>'lot') for no key update;

    if not found then
        return done(input, json_build_object('status', 404, 'errors', json_build_array()));
    end if;

    if v_lot.printed_at is null then
        update code k
           set copy = null
         where k.lot_id = v_lot.id
           and k.printable;

        update letter_lot l
           set printed_at = now(), printed_by = my_agent()
         where l.id = v_lot.id;

        perform note('print_letters', 'ok', 'letter_lot', v_lot.id);
    end if;

    return done(input, moved('/codes', null, 'letters_printed'));
end
$$;

comment on function print_letters(jsonb) is
'An agent says that a lot is printed: the sealed copies of its codes are erased, and nobody can read them any more. Said again it is the same. Input: lot; idempotency key. Result: moved to /codes; 404. For administrators.';


-- who has tried what ----------------------------------------------------------------

create or replace function code_attempts(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_since     timestamptz := now() - interval '30 days';
    v_days      json;
    v_accounts  json;
begin
    perform require_agent('administrator');
    perform note('read_code_attempts', 'ok');

    select coalesce(json_agg(json_build_object('day', x.day, 'wrong', x.wrong,
                                               'blocked', x.blocked) order by x.day desc), '[]')
      into v_days
      from (select day_of(a.at) as day,
                   count(*) filter (where a.outcome = 'code_refused') as wrong,
                   count(*) filter (where a.outcome = 'too_many') as blocked
              from audit a
             where a.action = 'subscribe'
               and a.outcome in ('code_refused', 'too_many')
               and a.at >= v_since
             group by 1) x;

    select coalesce(json_agg(json_build_object('name', c.first_name || ' ' || c.last_name,
                        'email', c.email, 'wrong', x.wrong, 'blocked', x.blocked,
                        'last_at', x.last_at) order by x.wrong + x.blocked desc, x.account_id), '[]')
      into v_accounts
      from (select a.account_id,
                   count(*) filter (where a.outcome = 'code_refused') as wrong,
                   count(*) filter (where a.outcome = 'too_many') as blocked,
                   max(a.at) as last_at
              from audit a
             where a.action = 'subscribe'
               and a.outcome in ('code_refused', 'too_many')
               and a.at >= v_since
               and a.account_id is not null
             group by a.account_id
             order by count(*) desc, a.account_id
             limit 50) x
      left join account c on c.id = x.account_id;

    return json_build_object('status', 200, 'days', v_days, 'accounts', v_accounts);
end
$$;

comment on function code_attempts(jsonb) is
'Codes abonné that were refused in the last 30 days; the audit says who has read this (read_code_attempts). Result: {"status": 200, "days": the latest first: [{"day", "wrong", "blocked": attempts beyond the limit}], "accounts": the 50 with the most: [{"name", "email": null of an account that is no more, "wrong", "blocked", "last_at"}]}. For administrators.';


grant execute on function codes(jsonb), order_codes(jsonb), code_guardians(jsonb),
    guardian_code(jsonb), save_guardian_code(jsonb), letters(jsonb), print_letters(jsonb),
    code_attempts(jsonb)
   to portal_web;
grant execute on function code_work(jsonb) to portal_jobs;
