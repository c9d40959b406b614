--
-- What became of imports, for administrators and for the machines that sent
-- them, and what an administrator decides: to go on, to cancel, and which value
-- counts where the town's software and a family do not agree.
--

set search_path = portal, pg_temp;


create or replace function require_importer() returns void
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if my_machine() is not null then
        perform require_machine('import');
    else
        perform require_agent('administrator');
    end if;
end
$$;

comment on function require_importer() is
    'First line of each function for those who import: raises PT403 unless an administrator asks, or a machine with the right import.';


create or replace function own_told() returns jsonb[]
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_own  bigint[] := agents_families();
begin
    v_own := v_own || other_households(here(), v_own);

    return array(
        select jsonb_build_array(jsonb_build_object('code', 'conflict', 'kind', k,
                                                    'key', g.external_id))
          from guardian g
         cross join unnest(array['guardian', 'address', 'tax', 'bank']) k
         where g.family_id = any (v_own)
         union
        select jsonb_build_array(jsonb_build_object('code', 'conflict', 'kind', k,
                                                    'key', c.external_id))
          from child_family m
          join child c on c.tenant = m.tenant and c.id = m.child_id
         cross join unnest(array['child', 'schooling', 'contact']) k
         where m.family_id = any (v_own));
end
$$;

comment on function own_told() is
    'What import_line.detail holds where a line has a conflict as own_conflict(): of such a line reports say nothing to the agent. Empty for who has no family in the file, and for machines.';


create or replace function own_lines(p_import bigint) returns int
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_own  jsonb[] := own_told();
begin
    if v_own = '{}' then
        return 0;
    end if;

    return (select count(*)
              from import_line l
             where l.import_id = p_import
               and (l.outcome in ('refused', 'conflict', 'kept') or l.errors <> '[]')
               and l.outcome = 'conflict'
               and l.detail @> any (v_own));
end
$$;

comment on function own_lines(bigint) is
    'How many lines of an import are kept from the agent, see own_told().';


create or replace function import_row(p_import import) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_conflicts  int := coalesce(((p_import).counts->>'conflict')::int, 0);
begin
    if v_conflicts > 0 then
        v_conflicts := greatest(v_conflicts - own_lines((p_import).id), 0);
    end if;

    return json_build_object('id', (p_import).id, 'name', (p_import).name,
        'source', (p_import).source, 'dry', (p_import).dry, 'state', (p_import).state,
        'by', case (p_import).source
            when 'page' then agent_name((p_import).agent_id)
            when 'machine' then (select m.name from machine m
                                  where m.id = (p_import).machine_id) end,
        'created_at', (p_import).created_at, 'finished_at', (p_import).finished_at,
        'is_running', (p_import).state in ('received', 'reading', 'checking', 'applying'),
        'is_checked', (p_import).state = 'checked',
        'is_done', (p_import).state = 'done',
        'is_failed', (p_import).state = 'failed',
        'is_cancelled', (p_import).state = 'cancelled',
        'may_apply', (p_import).state = 'checked'
                     or (p_import).state = 'failed' and (p_import).lines > 0
                        and (p_import).failure->>'code' = 'cut'
                        and (p_import).finished_at > now() - interval '1 day',
        'may_cancel', (p_import).state in ('received', 'reading', 'checking', 'checked',
                                           'applying'),
        'failure', (p_import).failure,
        'lines', (p_import).lines, 'planned', (p_import).planned,
        'written', (p_import).written,
        'percent', case when (p_import).state in ('done', 'checked') then 100
                        when (p_import).lines = 0 then 0
                        else least(99, case when (p_import).dry
                            then 100::bigint * (p_import).planned / (p_import).lines
                            else 50::bigint * ((p_import).planned + (p_import).written)
                                 / (p_import).lines end) end,
        'counts', (select json_object_agg(o, case o when 'conflict' then v_conflicts
                              else coalesce(((p_import).counts->>o)::int, 0) end)
                     from unnest(array['created', 'updated', 'unchanged', 'kept',
                                       'conflict', 'refused']) o));
