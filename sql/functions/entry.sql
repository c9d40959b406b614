--
-- What every request goes through: who asks, of which town.
--

set search_path = portal, pg_temp;


create or replace function schema_version() returns int
    language sql immutable parallel safe return 1;

comment on function schema_version() is
    'Version of the functions, that the module was built for.';

create or replace function schema_oldest() returns int
    language sql immutable parallel safe return 1;

comment on function schema_oldest() is
    'Oldest module that these functions still serve, so that nodes upgrade one by one.';


create or replace function here() returns int
    language sql stable parallel safe
    return current_setting('portal.tenant')::int;

comment on function here() is 'The town of this transaction; an error when none is set.';

create or replace function me() returns bigint
    language sql stable parallel safe
    return nullif(current_setting('portal.account'), '0')::bigint;

comment on function me() is 'The account of this transaction; null: nobody known.';

create or replace function my_family() returns bigint
    language sql stable parallel safe
    return nullif(current_setting('portal.family'), '0')::bigint;

comment on function my_family() is 'The family of this transaction''s session, or null.';

create or replace function my_machine() returns bigint
    language sql stable parallel safe
    return nullif(nullif(current_setting('portal.machine', true), ''), '0')::bigint;

comment on function my_machine() is 'The machine of this transaction; null: none.';

create or replace function to_id(value text) returns bigint
    language sql immutable parallel safe
    return case when value ~ '^[0-9]{1,18}$' then value::bigint end;

comment on function to_id(text) is 'A number from an address, or null when it is none.';

create or replace function local_path(value text) returns text
    language sql immutable parallel safe
    return case when length(value) <= 512
                 and value ~ '^/([^/\\[:cntrl:][:space:]][^\\[:cntrl:][:space:]]*)?$'
                then value end;

comment on function local_path(text) is
    'A path of this portal to go on to, or null when it could lead elsewhere.';


create or replace function period(days int) returns json
    language sql stable parallel safe
    return json_build_object('total', period.days,
        'years', case when period.days % 365 = 0 then period.days / 365 end,
        'months', case when period.days % 365 <> 0 and period.days % 30 = 0
                            and period.days >= 60 then period.days / 30 end,
        'days', case when period.days % 365 <> 0
                          and (period.days % 30 <> 0 or period.days < 60)
                     then period.days end);

comment on function period(int) is
    'Days as people say them: {"total": days, and one of "years", "months", "days"}, the others null.';


create or replace function retention(p_town town) returns json
    language sql stable
    return json_build_object(
        'unconfirmed', period((p_town).keep_unconfirmed),
        'inactive', period((p_town).keep_inactive),
        'closed', period((p_town).keep_closed),
        'audit', period((p_town).keep_audit),
        'mail', period((p_town).keep_mail),
        'session', period((p_town).keep_session),
        'token', period((p_town).keep_token),
        'attempt', period((p_town).keep_attempt),
        'request', period((p_town).keep_request),
        'document', period(greatest(coalesce((p_town).keep_document,
                                             (p_town).keep_request), 1)),
        'photo', period(greatest((p_town).keep_photo, 1)),
        'approval', lists_first(p_town));

comment on function retention(town) is
    'A town''s periods, for pages: each as period() gives it; approval: requests, their files and bans are destroyed from an approved list alone, see lists_first().';


create or replace function town_document(wanted int) returns json
    language sql stable
begin atomic
    select json_build_object(
        'id', t.id, 'slug', t.slug, 'version', t.version, 'name', t.name,
        'service', t.service, 'family_service', t.family_service,
        'origin', t.origin, 'agent_origin', t.agent_origin, 'host', t.host,
        'theme', t.theme, 'logo', t.logo,
        'logo_width', logo_size(t.logo_width, t.logo_height)->'width',
        'logo_height', logo_size(t.logo_width, t.logo_height)->'height',
        'theme_css', coalesce(t.theme_css,
                              '/theme.css?v=' || left(md5(theme_sheet(t.theme)), 8)),
        'theme_sheet', case when t.theme_css is null then theme_sheet(t.theme) end,
        'phone', t.phone, 'email', t.email,
        'office', t.office, 'hours', t.hours, 'counter', t.counter,
        'mail_from', t.mail_from, 'mail_name', t.mail_name,
        'languages', t.languages, 'subscription_effect', t.subscription_effect,
        'session_idle', t.session_idle, 'session_absolute', t.session_absolute,
        'password_words', t.password_words,
        'captcha_questions', t.captcha_questions, 'texts', t.texts,
        'names', authorisation_names(t, null),
        'copies', t.way_back = 'manual', 'feeds', t.way_back = 'feed',
        'retention', retention(t))
      from town t
     where t.id = wanted;
