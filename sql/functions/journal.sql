--
-- « Journal »: who has done and seen what in a town, for its administrators.
-- What happened is told with ids, names of people and numbers, never a value.
--

set search_path = portal, pg_temp;


create or replace function journal_kinds() returns table (kind text, actions text[])
    language sql immutable
begin atomic
    values
        ('sealed', array['read_health', 'read_bank', 'read_iban', 'read_tax', 'read_feed']),
        ('reading', array['read_request', 'read_family', 'read_document', 'read_ban',
                          'read_bans', 'search_families', 'read_letters', 'read_linked',
                          'read_code_attempts', 'read_journal', 'read_note', 'use_export',
                          'read_conflicts', 'read_changes']),
        ('export', array['ask_export', 'agree_export', 'refuse_export', 'cancel_export']),
        ('request', array['ask_change', 'file_change', 'withdraw_change', 'send_file',
                          'verify']),
        ('decision', array['decide', 'take_request', 'release_request',
                           'reverse_request', 'end_change', 'end_ban', 'decide_conflict',
                           'copy_changes', 'resend_change']),
        ('note', array['add_note', 'withdraw_note']),
        ('session', array['sign_in', 'sign_out', 'agent_sign_in', 'agent_sign_out',
                          'agent_step_up', 'end_others', 'log_out_everywhere']),
        ('account', array['sign_up', 'resend_confirmation', 'confirm', 'change_address',
                          'confirm_address', 'undo_address', 'change_password',
                          'forgot_password', 'reset_password', 'set_language',
                          'choose_family', 'my_data', 'warn_account', 'close_account']),
        ('subscription', array['subscribe', 'unsubscribe']),
        ('staff', array['invite_agent', 'agent_accept', 'change_agent', 'save_agent',
                        'agent_recover', 'agent_recovery_codes', 'lift_waits']),
        ('code', array['order_codes', 'stop_codes', 'make_codes', 'issue_code',
                       'bar_codes', 'allow_codes', 'print_letters']),
        ('import', array['start_import', 'import', 'decide_import']),
        ('machine', array['make_machine', 'revoke_machine', 'acknowledge_feed',
                          'add_webhook', 'change_webhook', 'webhook']),
        ('archive', array['make_elimination', 'keep_elimination', 'approve_elimination',
                          'cancel_elimination', 'read_elimination', 'destroy_archives',
                          'restored']),
        ('setting', array['save_settings', 'save_fields', 'save_refusal', 'publish_theme',
                          'save_authorisation', 'save_school']);
end;

comment on function journal_kinds() is
    'What the audit knows, by kind, as the journal offers it. t/labels.t finds an operation that is of none.';


create or replace function family_things(p_family bigint)
    returns table (object text, id bigint)
    language sql stable
begin atomic
    select 'family', p_family
     union all
    select 'guardian', g.id from guardian g where g.family_id = p_family
     union all
    select 'child', m.child_id from child_family m where m.family_id = p_family
     union all
    select 'change_set', c.id from change_set c where c.family_id = p_family
     union all
    select 'collect_ban', b.id
      from child_family m
      join collect_ban b on b.tenant = m.tenant and b.child_id = m.child_id
     where m.family_id = p_family
     union all
    select 'import_conflict', k.id from import_conflict k where k.family_id = p_family
     union all
    select 'family_note', n.id from family_note n where n.family_id = p_family
     union all
    select 'code', k.id from code k where k.family_id = p_family
     union all
    select 'subscription', u.id from subscription u where u.family_id = p_family
     union all
    select 'subscription', p.id from subscription_past p where p.family_id = p_family;
end;

comment on function family_things(bigint) is
    'What the audit may name that is of a family and still there, and connections that were.';


