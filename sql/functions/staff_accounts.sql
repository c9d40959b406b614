--
-- Agents as administrators see and change them; invitation, enrolment of an
-- authenticator, and what is done when it is lost.
--

set search_path = portal, pg_temp;


create or replace function agent_row(p_agent agent) returns json
    language sql stable
    return json_build_object('id', (p_agent).id, 'first_name', (p_agent).first_name,
        'last_name', (p_agent).last_name, 'email', (p_agent).email,
        'role', (p_agent).role, 'limits', limit_list(p_agent),
        'agent_state', (p_agent).state,
        'invited', (p_agent).state = 'invited', 'active', (p_agent).state = 'active',
        'disabled', (p_agent).state = 'disabled', 'me', (p_agent).id = my_agent(),
        'granted_by', (select b.first_name || ' ' || b.last_name from agent b
                        where b.tenant = (p_agent).tenant and b.id = (p_agent).granted_by),
        'last_at', (select max(s.opened_at) from agent_session s
                     where s.tenant = (p_agent).tenant and s.agent_id = (p_agent).id),
        'link_until', (select k.expires_at from agent_token k
                        where k.tenant = (p_agent).tenant and k.agent_id = (p_agent).id
                          and k.used_at is null and k.expires_at > now()),
        'new_until', case when is_new((p_agent).id) and (p_agent).role <> 'reader'
                          then (p_agent).since + interval '7 days' end,
        'recovery_left', (select count(*) from agent_recovery r
                           where r.tenant = (p_agent).tenant and r.agent_id = (p_agent).id
                             and r.used_at is null));

comment on function agent_row(agent) is
    'An agent as administrators see them: never a password, a secret or a code.';