end;

comment on function town_document(int) is 'A town as nginx''s workers hold it, or null.';


create or replace function town(tenant text) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_town  int := (select t.id from town t where t.slug = town.tenant);
    v_set   text;
begin
    -- the document says what its rows say, see rule_holds()
    v_set := set_config('portal.tenant', coalesce(v_town, 0)::text, true);

    return town_document(v_town);
end
$$;

comment on function town(text) is
    'Input: a town''s slug. Result: its document, or null when there is no such town. Needs no enter.';


create or replace function key_check() returns text
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    return (select s.value from setting s where s.name = 'key_check');
end
$$;

comment on function key_check() is
    'Result: the check value of the key file that sealed this database''s values, or null when none was noted. Needs no enter.';


create or replace function enter(tenant text, session text, account bigint, epoch int,
    family bigint, town_version bigint, schema int, request text)
    returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
#variable_conflict use_column
declare
    v_town     int;
    v_version  bigint;
    v_rights   boolean;
    v_set      text;
    v_family   bigint := nullif(enter.family, 0);
begin
    if enter.schema is null
       or enter.schema not between schema_oldest() and schema_version()
    then
        raise exception using errcode = 'PT503', message = 'schema version';
    end if;

    select t.id, t.version into v_town, v_version
      from town t
     where t.slug = enter.tenant;

    if not found then
        raise exception using errcode = 'PT404', message = 'no such town';
    end if;

    v_set := set_config('portal.tenant', v_town::text, true)
          || set_config('portal.request', coalesce(left(enter.request, 64), ''), true)
          || set_config('portal.agent', '0', true)
          || set_config('portal.role', '', true)
          || set_config('portal.schools', '', true)
          || set_config('portal.sections', '', true)
          || set_config('portal.machine', '0', true)
          || set_config('portal.counter', '0', true);

    if enter.session is null then
        v_set := set_config('portal.account', '0', true)
              || set_config('portal.family', '0', true)
              || set_config('portal.session', '', true);
    else
        select v_family is null
               or exists (select
                            from subscription u
                           where u.account_id = a.id
                             and u.family_id = v_family
                             and u.ended_at is null
                             and u.effective_at is not null)
          into v_rights
          from session s
          join account a on a.tenant = s.tenant and a.id = s.account_id
         where s.hash = decode(enter.session, 'hex')
           and s.ended_at is null
           and s.absolute_until > now()
           and a.id = enter.account
           and a.epoch = enter.epoch
           and s.epoch = a.epoch
           and a.state = 'active';

        if not found then
            raise exception using errcode = 'PT401', message = 'no such session';
        end if;

        if not v_rights then
            raise exception using errcode = 'PT403', message = 'no such family';
        end if;

        v_set := set_config('portal.account', enter.account::text, true)
              || set_config('portal.family', coalesce(v_family, 0)::text, true)
              || set_config('portal.session', enter.session, true);
    end if;

    if v_version > enter.town_version or enter.town_version is null then
        return json_build_object('town', town_document(v_town));
    end if;

    return '{"town": null}'::json;
end
$$;

comment on function enter(text, text, bigint, int, bigint, bigint, int, text) is
'First call of each transaction: sets the town, account, family and request that the others rest on.
Input: the town''s slug; session MAC (null: anonymous), its account, epoch and family (null or 0: none); version of the town''s document that the caller holds; the caller''s schema version; id of the request.
Result: {"town": null}, or {"town": document} when the caller''s is older.
Errors, raised: PT401 no such live session, PT403 no effective subscription to that family, PT404 no such town, PT503 schema version.';


