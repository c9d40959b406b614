--
-- Sessions as their owner sees them: who is logged in, for how long, where.
--

set search_path = portal, pg_temp;


create or replace function session_limits(input jsonb) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_idle       int := (input->'_'->>'idle')::int;
    v_idle_left  int := (input->'_'->>'idle_left')::int;
    v_until      timestamptz;
    v_left       int;
begin
    select s.absolute_until into v_until
      from session s
     where s.hash = decode(nullif(current_setting('portal.session'), ''), 'hex');

    if my_agent() is not null then
        select s.absolute_until into v_until
          from agent_session s
         where s.hash = decode(nullif(current_setting('portal.session'), ''), 'hex');
    end if;

    v_left := greatest(floor(extract(epoch from v_until - now())), 0);

    return json_build_object('idle', v_idle,
        'absolute_until', to_char(v_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'left', least(v_left, v_idle_left),
        'ends', case when v_idle_left < v_left then 'idle' else 'absolute' end,
        'warning', least(120, v_idle / 2));
end
$$;

comment on function session_limits(jsonb) is
'How long the session of this transaction still lasts. Input: _.idle (seconds without a use that end it), _.idle_left (how many of them are left, null when not known).
Result: {"idle", "absolute_until": when it ends in any case, "left": seconds, "ends": what comes first, idle or absolute, "warning": seconds before the end at which to warn}.';


create or replace function my_session(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_result  json;
begin
    select json_build_object('status', 200, 'signed_in', true, 'account', a.id,
               'name', a.first_name || ' ' || a.last_name,
               'roles', case when f.id is null then json_build_array('citizen')
                             else json_build_array('citizen', 'family') end,
               'family', case when f.id is not null
                              then json_build_object('id', f.id, 'number', f.number,
                                                     'label', f.label,
                                                     'first_names', first_names(f.id)) end,
               'limits', session_limits(input),
               'back', coalesce(local_path(case
                   when starts_with(input->>'back', t.origin || '/')
                   then substr(input->>'back', length(t.origin) + 1) end), '/mon-espace'))
      into v_result
      from account a
      join town t on t.id = a.tenant
      left join family f on f.tenant = a.tenant and f.id = my_family()
     where a.id = me();

    return coalesce(v_result, json_build_object('status', 200, 'signed_in', false,
        'account', null, 'name', null, 'roles', json_build_array(), 'family', null,
        'limits', null, 'back', '/'));
end
$$;

comment on function my_session(jsonb) is
'Who is logged in and for how long; asking is no use of the session. Input: back (address of the page to return to); _.idle and _.idle_left as session_limits.
Result: {"status": 200, "signed_in", "account": id, "name", "roles": [citizen, family], "family": {"id", "number", "label", "first_names"} or null, "limits": as session_limits, "back"}; nobody: false, nulls and [].';


create or replace function prolong(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    return (moved(coalesce(local_path(input->>'path'),
                           case when my_agent() is null then '/mon-espace' else '/' end),
                  json_build_object('effect', 'prolong'), 'prolonged')::jsonb
            || jsonb_build_object('limits', session_limits(input)))::json;
end
$$;

comment on function prolong(jsonb) is
'« Prolonger »: the last use of the session is now. Input: path to return to; _.idle and _.idle_left as session_limits.
Result: 303 path with session prolong, and "limits" as they are then.';


create or replace function session_owner(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_hash     bytea := decode(input->>'session_mac', 'hex');
    v_account  bigint;
    v_agent    bigint;
    v_done     idempotency;
begin
    -- the MACs of the two hosts are made with different keys: never both
    select s.account_id into v_account from session s where s.hash = v_hash;
    select s.agent_id into v_agent from agent_session s where s.hash = v_hash;

    -- the same form was answered already: repeat_scope() of that session
    select i.* into v_done
      from idempotency i
     where i.scope = coalesce('account:' || v_account, 'agent:' || v_agent)
       and i.key = input->'_'->>'key'
       and i.print = decode(input->'_'->>'print', 'hex')
       and i.status is not null;

    return json_build_object('status', coalesce(v_done.status, 200),
        'account', coalesce(v_account, v_agent), 'location', v_done.location,
        'notice', v_done.notice,
        'session', case when v_done.key is null then null
                        when v_agent is not null then agent_session_again(v_hash, input)
                        else session_again(v_hash, input) end);
end
$$;

comment on function session_owner(jsonb) is
'Whose a session was that has ended, though a form came with it; for nginx, never shown. Input: session_mac; of a form with a key, _.key, _.print, _.session, _.agent.
Result: {"status": 200, "account": id or null, an agent''s where it was one''s, "location", "notice", "session": null}; where that very form was answered before, the status, location and notice that it was answered with, and the session that goes on, as session_again() or agent_session_again().';


create or replace function connections(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_here  bytea := decode(nullif(current_setting('portal.session'), ''), 'hex');
    v_rows  json;
    v_open  bigint;
begin
    -- a renewed session has a row of its own, and the end of the first
    with log_in as (
        select min(s.opened_at) as since,
               (array_agg(s.agent order by s.opened_at desc))[1] as agent,
               coalesce(bool_or(s.hash = v_here), false) as here,
               bool_or(s.ended_at is null and s.epoch = a.epoch)
               and s.absolute_until > now() as open
          from session s
          join account a on a.tenant = s.tenant and a.id = s.account_id
         where s.account_id = me()
           and s.opened_at > now() - interval '30 days'
         group by s.absolute_until
         order by 3 desc, 1 desc
         limit 20)
    select json_agg(json_build_object(
               'since', to_char(l.since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
               'agent', l.agent, 'here', l.here, 'open', l.open and not l.here)
               order by l.here desc, l.since desc),
           count(*) filter (where l.open and not l.here)
      into v_rows, v_open
      from log_in l;

    return json_build_object('status', 200, 'version', document_version(v_rows),
        'connections', coalesce(v_rows, '[]'::json), 'others', v_open);
end
$$;

comment on function connections(jsonb) is
'« Connexions récentes »: the log-ins of the last 30 days, twenty at most, this one first.
Result: {"status": 200, "version", "connections": [{"since", "agent": family of browsers or Autre, "here": this one, "open": another that has not ended}], "others": how many are open}. What nobody uses any more ends by itself, which only Redis knows.';


create or replace function end_others(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_stale  json;
    v_ended  json;
begin
    -- a log-in waits, and what renews a session: what it opens would not be seen
    perform from account a where a.id = me() for update;
    v_stale := stale(input, connections(input)->>'version');

    if v_stale is not null then
        return v_stale;
    end if;

    with ended as (
        update session s
           set ended_at = now()
         where s.account_id = me()
           and s.ended_at is null
           and s.hash <> decode(current_setting('portal.session'), 'hex')
        returning s.hash, s.opened_at, s.absolute_until)
    select ended_sessions(array_agg(e.hash order by e.opened_at desc))
      into v_ended
      from ended e
     where e.absolute_until > now();

    perform note('end_others', 'ok', 'account', me());

    return moved('/mon-compte/connexions', v_ended, 'others_ended');
end
$$;

comment on function end_others(jsonb) is
'« Déconnecter les autres appareils »: ends all sessions of the account but this one. Result: 303 /mon-compte/connexions, with the ended ones for nginx to forget. Errors: 412 version_changed (of connections).';


create or replace function log_out_everywhere(p_town text, p_email text default null)
    returns bigint
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_tenant  int := (select t.id from town t where t.slug = p_town);
    v_count   bigint;
begin
    if v_tenant is null then
        raise exception 'there is no town "%"', p_town;
    end if;

    -- as end_others(): what is being renewed would not be seen
    perform
       from account a
      where a.tenant = v_tenant
        and (p_email is null or lower(a.email) = lower(p_email))
        and exists (select from session s
                     where s.tenant = a.tenant
                       and s.account_id = a.id
                       and s.ended_at is null
                       and s.absolute_until > now())
      order by a.id
        for update;

    with citizens as (
        update session s
           set ended_at = now()
          from account a
         where a.tenant = v_tenant
           and (p_email is null or lower(a.email) = lower(p_email))
           and s.tenant = a.tenant
           and s.account_id = a.id
           and s.ended_at is null
           and s.absolute_until > now()
        returning s.account_id),
    agents as (
        update agent_session s
           set ended_at = now()
          from agent a
         where a.tenant = v_tenant
           and (p_email is null or lower(a.email) = lower(p_email))
           and s.tenant = a.tenant
           and s.agent_id = a.id
           and s.ended_at is null
           and s.absolute_until > now()
        returning s.agent_id),
    noted as (
        insert into audit (tenant, action, outcome, object, object_id)
        select v_tenant, 'log_out_everywhere', 'ok', 'account', c.account_id
          from citizens c group by c.account_id
         union all
        select v_tenant, 'log_out_everywhere', 'ok', 'agent', g.agent_id
          from agents g group by g.agent_id)
    select (select count(*) from citizens) + (select count(*) from agents) into v_count;

    return v_count;
end
$$;

comment on function log_out_everywhere(text, text) is
'For the operator alone: ends the sessions of an account and of an agent with that address, without an address of everybody in the town. Input: the town''s slug; the address, whatever its case. Result: how many have ended; an error for an unknown town. Pages hear of it with the next request, locations whose only check is the gate within ten seconds.';


create or replace function ended_sessions(p_hashes bytea[], effect json default null)
    returns json
    language plpgsql immutable set search_path = portal, pg_temp as $$
begin
    -- every log-in comes here, hardly one ends another
    if p_hashes is null then
        return effect;
    end if;

    return (coalesce(effect::jsonb, '{"effect": null}') || jsonb_build_object('ended',
        (select jsonb_agg(encode(h.hash, 'hex')) from unnest(p_hashes[1:200]) h (hash))))::json;
end
$$;

comment on function ended_sessions(bytea[], json) is
'A session effect that names other sessions which have ended, so that nginx forgets them at once. Input: their MACs, the latest first (of more than 200 the rest waits until copies are checked again); another effect besides.';


-- devices -----------------------------------------------------------------

create or replace function device_seen(p_account account, input jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_mac    bytea := decode(coalesce(input->'_'->>'device', input->'_'->>'new_device'), 'hex');
    v_known  boolean;
    v_first  boolean;
begin
    if v_mac is null then
        return;
    end if;

    select coalesce(bool_or(d.mac = v_mac), false), count(*) = 0
      into v_known, v_first
      from device d
     where d.account_id = p_account.id;

    insert into device (tenant, account_id, mac, epoch)
    values (here(), p_account.id, v_mac, p_account.epoch)
    on conflict (tenant, account_id, mac) do update
       set epoch = excluded.epoch, last_at = now();

    if v_known or v_first then
        return;
    end if;

    -- a program that keeps no cookie is a new one each time
    if take('device_mail', p_account.email_mac, 5, '24 hours') = 0 then
        perform post(gen_random_uuid(), p_account.email, p_account.email_mac, 'new_device',
                     p_account.lang, jsonb_build_object(
                         'agent', coalesce(input->'_'->>'agent', 'Autre'),
                         'at', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')));
        perform note('sign_in', 'new_device', 'account', p_account.id, p_account.id);
    end if;
end
$$;

comment on function device_seen(account, jsonb) is
'An account has logged in: notes its device, and writes to the owner when there were others and this one is new. Input: the account; _.device (MAC of the cookie that came) or _.new_device (of the one that is given), _.agent.';


create or replace function guess_counter(p_mac bytea, input jsonb, p_who text default 'sign_in',
    out kind text, out key bytea)
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_device  bytea := decode(input->'_'->>'device', 'hex');
begin
    kind := p_who;
    key := p_mac;

    -- a browser without the cookie is none that was seen
    if v_device is null then
        return;
    end if;

    select p_who || '_device', sha256(p_mac || d.mac)
      into kind, key
      from (select d.mac, d.last_at
              from account a
              join device d on d.tenant = a.tenant and d.account_id = a.id
                           and d.epoch = a.epoch
             where p_who = 'sign_in' and a.email_mac = p_mac and a.state = 'active'
             union all
            select d.mac, d.last_at
              from agent a
              join agent_device d on d.tenant = a.tenant and d.agent_id = a.id
                                 and d.epoch = a.epoch
             where p_who = 'agent' and a.email_mac = p_mac and a.state = 'active') d
     where d.mac = v_device
       and d.last_at > now() - interval '90 days';

    if not found then
        kind := p_who;
        key := p_mac;
    end if;
end
$$;

comment on function guess_counter(bytea, jsonb, text) is
'Where a guess of a password, of an agent''s code too, is counted: on the address that was typed, or apart, for a device that has logged in with it before: others'' guesses do not lock its owner out. Input: MAC of the address; _.device; whose: sign_in (an account''s) or agent.';


grant execute on function my_session(jsonb), prolong(jsonb), session_owner(jsonb),
    connections(jsonb), end_others(jsonb)
   to portal_web;
