--
-- What an agent may see: some are for some schools or some sections alone, and
-- nobody deals with their own family.  All that agents read or decide asks
-- agent_sees(); t/sql/agent_scope.sql finds what does not.
--

set search_path = portal, pg_temp;


create or replace function my_schools() returns text[]
    language sql stable parallel safe
    return nullif(current_setting('portal.schools', true), '')::text[];

comment on function my_schools() is
    'The schools that this transaction''s agent is for, by all their names, see school_names(); null: all, or no agent. enter_agent() sets them.';


create or replace function my_sections() returns text[]
    language sql stable parallel safe
    return nullif(current_setting('portal.sections', true), '')::text[];

comment on function my_sections() is
    'The sections that this transaction''s agent is for; null: all, or no agent. enter_agent() sets them.';


create or replace function in_schools(p_schools text[], p_family bigint, p_child bigint)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    -- the school of this year, and that of a year to come; where the file has
    -- neither, the last that it knows
    return exists (
        select
          from (select p_child as child_id
                 where p_child is not null
                 union all
                select m.child_id
                  from child_family m
                 where p_child is null
                   and m.family_id = p_family) c
          join schooling s on s.child_id = c.child_id
         where s.name = any (p_schools)
           and s.year >= least(school_year(), (select max(l.year)
                                                 from schooling l
                                                where l.child_id = c.child_id)));
end
$$;

comment on function in_schools(text[], bigint, bigint) is
    'Whether a child is in one of these schools, or without a child one of the family''s children.';


create or replace function agent_sees(p_section text, p_family bigint, p_child bigint)
    returns boolean
    language sql stable
    return (my_sections() is null or coalesce(p_section = any (my_sections()), true))
           and (my_schools() is null or in_schools(my_schools(), p_family, p_child));

comment on function agent_sees(text, bigint, bigint) is
    'Whether something is for this transaction''s agent: in their sections, and of a child in their schools; what is of no one child is of all schools of the family''s children. Input: section, null: of none; family; child or null. Cheap, and true, for who is for everything.';


create or replace function agent_groups() returns text[]
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return array(select g
                   from unnest(seen_by('agent')) g
                  where my_sections() is null
                     or not exists (select from section s where s.field_group = g)
                     or exists (select from section s
                                 where s.field_group = g and s.name = any (my_sections())));
end
$$;

comment on function agent_groups() is
    'The groups of fields that this transaction''s agent sees: seen_by(), of their sections alone. Names are of none.';


create or replace function change_seen(p_change change) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (select from change_set s
                    where s.id = p_change.set_id
                      and agent_sees(s.section, s.family_id, s.child_id)
                      and not own_report(s));
end
$$;

comment on function change_seen(change) is
    'agent_sees() of the request that a change is of, but for an own_report().';


-- their own family is nobody's ----------------------------------------------------

create or replace function is_family_of(p_agent bigint, p_account bigint,
    p_families bigint[])
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (
        select
          from agent a
         where a.id = p_agent
           and (exists (select from account c
                         where c.id = p_account and c.email_mac = a.email_mac)
                or exists (select from guardian g
                            where g.family_id = any (p_families)
                              and lower(g.email) = lower(a.email))
                or exists (select from subscription u
                             join account c on c.tenant = u.tenant and c.id = u.account_id
                            where u.family_id = any (p_families) and u.ended_at is null
                              and c.email_mac = a.email_mac)));
end
$$;

comment on function is_family_of(bigint, bigint, bigint[]) is
    'Whether something is about an agent''s own family, by their address. Input: agent, the account that asked or null, families.';


create or replace function is_agents_family(p_account bigint, p_families bigint[])
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return is_family_of(my_agent(), p_account, p_families);
end
$$;

comment on function is_agents_family(bigint, bigint[]) is
    'Whether something is about the agent''s own family, by their address: nobody reads or decides for themselves. Input: the account that asked or null, families.';


create or replace function agents_families() returns bigint[]
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_agent  agent := (select a from agent a where a.id = my_agent());
begin
    return array(
        select g.family_id
          from guardian g
         where g.search_email = lower(v_agent.email) collate "C"
         union
        select u.family_id
          from account c
          join subscription u on u.tenant = c.tenant and u.account_id = c.id
         where c.email_mac = v_agent.email_mac
           and u.ended_at is null);
end
$$;

comment on function agents_families() is
    'The families of which is_agents_family() is true, where a list of all is asked about.';