create or replace function journal_page(p_agent bigint, p_family bigint, p_actions text[],
    p_from timestamptz, p_until timestamptz, p_at timestamptz,
    p_id bigint, p_limit int)
    returns table (id bigint, at timestamptz)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    -- each way goes along an index of its own, from the newest row it may show

    if p_family is not null then
        return query
        select x.id, x.at
          from (select a.id, a.at, a.agent_id, a.action
                  from family_things(p_family) t
                 cross join lateral (
                       select o.id, o.at, o.agent_id, o.action
                         from audit o
                        where o.object = t.object
                          and o.object_id = t.id
                          and o.at >= p_from and o.at < p_until
                          and (o.at, o.id) < (p_at, p_id)) a
                 union
                select a.id, a.at, a.agent_id, a.action
                  from audit a
                 where a.family_id = p_family
                   and a.at >= p_from and a.at < p_until
                   and (a.at, a.id) < (p_at, p_id)) x
         where (p_agent is null or x.agent_id = p_agent)
           and (p_actions is null or x.action = any (p_actions))
         order by x.at desc, x.id desc
         limit p_limit;

    elsif p_agent is not null then
        return query
        select a.id, a.at
          from audit a
         where a.agent_id = p_agent
           and a.at >= p_from and a.at < p_until
           and (a.at, a.id) < (p_at, p_id)
           and (p_actions is null or a.action = any (p_actions))
         order by a.at desc, a.id desc
         limit p_limit;

    elsif p_actions is not null then
        return query
        select x.id, x.at
          from unnest(p_actions) n
         cross join lateral (
               select a.id, a.at
                 from audit a
                where a.action = n
                  and a.at >= p_from and a.at < p_until
                  and (a.at, a.id) < (p_at, p_id)
                order by a.at desc, a.id desc
                limit p_limit) x
         order by x.at desc, x.id desc
         limit p_limit;

    else
        return query
        select a.id, a.at
          from audit a
         where a.at >= p_from and a.at < p_until
           and (a.at, a.id) < (p_at, p_id)
         order by a.at desc, a.id desc
         limit p_limit;
    end if;
end
$$;

comment on function journal_page(bigint, bigint, text[], timestamptz, timestamptz,
    timestamptz, bigint, int) is
'Ids and times of rows of the audit, the newest first. Input: agent; family, with what is of it (family_things()); actions; from, until (that moment left out); time and id of the last one seen; how many. Null: whatever.';


create or replace function to_day(value text) returns date
    language plpgsql immutable set search_path = portal, pg_temp as $$
begin
    return case when value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then value::date end;
exception
    when datetime_field_overflow then
        return null;
end
$$;

comment on function to_day(text) is 'A day from an address, or null when it is none.';


