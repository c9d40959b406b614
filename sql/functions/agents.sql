--
-- Agents of the town: log-in with password and code, their sessions.  What the
-- rest of the product may rely on is my_agent(), my_role(), require_agent().
--

set search_path = portal, pg_temp;


create or replace function my_agent() returns bigint
    language sql stable parallel safe
    return nullif(nullif(current_setting('portal.agent', true), ''), '0')::bigint;

comment on function my_agent() is 'The agent of this transaction; null: none.';


create or replace function my_role() returns text
    language sql stable parallel safe
    return nullif(current_setting('portal.role', true), '');

comment on function my_role() is
    'The role of this transaction''s agent: administrator, validator or reader; null: no agent.';


create or replace function require_agent(variadic p_roles text[] default '{}')
    returns void
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if my_agent() is null or me() is not null
       or (cardinality(p_roles) > 0 and not coalesce(my_role() = any (p_roles), false))
    then
        raise exception using errcode = 'PT403', message = 'not for them';
    end if;
end
$$;

comment on function require_agent(text[]) is
'First line of each function that is for agents: raises PT403 unless an agent asks, and one of these roles when some are named. nginx''s gate has asked the same; this holds when a location is wrong.';


create or replace function enter_agent(tenant text, session text, agent bigint, epoch int,
    town_version bigint, schema int, request text)
    returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
#variable_conflict use_column
declare
    v_result  json := enter(enter_agent.tenant, null, null, null, null,
                            enter_agent.town_version, enter_agent.schema,
                            enter_agent.request);
    v_agent   agent;
    v_set     text;
begin
    if enter_agent.session is null then
        return v_result;
    end if;

    select a.* into v_agent
      from agent_session s
      join agent a on a.tenant = s.tenant and a.id = s.agent_id
     where s.hash = decode(enter_agent.session, 'hex')
       and s.ended_at is null
       and s.absolute_until > now()
       and a.id = enter_agent.agent
       and a.epoch = enter_agent.epoch
       and s.epoch = a.epoch
       and a.state = 'active';

    if not found then
        raise exception using errcode = 'PT401', message = 'no such session';
    end if;

    v_set := set_config('portal.agent', enter_agent.agent::text, true)
          || set_config('portal.role', v_agent.role, true)
          || set_config('portal.schools', coalesce(school_names(v_agent.schools)::text, ''), true)
          || set_config('portal.sections', coalesce(v_agent.sections::text, ''), true)
          || set_config('portal.session', enter_agent.session, true);

    return v_result;
end
$$;

comment on function enter_agent(text, text, bigint, int, bigint, int, text) is
'First call of each transaction that comes from the agents'' host, as enter() is elsewhere: sets the town, agent, role, limits and request; there is no account and no family.
Input: the town''s slug; session MAC (null: anonymous), its agent and epoch; version of the town''s document that the caller holds; the caller''s schema version; id of the request.
Result: as enter(). Errors, raised: PT401 no such live session of an active agent; PT404, PT503 as enter().';


-- log-in ------------------------------------------------------------------------

