--
-- At the counter: an agent asks for a guardian, with the forms, the checks and the
-- rules of the family's own pages.  at_counter() sets for whom; what families do
-- then asks asking_account(), asks_as() and the like instead of me().
--

set search_path = portal, pg_temp;


create or replace function counter_guardian() returns bigint
    language sql stable parallel safe
    return nullif(nullif(current_setting('portal.counter', true), ''), '0')::bigint;

comment on function counter_guardian() is
    'The guardian for whom an agent asks in this transaction, see at_counter(); null: nobody does.';


create or replace function counter_identified() returns text
    language sql stable parallel safe
    return case when counter_guardian() is not null
                then nullif(current_setting('portal.identified', true), '') end;

comment on function counter_identified() is
    'How that guardian was identified, as change_set.identified; null: nobody is at the counter.';


create or replace function identified_ways() returns table (way text, path text)
    language sql immutable
begin atomic
    values ('document', 'piece'), ('known', 'connu'), ('letter', 'courrier'),
           ('phone', 'telephone');
end;

comment on function identified_ways() is
    'How a guardian may have been identified, and its name in addresses.';


create or replace function counter_place() returns text
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select '/familles/' || my_family() || '/guichet/' || counter_guardian() || '/'
                   || w.path
              from identified_ways() w
             where w.way = counter_identified());
end
$$;

comment on function counter_place() is
    'What the paths of the counter''s forms begin with; null: nobody is at the counter.';


