--
-- The school of a child: what it is called, and what families may choose.
--

set search_path = portal, pg_temp;


create or replace function school_named(p_name text) returns text
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return coalesce((select h.name
                       from school h
                      where h.tenant = here()
                        and (h.name = p_name or p_name = any (h.others))
                      order by h.name <> p_name
                      limit 1), p_name);
end
$$;

comment on function school_named(text) is
    'What a school of the file is called now: the name of the town''s school that is, or was, called so; any other name is itself.';


create or replace function school_key(p_name text) returns text
    language sql immutable parallel safe
    return coalesce(nullif(fold(regexp_replace(normalize(p_name, nfc),
                                               '\m[eé]coles?\M', '', 'gi')), ''),
                    fold(p_name));

comment on function school_key(text) is
    'What two spellings of one school have in common: fold() without the word « école ».';


create or replace function school_like(p_names text[], p_but bigint) returns text
    language sql stable
begin atomic
    select h.name
      from school h
     cross join unnest(h.name || h.others) n
     where h.id is distinct from p_but
       and school_key(n) = any (array(select school_key(x) from unnest(p_names) x))
     order by h.closed_at is not null, h.rank, h.name
     limit 1;
end;

comment on function school_like(text[], bigint) is
    'The listed school that one of these names is, or is another spelling of; null: none. Input: names; a school that is not looked at, or null.';


create or replace function school_names(p_names text[]) returns text[]
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select array_agg(distinct x.name)
              from (select n as name from unnest(p_names) n
                     union all
                    select unnest(h.name || h.others)
                      from school h
                     where h.tenant = here()
                       and (h.name || h.others) && p_names) x);
end
$$;

comment on function school_names(text[]) is
    'All that the file may call these schools: each name, and where a school of the town is or was called so, all names of that school. Null: null.';


create or replace function schools_offered(p_now text) returns json
    language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('code', o.name, 'label', o.name)
                             order by o.rank, o.name), '[]')
      from (select h.name, h.rank from school h where h.closed_at is null
             union
            -- who is elsewhere may stay there
            select p_now, 1000
             where p_now is not null
               and exists (select from school h where h.closed_at is null)
               and not exists (select from school h
                                where h.closed_at is null and h.name = p_now)) o;
end;

comment on function schools_offered(text) is
    'The schools to choose from, open ones in the town''s order: [{"code", "label"}]; empty: the town lists none, any can be written. Input: the child''s school now, which can stay.';


create or replace function classes_offered(p_now text) returns json
    language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('code', o.class, 'label',
               o.class || coalesce(' – ' || o.schools, '')) order by o.rank, o.place, o.class),
               '[]')
      from (select c.class, string_agg(h.name, ', ' order by h.rank, h.name) as schools,
                   min(h.rank) as rank, min(c.place) as place
              from school h
             cross join lateral unnest(h.classes) with ordinality as c (class, place)
             where h.closed_at is null
             group by c.class
             union all
            select p_now, null, 1000, 1
             where p_now is not null
               and exists (select from school h
                            where h.closed_at is null and h.classes <> '{}')
               and not exists (select from school h
                                where h.closed_at is null and p_now = any (h.classes))) o
     where not exists (select from school h
                        where h.closed_at is null and h.classes = '{}');
end;

comment on function classes_offered(text) is
    'The classes to choose from, each with its schools: [{"code", "label"}]; empty: a school has none listed, any can be written. Input: the child''s class now, which can stay.';


create or replace function school_faults(p_child bigint, p_after jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_now     jsonb := coalesce(child_general_values(p_child), '{}');
    v_school  school;
begin
    if (v_now->>'school_name', v_now->>'school_class')
           is not distinct from (p_after->>'school_name', p_after->>'school_class')
       or p_after->>'school_name' is null
       or not exists (select from school h where h.closed_at is null)
    then
        return '[]';
    end if;

    select h.* into v_school
      from school h
     where h.closed_at is null and h.name = p_after->>'school_name';

    if v_school.id is null then
        return case when p_after->>'school_name' is not distinct from v_now->>'school_name'
                    then '[]'
                    else jsonb_build_array(jsonb_build_object('field', 'school_name',
                                               'code', 'school_offered')) end;
    end if;

    return case when v_school.classes = '{}' or p_after->>'school_class' is null
                     or p_after->>'school_class' = any (v_school.classes)
                then '[]'
                else jsonb_build_array(jsonb_build_object('field', 'school_class',
                                           'code', 'class_offered')) end;
end
$$;

comment on function school_faults(bigint, jsonb) is
    'What is wrong with the school and class that a family asks for, where the town lists its schools: one that is not offered, a class of another school. What the child has may stay. Input: child (null: a new one), the section as it would be.';
