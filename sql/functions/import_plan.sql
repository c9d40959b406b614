--
-- What the town's software says, compared with the file of the families: what a
-- line comes to and what would be done (its "ops").  Nothing is written here;
-- import_merge.sql does, and plans again when it does, so that a dry run never
-- says something else than the run.
--

set search_path = portal, pg_temp;


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


create or replace function import_numbered(p_key text, p_ref text, v jsonb) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (select
                     from guardian g
                     join family f on f.tenant = g.tenant and f.id = g.family_id
                    where f.external_id = p_ref
                      and g.external_id <> p_key
                      and fold(g.first_name) = fold(v->>'first_name')
                      and fold(v->>'last_name') in (fold(g.last_name), fold(g.birth_name))
                      and not coalesce(v->>'birth_date' <> g.birth_date::text, false));
end
$$;

comment on function import_numbered(text, text, jsonb) is
    'Whether a family has a guardian already, under another number. Input: external id, that of the family, the record''s values.';


create or replace function import_taken_out(p_kind text, p_key text, p_ref text, v jsonb)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    -- BL.enfance numbers guardians by their places, which others take
    return exists (select
                     from import_removed d
                     left join change_set c on c.tenant = d.tenant and c.id = d.set_id
                    where d.kind = p_kind
                      and d.key = p_key
                      and d.ref = p_ref
                      and (p_kind <> 'guardian' or v->>'first_name' is null
                           or fold(v->>'first_name') = any (d.names)
                           or d.names is null
                              and starts_with(fold(c.subject), fold(v->>'first_name'))
                           -- nor does who has moved up to the number come twice
                           or import_numbered(p_key, p_ref, v)));
end
$$;

comment on function import_taken_out(text, text, text, jsonb) is
    'Whether a request has taken somebody out of a family, see import_removed; of a guardian whether it was them, by the first name, or who is there under another number. Input: guardian or child_family, external id, that of the family, the record''s values.';


create or replace function import_gone(p_import bigint, p_kind text, p_key text, p_ref text)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (select
                     from import_removed d
                    where d.kind = p_kind
                      and d.key = p_key
                      and (p_ref is null or d.ref = p_ref))
       -- unless this import brings them, or another one, into a family
       and not exists (select
                         from import_key k
                         join import_line l on l.tenant = k.tenant
                                           and l.import_id = k.import_id
                                           and l.file = k.file and l.line = k.line
                        cross join lateral jsonb_array_elements(l.records) x
                        where k.import_id = p_import
                          and k.kind = p_kind
                          and k.key = p_key
                          and x->>'kind' = p_kind
                          and x->>'key' = p_key
                          and x ? 'ref'
                          and (p_ref is null or x->>'ref' = p_ref)
                          and not import_taken_out(p_kind, p_key, x->>'ref', x->'values'));
end
$$;

comment on function import_gone(bigint, text, text, text) is
    'Whether who is not in the file was taken out of it by a request, see import_taken_out(), and this import brings nobody else under that number. Input: import; guardian or child_family, external id, external id of the family (null: any).';