create or replace function note(action text, outcome text, object text default null,
    object_id bigint default null, account bigint default null, names text[] default null)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    insert into audit (tenant, account_id, agent_id, family_id, action, outcome, object,
                       object_id, request, names)
    values (here(), coalesce(note.account, me()), my_agent(), my_family(), note.action,
            note.outcome, note.object, note.object_id,
            nullif(current_setting('portal.request'), ''), note.names);
end
$$;

comment on function note(text, text, text, bigint, bigint, text[]) is
    'Adds a row to the audit: ids, codes and names of settings, never a value.';


create or replace function refused(field text, code text, status int default 422)
    returns json
    language sql stable
    return json_build_object('status', status, 'location', null, 'session', null,
        'errors', json_build_array(json_build_object('field', field, 'code', code)));

comment on function refused(text, text, int) is 'The answer to what a person got wrong.';


create or replace function wrong_filter(p_name text, p_right boolean) returns json
    language sql stable
    return case when not p_right then refused(p_name, 'filter') end;

comment on function wrong_filter(text, boolean) is
    'The answer to a list that is asked for by something it does not know, which would be an empty one. Input: the name in the address, whether it is right; null: it was not given. Result: null where it is.';


create or replace function is_id(value text) returns boolean
    language sql immutable
    return case when value <> '' then to_id(value) is not null end;

comment on function is_id(text) is
    'Whether what an address says is an id; null where it says nothing.';


create or replace function moved(location text, session json default null,
    notice text default null)
    returns json
    language sql stable
    return json_build_object('status', 303, 'location', location, 'notice', notice,
        'session', session, 'errors', json_build_array());

comment on function moved(text, json, text) is
    'The answer that leads elsewhere; notice is the code of what the page there says was done (template notice).';


-- doing a thing once ------------------------------------------------------

