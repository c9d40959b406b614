--
-- The address of a guardian: its parts, how they are read from what people and
-- programs write, and what of it no family is asked for (codes of the State).
-- address_parts(), which splits a line, is in sql/migrations/075_address_parts.sql.
--

set search_path = portal, pg_temp;


create or replace function address_values(p_id bigint) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select jsonb_build_object('street_number', a.street_number,
                       'repetition', a.repetition, 'street', a.street,
                       'complement', a.complement, 'locality', a.locality,
                       'postal_code', a.postal_code, 'city', a.city,
                       'country', coalesce(a.country, 'FR'), 'hosted_by', a.hosted_by)
              from guardian g
              left join address a on a.tenant = g.tenant and a.guardian_id = g.id
             where g.id = p_id);
end
$$;

comment on function address_values(bigint) is
    'section_values() of guardian_address. The codes (city_code, ban_…) are no part of it: no family is asked for them.';


create or replace function address_codes(p_guardian bigint) returns json
    language sql stable
begin atomic
    select json_build_object('city_code', d.city_code, 'ban_id', d.ban_id,
               'ban_score', trim_scale(d.ban_score)::text, 'ban_date', d.ban_date)
      from address d
     where d.guardian_id = p_guardian
       and num_nonnulls(d.city_code, d.ban_id) > 0;
end;

comment on function address_codes(bigint) is
    'What the State calls a guardian''s address, as imports have brought it: {"city_code", "ban_id", "ban_score", "ban_date"}; null: nothing is known of it.';


create or replace function address_line(v jsonb) returns text
    language sql immutable parallel safe
    return nullif(concat_ws(' ', nullif(v->>'street_number', ''), nullif(v->>'repetition', ''),
                            nullif(v->>'street', '')), '');

comment on function address_line(jsonb) is
    'Number, index and street in one line, as an envelope and BL.enfance have them. Input: values.';


create or replace function address_index(p_index text) returns text
    language sql immutable parallel safe
    return case when length(btrim(p_index)) = 1 then upper(btrim(p_index))
                else lower(btrim(p_index)) end;

comment on function address_index(text) is
    'A repetition index as the file writes it: bis, ter, or a capital.';


