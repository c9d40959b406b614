--
-- « Éliminations »: what is past its time is listed, an administrator looks at the
-- list, another one approves it, the job destroys what is on it.
--

set search_path = portal, pg_temp;


create or replace function is_kept(p_town town, p_kind text, p_object text) returns boolean
    language sql stable
    return exists (select
                     from elimination_item i
                     join elimination e on e.tenant = i.tenant and e.id = i.list_id
                    where i.tenant = p_town.id
                      and i.kind = p_kind
                      and i.object = p_object
                      and i.state = 'kept'
                      and (e.state <> 'cancelled' or e.approved_at is not null)
                      and i.kept_at > now() - interval '365 days');

comment on function is_kept(town, text, text) is
    'Whether an administrator has kept something in the last year, on a list that was not given up before it was approved. Input: its kind and id as of elimination_item.';


create or replace function approved_objects(p_town town, variadic p_kinds text[])
    returns text[]
    language sql stable
begin atomic
    select coalesce(array_agg(i.object), '{}')
      from elimination e
      join elimination_item i on i.tenant = e.tenant and i.list_id = e.id
     where e.tenant = p_town.id
       and e.state = 'approved'
       and e.approved_at > now() - interval '30 days'
       and i.kind = any (p_kinds)
       and i.state = 'listed'
     having lists_first(p_town);
end;

comment on function approved_objects(town, text[]) is
    'What approved lists of the last 30 days still have to be destroyed, by the ids of elimination_item: what the job starts from, since much may wait for a list. Input: kinds. Null: the town wants no list.';


create or replace function may_erase(p_town town, p_kind text, p_object text, p_which text)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case
        -- what was kept is, whatever the town has set since
        when p_which <> 'all' and is_kept(p_town, p_kind, p_object) then false
        when p_which = 'purge' then not lists_first(p_town)
            or exists (select
                         from elimination_item i
                         join elimination e on e.tenant = i.tenant and e.id = i.list_id
                        where i.tenant = p_town.id
                          and i.kind = p_kind
                          and i.object = p_object
                          and i.state = 'listed'
                          and e.state = 'approved'
                          and e.approved_at > now() - interval '30 days')
        when p_which = 'unlisted' then not exists (
                       select
                         from elimination_item i
                         join elimination e on e.tenant = i.tenant and e.id = i.list_id
                        where i.tenant = p_town.id
                          and i.kind = p_kind
                          and i.object = p_object
                          and i.state = 'listed'
                          and e.state in ('open', 'approved'))
        else true end;
end
$$;

comment on function may_erase(town, text, text, text) is
    'Whether something past its time is among those that are asked for. Input: its kind and id as of elimination_item; which: purge (what the job may destroy: all, or what is on a list that was approved in the last 30 days), unlisted (what is on no list), both without what is_kept(); all.';


create or replace function elimination_due(p_town town, p_limit int, p_which text)
    returns table (kind text, object text, number text, family_number text, since date)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return query
    select 'change_set', c.id::text, c.number, f.number, day_of(c.updated_at)
      from due_requests(p_town, p_limit, p_which) as d (id)
      join change_set c on c.id = d.id
      join family f on f.tenant = c.tenant and f.id = c.family_id
     union all
    select 'collect_ban', b.id::text, c.number, f.number, day_of(b.ended_at)
      from due_bans(p_town, p_limit, p_which) as d (id)
      join collect_ban b on b.id = d.id
      left join family f on f.tenant = b.tenant and f.id = b.family_id
      left join change_set c on c.tenant = b.tenant and c.id = b.set_id
     union all
    select upload_kind(u.section), u.id::text,
           c.number, f.number,
           day_of(coalesce(u.left_at, c.decided_at, c.updated_at, u.created_at))
      from due_uploads(p_town, p_limit, p_which) as d (id)
      join upload u on u.id = d.id
      left join family f on f.tenant = u.tenant and f.id = u.family_id
      left join change_set c on c.tenant = u.tenant and c.id = u.set_id;
end
$$;

comment on function elimination_due(town, int, text) is
    'What is past its time and would be destroyed with approval alone, by its numbers. Input: how many of a kind at most, which: as of may_erase().';


create or replace function elimination_row(p_list elimination) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select jsonb_build_object('id', p_list.number, 'elimination_state', p_list.state,
                'is_open', p_list.state = 'open', 'is_approved', p_list.state = 'approved',
                'is_done', p_list.state = 'done', 'is_cancelled', p_list.state = 'cancelled',
                'made_at', p_list.made_at, 'made_by', elimination_agent(p_list.made_by),
                'approved_at', p_list.approved_at,
                'approved_by', elimination_agent(p_list.approved_by),
                'ended_at', p_list.ended_at,
                'listed', count(*) filter (where i.state = 'listed'),
                'kept', count(*) filter (where i.state = 'kept'),
                'destroyed', count(*) filter (where i.state = 'destroyed'))
              from elimination_item i
             where i.list_id = p_list.id);
