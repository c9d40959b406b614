--
-- What the gate asks of a machine, and what a machine's cut body leaves.
--

set search_path = portal, pg_temp;


create or replace function may_machine(p_right text) returns void
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    perform require_machine(p_right);
end
$$;

comment on function may_machine(text) is
    'require_machine() for nginx''s gate, which asks right after enter_machine(), before it reads a body. Input: the right that the location names. Errors, raised: PT403.';


create or replace function forget_import(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_id  bigint;
begin
    perform require_machine('import');

    v_id := my_filling((input->>'upload')::uuid);

    update import i
       set state = 'cancelled', finished_at = now()
     where i.id = v_id;

    if found then
        perform note('start_import', 'cut', 'import', v_id);
    end if;

    return json_build_object('status', 200);
end
$$;

comment on function forget_import(jsonb) is
    'A body that a machine has not sent to its end is given up: its pieces go with those of other cancelled imports. Input: upload (id of its file). Result: {"status": 200}, whether there was one or not.';


create or replace function import_sheet(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_lines   int := case when input ? 'piece' then 500 else 50000 end;
    -- the last line that was given, how many rows there were by then, its file
    v_line    int := coalesce(to_id(split_part(input->>'piece', ':', 1)), 0);
    v_given   int := coalesce(to_id(split_part(input->>'piece', ':', 2)), 0);
    v_file    text := coalesce(substring(input->>'piece' from '^\d+:\d+:(.*)$'), '');
    v_import  import;
    v_rows    json;
    v_count   int;
begin
    perform require_agent('administrator');

    select i.* into v_import
      from import i
     where i.id = to_id(input->>'import') and i.state <> 'filling';

    if not found then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    select coalesce(json_agg(json_build_object('file', x.file, 'line', x.line,
                        'outcome', x.outcome, 'column', x.told->>'column',
                        'key', x.told->>'key', 'code', x.told->>'code',
                        'first_file', x.told->>'first_file',
                        'first_line', (x.told->>'first_line')::int)
                    order by x.file, x.line, x.n), '[]'),
           count(distinct (x.file, x.line))
      into v_rows, v_count
      from (select l.file, l.line, l.outcome, d.told, d.n
              from import_report_lines(v_import.id, null, v_file, v_line, v_lines) l
              left join lateral jsonb_array_elements(l.errors || l.detail)
                   with ordinality as d (told, n) on true
             order by l.file, l.line, d.n
             limit 50000 - v_given) x;

    if not input ? 'piece' then
        return json_build_object('status', 200, 'rows', v_rows);
    end if;

    v_given := v_given + json_array_length(v_rows);

    return json_build_object('status', 200, 'rows', v_rows, 'later', v_line > 0,
        'more', case when v_count = v_lines and v_given < 50000
                     then (v_rows->-1->>'line') || ':' || v_given || ':'
                          || (v_rows->-1->>'file') end);
end
$$;

comment on function import_sheet(jsonb) is
'The report of an import for a spreadsheet: each thing that is told of its lines, those that are clean left out, and what own_told() keeps; 50,000 at most. Input: import; piece (nginx''s alone, "" at first): of 500 lines, and whether they are "later" ones and what "more" are asked for by as the next piece.
Result: {"status": 200, "rows": [{"file", "line", "outcome", "column", "key", "code", "first_file", "first_line": of a duplicate}]}; 404. For administrators.';


create or replace function conflict(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_row      import_conflict;
    v_opens    boolean := false;
    v_shown    json;
    v_refusal  json;
begin
    perform require_agent('administrator');

    select c.* into v_row from import_conflict c where c.id = to_id(input->>'conflict');

    if not found then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    if own_conflict(v_row) then
        v_refusal := may_read(true, false);
    else
        v_opens := conflict_opens(v_row);
        v_refusal := conflicts_read(array[v_row.id],
            case when v_opens then 'conflict_opened' else 'conflict_seen' end);
    end if;

    if v_opens then
        perform note('read_' || split_part(v_row.section, '_', 2), read_outcome(v_refusal),
                     split_part(v_row.section, '_', 1),
                     coalesce(v_row.guardian_id, v_row.child_id));
    else
        perform note('read_conflicts', read_outcome(v_refusal), 'import_conflict', v_row.id);
    end if;

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_shown := conflict_row(v_row);

    return json_build_object('status', 200, 'conflict', v_shown,
        'decides', v_row.state = 'open',
        'values', json_build_object('version', v_shown->'version'));
end
$$;

comment on function conflict(jsonb) is
    'A conflict by itself. Input: conflict (its id). Result: {"status": 200, "conflict": conflict_row(), "decides": it still waits, "values": its form''s}; the audit says who has seen it (read_conflicts; read_tax, read_bank where its values are sealed), and it counts as conflicts_read(); 404; 403 own_family; 429 too_many_readings. For administrators.';


grant execute on function may_machine(text), forget_import(jsonb), import_sheet(jsonb),
    conflict(jsonb)
   to portal_web;
