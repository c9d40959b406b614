--
-- What the town's software says, compared with the file of the families, and
-- written into it.  A line is planned first: what it comes to and what would be
-- done (its "ops").  Applying plans it again and does that, so that a dry run
-- never says something else than the run.
--

set search_path = portal, pg_temp;


-- planning ----------------------------------------------------------------

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


create or replace function import_kept_before(p_section text, p_id bigint, p_field text,
    p_value jsonb, p_mac bytea)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (
        select
          from import_conflict c
         where c.section = p_section
           and c.field = p_field
           and coalesce(c.guardian_id, 0)
               = case when p_section like 'guardian%' then p_id else 0 end
           and coalesce(c.child_id, 0)
               = case when p_section like 'child%' and p_section <> 'child_contact'
                      then p_id else 0 end
           and coalesce(c.contact_id, 0)
               = case when p_section = 'child_contact' then p_id else 0 end
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


create or replace function import_family(p_import bigint, r jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v          jsonb := jsonb_strip_nulls(r->'values');
    v_family   family;
    v_other    family;
    v_number   text := v->>'number';
begin
    select f.* into v_family from family f where f.external_id = r->>'key';

    if v_number is not null and v_number is distinct from v_family.number then
        select f.* into v_other from family f where f.number = v_number;

        -- a family of before there was an interface
        if v_other.id is not null and v_family.id is null and v_other.external_id is null then
            v_family := v_other;
        elsif v_other.id is not null then
            return import_refuse(r, 'number', 'number_taken');
        end if;
    end if;

    if v_family.id is not null then
        if (v_family.external_id, v_family.number, v_family.label)
           is not distinct from (r->>'key', coalesce(v_number, v_family.number),
                                 coalesce(v->>'label', v_family.label))
           and (not r->'values' ? 'accounting_code'
                or v_family.accounting_code is not distinct from v->>'accounting_code')
        then
            return import_plan_of('unchanged', null);
        end if;

        return import_plan_of('updated', jsonb_build_object('do', 'family_again',
            'id', v_family.id, 'key', r->>'key', 'number', v_number, 'label', v->>'label',
            'accounting_code', case when r->'values' ? 'accounting_code'
                                    then v->>'accounting_code'
                                    else v_family.accounting_code end));
    end if;

    if v_number is null then
        v_number := upper(r->>'key');

        if v_number !~ '^[0-9A-Z-]{1,20}$'
           or exists (select from family f where f.number = v_number)
        then
            v_number := 'I' || lpad(floor(random() * 1000000000)::bigint::text, 9, '0');
        end if;
    end if;

    return import_plan_of('created', jsonb_build_object('do', 'family', 'key', r->>'key',
        'number', v_number, 'label', v->>'label', 'accounting_code', v->>'accounting_code'));
end
$$;

comment on function import_family(bigint, jsonb) is
    'The plan of a family. Who has no number gets the external id as one where it can be; one of that number without an external id is the same family.';


create or replace function import_guardian(p_import bigint, r jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v           jsonb := r->'values';
    v_guardian  guardian;
    v_family    family;
    v_plan      jsonb;
    v_missing   text;
begin
    select g.* into v_guardian from guardian g where g.external_id = r->>'key';

    if v_guardian.id is null or r ? 'ref' then
        select f.* into v_family from family f where f.external_id = r->>'ref';
    end if;

    if v_guardian.id is not null and r ? 'ref'
       and v_family.id is distinct from v_guardian.family_id
    then
        return import_refuse(r, 'family', 'other_family');
    end if;

    if v_guardian.id is null then
        -- who was asked for here, and is known there by now
        select g.* into v_guardian
          from guardian g
         where g.family_id = v_family.id
           and g.external_id is null
           and g.search = fold((v->>'last_name') || (v->>'first_name'))
           and (g.birth_date = (v->>'birth_date')::date
                or g.birth_date is null or v->>'birth_date' is null)
         order by g.rank
         limit 1;
    end if;

    if v_guardian.id is null
       and exists (select from import_removed d
                    where d.kind = 'guardian' and d.key = r->>'key' and d.ref = r->>'ref')
    then
        return import_plan_of('kept', null) || jsonb_build_object('told',
                   jsonb_build_array(import_tell(r, null, 'removed_here')));
    end if;

    if v_guardian.id is null then
        if v_family.id is null
           and not import_staged(p_import, 'family', r->>'ref')
        then
            return import_refuse(r, 'family', 'unknown_family');
        end if;

        v := v || jsonb_build_object('link', coalesce(v->>'link', 'guardian'));
        v_missing := import_missing('guardian_basic', v);

        return case when v_missing is not null then import_refuse(r, v_missing, 'required')
                    else import_plan_of('created', jsonb_build_object('do', 'guardian',
                             'key', r->>'key', 'ref', r->>'ref', 'seal_id', r->'seal_id',
                             'values', v)) end;
    end if;

    v_plan := import_section('guardian_basic', v_guardian.id,
                             section_values('guardian_basic', v_guardian.id), r, v);

    if v_guardian.external_id is null
       or v ? 'payer' and (v->>'payer' = 'yes') is distinct from v_guardian.payer
    then
        v_plan := v_plan || jsonb_build_object(
            'outcome', case v_plan->>'outcome' when 'unchanged' then 'updated'
                            when 'kept' then 'updated' else v_plan->>'outcome' end,
            'ops', v_plan->'ops' || jsonb_build_object('do', 'guardian_again',
                       'id', v_guardian.id, 'key', r->>'key',
                       'payer', coalesce(v->>'payer' = 'yes', v_guardian.payer)));
    end if;

    return v_plan;
end
$$;

comment on function import_guardian(bigint, jsonb) is
    'The plan of a guardian. One of the same name in the family, who has no external id, is the same.';


create or replace function import_part(p_import bigint, r jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_section   text := 'guardian_' || (r->>'kind');
    v           jsonb := r->'values';
    v_guardian  guardian;
    v_now       jsonb := '{}';
    v_bank      bank;
    v_plan      jsonb;
    v_missing   text;
begin
    select g.* into v_guardian from guardian g where g.external_id = r->>'key';

    if v_guardian.id is null
       and not import_staged(p_import, 'guardian', r->>'key')
    then
        return import_refuse(r, 'guardian', 'unknown_guardian');
    end if;

    -- what was sealed for another place opens nowhere else
    if v_guardian.id is not null and r ? 'seal_id'
       and (r->>'seal_id')::uuid <> v_guardian.seal_id
    then
        return import_refuse(r, 'guardian', 'try_again');
    end if;

    if v_guardian.id is not null then
        v_now := section_values(v_section, v_guardian.id);
    end if;

    if r->>'kind' = 'bank' then
        v := v - '{mandate_reference,mandate_date}'::text[]
             || case when v ? 'mandate_date'
                     then jsonb_build_object('mandate', v->'mandate_date')
                     else '{}' end;

        if r #>> '{values,mandate_reference}' is not null
           and coalesce(v->>'mandate', v_now->>'mandate') is null
        then
            return import_refuse(r, 'mandate_date', 'required');
        end if;

        if v_now->>'holder' is null and v->>'holder' is null then
            v := v || jsonb_build_object('holder', left(coalesce(
                     v_guardian.first_name || ' ' || v_guardian.last_name,
                     (select (x #>> '{values,first_name}') || ' ' || (x #>> '{values,last_name}')
                        from import_key k
                        join import_line l on l.tenant = k.tenant
                                          and l.import_id = k.import_id
                                          and l.file = k.file and l.line = k.line
                       cross join lateral jsonb_array_elements(l.records) x
                       where k.import_id = p_import and k.kind = 'guardian'
                         and k.key = r->>'key' and x->>'kind' = 'guardian'
                         and x->>'key' = k.key)), 70));
        end if;
    end if;

    if r->>'kind' = 'address'
       and coalesce(v->>'country', v_now->>'country', '') = ''
    then
        v := v || '{"country": "FR"}';
    end if;

    if v_guardian.id is not null
       and (r->>'kind' = 'tax' or import_missing(v_section, v_now) is null
            or exists (select from import_held(v_section, v_guardian.id)))
    then
        v_plan := import_section(v_section, v_guardian.id, v_now, r, v);
    else
        -- the first of its kind: all at once or not at all
        v := import_over(v_now, v, r);
        v_missing := import_missing(v_section, v);

        if v_missing is not null then
            return import_refuse(r, v_missing, 'required');
        end if;

        if section_faults(v_section, v) <> '[]' then
            return import_refuse(r, section_faults(v_section, v) #>> '{0,field}',
                                 section_faults(v_section, v) #>> '{0,code}');
        end if;

        v_plan := import_plan_of('created', jsonb_build_object(
            'do', case r->>'kind' when 'address' then 'address' else 'apply' end,
            'section', v_section, 'key', r->>'key', 'id', v_guardian.id, 'values', v));
    end if;

    -- the bank's own reference of the mandate goes with the account
    if r->>'kind' = 'bank' and r #>> '{values,mandate_reference}' is not null
       and v_plan->>'outcome' in ('created', 'updated', 'unchanged')
    then
        select b.* into v_bank from bank b where b.guardian_id = v_guardian.id;

        if v_bank.mandate_reference is distinct from r #>> '{values,mandate_reference}' then
            v_plan := v_plan || jsonb_build_object(
                'outcome', replace(v_plan->>'outcome', 'unchanged', 'updated'),
                'ops', v_plan->'ops' || jsonb_build_object('do', 'mandate',
                           'key', r->>'key',
                           'reference', r #> '{values,mandate_reference}'));
        end if;
    end if;

    return v_plan;
end
$$;

comment on function import_part(bigint, jsonb) is
    'The plan of an address, tax or bank: parts of a guardian.';


create or replace function import_child(p_import bigint, r jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v          jsonb := r->'values';
    v_child    child;
    v_plan     jsonb;
    v_missing  text;
begin
    select c.* into v_child from child c where c.external_id = r->>'key';

    if v_child.id is null then
        -- who was asked for here, and is known there by now
        select c.* into v_child
          from child c
         where c.search = fold((v->>'last_name') || (v->>'first_name'))
           and c.birth_date = (v->>'birth_date')::date
           and c.external_id is null
           and exists (select
                         from import_key k
                         join family f on f.tenant = k.tenant and f.external_id = k.ref
                         join child_family m on m.tenant = f.tenant and m.family_id = f.id
                                            and m.child_id = c.id
                        where k.import_id = p_import
                          and k.kind = 'child_family'
                          and k.key = r->>'key')
         order by c.id
         limit 1;
    end if;

    if v_child.id is null then
        v_missing := import_missing('child_general', v);

        return case when v_missing is not null then import_refuse(r, v_missing, 'required')
                    else import_plan_of('created', jsonb_build_object('do', 'child',
                             'key', r->>'key', 'values', v)) end;
    end if;

    v_plan := import_section('child_general', v_child.id,
                             section_values('child_general', v_child.id), r, v);

    if v_child.external_id is null then
        v_plan := v_plan || jsonb_build_object(
            'outcome', case v_plan->>'outcome' when 'unchanged' then 'updated'
                            when 'kept' then 'updated' else v_plan->>'outcome' end,
            'ops', v_plan->'ops' || jsonb_build_object('do', 'child_again',
                       'id', v_child.id, 'key', r->>'key'));
    end if;

    return v_plan;
end
$$;

comment on function import_child(bigint, jsonb) is
    'The plan of a child. One of the same name and birth date in a family that this import links it with, which has no external id, is the same.';


create or replace function import_link(p_import bigint, r jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_child   bigint;
    v_family  bigint;
begin
    select c.id into v_child from child c where c.external_id = r->>'key';
    select f.id into v_family from family f where f.external_id = r->>'ref';

    if v_child is null and not import_staged(p_import, 'child', r->>'key') then
        return import_refuse(r, 'child', 'unknown_child');
    end if;

    if v_family is null and not import_staged(p_import, 'family', r->>'ref') then
        return import_refuse(r, 'family', 'unknown_family');
    end if;

    if exists (select from child_family m
                where m.child_id = v_child and m.family_id = v_family)
    then
        return import_plan_of('unchanged', null);
    end if;

    if exists (select from import_removed d
                where d.kind = 'child_family' and d.key = r->>'key' and d.ref = r->>'ref')
    then
        return import_plan_of('kept', null)
               || jsonb_build_object('told', jsonb_build_array(
                      import_tell(r, null, 'removed_here')));
    end if;

    return import_plan_of('created', jsonb_build_object('do', 'child_family',
               'key', r->>'key', 'ref', r->>'ref'));
end
$$;

comment on function import_link(bigint, jsonb) is
    'The plan of a child''s living in a household.';


create or replace function import_schooling(p_import bigint, r jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v         jsonb := (r->'values') - 'year';
    v_year    text := coalesce(r #>> '{values,year}', school_year());
    v_child   bigint;
    v_now     jsonb;
    v_after   jsonb;
begin
    select c.id into v_child from child c where c.external_id = r->>'key';

    if v_child is null and not import_staged(p_import, 'child', r->>'key') then
        return import_refuse(r, 'child', 'unknown_child');
    end if;

    -- of this year it is a part of a section that families may ask about
    if v_child is not null and v_year = school_year()
       and exists (select from change_set c
                    where c.child_id = v_child and c.section = 'child_general')
    then
        return import_section('child_general', v_child,
                              section_values('child_general', v_child), r, v);
    end if;

    select jsonb_build_object('school_name', s.name, 'school_level', s.level,
               'school_class', s.class)
      into v_now
      from schooling s
     where s.child_id = v_child and s.year = v_year;

    if coalesce(v_now, '{"school_name": null, "school_level": null, "school_class": null}')
       @> v
    then
        return import_plan_of('unchanged', null);
    end if;

    v_after := coalesce(v_now, '{}') || v;

    if v_after->>'school_name' is null then
        return import_refuse(r, 'school_name', 'required');
    end if;

    return import_plan_of(case when v_now is null then 'created' else 'updated' end,
        jsonb_build_object('do', 'schooling', 'key', r->>'key', 'year', v_year,
                           'values', v_after));
end
$$;

comment on function import_schooling(bigint, jsonb) is
    'The plan of a child''s school in a year.';


create or replace function import_contact(p_import bigint, r jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v          jsonb := (r->'values') - 'rank';
    v_name     text := fold(coalesce(v->>'last_name', '') || coalesce(v->>'first_name', ''));
    v_child    bigint;
    v_plan     jsonb;
    v_all      jsonb := import_plan_of('unchanged', null);
    v_missing  text;
    w          record;
begin
    select c.id into v_child from child c where c.external_id = r->>'key';

    if v_child is null and not import_staged(p_import, 'child', r->>'key') then
        return import_refuse(r, 'child', 'unknown_child');
    end if;

    if r->>'ref' is not null
       and not exists (select from child_family m
                         join family f on f.tenant = m.tenant and f.id = m.family_id
                        where m.child_id = v_child and f.external_id = r->>'ref')
       and not import_staged(p_import, 'child_family', r->>'key', r->>'ref')
    then
        return import_refuse(r, 'family', 'unknown_family');
    end if;

    for w in
        select f.id as family, k.id as contact
          from child_family x
          join family f on f.tenant = x.tenant and f.id = x.family_id
          left join contact k on k.tenant = x.tenant and k.family_id = x.family_id
                             and k.child_id = x.child_id
                             and fold(k.last_name || k.first_name) = v_name
         where x.child_id = v_child
           and (r->>'ref' is null or f.external_id = r->>'ref')
         union all
        -- not there yet, when it is only checked
        select null, null
         where v_child is null
            or not exists (select from child_family x
                            where x.child_id = v_child)
    loop
        if w.contact is not null then
            v_plan := import_section('child_contact', w.contact,
                          section_values('child_contact', w.contact), r, v);
        else
            v_plan := '{"link": "other", "collect": "no", "emergency": "no"}'
                      || jsonb_strip_nulls(v);
            v_missing := import_missing('child_contact', v_plan);

            if v_missing is not null then
                return import_refuse(r, v_missing, 'required');
            end if;

            if section_faults('child_contact', v_plan) <> '[]' then
                return import_refuse(r, section_faults('child_contact', v_plan)
                                        #>> '{0,field}',
                                     section_faults('child_contact', v_plan) #>> '{0,code}');
            end if;

            v_plan := import_plan_of('created', jsonb_build_object('do', 'contact',
                          'family', w.family, 'key', r->>'key', 'values', v_plan));
        end if;

        if v_plan->>'outcome' = 'refused' then
            return v_plan;
        end if;

        v_all := import_joined(v_all, v_plan);
    end loop;

    return v_all;
end
$$;

comment on function import_contact(bigint, jsonb) is
    'The plan of a contact, in the household that is named or in each of the child''s. One of the same name is the same.';


create or replace function import_joined(a jsonb, b jsonb) returns jsonb
    language plpgsql immutable set search_path = portal, pg_temp as $$
declare
    v_order  text[] := '{unchanged,kept,updated,created,conflict}';
begin
    if b->>'outcome' = 'unchanged' and b->'ops' = '[]' then
        return a;
    end if;

    return jsonb_build_object('ops', (a->'ops') || (b->'ops'),
        'told', (a->'told') || (b->'told'),
        'outcome', v_order[greatest(array_position(v_order, a->>'outcome'),
                                    array_position(v_order, b->>'outcome'))]);
end
$$;

comment on function import_joined(jsonb, jsonb) is 'Two plans, neither of them refused, as one.';


create or replace function import_plan(p_line import_line) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_import  bigint := p_line.import_id;
    v_plan    jsonb;
    v_one     jsonb;
    r         jsonb;
begin
    if p_line.errors <> '[]'
       and (p_line.records = '[]'
            or p_line.errors @? '$[*] ? (!(@.left == true))')
    then
        return import_plan_of('refused', null);
    end if;

    for r in select x from jsonb_array_elements(p_line.records) x loop
        v_one := case r->>'kind'
            when 'family' then import_family(v_import, r)
            when 'guardian' then import_guardian(v_import, r)
            when 'child' then import_child(v_import, r)
            when 'child_family' then import_link(v_import, r)
            when 'schooling' then import_schooling(v_import, r)
            when 'contact' then import_contact(v_import, r)
            else import_part(v_import, r) end;

        -- a line counts as a whole
        if v_one->>'outcome' = 'refused' then
            return v_one;
        end if;

        v_plan := case when v_plan is null then v_one else import_joined(v_plan, v_one) end;
    end loop;

    return coalesce(v_plan, import_plan_of('unchanged', null));
end
$$;

comment on function import_plan(import_line) is
    'What a line comes to: {"outcome", "told": as import_line.detail, "ops": what is to be done, see import_write()}. Nothing is written; a line with anything that is refused is refused.';


-- writing -----------------------------------------------------------------

create or replace function import_must(p_wanted bigint, p_rows bigint, p_code text)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if p_wanted <> p_rows then
        raise exception using errcode = 'PT422', message = p_code;
    end if;
end
$$;

comment on function import_must(bigint, bigint, text) is
    'Raises PT422 where fewer rows were written than there are things to do: what they refer to is not there.';


create or replace function import_make_guardians(p_ops jsonb[]) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_rows  bigint;
begin
    -- the keys apart: under row-level security an expression over what an op says
    -- goes by no index
    with o as materialized (
        select x.n, x.op->>'key' as key, x.op->>'ref' as ref,
               (x.op->>'seal_id')::uuid as seal_id, x.op->'values' as v
          from unnest(p_ops) with ordinality as x (op, n)
         where x.op->>'do' = 'guardian')
    insert into guardian (tenant, family_id, rank, seal_id, title, last_name, birth_name,
                          first_name, birth_date, birth_place, link, authority, payer, email,
                          phone_mobile, phone_home, phone_work, profession, employer,
                          external_id)
    select here(), f.id,
           coalesce((select max(g.rank) from guardian g where g.family_id = f.id), 0)
           + row_number() over (partition by f.id order by
                 (case when v->>'rank' ~ '^[0-9]{1,2}$' then v->>'rank' end)::int, o.n),
           coalesce(o.seal_id,
                    (select k.seal_id
                       from import_key k
                      where k.import_id = current_setting('portal.import')::bigint
                        and k.kind in ('tax', 'bank') and k.key = o.key
                        and k.ref = ''
                        and k.seal_id is not null
                      limit 1), gen_random_uuid()),
           v->>'title', v->>'last_name', v->>'birth_name', v->>'first_name',
           (v->>'birth_date')::date, v->>'birth_place', v->>'link',
           case v->>'authority' when 'yes' then true when 'no' then false end,
           coalesce(v->>'payer' = 'yes', false), v->>'email', v->>'phone_mobile',
           v->>'phone_home', v->>'phone_work', v->>'profession', v->>'employer',
           o.key
      from o
      join family f on f.external_id = o.ref;
    get diagnostics v_rows = row_count;
    perform import_must((select count(*) from unnest(p_ops) o where o->>'do' = 'guardian'),
                        v_rows, 'unknown_family');

    -- a family that nobody has named is called by its guardians
    with o as materialized (
        select distinct x->>'ref' as ref from unnest(p_ops) x where x->>'do' = 'guardian')
    update family f
       set label = g.label
      from (select m.family_id,
                   left(string_agg(distinct m.last_name, ' / '), 200) as label
              from guardian m
             where m.family_id in (
                       select x.id
                         from o
                         join family x on x.external_id = o.ref
                        where x.label = x.number)
             group by m.family_id) g
     where f.id = g.family_id;
end
$$;

comment on function import_make_guardians(jsonb[]) is
    'Adds the guardians of a batch, last in their families.';


create or replace function import_make_children(p_ops jsonb[]) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_rows  bigint;
begin
    insert into child (tenant, last_name, first_name, birth_date, birth_place, sex, diet,
                       external_id)
    select here(), v->>'last_name', v->>'first_name', (v->>'birth_date')::date,
           v->>'birth_place', v->>'sex', v->>'diet', o->>'key'
      from unnest(p_ops) o
     cross join lateral (select o->'values') as w (v)
     where o->>'do' = 'child';

    with o as materialized (
        select x.n, x.op->>'key' as key, x.op->>'ref' as ref
          from unnest(p_ops) with ordinality as x (op, n)
         where x.op->>'do' = 'child_family')
    insert into child_family (tenant, family_id, rank, child_id)
    select here(), f.id,
           coalesce((select max(m.rank) from child_family m where m.family_id = f.id), 0)
           + row_number() over (partition by f.id order by o.n), c.id
      from o
      join family f on f.external_id = o.ref
      join child c on c.external_id = o.key;
    get diagnostics v_rows = row_count;
    perform import_must((select count(*) from unnest(p_ops) o
                          where o->>'do' = 'child_family'), v_rows, 'unknown_child');
end
$$;

comment on function import_make_children(jsonb[]) is
    'Adds the children of a batch, and puts children into households, last there.';


create or replace function import_make_parts(p_ops jsonb[]) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_rows  bigint;
begin
    with o as materialized (
        select x->>'key' as key, x->'values' as v
          from unnest(p_ops) x
         where x->>'do' = 'address')
    insert into address (tenant, guardian_id, family_id, line1, line2, locality,
                         postal_code, city, country, hosted_by)
    select here(), g.id, g.family_id, v->>'line1', v->>'line2', v->>'locality',
           v->>'postal_code', v->>'city', coalesce(v->>'country', 'FR'), v->>'hosted_by'
      from o
      join guardian g on g.external_id = o.key;
    get diagnostics v_rows = row_count;
    perform import_must((select count(*) from unnest(p_ops) o where o->>'do' = 'address'),
                        v_rows, 'unknown_guardian');

    with o as materialized (
        select x->>'key' as key, x->>'year' as year, x->'values' as v
          from unnest(p_ops) x
         where x->>'do' = 'schooling')
    insert into schooling (tenant, child_id, name, level, class, year)
    select here(), c.id, v->>'school_name', v->>'school_level', v->>'school_class', o.year
      from o
      join child c on c.external_id = o.key
        on conflict (tenant, child_id, year) do update
       set name = excluded.name, level = excluded.level, class = excluded.class;
    get diagnostics v_rows = row_count;
    perform import_must((select count(*) from unnest(p_ops) o where o->>'do' = 'schooling'),
                        v_rows, 'unknown_child');

    with o as materialized (
        select x.n, x.op->>'key' as key, (x.op->>'family')::bigint as family,
               x.op->'values' as v
          from unnest(p_ops) with ordinality as x (op, n)
         where x.op->>'do' = 'contact')
    insert into contact (tenant, family_id, child_id, rank, last_name, first_name, link,
                         phone_mobile, phone_home, collect, emergency, valid_from,
                         valid_until)
    select here(), o.family, c.id,
           coalesce((select max(k.rank) from contact k
                      where k.family_id = o.family and k.child_id = c.id), 0)
           + row_number() over (partition by o.family, c.id order by o.n),
           v->>'last_name', v->>'first_name', v->>'link', v->>'phone_mobile',
           v->>'phone_home', v->>'collect' = 'yes', v->>'emergency' = 'yes',
           (v->>'valid_from')::date, (v->>'valid_until')::date
      from o
      join child c on c.external_id = o.key
     where o.family is not null;
    get diagnostics v_rows = row_count;
    perform import_must((select count(*) from unnest(p_ops) o where o->>'do' = 'contact'),
                        v_rows, 'unknown_family');
end
$$;

comment on function import_make_parts(jsonb[]) is
    'Adds the addresses, schools and contacts of a batch; of a school of a year there is one.';


create or replace function import_rule(p_op jsonb, p_import bigint) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_section   text := p_op->>'section';
    v_id        bigint := (p_op->>'id')::bigint;
    v_guardian  bigint := case when v_section like 'guardian%' then v_id end;
    v_contact   bigint := case when v_section = 'child_contact' then v_id end;
    v_child     bigint := case when v_guardian is null and v_contact is null then v_id end;
begin
    case p_op->>'do'

    when 'acknowledge' then
        update change_item i
           set acknowledged_at = now()
          from change_set c
         where c.tenant = i.tenant and c.id = i.set_id
           and c.section = v_section
           and (c.guardian_id = v_guardian or c.child_id = v_child
                and v_contact is null or c.contact_id = v_contact)
           and i.field = p_op->>'field'
           and i.state = 'accepted'
           and i.acknowledged_at is null;

    when 'settle' then
        update import_conflict k
           set state = 'settled', decided_at = now()
         where k.section = v_section
           and k.state = 'open'
           and coalesce(k.guardian_id, 0) = coalesce(v_guardian, 0)
           and coalesce(k.child_id, 0) = coalesce(v_child, 0)
           and coalesce(k.contact_id, 0) = coalesce(v_contact, 0)
           and p_op->'fields' ? k.field;

    when 'conflict' then
        insert into import_conflict as k (tenant, import_id, file, line, family_id,
            guardian_id, child_id, contact_id, section, field, set_id, was, was_hint,
            asked, asked_hint, imported, imported_mac, imported_hint)
        values (here(), p_import, p_op->>'file', (p_op->>'line')::int,
            coalesce((p_op->>'family')::bigint,
                     (select g.family_id from guardian g where g.id = v_guardian),
                     (select c.family_id from contact c where c.id = v_contact),
                     (select min(m.family_id) from child_family m where m.child_id = v_child)),
            v_guardian, v_child, v_contact, v_section, p_op->>'field',
            (p_op->>'set')::bigint, p_op->'was', p_op->>'was_hint', p_op->'asked',
            p_op->>'asked_hint', p_op->'imported', decode(p_op->>'imported_mac', 'hex'),
            p_op->>'imported_hint')
            on conflict (tenant, section, field, coalesce(guardian_id, 0),
                         coalesce(child_id, 0), coalesce(contact_id, 0))
                where state = 'open' do update
           set import_id = excluded.import_id, file = excluded.file, line = excluded.line,
               set_id = excluded.set_id, was = excluded.was, was_hint = excluded.was_hint,
               asked = excluded.asked, asked_hint = excluded.asked_hint,
               imported = excluded.imported, imported_mac = excluded.imported_mac,
               imported_hint = excluded.imported_hint;

    end case;
end
$$;

comment on function import_rule(jsonb, bigint) is
    'Does what an op says of requests and conflicts: acknowledge (what was accepted of a field is in the software), settle (open conflicts that are none any more), conflict.';


create or replace function import_write(p_ops jsonb[], p_import bigint) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_kinds  text[] := array(select distinct o->>'do' from unnest(p_ops) o);
    o        jsonb;
begin
    if v_kinds && '{family,family_again}' then
        insert into family (tenant, number, label, external_id, accounting_code)
        select here(), x->>'number', coalesce(x->>'label', x->>'number'), x->>'key',
               x->>'accounting_code'
          from unnest(p_ops) x
         where x->>'do' = 'family';

        with o as materialized (
            select (x->>'id')::bigint as id, x->>'key' as key, x->>'number' as number,
                   x->>'label' as label, x->>'accounting_code' as accounting_code
              from unnest(p_ops) x
             where x->>'do' = 'family_again')
        update family f
           set external_id = o.key, number = coalesce(o.number, f.number),
               label = coalesce(o.label, f.label), accounting_code = o.accounting_code
          from o
         where f.id = o.id;
    end if;

    if 'guardian' = any (v_kinds) then
        perform import_make_guardians(p_ops);
    end if;

    if v_kinds && '{child,child_family}' then
        perform import_make_children(p_ops);
    end if;

    if v_kinds && '{address,schooling,contact}' then
        perform import_make_parts(p_ops);
    end if;

    -- one after the other: they are few, but for a change of all
    if v_kinds && '{guardian_again,child_again,apply,mandate,acknowledge,settle,conflict}' then
        foreach o in array p_ops loop
            case
            when o->>'do' = 'guardian_again' then
                update guardian g
                   set external_id = o->>'key', payer = (o->>'payer')::boolean
                 where g.id = (o->>'id')::bigint;
            when o->>'do' = 'child_again' then
                update child c set external_id = o->>'key' where c.id = (o->>'id')::bigint;
            when o->>'do' = 'apply' then
                perform section_apply(o->>'section', coalesce((o->>'id')::bigint,
                            (select g.id from guardian g where g.external_id = o->>'key')),
                            (o->'values') || jsonb_build_object('_day', today()));
            when o->>'do' = 'mandate' then
                -- a mandate is of a day: one without is none
                update bank b
                   set mandate_reference = o->>'reference'
                 where b.guardian_id = (select g.id from guardian g
                                         where g.external_id = o->>'key')
                   and b.mandate_date is not null;
            when o->>'do' in ('acknowledge', 'settle', 'conflict') then
                perform import_rule(o, p_import);
            else null;
            end case;
        end loop;
    end if;
end
$$;

comment on function import_write(jsonb[], bigint) is
'Does what lines of an import were planned to: family, guardian, child, child_family, address, schooling, contact (made, all of the batch at once), family_again, guardian_again, child_again (their own columns), apply (a section, by section_apply()), mandate, and import_rule()''s. The caller has locked the families. Errors, raised: what a constraint refuses; PT422 with the code where what is referred to is not there.';


create or replace function import_families(p_lines import_line[]) returns bigint[]
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_families   text[];
    v_guardians  text[];
    v_children   text[];
    v_result     bigint[];
begin
    select array_agg(distinct case r->>'kind' when 'family' then r->>'key'
                                              else r->>'ref' end)
               filter (where r->>'kind' in ('family', 'guardian', 'child_family', 'contact')),
           array_agg(distinct r->>'key')
               filter (where r->>'kind' in ('guardian', 'address', 'tax', 'bank')),
           array_agg(distinct r->>'key')
               filter (where r->>'kind' in ('child', 'child_family', 'schooling', 'contact'))
      into v_families, v_guardians, v_children
      from unnest(p_lines) l
     cross join lateral jsonb_array_elements(l.records) r;

    v_result := array(
        select f.id from family f where f.external_id = any (v_families)
         union
        select g.family_id from guardian g where g.external_id = any (v_guardians)
         union
        select m.family_id
          from child c
          join child_family m on m.tenant = c.tenant and m.child_id = c.id
         where c.external_id = any (v_children));

    return v_result || other_households(here(), v_result);
end
$$;

comment on function import_families(import_line[]) is
    'The families that are in the file and that lines are about, and those that share a child with them: what lock_subject() locks.';


create or replace function import_batch(p_lines import_line[], p_write boolean)
    returns jsonb[]
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_line      import_line;
    v_plan      jsonb;
    v_results   jsonb[] := '{}';
    v_ops       jsonb[] := '{}';
    v_busy      import_line[] := '{}';
    v_plans     jsonb[] := '{}';
    v_wanted    bigint[];
    v_locked    bigint[];
begin
    foreach v_line in array p_lines loop
        v_plan := import_plan(v_line);

        -- what is nothing to do needs no lock
        if p_write and v_plan->'ops' <> '[]' then
            v_busy := v_busy || v_line;
            v_plans := v_plans || v_plan;
        else
            v_results := v_results || ((v_plan - 'ops')
                || jsonb_build_object('file', v_line.file, 'line', v_line.line));
        end if;
    end loop;

    if cardinality(v_busy) = 0 then
        return v_results;
    end if;

    v_wanted := import_families(v_busy);
    v_locked := array(select l.id
                        from (select f.id
                                from family f
                               where f.id = any (v_wanted)
                               order by f.tenant, f.id
                                 for no key update skip locked) l);

    for i in 1..cardinality(v_busy) loop
        v_line := v_busy[i];

        -- a family that is being changed just now: its lines are for later
        continue when not v_wanted <@ v_locked
                      and not import_families(array[v_line]) <@ v_locked;

        -- until its family was locked somebody may have changed it
        v_plan := case when v_wanted = '{}' then v_plans[i] else import_plan(v_line) end;
        v_results := v_results || ((v_plan - 'ops')
            || jsonb_build_object('file', v_line.file, 'line', v_line.line));
        v_ops := v_ops || array(
            select case x->>'do' when 'conflict'
                   then x || jsonb_build_object('file', v_line.file, 'line', v_line.line)
                   else x end
              from jsonb_array_elements(v_plan->'ops') x);
    end loop;

    perform import_write(v_ops, p_lines[1].import_id);

    return v_results;
end
$$;

comment on function import_batch(import_line[], boolean) is
    'Plans lines, or plans and applies them. Result: [{"file", "line", "outcome", "told"}] of those that were done; a line whose family somebody is changing is not, and comes again.';


create or replace function import_fault(p_state text, p_message text, p_constraint text)
    returns text
    language sql immutable
    return case when p_state = 'PT422' then p_message
                when p_constraint = 'family_tenant_number_key' then 'number_taken'
                when p_constraint = 'bank_tenant_mandate_reference_key' then 'mandate_taken'
                when p_constraint ~ '_rank_check$' then 'list_full'
                when p_state like '22%' then 'format'
                when p_state like '23%' then 'not_accepted'
                else 'internal' end;

comment on function import_fault(text, text, text) is
    'The code that a line is refused by when writing it failed. Input: SQLSTATE, message, constraint.';


create or replace function import_try(p_lines import_line[], p_write boolean)
    returns jsonb[]
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_half        int := cardinality(p_lines) / 2;
    v_constraint  text;
    v_code        text;
begin
    begin
        return import_batch(p_lines, p_write);

    exception
        when lock_not_available or deadlock_detected or serialization_failure then
            return '{}';
        when others then
            get stacked diagnostics v_constraint = constraint_name;
            v_code := import_fault(sqlstate, sqlerrm, v_constraint);

            if v_code = 'internal' then
                raise warning 'import %: line % of % fails with %', p_lines[1].import_id,
                    p_lines[1].line, p_lines[1].file, sqlstate;
            end if;
    end;

    -- the good ones without the bad one: halves, until it is alone
    if v_half > 0 then
        return import_try(p_lines[:v_half], p_write)
               || import_try(p_lines[v_half + 1:], p_write);
    end if;

    return array[jsonb_build_object('file', p_lines[1].file, 'line', p_lines[1].line,
        'outcome', 'refused', 'told', jsonb_build_array(
            jsonb_build_object('kind', null, 'key', null, 'field', null, 'column', null,
                               'code', v_code)))];
end
$$;

comment on function import_try(import_line[], boolean) is
    'import_batch(), where a line that fails is refused and the others are done.';


create or replace function import_merge(p_import bigint, p_write boolean, p_limit int)
    returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_step     smallint := case when p_write then 1 else 0 end;
    v_stage    smallint;
    v_lines    import_line[];
    v_results  jsonb[];
    v_result   jsonb;
begin
    perform set_config('portal.import', p_import::text, true);

    -- what others refer to is done before them
    select l.stage into v_stage
      from import_line l
     where l.import_id = p_import and l.step = v_step and l.step < 2
     order by l.stage
     limit 1;

    v_lines := array(select l
                       from import_line l
                      where l.import_id = p_import and l.step = v_step and l.step < 2
                        and l.stage = v_stage
                      order by l.file, l.line
                      limit p_limit);

    if cardinality(v_lines) = 0 then
        return json_build_object('lines', 0, 'left', false, 'counts', json_build_object());
    end if;

    v_results := import_try(v_lines, p_write);

    foreach v_result in array v_results loop
        update import_line l
           set step = v_step + 1, outcome = v_result->>'outcome',
               detail = v_result->'told', records = case when not p_write then l.records end
         where l.import_id = p_import
           and l.file = v_result->>'file'
           and l.line = (v_result->>'line')::int;
    end loop;

    return json_build_object('lines', cardinality(v_results), 'left', true,
        'counts', (select coalesce(json_object_agg(c.outcome, c.n), '{}')
                     from (select x->>'outcome' as outcome, count(*) as n
                             from unnest(v_results) x group by 1) c));
end
$$;

comment on function import_merge(bigint, boolean, int) is
'Plans the next lines of an import of this town, or applies those that are planned; a line''s outcome is there with what it has done. Input: the import, whether to write, how many lines at most. Result: {"lines": how many were done (none: their families are being changed just now), "left": there may be more, "counts": {outcome: lines}}.';


create or replace function take_imported(p_conflict bigint) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_row      import_conflict := (select c from import_conflict c where c.id = p_conflict);
    v_id       bigint := coalesce(v_row.guardian_id, v_row.child_id, v_row.contact_id);
    v_now      jsonb := section_values(v_row.section, v_id);
    v_whole    boolean := (select s.whole from section s where s.name = v_row.section);
    v_rows     import_conflict[];
    v_after    jsonb;
    v_faults   jsonb;
    v_missing  text;
begin
    v_rows := array(
        select c
          from import_conflict c
         where c.state = 'open'
           and (c.id = v_row.id
                or v_whole and c.section = v_row.section
                   and c.guardian_id is not distinct from v_row.guardian_id
                   and c.child_id is not distinct from v_row.child_id
                   and c.contact_id is not distinct from v_row.contact_id));

    select import_over(v_now, jsonb_object_agg(c.field, c.imported), jsonb_build_object(
               'macs', coalesce(jsonb_object_agg(c.field, encode(c.imported_mac, 'hex'))
                                filter (where c.imported_mac is not null), '{}'),
               'hints', coalesce(jsonb_object_agg(c.field, c.imported_hint)
                                 filter (where c.imported_hint is not null), '{}')))
      into v_after
      from unnest(v_rows) c;

    v_missing := import_missing(v_row.section, v_after);
    v_faults := case when v_missing is not null then fault(v_missing, 'required')
                     else section_faults(v_row.section, v_after) end;

    if v_faults <> '[]' then
        return v_faults;
    end if;

    perform section_apply(v_row.section, v_id,
                          v_after || jsonb_build_object('_day', today()));

    -- what was accepted once is not waited for any more
    perform import_rule(jsonb_build_object('do', 'acknowledge', 'section', v_row.section,
                            'id', v_id, 'field', c.field), v_row.import_id)
       from unnest(v_rows) c;

    return null;
end
$$;

comment on function take_imported(bigint) is
    'Writes what the software says of a conflict into the file, of a section that is decided whole all of it. The caller has locked whom it is about. Result: null, or why it does not go with the rest of the file.';


-- the job -----------------------------------------------------------------

create or replace function import_step(p_import import) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_write   boolean := p_import.state = 'applying';
    v_begins  boolean := v_write and p_import.began_at is null;
    v_done    json;
    v_state   text := p_import.state;
begin
    perform import_enter(p_import.tenant);
    v_done := import_merge(p_import.id, v_write, 200);

    if not (v_done->>'left')::boolean then
        v_state := case when v_write then 'done' when p_import.dry then 'checked'
                        else 'applying' end;
    end if;

    -- one that was cancelled meanwhile stays so
    update import i
       set state = case when i.state = p_import.state then v_state else i.state end,
           planned = i.planned + case when v_write then 0
                                      else (v_done->>'lines')::int end,
           written = i.written + case when v_write then (v_done->>'lines')::int else 0 end,
           counts = (select coalesce(jsonb_object_agg(x.outcome, x.n), '{}')
                       from (select c.key as outcome, sum(c.value::int) as n
                               from (select * from jsonb_each_text(
                                         case when v_begins then '{}' else i.counts end)
                                      union all
                                     select * from json_each_text(v_done->'counts')) c
                              group by 1) x),
           began_at = case when v_begins then now() else i.began_at end,
           worked_at = clock_timestamp(),
           finished_at = case when i.state = p_import.state and v_state = 'done'
                              then now() else i.finished_at end
     where i.tenant = p_import.tenant and i.id = p_import.id;

    -- and what is known of the tables is of before there were so many
    if v_write and p_import.written::text ~ '^[1-9]'
       and floor(log(p_import.written + (v_done->>'lines')::int + 1))
           > floor(log(p_import.written + 1))
       and p_import.written > 100
    then
        perform import_analyze('file');
    end if;

    if v_state = 'done' and v_write then
        perform import_note('import', 'ok', p_import.id);
    end if;

    return json_build_object('lines', (v_done->>'lines')::int,
        'moved', v_state <> p_import.state, 'state', v_state);
end
$$;

comment on function import_step(import) is
    'One batch of an import. Result: {"lines": how many were done, "moved": it has another state, "state"}.';


create or replace function import_work(input jsonb default '{}') returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_end     timestamptz := clock_timestamp() + interval '150 milliseconds';
    v_import  import;
    v_step    json;
    v_more    boolean := false;
    v_note    text;
begin
    -- one at a time: the other processors are the families'
    if not pg_try_advisory_xact_lock(7706737709) then
        return json_build_object('status', 200, 'note', null, 'more', false);
    end if;

    -- the connection keeps its plans, the tables do not keep their size: those
    -- that were made for a few families would go through all of many
    discard plans;

    loop
        select i.* into v_import
          from import i
         where i.state in ('checking', 'applying')
         order by i.worked_at nulls first, i.created_at
         limit 1;

        exit when not found;

        v_step := import_step(v_import);
        v_more := (v_step->>'lines')::int > 0 or (v_step->>'moved')::boolean;

        if v_step->>'state' in ('checked', 'done') then
            v_note := concat_ws(', ', v_note, 'import ' || v_import.id || ' is '
                                              || (v_step->>'state'));
        end if;

        exit when not v_more or clock_timestamp() > v_end;
    end loop;

    return json_build_object('status', 200, 'note', v_note, 'more', v_more);
end
$$;

comment on function import_work(jsonb) is
'Checks and applies imports that have been read, 200 lines of one and then of the next, for about 150 ms, one caller at a time. Input: every (not used). Result: {"status": 200, "note": what has come to its end, or null, "more": call again}. For portal_jobs.';


grant execute on function import_work(jsonb) to portal_jobs;