create or replace function address_typed(p_parts jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    -- an index that there is not goes to no box that there is not either
    return (select case when bool_and(f.name is not null or e.value = 'null')
                             and p_parts->>'street_number' is not null
                        then jsonb_object_agg(e.key, e.value)
                             filter (where f.name is not null) end
              from jsonb_each(p_parts) e
              left join field_policies('guardian_address') f
                     on f.name = e.key and f.policy in ('editable', 'required'));
end
$$;

comment on function address_typed(jsonb) is
    'Parts that are read in what a family types, as far as there is something in them; null: there is no number, or the town''s form has no box for one of them, so that what was typed stays whole. Input: of address_parts().';


create or replace function address_input(input jsonb, p_now jsonb, p_open bigint)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_open    jsonb := (select coalesce(jsonb_object_agg(i.field, i.asked), '{}')
                          from change_item i
                         where i.set_id = p_open);
    v_was     jsonb := p_now || v_open;
    v_all     jsonb := v_was || input;
    v_number  text := nullif(btrim(input->>'street_number'), '');
    v_line    jsonb := address_parts(input->>'street', 'FR');
    v_street  boolean;
    v_parts   jsonb;
    v         jsonb := input;
begin
    if input->>'repetition' is not null then
        v := v || jsonb_build_object('repetition', address_index(input->>'repetition'));
    end if;

    if coalesce(v_all->>'country', 'FR') <> 'FR' then
        return v;
    end if;

    -- « 12 bis » in the number's box
    if v_number !~ '^[0-9]+$' and coalesce(v_all->>'repetition', '') = '' then
        v_parts := address_typed(address_parts(v_number || ' rue', 'FR') - 'street');

        if v_parts is not null then
            return v || v_parts;
        end if;
    end if;

    -- the whole line in the street's, as browsers fill it in
    v_parts := address_typed(v_line);

    if v_parts is null or input->>'street' is not distinct from v_was->>'street' then
        return v;
    end if;

    v_street := address_parts('1 B ' || (v_line->>'street'), 'FR')->>'repetition' = 'B';

    -- the number that was there, and its index, are not said where the line has them
    if v_street and v_number = v_was->>'street_number' then
        v_number := null;
        v := case when v->'repetition' = v_was->'repetition' then v - 'repetition'
                  else v end;
    end if;

    -- where a number was there and is not said, a line that does begin like a street
    if v_number is null
       and (coalesce(v->>'repetition', '') = '' or v_line->>'repetition' is null)
       and (input ? 'street_number' or v_was->>'street_number' is null or v_street)
    then
        return v || case when coalesce(v->>'repetition', '') = '' then v_parts
                         else v_parts - 'repetition' end;
    end if;

    return v;
end
$$;

comment on function address_input(jsonb, jsonb, bigint) is
    'section_input() of guardian_address: an index as the file writes it; a number typed with its index, or before the street, becomes the parts that it is, where the town''s form has a box for each.';


create or replace function address_faults(v jsonb) returns jsonb
    language plpgsql immutable set search_path = portal, pg_temp as $$
begin
    return case
        when coalesce(v->>'street_number', '') !~ '^([1-9][0-9]{0,3})?$'
        then fault('street_number', 'street_number') else '[]' end
        || case
        when coalesce(v->>'repetition', '') !~ '^([A-Z]|bis|ter|quater|quinquies)?$'
        then fault('repetition', 'repetition')
        when coalesce(v->>'repetition', '') <> '' and coalesce(v->>'street_number', '') = ''
        then fault('repetition', 'number_first')
        else '[]' end
        || case when v->>'country' = 'FR'
                     and v->>'postal_code' !~ '^(0[1-9]|[1-8][0-9]|9[0-8])[0-9]{3}$'
                then fault('postal_code', 'postal_code') else '[]' end;
end
$$;

comment on function address_faults(jsonb) is
    'section_faults() of guardian_address. Errors: street_number street_number (no number from 1 to 9999), repetition repetition, repetition number_first (an index of no number), postal_code postal_code.';


create or replace function address_apply(p_id bigint, v jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    insert into address as a (tenant, guardian_id, family_id, street_number, repetition,
                              street, complement, locality, postal_code, city, country,
                              hosted_by, city_code, ban_id, ban_score, ban_date)
    select g.tenant, g.id, g.family_id, w.street_number, w.repetition, w.street,
           w.complement, w.locality, w.postal_code, w.city, w.country, w.hosted_by,
           c.city_code, c.ban_id, c.ban_score, c.ban_date
      from guardian g
     cross join jsonb_populate_record(null::address,
               v - '{city_code,ban_id,ban_score,ban_date}'::text[]) w
     cross join address_codes(v) c
     where g.id = p_id
        on conflict (tenant, guardian_id) do update
       set street_number = excluded.street_number, repetition = excluded.repetition,
           street = excluded.street, complement = excluded.complement,
           locality = excluded.locality, postal_code = excluded.postal_code,
           city = excluded.city, country = excluded.country,
           hosted_by = excluded.hosted_by,
           -- what is not said stays, unless it was of the old place
           city_code = case when v ? 'city_code' then excluded.city_code
                            when (a.postal_code, a.city, a.country)
                                 = (excluded.postal_code, excluded.city, excluded.country)
                            then a.city_code end,
           (ban_id, ban_score, ban_date) = (
               select case when x.new then excluded.ban_id when x.same then a.ban_id end,
                      case when x.new then excluded.ban_score when x.same then a.ban_score end,
                      case when x.new then excluded.ban_date when x.same then a.ban_date end
                 from (select v ? 'ban_id' as new,
                              (a.street_number, a.repetition, a.street, a.locality,
                               a.postal_code, a.city, a.country)
                              is not distinct from
                              (excluded.street_number, excluded.repetition, excluded.street,
                               excluded.locality, excluded.postal_code, excluded.city,
                               excluded.country) as same) x);
end
$$;

comment on function address_apply(bigint, jsonb) is
    'section_apply() of guardian_address. Codes that are not among the values stay where the place is the same, and go with another one.';


-- what an import says ------------------------------------------------------

create or replace function address_codes(v jsonb)
    returns table (city_code text, ban_id text, ban_score numeric, ban_date date)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return query
    select case when coalesce(v->>'country', 'FR') = 'FR' then v->>'city_code' end,
           v->>'ban_id',
           case when v->>'ban_id' is not null
                then round(replace(v->>'ban_score', ',', '.')::numeric, 3) end,
           case when v->>'ban_id' is not null
                then coalesce((v->>'ban_date')::date, today()) end;
end
$$;

comment on function address_codes(jsonb) is
    'The codes of an address among values: none of a town abroad, no score and no date without a key; found today, where no day is said.';


create or replace function address_read(p_id bigint, p_now jsonb, r jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v          jsonb := r->'values';
    v_country  text := coalesce(nullif(v->>'country', ''), p_now->>'country', 'FR');
    v_columns  jsonb := coalesce(r->'columns', '{}');
    v_known    jsonb;
    v_parts    jsonb;
begin
    if v->>'repetition' is not null then
        v := v || jsonb_build_object('repetition', address_index(v->>'repetition'));
    end if;

    -- what is no number by itself is a part of the street
    if v->>'street' is not null
       and address_faults(v - '{country,postal_code}'::text[]) <> '[]'
    then
        v := v || jsonb_build_object('street', address_line(v), 'street_number', null,
                                     'repetition', null);
    end if;

    if v->>'street' is null or coalesce(v->>'street_number', '') <> '' then
        return r || jsonb_build_object('values', v);
    end if;

    -- a line: what the file or a request calls so is that, however it would be split
    v_parts := address_parts(v->>'street', v_country);

    select c.known into v_known
      from (select p_now as known, 1 as n
             union all
            select p_now || jsonb_object_agg(h.field, h.asked), 2
              from import_held('guardian_address', p_id) h
             group by h.set_id
             union all
            select p_now || jsonb_object_agg(h.field, h.old), 3
              from import_held('guardian_address', p_id) h
             group by h.set_id) c
     where address_line(c.known) = v->>'street'
     order by c.n
     limit 1;

    if v_known is not null then
        v_parts := jsonb_build_object('street_number', v_known->'street_number',
                       'repetition', v_known->'repetition', 'street', v_known->'street');
    end if;

    return r || jsonb_build_object('values', v || v_parts,
        'columns', jsonb_build_object('street_number', v_columns->'street',
                                      'repetition', v_columns->'street') || v_columns);
end
$$;

comment on function address_read(bigint, jsonb, jsonb) is
    'A record of an import with its address in parts, whether it came in parts or in one line. Input: guardian, null of a new one; section_values(); the record.';


create or replace function address_coded(p_plan jsonb, p_id bigint, p_now jsonb, v jsonb)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_codes  jsonb := (select coalesce(jsonb_object_agg(e.key, e.value), '{}')
                         from jsonb_each(v) e
                        where e.key in ('city_code', 'ban_id', 'ban_score', 'ban_date'));
begin
    -- codes of an address that the file does not get are not for it
    if v_codes = '{}' or p_plan->>'outcome' not in ('created', 'updated', 'unchanged') then
        return p_plan;
    end if;

    if p_plan->>'outcome' <> 'unchanged' then
        return p_plan || jsonb_build_object('ops', (
            select jsonb_agg(case when o ? 'values'
                                  then jsonb_set(o, '{values}', o->'values' || v_codes)
                                  else o end order by n)
              from jsonb_array_elements(p_plan->'ops') with ordinality as x (o, n)));
    end if;

    if not exists (
        select
          from address a
         cross join address_codes(p_now || v_codes) c
         where a.guardian_id = p_id
           and (v_codes ? 'city_code' and a.city_code is distinct from c.city_code
                or v_codes ? 'ban_id' and (a.ban_id is distinct from c.ban_id
                                           or a.ban_score is distinct from c.ban_score
                                           or v_codes ? 'ban_date'
                                              and a.ban_date is distinct from c.ban_date)))
    then
        return p_plan;
    end if;

    return p_plan || jsonb_build_object('outcome', 'updated',
        'ops', p_plan->'ops' || jsonb_build_object('do', 'apply',
                   'section', 'guardian_address', 'id', p_id, 'values', p_now || v_codes));
end
$$;

comment on function address_coded(jsonb, bigint, jsonb, jsonb) is
    'A plan of import_section() with the codes that come with the address. Input: the plan, guardian, section_values(), the record''s values.';