create or replace function at_counter(input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_guardian  guardian;
    v_way       text;
    v_set       text;
begin
    if my_agent() is null then
        return null;
    end if;

    perform require_agent('validator', 'administrator');

    select g.* into v_guardian
      from guardian g
     where g.id = to_id(input->>'asker')
       and g.family_id = (agent_family_row(input)).id
       and agent_sees(input->>'section', g.family_id, to_id(input->>'child'));
    select w.way into v_way from identified_ways() w where w.path = input->>'identified';

    if v_guardian.id is null or v_way is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    if own_family(v_guardian.family_id) then
        perform note('file_change', 'own_family', 'family', v_guardian.family_id);
        return refused('', 'own_family', 403);
    end if;

    v_set := set_config('portal.family', v_guardian.family_id::text, true)
          || set_config('portal.counter', v_guardian.id::text, true)
          || set_config('portal.identified', v_way, true);

    return null;
end
$$;

comment on function at_counter(jsonb) is
'First line of what an agent may do for a guardian: sets the family, the guardian and how they were identified, for this transaction. Input: family, asker (the guardian), identified (as in the address). Result: null to go on, also for a family that asks for itself; 404 for no such guardian of that family, and for what is not the agent''s, see agent_sees(); 403 own_family. Raises PT403 for a reader.';


create or replace function asking_account() returns bigint
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if counter_guardian() is null then
        return me();
    end if;

    return (select a.id
              from subscription u
              join account a on a.tenant = u.tenant and a.id = u.account_id
             where u.guardian_id = counter_guardian()
               and u.ended_at is null
               and a.state = 'active');
end
$$;

comment on function asking_account() is
    'The account that a request is of: who is logged in, or at the counter the one that is connected as the guardian; null: none is.';


create or replace function asks_as() returns text
    language sql stable
    return case when counter_guardian() is null then 'family' else 'agent' end;

comment on function asks_as() is 'Who asks, as change_event.by_kind.';


create or replace function asks_by() returns bigint
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case when counter_guardian() is null then me() else my_agent() end;
end
$$;

comment on function asks_by() is 'Who asks, as change_event.by_id.';


create or replace function asked_here(p_set change_set) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return coalesce(p_set.account_id = asking_account(),
                    p_set.account_id is null and p_set.asker_id = counter_guardian(), false);
end
$$;

comment on function asked_here(change_set) is
    'Whether a request is of who asks: of their account, or where the guardian has none, of the guardian.';


create or replace function sent_here(p_upload upload) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case when counter_guardian() is null then p_upload.account_id = me()
                else p_upload.agent_id = my_agent()
                     and p_upload.asker_id = counter_guardian() end;
end
$$;

comment on function sent_here(upload) is
    'Whether a file was sent by who asks: the account, or the agent for that guardian.';


create or replace function lock_asker() returns boolean
    language plpgsql set search_path = portal, pg_temp as $$
begin
    perform 1
       from account a
      where a.id = asking_account() and a.state = 'active'
        for no key update;

    return found or counter_guardian() is not null;
end
$$;

comment on function lock_asker() is
    'Locks the account of who asks, so that its requests come one after the other. Result: false when it was closed meanwhile.';


create or replace function still_asks() returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if counter_guardian() is null then
        return family_of(me(), my_family()) is not distinct from my_family();
    end if;

    return exists (select from guardian g
                    where g.id = counter_guardian()
                      and g.family_id = my_family());
end
$$;

comment on function still_asks() is
    'Whether who asks is still of the family, once it is locked.';


-- the pages -------------------------------------------------------------------

create or replace function counter_child_bans(p_child bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case when p_child is null then '[]'::json else child_bans(p_child) end;
end
$$;

comment on function counter_child_bans(bigint) is
    'child_bans() of whom a form is about; none of a guardian.';


create or replace function counter_about(p_child bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select json_build_object(
                       'family', json_build_object('id', f.id, 'number', f.number,
                                     'label', f.label),
                       'guardian', json_build_object('id', g.id,
                                       'name', g.first_name || ' ' || g.last_name,
                                       'link', g.link, 'authority', g.authority),
                       'identified', counter_identified(), 'path', counter_place(),
                       'told', asking_account() is not null,
                       'bans', counter_child_bans(p_child))
              from guardian g
              join family f on f.tenant = g.tenant and f.id = g.family_id
             where g.id = counter_guardian());
end
$$;

comment on function counter_about(bigint) is
    'For whom an agent asks, as each page of the counter says it: {"family": {"id", "number", "label"}, "guardian": {"id", "name", "link", "authority"}, "identified", "path": counter_place(), "told": an account is connected, to which the mail goes, "bans": that hold for the child p_child}; null: nobody is at the counter.';


create or replace function counter_reads(input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_section  text := input->>'section';
begin
    return case when exists (select from field f where f.section = v_section and f.sealed)
        then agent_reads('read_' || split_part(v_section, '_', 2),
                         split_part(v_section, '_', 1),
                         to_id(input->>split_part(v_section, '_', 1)))
        else agent_reads('read_family', 'family', my_family()) end;
end
$$;

comment on function counter_reads(jsonb) is
    'Counts and keeps that an agent has a section before them: read_tax, read_bank, read_health of what is sealed, else read_family. Input: section, guardian, child. Result: see agent_reads().';


create or replace function counter(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_family   family := agent_family_row(input);
    v_refusal  json;
begin
    perform require_agent('validator', 'administrator');

    if v_family.id is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    if own_family(v_family.id) then
        return refused('', 'own_family', 403);
    end if;

    v_refusal := agent_reads('read_family', 'family', v_family.id);

    return coalesce(v_refusal, json_build_object('status', 200,
        'family', json_build_object('id', v_family.id, 'number', v_family.number,
                      'label', v_family.label),
        'guardians', (
            select coalesce(json_agg(json_build_object('id', g.id,
                       'name', g.first_name || ' ' || g.last_name, 'link', g.link,
                       'authority', g.authority,
                       'told', exists (select
                                         from subscription u
                                         join account a on a.tenant = u.tenant
                                                       and a.id = u.account_id
                                        where u.guardian_id = g.id
                                          and u.ended_at is null
                                          and a.state = 'active'),
                       'ways', (select json_agg(json_build_object('identified', w.way,
                                           'path', '/familles/' || v_family.id
                                               || '/guichet/' || g.id || '/' || w.path))
                                  from identified_ways() w))
                       order by g.rank), '[]')
              from guardian g
             where g.family_id = v_family.id)));
end
$$;

comment on function counter(jsonb) is
'Who asks at the counter, and how they were identified: the guardians of a family. Input: family. Result: {"status": 200, "family": {"id", "number", "label"}, "guardians": [{"id", "name", "link", "authority", "told": an account is connected, "ways": [{"identified", "path": of what they may ask for}]}]}; 404; 403 own_family; 429 too_many_readings. For validators and administrators.';


create or replace function counter_row(p_section text, p_action text, p_who record)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_open  change_set;
begin
    if p_action <> 'add' then
        v_open := open_request(p_section, p_action, p_who.guardian_id, p_who.child_id,
                               p_who.contact_id);
    end if;

    return json_build_object('section', p_section, 'action', p_action,
        'what', what_of(p_section, p_action),
        'path', form_path(p_who.back, p_section, p_action, p_who.contact_id, null),
        'contact', case when p_who.contact_id is not null then p_who.name end,
        'number', v_open.number);
end
$$;

comment on function counter_row(text, text, record) is
    'A form of the counter: {"section", "action", "what", "path", "contact": name of whom it is about, or null, "number": of the open request that it is filled with, or null}. Input: section, action, subject().';


create or replace function counter_forms(p_kind text, p_id bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_base  text := case p_kind when 'guardian' then 'guardian_basic'
                                else 'child_general' end;
begin
    return (
        select coalesce(json_agg(counter_row(x.section, x.action, w) order by x.n, x.rank,
                                 x.contact, x.action), '[]')
          from (select 1 as n, s.name as section, 'change' as action, null::bigint as contact,
                       (select min(f.rank) from field f where f.section = s.name) as rank
                  from section s
                 where starts_with(s.name, p_kind || '_')
                   and s.name <> 'child_contact'
                   and (s.name <> 'child_authorisations' or may_answer())
                   and exists (select from field_policies(s.name) p
                                where p.policy <> 'hidden')
                 union all
                select 2, 'child_contact', a, k.id, k.rank
                  from contact k, unnest(array['change', 'remove']) a
                 where p_kind = 'child'
                   and k.child_id = p_id
                   and k.family_id = my_family()
                 union all
                select 3, 'child_contact', a, null, 0
                  from unnest(array['add', 'report']) a
                 where p_kind = 'child'
                 union all
                select 4, v_base, 'remove', null, 0) x
         cross join lateral subject(x.section, jsonb_strip_nulls(jsonb_build_object(
                       p_kind, p_id::text, 'action', x.action,
                       'contact', x.contact::text))) w
         where w.id is not null
           and agent_sees(x.section, my_family(), w.child_id));
end
$$;

comment on function counter_forms(text, bigint) is
    'What the guardian at the counter may ask for about a person, as on their own pages, of what the agent is for: [counter_row()]. Input: guardian or child, id.';


create or replace function counter_open() returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (
        select coalesce(json_agg(json_build_object('id', c.id, 'number', c.number,
                   'what', what_of(c.section, c.action), 'subject', c.subject,
                   'request_state', shown_state(c),
                   'is_incomplete', c.state = 'incomplete', 'edit', p.path)
                   order by c.id), '[]')
          from change_set c
         cross join lateral request_person(c) p
         where c.family_id = my_family()
           and c.state in ('sent', 'taken', 'incomplete')
           and asked_here(c)
           and agent_sees(c.section, c.family_id, c.child_id));
end
$$;

comment on function counter_open() is
    'The open requests of the guardian at the counter, whoever has sent them: [{"id", "number", "what", "subject", "request_state", "is_incomplete", "edit": path of the form that mends it}].';


create or replace function counter_guardian_page(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_refusal  json;
begin
    perform require_agent('validator', 'administrator');

    v_refusal := coalesce(at_counter(input),
                          agent_reads('read_family', 'family', my_family()));

    return coalesce(v_refusal, json_build_object('status', 200,
        'counter', counter_about(null), 'requests', counter_open(),
        'guardians', (
            select coalesce(json_agg(json_build_object('id', g.id,
                       'name', g.first_name || ' ' || g.last_name,
                       'forms', counter_forms('guardian', g.id)) order by g.rank), '[]')
              from guardian g
             where g.family_id = my_family()),
        'children', (
            select coalesce(json_agg(json_build_object('id', c.id,
                       'name', c.first_name || ' ' || c.last_name,
                       'bans', child_bans(c.id),
                       'forms', counter_forms('child', c.id)) order by m.rank), '[]')
              from child_family m
              join child c on c.tenant = m.tenant and c.id = m.child_id
             where m.family_id = my_family()
               and agent_sees(null, null, c.id)),
        'family_forms', (
            select coalesce(json_agg(counter_row(s, 'add', w)), '[]')
              from unnest(array['guardian_basic', 'child_general']) s
             cross join lateral subject(s, '{"action": "add"}') w
             where w.id is not null
               and agent_sees(s, my_family(), null))));
end
$$;

comment on function counter_guardian_page(jsonb) is
'What a guardian who is at the counter may ask for. Input: as of at_counter(). Result: {"status": 200, "counter": counter_about(), "requests": counter_open(), "guardians": [{"id", "name", "forms": counter_forms()}], "children": the same with "bans", "family_forms": of who is to be added}; 404; 403 own_family; 429 too_many_readings. For validators and administrators.';


create or replace function counter_form(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_form  json;
begin
    perform require_agent('validator', 'administrator');

    v_form := at_counter(input);

    if v_form is not null then
        return v_form;
    end if;

    v_form := section_form(input);

    if v_form->>'status' <> '200' then
        return v_form;
    end if;

    return coalesce(counter_reads(input), v_form);
end
$$;

comment on function counter_form(jsonb) is
'section_form() for the guardian who is at the counter; it counts as a reading and the audit says so. Input: as of at_counter() and section_form(). Result: as section_form(), with "counter"; 404; 403 own_family; 429 too_many_readings. For validators and administrators.';


create or replace function counter_change(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_refusal  json;
begin
    perform require_agent('validator', 'administrator');

    v_refusal := at_counter(input);

    -- what shows the section again is a reading
    if v_refusal is null
       and (input->>'drop' is not null or input->>'step' in ('check', 'edit'))
    then
        v_refusal := counter_reads(input);
    end if;

    return coalesce(v_refusal, ask_change(input));
end
$$;

comment on function counter_change(jsonb) is
'ask_change() for the guardian who is at the counter: the request is theirs, marked as filed by the agent, and goes to the queue, also where the town lets a change count without an agent; who asks is told by mail when an account is connected. Nothing is withdrawn here: what differs in nothing is 422 nothing_asked. Input: as of at_counter() and ask_change(). Result: moved to the request; as ask_change(); 403 own_family; 429 too_many_readings, too_many_filings. For validators and administrators.';


grant execute on function counter(jsonb), counter_guardian_page(jsonb), counter_form(jsonb),
    counter_change(jsonb) to portal_web;
