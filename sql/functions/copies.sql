--
-- What agents do with changes: copy them by hand into the town's software, where
-- no machine does, and look after those that it would not have.
--

set search_path = portal, pg_temp;


create or replace function copy_items(p_change change, p_set change_set, p_open boolean)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_who   record := change_person(p_change, p_set);
    v_kind  text := case v_who.kind when 'guardian' then 'guardian' else 'child' end;
begin
    return (
    select coalesce(json_agg(json_build_object('field', i.field,
               'masked', x.masked,
               'before', case when not x.masked and not x.photo then
                   shown(v_kind, v_who.seal_id, i.field, x.sealed, coalesce(i.found, i.old),
                         case when i.found is null then i.old_hint
                              else i.found_hint end) end,
               'asked', case when not x.masked and not x.photo then
                   shown(v_kind, v_who.seal_id, i.field, x.sealed, i.asked,
                         i.asked_hint) end,
               'photo', x.photo) order by f.rank), '[]')
      from change_item i
      left join field f on f.section = p_set.section and f.name = i.field
     cross join lateral (
               select coalesce(f.sealed, false) as sealed,
                      coalesce(f.sealed, false) and not p_open as masked,
                      p_set.section = 'child_photo' as photo) x
     where i.set_id = p_set.id
       and i.state = 'accepted'
       and i.field = coalesce(p_change.field, i.field)
       and p_set.action in ('change', 'add'));
end
$$;

comment on function copy_items(change, change_set, boolean) is
    'The values of a change for who copies them: [{"field", "before", "asked", "masked": it is sealed and not opened here, "photo"}]. Input: change, request, whether sealed ones are opened; of an IBAN only its end: its page, see iban_page(), has the whole.';


create or replace function copy_row(p_change change, p_set change_set, p_open boolean)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_items  json := copy_items(p_change, p_set, p_open);
begin
    return json_build_object('id', p_change.id, 'request', p_set.id, 'number', p_set.number,
        'section', p_set.section, 'what', what_of(p_set.section, p_set.action),
        'subject', p_set.subject, 'decided_at', p_change.created_at,
        'items', v_items, 'adds', p_set.action = 'add',
        'words', case when p_set.action in ('remove', 'report') then p_set.comment end,
        'mandate_reference', case when p_set.section = 'guardian_bank'
                                       and p_change.field = 'iban'
            then (select b.mandate_reference from bank b
                   where b.guardian_id = p_set.guardian_id) end,
        'iban_page', case when v_items::jsonb @> '[{"field": "iban"}]'
                          then iban_page(p_set) end,
        'masked', v_items::jsonb @> '[{"masked": true}]',
        'change_reason', p_change.reason, 'settled_at', p_change.settled_at);
end
$$;

comment on function copy_row(change, change_set, boolean) is
    'A change as agents see it. Input: change, request, whether sealed values are opened.';


create or replace function copy_family(p_family bigint, p_open boolean) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (
    with open as (
        select c.id, c.set_id, copy_row(c, s, p_open) as row
          from change c
          join change_set s on s.tenant = c.tenant and s.id = c.set_id
         where c.family_id = p_family
           and c.state = 'open'
           and agent_sees(s.section, s.family_id, s.child_id)
           and not own_report(s)
         order by c.id
         limit 100),
    requests as (
        -- as they were asked: a request's fields together
        select min(o.id) as first, max(o.id) as last,
               ((array_agg(o.row order by o.id))[1]::jsonb
                || jsonb_build_object('changes', json_agg(o.row order by o.id)))::json
                   as document,
               bool_or((o.row->>'masked')::boolean) as masked
          from open o
         group by o.set_id)
    select json_build_object('family', f.id, 'family_label', f.label,
               'family_number', f.number, 'upto', max(r.last),
               'more', (select count(*) from open) = 100, 'masked', bool_or(r.masked),
               'requests', json_agg(r.document order by r.first))
      from requests r
     cross join family f
     where f.id = p_family
     group by f.id, f.label, f.number);
end
$$;

comment on function copy_family(bigint, boolean) is
    'The open changes of a family, the oldest first, 100 at most, those of a request together; null: there are none. Input: family, whether sealed values are opened. Result: {"family", "family_label", "family_number", "upto": the last one, "more", "masked", "requests": [copy_row() of the first, with "changes": [copy_row()]]}.';


