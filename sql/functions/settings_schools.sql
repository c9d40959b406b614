--
-- The list of the town's schools, as its administrators keep it.  What children
-- have in the file is never written here: names lead to their school.
--

set search_path = portal, pg_temp;


create or replace function school_children() returns table (name text, children int)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return query
    select school_named(x.name), sum(x.n)::int
      from (select s.name, count(*) as n
              from schooling s
             where s.year = (select school_year())
             group by s.name) x
     group by 1;
end
$$;

comment on function school_children() is 'How many children are in which school this year, listed or not.';


create or replace function school_list(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    perform require_agent('administrator');

    return (select json_build_object('status', 200,
                'schools', (select coalesce(json_agg(json_build_object('id', h.id,
                                      'name', h.name, 'closed', h.closed_at is not null,
                                      'classes', cardinality(h.classes), 'rank', h.rank,
                                      'children', coalesce(n.children, 0))
                                      order by h.closed_at is not null, h.rank, h.name), '[]')
                              from school h
                              left join school_children() n on n.name = h.name),
                'unlisted', coalesce(json_agg(json_build_object('name', u.name,
                                'children', u.children,
                                'listed', school_like(array[u.name], null)) order by u.name)
                                filter (where u.name is not null), '[]'),
                'has_unlisted', count(u.name) > 0)
              from school_children() u
             where not exists (select from school h where h.name = u.name));
end
$$;

comment on function school_list(jsonb) is
'The town''s schools. Result: {"status": 200, "schools": [{"id", "name", "closed", "classes": how many, "rank", "children": of this year}], "unlisted": [{"name", "children", "listed": the school that this is another spelling of, or null}] of the file that are in no list, "has_unlisted": there are}. For administrators.';


create or replace function take_schools(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_refusal  json;
    v_joined   int;
    v_added    int;
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    -- another spelling of a listed school becomes one of its names
    update school h
       set others = (h.others || x.names)[1:40]
      from (select school_like(array[n.name], null) as name,
                   array_agg(n.name order by n.children desc, n.name) as names
              from school_children() n
             where not exists (select from school h where h.name = n.name)
             group by 1) x
     where h.name = x.name
       and cardinality(h.others) < 40;
    get diagnostics v_joined = row_count;

    -- of spellings of one school the one that most children have is its name
    insert into school (tenant, name, others, classes, rank)
    select here(), n.names[1], n.names[2:41],
           coalesce((select (array_agg(distinct s.class order by s.class))[1:60]
                       from schooling s
                      where s.year = school_year() and s.name = any (n.names)
                        and s.class is not null), '{}'),
           least((select coalesce(max(h.rank), 0) from school h)
                 + row_number() over (order by n.names[1]), 999)
      from (select array_agg(c.name order by c.children desc, c.name) as names
              from school_children() c
             where school_like(array[c.name], null) is null
             group by school_key(c.name)) n;
    get diagnostics v_added = row_count;

    if v_added + v_joined = 0 then
        return done(input, refused('', 'nothing_asked'));
    end if;

    perform note('save_school', 'added', 'school', null, null, array['name', 'classes']);

    return done(input, moved('/reglages/ecoles', null, 'settings_saved'));
end
$$;

comment on function take_schools(jsonb) is
'Lists all schools that children are in this year, with their classes; of spellings of one school the one that most children have is its name, the others are what else it is called. Input: idempotency key. Result: moved to the list. Errors: nothing_asked (they are all there). For administrators.';


create or replace function school_values(p_id bigint) returns jsonb
    language sql stable
    return case when p_id is null
        then (select jsonb_build_object('name', null, 'others', null, 'classes', null,
                         'rank', least(coalesce(max(h.rank), 0) + 1, 999),
                         'opening', 'open')
                from school h)
        else (select jsonb_build_object('name', h.name,
                         'others', nullif(array_to_string(h.others, chr(10)), ''),
                         'classes', nullif(array_to_string(h.classes, chr(10)), ''),
                         'rank', h.rank, 'opening', case when h.closed_at is null then 'open'
                                                         else 'closed' end)
                from school h
               where h.id = p_id) end;

comment on function school_values(bigint) is
    'A school as its form has it, names and classes one in a line; null id: what a new one begins with; null: there is none of that id.';


create or replace function school_form(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_id       bigint := to_id(input->>'school');
    v_values   jsonb := school_values(v_id);
    v_version  text;
begin
    perform require_agent('administrator');

    if v_values is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    -- where a new one stands is no matter of versions
    v_version := document_version(case when v_id is null then '{}' else v_values end::json);

    return json_build_object('status', 200, 'version', v_version, 'id', v_id,
        'adds', v_id is null, 'name', v_values->'name',
        'children', (select coalesce(sum(n.children), 0)::int from school_children() n
                      where n.name = v_values->>'name'),
        'values', v_values || jsonb_build_object('version', v_version));
end
$$;

comment on function school_form(jsonb) is
'A school, or a new one. Input: school (empty: a new one). Result: {"status": 200, "version", "id", "adds", "name", "children": of this year, "values": school_values() and version}; 404. For administrators.';


create or replace function lines_of(p_text text) returns text[]
    language sql immutable parallel safe
    return coalesce((select array_agg(l.line order by l.n)
                       from (select distinct on (btrim(x.line)) btrim(x.line) as line, x.n
                               from string_to_table(p_text, chr(10)) with ordinality
                                    as x (line, n)
                              where btrim(x.line) <> ''
                              order by btrim(x.line), x.n) l), '{}');

comment on function lines_of(text) is 'The lines of a text, without empty ones and what stands twice.';


create or replace function school_row(p_values jsonb, p_was text) returns school
    language sql stable
    return jsonb_populate_record(null::school, p_values || jsonb_build_object(
        -- what it was called stays known: the file and imports say it still
        'others', array(select n from unnest(lines_of(p_values->>'others')
                                             || array_remove(array[p_was], null)) n
                         where n <> p_values->>'name'
                         group by n order by min(array_position(
                               lines_of(p_values->>'others') || p_was, n))),
        'classes', lines_of(p_values->>'classes')));

comment on function school_row(jsonb, text) is
    'The row that school_values() make; its former name joins the others. Input: the values, the name it had.';


create or replace function school_row_faults(p_id bigint, p_row school) returns jsonb
    language sql stable
begin atomic
    -- what it is called already is no matter of this change
    with new as (
        select array_agg(n.name) filter (where n.field = 'name') as name,
               array_agg(n.name) filter (where n.field = 'others') as others
          from (select 'name' as field, (p_row).name as name
                 union all
                select 'others', unnest((p_row).others)) n
         where n.name is not null
           and not exists (select from school h
                            where h.id = p_id and n.name = any (h.name || h.others))
    )
    select coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('field', f.field,
                        'code', f.code, 'school', f.school))), '[]')
      from new,
   lateral (values ('name', 'required', (p_row).name is null, null),
                   ('name', 'school_taken', school_like(new.name, p_id) is not null,
                    school_like(new.name, p_id)),
                   ('others', 'school_taken', school_like(new.others, p_id) is not null,
                    school_like(new.others, p_id)),
                   ('others', 'too_many_lines', cardinality((p_row).others) > 40, null),
                   ('classes', 'class_long', exists (
                       select from unnest((p_row).classes) c where length(c) > 60), null))
           as f (field, code, wrong, school)
     where f.wrong;
