--
-- What was accepted is undone by another request, never by editing history:
-- decide() of validation.sql calls reverse_request().
--

set search_path = portal, pg_temp;


create or replace function as_removal(p_set change_set) returns change_set
    language plpgsql immutable set search_path = portal, pg_temp as $$
begin
    p_set.action := 'remove';
    return p_set;
end
$$;

comment on function as_removal(change_set) is
    'An accepted addition as the request that would take whom it has added out again.';


create or replace function reverse_addition(p_set change_set, input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_faults  jsonb := change_faults(as_removal(p_set));
    v_set     change_set;
begin
    if v_faults #>> '{0,code}' = 'subject_gone' then
        return refused('', 'subject_gone', 409);
    elsif v_faults <> '[]' then
        return json_build_object('status', 422, 'errors', v_faults);
    end if;

    v_set := new_request(p_set.section, 'remove', p_set.guardian_id, p_set.child_id,
                         p_set.contact_id, p_set.subject, null, null, p_set);
    perform end_access(v_set);
    perform write_change(v_set);

    return reversed(v_set, input);
end
$$;

comment on function reverse_addition(change_set, jsonb) is
    'Undoes an accepted addition by a removal, which counts at once. Result: moved to it; 409 subject_gone: who was added is no more; 422 last_guardian.';


create or replace function reversed(p_set change_set, input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set  change_set := change_step(p_set.id, 'accepted', 'accepted', 'agent', my_agent(),
                                     input->>'reason_code', input->>'reason');
begin
    perform note('reverse_request', 'ok', 'change_set', v_set.id);
    perform change_mail(v_set, 'change_reversed');

    return moved('/demandes/' || v_set.id, null, 'request_reversed');
end
$$;

comment on function reversed(change_set, jsonb) is
    'The end of a request that undoes another one and is written into the file. Input: the request, the form.';


create or replace function reverse_request(p_set change_set, input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_now     jsonb := section_values(p_set.section, request_subject(p_set));
    v_items   jsonb;
    v_faults  jsonb;
    v_set     change_set;
begin
    if p_set.action = 'add' then
        return reverse_addition(p_set, input);
    elsif p_set.action = 'remove' then
        return reverse_removal(p_set, input);
    elsif v_now is null or subject_gone(p_set) then
        return refused('', 'subject_gone', 409);
    end if;

    select jsonb_agg(jsonb_build_object('field', i.field,
               'old', coalesce(v_now->i.field, 'null'),
               'old_mac', encode(value_mac(v_now, i.field), 'hex'),
               'old_hint', v_now #>> array['_hint', i.field],
               'asked', b.value, 'mac', encode(b.mac, 'hex'), 'hint', b.hint,
               'agreement', b.agreement, 'old_agreement', agreement_now(p_set, i.field)))
      into v_items
      from change_item i
     cross join lateral (
               select i.found, i.found_mac, i.found_hint, i.found_agreement
                where i.found is not null
                union all
               select i.old, i.old_mac, i.old_hint, i.old_agreement
                where i.found is null) as b (value, mac, hint, agreement)
     where i.set_id = p_set.id and i.state = 'accepted';

    if p_set.section = 'child_photo'
       and child_photo_faults(jsonb_build_object('photo', v_items #> '{0,asked}')) <> '[]'
    then
        return refused('', 'photo_gone', 409);
    end if;

    -- the file has gone on: what was there then may not go with what is there now
    v_faults := change_faults(p_set, asked_values(v_now, v_items)
                                     || jsonb_build_object('_day', today()));

    if v_faults <> '[]' then
        return json_build_object('status', 422, 'errors', v_faults);
    end if;

    v_set := new_request(p_set.section, 'change', p_set.guardian_id, p_set.child_id,
                         p_set.contact_id, p_set.subject, null, null, p_set);
    perform put_items(v_set.id, v_items);
    update change_item i set state = 'accepted' where i.set_id = v_set.id;
    perform write_change(v_set);
    perform tell_collect(v_set, v_items,
                         (select jsonb_agg(jsonb_build_object('field', i->'field',
                                                              'asked', i->'old'))
                            from jsonb_array_elements(v_items) i));

    return reversed(v_set, input);
end
$$;

comment on function reverse_request(change_set, jsonb) is
    'Undoes an accepted request by another one that asks for what the file held when it was accepted, takes whom it has added out again, or puts back whom it has taken out; history stays, and who had asked finds both among their own. Result: moved to the new request; 409 subject_gone, photo_gone, and of a removal as reverse_removal(); 422 when what was there does not go with what the file holds now, and nothing is written.';