create or replace function agents(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    perform require_agent('administrator');

    return json_build_object('status', 200, 'people', (
        select json_agg(agent_row(a) order by a.state = 'disabled', a.last_name, a.first_name,
                        a.id)
          from agent a
         where a.email is not null));
end
$$;

comment on function agents(jsonb) is
    'The agents of the town, but for who left more than 30 days ago. Result: {"status": 200, "people": [agent_row()]}. For administrators.';


create or replace function agent_version(p_agent agent) returns text
    language sql stable
    return document_version(to_json((p_agent).id), to_json((p_agent).epoch),
        to_json((p_agent).role), to_json((p_agent).state), to_json((p_agent).granted_role),
        to_json((p_agent).schools), to_json((p_agent).sections),
        to_json((p_agent).since));

comment on function agent_version(agent) is 'Version of agent_account(), which a change names.';


create or replace function agent_account(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_agent  agent;
begin
    perform require_agent('administrator');

    select a.* into v_agent
      from agent a
     where a.id = to_id(input->>'agent')
       and a.email is not null;

    if not found then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    return json_build_object('status', 200, 'version', agent_version(v_agent),
        'agent', agent_row(v_agent),
        'changes', v_agent.id <> my_agent(),
        'confirms', v_agent.granted_role is not null and v_agent.granted_by <> my_agent()
                    and v_agent.id <> my_agent(),
        'others', exists (select from agent a
                           where a.role = 'administrator' and a.state = 'active'
                             and a.id not in (v_agent.id, my_agent())
                             and not is_new(a.id)),
        'vouches', is_new(v_agent.id) and v_agent.role <> 'reader'
                   and my_agent() not in (v_agent.id, v_agent.since_by)
                   and not is_new(my_agent()),
        'limitable', v_agent.id <> my_agent() and v_agent.role <> 'administrator',
        'section_limits', (select json_agg(json_build_object('section', s.name, 'chosen',
                               coalesce(s.name = any (v_agent.sections), false))
                               order by s.name) from section s),
        'known_schools', limit_offered(v_agent),
        'letters', json_array_length(limit_offered(v_agent)) > 20,
        'values', json_build_object('version', agent_version(v_agent),
                      'role', v_agent.role,
                      'schools', (select string_agg(x.name, chr(10) order by x.name)
                                    from (select distinct school_named(n) as name
                                            from unnest(v_agent.schools) n) x)));
end
$$;

comment on function agent_account(jsonb) is
'An agent. Input: agent (id). Result: {"status": 200, "version", "agent": agent_row(), "changes": it is another''s, "confirms": a role waits for this administrator, "others": the town has another administrator who can, "vouches": they may confirm what another one has given alone, "limitable": what they may see can be limited, "section_limits": [{"section", "chosen"}], "known_schools": limit_offered(), "letters": they are so many that their first letters lead there, "values": of the form}; 404. For administrators.';


create or replace function invitation(p_agent agent, p_token jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_until  timestamptz := now() + interval '24 hours';
begin
    delete from agent_token k where k.agent_id = p_agent.id;

    insert into agent_token (tenant, mac, agent_id, expires_at)
    values (here(), decode(p_token->>'mac', 'hex'), p_agent.id, v_until);

    perform post((p_token->>'id')::uuid, p_agent.email, p_agent.email_mac,
                 'agent_invited', 'fr', (select jsonb_build_object('hours', 24,
                     'origin', t.agent_origin, 'name', p_agent.first_name)
                     from town t where t.id = here()), p_token->>'sealed', v_until);
end
$$;

comment on function invitation(agent, jsonb) is
    'Sends the link by which an agent enrols, 24 hours good; the one before is void. Input: the agent, the token that nginx made.';


create or replace function tell_rights(p_agent agent) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- also who was one until now: what one does, all of them hear of
    perform post(gen_random_uuid(), a.email, a.email_mac, 'agent_rights', 'fr',
                 jsonb_build_object('origin', t.agent_origin, 'by', agent_name(my_agent()),
                                    'name', agent_name(p_agent.id), 'agent', p_agent.id))
       from agent a
       join town t on t.id = a.tenant
      where a.role = 'administrator' and a.state = 'active'
         or a.id in (select x from administrators_lately() x);
end
$$;

comment on function tell_rights(agent) is
    'Mails all administrators, who has done it too, that an agent''s rights were changed.';


create or replace function invite_agent(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again  json;
    v_agent  agent;
    v_grant  boolean := input->>'role' = 'administrator';
begin
    perform require_agent('administrator');

    v_again := repeated(input);

    if v_again is not null then
        return v_again;
    end if;

    insert into agent (tenant, first_name, last_name, email, email_mac, role, state,
                       granted_role, granted_by)
    values (here(), input->>'first_name', input->>'last_name', input->>'email',
            decode(input->>'email_mac', 'hex'),
            case when v_grant then 'reader' else input->>'role' end, 'invited',
            case when v_grant then 'administrator' end, case when v_grant then my_agent() end)
    on conflict (tenant, email_mac) do nothing
    returning * into v_agent;

    if v_agent.id is null then
        perform note('invite_agent', 'known', 'agent');
        return done(input, refused('email', 'agent_known'));
    end if;

    perform invitation(v_agent, input->'token');
    perform tell_rights(v_agent);
    perform note('invite_agent', 'ok', 'agent', v_agent.id);

    return done(input, moved('/agents/' || v_agent.id, null, 'agent_invited'));
end
$$;

comment on function invite_agent(jsonb) is
'Makes an agent, who chooses their password and enrols their authenticator by the link of a mail. An administrator is a reader until another administrator has confirmed it. Input: first_name, last_name, email, role, token; idempotency key. Result: moved to the agent; 422 agent_known. For administrators.';


create or replace function change_agent(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_step     text := input->>'step';
    v_again    json;
    v_agent    agent;
    v_refusal  json;
    v_ended    bytea[];
    v_schools  record;
begin
    perform require_agent('administrator');

    v_again := repeated(input);

    if v_again is not null then
        return v_again;
    end if;

    -- both rows, in one order: of two administrators who disable each other one
    -- comes second, and is none any more
    perform a.id
       from agent a
      where a.id in (my_agent(), to_id(input->>'agent'))
      order by a.id
        for no key update;

    if not exists (select from agent a
                    where a.id = my_agent() and a.role = 'administrator'
                      and a.state = 'active')
    then
        raise exception using errcode = 'PT403', message = 'not for them';
    end if;

    select a.* into v_agent
      from agent a
     where a.id = to_id(input->>'agent')
       and a.email is not null;

    v_schools := limit_schools(input->>'schools', v_agent.schools);

    v_refusal := case
        when v_agent.id is null
            then json_build_object('status', 404, 'errors', json_build_array())
        when v_agent.id = my_agent() then refused('', 'own_rights', 403)
        when input->>'version' is null
             and jsonb_typeof(input->'_'->'if_match') is distinct from 'array'
            then refused('', 'version_needed', 428)
        else coalesce(stale(input, agent_version(v_agent)),
            case when input->>'version' <> agent_version(v_agent)
                 then refused('', 'request_changed', 409)
                 when v_step in ('confirm', 'deny') and v_agent.granted_role is null
                 then refused('', 'request_changed', 409)
                 when v_step = 'vouch' and not is_new(v_agent.id)
                 then refused('', 'request_changed', 409)
                 when v_step = 'confirm' and v_agent.granted_by = my_agent()
                      or v_step = 'vouch' and v_agent.since_by = my_agent()
                 then refused('', 'second_needed', 403)
                 when v_step in ('confirm', 'vouch') and is_new(my_agent())
                 then refused('', 'rights_new', 403)
                 when v_step = 'confirm' and is_new(v_agent.granted_by)
                 then refused('', 'asker_new', 403)
                 when v_step = 'role' and input->>'role' is null
                 then refused('role', 'required')
                 when v_step in ('schools', 'sections') and v_agent.role = 'administrator'
                 then refused('', 'sees_all', 409)
                 when v_step = 'schools' and v_schools.unknown
                 then refused('schools', 'school_unknown') end) end;

    if v_refusal is not null then
        perform note('change_agent', coalesce(v_refusal->'errors'->0->>'code', 'unknown'),
                     'agent', v_agent.id);
        return done(input, v_refusal);
    end if;

    update agent a
       set role = case when v_step = 'confirm' then 'administrator'
                       when v_step = 'role' and input->>'role' <> 'administrator'
                       then input->>'role' else a.role end,
           granted_role = case when v_step = 'role' and input->>'role' = 'administrator'
                                    and a.role <> 'administrator' then 'administrator'
                               when v_step in ('role', 'confirm', 'deny', 'disable') then null
                               else a.granted_role end,
           granted_by = case when v_step = 'role' and input->>'role' = 'administrator'
                                  and a.role <> 'administrator' then my_agent()
                             when v_step in ('role', 'confirm', 'deny', 'disable') then null
                             else a.granted_by end,
           state = case when v_step = 'disable' then 'disabled'
                        when v_step = 'invite' then 'invited'
                        when v_step = 'enable'
                        then case when a.totp is null then 'invited' else 'active' end
                        else a.state end,
           -- what is lost lets nobody in again, whatever is done next
           password_hash = case when v_step <> 'invite' then a.password_hash end,
           totp = case when v_step <> 'invite' then a.totp end,
           -- who administers is for everything
           schools = case v_step when 'confirm' then null
                                 when 'schools' then v_schools.schools else a.schools end,
           sections = case v_step when 'confirm' then null
                                  when 'sections' then limit_sections(input)
                                  else a.sections end,
           since = case v_step when 'vouch' then '-infinity' else a.since end,
           since_by = case when v_step <> 'vouch' then a.since_by end
     where a.id = v_agent.id
    returning a.* into v_agent;

    if v_step in ('disable', 'invite') then
        delete from agent_token k where k.agent_id = v_agent.id;
    end if;

    if v_step = 'invite' then
        delete from agent_recovery r where r.agent_id = v_agent.id;
        perform invitation(v_agent, input->'token');
    end if;

    with ended as (
        update agent_session s
           set ended_at = now()
         where s.agent_id = v_agent.id
           and s.epoch <> v_agent.epoch
           and s.ended_at is null
        returning s.hash)
    select array_agg(e.hash) into v_ended from ended e;

    if v_step <> 'deny' then
        perform tell_rights(v_agent);
    end if;

    perform note('change_agent', v_step, 'agent', v_agent.id);

    return done(input, moved('/agents/' || v_agent.id,
        ended_sessions(v_ended),
        case when v_step = 'invite' then 'agent_invited'
             when v_step = 'role' and v_agent.granted_role is not null then 'agent_proposed'
             else 'agent_changed' end));
end
$$;

comment on function change_agent(jsonb) is
'Changes an agent''s rights, which ends their sessions. Input: agent, step (role | confirm | deny: what another administrator has given | disable | enable | invite: again, when authenticator or password are lost, which are void from then on | schools, sections: what they are for | vouch: confirms what another one has given alone, see is_new()), role, schools (one a line; empty: all), a section: yes (none: all), token, version or If-Match; idempotency key.
Result: moved to the agent. Errors: 404; 403 own_rights, second_needed, rights_new, asker_new: is_new() who gave the role; 409 request_changed, sees_all (an administrator); 412; 422 school_unknown; 428 version_needed. For administrators, of others only.';


-- enrolment ----------------------------------------------------------------

create or replace function invited(input jsonb, out token agent_token, out agent agent,
    out state text)
    language plpgsql set search_path = portal, pg_temp as $$
begin
    select k.* into token
      from agent_token k
     where k.mac = decode(input->>'token_mac', 'hex');

    select a.* into agent from agent a where a.id = token.agent_id;

    state := case when token.mac is null then 'unknown'
                  when token.used_at is not null then 'used'
                  when token.expires_at <= now() then 'expired'
                  when agent.state <> 'invited' then 'void'
                  else 'valid' end;
end
$$;

comment on function invited(jsonb) is
    'The link of an invitation, whose it is, and what it is worth: valid, used, expired, void or unknown.';


create or replace function agent_invitation(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_link  record := invited(input);
begin
    return json_build_object('status', 200, 'state', v_link.state,
        'name', case when v_link.state = 'valid' then (v_link.agent).first_name end);
end
$$;

comment on function agent_invitation(jsonb) is
    'What the link of an invitation is worth; changes nothing. Input: token_mac. Result: {"status": 200, "state", "name"}.';


create or replace function enrol(p_agent agent) returns json
    language sql stable
    return json_build_object('status', 200, 'state', 'enrolled', 'name', (p_agent).first_name,
        'email', (p_agent).email,
        'link', (select 'otpauth://totp/' || t.slug || ':' || (p_agent).email || '?issuer='
                        || t.slug || '&secret=' from town t where t.id = (p_agent).tenant),
        'enrol', json_build_array(json_build_object('secret', sealed_value('agent',
            (p_agent).seal_id, 'totp', (p_agent).totp))),
        'location', null, 'session', null, 'errors', json_build_array());

comment on function enrol(agent) is
    'The one answer that shows an authenticator''s secret, as text and, on a page, as a QR code.';


create or replace function agent_accept(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_link   record;
    v_agent  agent;
begin
    -- of two who bring it at once, one waits and finds it used
    perform 1
       from agent_token k
      where k.mac = decode(input->>'token_mac', 'hex')
        for update;

    v_link := invited(input);

    if v_link.state <> 'valid' then
        perform note('agent_accept', v_link.state, 'agent', (v_link.agent).id);
        return json_build_object('status', 410, 'state', v_link.state, 'name', null,
            'location', null, 'session', null, 'errors', json_build_array());
    end if;

    update agent_token k set used_at = now() where k.mac = (v_link.token).mac;
    delete from agent_recovery r where r.agent_id = (v_link.agent).id;

    update agent a
       set password_hash = input->>'password_hash',
           seal_id = (input #>> '{authenticator,id}')::uuid,
           totp = input #>> '{authenticator,sealed}', state = 'active'
     where a.id = (v_link.agent).id
    returning a.* into v_agent;

    perform note('agent_accept', 'ok', 'agent', v_agent.id);

    return enrol(v_agent);
end
$$;

comment on function agent_accept(jsonb) is
'An agent who was invited chooses a password and gets an authenticator''s secret; the link is used by it. The first log-in asks for its code. Input: token_mac, password_hash, authenticator. Result: enrol(); 410 with what has become of the link.';


create or replace function agent_recover(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_mac    bytea := decode(input->>'email_mac', 'hex');
    v_agent  agent;
begin
    if unchecked(input) then
        perform give_back_guess(v_mac, input, false, 'agent');
        return refused('', 'busy', 503);
    end if;

    -- a code serves once: of two that bring it, one finds it used
    update agent_recovery r
       set used_at = now()
      from agent a
     where r.mac = decode(input->>'recovery_code_mac', 'hex')
       and r.used_at is null
       and a.tenant = r.tenant
       and a.id = r.agent_id
       and a.email_mac = v_mac
       and (input->>'ok')::boolean
       and a.id = (input->>'account')::bigint
       and a.epoch = (input->>'epoch')::int
       and a.state = 'active'
    returning a.* into v_agent;

    if v_agent.id is null then
        perform note('agent_recover', 'failed', 'agent',
                     (select a.id from agent a where a.email_mac = v_mac));
        return refused('', 'agent_recover_failed');
    end if;

    perform give_back_guess(v_mac, input, true, 'agent');

    update agent a
       set seal_id = (input #>> '{authenticator,id}')::uuid,
           totp = input #>> '{authenticator,sealed}'
     where a.id = v_agent.id
    returning a.* into v_agent;

    perform note('agent_recover', 'ok', 'agent', v_agent.id);
    perform post(gen_random_uuid(), v_agent.email, v_agent.email_mac, 'agent_recovered',
                 'fr', '{}');

    return enrol(v_agent);
end
$$;

comment on function agent_recover(jsonb) is
'An agent whose authenticator is lost brings password and a recovery code, and gets another secret, which ends all sessions; a mail says so. Counted with the log-ins. Input: as agent_sign_in(), recovery_code_mac instead of the step, authenticator. Result: enrol(); agent_recover_failed whichever was wrong; 503 busy.';


create or replace function agent_recovery_codes(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    perform require_agent();

    -- two that ask at once come one after another
    perform 1 from agent a where a.id = my_agent() for no key update;
    delete from agent_recovery r where r.agent_id = my_agent();

    insert into agent_recovery (tenant, mac, agent_id)
    select here(), decode(c->>'mac', 'hex'), my_agent()
      from jsonb_array_elements(input->'recovery') c;

    perform note('agent_recovery_codes', 'ok', 'agent', my_agent());

    return json_build_object('status', 200, 'shown', true, 'codes', (
            select json_agg(json_build_object('code', sealed_value('code',
                       (c->>'id')::uuid, 'code', c->>'sealed')) order by n)
              from jsonb_array_elements(input->'recovery') with ordinality x (c, n)),
        'location', null, 'session', null, 'errors', json_build_array());
end
$$;

comment on function agent_recovery_codes(jsonb) is
    'Ten new recovery codes, shown by this answer alone; those before are void. Input: recovery. Result: {"status": 200, "shown": true, "codes": [{"code"}]}. For agents.';


grant execute on function agents(jsonb), agent_account(jsonb), invite_agent(jsonb),
    change_agent(jsonb), agent_invitation(jsonb), agent_accept(jsonb), agent_recover(jsonb),
    agent_recovery_codes(jsonb)
   to portal_web;