create or replace function agent_sign_in_lookup(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_mac    bytea := decode(input->>'email_mac', 'hex');
    v_wait   int := take_guess(v_mac, input, 'agent');
    v_agent  agent;
begin
    select a.* into v_agent
      from agent a
     where a.email_mac = v_mac
       and a.state = 'active'
       and v_wait = 0;

    return json_build_object('status', 200, 'hash', v_agent.password_hash,
        'account', v_agent.id, 'epoch', v_agent.epoch, 'wait', v_wait,
        'seal_id', v_agent.seal_id, 'otp', v_agent.totp);
end
$$;

comment on function agent_sign_in_lookup(jsonb) is
'What nginx checks an agent''s password and code against; never shown. Counts the attempt before it is made. Input: email_mac; _ as take_guess().
Result: {"status": 200, "hash", "account": the agent, "epoch", "seal_id", "otp": the sealed secret, all null when unknown, "wait": seconds, 0 to go on}.';


create or replace function agent_sign_in(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_mac      bytea := decode(input->>'email_mac', 'hex');
    v_device   bytea := decode(coalesce(input->'_'->>'device', input->'_'->>'new_device'),
                               'hex');
    v_step     bigint := (input->>'otp_step')::bigint;
    v_ok       boolean := (input->>'ok')::boolean and v_step is not null;
    v_agent    agent;
    v_session  json;
begin
    if unchecked(input) then
        perform give_back_guess(v_mac, input, false, 'agent');
        return refused('', 'busy', 503);
    end if;

    -- of two that bring the same code, one finds the step taken
    update agent a
       set totp_step = v_step,
           password_hash = coalesce(input->>'rehash', a.password_hash)
     where a.email_mac = v_mac
       and v_ok
       and a.id = (input->>'account')::bigint
       and a.epoch = (input->>'epoch')::int
       and a.state = 'active'
       and a.totp_step < v_step
    returning a.* into v_agent;

    if not found then
        perform note('agent_sign_in', 'failed', 'agent',
                     (select a.id from agent a where a.email_mac = v_mac));
        return refused('', 'agent_sign_in_failed');
    end if;

    perform give_back_guess(v_mac, input, true, 'agent');

    v_session := agent_session_effect(v_agent, input);

    if v_device is not null then
        insert into agent_device (tenant, agent_id, mac, epoch)
        values (here(), v_agent.id, v_device, v_agent.epoch)
        on conflict (tenant, agent_id, mac) do update
           set epoch = excluded.epoch, last_at = now();
    end if;

    perform note('agent_sign_in', 'ok', 'agent', v_agent.id);

    -- who was invited and has no recovery code yet is locked out with a lost telephone
    if coalesce(local_path(input->>'next'), '/') = '/'
       and exists (select from agent_token k
                    where k.agent_id = v_agent.id and k.used_at is not null)
       and not exists (select from agent_recovery r where r.agent_id = v_agent.id)
    then
        return moved('/compte/codes-de-secours', v_session);
    end if;

    return moved(coalesce(local_path(input->>'next'), '/'), v_session);
end
$$;

comment on function agent_sign_in(jsonb) is
'Logs an agent in, once nginx has checked password and code. Input: email_mac; account, epoch and ok as the lookup and the check gave them (ok null: the check could not be made), otp_step (the time step of the code; null: wrong), rehash, next (path to go on to); _ as the lookup, with _.session, _.agent, _.new_device.
Result: 303 next, or / (the page of recovery codes, for who was invited and has none) with session open. Errors: agent_sign_in_failed, whichever was wrong, a code used before included; 503 busy.';


create or replace function agent_session_effect(p_agent agent, input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town    town;
    v_beyond  bytea[];
    v_set     text;
begin
    perform agent_session_end();

    select t.* into v_town from town t where t.id = here();

    -- the caller holds the agent's row: two log-ins come one after another
    with beyond as (
        select s.hash
          from agent_session s
         where s.agent_id = p_agent.id
           and s.ended_at is null
           and s.absolute_until > now()
         order by s.opened_at desc
        offset v_town.session_limit - 1),
    ended as (
        update agent_session s
           set ended_at = now()
         where s.hash in (select b.hash from beyond b)
           and s.ended_at is null
        returning s.hash)
    select array_agg(e.hash) into v_beyond from ended e;

    insert into agent_session (tenant, hash, agent_id, epoch, browser, absolute_until)
    values (here(), decode(input->'_'->>'session', 'hex'), p_agent.id, p_agent.epoch,
            coalesce(input->'_'->>'agent', 'Autre'),
            now() + make_interval(secs => v_town.agent_absolute));

    -- what follows in this transaction is theirs
    v_set := set_config('portal.agent', p_agent.id::text, true)
          || set_config('portal.role', p_agent.role, true);

    return ended_sessions(v_beyond, json_build_object('effect', 'open',
        'agent', p_agent.id, 'epoch', p_agent.epoch,
        'name', p_agent.first_name || ' ' || p_agent.last_name,
        'roles', json_build_array('agent', p_agent.role), 'lang', null,
        'idle', v_town.agent_idle, 'absolute', v_town.agent_absolute));
end
$$;

comment on function agent_session_effect(agent, jsonb) is
'Opens a session of an agent, and ends the one that asked, and the oldest beyond the town''s limit. Input: the agent, whose row the caller holds; _.session, the new session''s MAC, _.agent, the browser. Result: the session effect for nginx; it names an agent and no account, so that the other host cannot open it.';


create or replace function agent_session_end() returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update agent_session s
       set ended_at = now()
     where s.hash = decode(nullif(current_setting('portal.session'), ''), 'hex')
       and s.agent_id = my_agent()
       and s.ended_at is null;
end
$$;

comment on function agent_session_end() is
    'Ends the agent''s session of this transaction, if there is one.';


create or replace function agent_sign_out(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_agent  bigint;
    v_ended  json;
begin
    -- sent again after a lost answer, or when the session is over
    update agent_session s
       set ended_at = now()
     where s.hash = decode(input->'_'->>'over', 'hex')
       and s.ended_at is null
    returning s.agent_id into v_agent;

    v_agent := coalesce(v_agent, my_agent());

    if input->>'everywhere' = 'yes' and my_agent() is not null then
        -- a log-in that is just being made holds this row: its session ends, too
        perform from agent a where a.id = my_agent() for no key update;

        with ended as (
            update agent_session s
               set ended_at = now()
             where s.agent_id = my_agent()
               and s.ended_at is null
            returning s.hash, s.opened_at, s.absolute_until)
        select ended_sessions(array_agg(e.hash order by e.opened_at desc),
                              '{"effect": "close"}')
          into v_ended
          from ended e
         where e.absolute_until > now();
    else
        perform agent_session_end();
    end if;

    if v_agent is not null then
        perform note('agent_sign_out', case when input->>'everywhere' = 'yes'
                                                 and my_agent() is not null
                                            then 'everywhere' else 'ok' end,
                     'agent', v_agent);
    end if;

    return moved('/connexion', coalesce(v_ended, '{"effect": "close"}'), 'signed_out');
end
$$;

comment on function agent_sign_out(jsonb) is
'Logs an agent out. Input: everywhere (yes: all their sessions end, which nginx is told); _.over (MAC of a cookie that no live session belongs to). Result: 303 /connexion with session close, also where there was none.';


create or replace function agent_start(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    perform require_agent();

    return (select json_build_object('status', 200,
                'agent', json_build_object('id', a.id, 'first_name', a.first_name,
                    'last_name', a.last_name, 'email', a.email, 'role', a.role,
                    'limits', limit_list(a)),
                'recovery_left', (select count(*) from agent_recovery r
                                   where r.agent_id = a.id and r.used_at is null))
              from agent a
             where a.id = my_agent());
end
$$;

comment on function agent_start(jsonb) is
'The first page of an agent. Result: {"status": 200, "agent": {"id", "first_name", "last_name", "email", "role", "limits": limit_list()}, "recovery_left": codes for the day the authenticator is lost}.';


create or replace function my_agent_session(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_result  json;
begin
    select json_build_object('status', 200, 'signed_in', true, 'account', a.id,
               'name', a.first_name || ' ' || a.last_name,
               'roles', json_build_array('agent', a.role), 'family', null,
               'limits', session_limits(input),
               'back', coalesce(local_path(case
                   when starts_with(input->>'back', t.agent_origin || '/')
                   then substr(input->>'back', length(t.agent_origin) + 1) end), '/'))
      into v_result
      from agent a
      join town t on t.id = a.tenant
     where a.id = my_agent();

    return coalesce(v_result, json_build_object('status', 200, 'signed_in', false,
        'account', null, 'name', null, 'roles', json_build_array(), 'family', null,
        'limits', null, 'back', '/'));
end
$$;

comment on function my_agent_session(jsonb) is
'my_session() of the agents'' host: the same document, whose account is the agent''s id and whose roles are agent and the role.';


-- how one is made: by the operator, see sql/agent ---------------------------------

create or replace function agent_seal(p_slug text, p_email_mac text) returns uuid
    language sql stable
begin atomic
    select coalesce((select a.seal_id
                       from agent a
                       join town t on t.id = a.tenant
                      where t.slug = p_slug
                        and a.email_mac = decode(p_email_mac, 'hex')),
                    gen_random_uuid());
end;

comment on function agent_seal(text, text) is
    'What an agent''s secret is to be sealed for: theirs when the address is known, else a new one. Input: the town''s slug, MAC of the address. For the operator.';


create or replace function save_agent(input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_town   int := (select t.id from town t where t.slug = input->>'town');
    v_set    text;
    v_agent  agent;
begin
    if v_town is null then
        raise exception using errcode = 'PT404', message = 'no such town';
    end if;

    v_set := set_config('portal.tenant', v_town::text, true)
          || set_config('portal.account', '0', true)
          || set_config('portal.family', '0', true)
          || set_config('portal.session', '', true)
          || set_config('portal.request', '', true);

    insert into agent as a (tenant, seal_id, first_name, last_name, email, email_mac,
                            password_hash, totp, role)
    values (here(), (input->>'seal_id')::uuid, input->>'first_name', input->>'last_name',
            input->>'email', decode(input->>'email_mac', 'hex'),
            input->>'password_hash', input->>'totp', input->>'role')
    on conflict (tenant, email_mac) do update
       set first_name = excluded.first_name, last_name = excluded.last_name,
           email = excluded.email, password_hash = excluded.password_hash,
           totp = excluded.totp, role = excluded.role, state = 'active',
           seal_id = excluded.seal_id, granted_role = null, granted_by = null,
           schools = case when excluded.role <> 'administrator' then a.schools end,
           sections = case when excluded.role <> 'administrator' then a.sections end
    returning a.* into v_agent;

    perform note('save_agent', 'ok', 'agent', v_agent.id);

    return json_build_object('status', 200, 'id', v_agent.id, 'role', v_agent.role);
end
$$;

comment on function save_agent(jsonb) is
'Makes an agent, or gives one another name, role, password and secret, which ends their sessions. For the operator, with the tables'' own rights; no request may call it. Input: town (slug), seal_id (of agent_seal()), first_name, last_name, email, email_mac, password_hash, totp (sealed), role.
Result: {"status": 200, "id", "role"}.';


grant execute on function enter_agent(text, text, bigint, int, bigint, int, text),
    agent_sign_in_lookup(jsonb), agent_sign_in(jsonb), agent_sign_out(jsonb),
    agent_start(jsonb), my_agent_session(jsonb)
   to portal_web;