create or replace function journal_filter(input jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    -- a number that was copied may bring a space along
    v_number  text := nullif(btrim(input->>'family', ' +'), '');
    v_family  bigint := (select f.id from family f where f.number = v_number);
    v_kind    text := nullif(input->>'kind', '');
    v_from    date := to_day(input->>'from');
    v_until   date := to_day(input->>'until');
begin
    return jsonb_build_object('agent', to_id(input->>'agent'), 'family', v_number,
        'family_id', v_family, 'kind', coalesce(v_kind, ''),
        'from', v_from, 'until', v_until,
        'wrong_agent', nullif(input->>'agent', '') is not null
                       and not exists (select from agent a
                                        where a.id = to_id(input->>'agent')),
        'wrong_kind', v_kind is not null
                      and not exists (select from journal_kinds() k where k.kind = v_kind),
        'wrong_family', v_number is not null and v_family is null,
        'wrong_from', nullif(input->>'from', '') is not null and v_from is null,
        'wrong_until', nullif(input->>'until', '') is not null and v_until is null
                       or coalesce(v_until < v_from, false));
end
$$;

comment on function journal_filter(jsonb) is
    'Which rows are asked for, with what of it is wrong: see journal_faults().';


create or replace function journal_faults(p_filter jsonb, input jsonb) returns jsonb
    language sql stable
    return (select coalesce(jsonb_agg(jsonb_build_object('field', x.field,
                                'code', 'filter') order by x.n), '[]')
              from (values (1, 'agent', (p_filter->>'wrong_agent')::boolean),
                           (2, 'genre', (p_filter->>'wrong_kind')::boolean),
                           (3, 'famille', (p_filter->>'wrong_family')::boolean),
                           (4, 'du', (p_filter->>'wrong_from')::boolean),
                           (5, 'au', (p_filter->>'wrong_until')::boolean),
                           (6, 'apres', not is_id(input->>'after')))
                   as x (n, field, wrong)
             where x.wrong);

comment on function journal_faults(jsonb, jsonb) is
    'What is wrong with what the journal is asked for, as errors by the names in the address: [{"field", "code": filter}]. Input: journal_filter(), its input.';


create or replace function journal_rows(p_filter jsonb, p_after bigint, p_limit int)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    -- of an agreement what was there when it was asked for
    v_at  timestamptz := coalesce((p_filter->>'before')::timestamptz, 'infinity');
    v_id  bigint := 9223372036854775807;
begin
    if p_after is not null then
        -- what is no more had nothing behind it
        select a.at, a.id into v_at, v_id from audit a where a.id = p_after;

        if not found then
            return '[]';
        end if;
    end if;

    -- one query, with joins: a file has 50,000 of them
    return (select coalesce(json_agg(json_build_object('id', a.id, 'at', a.at,
        'chain', a.chain,
        -- what a job does, and what the host does by hand, is in no request
        'actor', case when a.agent_id is not null then 'agent'
                      when m.id is not null and a.account_id is null
                           and a.request is not null then 'machine'
                      when a.request is null then 'portal'
                      when a.account_id is not null then 'account'
                      else 'stranger' end,
        'name', case when a.agent_id is not null then g.first_name || ' ' || g.last_name
                     when a.request is null then null
                     when a.account_id is not null
                     then c.first_name || ' ' || c.last_name
                     else m.name end,
        'number', coalesce(a.agent_id, a.account_id),
        'action', a.action,
        -- of settings the outcome says which
        'settings_page', case a.action when 'save_settings' then a.outcome end,
        'section', case a.action when 'save_fields' then a.outcome end,
        'names', a.names,
        'outcome', case when a.action in ('save_settings', 'save_fields') then 'ok'
                        when a.outcome ~ '_[0-9]'
                        then regexp_replace(a.outcome, '_[0-9]+', '', 'g')
                        else a.outcome end,
        'amount', case when a.outcome ~ '_[0-9]'
                       then (select string_agg(n[1], ' / ')
                               from regexp_matches(a.outcome, '_([0-9]+)', 'g') n) end,
        'object', a.object,
        'thing', coalesce(f.number, s.number, og.first_name || ' ' || og.last_name,
                          oc.first_name || ' ' || oc.last_name, m.name, el.number::text,
                          ll.number::text, me.number::text),
        -- numbers of the installation are none of a town's
        'object_id', case when a.object not in ('town', 'elimination', 'letter_lot',
                                                'mass_export')
                          then a.object_id end,
        'family_number', coalesce(sf.number, af.number),
        'href', case when f.id is not null then '/familles/' || f.id
                     when s.id is not null then '/demandes/' || s.id
                     when r.family_id is not null then '/familles/' || r.family_id
                     when x.family_id is not null then '/familles/' || x.family_id
                     when i.id is not null then '/imports/' || i.id
                     when k.id is not null then '/imports/conflits/' || k.id
                     when b.id is not null then '/interdictions/' || b.id
                     when el.id is not null then '/eliminations/' || el.number
                     when me.id is not null then '/exports/' || me.number
                     when og.email is not null then '/agents/' || og.id end)
            order by p.at desc, p.id desc), '[]')
      from journal_page((p_filter->>'agent')::bigint,
               (p_filter->>'family_id')::bigint,
               (select k.actions from journal_kinds() k
                 where k.kind = p_filter->>'kind'),
               coalesce((p_filter->>'from')::date::timestamp
                        at time zone 'Europe/Paris', '-infinity'),
               coalesce(((p_filter->>'until')::date + 1)::timestamp
                        at time zone 'Europe/Paris', 'infinity'),
               v_at, v_id, p_limit) p
      join audit a on a.tenant = here() and a.id = p.id
      left join agent g on g.tenant = a.tenant and g.id = a.agent_id
      left join account c on c.tenant = a.tenant and c.id = a.account_id
      left join machine m on a.object = 'machine' and m.tenant = a.tenant
                         and m.id = a.object_id
      left join agent og on a.object = 'agent' and og.tenant = a.tenant
                        and og.id = a.object_id
      left join account oc on a.object = 'account' and oc.tenant = a.tenant
                          and oc.id = a.object_id
      left join family f on a.object = 'family' and f.tenant = a.tenant
                        and f.id = a.object_id
      left join change_set s on a.object = 'change_set' and s.tenant = a.tenant
                            and s.id = a.object_id
      left join guardian r on a.object = 'guardian' and r.tenant = a.tenant
                          and r.id = a.object_id
      left join lateral (select min(o.family_id) as family_id from child_family o
                          where a.object = 'child' and o.tenant = a.tenant
                            and o.child_id = a.object_id) x on true
      left join import i on a.object = 'import' and i.tenant = a.tenant
                        and i.id = a.object_id
      left join import_conflict k on a.object = 'import_conflict'
                                 and k.tenant = a.tenant and k.id = a.object_id
      left join collect_ban b on a.object = 'collect_ban' and b.tenant = a.tenant
                             and b.id = a.object_id
      left join elimination el on a.object = 'elimination'
                              and el.tenant = a.tenant and el.id = a.object_id
      left join letter_lot ll on a.object = 'letter_lot' and ll.tenant = a.tenant
                             and ll.id = a.object_id
      left join mass_export me on a.object = 'mass_export' and me.tenant = a.tenant
                              and me.id = a.object_id
      left join family sf on sf.tenant = a.tenant
                         and sf.id = coalesce(s.family_id, r.family_id, x.family_id)
      left join family af on af.tenant = a.tenant and af.id = a.family_id
                         and a.object is distinct from 'family');
end
$$;

comment on function journal_rows(jsonb, bigint, int) is
'Rows of the audit as their readers see them, the newest first. Input: journal_filter(), with "before": nothing later than that; id of the last one seen or null, how many.
Result: [{"id", "at", "chain", "actor": agent, account, machine, portal (a job or the host) or stranger (nobody known), "name": null where they are no more, "number", "action", "settings_page", "section": whose settings were changed, "names": which of them, "outcome", "amount": how many, where that was kept, "object", "thing": its name or number, "object_id", "family_number", "href": where it has a page}]. Never a value.';


create or replace function journal_reads(p_filter jsonb, p_outcome text) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_refusal  json := agent_limit('readings');
begin
    perform note('read_journal', case when v_refusal is null then p_outcome
                                      else 'too_many' end,
                 case when p_filter->>'family_id' is not null then 'family'
                      when p_filter->>'agent' is not null then 'agent' end,
                 coalesce(p_filter->>'family_id', p_filter->>'agent')::bigint);

    return v_refusal;
end
$$;

comment on function journal_reads(jsonb, text) is
    'Counts and keeps that an administrator opens the journal. Input: journal_filter(), the outcome when they may. Result: null to go on, or 429, see agent_limit().';


create or replace function journal(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_filter   jsonb;
    v_refusal  json;
    v_faults   jsonb;
    v_rows     json := '[]';
    v_broken   bigint;
begin
    perform require_agent('administrator');

    v_filter := journal_filter(input);
    v_faults := journal_faults(v_filter, input);

    if v_faults = '[]' then
        v_refusal := journal_reads(v_filter, 'ok');

        if v_refusal is not null then
            return v_refusal;
        end if;

        v_rows := journal_rows(v_filter, to_id(input->>'after'), 51);
    end if;

    select nullif(j.mark, 0) into v_broken from job j where j.name = 'audit_broken';

    return json_build_object('status', case v_faults when '[]' then 200 else 422 end,
        'rows', (select coalesce(json_agg(r.row order by r.n), '[]')
                   from json_array_elements(v_rows) with ordinality as r (row, n)
                  where r.n <= 50),
        'next', case when json_array_length(v_rows) > 50 then v_rows->49->'id' end,
        'chain', (select json_build_object('broken', v_broken,
                             'whole', v_broken is null and j.mark > 0,
                             'verified_at', case when j.mark > 0 then j.ran_at end,
                             'place', nullif(j.mark, 0))
                    from job j where j.name = 'audit_verified'),
        'two', export_bars(),
        'asks', v_faults = '[]'
                and export_refusal('journal', export_wanted('journal', v_filter)) is not null,
        'filter', v_filter,
        'people', (select coalesce(json_agg(json_build_object('agent', a.id,
                              'name', a.first_name || ' ' || a.last_name,
                              'chosen', a.id = (v_filter->>'agent')::bigint)
                              order by a.last_name, a.first_name, a.id), '[]')
                     from agent a
                    where a.last_name is not null),
        'kinds', (select json_agg(json_build_object('journal_kind', k.kind,
                             'chosen', k.kind = v_filter->>'kind'))
                    from journal_kinds() k),
        'again', v_faults <> '[]', 'errors', v_faults);
end
$$;

comment on function journal(jsonb) is
'The audit of the town, the newest first, 50 rows at a time; opening it is a row of its own (read_journal) and counts among the readings of an hour. Input: agent (id), family (number), kind (of journal_kinds()), from and until (days, both included), after (id of the last row seen); all optional.
Result: {"status": 200, "rows": [journal_rows()], "next": id to go on after or null, "chain": {"broken": place of the first row that is not what it was or null, "whole": the last round found all as it was, "verified_at", "place": where that round ended}, "two": it takes another administrator to have it as a file, "asks": who has not agreed to this one yet, "filter": journal_filter(), "people", "kinds": what can be chosen}; 422 with journal_faults(), for a person as the same page without a row ("again"); 429 too_many_readings. For administrators.';


create or replace function journal_sheet(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_most     int := case when input ? 'piece' then 1000 else 50000 end;
    -- the last row that was given, and how many there were by then
    v_after    bigint := to_id(split_part(input->>'piece', ':', 1));
    v_given    int := coalesce(to_id(split_part(input->>'piece', ':', 2)), 0);
    v_filter   jsonb;
    v_faults   jsonb;
    v_wanted   jsonb;
    v_refusal  json;
    v_rows     json;
begin
    perform require_agent('administrator');

    v_filter := journal_filter(input);
    v_wanted := export_wanted('journal', v_filter);
    v_faults := journal_faults(v_filter, '{}');

    if v_faults <> '[]' then
        return json_build_object('status', 422, 'errors', v_faults);
    end if;

    -- one sheet is one reading
    if v_after is null then
        v_refusal := coalesce(step_up('/journal'),
            export_refusal('journal', v_wanted, '/journal'),
            journal_reads(v_filter, 'csv'));

        if v_refusal is not null then
            return v_refusal;
        end if;

        v_filter := v_filter
            || jsonb_build_object('before', use_export('journal', v_wanted));
    end if;

    v_rows := journal_rows(v_filter, v_after, least(v_most, 50000 - v_given));
    v_given := v_given + json_array_length(v_rows);

    if not input ? 'piece' then
        return json_build_object('status', 200, 'rows', v_rows);
    end if;

    return json_build_object('status', 200, 'rows', v_rows, 'later', v_after is not null,
        'more', case when json_array_length(v_rows) = v_most and v_given < 50000
                     then (v_rows->-1->>'id') || ':' || v_given end);
end
$$;

comment on function journal_sheet(jsonb) is
    'The journal for a spreadsheet: the newest 50,000 rows of what is asked for. Input, errors: as journal(), 403 step_up_needed, export_needed; piece (nginx''s alone, "" at first): 1,000 of them, and whether they are "later" ones and what "more" are asked for by as the next piece. Result: {"status": 200, "rows": [journal_rows()]}. For administrators.';


grant execute on function journal(jsonb), journal_sheet(jsonb) to portal_web;