create or replace function guardian_names(p_guardian guardian) returns text[]
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return array(
        select fold((p_guardian).first_name)
         union
        select fold(x.value #>> '{}')
          from import_held('guardian_basic', (p_guardian).id) h
         -- what is only asked for makes nobody another person
         cross join lateral unnest(array[h.old, h.found,
                                         case when not h.open then h.asked end]) as x (value)
         where h.field = 'first_name'
           and jsonb_typeof(x.value) = 'string');
end
$$;

comment on function guardian_names(guardian) is
    'The first names that the town''s software may call a guardian by, folded: as contact_names(), but for what is asked for and not decided, which anybody may write.';


create or replace function import_stranger(p_guardian guardian, v jsonb) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    g        guardian := p_guardian;
    v_first  text := fold(v->>'first_name');
    v_last   text := fold(v->>'last_name');
begin
    -- whom they mean nobody says: whom they named last
    if v_first is null or v_last is null then
        return g.stranger_since is not null;
    end if;

    if g.id is null or v_first = fold(g.first_name)
       or v_last in (fold(g.last_name), fold(g.birth_name))
          and not coalesce(v->>'birth_date' <> g.birth_date::text, false)
          -- two who have changed places
          and not exists (select
                            from guardian o
                           where o.family_id = g.family_id
                             and o.id <> g.id
                             and fold(o.first_name) = v_first
                             and v_last in (fold(o.last_name), fold(o.birth_name)))
          -- or of whom one was taken out since
          and not exists (select
                            from import_removed d
                            join family f on f.tenant = d.tenant and f.external_id = d.ref
                            left join change_set c on c.tenant = d.tenant and c.id = d.set_id
                           where d.kind = 'guardian'
                             and f.id = g.family_id
                             and (v_first = any (d.names)
                                  or d.names is null and starts_with(fold(c.subject), v_first)))
    then
        return false;
    end if;

    return v_first <> all (guardian_names(g));
end
$$;

comment on function import_stranger(guardian, jsonb) is
    'Whether the software gives the number of a guardian to somebody else, who must get neither their account nor their tax and bank: another first name, and another last name or birth date, or the name of another guardian of the family, or of one who was taken out of it; without both names as guardian.stranger_since says. Input: the guardian of that external id, the record''s values.';


create or replace function import_half_named(p_guardian guardian, v jsonb) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case
        when v->>'first_name' is null
            then fold(v->>'last_name') not in (fold((p_guardian).last_name),
                     coalesce(fold((p_guardian).birth_name), ''))
        when v->>'last_name' is null
            then fold(v->>'first_name') <> all (guardian_names(p_guardian)) end;
end
$$;

comment on function import_half_named(guardian, jsonb) is
    'Whether a line that the reader found wrong has half a name alone, and that not of the guardian of its number. Input: that one, the record''s values.';


create or replace function import_is_stranger(p_import bigint, p_guardian guardian)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (
        select
          from import_key k
          join import_line l on l.tenant = k.tenant and l.import_id = k.import_id
                            and l.file = k.file and l.line = k.line
         where k.import_id = p_import
           and k.kind in ('guardian', 'wrong_guardian')
           and k.key = p_guardian.external_id
           and (exists (select
                          from jsonb_array_elements(l.records) x
                         where x->>'kind' = 'guardian'
                           and x->>'key' = k.key
                           and (import_stranger(p_guardian, x->'values')
                                -- of a name that is wrong half is left
                                or k.kind = 'wrong_guardian'
                                   and import_half_named(p_guardian, x->'values')))
                -- once it is written the line says what came of it
                or l.records is null
                   and exists (select
                                 from jsonb_array_elements(l.detail) d
                                where d->>'code' = 'other_person'
                                  and d->>'key' = k.key)));
end
$$;

comment on function import_is_stranger(bigint, guardian) is
    'Whether an import gives the number of a guardian to somebody else, see import_stranger(). Input: import, the guardian.';


create or replace function import_named(p_guardian bigint, p_stranger date) returns jsonb
    language sql immutable
    return jsonb_build_object('do', 'guardian_named', 'id', p_guardian, 'since', p_stranger);

comment on function import_named(bigint, date) is
    'What an import does where it names somebody else by the number of a guardian, or the guardian again. Input: the guardian, today or null.';


create or replace function import_strangers(p_records jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(jsonb_agg(import_named(g.id, today())), '[]')
              from jsonb_array_elements(p_records) x
              join guardian g on g.external_id = x->>'key'
             where x->>'kind' = 'guardian'
               and g.stranger_since is null
               and import_stranger(g, x->'values'));
end
$$;

comment on function import_strangers(jsonb) is
    'What is noted of the guardians whose numbers a refused line gives to somebody else, see import_named(): what comes of those without a name is not theirs, either.';


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

    if import_stranger(v_guardian, v) then
        return import_left(r, 'other_person')
               || case when v_guardian.stranger_since is null
                       then jsonb_build_object('ops', jsonb_build_array(
                                import_named(v_guardian.id, today())))
                       else '{}' end;
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
       and import_taken_out('guardian', r->>'key', r->>'ref', v)
    then
        return import_left(r, 'removed_here');
    end if;

    if v_guardian.id is null then
        if v_family.id is null
           and not import_staged(p_import, 'family', r->>'ref')
        then
            return import_refuse(r, 'family', 'unknown_family');
        end if;

        v := v || jsonb_build_object('link', coalesce(v->>'link', 'other'));
        v_missing := import_missing('guardian_basic', v);

        return case when v_missing is not null then import_refuse(r, v_missing, 'required')
                    else import_plan_of('created', jsonb_build_object('do', 'guardian',
                             'key', r->>'key', 'ref', r->>'ref', 'seal_id', r->'seal_id',
                             'values', v)) end;
    end if;

    v_plan := import_section('guardian_basic', v_guardian.id,
                             section_values('guardian_basic', v_guardian.id), r,
                             v - '{payer,rank}'::text[]);

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

    if v_guardian.stranger_since is not null then
        v_plan := v_plan || jsonb_build_object(
            'ops', v_plan->'ops' || import_named(v_guardian.id, null));
    end if;

    return v_plan;
end
$$;

comment on function import_guardian(bigint, jsonb) is
    'The plan of a guardian. One of the same name in the family, who has no external id, is the same; who has the external id and is somebody else is not, see import_stranger().';


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

    -- nor do the parts of who was taken out here, beside the rest of their line
    if v_guardian.id is null and import_gone(p_import, 'guardian', r->>'key', null) then
        return import_left(r, 'removed_here');
    end if;

    if v_guardian.id is null
       and not import_staged(p_import, 'guardian', r->>'key')
    then
        return import_refuse(r, 'guardian', 'unknown_guardian');
    end if;

    if import_is_stranger(p_import, v_guardian)
       -- of an import without their names
       or v_guardian.stranger_since is not null
          and not import_staged(p_import, 'guardian', r->>'key')
    then
        return import_left(r, 'other_person');
    end if;

    -- who is named anew in a line that nobody could read is not known, either
    if import_unread(p_import, r->>'key') then
        return import_left(r, 'unread_guardian');
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

    if r->>'kind' = 'address' then
        r := address_read(v_guardian.id, v_now, r);
        v := (r->'values') - '{city_code,ban_id,ban_score,ban_date}'::text[];
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

        if r->>'kind' = 'bank' then
            v := v || jsonb_build_object('_agreements', jsonb_build_object('iban',
                     jsonb_build_object('reference', r #> '{values,mandate_reference}',
                                        'date', v->'mandate')));
        end if;

        v_plan := import_plan_of('created', jsonb_build_object(
            'do', case r->>'kind' when 'address' then 'address' else 'apply' end,
            'section', v_section, 'key', r->>'key', 'id', v_guardian.id, 'values', v));
    end if;

    if r->>'kind' = 'address' then
        v_plan := address_coded(v_plan, v_guardian.id, v_now, r->'values');
    end if;

    -- the software's own reference of the mandate goes with the account
    if r->>'kind' = 'bank' and r #>> '{values,mandate_reference}' is not null
       and v_plan->>'outcome' in ('updated', 'unchanged')
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

        return case when import_gone(p_import, 'child_family', r->>'key', null)
                    then import_left(r, 'removed_here')
                    when v_missing is not null then import_refuse(r, v_missing, 'required')
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

    if exists (select from child_family m
                where m.child_id = v_child and m.family_id = v_family)
    then
        return import_plan_of('unchanged', null);
    end if;

    if exists (select from import_removed d
                where d.kind = 'child_family' and d.key = r->>'key' and d.ref = r->>'ref')
    then
        return import_left(r, 'removed_here');
    end if;

    if v_child is null and not import_staged(p_import, 'child', r->>'key') then
        return import_refuse(r, 'child', 'unknown_child');
    end if;

    if v_family is null and not import_staged(p_import, 'family', r->>'ref') then
        return import_refuse(r, 'family', 'unknown_family');
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

    if v_child is null and import_gone(p_import, 'child_family', r->>'key', null) then
        return import_left(r, 'removed_here');
    end if;

    if v_child is null and not import_staged(p_import, 'child', r->>'key') then
        return import_refuse(r, 'child', 'unknown_child');
    end if;

    -- whatever the software calls the school
    if v->>'school_name' is not null then
        v := v || jsonb_build_object('school_name', school_named(v->>'school_name'));
    end if;

    -- of this year it is a part of a section that families may ask about
    if v_child is not null and v_year = school_year()
       and exists (select from change_set c
                    where c.child_id = v_child and c.section = 'child_general')
    then
        return import_section('child_general', v_child,
                              section_values('child_general', v_child), r, v);
    end if;

    select jsonb_build_object('school_name', school_named(s.name), 'school_level', s.level,
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


create or replace function contact_ref(p_family bigint, p_name text) returns text
    language sql immutable
    return p_family || chr(31) || p_name;

comment on function contact_ref(bigint, text) is
    'A contact of a child as import_removed.ref has it: the id of its household, the folded name.';


create or replace function contact_named(p_id bigint, p_asked boolean) returns text[]
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (
    with known as (
        select 'last_name' as field, k.last_name::text as name from contact k where k.id = p_id
         union
        select 'first_name', k.first_name from contact k where k.id = p_id
         union
        select h.field, x.value #>> '{}'
          from import_held('child_contact', p_id) h
         cross join lateral unnest(array[h.old, h.found, case when p_asked or not h.open
                                                              then h.asked end]) as x (value)
         where h.field in ('last_name', 'first_name')
           and jsonb_typeof(x.value) = 'string')
    select array_agg(distinct fold(l.name || f.name))
      from known l
      join known f on f.field = 'first_name'
     where l.field = 'last_name');
end
$$;

comment on function contact_named(bigint, boolean) is
    'contact_names(), with or without what is asked for and not decided. Input: the contact, whether with it.';


create or replace function contact_names(p_id bigint) returns text[]
    language sql stable
    return contact_named(p_id, true);

comment on function contact_names(bigint) is
    'What the town''s software may call a contact, folded: its name, those that it had before it was changed here and those that are asked for, as long as the software is not known to have them, see import_held().';


create or replace function contacts_called(p_family bigint, p_child bigint, p_name text)
    returns setof bigint
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return query
    select k.id
      from contact k
     where k.family_id = p_family
       and k.child_id = p_child
       and fold(k.last_name || k.first_name) = p_name;

    if not found then
        return query
        select k.id
          from contact k
         where k.family_id = p_family
           and k.child_id = p_child
           and p_name = any (contact_names(k.id))
         order by k.rank
         limit 1;
    end if;
end
$$;

comment on function contacts_called(bigint, bigint, text) is
    'The contacts that a household has for a child under a folded name, or else the one whose name it was, or may become, see contact_names().';


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

    -- of a household that the child was taken out of
    if not exists (select
                     from child_family m
                     join family f on f.tenant = m.tenant and f.id = m.family_id
                    where m.child_id = v_child
                      and (r->>'ref' is null or f.external_id = r->>'ref'))
       and import_gone(p_import, 'child_family', r->>'key', r->>'ref')
    then
        return import_left(r, 'removed_here');
    end if;

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
        select x.family_id as family, k.id as contact
          from child_family x
          join family f on f.tenant = x.tenant and f.id = x.family_id
          left join lateral contacts_called(x.family_id, x.child_id, v_name) k (id) on true
         where x.child_id = v_child
           and (r->>'ref' is null or f.external_id = r->>'ref')
         union all
        -- not there yet, when it is only checked
        select null, null
         where v_child is null
            or not exists (select from child_family x
                            where x.child_id = v_child)
    loop
        -- who is only asked to become somebody gets no right of theirs before it is decided
        if w.contact is not null and v_name <> all (contact_named(w.contact, false)) then
            v_plan := import_left(r, 'kept');
        elsif w.contact is not null then
            v_plan := import_section('child_contact', w.contact,
                          section_values('child_contact', w.contact), r, v);
        elsif exists (select from import_removed d
                       where d.kind = 'contact' and d.key = v_child::text
                         and d.ref = contact_ref(w.family, v_name))
        then
            v_plan := import_left(r, 'removed_here');
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
    'The plan of a contact, in the household that is named or in each of the child''s. One of the same name is the same, see contacts_called(); one that was taken out there does not come back.';


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
        return import_plan_of('refused', null)
               || jsonb_build_object('ops', import_strangers(p_line.records));
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
            return v_one
                   || jsonb_build_object('ops', import_strangers(p_line.records));
        end if;

        v_plan := case when v_plan is null then v_one else import_joined(v_plan, v_one) end;
    end loop;

    return coalesce(v_plan, import_plan_of('unchanged', null));
end
$$;

comment on function import_plan(import_line) is
    'What a line comes to: {"outcome", "told": as import_line.detail, "ops": what is to be done, see import_write()}. Nothing is written; a line with anything that is refused is refused, but for import_strangers().';
