--
-- What families ask for: change sets, from the form to the receipt.  Nothing
-- here touches the file itself but what a town lets count without an agent.
--

set search_path = portal, pg_temp;


create or replace function same(a jsonb, a_mac bytea, b jsonb, b_mac bytea)
    returns boolean
    language sql immutable parallel safe
    return case when a_mac is not null and b_mac is not null then a_mac = b_mac
                else coalesce(nullif(a, 'null'), '""') = coalesce(nullif(b, 'null'), '""')
           end;

comment on function same(jsonb, bytea, jsonb, bytea) is
    'Whether two values of a field are the same: sealed ones by their MACs, since no two ciphertexts are alike.';


create or replace function value_mac(v jsonb, p_field text) returns bytea
    language sql immutable parallel safe
    return decode(v #>> array['_mac', p_field], 'hex');

comment on function value_mac(jsonb, text) is
    'The MAC of a field among values as section_values() gives them; null for a clear one.';


create or replace function shown(p_kind text, p_seal uuid, p_field text, p_sealed boolean,
    value jsonb, hint text)
    returns json
    language sql stable
    return case when hint is not null then to_json('•••• ' || hint)
                when p_sealed and jsonb_typeof(value) = 'string'
                then case when p_seal is not null then
                    sealed_value(p_kind, p_seal, p_field, (value #>> '{}')::sealed) end
                else coalesce(value, 'null')::json end;

comment on function shown(text, uuid, text, boolean, jsonb, text) is
    'A value of a request as a page shows it: nginx opens what is sealed, nobody what was sealed for who has left the file; of what has a hint only that is shown.';


create or replace function item_shown(p_set change_set, p_place text, p_which text,
    p_kind text, p_seal uuid, p_field text, p_sealed boolean, value jsonb, hint text)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case when (p_set).section <> 'child_photo'
                then shown(p_kind, p_seal, p_field, p_sealed, value, hint)
                when exists (select from upload w where w.id = (value #>> '{}')::uuid)
                then to_json(p_place || '/demandes/' || (p_set).id || '/photo' || p_which
                             || '.jpg')
                else 'null' end;
end
$$;

comment on function item_shown(change_set, text, text, text, uuid, text, boolean, jsonb, text) is
    'shown(), but of a photo the path of the picture. Input: the request, what its pages'' paths begin with, which picture: empty, -avant or -actuelle; the rest as of shown().';


create or replace function open_request(p_section text, p_action text, p_guardian bigint,
    p_child bigint, p_contact bigint, p_request bigint default null)
    returns change_set
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_account  bigint := asking_account();
    v_asker    bigint := counter_guardian();
    v_set      change_set;
begin
    select c.* into v_set
      from change_set c
     where (c.account_id = v_account
            -- at the counter, of a guardian without one
            or v_account is null and c.account_id is null and c.asker_id = v_asker)
       and c.family_id = my_family()
       and c.section = p_section
       and c.action = p_action
       and (p_action = 'add' or coalesce(c.guardian_id, 0) = coalesce(p_guardian, 0))
       and coalesce(c.child_id, 0) = coalesce(p_child, 0)
       and coalesce(c.contact_id, 0) = coalesce(p_contact, 0)
       and (p_action <> 'add' or c.id = p_request)
       and c.state in ('sent', 'taken', 'incomplete');

    return v_set;
end
$$;

comment on function open_request(text, text, bigint, bigint, bigint, bigint) is
    'The own request of who asks, see asked_here(), about that section of that person which is not decided yet, or null. Several additions may be open side by side: one is found by its id.';


create or replace function form_policies(p_section text, p_action text, p_now jsonb)
    returns table (name text, rank smallint, policy text, sealed boolean)
    language sql stable
begin atomic
    select p.name, p.rank, p.policy, p.sealed
      from field_policies(p_section) p
     where p.policy <> 'hidden'
       and p_action in ('change', 'add')
       -- a level without a school is none, where only the town gives one
       and (p.name not in ('school_level', 'school_class')
            or p_now->>'school_name' is not null
            or exists (select
                         from field_policies(p_section) n
                        where n.name = 'school_name'
                          and n.policy in ('editable', 'required')));
end;

comment on function form_policies(text, text, jsonb) is
    'The fields that the form of a section has. Input: section, action, the section''s values now.';


-- what is asked -----------------------------------------------------------

create or replace function asked_items(p_section text, input jsonb, p_now jsonb,
    p_open bigint)
    returns table (field text, rank smallint, old jsonb, old_mac bytea, old_hint text,
                   asked jsonb, asked_mac bytea, asked_hint text, sealed boolean,
                   validation text)
    language sql stable
begin atomic
    select f.name, f.rank, coalesce(p_now->f.name, 'null'), value_mac(p_now, f.name),
           p_now #>> array['_hint', f.name], a.value, a.mac, a.hint, f.sealed, f.validation
      from field_policies(p_section) f
      left join change_item i on i.tenant = here() and i.set_id = p_open
                             and i.field = f.name
     cross join lateral (
               select case when not input ? f.name
                           then coalesce(i.asked, p_now->f.name, 'null')
                           when jsonb_typeof(input->f.name) = 'object'
                           then coalesce(input #> array[f.name, 'sealed'], 'null')
                           else input->f.name end as value,
                      case when not input ? f.name
                           then case when i.field is not null then i.asked_mac
                                     else value_mac(p_now, f.name) end
                           else decode(input #>> array[f.name, 'mac'], 'hex') end as mac,
                      case when not input ? f.name
                           then case when i.field is not null then i.asked_hint
                                     else p_now #>> array['_hint', f.name] end
                           else input #>> array[f.name, 'hint'] end as hint) a
     where f.policy in ('editable', 'required')
       and not same(p_now->f.name, value_mac(p_now, f.name), a.value, a.mac);
end;

comment on function asked_items(text, jsonb, jsonb, bigint) is
'What differs between the file and what is asked. Input: section; the form''s fields: one that is absent stays as it is, or as the open request p_open asks; null asks for emptying; a sealed one is {"sealed", "mac", "hint"}; the section''s values now.';


create or replace function asked_values(p_now jsonb, p_items jsonb) returns jsonb
    language plpgsql immutable set search_path = portal, pg_temp as $$
begin
    return p_now
        || (select coalesce(jsonb_object_agg(i->>'field', i->'asked'), '{}')
              from jsonb_array_elements(p_items) i)
        || jsonb_build_object(
               '_mac', coalesce(p_now->'_mac', '{}')
                       || (select coalesce(jsonb_object_agg(i->>'field', i->'mac'), '{}')
                             from jsonb_array_elements(p_items) i),
               '_hint', coalesce(p_now->'_hint', '{}')
                        || (select coalesce(jsonb_object_agg(i->>'field', i->'hint'), '{}')
                              from jsonb_array_elements(p_items) i));
end
$$;

comment on function asked_values(jsonb, jsonb) is
    'A section''s values with what is asked laid over them. Input: values; [{"field", "asked", "mac" in hex, "hint"}].';


create or replace function ask_faults(p_section text, input jsonb, p_after jsonb)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('field', f.name, 'code',
                       case f.policy when 'hidden' then 'unknown_field'
                                     when 'shown' then 'not_editable'
                                     else 'required' end) order by f.rank), '[]')
              from field_policies(p_section) f
             where (f.policy in ('hidden', 'shown') and input ? f.name)
                or (f.policy = 'required'
                    and field_asked(f.name, p_after)
                    and coalesce(p_after->>f.name, 'unanswered') in ('', 'unanswered')
                    -- the account goes as a whole
                    and not (p_section = 'guardian_bank'
                             and p_after->>'iban' is null
                             and coalesce(input->>'stop' = 'yes', false))))
           -- an authorisation that is not on the town's list
           || (select coalesce(jsonb_agg(jsonb_build_object('field', f.name,
                          'code', 'unknown_field') order by f.rank), '[]')
                 from field f
                where f.section = p_section
                  and p_section = 'child_authorisations'
                  and input ? f.name
                  and not exists (select from field_policies(p_section) p
                                   where p.name = f.name))
           || section_faults(p_section, p_after);
end
$$;

comment on function ask_faults(text, jsonb, jsonb) is
    'What is wrong with a request: fields that the town does not let families change, required ones left empty, what does not go together. Input: section, the form''s fields, the section as it would be.';


create or replace function what_of(p_section text, p_action text) returns text
    language sql immutable parallel safe
    return case when p_action = 'change' and p_section <> 'child_contact' then p_section
                else p_action || '_' || p_section end;

comment on function what_of(text, text) is
    'Section and action in one word, which pages and mails name: the section itself of a change, else ACTION_SECTION. Contacts are one among many: their changes are named too.';


create or replace function form_values(p_section text, p_action text, p_open change_set,
    p_now jsonb, p_copy jsonb, p_kind text, p_seal uuid, p_version text)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (
    select json_build_object(
               'values', (select json_object_agg(w.name, w.value)
                            from (select v.name, v.value
                                    from unnest(array_agg(f.name order by f.rank),
                                                array_agg(case when not f.hint then
                                                    shown(p_kind, p_seal, f.name,
                                                          f.sealed, f.asked, null) end
                                                    order by f.rank))
                                         as v (name, value)
                                   union all
                                  values ('version', to_json(p_version)),
                                         ('comment', to_json((p_open).comment))) w),
               'current', coalesce(json_object_agg(f.name, shown(p_kind, p_seal, f.name,
                              f.sealed, f.now, p_now #>> array['_hint', f.name])
                              order by f.rank) filter (where f.name is not null), '{}'),
               'policy', (select json_object_agg(p.name, p.policy)
                            from (select q.name,
                                         -- left empty it stays, see section_input();
                                         -- or another answer may need none
                                         case when q.policy = 'required'
                                                   and (coalesce(o.asked_hint,
                                                            p_now #>> array['_hint', q.name])
                                                            is not null
                                                        or not field_asked(q.name, '{}'))
                                              then 'editable' else q.policy end as policy,
                                         q.rank
                                    from form_policies(p_section, p_action, p_now) q
                                    left join change_item o on o.tenant = here()
                                                           and o.set_id = (p_open).id
                                                           and o.field = q.name
                                   union all
                                  values ('comment', case when p_action in
                                              ('remove', 'report') then 'required'
                                              else 'editable' end, 32767)
                                   order by 3) p))
      from (select p.name, p.rank, p.policy, p.sealed, p_now->p.name as now,
                   case when p_copy ? p.name then p_copy->p.name
                        when i.field is not null then i.asked
                        else p_now->p.name end as asked,
                   coalesce(i.asked_hint, p_now #>> array['_hint', p.name])
                       is not null as hint
              from form_policies(p_section, p_action, p_now) p
              left join change_item i on i.tenant = here() and i.set_id = (p_open).id
                                     and i.field = p.name) f);
end
$$;

comment on function form_values(text, text, change_set, jsonb, jsonb, text, uuid, text) is
    'Values, current values and policy of section_form(). Input: section, action, the open request, values of the section now and those to begin with, kind and seal id of the person, the page''s version.';


create or replace function section_form(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_section  text := input->>'section';
    v_action   text := coalesce(input->>'action', 'change');
    v_who      record := subject(v_section, input);
    v_open     change_set;
    v_now      jsonb := '{}';
    v_copy     jsonb := '{}';
    v_version  text;
    v_form     json;
    v_kept     json;
    v_copies   json := '[]';
    v_hints    json;
begin
    if v_section = 'child_authorisations' then
        select json_object_agg(t.code, t.text) into v_hints from authorisation_texts() t;
    end if;

    if v_who.id is not null then
        v_open := open_request(v_section, v_action, v_who.guardian_id, v_who.child_id,
                               v_who.contact_id, to_id(input->>'request'));

        if v_action in ('change', 'remove') then
            v_now := section_values(v_section, v_who.id);
        end if;

        if coalesce(input->>'copy', '') <> '' then
            v_copy := case v_section
                when 'guardian_address' then copied_address(v_who.guardian_id, input->>'copy')
                else copied_contact(v_who.child_id, input->>'copy') end;
        end if;
    end if;

    if v_who.id is null or v_copy is null
       or (coalesce(input->>'request', '') <> '' and v_open.id is null)
    then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    -- who is added has no values yet: a page is of one family all the same
    select document_version(to_json(my_family()), v_now::json, to_json(v_open.id),
                            to_json(v_open.version),
                            json_agg(row_to_json(p) order by p.rank), v_hints)
      into v_version
      from field_policies(v_section) p;

    if v_section = 'child_contact' and v_action = 'add' then
        v_copies := contact_copies(v_who.child_id);
    elsif v_section = 'guardian_address' then
        v_copies := address_copies(v_who.guardian_id);
    end if;

    v_kept := kept_uploads(what_of(v_section, v_action), v_who.guardian_id, v_who.child_id,
                           v_open.id);
    v_form := form_values(v_section, v_action, v_open, v_now, v_copy, v_who.kind,
                          v_who.seal_id, v_version);

    return json_build_object('status', 200, 'version', v_version, 'section', v_section,
        'action', v_action, 'what', what_of(v_section, v_action),
        'person', json_build_object('kind', v_who.kind, 'id', v_who.id,
            'name', v_who.name, 'path', coalesce(counter_place(), v_who.back),
            'self', coalesce(v_who.kind = 'guardian' and v_who.id = my_guardian(), false)),
        'counter', counter_about(v_who.child_id), 'values', (v_form->'values')::jsonb
            || case when v_section = 'guardian_bank' and bank_stops(v_open.id)
                    then '{"stop": "yes"}' else '{}' end::jsonb, 'current', v_form->'current',
        'policy', (v_form->'policy')::jsonb || jsonb_strip_nulls(jsonb_build_object(
            'document', document_policy(v_section, v_action, v_open, v_kept),
            'photo', case when v_section = 'child_photo' and v_open.id is null
                               and v_form->'policy'->>'photo' = 'editable'
                               and json_array_length(v_kept) = 0 then 'required' end))
            || case when v_section = 'guardian_bank' then bank_policy(v_now, v_open.id)
                    else '{}' end,
        'request', case when v_open.id is not null then
            json_build_object('id', v_open.id, 'number', v_open.number,
                'state', v_open.state, 'is_incomplete', v_open.state = 'incomplete',
                'reason', case when v_open.state = 'incomplete'
                               then request_reason(v_open) end) end,
        'changes', v_action = 'change', 'adds', v_action = 'add',
        'reports', v_action = 'report',
        'checked', (select s.checked from section s where s.name = v_section)
                   and v_action = 'change',
        'copies', v_copies, 'has_copies', json_array_length(v_copies) > 0,
        'check', null, 'kept', v_kept, 'has_kept', json_array_length(v_kept) > 0,
        'about', section_about(v_section, v_who.id), 'hints', v_hints,
        'order', case when v_section = 'child_authorisations'
                      then (select json_agg(p.name order by p.rank)
                              from field_policies(v_section) p) end,
        'schools', case when v_section = 'child_general'
                        then schools_offered(v_now->>'school_name') else '[]' end,
        'classes', case when v_section = 'child_general'
                        then classes_offered(v_now->>'school_class') else '[]' end,
        'days', (select t.validation_days from town t where t.id = here()));
end
$$;

comment on function section_form(jsonb) is
'The page that asks for changes of a section, for somebody new, for somebody to be taken out of the file, or that reports who must not collect a child. Input: section, action (change, add, remove, report; absent: change), and guardian, child or contact; of an addition also request: the open one to be mended, and copy: the contact of another child, of an address the other guardian, to begin with. Result: {"status": 200, "version", "section", "action", "what": both in one word, "person": {"kind", "id", "name", "path", "self": it is the account''s own guardian}, "counter": counter_about() where an agent asks for a guardian, else null, "values": what the form opens with: what is asked already, else what the file holds, "current": what the file holds, "policy": {field: shown | editable | required}, "request": {"id", "number", "state", "is_incomplete", "reason": what the town asks for more} of the account''s open request or null, "changes", "adds", "reports": the action, "checked": it is shown again before it is sent, "copies": [{"id", "name", "link", "child"}] that a new contact, or an address, may begin with, "check": null, "kept": kept_uploads(), "about": section_about(), "hints": {field: text that is agreed to} of authorisations, else null, "order": [field] of authorisations as the town''s list has them, else null, "schools", "classes": schools_offered(), classes_offered() of a child''s general information, "days": in which the town answers}; 404 for what the account may not ask about. Hidden fields are nowhere; a value with a hint is never given to the form.';


create or replace function section_items(p_section text, input jsonb, p_now jsonb,
    p_open bigint)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(jsonb_agg(jsonb_build_object('field', i.field, 'old', i.old,
                       'old_mac', encode(i.old_mac, 'hex'), 'old_hint', i.old_hint,
                       'asked', i.asked, 'mac', encode(i.asked_mac, 'hex'),
                       'hint', i.asked_hint, 'sealed', i.sealed,
                       'validation', i.validation) order by i.rank), '[]')
              from asked_items(p_section, input, p_now, p_open) i);
end
$$;

comment on function section_items(text, jsonb, jsonb, bigint) is
    'asked_items() as one value.';


create or replace function checked_form(p_form json, p_step text, p_kind text,
    p_seal uuid, p_items jsonb)
    returns json
    language sql stable
begin atomic
    -- the form's own document, in which "check" says what would be sent
    select json_object_agg(e.key, case when e.key = 'check' and p_step = 'check' then
               (select json_build_object('has_items', p_items <> '[]', 'items', coalesce(json_agg(json_build_object(
                           'field', i->>'field',
                           'before', shown(p_kind, p_seal, i->>'field',
                               (i->>'sealed')::boolean, i->'old', i->>'old_hint'),
                           'asked', shown(p_kind, p_seal, i->>'field',
                               (i->>'sealed')::boolean, i->'asked', i->>'hint'),
                           'agreement', agreement_shown(nullif(i->'agreement', 'null'),
                                                        today()),
                           'state', null)), '[]'))
                  from jsonb_array_elements(p_items) i)
               -- who gives an account up agrees to no mandate
               when e.key = 'about' and p_step = 'check'
                    and p_items @> '[{"field": "iban", "asked": null}]'
               then '{"creditor": null, "vaccines_for": null}'
               else e.value end)
      from json_each(p_form) e;
end;

comment on function checked_form(json, text, text, uuid, jsonb) is
    'The page of a section with what would be sent, to be looked at again. Input: section_form()''s document, the step, kind and seal id of the person, the items.';


create or replace function send_change(p_section text, p_action text, p_guardian bigint,
    p_child bigint, p_contact bigint, p_name text, p_items jsonb, p_open change_set,
    p_comment text)
    returns change_set
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set     change_set := p_open;
    v_iban    boolean := new_iban(p_items, p_open.id);
    v_before  jsonb := stored_items(p_open.id, false);
begin
    if v_set.state = 'incomplete' then
        update change_set c
           set comment = p_comment, subject = p_name
         where c.id = v_set.id;
        v_set := change_step(v_set.id, case asks_as() when 'agent' then 'filed_more'
                                                      else 'completed' end,
                             'sent', asks_as(), asks_by());
    else
        if v_set.id is not null then
            perform change_step(v_set.id, 'replaced', 'replaced', asks_as(), asks_by());
        end if;

        v_set := new_request(p_section, p_action, p_guardian, p_child, p_contact, p_name,
                             v_set.id, p_comment);
    end if;

    perform put_items(v_set.id, p_items);
    perform name_uploads(v_set);
    update change_set c
       set urgent = urgent(p_section, p_items)
                    or contact_urgent(p_section, p_action, p_contact, p_items),
           rest = section_rest(v_set),
           filed_at = case when asks_as() = 'agent' then now() else c.filed_at end,
           filed_by = case when asks_as() = 'agent' then my_agent() else c.filed_by end,
           identified = coalesce(counter_identified(), c.identified),
           -- who has filed it does not decide it
           taken_by = case when asks_as() = 'family' or c.taken_by <> my_agent()
                           then c.taken_by end
     where c.id = v_set.id
    returning c.* into v_set;
    perform tell_collect(v_set, p_items, v_before);

    -- what an agent files waits for another one, whatever the town lets families do
    if p_action = 'change' and asks_as() = 'family'
       -- nor does an IBAN count at once that takes two agents
       and not (wants_two(v_set) and gives_iban(v_set))
       -- and who may collect a child is for an agent to accept, in each town
       and not lets_collect(v_set, p_items, '[]')
       and not exists (select from jsonb_array_elements(p_items) i
                        where i->>'validation' <> 'automatic')
    then
        update change_item i set state = 'accepted' where i.set_id = v_set.id;
        perform write_change(v_set);
        v_set := change_step(v_set.id, 'accepted', 'accepted', 'town', null);
    end if;

    if asks_as() = 'agent' then
        perform note('file_change', v_set.state, 'change_set', v_set.id);
    else
        perform note('ask_change', v_set.state, 'change_set', v_set.id);
    end if;

    if v_iban then
        perform iban_mail(v_set);
    end if;

    perform change_mail(v_set, case when asks_as() = 'agent' then 'change_filed'
                                    when v_set.state = 'accepted' then 'change_accepted'
                                    else 'change_sent' end);
    return v_set;
end
$$;

comment on function send_change(text, text, bigint, bigint, bigint, text, jsonb, change_set, text) is
    'Makes or completes a request with these items, applies a change where the town lets all of them count without an agent, and writes the receipt; at the counter nothing is applied, and the request is marked. The caller has locked the account and the person. Result: the request.';


create or replace function added_name(p_section text, p_about text, v jsonb) returns text
    language sql immutable
    return left((v->>'first_name') || ' ' || (v->>'last_name')
                || case p_section when 'child_contact' then ' · ' || p_about else '' end, 250);

comment on function added_name(text, text, jsonb) is
    'Name of somebody to be added, of a contact with the child''s. Input: section, name of whom it is about, values.';


create or replace function asked_faults(input jsonb, p_family bigint, p_child bigint,
    p_after jsonb)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case coalesce(input->>'action', 'change')
               when 'change' then ask_faults(input->>'section', input, p_after)
               when 'add' then ask_faults(input->>'section', input, p_after)
                               || add_faults(input->>'section', p_family, p_child, p_after)
                               || child_known(input->>'section', p_family, p_after)
               when 'remove' then remove_faults(input->>'section', p_family)
               else '[]' end
           || case when input->>'section' = 'child_general'
                   then school_faults(p_child, p_after) else '[]' end;
end
$$;

comment on function asked_faults(jsonb, bigint, bigint, jsonb) is
    'What is wrong with what is asked for, whatever the action. Input: the form; family and child; the section as it would be.';


create or replace function ask_limit(p_section text, p_action text) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_refusal  json;
    v_wait     int;
begin
    if asks_as() = 'agent' then
        v_refusal := agent_limit('filings');

        if v_refusal is not null then
            perform note('file_change', 'too_many');
        end if;

        return v_refusal;
    end if;

    if p_action <> 'add' and (p_section, p_action) <> ('child_contact', 'change') then
        return null;
    end if;

    v_wait := take('ask', int8send(me()), 60, '1 day');

    if v_wait = 0 then
        return null;
    end if;

    perform note('ask_change', 'too_many');

    return json_build_object('status', 429, 'wait', v_wait,
        'errors', json_build_array(json_build_object('field', '', 'code', 'too_many')));
end
$$;

comment on function ask_limit(text, text) is
    'What stands side by side or writes to others is bounded: 60 additions and changes of contacts a day of an account; of an agent at the counter all that they file, see agent_limit(). Result: null to go on, or 429 too_many, too_many_filings with "wait".';


create or replace function ask_change(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_section  text := input->>'section';
    v_action   text := coalesce(input->>'action', 'change');
    v_step     text := case when input->>'drop' is not null then 'edit'
                            else coalesce(nullif(input->>'step', 'remove'), 'send') end;
    v_who      record := subject(v_section, input);
    v_form     json;
    v_open     change_set;
    v_now      jsonb := '{}';
    v_items    jsonb := '[]';
    v_after    jsonb;
    v_faults   jsonb;
    v_refusal  json;
    v_set      change_set;
begin
    if v_who.id is null then
        return not_theirs(input);
    end if;

    if v_step = 'send' then
        v_refusal := repeated(input);

        if v_refusal is not null then
            perform drop_upload(input);
            return v_refusal;
        end if;
    end if;

    -- one request of an account after the other; then the person, as deciding
    -- does: whoever comes second sees what the first has made of the file
    if not lock_asker() then
        -- closed while this one waited for it
        perform drop_upload(input);
        return done(input, json_build_object('status', 404, 'errors', json_build_array()));
    end if;

    perform lock_subject(v_who.guardian_id, v_who.child_id, my_family());

    if not still_asks() then
        -- taken out of the family while this one waited for it
        perform drop_upload(input);
        return done(input, json_build_object('status', 404, 'errors', json_build_array()));
    end if;

    v_open := open_request(v_section, v_action, v_who.guardian_id, v_who.child_id,
                           v_who.contact_id, to_id(input->>'request'));

    if input->>'drop' is not null then
        perform drop_kept(input, v_who.guardian_id, v_who.child_id, v_open.id);
    end if;

    perform drop_unwanted(input);

    v_form := section_form(input);
    v_refusal := coalesce(case when v_form->>'version' is null then not_theirs(input) end,
        stale(input, v_form->>'version'),
        case when input->>'version' <> v_form->>'version'
             then refused('', 'file_changed', 409) end);

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    if v_action in ('change', 'add') then
        v_now := case v_action when 'change' then section_values(v_section, v_who.id)
                               else '{}' end;
        v_items := section_items(v_section,
                                 section_input(v_section, input, v_now, v_open.id),
                                 v_now, v_open.id);
    end if;

    if v_section = 'child_authorisations' then
        v_items := agreed_items(v_who.child_id,
                                renewed_items(v_who.child_id, v_items, input), input,
                                v_open.id);
    end if;

    v_after := asked_values(v_now, v_items);
    v_faults := asked_faults(input, my_family(), v_who.child_id, v_after)
                || late_faults(v_section, v_items, v_after)
                || added_twice(v_section, v_action, v_open.id, v_after)
                || case when v_step <> 'edit'
                        then document_faults(input, v_who.guardian_id, v_who.child_id,
                                             v_open.id) else '[]' end;

    if v_faults <> '[]' then
        if v_faults @? '$[*].code ? (@ == "not_editable" || @ == "unknown_field")' then
            perform note('ask_change', 'not_editable', v_section, v_who.id);
        end if;

        return done(input, json_build_object('status', 422, 'errors', v_faults));
    end if;

    if v_step = 'check' or v_step = 'edit' then
        return checked_form(v_form, v_step, v_who.kind, v_who.seal_id, v_items);
    end if;

    if v_action = 'change' and v_items = '[]' then
        -- what the parent has sent is theirs to take back
        if v_open.id is null or asks_as() = 'agent' then
            return done(input, case when v_section = 'child_photo' and v_step = 'send'
                                    then refused('photo', 'required')
                                    else refused('', 'nothing_asked') end);
        end if;

        perform withdraw(v_open);
        return done(input, moved('/famille/demandes/' || v_open.id, null, 'withdrawn'));
    end if;

    v_refusal := ask_limit(v_section, v_action);

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    v_set := send_change(v_section, v_action, v_who.guardian_id, v_who.child_id,
                         v_who.contact_id, case v_action when 'add'
                             then added_name(v_section, v_who.name, v_after)
                             else v_who.name end,
                         v_items, v_open, input->>'comment');

    return done(input, case asks_as()
        when 'agent' then moved('/demandes/' || v_set.id, null, 'change_filed')
        else moved('/famille/demandes/' || v_set.id, null,
                 case v_set.state when 'accepted' then 'change_done'
                                  else 'change_sent' end) end);
end
$$;

comment on function ask_change(jsonb) is
'Asks for changes of a section of a person, for somebody new, for somebody to be taken out of the file, or reports who must not collect a child. Input: section; action (change, add, remove, report; absent: change); guardian, child or contact; request: the open addition to be mended; the section''s fields (absent: stays as it is or as it is asked already; null: to be emptied; sealed ones sealed), none of a removal or report; comment, which these two cannot be without; version of the page that it was asked over (absent: any); step: check (shows what would be sent and stores nothing), edit (the form again, filled) or send, of a photo also remove: that it be taken out; drop: id of a file among "kept" that is to be forgotten, which is an edit; idempotency key.
Result: moved to the receipt; the page with "check" [{"field", "before", "asked", "state"}] for check, as section_form() for edit; 404; 409 file_changed when the page is older than the file; 422 with the errors of the fields, nothing_asked when nothing differs; 429 too_many, see ask_limit().
An answer to an authorisation that is sent again counts for the coming school year, see renewed_items().
The account''s open request about the same is replaced, or completed when the town had asked for more; a change that asks for what the file holds withdraws it. An agent at the counter asks by counter_change(). What the account may not ask about leaves a row of the audit, see not_theirs(); so does a field that the town does not let families change.';


grant execute on function section_form(jsonb), ask_change(jsonb) to portal_web;