create or replace function repeated(input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_scope  text := portal.repeat_scope(input);
    v_lock   bigint := hashtextextended(concat_ws(' ', 'idempotency', here(), v_scope,
                                                  input->'_'->>'key'), 0);
    v_here   bytea := decode(nullif(current_setting('portal.session', true), ''), 'hex');
    v_row    idempotency;
begin
    if v_scope is null then
        return null;
    end if;

    -- a program is told of a twin that is under way; a person, who pressed the
    -- button twice, waits for the answer to the first
    if input->'_'->>'key_by' is distinct from 'header' then
        perform pg_advisory_xact_lock(v_lock);
    elsif not pg_try_advisory_xact_lock(v_lock) then
        return refused('', 'idempotency_in_flight', 409);
    end if;

    insert into idempotency (tenant, scope, key, print)
    values (here(), v_scope, input->'_'->>'key', decode(input->'_'->>'print', 'hex'))
    on conflict do nothing;

    if found then
        return null;
    end if;

    select i.* into v_row
      from idempotency i
     where i.scope = v_scope and i.key = input->'_'->>'key';

    if v_row.print is distinct from decode(input->'_'->>'print', 'hex') then
        return refused('', 'idempotency_mismatch');
    end if;

    return json_build_object('status', coalesce(v_row.status, 409), 'location', v_row.location,
        'notice', v_row.notice, 'session', case
            when v_row.status is null then null
            when my_agent() is not null then agent_session_again(v_here, input)
            else session_again(v_here, input) end,
        'errors', json_build_array());
end
$$;

comment on function repeated(jsonb) is
    'Claims an idempotency key. Input: _.key, _.print of what was asked, _.key_by (form | header). Result: null to go on, else the answer to give: the stored status, location and notice, with session renew where the first answer had it, see session_again(); 422 idempotency_mismatch; 409 idempotency_in_flight, of a header only: a form waits.';


create or replace function repeat_scope(input jsonb) returns text
    language sql stable
    return case
        when input->'_'->>'key' is null or input->'_'->>'print' is null then null
        when me() is not null then 'account:' || me()
        when my_agent() is not null then 'agent:' || my_agent()
        when my_machine() is not null then 'machine:' || my_machine()
        when input->'_'->>'browser' is not null then 'browser:' || (input->'_'->>'browser')
    end;

comment on function repeat_scope(jsonb) is
    'Who an idempotency key belongs to: the account, the agent or the machine, else the browser; null: no key.';


create or replace function answered(input jsonb) returns boolean
    language sql stable
begin atomic
    select exists (select from idempotency i
                    where i.scope = repeat_scope(input)
                      and i.key = input->'_'->>'key'
                      and i.print = decode(input->'_'->>'print', 'hex')
                      and i.status is not null);
end;

comment on function answered(jsonb) is
    'Whether this very form has been answered under its key, so that repeated() will say the same again: for what is done before that. Claims nothing.';


create or replace function done(input jsonb, result json) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_scope  text := repeat_scope(input);
begin
    if v_scope is null then
        return result;
    end if;

    if (result->>'status')::int < 400 then
        update idempotency i
           set status = (result->>'status')::int, location = result->>'location',
               notice = result->>'notice'
         where i.scope = v_scope and i.key = input->'_'->>'key';
    else
        -- nothing was done: the same form may be mended and sent again
        delete from idempotency i
         where i.scope = v_scope and i.key = input->'_'->>'key';
    end if;

    return result;
end
$$;

comment on function done(jsonb, json) is
    'Keeps status, location and notice of a form''s answer with its key; frees the key when it was refused. Result: the answer.';


-- what has changed since it was read --------------------------------------

create or replace function document_version(variadic parts json[]) returns text
    language sql stable
    return left(encode(sha256(convert_to(array_to_string(parts, chr(10), 'null'), 'UTF8')),
                       'hex'), 32);

comment on function document_version(json[]) is
    'The version of a document made of these parts: another one as soon as one of them differs. A function that says it puts it right after "status", where nginx finds it for ETag.';


create or replace function stale(input jsonb, current text) returns json
    language sql stable
    return case when current is not null
                 and jsonb_typeof(input->'_'->'if_match') = 'array'
                 and not input->'_'->'if_match' ? current
                then refused('', 'version_changed', 412) end;

comment on function stale(jsonb, text) is
    'Whether a change was asked for over another version than the current one, read after its row was locked. Input: _.if_match (the versions that the request names; absent: any). Result: null to go on, or the answer to give: 412 version_changed. What is no more (null) is for the function itself to tell.';


-- slowing guessing down ---------------------------------------------------

create or replace function take(p_kind text, p_key bytea, p_free int, p_window interval,
    p_wait int default null, p_most int default null)
    returns int
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_now    timestamptz := clock_timestamp();
    v_taken  boolean;
    v_next   timestamptz;
begin
    if p_key is null then
        return 0;
    end if;

    -- the row's lock makes parallel guesses come one after another
    insert into attempt as a (tenant, kind, key, count, first_at, last_at, next_at)
    values (here(), p_kind, p_key, 1, v_now, v_now, '-infinity')
    on conflict (tenant, kind, key) do update set
        count = case when a.first_at <= v_now - p_window then 1
                     when a.next_at > v_now then a.count
                     else a.count + 1 end,
        first_at = case when a.first_at <= v_now - p_window then v_now
                        else a.first_at end,
        last_at = case when a.first_at <= v_now - p_window or a.next_at <= v_now then v_now
                       else a.last_at end,
        next_at = case when a.first_at <= v_now - p_window then '-infinity'
                       when a.next_at > v_now then a.next_at
                       when a.count + 1 < p_free then '-infinity'
                       when p_wait is null or a.count + 1 >= p_most
                           then a.first_at + p_window
                       else v_now + make_interval(secs =>
                           least(p_wait * 2 ^ least(a.count + 1 - p_free, 20), 3600)) end
    returning a.last_at = v_now, a.next_at into v_taken, v_next;

    if v_taken then
        return 0;
    end if;

    return greatest(1, ceil(extract(epoch from v_next - v_now)))::int;
end
$$;

comment on function take(text, bytea, int, interval, int, int) is
'Counts an attempt before it is made. Result: 0 when it may be made, else the seconds to wait (then it was not counted).
After p_free attempts in p_window the next waits for the window''s end; with p_wait, p_wait seconds, then twice as long each time, an hour at most, and after p_most for the window''s end.';


create or replace function give_back(p_kind text, p_key bytea, p_all boolean default false)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update attempt a
       set count = case when p_all then 0 else greatest(a.count - 1, 0) end,
           next_at = '-infinity'
     where a.kind = p_kind and a.key = p_key;
end
$$;

comment on function give_back(text, bytea, boolean) is
    'An attempt was no guess: takes it off the count, or with p_all forgets them all.';


-- sessions ----------------------------------------------------------------

create or replace function session_end() returns timestamptz
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_until  timestamptz;
begin
    if current_setting('portal.session') <> '' then
        update session s
           set ended_at = now()
         where s.hash = decode(current_setting('portal.session'), 'hex')
           and s.ended_at is null
        returning s.absolute_until into v_until;
    end if;

    return v_until;
end
$$;

comment on function session_end() is
    'Ends the session of this transaction. Result: when it would have ended anyway, null when there is none.';


create or replace function family_of(p_account bigint, p_wanted bigint) returns bigint
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select u.family_id
              from subscription u
             where u.account_id = p_account
               and u.ended_at is null
               and u.effective_at is not null
             order by (u.family_id is not distinct from p_wanted) desc, u.id
             limit 1);
