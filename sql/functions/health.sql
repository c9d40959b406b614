--
-- What the staff must know to look after a child, as a section of the file.
--

set search_path = portal, pg_temp;


create or replace function health_values(p_id bigint) returns jsonb
    language sql stable
begin atomic
    select jsonb_build_object('doctor_name', h.doctor_name,
               'doctor_phone', h.doctor_phone, 'vaccines', h.vaccines,
               'allergies', h.allergies, 'allergy_action', h.allergy_action,
               'treatment', h.treatment, 'notes', h.notes, 'pai', h.pai,
               'pai_start', h.pai_start, 'pai_end', h.pai_end, 'glasses', h.glasses,
               'vaccines_until', h.vaccines_until, 'hearing_aid', h.hearing_aid,
               'swims', h.swims,
               '_mac', jsonb_build_object(
                   'allergies', encode(h.allergies_mac, 'hex'),
                   'allergy_action', encode(h.allergy_action_mac, 'hex'),
                   'treatment', encode(h.treatment_mac, 'hex'),
                   'notes', encode(h.notes_mac, 'hex')))
      from health h
     where h.child_id = p_id;
end;

comment on function health_values(bigint) is
    'section_values() of child_health.';


create or replace function health_input(input jsonb, p_now jsonb, p_open bigint)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_asked  jsonb := (select coalesce(jsonb_object_agg(i.field, i.asked), '{}')
                         from change_item i
                        where i.set_id = p_open);
    v_meant  jsonb := p_now || v_asked || jsonb_strip_nulls(input);
    v_input  jsonb := input;
begin
    if v_meant->>'pai' is distinct from 'yes' then
        v_input := v_input || '{"pai_start": null, "pai_end": null}';
    end if;

    if v_meant->>'vaccines' is distinct from 'no' then
        v_input := v_input || '{"vaccines_until": null}';
    -- a child is admitted for three months to make up for what is missing
    elsif p_now->>'vaccines' is distinct from 'no' and v_meant->>'vaccines_until' is null
    then
        v_input := v_input || jsonb_build_object('vaccines_until',
                                  (today() + interval '3 months')::date);
    end if;

    return v_input;
end
$$;

comment on function health_input(jsonb, jsonb, bigint) is
    'section_input() of child_health: without a plan (PAI) its dates are emptied, and the day of missing vaccines where none is missing; who says that some are and no day has three months, for which the law admits a child (décret 2018-42).';


create or replace function health_faults(v jsonb) returns jsonb
    language sql immutable
    return case when v->>'pai' = 'yes'
                     and (v->>'pai_end')::date < (v->>'pai_start')::date
                then jsonb_build_array(jsonb_build_object('field', 'pai_end',
                         'code', 'pai_end_early'))
                else '[]' end;

comment on function health_faults(jsonb) is
    'section_faults() of child_health.';


create or replace function health_apply(p_id bigint, v jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update health h
       set doctor_name = v->>'doctor_name', doctor_phone = v->>'doctor_phone',
           vaccines = v->>'vaccines',
           allergies = v->>'allergies', allergies_mac = value_mac(v, 'allergies'),
           allergy_action = v->>'allergy_action',
           allergy_action_mac = value_mac(v, 'allergy_action'),
           treatment = v->>'treatment', treatment_mac = value_mac(v, 'treatment'),
           notes = v->>'notes', notes_mac = value_mac(v, 'notes'),
           vaccines_until = case when v->>'vaccines' = 'no'
                                 then (v->>'vaccines_until')::date end,
           pai = v->>'pai',
           -- also where only the answer was accepted
           pai_start = case when v->>'pai' = 'yes' then (v->>'pai_start')::date end,
           pai_end = case when v->>'pai' = 'yes' then (v->>'pai_end')::date end,
           glasses = v->>'glasses', hearing_aid = v->>'hearing_aid', swims = v->>'swims'
     where h.child_id = p_id;
end
$$;

comment on function health_apply(bigint, jsonb) is
    'section_apply() of child_health.';


create or replace function vaccines_for(p_child bigint) returns text
    language sql stable
begin atomic
    -- born before 2018 diphtheria, tetanus and polio; from 2018 eleven; from
    -- 2025 meningococci ACWY and B besides
    select case when c.birth_date < '2018-01-01' then 'dtp'
                when c.birth_date < '2025-01-01' then 'eleven'
                else 'acwy_b' end
      from child c
     where c.id = p_child;
end;

comment on function vaccines_for(bigint) is
    'Which vaccines are compulsory for a child, by its birth date: dtp, eleven or acwy_b.';