end
$$;

comment on function elimination_row(elimination) is
    'What is said of a list: its number in the town as "id", who has done what when, how many things are still listed, kept and destroyed.';


create or replace function elimination_agent(p_agent bigint) returns text
    language sql stable
    return (select a.first_name || ' ' || a.last_name from agent a where a.id = p_agent);

comment on function elimination_agent(bigint) is 'An agent''s name; null for null.';


create or replace function eliminations(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_town  town;
begin
    perform require_agent('administrator');

    select t.* into v_town from town t where t.id = here();

    return (select json_build_object('status', 200,
        'approval', lists_first(v_town),
        'has_due', lists_first(v_town) and count(*) > 0,
        'due', coalesce(json_agg(json_build_object('purge_kind', d.kind, 'due', d.n)
                                 order by d.kind), '[]'),
        'lists', (select coalesce(json_agg(elimination_row(e) order by (e).id desc), '[]')
                    from (select l as e from elimination l order by l.id desc limit 50) x))
              from (select x.kind, count(*) as n
                      from elimination_due(v_town, 500, 'unlisted') x
                     where lists_first(v_town)
                     group by x.kind) d);
end
$$;

comment on function eliminations(jsonb) is
'The town''s lists of what is to be destroyed, the latest 50. Result: {"status": 200, "approval": the town wants them approved, "has_due", "due": [{"purge_kind", "due": how many are past their time and on no list, 500 at most}], "lists": [elimination_row()]}. For administrators.';


create or replace function make_elimination(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_refusal  json;
    v_town     town;
    v_list     elimination;
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    select t.* into v_town from town t where t.id = here();

    v_refusal := case
        when not lists_first(v_town) then refused('', 'purge_automatic')
        when not exists (select from elimination_due(v_town, 500, 'unlisted'))
        then refused('', 'nothing_due') end;

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    insert into elimination (tenant, made_by) values (here(), my_agent())
    returning * into v_list;

    insert into elimination_item (tenant, list_id, kind, object, number, family_number, since)
    select here(), v_list.id, d.kind, d.object, d.number, d.family_number, d.since
      from elimination_due(v_town, 500, 'unlisted') d;

    perform note('make_elimination', 'ok', 'elimination', v_list.id);

    return done(input, moved('/eliminations/' || v_list.number, null, 'elimination_made'));
end
$$;

comment on function make_elimination(jsonb) is
'Draws up a list of what is past its time and on no list yet, 500 of each kind at most. Input: idempotency key. Result: moved to the list. Errors: purge_automatic: the town wants no list; nothing_due. For administrators.';


create or replace function elimination_list(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_list   elimination;
    v_items  json;
begin
    perform require_agent('administrator');

    select e.* into v_list from elimination e where e.number = to_id(input->>'list');

    if not found then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    select json_agg(json_build_object('id', i.id, 'purge_kind', i.kind, 'number', i.number,
                        'family_number', i.family_number, 'since', i.since,
                        'item_state', i.state, 'is_listed', i.state = 'listed',
                        'reason', i.reason, 'kept_at', i.kept_at,
                        'kept_by', elimination_agent(i.kept_by))
                    order by i.kind, i.since, i.id)
      into v_items
      from elimination_item i
     where i.list_id = v_list.id;

    return json_build_object('status', 200,
        'version', document_version(to_json(v_list.state), v_items),
        'list', elimination_row(v_list), 'items', v_items,
        'decides', v_list.state = 'open',
        'approves', v_list.state = 'open' and v_list.made_by <> my_agent(),
        'values', json_build_object('version',
            document_version(to_json(v_list.state), v_items)));
end
$$;

comment on function elimination_list(jsonb) is
'A list of what is to be destroyed: numbers and days, no value. Input: list (its number in the town). Result: {"status": 200, "version", "list": elimination_row(), "items": [{"id", "purge_kind", "number", "family_number", "since", "item_state", "is_listed", "reason", "kept_at", "kept_by"}], "decides": it is open, "approves": the agent may approve it, "values": {"version"}}; 404. For administrators.';


create or replace function elimination_sheet(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_list  json := elimination_list(input);
begin
    if v_list->>'status' = '200' then
        perform note('read_elimination', 'csv', 'elimination',
                     (select e.id from elimination e
                       where e.number = to_id(input->>'list')));
    end if;

    return v_list;
end
$$;

comment on function elimination_sheet(jsonb) is
    'elimination_list() for a spreadsheet, to be shown to the archives; the audit says who has taken it. For administrators.';


create or replace function decide_elimination(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_step     text := input->>'step';
    v_page     json;
    v_list     elimination;
    v_refusal  json;
begin
    perform require_agent('administrator');

    v_refusal := repeated(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    select e.* into v_list
      from elimination e
     where e.number = to_id(input->>'list')
       for no key update;

    v_page := elimination_list(input);
    v_refusal := case
        when v_list.id is null then json_build_object('status', 404, 'errors', json_build_array())
        when stale(input, v_page->>'version') is not null then stale(input, v_page->>'version')
        when v_list.state <> 'open' or input->>'version' is distinct from v_page->>'version'
            then refused('', 'elimination_changed', 409)
        when v_step = 'approve' and v_list.made_by = my_agent() then
            refused('', 'other_needed')
        when v_step = 'approve' and is_new(my_agent()) then refused('', 'rights_new', 403)
        when v_step = 'approve' and is_new(v_list.made_by)
            then refused('', 'asker_new', 403)
        when v_step = 'approve' and (v_page #>> '{list,listed}')::int = 0 then
            refused('', 'nothing_due')
        when v_step = 'keep' and coalesce(input->>'reason', '') = '' then
            refused('reason', 'required')
        when v_step = 'keep' and not exists (
                 select
                   from elimination_item i
                  where i.list_id = v_list.id
                    and i.id = (input->>'item')::bigint
                    and i.state = 'listed')
            then refused('', 'item_needed') end;

    if v_refusal is not null then
        perform note(case v_step when 'approve' then 'approve_elimination'
                                 when 'keep' then 'keep_elimination'
                                 else 'cancel_elimination' end,
                     coalesce(v_refusal #>> '{errors,0,code}', 'unknown'), 'elimination', v_list.id);
        return done(input, v_refusal);
    end if;

    if v_step = 'keep' then
        update elimination_item i
           set state = 'kept', reason = input->>'reason', kept_at = now(), kept_by = my_agent()
         where i.list_id = v_list.id
           and i.id = (input->>'item')::bigint;
        perform note('keep_elimination', 'ok', 'elimination', v_list.id);
    elsif v_step = 'approve' then
        update elimination e
           set state = 'approved', approved_at = now(), approved_by = my_agent()
         where e.id = v_list.id;
        perform note('approve_elimination', 'ok', 'elimination', v_list.id);
    else
        update elimination e set state = 'cancelled', ended_at = now() where e.id = v_list.id;
        perform note('cancel_elimination', 'ok', 'elimination', v_list.id);
    end if;

    return done(input, moved('/eliminations/' || v_list.number, null, case v_step
        when 'keep' then 'elimination_kept' when 'approve' then 'elimination_approved'
        else 'elimination_cancelled' end));
end
$$;

comment on function decide_elimination(jsonb) is
'Decides about an open list. Input: list, version as it was shown, step: keep (item and reason: that thing is not destroyed, nor listed for a year), approve (by another administrator than who drew it up: the job destroys what is listed), cancel (nothing of it is); If-Match; idempotency key. Result: moved to the list. Errors: 404; 412 version_changed; 409 elimination_changed; 403 rights_new, asker_new; other_needed, nothing_due, item_needed, reason required. For administrators.';


create or replace function end_eliminations() returns void
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_list  bigint;
begin
    update elimination_item i
       set state = 'destroyed'
      from elimination e
     where e.id = i.list_id
       and e.state in ('open', 'approved')
       and i.state = 'listed'
       and case i.kind
           when 'change_set' then not exists (
               select from change_set c where c.id = i.object::bigint)
           when 'collect_ban' then not exists (
               select from collect_ban b where b.id = i.object::bigint)
           else not exists (select from upload u where u.id = i.object::uuid) end;

    for v_list in
        update elimination e
           set state = 'done', ended_at = now()
         where e.state = 'approved'
           and not exists (select from elimination_item i
                            where i.list_id = e.id and i.state = 'listed')
        returning e.id
    loop
        perform note('destroy_archives', 'ok', 'elimination', v_list);
    end loop;

    -- what was approved and is not past its time any more, or is kept elsewhere
    for v_list in
        update elimination e
           set state = 'cancelled', ended_at = now()
         where e.state = 'approved'
           and e.approved_at <= now() - interval '30 days'
        returning e.id
    loop
        perform note('cancel_elimination', 'ok', 'elimination', v_list);
    end loop;
end
$$;

comment on function end_eliminations() is
    'What a purge has destroyed is marked on the town''s lists; a list with nothing left to destroy is done, one approved 30 days ago is over; the audit tells both. For the job.';


grant execute on function eliminations(jsonb), make_elimination(jsonb),
    elimination_list(jsonb), elimination_sheet(jsonb), decide_elimination(jsonb)
   to portal_web;
