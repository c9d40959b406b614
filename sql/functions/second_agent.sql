--
-- What takes two agents: who files a request at the counter does not decide it;
-- and where the town has set it, a new IBAN is accepted by two (ASVS 2.3.5).
-- Both ask for another one only where the town has another one.
--
-- One person must not be able to make themselves the only one, or the second one:
-- whoever could decide in the last seven days is still counted, and whom one
-- administrator alone has given rights in that time gives no second word: see
-- agent_standing.sql.
--

set search_path = portal, pg_temp;


create or replace function deciders(p_set change_set) returns setof bigint
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_families  bigint[] := p_set.family_id || array(
                    select m.family_id from child_family m where m.child_id = p_set.child_id);
begin
    return query
    select distinct a.id
      from (select x.id, x.schools, x.sections
              from agent x
             where x.tenant = p_set.tenant
               and x.state = 'active'
               and x.role in ('validator', 'administrator')
               and x.since <= now() - interval '7 days'
             union all
            select f.agent_id, f.schools, f.sections
              from agent_former f
             where f.tenant = p_set.tenant
               and f.until > now() - interval '7 days') a
     where (a.sections is null or p_set.section = any (a.sections))
       and (a.schools is null
            or in_schools(school_names(a.schools), p_set.family_id, p_set.child_id))
       and not is_family_of(a.id, p_set.account_id, v_families);
end
$$;

comment on function deciders(change_set) is
    'Agents who count as others where a request takes two: who may decide it, or could in the last seven days, but for who is_new() and what they themselves have done about it.';


create or replace function has_filed(p_set change_set, p_agent bigint) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    -- what undoes an undoing asks again for what was filed
    return exists (with recursive r (id, reverses) as (
                       select p_set.id, p_set.reverses
                        union
                       select c.id, c.reverses
                         from r
                         join change_set c on c.tenant = p_set.tenant and c.id = r.reverses)
                   select
                     from r
                     join change_event e on e.tenant = p_set.tenant and e.set_id = r.id
                    where e.event in ('filed', 'filed_more')
                      and e.by_id = p_agent);
end
$$;

comment on function has_filed(change_set, bigint) is
    'Whether an agent has filed or completed a request at the counter, or the one that it undoes.';


create or replace function filing_bars(p_set change_set, p_agent bigint) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    -- where all have filed some of it, all but the last one may
    return (has_filed(p_set, p_agent)
            or is_new(p_agent)
               and exists (select from change_event e
                            where e.set_id = p_set.id
                              and e.event in ('filed', 'filed_more')))
           and exists (select
                         from deciders(p_set) d (id)
                        where d.id <> p_agent
                          and (not has_filed(p_set, d.id)
                               or p_agent = (select e.by_id
                                               from change_event e
                                              where e.set_id = p_set.id
                                                and e.event in ('filed', 'filed_more')
                                              order by e.version desc
                                              limit 1)));
end
$$;

comment on function filing_bars(change_set, bigint) is
    'Whether an agent has filed or completed a request at the counter, or is_new() and it was filed, and another one may decide it: then that one does. Trigger change_set_decided asks it too, whoever writes.';


create or replace function own_filing(p_set change_set) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return filing_bars(p_set, my_agent());
end
$$;

comment on function own_filing(change_set) is
    'filing_bars() for the agent who asks.';


create or replace function stands_for(p_set change_set) returns change_event
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_event  change_event;
begin
    select e.* into v_event
      from change_event e
     where e.set_id = p_set.id
       and e.event in ('sent', 'filed', 'completed', 'filed_more', 'incomplete', 'agreed')
     order by e.version desc
     limit 1;

    if v_event.event in ('filed', 'filed_more', 'agreed') then
        return v_event;
    end if;

    return null;
end
$$;

comment on function stands_for(change_set) is
    'Where an agent stands for what a request asks: has filed it at the counter or agreed to it, and nothing of it has changed since. Result: that event, or null.';


create or replace function wants_two(p_set change_set) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return p_set.section = 'guardian_bank'
           and exists (select
                         from town t
                        where t.id = p_set.tenant
                          and (t.bank_agents = 'two' or rule_holds(t.id, 'bank_agents')));
end
$$;

comment on function wants_two(change_set) is
    'Whether a request is about what the town wants two agents for.';


create or replace function gives_iban(p_set change_set) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (select
                     from change_item i
                    where i.set_id = p_set.id
                      and i.field = 'iban'
                      and i.state is distinct from 'refused'
                      and i.asked <> 'null');
end
$$;

comment on function gives_iban(change_set) is
    'Whether a request asks for an IBAN that is not refused.';


create or replace function undid_iban(p_set change_set) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return p_set.reverses is not null
           and wants_two(p_set)
           and exists (select
                         from change_item i
                        where i.set_id = p_set.id
                          and i.field = 'iban'
                          and i.old <> 'null');
end
$$;

comment on function undid_iban(change_set) is
    'Whether a request took an IBAN out by undoing another one, where two agents accept one: to undo that would be one agent''s word for it. The family asks again.';


create or replace function second_bars(p_set change_set, p_agent bigint) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return wants_two(p_set)
           and (coalesce((stands_for(p_set)).by_id, p_agent) = p_agent
                or is_new((stands_for(p_set)).by_id)
                or is_new(p_agent))
           and exists (select
                         from deciders(p_set) d (id)
                        where d.id <> p_agent
                          and not filing_bars(p_set, d.id));
end
$$;

comment on function second_bars(change_set, bigint) is
    'Whether an agent who accepts an IBAN has to leave it to another one to say so too: the town wants two, has two, and nobody else stands for it, see stands_for(), or either of them is_new(). Trigger change_set_iban asks it too, whoever writes.';


create or replace function awaits_second(p_set change_set) returns change_event
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_event  change_event;
begin
    if p_set.state in ('sent', 'taken') and wants_two(p_set) then
        v_event := stands_for(p_set);
    end if;

    if v_event.event = 'agreed' and second_bars(p_set, v_event.by_id) then
        return v_event;
    end if;

    return null;
end
$$;

comment on function awaits_second(change_set) is
    'Of a request that waits for a second agent, how the first one agreed; else null.';


create or replace function agree(p_set change_set) returns json
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if is_new(my_agent()) then
        return refused('', 'rights_new', 403);
    end if;

    if (stands_for(p_set)).event = 'agreed' and (stands_for(p_set)).by_id = my_agent() then
        return refused('', 'own_agreement', 403);
    end if;

    perform change_step(p_set.id, 'agreed', 'sent', 'agent', my_agent());
    perform note('decide', 'agreed', 'change_set', p_set.id);

    return moved('/demandes/' || p_set.id, null, 'request_agreed');
end
$$;

comment on function agree(change_set) is
    'An agent accepts what another one has to accept too: noted, and back to the queue; the file and the family hear of nothing. Errors: 403 own_agreement, rights_new.';
