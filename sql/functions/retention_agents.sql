--
-- What is kept of agents who have left, and until when.
--

set search_path = portal, pg_temp;


create or replace function erase_agents(p_kind text, p_town town, p_limit int) returns int
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_days   int := case p_kind when 'agent_left' then 30
                    else greatest(p_town.keep_audit, p_town.keep_request) end;
    v_agent  bigint;
    v_count  int := 0;
begin
    for v_agent in
        select a.id
          from agent a
         where a.tenant = p_town.id
           and a.state = 'disabled'
           and a.left_at < now() - make_interval(days => v_days)
           and case p_kind when 'agent_left' then a.email is not null
                           else a.email is null and a.first_name is not null
                                and not is_named(p_town.id, a.id) end
         order by a.id
         -- for each of these all requests are looked through, and what takes too long
         -- is cut off with all else that the job has erased
         limit case p_kind when 'agent_gone' then least(p_limit, 5) else p_limit end
           for no key update skip locked
    loop
        if p_kind = 'agent_left' then
            update agent a
               set email = null, email_mac = null, password_hash = null, totp = null
             where a.tenant = p_town.id and a.id = v_agent;

            delete from agent_token k where k.tenant = p_town.id and k.agent_id = v_agent;
            delete from agent_recovery r where r.tenant = p_town.id and r.agent_id = v_agent;
            delete from agent_device d where d.tenant = p_town.id and d.agent_id = v_agent;
        else
            begin
                delete from agent a where a.tenant = p_town.id and a.id = v_agent;
            exception when foreign_key_violation then
                -- a lot of letters, an order of codes: numbers that are kept
                update agent a
                   set first_name = null, last_name = null
                 where a.tenant = p_town.id and a.id = v_agent;
            end;
        end if;

        v_count := v_count + 1;
    end loop;

    return v_count;
end
$$;

comment on function erase_agents(text, town, int) is
'One batch of agents who have left. Input: agent_left (after 30 days what lets them in: address, password, authenticator, recovery codes, devices), agent_gone (their name, once the audit and what they have done have had their time and is_named() is no more, five at a time; the row, unless a number names it). Result: how many.';


create or replace function is_named(p_tenant int, p_agent bigint) returns boolean
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    -- what an index or few rows answer first: the requests are looked through only
    -- for who is named nowhere else
    return exists (select from audit a where a.tenant = p_tenant and a.agent_id = p_agent)
        or exists (select from change_event e
                    where e.tenant = p_tenant and e.by_kind = 'agent' and e.by_id = p_agent)
        or exists (select from family_note n
                    where n.tenant = p_tenant and p_agent in (n.written_by, n.withdrawn_by))
        or exists (select from collect_ban b
                    where b.tenant = p_tenant and p_agent in (b.recorded_by, b.ended_by))
        or exists (select from elimination e
                    where e.tenant = p_tenant and p_agent in (e.made_by, e.approved_by))
        or exists (select from mass_export m
                    where m.tenant = p_tenant and p_agent in (m.asked_by, m.decided_by))
        or exists (select from import i
                    where i.tenant = p_tenant and p_agent in (i.agent_id, i.decided_by))
        or exists (select from import_conflict k
                    where k.tenant = p_tenant and k.decided_by = p_agent)
        or exists (select from elimination_item i
                    where i.tenant = p_tenant and i.kept_by = p_agent)
        or exists (select from change_set c
                    where c.tenant = p_tenant
                      and p_agent in (c.taken_by, c.decided_by, c.filed_by));
end
$$;

comment on function is_named(int, bigint) is
    'Whether something that is kept says what an agent has done: a request, a note, a ban, a list, an export, an import, a row of the audit; all of it is the town''s that the transaction is for.';
