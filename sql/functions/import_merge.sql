--
-- Writing what import_plan.sql has planned into the file of the families, by
-- batches: all that is new at once, lines that fail alone.
--

set search_path = portal, pg_temp;


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
           next_rank(array(select g.rank from guardian g where g.family_id = f.id), 20,
                     (row_number() over (partition by f.id order by
                         (case when v->>'rank' ~ '^[0-9]{1,2}$' then v->>'rank' end)::int,
                         o.n))::int),
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
    'Adds the guardians of a batch, in their families'' next places, see next_rank().';


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
           next_rank(array(select m.rank from child_family m where m.family_id = f.id), 30,
                     (row_number() over (partition by f.id order by o.n))::int), c.id
      from o
      join family f on f.external_id = o.ref
      join child c on c.external_id = o.key;
    get diagnostics v_rows = row_count;
    perform import_must((select count(*) from unnest(p_ops) o
                          where o->>'do' = 'child_family'), v_rows, 'unknown_child');
end
$$;

comment on function import_make_children(jsonb[]) is
    'Adds the children of a batch, and puts children into households, in the next places there.';


create or replace function import_make_parts(p_ops jsonb[]) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_rows  bigint;
begin
    with o as materialized (
        select x->>'key' as key, x->'values' as v
          from unnest(p_ops) x
         where x->>'do' = 'address')
    insert into address (tenant, guardian_id, family_id, street_number, repetition, street,
                         complement, locality, postal_code, city, country, hosted_by,
                         city_code, ban_id, ban_score, ban_date)
    select here(), g.id, g.family_id, v->>'street_number', v->>'repetition', v->>'street',
           v->>'complement', v->>'locality', v->>'postal_code', v->>'city',
           coalesce(v->>'country', 'FR'), v->>'hosted_by', c.city_code, c.ban_id,
           c.ban_score, c.ban_date
      from o
      join guardian g on g.external_id = o.key
     cross join lateral address_codes(o.v) c;
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
           next_rank(array(select k.rank from contact k
                            where k.family_id = o.family and k.child_id = c.id), 30,
                     (row_number() over (partition by o.family, c.id order by o.n))::int),
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
         where k.id in (select c.id
                          from conflicts_of(v_section, v_guardian, v_child, v_contact) c
                         where p_op->'fields' ? c.field)
           and k.state = 'open';

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
    if v_kinds && '{guardian_again,guardian_named,child_again,apply,mandate,acknowledge,settle,conflict}' then
        foreach o in array p_ops loop
            case
            when o->>'do' = 'guardian_again' then
                update guardian g
                   set external_id = o->>'key', payer = (o->>'payer')::boolean
                 where g.id = (o->>'id')::bigint;
            when o->>'do' = 'guardian_named' then
                update guardian g
                   set stranger_since = (o->>'since')::date
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
'Does what lines of an import were planned to: family, guardian, child, child_family, address, schooling, contact (made, all of the batch at once), family_again, guardian_again, guardian_named, child_again (their own columns), apply (a section, by section_apply()), mandate, and import_rule()''s. The caller has locked the families. Errors, raised: what a constraint refuses; PT422 with the code where what is referred to is not there.';


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
    v_step     smallint;
    v_stage    smallint;
    v_lines    import_line[];
    v_results  jsonb[];
    v_result   jsonb;
begin
    perform set_config('portal.import', p_import::text, true);

    -- what others refer to is done before them
    select l.step, l.stage into v_step, v_stage
      from import_line l
     where l.import_id = p_import and l.step < 2 and (p_write or l.step = 0)
     order by l.step, l.stage
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
           set step = case when p_write then 2 else 1 end, outcome = v_result->>'outcome',
               detail = v_result->'told',
               -- whom a refused line names is asked of it later, see import_is_stranger()
               records = case when not p_write or v_result->>'outcome' = 'refused'
                              then l.records end
         where l.import_id = p_import
           and l.file = v_result->>'file'
           and l.line = (v_result->>'line')::int;
    end loop;

    return json_build_object('lines', cardinality(v_results), 'left', true,
        'planned', v_step = 0,
        'counts', (select coalesce(json_object_agg(c.outcome, c.n), '{}')
                     from (select x->>'outcome' as outcome, count(*) as n
                             from unnest(v_results) x group by 1) c));
end
$$;

comment on function import_merge(bigint, boolean, int) is
'Plans the next lines of an import of this town, or applies them, whether they were planned before or not; a line''s outcome is there with what it has done. Input: the import, whether to write, how many lines at most. Result: {"lines": how many were done (none: their families are being changed just now), "planned": they were not planned before, "left": there may be more, "counts": {outcome: lines}}.';


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
          from conflicts_beside(v_row) c
         where v_whole or c.id = v_row.id);

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

    return null;
end
$$;

comment on function take_imported(bigint) is
    'Writes what the software says of a conflict into the file, of a section that is decided whole all of it. The caller has locked whom it is about. Result: null, or why it does not go with the rest of the file.';


-- the job -----------------------------------------------------------------

create or replace function import_step(p_import import) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    -- what is not dry is planned as it is applied
    v_write   boolean := p_import.state = 'applying' or not p_import.dry;
    v_begins  boolean := v_write and p_import.began_at is null;
    v_done    json;
    v_state   text;
begin
    perform import_enter(p_import.tenant);
    v_done := import_merge(p_import.id, v_write, 200);

    v_state := case when (v_done->>'left')::boolean
                    then case when v_write then 'applying' else 'checking' end
                    when v_write then 'done' else 'checked' end;

    -- one that was cancelled meanwhile stays so
    update import i
       set state = case when i.state = p_import.state then v_state else i.state end,
           planned = i.planned + case when (v_done->>'planned')::boolean
                                      then (v_done->>'lines')::int else 0 end,
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
    if v_write
       and length((p_import.written + (v_done->>'lines')::int)::text)
           > greatest(length(p_import.written::text), 3)
    then
        perform import_analyze('file');
    end if;

    if v_state = 'done' and v_write then
        delete from import_key k
         where k.tenant = p_import.tenant and k.import_id = p_import.id;
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