create or replace function own_request(p_set change_set) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return is_agents_family(p_set.account_id, p_set.family_id || array(
               select m.family_id from child_family m where m.child_id = p_set.child_id));
end
$$;

comment on function own_request(change_set) is
    'Whether a request is about the agent''s own family: the one it is about, or the other household of its child.';


create or replace function own_report(p_set change_set) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return p_set.action = 'report' and own_request(p_set);
end
$$;

comment on function own_report(change_set) is
    'Whether a request says who must not collect a child of the agent''s own family: it may be the agent, and no page tells them that there is one.';


-- how an administrator sets them ------------------------------------------------

create or replace function limit_schools(p_typed text, p_has text[], out schools text[],
    out unknown boolean)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    with named as materialized (
        -- each name once, not each child's; a listed school's lead to what it is
        -- called now
        select fold(n) as key, min(h.name) as listed, null as filed
          from school h
         cross join unnest(h.name || h.others) n
         group by 1
         union all
        select fold(d.name), null, min(d.name)
          from (select distinct s.name from schooling s
                 union
                -- one that is no more can stay
                select unnest(p_has)) d
         group by 1
    ), found as (
        -- whatever capitals and accents were typed
        select coalesce(min(k.listed), min(k.filed)) as name, min(l.n) as n
          from unnest(lines_of(p_typed)) with ordinality l (line, n)
          left join named k on k.key = fold(l.line)
         group by fold(l.line)
    )
    select array_agg(x.name order by x.n) filter (where x.name is not null),
           coalesce(sum(x.unnamed), 0) > 0
      into schools, unknown
      from (select f.name, min(f.n) as n, count(*) filter (where f.name is null) as unnamed
              from found f
             group by f.name) x;
end
$$;

comment on function limit_schools(text, text[]) is
    'Schools as an administrator ticked or wrote them, one a line: what the town calls each now, or the file where no school of the town is or was called so; null when there is no line; whether one is in neither. Input: the lines; the schools that the agent has.';


create or replace function limit_sections(input jsonb) returns text[]
    language sql stable
    return (select array_agg(s.name order by s.name)
              from section s
             where input->>s.name = 'yes'
            -- all of them are no limit
            having count(*) < (select count(*) from section));

comment on function limit_sections(jsonb) is
    'Sections that were ticked; null when none or all were. Input: section: yes.';


create or replace function limit_offered(p_agent agent) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (
        with now as (
            select h.name from school h where h.closed_at is null
             union
            select c.name from school_children() c
        ), known as (
            select n.name, false as gone from now n
             union all
            select distinct school_named(x), true
              from unnest(p_agent.schools) x
             where school_named(x) not in (select n.name from now n)
        ), sorted as (
            select k.name, k.gone, school_key(k.name) as key,
                   left(school_key(k.name), 1) as initial
              from known k
        )
        select coalesce(json_agg(json_build_object('code', s.name, 'gone', s.gone,
                   'place', s.place,
                   'initial', case when s.begins and s.n > 20 then s.initial end)
                   order by s.place), '[]')
          from (select o.*, row_number() over (order by o.key, o.name) as place,
                       row_number() over (partition by o.initial
                                          order by o.key, o.name) = 1 as begins,
                       count(*) over () as n
                  from sorted o) s);
end
$$;

comment on function limit_offered(agent) is
    'The schools that an agent may be for, in the order of the alphabet, the word « école » not counted: those that families may choose, those that children are in this year, and those that the agent is for and that are neither (gone): [{"code": name, "gone", "place": 1, 2, …, "initial": its letter where it is the first of it and there are more than 20, else null}].';


create or replace function limit_list(p_agent agent) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return jsonb_build_object(
        'schools', (select jsonb_agg(jsonb_build_object('school', x.name) order by x.name)
                      from (select distinct school_named(n) as name
                              from unnest(p_agent.schools) n) x),
        'sections', (select jsonb_agg(jsonb_build_object('section', x) order by x)
                       from unnest(p_agent.sections) x));
end
$$;

comment on function limit_list(agent) is
    'What an agent is for, for pages: {"schools": [{"school": as it is called now}], "sections": [{"section"}]}, null: all.';


create or replace function my_limits() returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select limit_list(a)
                   || jsonb_build_object('has_schools', a.schools is not null,
                                         'has_sections', a.sections is not null)
              from agent a
             where a.id = my_agent()
               and (a.schools is not null or a.sections is not null));
end
$$;

comment on function my_limits() is
    'What this transaction''s agent is for, for the pages that show that alone: limit_list() with "has_schools", "has_sections"; null: everything.';
