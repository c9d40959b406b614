--
-- The requests of the town as its agents find them, oldest first.
--

set search_path = portal, pg_temp;


-- called for each row of a page, mostly with null: a plan kept, or no call at all
create or replace function agent_name(p_id bigint) returns text
    language plpgsql stable strict set search_path = portal, pg_temp as $$
begin
    return (select a.first_name || ' ' || a.last_name from agent a where a.id = p_id);
end
$$;

comment on function agent_name(bigint) is 'Name of an agent of this town, or null.';


create or replace function queue_row(p_set change_set) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select json_build_object('id', (p_set).id, 'number', (p_set).number,
                       'section', (p_set).section, 'action', (p_set).action,
                       'what', what_of((p_set).section, (p_set).action),
                       'subject', (p_set).subject, 'family_id', f.id,
                       'family_number', f.number,
                       'family_label', f.label, 'request_state', shown_state(p_set),
                       'waits', (p_set).state in ('sent', 'taken'),
                       'is_incomplete', (p_set).state = 'incomplete',
                       'is_accepted', (p_set).state = 'accepted',
                       'is_partly', (p_set).state = 'partly',
                       'is_refused', (p_set).state = 'refused',
                       'is_withdrawn', shown_state(p_set) = 'withdrawn',
                       'asked_at', (p_set).created_at,
                       'age', today() - day_of((p_set).created_at),
                       'due_on', (p_set).due_on,
                       'filed', (p_set).filed_by is not null,
                       'agreed_by', agent_name((awaits_second(p_set)).by_id),
                       'late', (p_set).state in ('sent', 'taken')
                               and (p_set).due_on < today(),
                       'urgent', (p_set).urgent
                                 and (p_set).state in ('sent', 'taken', 'incomplete'),
                       'taken_by', agent_name((p_set).taken_by),
                       'mine', (p_set).taken_by is not null
                               and (p_set).taken_by = my_agent())
              from family f
             where f.id = (p_set).family_id);
end
$$;

comment on function queue_row(change_set) is 'A request as the queue shows it.';


create or replace function queue_page(p_state text, p_section text, p_whose text,
    p_number text, p_from change_set)
    returns setof change_set
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_urgent  boolean := coalesce((p_from).urgent, true);
    v_at      timestamptz := coalesce((p_from).created_at, '-infinity');
    v_id      bigint := coalesce((p_from).id, 0);
begin
    -- a number is one request, whatever the other choices.  Else a query for each
    -- way, so that each goes along an index and ends with the page; of a state
    -- the urgent ones, then the rest, as the last page ended.  Who is for a few
    -- schools may have to pass over many: their children are looked up once
    if p_number is not null then
        return query
        select c.*
          from my_requests_seen() c
         where c.number = p_number
           and not own_request(c);

    elsif p_state = 'done' then
        return query
        select c.*
          from my_requests_seen() c
         where c.state in ('accepted', 'partly', 'refused')
           and c.id < coalesce((p_from).id, 9223372036854775807)
           and (p_section is null or c.section = p_section)
           and not own_request(c)
           and case p_whose when 'mine' then c.taken_by = my_agent()
                            when 'nobody' then c.taken_by is null else true end
         order by c.id desc
         limit 51;

    elsif p_state = 'incomplete' then
        return query
        select c.*
          from my_requests_seen() c
         where c.state = 'incomplete'
           and c.urgent <= v_urgent
           and (c.urgent < v_urgent or (c.created_at, c.id) > (v_at, v_id))
           and (p_section is null or c.section = p_section)
           and not own_request(c)
           and case p_whose when 'mine' then c.taken_by = my_agent()
                            when 'nobody' then c.taken_by is null else true end
         order by c.urgent desc, c.created_at, c.id
         limit 51;

    elsif p_whose = 'mine' then
        return query
        select c.*
          from my_requests_seen() c
         where c.state in ('sent', 'taken')
           and c.taken_by = my_agent()
           and c.urgent <= v_urgent
           and (c.urgent < v_urgent or (c.created_at, c.id) > (v_at, v_id))
           and (p_section is null or c.section = p_section)
           and not own_request(c)
         order by c.urgent desc, c.created_at, c.id
         limit 51;

    else
        return query
        select w.*
          from ((select c.*
                   from my_requests_seen() c
                  where c.state in ('sent', 'taken')
                    and c.urgent = v_urgent
                    and (c.created_at, c.id) > (v_at, v_id)
                    and (p_section is null or c.section = p_section)
                    and not own_request(c)
                    and (p_whose is distinct from 'nobody' or c.taken_by is null)
                  order by c.created_at, c.id
                  limit 51)
                 union all
                (select c.*
                   from my_requests_seen() c
                  where c.state in ('sent', 'taken')
                    and c.urgent = false and v_urgent
                    and (p_section is null or c.section = p_section)
                    and not own_request(c)
                    and (p_whose is distinct from 'nobody' or c.taken_by is null)
                  order by c.created_at, c.id
                  limit 51)) w
         order by w.urgent desc, w.created_at, w.id
         limit 51;
    end if;