create or replace function copies(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_family   bigint := to_id(input->>'family');
    v_after    bigint := coalesce(to_id(input->>'after'), 0);
    v_ids      bigint[];
    v_heads    bigint[];
    v_refusal  json;
    v_section  text;
    v_wrong    json;
begin
    perform require_agent('validator', 'administrator');

    v_wrong := coalesce(wrong_filter('famille', is_id(input->>'family')),
                        wrong_filter('apres', is_id(input->>'after')));

    if v_wrong is not null then
        return v_wrong;
    end if;

    if v_family is not null then
        -- what is sealed is opened of one family at a time, and it is kept who has
        -- seen it, as with a request
        for v_section in
            select distinct s.section
              from change c
              join change_set s on s.tenant = c.tenant and s.id = c.set_id
              join change_item i on i.tenant = s.tenant and i.set_id = s.id
                                and i.field = coalesce(c.field, i.field)
              join field f on f.section = s.section and f.name = i.field
             where c.family_id = v_family
               and c.state = 'open'
               and f.sealed
               and agent_sees(s.section, s.family_id, s.child_id)
        loop
            v_refusal := coalesce(v_refusal,
                own_sealed(v_family, 'read_' || split_part(v_section, '_', 2), 'family',
                           v_family));
            exit when v_refusal #>> '{errors,0,code}' = 'own_family';

            v_refusal := coalesce(v_refusal, agent_limit('readings'));
            perform note('read_' || split_part(v_section, '_', 2),
                         case when v_refusal is null then 'ok' else 'too_many' end,
                         'family', v_family);
        end loop;

        if v_refusal is not null then
            return v_refusal;
        end if;

        perform note('read_changes', 'ok', 'family', v_family);
        v_ids := array[v_family];
    else
        perform note('read_changes', 'ok');

        select array_agg(x.family_id order by x.head), array_agg(x.head order by x.head)
          into v_ids, v_heads
          from (select c.family_id, min(c.id) as head
                  from change c
                  join my_requests_seen() s on s.tenant = c.tenant and s.id = c.set_id
                 where c.state = 'open'
                 group by c.family_id
                having min(c.id) > v_after
                 order by min(c.id)
                 limit 21) x;
    end if;

    return (
        select json_build_object('status', 200,
                   'families', coalesce(json_agg(d.document order by x.n)
                                        filter (where d.document is not null), '[]'),
                   'one', v_family,
                   'next', case when v_family is null and cardinality(v_ids) > 20
                                then v_heads[20] end,
                   'way_back', (select t.way_back from town t where t.id = here()),
                   'by_feed', (select t.way_back = 'feed' from town t where t.id = here()),
                   'refused', exists (select from change c
                                       where c.state = 'rejected' and change_seen(c)))
          from unnest(v_ids[1:20]) with ordinality as x (family, n)
         cross join lateral (
                   select copy_family(x.family, v_family is not null) as document) d);
end
$$;

comment on function copies(jsonb) is
'What was accepted and is not in the town''s software yet, by families, the one that has waited longest first, 20 at a time. Input: family: that one alone, with what is sealed opened (audit: read_tax, read_bank, read_health, of the family; read_changes either way); after ("next" of the page before).
Result: {"status": 200, "families": [copy_family()], "one", "next", "way_back", "by_feed", "refused": the software would not have some, see refused_changes()}; 403 own_family where something sealed of their own family would be opened; 429 too_many_readings of sealed data. For validators and administrators.';


create or replace function copied(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_change   bigint := (input->>'change')::bigint;
    v_family   bigint := (input->>'family')::bigint;
    v_id       bigint;
    v_ids      bigint[] := '{}';
    v_outcome  text;
    v_answer   json;
begin
    perform require_agent('validator', 'administrator');

    v_answer := repeated(input);
    if v_answer is not null then
        return v_answer;
    end if;

    if v_change is not null then
        select c.family_id into v_family
          from change c
         where c.id = v_change and change_seen(c);
    elsif v_family is null or input->>'upto' is null then
        return done(input, refused('change', 'required'));
    end if;

    if not exists (select from family f
                    where f.id = v_family and agent_sees(null, f.id, null))
    then
        return done(input, json_build_object('status', 404, 'errors', json_build_array()));
    end if;

    perform lock_families(array[v_family]);

    -- those that the page showed: one that came since was not copied
    for v_id in
        select c.id
          from change c
         where c.family_id = v_family
           and (c.id = v_change and c.state in ('open', 'rejected')
                or v_change is null and c.state = 'open'
                   and c.id <= (input->>'upto')::bigint)
           and change_seen(c)
         order by c.id
           for update
    loop
        perform settle_change(v_id, 'recorded', 'agent', my_agent());
        v_ids := v_ids || v_id;
    end loop;

    -- what another has ticked already is ticked
    if v_ids <> '{}' then
        perform settled_items(v_ids);
        v_outcome := 'rows_' || cardinality(v_ids);
        perform note('copy_changes', v_outcome, 'family', v_family);
    end if;

    return done(input, moved(case when input->>'back' = 'refused' then '/refus'
                                  when input->>'back' = 'family'
                                  then '/recopie?famille=' || v_family
                                  else '/recopie' end, null, 'change_copied'));
end
$$;

comment on function copied(jsonb) is
'An agent has copied changes into the town''s software. Input: change; or family and upto (the last one that the page showed); back: family or refused, where the page was; idempotency key. What is ticked already stays so. Result: moved to the page; 404; 422 change required. For validators and administrators.';


-- what the software would not have ----------------------------------------

create or replace function refused_changes(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_rows   json;
    v_count  int;
    v_wrong  json;
begin
    perform require_agent();

    v_wrong := wrong_filter('apres', is_id(input->>'after'));

    if v_wrong is not null then
        return v_wrong;
    end if;

    perform note('read_changes', 'ok');

    select json_agg((copy_row(x.c, x.s, false)::jsonb || jsonb_build_object(
                         'family_label', f.label, 'family_number', f.number))::json
                    order by (x.c).id),
           count(*)
      into v_rows, v_count
      from (select c, s
              from change c
              join change_set s on s.tenant = c.tenant and s.id = c.set_id
             where c.state = 'rejected'
               and agent_sees(s.section, s.family_id, s.child_id)
               and not own_report(s)
               and c.id > coalesce(to_id(input->>'after'), 0)
             order by c.id
             limit 26) x
      join family f on f.tenant = (x.c).tenant and f.id = (x.c).family_id;

    return json_build_object('status', 200,
        'changes', coalesce((select json_agg(r.row order by r.n)
                               from json_array_elements(v_rows) with ordinality as r (row, n)
                              where r.n <= 25), '[]'),
        'acts', coalesce(my_role() in ('validator', 'administrator'), false),
        'next', case when v_count > 25 then v_rows->24->>'id' end);
end
$$;

comment on function refused_changes(jsonb) is
    'What the town''s software has rejected, with its reason, until an agent has undone it, sent it again or copied it by hand; the oldest first, 25 at a time; the audit says who has read it (read_changes). Input: after (id of the last one seen). Result: {"status": 200, "changes": [copy_row()], "acts": the agent may do something, "next"}. For agents.';


create or replace function resend_change(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_change  change;
    v_answer  json;
begin
    perform require_agent('validator', 'administrator');

    if input->>'act' = 'copied' then
        return copied(input || '{"back": "refused"}');
    end if;

    v_answer := repeated(input);
    if v_answer is not null then
        return v_answer;
    end if;

    select c.* into v_change
      from change c
     where c.id = (input->>'change')::bigint and change_seen(c);

    if not found then
        return done(input, json_build_object('status', 404, 'errors', json_build_array()));
    end if;

    perform lock_families(array[v_change.family_id]);
    select c.* into v_change from change c where c.id = v_change.id for update;

    if v_change.state <> 'rejected' then
        return done(input, refused('', 'change_over', 409));
    end if;

    -- another change, so that an answer to the former that comes late is none to it
    update change c
       set state = 'superseded', settled_at = now(), settled_kind = 'agent',
           settled_by = my_agent()
     where c.id = v_change.id;

    insert into change (tenant, set_id, field, family_id, person_kind, person_id,
                        external_id, decided_role, resends)
    values (here(), v_change.set_id, v_change.field, v_change.family_id,
            v_change.person_kind, v_change.person_id, v_change.external_id,
            v_change.decided_role, v_change.id);

    perform note('resend_change', 'ok', 'change', v_change.id);

    return done(input, moved('/refus', null, 'change_resent'));
end
$$;

comment on function resend_change(jsonb) is
'An agent acts on a change that the town''s software has rejected. Input: change, act (resend: it is told again, as another change of the feed; copied: the agent has put it in by hand, see copied()); idempotency key. Result: moved to the list; 404; 409 change_over where it is not rejected any more. For validators and administrators.';


create or replace function told_changes(p_set change_set) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (
    select coalesce(json_agg(json_build_object('field', c.field, 'change_state', c.state,
               'is_rejected', c.state = 'rejected', 'change_reason', c.reason,
               'at', coalesce(c.settled_at, c.created_at),
               'agent', case c.settled_kind when 'agent' then agent_name(c.settled_by) end)
               order by c.id), '[]')
      from change c
     where c.set_id = p_set.id);
end
$$;

comment on function told_changes(change_set) is
    'What became of a request in the town''s software, for agents: [{"field" (null: the whole), "change_state", "is_rejected", "change_reason", "at", "agent": who has copied it}].';


grant execute on function copies(jsonb), copied(jsonb), refused_changes(jsonb),
    resend_change(jsonb)
   to portal_web;