end;

comment on function school_row_faults(bigint, school) is
    'What is wrong with a school, as errors: no name, a name that is another listed school''s, or another spelling of it ("school" says which), a class with too long a name.';


create or replace function save_school(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_id       bigint := to_id(input->>'school');
    v_refusal  json;
    v_values   jsonb;
    v_changed  jsonb;
    v_row      school;
    v_faults   jsonb;
begin
    v_refusal := settings_turn(input);

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_values := school_values(v_id);
    v_changed := settings_asked(input, v_values);

    v_row := school_row(v_values || coalesce(v_changed, '{}'), v_values->>'name');
    v_faults := school_row_faults(v_id, v_row);

    v_refusal := case
        when v_values is null
            then json_build_object('status', 404, 'errors', json_build_array())
        else coalesce(
            settings_stale(input, school_form(input)->>'version'),
            case when v_changed is null then refused('', 'nothing_asked')
                 when v_faults <> '[]'
                     then json_build_object('status', 422, 'errors', v_faults) end) end;

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    perform write_school(v_id, v_row, (v_values || v_changed)->>'opening' = 'closed', array(
        select n from jsonb_object_keys(v_changed) n order by n));

    return done(input, moved('/reglages/ecoles', null, 'settings_saved'));
end
$$;

comment on function save_school(jsonb) is
'Adds a school, renames it, says its classes, closes it: families are offered it no more, children who are there stay. Input: school (empty: a new one); name, others, classes (a line each), rank, opening: open | closed (absent: stays); version of the page or If-Match; idempotency key. Result: moved to the list. The audit has one row: added or changed, and the names of what was changed. Errors: 404, settings_stale(), nothing_asked, school_row_faults(). For administrators.';


create or replace function write_school(p_id bigint, p_row school, p_closed boolean,
    p_names text[])
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_id  bigint := p_id;
begin
    if v_id is null then
        insert into school (tenant, name, others, classes, rank, closed_at)
        values (here(), p_row.name, p_row.others, p_row.classes, p_row.rank,
                case when p_closed then now() end)
        returning id into v_id;
    else
        update school h
           set name = p_row.name, others = p_row.others, classes = p_row.classes,
               rank = p_row.rank,
               closed_at = case when p_closed then coalesce(h.closed_at, now()) end
         where h.id = v_id;
    end if;

    perform note('save_school', case when p_id is null then 'added' else 'changed' end,
                 'school', v_id, null, p_names);
end
$$;

comment on function write_school(bigint, school, boolean, text[]) is
    'Writes a school and its row of the audit. Input: id (null: a new one), the row, whether it is closed, names of what has changed. The caller holds the town''s row.';


grant execute on function school_list(jsonb), take_schools(jsonb), school_form(jsonb),
    save_school(jsonb)
   to portal_web;