end
$$;

comment on function queue_page(text, text, text, text, change_set) is
    'The next 51 requests of the queue, in its order: oldest first, safety before all; the finished ones the latest first. None is of the agent''s own family, nor of what is not theirs. Input: as queue()''s; the last one seen, null at the start.';


create or replace function queue(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_state    text := coalesce(nullif(input->>'state', ''), 'waiting');
    v_section  text := nullif(input->>'section', '');
    v_whose    text := nullif(input->>'whose', '');
    -- a space that was copied along comes as the plus of an address
    v_number   text := nullif(btrim(input->>'number', ' +'), '');
    v_after    bigint := coalesce(to_id(input->>'after'), 0);
    v_from     change_set;
    v_rows     json;
    v_count    int;
    v_refusal  json;
begin
    perform require_agent();

    v_refusal := coalesce(
        wrong_filter('etat', v_state in ('waiting', 'incomplete', 'done')),
        wrong_filter('rubrique', v_section in (
            select s.name from section s
             where my_sections() is null or s.name = any (my_sections()))),
        wrong_filter('qui', v_whose in ('mine', 'nobody')),
        wrong_filter('apres', is_id(input->>'after')));

    if v_refusal is not null then
        return v_refusal;
    end if;

    select c.* into v_from from change_set c where c.id = v_after;

    select json_agg(queue_row(q) order by n), count(*)
      into v_rows, v_count
      from (select p as q, row_number() over () as n
              from queue_page(v_state, v_section, v_whose, v_number, v_from) p) x;

    return json_build_object('status', 200, 'limits', my_limits(),
        'requests', coalesce((select json_agg(r.row order by r.n)
                                from json_array_elements(v_rows)
                                     with ordinality as r (row, n)
                               where r.n <= 50), '[]'),
        'next', case when v_count > 50 then v_rows->49->>'id' end,
        'filter', json_build_object('state', v_state, 'section', v_section,
                      'whose', v_whose, 'number', v_number,
                      'any', v_state <> 'waiting' or v_after > 0
                             or num_nonnulls(v_section, v_whose, v_number) > 0),
        'sections', (select json_agg(json_build_object('section', s.name,
                                'chosen', s.name is not distinct from v_section)
                                order by s.name) from section s
                       where my_sections() is null or s.name = any (my_sections())),
        'states', (select json_agg(json_build_object('queue_state', x,
                              'chosen', x = v_state))
                     from unnest(array['waiting', 'incomplete', 'done']) x),
        'owners', (select json_agg(json_build_object('whose', x, 'chosen', x = v_whose))
                     from unnest(array['mine', 'nobody']) x));
end
$$;

comment on function queue(jsonb) is
'The requests of the town, 50 at a time. Input: state (waiting | incomplete | done), section, whose (mine | nobody), after (id of the last one seen); number: that request alone, whatever the others say; all optional; 422 filter for what none of them is. Result: {"status": 200, "limits": my_limits(), "requests": [queue_row()], "next": id to go on after or null, "filter": what was chosen, with "any": whether anything was, and what can be: "sections", "states", "owners"}. For agents.';


grant execute on function queue(jsonb) to portal_web;