end
$$;

comment on function family_of(bigint, bigint) is
    'The wanted family when the account has an effective subscription to it, else its first one, else null.';


create or replace function sessions_beyond(p_account bigint, p_kept bytea, p_limit int)
    returns bytea[]
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_beyond  bytea[];
begin
    -- who opens one holds the account's row: two log-ins come one after another
    v_beyond := array(
        select s.hash
          from session s
         where s.account_id = p_account
           and s.ended_at is null
           and s.absolute_until > now()
           and s.hash <> p_kept
         order by s.absolute_until desc, s.opened_at desc
        offset p_limit - 1);

    -- hardly a log-in ends another
    if v_beyond = '{}' then
        return null;
    end if;

    update session s
       set ended_at = now()
     where s.account_id = p_account
       and s.ended_at is null
       and s.hash = any (v_beyond);

    return v_beyond;
end
$$;

comment on function sessions_beyond(bigint, bytea, int) is
    'Ends the oldest sessions of an account, so that with the one kept there are no more than the limit. Result: their MACs, or null. What nobody uses any more counts as well, which only Redis knows.';


create or replace function session_effect(effect text, p_account bigint, p_family bigint,
    input jsonb)
    returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_until    timestamptz;
    v_town     town;
    v_account  account;
    v_family   bigint;
    v_label    text;
    v_count    int;
    v_beyond   bytea[];
begin
    if effect = 'close' then
        perform session_end();
        return json_build_object('effect', 'close', 'account', null, 'epoch', null,
            'name', null, 'family', null, 'family_label', null, 'families', 0,
            'roles', json_build_array(), 'lang', null, 'idle', null, 'absolute', null);
    end if;

    select t.* into v_town from town t where t.id = here();

    -- the account first: who ends its other sessions holds it, so that none is
    -- opened meanwhile which they do not see
    select a.* into strict v_account
      from account a
     where a.id = p_account
       for no key update;

    v_until := session_end();

    if effect = 'open' then
        v_until := now() + make_interval(secs => v_town.session_absolute);

    -- ended while this was on its way: it is not to go on as another one
    elsif v_until is null then
        raise exception using errcode = 'PT401', message = 'no such session';
    end if;

    insert into session (tenant, hash, account_id, epoch, agent, absolute_until)
    values (here(), decode(input->'_'->>'session', 'hex'), p_account, v_account.epoch,
            coalesce(input->'_'->>'agent', 'Autre'), v_until);

    if effect = 'open' then
        v_beyond := sessions_beyond(p_account, decode(input->'_'->>'session', 'hex'),
                                    v_town.session_limit);
    else
        update session s
           set renewed_as = decode(input->'_'->>'session', 'hex')
         where s.hash = decode(current_setting('portal.session'), 'hex');
    end if;

    v_family := family_of(p_account, p_family);

    select count(*), max(f.label) filter (where f.id = v_family) into v_count, v_label
      from subscription u
      join family f on f.tenant = u.tenant and f.id = u.family_id
     where u.account_id = p_account
       and u.ended_at is null
       and u.effective_at is not null;

    -- two households may bear the same name; the number in front, as a long
    -- label is cut
    if v_count > 1 then
        v_label := short_label((select concat_ws(' · ', f.number, v_label, first_names(f.id))
                                  from family f
                                 where f.id = v_family));
    end if;

    return ended_sessions(v_beyond, json_build_object('effect', effect, 'account', p_account,
        'epoch', v_account.epoch, 'name', v_account.first_name || ' ' || v_account.last_name,
        'family', v_family, 'family_label', v_label, 'families', v_count,
        'roles', case when v_family is null then json_build_array('citizen')
                      else json_build_array('citizen', 'family') end,
        'lang', v_account.lang, 'idle', v_town.session_idle,
        'absolute', ceil(extract(epoch from v_until - now()))::int));
