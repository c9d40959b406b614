--
-- « Exports à deux »: where the town has set it, who wants many families in one
-- file asks, and another administrator agrees (ASVS 2.3.5).  A machine's feed is
-- not one: its key is the operator's to give.
--

set search_path = portal, pg_temp;


-- what is asked before such a file is given --------------------------------------

create or replace function export_bars() returns boolean
    language sql stable
    return exists (select from town t
                    where t.id = here()
                      and (t.export_agents = 'two' or rule_holds(t.id, 'export_agents')))
           and exists (select
                         from administrators_lately() a (id)
                        where a.id <> my_agent());

comment on function export_bars() is
    'Whether the agent who asks needs another one''s agreement for a file with many families: the town wants two administrators and has another one, or had in the last seven days.';


create or replace function export_wanted(p_kind text, p_what jsonb) returns jsonb
    language sql immutable
    return case p_kind
        when 'journal' then jsonb_build_object('agent', p_what->'agent',
            'family', p_what->'family_id', 'kind', p_what->'kind',
            'from', p_what->'from', 'until', p_what->'until')
        else jsonb_build_object('lot', p_what->'lot') end;

comment on function export_wanted(text, jsonb) is
    'What an agreement is about, to compare. Input: kind; journal_filter(), or {"lot": number of the lot in the town}.';


create or replace function export_agreed(p_kind text, p_wanted jsonb) returns mass_export
    language sql stable
    return (select e
              from mass_export e
             where e.asked_by = my_agent()
               and e.kind = p_kind
               and e.wanted = p_wanted
               and e.state = 'agreed'
               and e.expires_at > now()
               and (e.used_at is null or e.used_at > now() - interval '5 minutes')
             order by e.used_at nulls last, e.id
             limit 1);

comment on function export_agreed(text, jsonb) is
    'The agreement that the agent who asks has for exactly this and has not used up; null: none. Input: kind, export_wanted().';


create or replace function export_refusal(p_kind text, p_wanted jsonb,
    p_back text default null)
    returns json
    language sql stable
    return case when export_bars() and (export_agreed(p_kind, p_wanted)).id is null
                then json_build_object('status', 403, 'type', '/exports', 'back', p_back,
                         'errors', json_build_array(json_build_object(
                             'field', '', 'code', 'export_needed'))) end;

comment on function export_refusal(text, jsonb, text) is
    'For functions that hand out many families at once, asked after step_up() and before anything is read, counted or noted. Input: kind, export_wanted(), page that leads there, where it is a file. Result: null to go on, else the answer: 403 export_needed, by whose type nginx leads a person to the page where it is asked for.';


create or replace function use_export(p_kind text, p_wanted jsonb) returns timestamptz
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_export  mass_export := export_agreed(p_kind, p_wanted);
begin
    if v_export.id is null or not export_bars() then
        return null;
    end if;

    update mass_export e
       set used_at = coalesce(e.used_at, now())
     where e.id = v_export.id;

    perform note('use_export', 'ok', 'mass_export', v_export.id);

    return v_export.asked_at;
end
$$;

comment on function use_export(text, jsonb) is
    'Takes an agreement: from its first use it is good for five minutes, for a connection that was cut. Input: as export_refusal(), which has let it pass. Result: when it was asked for; null: none was needed.';


create or replace function journal_query(p_filter jsonb) returns text
    language sql immutable
    return 'agent=' || coalesce(p_filter->>'agent', '')
           || '&genre=' || coalesce(p_filter->>'kind', '')
           || '&famille=' || coalesce(p_filter->>'family', '')
           || '&du=' || coalesce(p_filter->>'from', '')
           || '&au=' || coalesce(p_filter->>'until', '');

comment on function journal_query(jsonb) is
    'What the address of the journal says after its question mark. Input: journal_filter() without faults; ids, codes, days and a family''s number need no escapes.';


-- pages ----------------------------------------------------------------------------