end
$$;

comment on function import_row(import) is
    'An import as lists and its page show it; counts are of lines, of what is applied once that has begun, without own_lines().';


create or replace function open_conflicts() returns bigint
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    -- once for all rows: own_conflict() of each of many takes its time
    v_own       bigint[] := agents_families();
    v_children  bigint[] := array(select m.child_id from child_family m
                                   where m.family_id = any (v_own));
begin
    v_own := v_own || other_households(here(), v_own);

    return (select count(*)
              from import_conflict c
             where c.state = 'open'
               and coalesce(c.family_id, 0) <> all (v_own)
               and coalesce(c.child_id, 0) <> all (v_children));
end
$$;

comment on function open_conflicts() is
    'How many conflicts wait to be decided, without those of own_conflict(): what an administrator may not see is not counted, either.';


create or replace function imports(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_after  bigint := coalesce(to_id(input->>'after'), 9223372036854775807);
    v_rows   json;
    v_count  int;
    v_wrong  json;
begin
    perform require_agent('administrator');

    v_wrong := wrong_filter('apres', is_id(input->>'after'));

    if v_wrong is not null then
        return v_wrong;
    end if;

    select json_agg(import_row(p) order by n), count(*)
      into v_rows, v_count
      from (select i as p, row_number() over (order by i.id desc) as n
              from import i
             where i.id < v_after and i.state <> 'filling'
               -- but for what a machine sent while the same was on its way
               and not (i.state = 'cancelled' and i.machine_id is not null
                        and i.content_mac is not null and i.lines = 0
                        and i.decided_by is null)
             order by i.id desc
             limit 26) x;

    return json_build_object('status', 200,
        'imports', coalesce((select json_agg(r.row order by r.n)
                               from json_array_elements(v_rows) with ordinality as r (row, n)
                              where r.n <= 25), '[]'),
        'next', case when v_count > 25 then v_rows->24->>'id' end,
        'conflicts', open_conflicts());
end
$$;

comment on function imports(jsonb) is
    'The imports of the town, the latest first, 25 at a time. Input: after (id of the last one seen). Result: {"status": 200, "imports": [import_row()], "next": id to go on after or null, "conflicts": open_conflicts()}. For administrators.';


create or replace function import_report_lines(p_import bigint, p_outcome text,
    p_file text, p_line int, p_limit int)
    returns setof import_line
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_own  jsonb[] := own_told();
begin
    -- most lines are clean: the others have an index of their own
    if p_outcome is null then
        return query
        select l.*
          from import_line l
         where l.import_id = p_import
           and (l.outcome in ('refused', 'conflict', 'kept') or l.errors <> '[]')
           and (l.file, l.line) > (p_file, p_line)
           and not (l.outcome = 'conflict' and l.detail @> any (v_own))
         order by l.file, l.line
         limit p_limit;

    elsif p_outcome in ('refused', 'conflict', 'kept') then
        return query
        select l.*
          from import_line l
         where l.import_id = p_import
           and (l.outcome in ('refused', 'conflict', 'kept') or l.errors <> '[]')
           and l.outcome = p_outcome
           and (l.file, l.line) > (p_file, p_line)
           and not (l.outcome = 'conflict' and l.detail @> any (v_own))
         order by l.file, l.line
         limit p_limit;

    else
        return query
        select l.*
          from import_line l
         where l.import_id = p_import
           and (p_outcome = 'all' or l.outcome = p_outcome)
           and (l.file, l.line) > (p_file, p_line)
           and not (l.outcome = 'conflict' and l.detail @> any (v_own))
         order by l.file, l.line
         limit p_limit;
    end if;
end
$$;

comment on function import_report_lines(bigint, text, text, int, int) is
    'The next lines of a report, without those that own_told() keeps from the agent. Input: import, outcome as import_report(), file and line of the last one seen, how many.';


create or replace function report_cursor(p_line int, p_file text) returns text
    language sql stable
    return p_line || '-' || encode(convert_to(p_file, 'UTF8'), 'hex');

comment on function report_cursor(int, text) is
    'Where a report goes on, for an address: a file may have any name.';


create or replace function report_place(p_cursor text, out line int, out file text)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if p_cursor ~ '^[0-9]{1,9}-([0-9a-f]{2})+$' then
        file := convert_from(decode(split_part(p_cursor, '-', 2), 'hex'), 'UTF8');
        line := split_part(p_cursor, '-', 1)::int;
    end if;
exception
    when character_not_in_repertoire then
        file := null;
end
$$;

comment on function report_place(text) is
    'report_cursor() back again: line and file; both null: it is none.';


create or replace function import_report(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_import    import;
    v_outcome   text := nullif(input->>'outcome', '');
    v_after     record := report_place(input->>'after');
    v_limit     int := least(greatest(coalesce(to_id(input->>'limit'), 50), 1), 1000);
    v_rows      json;
    v_count     int;
    v_wrong     json;
begin
    perform require_importer();

    -- an operator's address is French, a program's English
    v_wrong := coalesce(
        wrong_filter(case when my_machine() is null then 'resultat' else 'outcome' end,
                     v_outcome in ('created', 'updated', 'unchanged', 'kept', 'conflict',
                                   'refused', 'all')),
        wrong_filter(case when my_machine() is null then 'apres' else 'after' end,
                     case when input->>'after' <> '' then v_after.line is not null end),
        wrong_filter('limit', is_id(input->>'limit')));

    if v_wrong is not null then
        return v_wrong;
    end if;

    select i.* into v_import
      from import i
     where i.id = to_id(input->>'import')
       and i.state <> 'filling'
       and (my_machine() is null or i.machine_id = my_machine());

    if not found then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    select json_agg(json_build_object('file', x.file, 'line', x.line, 'outcome', x.outcome,
               'is_refused', x.outcome = 'refused', 'is_conflict', x.outcome = 'conflict',
               'is_kept', x.outcome = 'kept', 'told', x.errors || x.detail)
               order by x.file, x.line), count(*)
      into v_rows, v_count
      from (select l.*
              from import_report_lines(v_import.id, v_outcome,
                      coalesce(v_after.file, ''), coalesce(v_after.line, 0), v_limit + 1) l) x;

    return json_build_object('status', 200, 'import', import_row(v_import),
        'files', v_import.files,
        'outcome', v_outcome,
        'lines', coalesce((select json_agg(r.row order by r.n)
                             from json_array_elements(v_rows) with ordinality as r (row, n)
                            where r.n <= v_limit), '[]'),
        'has_lines', v_count > 0,
        'next', case when v_count > v_limit
                     then report_cursor((v_rows->(v_limit - 1)->>'line')::int,
                                        v_rows->(v_limit - 1)->>'file') end);
end
$$;

comment on function import_report(jsonb) is
'What became of an import. Input: import; outcome: only lines that came to it (created, updated, unchanged, kept, conflict, refused), all, or absent: those that are not clean; after ("next" of the page before), limit (50; up to 1000).
Result: {"status": 200, "import": import_row(), "files": what was read, "lines": [{"file", "line", "outcome" (null: not yet checked), "told": [{"kind", "key", "field", "column", "code", "left"; of a duplicate "first_file", "first_line"}]}], "next"}; 404; 422 filter. For administrators; for the machine that sent it.';


create or replace function decide_import(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_import  import;
    v_act     text := input->>'act';
    v_answer  json;
begin
    perform require_agent('administrator');

    v_answer := repeated(input);
    if v_answer is not null then
        return v_answer;
    end if;

    select i.* into v_import
      from import i
     where i.id = to_id(input->>'import') and i.state <> 'filling'
       for update;

    if not found then
        return done(input, json_build_object('status', 404, 'errors', json_build_array()));
    end if;

    if v_act = 'apply' and (import_row(v_import)->>'may_apply')::boolean then
        -- of a file that was cut, what came before has to be checked first
        update import i
           set state = case v_import.state when 'checked' then 'applying' else 'checking' end,
               dry = v_import.state <> 'checked', finished_at = null,
               decided_by = my_agent()
         where i.id = v_import.id;
        perform note('decide_import', 'apply', 'import', v_import.id);

    elsif v_act = 'cancel' and (import_row(v_import)->>'may_cancel')::boolean then
        update import i
           set state = 'cancelled', finished_at = now(), decided_by = my_agent()
         where i.id = v_import.id;
        perform note('decide_import', 'cancel', 'import', v_import.id);

    else
        return done(input, refused('', 'import_over', 409));
    end if;

    return done(input, moved('/imports/' || v_import.id, null,
        case v_act when 'apply' then 'import_applied' else 'import_cancelled' end));
end
$$;

comment on function decide_import(jsonb) is
'Goes on with an import that was only checked, or of a file that was cut checks what came before the cut; or cancels one: what is applied by then stays. Input: import, act (apply | cancel); _ as repeated(). Result: 303 /imports/ID; 404; 409 import_over where it does not wait for that. For administrators.';


-- conflicts ---------------------------------------------------------------

create or replace function conflict_row(p_conflict import_conflict) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    c         import_conflict := p_conflict;
    v_kind    text := case when c.guardian_id is not null then 'guardian' else 'child' end;
    v_sealed  boolean := (select f.sealed from field f
                           where f.section = c.section and f.name = c.field);
    v_seal    uuid;
    v_name    text;
    v_now     jsonb := section_values(c.section,
                           coalesce(c.guardian_id, c.child_id, c.contact_id));
begin
    if c.guardian_id is not null then
        select g.seal_id, g.first_name || ' ' || g.last_name into v_seal, v_name
          from guardian g where g.id = c.guardian_id;
    elsif c.contact_id is not null then
        select k.first_name || ' ' || k.last_name || ' · ' || h.first_name || ' '
               || h.last_name into v_name
          from contact k
          join child h on h.tenant = k.tenant and h.id = k.child_id
         where k.id = c.contact_id;
    else
        select h.seal_id, h.first_name || ' ' || h.last_name into v_seal, v_name
          from child h where h.id = c.child_id;
    end if;

    return json_build_object('id', c.id, 'section', c.section, 'field', c.field,
        'subject', v_name, 'whole', (select s.whole from section s where s.name = c.section),
        'family_number', (select f.number from family f where f.id = c.family_id),
        'family_label', (select f.label from family f where f.id = c.family_id),
        'request', c.set_id,
        'request_number', (select s.number from change_set s where s.id = c.set_id),
        'import', c.import_id, 'file', c.file, 'line', c.line, 'created_at', c.created_at,
        'was', shown(v_kind, v_seal, c.field, v_sealed, c.was, c.was_hint),
        'asked', shown(v_kind, v_seal, c.field, v_sealed, c.asked, c.asked_hint),
        'now', shown(v_kind, v_seal, c.field, v_sealed, coalesce(v_now->c.field, 'null'),
                     v_now #>> array['_hint', c.field]),
        'imported', shown(v_kind, v_seal, c.field, v_sealed, c.imported, c.imported_hint),
        'conflict_state', c.state, 'masked', false,
        'version', document_version(v_now::json, to_json(c.state), (
            select json_agg(json_build_array(o.field, o.imported, o.imported_mac)
                            order by o.field)
              from conflicts_beside(c) o)));
end
$$;

comment on function conflict_row(import_conflict) is
    'A conflict as its page shows it, with the values: what was there, what the family has asked for, what the file holds now, what the software says; and the version of all that, over which it is decided.';


create or replace function own_conflict(p_conflict import_conflict) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return own_family(p_conflict.family_id)
           or is_agents_family(null, array(
                  select m.family_id from child_family m
                   where m.child_id = p_conflict.child_id));
end
$$;

comment on function own_conflict(import_conflict) is
    'Whether a conflict is about the agent''s own family, or the other household of a child.';


create or replace function conflict_opens(p_conflict import_conflict) returns boolean
    language sql stable
    return exists (select from field f
                    where f.section = (p_conflict).section
                      and f.name = (p_conflict).field
                      and f.sealed)
           and coalesce((p_conflict).was_hint, (p_conflict).asked_hint,
                        (p_conflict).imported_hint) is null;

comment on function conflict_opens(import_conflict) is
    'Whether the values of a conflict are sealed and would be opened to be shown: of an IBAN only its end ever is.';


create or replace function conflicts_read(p_ids bigint[], p_kind text) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_me       bytea := int8send(my_agent());
    v_new      bytea[];
    v_refusal  json;
begin
    v_new := array(
        select v_me || int8send(x)
          from unnest(p_ids) x
         where not exists (
                   select
                     from attempt a
                    where a.kind = p_kind
                      and a.key = v_me || int8send(x)
                      and a.first_at > clock_timestamp() - interval '1 hour'));

    if v_new = '{}' then
        return null;
    end if;

    v_refusal := agent_limit('readings');

    -- what was refused was not seen
    if v_refusal is null then
        perform take(p_kind, k, 2, '1 hour') from unnest(v_new) k;
    end if;

    return v_refusal;
end
$$;

comment on function conflicts_read(bigint[], text) is
    'Counts that an agent is shown conflicts, as one reading; what they have seen within the hour, by which readings are limited, is none again: who decides comes back to the list each time. Input: the conflicts; conflict_seen, or conflict_opened for what is sealed. Result: null to go on, or 429 as agent_limit().';


create or replace function import_conflicts(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_after    bigint := coalesce(to_id(input->>'after'), 0);
    v_rows     import_conflict[];
    v_refusal  json;
begin
    perform require_agent('administrator');

    v_refusal := wrong_filter('apres', is_id(input->>'after'));

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_rows := array(select c
                      from import_conflict c
                     where c.state = 'open' and c.id > v_after
                       and not own_conflict(c)
                     order by c.id
                     limit 26);

    v_refusal := conflicts_read(array(select c.id from unnest(v_rows[1:25]) c),
                                'conflict_seen');
    perform note('read_conflicts', read_outcome(v_refusal));

    if v_refusal is not null then
        return v_refusal;
    end if;

    -- what is sealed is opened on a conflict's own page, which is kept
    return json_build_object('status', 200,
        'conflicts', (select coalesce(json_agg(case when conflict_opens(c)
                                 then (conflict_row(c)::jsonb || '{"masked": true,
                                       "was": null, "asked": null, "now": null,
                                       "imported": null}')::json
                                 else conflict_row(c) end order by c.id), '[]')
                        from unnest(v_rows[1:25]) c),
        'has_conflicts', cardinality(v_rows) > 0,
        'next', case when cardinality(v_rows) > 25 then (v_rows[25]).id::text end);
end
$$;

comment on function import_conflicts(jsonb) is
    'The conflicts that wait to be decided, the oldest first, 25 at a time, none of the administrator''s own family; the audit says who has read them (read_conflicts), and they count as conflicts_read(). Input: after (id of the last one seen). Result: {"status": 200, "conflicts": [conflict_row(), "masked" and without the values where these are sealed], "next"}; 429 too_many_readings. For administrators.';


create or replace function conflict_overrules(p_conflict import_conflict) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    k  import_conflict := p_conflict;
begin
    -- the software will never have it: nobody is told that it has
    update change c
       set state = 'superseded', settled_at = now(), settled_kind = 'agent',
           settled_by = my_agent()
      from change_set s
      join change_item i on i.tenant = s.tenant and i.set_id = s.id
     where c.tenant = s.tenant
       and c.set_id = s.id
       and c.field = k.field
       and c.state in ('open', 'rejected')
       and s.section = k.section
       and (s.guardian_id = k.guardian_id
            or s.child_id = k.child_id
            or s.contact_id = k.contact_id)
       and i.field = k.field
       and i.state = 'accepted'
       and not same(i.asked, i.asked_mac, k.imported, k.imported_mac);

    -- what was accepted once is not waited for any more
    perform import_rule(jsonb_build_object('do', 'acknowledge', 'section', k.section,
                            'id', coalesce(k.guardian_id, k.child_id, k.contact_id),
                            'field', k.field), k.import_id);
end
$$;

comment on function conflict_overrules(import_conflict) is
    'What becomes of accepted changes of a field when the software''s value is taken instead: they are superseded, and imports may write there again. The caller has written that value.';


create or replace function decide_conflict(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_row     import_conflict;
    v_act     text := input->>'act';
    v_reason  text := nullif(btrim(coalesce(input->>'reason', '')), '');
    v_errors  json;
    v_ids     bigint[];
    v_answer  json;
begin
    perform require_agent('administrator');

    v_answer := repeated(input);
    if v_answer is not null then
        return v_answer;
    end if;

    select c.* into v_row from import_conflict c where c.id = to_id(input->>'conflict');

    if not found then
        return done(input, json_build_object('status', 404, 'errors', json_build_array()));
    end if;

    if v_act is null or v_act not in ('keep', 'take') then
        return done(input, refused('act', 'choice'));
    end if;

    perform lock_subject(v_row.guardian_id, v_row.child_id, v_row.family_id);
    select c.* into v_row
      from import_conflict c
     where c.id = v_row.id and c.state = 'open'
       for update;

    if not found then
        return done(input, refused('', 'conflict_decided', 409));
    end if;

    v_errors := case
        when own_conflict(v_row) then refused('', 'own_family', 403)
        -- the file has gone on since the page was shown
        when input->>'version' <> conflict_row(v_row)->>'version'
            then refused('', 'conflict_changed', 409) end;

    if v_errors is not null then
        perform note('decide_conflict', v_errors->'errors'->0->>'code', 'import_conflict',
                     v_row.id);
        return done(input, v_errors);
    end if;

    -- what is decided as one is decided at once
    v_ids := array(
        select c.id
          from conflicts_beside(v_row) c
         where c.id = v_row.id
            or (select s.whole from section s where s.name = v_row.section));

    if v_act = 'take' then
        v_errors := take_imported(v_row.id);

        if v_errors is not null then
            return done(input, json_build_object('status', 422, 'location', null,
                'session', null, 'errors', v_errors));
        end if;

        perform conflict_overrules(c) from import_conflict c where c.id = any (v_ids);
    end if;

    update import_conflict c
       set state = case v_act when 'take' then 'taken' else 'kept' end,
           decided_at = now(), decided_by = my_agent(), reason = v_reason
     where c.id = any (v_ids);

    perform note('decide_conflict', v_act, 'import_conflict', v_row.id);

    return done(input, moved('/imports/conflits', null,
        case v_act when 'take' then 'conflict_taken' else 'conflict_kept' end));
end
$$;

comment on function decide_conflict(jsonb) is
'Decides a conflict; of a section that is decided whole all its fields at once. Input: conflict, act (keep: what the portal holds stays, and the same value brought again is no conflict any more; take: what the software says is written, see conflict_overrules()), reason; version of conflict_row() (absent: any); _ as repeated(). Result: 303 /imports/conflits; 404; 403 own_family; 409 conflict_decided, conflict_changed: file or import say something else by now; 422 where the value does not go with the rest of the file. For administrators.';


grant execute on function imports(jsonb), import_report(jsonb), decide_import(jsonb),
    import_conflicts(jsonb), decide_conflict(jsonb)
   to portal_web;