end
$$;

comment on function session_effect(text, bigint, bigint, jsonb) is
'Ends the current session and opens another (open, renew), or only ends it (close). Input: what to do, the account, the family it would like, the call''s input, whose _.session is the new session''s MAC.
Result: the session effect for nginx, which names those that had to end for the new one. A renewed session keeps the end of the first. Raises PT401 where the session that is to be renewed has ended meanwhile.';


create or replace function session_again(p_hash bytea, input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_account  account;
    v_next     bytea;
    v_set      text;
    v_effect   json;
begin
    if input->'_'->>'session' is null then
        return null;
    end if;

    -- the account first, as session_effect() has it: of three presses each is led
    -- to what the one before it was given
    select a.* into v_account
      from session s
      join account a on a.tenant = s.tenant and a.id = s.account_id
     where s.hash = p_hash
       and s.renewed_as is not null
       for no key update of a;

    -- who logged out, or has been, meanwhile stays so; and in another browser
    -- nobody has pressed that button
    select n.hash into v_next
      from session s
      join session n on n.hash = s.renewed_as and n.account_id = s.account_id
     where s.hash = p_hash
       and s.account_id = v_account.id
       and s.ended_at > now() - interval '60 seconds'
       and s.agent = coalesce(input->'_'->>'agent', 'Autre')
       and n.agent = s.agent
       and n.ended_at is null
       and n.absolute_until > now()
       and n.epoch = v_account.epoch
       and v_account.state = 'active';

    if not found then
        return null;
    end if;

    v_set := set_config('portal.account', v_account.id::text, true)
          || set_config('portal.session', encode(v_next, 'hex'), true);
    -- who has chosen another family came, both times, with a session for the one
    -- that they left
    v_effect := session_effect('renew', v_account.id,
                               coalesce(to_id(input->>'family'), my_family(),
                                        v_account.last_family_id), input);

    update session s
       set renewed_as = decode(input->'_'->>'session', 'hex')
     where s.hash = p_hash;

    return ended_sessions(array[v_next], v_effect);
end
$$;

comment on function session_again(bytea, jsonb) is
'The very form that renewed a session has come again under the session that it ended: its button was pressed twice, and the browser dropped the answer that had the new cookie. Only for who has seen that the form is the same, by key and print, see answered().
Input: MAC of the session that the form came with; _.session, the new session''s MAC (null: the form renews none), _.agent; family, of a form that chooses one. Result: renews, for a minute, the session that took the place of that one, which ends by it, as session_effect(); null where that one has ended (a log-out, a new password elsewhere), the browser is another one, or there is none. Nothing else is ever done for the session that was ended.';


grant execute on function town(text), key_check(), schema_version(),
    enter(text, text, bigint, int, bigint, bigint, int, text)
   to portal_web;
grant execute on function town(text), key_check(), schema_version() to portal_jobs;
