--
-- What the town's software says of a section, field by field: new, the same, held
-- by what a family has asked for, or a conflict.  import_plan.sql calls it.
--

set search_path = portal, pg_temp;


create or replace function import_tell(r jsonb, p_field text, p_code text) returns jsonb
    language sql immutable
    return jsonb_build_object('kind', r->>'kind', 'key', r->>'key', 'field', p_field,
        'column', r #>> array['columns', p_field], 'code', p_code);

comment on function import_tell(jsonb, text, text) is
    'What is told of a record, for import_line.detail. Input: the record, field (null: all of it), code.';


create or replace function import_refuse(r jsonb, p_field text, p_code text) returns jsonb
    language sql immutable
    return jsonb_build_object('outcome', 'refused', 'ops', '[]'::jsonb,
        'told', jsonb_build_array(import_tell(r, p_field, p_code)));

comment on function import_refuse(jsonb, text, text) is
    'The plan of a record that is refused, see import_plan().';


create or replace function import_left(r jsonb, p_code text) returns jsonb
    language plpgsql immutable set search_path = portal, pg_temp as $$
begin
    return import_plan_of('kept', null)
           || jsonb_build_object('told', jsonb_build_array(import_tell(r, null, p_code)));
end
$$;

comment on function import_left(jsonb, text) is
    'The plan of a record of which nothing is done, beside what else its line says. Input: the record, why: removed_here (a request has taken them out, see import_taken_out()), other_person (see import_stranger()), kept (a request that is not decided is about them).';


-- (in PL/pgSQL, as most of what is called for each record: it keeps its plans)

create or replace function import_plan_of(p_outcome text, p_op jsonb) returns jsonb
    language plpgsql immutable set search_path = portal, pg_temp as $$
begin
    return jsonb_build_object('outcome', p_outcome, 'told', '[]'::jsonb,
        'ops', case when p_op is null then '[]'::jsonb else jsonb_build_array(p_op) end);
end
$$;

comment on function import_plan_of(text, jsonb) is
    'The plan of a record that comes to one thing to do, or to none.';


create or replace function import_staged(p_import bigint, p_kind text, p_key text,
    p_ref text default '')
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_key  import_key;
begin
    select k.* into v_key
      from import_key k
     where k.import_id = p_import and k.kind = p_kind and k.key = p_key and k.ref = p_ref;

    return exists (select
                     from import_line l
                    where l.import_id = p_import and l.file = v_key.file
                      and l.line = v_key.line
                      and l.outcome is distinct from 'refused');
end
$$;

comment on function import_staged(bigint, text, text, text) is
    'Whether another line of the import brings them, which was not refused. Input: import, kind, external id, what else makes the record one.';


create or replace function import_unread(p_import bigint, p_key text) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_keys  text[] := array(
        select k.key
          from import_key k
         where k.import_id = p_import
           and k.kind = 'unread_guardian'
           and k.key = any (array[p_key, '']));
begin
    return p_key = any (v_keys)
           or v_keys <> '{}'
              and not exists (select
                                from import_key k
                               where k.import_id = p_import
                                 and k.kind in ('guardian', 'wrong_guardian')
                                 and k.key = p_key);
end
$$;

comment on function import_unread(bigint, text) is
    'Whether an import may name somebody else by the number of a guardian in a line that could not be read: one that begins with it, or, for those whom no other line names, one of which nobody can tell whom it names. Input: import, external id.';


create or replace function import_held(p_section text, p_id bigint)
    returns table (field text, open boolean, set_id bigint, family_id bigint, old jsonb,
                   old_mac bytea, old_hint text, found jsonb, found_mac bytea,
                   asked jsonb, asked_mac bytea, asked_hint text)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return query
    select i.field, i.state is null, c.id, c.family_id, i.old, i.old_mac::bytea, i.old_hint,
           i.found, i.found_mac::bytea, i.asked, i.asked_mac::bytea, i.asked_hint
      from change_set c
      join change_item i on i.tenant = c.tenant and i.set_id = c.id
     where c.section = p_section
       and c.action in ('change', 'add')
       and case when p_section = 'child_contact' then c.contact_id = p_id
                when p_section like 'child%' then c.child_id = p_id
                else c.guardian_id = p_id end
       and (i.state = 'accepted' and i.acknowledged_at is null
            or i.state is null and c.state in ('sent', 'taken', 'incomplete'))
     order by c.decided_at desc nulls first, c.id desc;
end
$$;

comment on function import_held(text, bigint) is
    'The fields of a person that an import does not overwrite: asked for and not decided (open), or accepted and not acknowledged, the latest first.';


create or replace function import_value(p_field text, p_value jsonb, p_now jsonb)
    returns jsonb
    language sql immutable
    return case when coalesce(p_value, 'null') in ('null', '""')
                then case p_field when 'authority' then '"unanswered"'::jsonb
                                  when 'country' then '"FR"'
                                  when 'collect' then '"no"' when 'emergency' then '"no"'
                                  else 'null' end
                when jsonb_typeof(p_now) = 'number'
                     and p_value #>> '{}' ~ '^-?[0-9]{1,9}$'
                then to_jsonb((p_value #>> '{}')::int)
                else p_value end;

comment on function import_value(text, jsonb, jsonb) is
    'A value as section_values() gives it. Input: field, what the software says, what the file holds.';


create or replace function conflicts_of(p_section text, p_guardian bigint, p_child bigint,
    p_contact bigint)
    returns setof import_conflict
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    -- each by its own index, and by nothing but plain comparisons: row-level
    -- security lets no other go by one
    if p_guardian is not null then
        return query
        select c.* from import_conflict c
         where c.guardian_id = p_guardian and c.section = p_section;

    elsif p_child is not null then
        return query
        select c.* from import_conflict c
         where c.child_id = p_child and c.section = p_section;

    else
        return query
        select c.* from import_conflict c
         where c.contact_id = p_contact and c.section = p_section;
    end if;
end
$$;

comment on function conflicts_of(text, bigint, bigint, bigint) is
    'The conflicts about a section of one person, decided or not. Input: section; the guardian, the child or the contact, the others null.';


create or replace function conflicts_beside(p_conflict import_conflict)
    returns setof import_conflict
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return query
    select c.*
      from conflicts_of((p_conflict).section, (p_conflict).guardian_id,
                        (p_conflict).child_id, (p_conflict).contact_id) c
     where c.state = 'open';
end
$$;

comment on function conflicts_beside(import_conflict) is
    'The open conflicts about the section of the person that a conflict is about, itself among them while it is open.';


create or replace function import_kept_before(p_section text, p_id bigint, p_field text,
    p_value jsonb, p_mac bytea)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (
        select
          from conflicts_of(p_section,
                   case when p_section like 'guardian%' then p_id end,
                   case when p_section like 'child%' and p_section <> 'child_contact'
                        then p_id end,
                   case when p_section = 'child_contact' then p_id end) c
         where c.field = p_field
           and c.state = 'kept'
           and same(c.imported, c.imported_mac, p_value, p_mac));
end
$$;

comment on function import_kept_before(text, bigint, text, jsonb, bytea) is
    'Whether an agent has already decided that the portal''s value stays, over the same one of the software.';


create or replace function import_fields(p_section text, p_id bigint, p_now jsonb,
    r jsonb, p_values jsonb)
    returns table (field text, fate text, value jsonb, mac text, hint text, held jsonb,
                   acknowledges boolean)
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_held  jsonb := (select coalesce(jsonb_agg(to_jsonb(h)), '[]')
                        from import_held(p_section, p_id) h);
    v_same  boolean;
    v_mac   bytea;
    h       record;
begin
    for field, value in
        select f.name, import_value(f.name, p_values->f.name, p_now->f.name)
          from field f
         where f.section = p_section
           and p_values ? f.name
           and (p_section, f.name) <> ('child_contact', 'rank')
         order by f.rank
    loop
        mac := r #>> array['macs', field];
        hint := r #>> array['hints', field];
        v_mac := decode(mac, 'hex');
        v_same := same(p_now->field, value_mac(p_now, field), value, v_mac);
        fate := case when v_same then 'same' else 'differs' end;
        held := null;
        acknowledges := false;

        -- the latest that was accepted, and whatever else holds the field
        for h in
            select x.*, (not x.open and row_number() over (partition by x.open) = 1) as last
              from jsonb_to_recordset(v_held) as x (field text, open boolean, set_id bigint,
                       family_id bigint, old jsonb, old_mac bytea, old_hint text,
                       found jsonb, found_mac bytea, asked jsonb, asked_mac bytea,
                       asked_hint text)
             where x.field = import_fields.field
        loop
            if h.last and same(h.asked, h.asked_mac, value, v_mac) then
                -- and what was accepted before it is past as well
                acknowledges := true;
                fate := case when v_same then 'same' else 'differs' end;
                held := null;
                exit;
            end if;

            continue when v_same;

            if held is null then
                held := to_jsonb(h);
                fate := 'conflict';
            end if;

            if same(h.old, h.old_mac, value, v_mac)
               or h.found is not null and same(h.found, h.found_mac, value, v_mac)
               or same(h.asked, h.asked_mac, value, v_mac)
            then
                fate := 'kept';
            end if;
        end loop;

        -- decided once over that value
        if fate = 'conflict'
           and import_kept_before(p_section, p_id, field, value, v_mac)
        then
            fate := 'kept';
        end if;

        return next;
    end loop;
end
$$;

comment on function import_fields(text, bigint, jsonb, jsonb, jsonb) is
    'What each field that the software names comes to: same, differs, kept (held by a request, and the software only says what was there or what is asked), conflict; whether it shows that it holds what was accepted. Input: section, person, section_values(), the record, its values.';


create or replace function import_missing(p_section text, v jsonb) returns text
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select f.name
              from field f
             where f.section = p_section
               and f.policy = 'required'
               and f.name not in ('mandate', 'collect', 'emergency')
               and coalesce(v->>f.name, '') = ''
             order by f.rank
             limit 1);
end
$$;

comment on function import_missing(text, jsonb) is
    'The first field that the file cannot be without and that a section would be without, or null.';


create or replace function import_over(p_now jsonb, p_values jsonb, r jsonb) returns jsonb
    language plpgsql immutable set search_path = portal, pg_temp as $$
begin
    return p_now || p_values || jsonb_build_object(
        '_mac', coalesce(p_now->'_mac', '{}') || coalesce(r->'macs', '{}'),
        '_hint', coalesce(p_now->'_hint', '{}') || coalesce(r->'hints', '{}'));
end
$$;

comment on function import_over(jsonb, jsonb, jsonb) is
    'A section''s values with those of a record laid over them.';


create or replace function import_section(p_section text, p_id bigint, p_now jsonb,
    r jsonb, p_values jsonb)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_macs     jsonb := coalesce(r->'macs', '{}');
    v_clear    jsonb := p_values;
    v_held     boolean;
    v_plan     jsonb := '[]';
    v_whole    boolean;
    v_fates    text[];
    v_values   jsonb := '{}';
    v_ops      jsonb := '[]';
    v_told     jsonb := '[]';
    v_faults   jsonb;
    v_missing  text;
    f          record;
begin
    v_held := exists (select
                        from change_set c
                       where c.section = p_section
                         and case when p_section = 'child_contact' then c.contact_id = p_id
                                  when p_section like 'child%' then c.child_id = p_id
                                  else c.guardian_id = p_id end);

    -- as most are: nothing is new
    if not v_held then
        if v_macs <> '{}' then
            v_clear := v_clear - array(select jsonb_object_keys(v_macs));
        end if;

        if p_now @> v_clear and coalesce(p_now->'_mac', '{}') @> v_macs then
            return import_plan_of('unchanged', null);
        end if;
    end if;

    v_plan := (select coalesce(jsonb_agg(to_jsonb(x)), '[]')
                 from import_fields(p_section, p_id, p_now, r, p_values) x);
    v_fates := array(select x->>'fate' from jsonb_array_elements(v_plan) x);
    v_whole := (select s.whole from section s where s.name = p_section);

    -- half of a section that is decided whole is not written: all of what differs
    -- is for the agent
    if v_whole and ('conflict' = any (v_fates)
                    or 'kept' = any (v_fates) and 'differs' = any (v_fates))
    then
        v_plan := (select jsonb_agg(case when x->>'fate' in ('differs', 'kept')
                              then x || '{"fate": "conflict"}' else x end)
                     from jsonb_array_elements(v_plan) x);
    end if;

    for f in
        select x.*
          from jsonb_to_recordset(v_plan) as x (field text, fate text, value jsonb,
                   mac text, hint text, held jsonb, acknowledges boolean)
    loop
        if f.acknowledges then
            v_ops := v_ops || jsonb_build_object('do', 'acknowledge', 'section', p_section,
                         'id', p_id, 'field', f.field);
        end if;

        if f.fate = 'differs' then
            v_values := v_values || jsonb_build_object(f.field, f.value);
        elsif f.fate <> 'same' then
            v_told := v_told || import_tell(r, f.field, f.fate);
        end if;

        if f.fate = 'conflict' then
            v_ops := v_ops || jsonb_build_object('do', 'conflict', 'section', p_section,
                'id', p_id, 'field', f.field, 'family', f.held->'family_id',
                'set', f.held->'set_id',
                'was', coalesce(f.held->'old', p_now->f.field, 'null'),
                'was_hint', case when f.held is null then p_now #>> array['_hint', f.field]
                                 else f.held->>'old_hint' end,
                'asked', coalesce(f.held->'asked', p_now->f.field, 'null'),
                'asked_hint', case when f.held is null
                                   then p_now #>> array['_hint', f.field]
                                   else f.held->>'asked_hint' end,
                'imported', coalesce(f.value, 'null'), 'imported_mac', f.mac,
                'imported_hint', f.hint);
        end if;
    end loop;

    if v_held then
        v_ops := v_ops || jsonb_build_object('do', 'settle', 'section', p_section,
            'id', p_id, 'fields', (select coalesce(jsonb_agg(x->'field'), '[]')
                                     from jsonb_array_elements(v_plan) x
                                    where x->>'fate' <> 'conflict'));
    end if;

    if v_values <> '{}' then
        v_values := import_over(p_now, v_values, jsonb_build_object(
            'macs', (select coalesce(jsonb_object_agg(k.key, v_macs->k.key), '{}')
                       from jsonb_each(v_values) k),
            'hints', (select coalesce(jsonb_object_agg(k.key, r #> array['hints', k.key]), '{}')
                        from jsonb_each(v_values) k)));
        v_missing := import_missing(p_section, v_values);

        if v_missing is not null then
            return import_refuse(r, v_missing, 'required');
        end if;

        v_faults := section_faults(p_section, v_values);

        if v_faults <> '[]' then
            return import_refuse(r, v_faults #>> '{0,field}', v_faults #>> '{0,code}');
        end if;

        v_ops := v_ops || jsonb_build_object('do', 'apply', 'section', p_section, 'id', p_id,
                     'values', v_values);
    end if;

    return jsonb_build_object('ops', v_ops, 'told', v_told,
        'outcome', case when v_told @> '[{"code": "conflict"}]' then 'conflict'
                        when v_values <> '{}' then 'updated'
                        when v_told <> '[]' then 'kept' else 'unchanged' end);
end
$$;

comment on function import_section(text, bigint, jsonb, jsonb, jsonb) is
    'The plan of what a record says of a section of somebody who is in the file. Input: section, person, section_values(), the record, its values as fields of the section. What it does not name stays.';