create or replace function export_what(p_kind text, p_wanted jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return jsonb_build_object('export_kind', p_kind, 'lot', p_wanted->'lot',
        'agent', agent_name((p_wanted->>'agent')::bigint),
        'journal_kind', nullif(p_wanted->>'kind', ''),
        'family_number', (select f.number from family f
                           where f.id = (p_wanted->>'family')::bigint),
        'from', p_wanted->'from', 'until', p_wanted->'until');
end
$$;

comment on function export_what(text, jsonb) is
    'What an export is about, in words: {"export_kind", "lot"; "agent", "journal_kind", "family_number", "from", "until" of the journal}. Input: kind, export_wanted().';


create or replace function export_row(p_export mass_export) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_state  text;
    v_what   jsonb := export_what(p_export.kind, p_export.wanted);
begin
    v_state := case
        when p_export.used_at <= now() - interval '5 minutes' then 'used'
        when p_export.state in ('waiting', 'agreed') and p_export.expires_at <= now()
            then 'expired'
        else p_export.state end;

    return v_what || jsonb_build_object('id', p_export.number, 'export_state', v_state,
        'waits', v_state = 'waiting', 'is_agreed', v_state = 'agreed',
        'asked_at', p_export.asked_at, 'asked_by', agent_name(p_export.asked_by),
        'mine', p_export.asked_by = my_agent(), 'reason', p_export.reason,
        'expires_at', p_export.expires_at, 'decided_at', p_export.decided_at,
        'decided_by', case when p_export.state <> 'cancelled'
                           then agent_name(p_export.decided_by) end,
        'used_at', p_export.used_at,
        'href', case when v_state = 'agreed' and p_export.asked_by = my_agent() then
            case p_export.kind
            when 'letters' then '/codes/lettres/' || (v_what->>'lot')
            else '/journal.csv?'
                 || journal_query(p_export.wanted
                                  || jsonb_build_object('family',
                                         v_what->'family_number')) end end);
end
$$;

comment on function export_row(mass_export) is
    'What is said of an export: export_what(), its number in the town as "id", "export_state" (waiting, agreed, refused, cancelled, used or expired), who has asked and decided when, "reason", "href": where the agent who has asked opens it.';


create or replace function export_asked(input jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_lot     text := substring(input->>'next' from '^/codes/lettres/([0-9]{1,9})$');
    v_kind    text := coalesce(nullif(input->>'wanted', ''),
                               case when v_lot is not null then 'letters' end);
    v_filter  jsonb;
begin
    if v_kind = 'letters' then
        v_lot := coalesce(nullif(input->>'lot', ''), v_lot);

        return (select jsonb_build_object('kind', v_kind,
                    'wanted', export_wanted(v_kind, jsonb_build_object('lot', l.number)),
                    'path', '/exports?suite=/codes/lettres/' || l.number,
                    'values', jsonb_build_object('wanted', v_kind, 'lot', l.number))
                  from letter_lot l
                 where l.number = to_id(v_lot));
    elsif v_kind = 'journal' then
        v_filter := journal_filter(jsonb_build_object(
            'agent', input->'agent', 'kind', input->'genre', 'family', input->'famille',
            'from', input->'du', 'until', input->'au'));

        if journal_faults(v_filter, '{}') = '[]' then
            return jsonb_build_object('kind', v_kind,
                'wanted', export_wanted(v_kind, v_filter),
                'path', '/exports?sorte=journal&' || journal_query(v_filter),
                'values', jsonb_build_object('wanted', v_kind, 'agent', v_filter->'agent',
                    'genre', v_filter->'kind', 'famille', v_filter->'family',
                    'du', v_filter->'from', 'au', v_filter->'until'));
        end if;
    end if;

    return null;
end
$$;

comment on function export_asked(jsonb) is
    'What somebody asks for, of an address, a form or the page that they were led from. Input: wanted (journal | letters), lot; agent, genre, famille, du, au as journal() has them; next: a page. Result: {"kind", "wanted": export_wanted(), "path": of the page that asks for it, "values": of the form}; null: nothing that there is.';


create or replace function exports(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_asked  jsonb;
begin
    perform require_agent('administrator');

    v_asked := export_asked(input);

    return (select json_build_object('status', 200, 'two', export_bars(),
        'from_journal', coalesce(input->>'next' like '/journal%', false),
        'asks', case when v_asked is not null and export_bars() then
                    export_what(v_asked->>'kind', v_asked->'wanted')
                    || jsonb_build_object('path', v_asked->'path') end,
        'exports', (select coalesce(json_agg(export_row(e) order by (e).id desc), '[]')
                      from (select m as e from mass_export m order by m.id desc limit 50) x),
        'values', coalesce(v_asked->'values', '{}')));
end
$$;

comment on function exports(jsonb) is
'Files with many families that were asked for, the latest 50. Input: as export_asked(). Result: {"status": 200, "two": another administrator has to agree, "from_journal": they were led here from the journal, "asks": what can be asked for now, export_what() with "path", or null, "exports": [export_row()], "values": of the form}. For administrators.';


create or replace function tell_export(p_export mass_export, p_template text) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    perform post(gen_random_uuid(), a.email, a.email_mac, p_template, 'fr',
                 jsonb_build_object('origin', t.agent_origin, 'name', agent_name(my_agent()),
                                    'number', p_export.number),
                 null, p_export.expires_at)
       from agent a
       join town t on t.id = a.tenant
      where a.state = 'active'
        and case p_template when 'export_asked'
                            then a.role = 'administrator' and a.id <> p_export.asked_by
                            else a.id = p_export.asked_by end;
end
$$;

comment on function tell_export(mass_export, text) is
    'Mails about an export: export_asked to all other administrators, export_agreed and export_refused to who has asked. No name of a family.';


create or replace function ask_export(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_refusal  json;
    v_asked    jsonb;
    v_export   mass_export;
begin
    perform require_agent('administrator');

    v_refusal := repeated(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    -- one who asks twice at once comes one after the other
    perform 1 from agent a where a.id = my_agent() for no key update;

    v_asked := export_asked(input);

    select e.* into v_export
      from mass_export e
     where e.asked_by = my_agent()
       and e.kind = v_asked->>'kind'
       and e.wanted = v_asked->'wanted'
       and e.state in ('waiting', 'agreed')
       and e.expires_at > now()
       and e.used_at is null
     limit 1;

    v_refusal := case
        when v_asked is null then refused('', 'export_unknown')
        when not export_bars() then refused('', 'export_free', 409)
        when v_export.id is not null
            then moved('/exports/' || v_export.number, null, 'export_asked')
        when (select count(*) from mass_export e
               where e.asked_by = my_agent() and e.asked_at > now() - interval '24 hours') >= 20
            then refused('', 'too_many_exports') end;

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    insert into mass_export (tenant, kind, wanted, reason, asked_by)
    values (here(), v_asked->>'kind', v_asked->'wanted', input->>'reason', my_agent())
    returning * into v_export;

    perform tell_export(v_export, 'export_asked');
    perform note('ask_export', 'ok', 'mass_export', v_export.id);

    return done(input, moved('/exports/' || v_export.number, null, 'export_asked'));
end
$$;

comment on function ask_export(jsonb) is
'Asks another administrator to agree to a file with many families, by mail to all of them. Input: as export_asked(), reason; idempotency key. Result: moved to it, also where it was asked already. Errors: export_unknown, too_many_exports (20 in a day); 409 export_free: no other one is needed. For administrators.';


create or replace function export_request(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_export  mass_export;
    v_row     jsonb;
begin
    perform require_agent('administrator');

    select e.* into v_export from mass_export e where e.number = to_id(input->>'export');

    if not found then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    v_row := export_row(v_export);

    return json_build_object('status', 200, 'export', v_row,
        'path', '/exports/' || v_export.number,
        'decides', (v_row->>'waits')::boolean and not (v_row->>'mine')::boolean,
        'confirms', (v_row->>'waits')::boolean and not (v_row->>'mine')::boolean
                    and not coalesce(stepped_up(), false),
        'cancels', v_row->>'export_state' in ('waiting', 'agreed')
                   and (v_row->>'mine')::boolean and v_export.used_at is null);
end
$$;

comment on function export_request(jsonb) is
'An export that was asked for. Input: export (its number in the town). Result: {"status": 200, "export": export_row(), "path": of this page, "decides": the agent may agree, "confirms": once they have given a code, "cancels": it is theirs to give up}; 404. For administrators.';


create or replace function decide_export(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_step     text := input->>'step';
    v_again    json;
    v_export   mass_export;
    v_page     json;
    v_refusal  json;
begin
    perform require_agent('administrator');

    v_again := repeated(input);

    if v_again is not null then
        return v_again;
    end if;

    select e.* into v_export
      from mass_export e
     where e.number = to_id(input->>'export')
       for no key update;

    v_page := export_request(input);
    v_refusal := case
        when v_export.id is null then v_page
        when v_step = 'cancel' and not (v_page->>'cancels')::boolean
             or v_step <> 'cancel' and v_page #>> '{export,export_state}' <> 'waiting'
            then refused('', 'export_over', 409)
        when v_step <> 'cancel' and v_export.asked_by = my_agent()
            then refused('', 'own_export', 403)
        when v_step = 'agree' and is_new(my_agent()) then refused('', 'rights_new', 403)
        when v_step = 'agree' and is_new(v_export.asked_by)
            then refused('', 'asker_new', 403)
        when v_step = 'agree' and not coalesce(stepped_up(), false)
            then refused('', 'step_up_needed') end;

    if v_refusal is not null then
        perform note(v_step || '_export', coalesce(v_refusal #>> '{errors,0,code}', 'unknown'),
                     'mass_export', v_export.id);
        return done(input, v_refusal);
    end if;

    if v_step = 'cancel' then
        -- what another one has agreed to is over by its time
        update mass_export e
           set state = case e.state when 'waiting' then 'cancelled' else e.state end,
               decided_at = coalesce(e.decided_at, now()),
               decided_by = coalesce(e.decided_by, my_agent()),
               expires_at = now()
         where e.id = v_export.id;
    else
        update mass_export e
           set state = case v_step when 'agree' then 'agreed' else 'refused' end,
               decided_at = now(), decided_by = my_agent(),
               expires_at = now() + interval '4 hours'
         where e.id = v_export.id
        returning * into v_export;

        perform tell_export(v_export, 'export_' || v_export.state);
    end if;

    perform note(v_step || '_export', 'ok', 'mass_export', v_export.id);

    return done(input, moved('/exports/' || v_export.number, null, case v_step
        when 'agree' then 'export_agreed' when 'refuse' then 'export_refused'
        else 'export_cancelled' end));
end
$$;

comment on function decide_export(jsonb) is
'Agrees to an export, which opens it for four hours to who has asked, or refuses it; who has asked gives it up. Input: export (its number in the town), step: agree (in a session that step_up() lets pass), refuse, cancel; idempotency key. Result: moved to it. Errors: 404; 403 own_export, rights_new, asker_new; 409 export_over; step_up_needed. For administrators.';


grant execute on function exports(jsonb), ask_export(jsonb), export_request(jsonb),
    decide_export(jsonb)
   to portal_web;
