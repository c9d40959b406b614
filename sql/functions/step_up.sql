--
-- « Confirmez que c'est bien vous »: what is gravest asks an agent for another
-- code of their authenticator, and then not again for five minutes.
--

set search_path = portal, pg_temp;


create or replace function stepped_up() returns boolean
    language sql stable
    return exists (select from agent_session s
                    where s.hash = decode(nullif(current_setting('portal.session', true), ''),
                                          'hex')
                      and s.agent_id = my_agent()
                      and s.ended_at is null
                      and s.confirmed_at > now() - interval '5 minutes');

comment on function stepped_up() is
    'Whether a code was given in this transaction''s session of an agent in the last five minutes, besides that of the log-in.';


create or replace function step_up(p_back text default null) returns json
    language sql stable
    return case when not coalesce(stepped_up(), false)
                then json_build_object('status', 403, 'type', '/connexion/confirmation',
                         'back', p_back, 'errors', json_build_array(json_build_object(
                             'field', '', 'code', 'step_up_needed'))) end;

comment on function step_up(text) is
    'For functions of portal_get that show an account number whole or hand out many families at once, asked before anything is read, counted or noted. Input: page that leads there, where what is asked for is a file. Result: null to go on, else the answer: 403 step_up_needed, by whose type nginx leads a person to the page where the code is given.';


create or replace function agent_step_up_lookup(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_agent  agent;
    v_wait   int;
begin
    perform require_agent();

    select a.* into strict v_agent from agent a where a.id = my_agent();
    v_wait := take_guess(v_agent.email_mac, input, 'agent');

    return json_build_object('status', 200, 'account', v_agent.id, 'epoch', v_agent.epoch,
        'wait', v_wait, 'seal_id', v_agent.seal_id,
        'otp', case when v_wait = 0 then v_agent.totp end);
end
$$;

comment on function agent_step_up_lookup(jsonb) is
'What nginx checks the code of an agent who is logged in against; never shown. Counted with the log-ins, before it is tried. Input: _ as take_guess(). Result: as agent_sign_in_lookup(), without a hash. For agents.';


create or replace function agent_step_up(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again  json;
    v_step   bigint := (input->>'otp_step')::bigint;
    v_agent  agent;
begin
    perform require_agent();

    v_again := repeated(input);

    if v_again is not null then
        return v_again;
    end if;

    -- of two that bring the same code, one finds the step taken
    update agent a
       set totp_step = v_step
     where a.id = my_agent()
       and a.id = (input->>'account')::bigint
       and a.epoch = (input->>'epoch')::int
       and a.totp_step < v_step
    returning a.* into v_agent;

    if not found then
        perform note('agent_step_up', 'code_refused', 'agent', my_agent());
        return done(input, refused('otp', 'otp_wrong'));
    end if;

    perform give_back_guess(v_agent.email_mac, input, true, 'agent');
    perform note('agent_step_up', 'ok', 'agent', v_agent.id);

    return done(input, moved(coalesce(local_path(input->>'next'), '/compte'),
                             agent_session_renew(v_agent, input), 'stepped_up'));
end
$$;

comment on function agent_step_up(jsonb) is
'An agent who is logged in gives another code: for five minutes their session, under a new identifier, may do what step_up() asks for. Input: account and epoch as the lookup gave them, otp_step (the time step of the code; null: wrong), next (path to go on to); _ as the lookup, with _.session, _.agent; idempotency key.
Result: 303 next or /compte with session renew. Errors: otp_wrong, also of a code that was used; idempotency_mismatch. For agents.';


create or replace function agent_session_renew(p_agent agent, input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_old   agent_session;
    v_town  town;
begin
    update agent_session s
       set ended_at = now(), renewed_as = decode(input->'_'->>'session', 'hex')
     where s.hash = decode(nullif(current_setting('portal.session'), ''), 'hex')
       and s.agent_id = p_agent.id
       and s.ended_at is null
    returning s.* into v_old;

    -- logged out meanwhile
    if not found then
        raise exception using errcode = 'PT401', message = 'no such session';
    end if;

    select t.* into v_town from town t where t.id = here();

    insert into agent_session (tenant, hash, agent_id, epoch, browser, opened_at,
                               absolute_until, confirmed_at)
    values (here(), decode(input->'_'->>'session', 'hex'), p_agent.id, p_agent.epoch,
            v_old.browser, v_old.opened_at, v_old.absolute_until, now());

    return json_build_object('effect', 'renew', 'agent', p_agent.id, 'epoch', p_agent.epoch,
        'name', p_agent.first_name || ' ' || p_agent.last_name,
        'roles', json_build_array('agent', p_agent.role), 'lang', null,
        'idle', v_town.agent_idle,
        'absolute', greatest(1, ceil(extract(epoch from v_old.absolute_until - now())))::int);
end
$$;

comment on function agent_session_renew(agent, jsonb) is
'Ends the session that asks and goes on with another that ends when it would have, in which a code was given now. Input: the agent, whose row the caller holds; _.session, the new session''s MAC. Result: the session effect for nginx. Raises PT401 when the session has ended meanwhile.';


create or replace function agent_session_again(p_hash bytea, input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_agent   agent;
    v_next    agent_session;
    v_set     text;
    v_effect  json;
begin
    if input->'_'->>'session' is null then
        return null;
    end if;

    -- the agent first, as who renews has it
    select a.* into v_agent
      from agent_session s
      join agent a on a.tenant = s.tenant and a.id = s.agent_id
     where s.hash = p_hash
       and s.renewed_as is not null
       for no key update of a;

    select n.* into v_next
      from agent_session s
      join agent_session n on n.hash = s.renewed_as and n.agent_id = s.agent_id
     where s.hash = p_hash
       and s.agent_id = v_agent.id
       and s.ended_at > now() - interval '60 seconds'
       and s.browser = coalesce(input->'_'->>'agent', 'Autre')
       and n.browser = s.browser
       and n.ended_at is null
       and n.absolute_until > now()
       and n.epoch = v_agent.epoch
       and v_agent.state = 'active';

    if not found then
        return null;
    end if;

    v_set := set_config('portal.agent', v_agent.id::text, true)
          || set_config('portal.session', encode(v_next.hash, 'hex'), true);
    v_effect := agent_session_renew(v_agent, input);

    -- the five minutes are those of the code
    update agent_session s
       set confirmed_at = v_next.confirmed_at
     where s.hash = decode(input->'_'->>'session', 'hex');

    update agent_session s
       set renewed_as = decode(input->'_'->>'session', 'hex')
     where s.hash = p_hash;

    return ended_sessions(array[v_next.hash], v_effect);
end
$$;

comment on function agent_session_again(bytea, jsonb) is
'As session_again(), of an agent: the very form that renewed their session has come again under the one that it ended. Input, result: as there. The code is not asked for once more, and lasts no longer by it.';


grant execute on function agent_step_up_lookup(jsonb), agent_step_up(jsonb) to portal_web;
