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
    language sql stable
    return case when (p_set).section <> 'child_photo'
                then shown(p_kind, p_seal, p_field, p_sealed, value, hint)
                when exists (select from upload w where w.id = (value #>> '{}')::uuid)
                then to_json(p_place || '/demandes/' || (p_set).id || '/photo' || p_which
                             || '.jpg')
                else 'null' end;

comment on function item_shown(change_set, text, text, text, uuid, text, boolean, jsonb, text) is
    'shown(), but of a photo the path of the picture. Input: the request, what its pages'' paths begin with, which picture: empty, -avant or -actuelle; the rest as of shown().';


create or replace function open_request(p_section text, p_action text, p_guardian bigint,
    p_child bigint, p_contact bigint, p_request bigint default null)
    returns change_set
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_set  change_set;
begin
    select c.* into v_set
      from change_set c
     where c.account_id = me()
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
    'The account''s own request about that section of that person which is not decided yet, or null. Several additions may be open side by side: one is found by its id.';


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
    language sql stable
    return (select coalesce(jsonb_agg(jsonb_build_object('field', f.name, 'code',
                       case f.policy when 'hidden' then 'unknown_field'
                                     when 'shown' then 'not_editable'
                                     else 'required' end) order by f.rank), '[]')
              from field_policies(p_section) f
             where (f.policy in ('hidden', 'shown') and input ? f.name)
                or (f.policy = 'required'
                    and coalesce(p_after->>f.name, 'unanswered') in ('', 'unanswered')))
           || section_faults(p_section, p_after);

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
                                    from unnest(array_agg(f.name),
                                                array_agg(case when not f.hint then
                                                    shown(p_kind, p_seal, f.name,
                                                          f.sealed, f.asked, null) end))
                                         as v (name, value)
                                   union all
                                  values ('version', to_json(p_version)),
                                         ('comment', to_json((p_open).comment))) w),
               'current', coalesce(json_object_agg(f.name, shown(p_kind, p_seal, f.name,
                              f.sealed, f.now, p_now #>> array['_hint', f.name])
                              order by f.rank) filter (where f.name is not null), '{}'),
               'policy', (select json_object_agg(p.name, p.policy)
                            from (select q.name,
                                         -- left empty it stays, see section_input()
                                         case when q.policy = 'required' and coalesce(
                                                   o.asked_hint,
                                                   p_now #>> array['_hint', q.name])
                                                   is not null
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

    select document_version(v_now::json, to_json(v_open.id), to_json(v_open.version),
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
            'name', v_who.name, 'path', v_who.back),
        'values', v_form->'values', 'current', v_form->'current',
        'policy', (v_form->'policy')::jsonb || jsonb_strip_nulls(jsonb_build_object(
            'document', document_policy(v_section, v_action, v_open, v_kept),
            'photo', case when v_section = 'child_photo' and v_open.id is null
                               and v_form->'policy'->>'photo' = 'editable'
                               and json_array_length(v_kept) = 0 then 'required' end)),
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
        'days', (select t.validation_days from town t where t.id = here()));
end
$$;

comment on function section_form(jsonb) is
'The page that asks for changes of a section, for somebody new, for somebody to be taken out of the file, or that reports who must not collect a child. Input: section, action (change, add, remove, report; absent: change), and guardian, child or contact; of an addition also request: the open one to be mended, and copy: the contact of another child, of an address the other guardian, to begin with. Result: {"status": 200, "version", "section", "action", "what": both in one word, "person": {"kind", "id", "name", "path"}, "values": what the form opens with: what is asked already, else what the file holds, "current": what the file holds, "policy": {field: shown | editable | required}, "request": {"id", "number", "state", "is_incomplete", "reason": what the town asks for more} of the account''s open request or null, "changes", "adds", "reports": the action, "checked": it is shown again before it is sent, "copies": [{"id", "name", "link", "child"}] that a new contact, or an address, may begin with, "check": null, "kept": kept_uploads(), "about": section_about(), "hints": {field: text that is agreed to} of authorisations, else null, "days": in which the town answers}; 404 for what the account may not ask about. Hidden fields are nowhere; a value with a hint is never given to the form.';


create or replace function change_step(p_id bigint, p_event text, p_state text,
    p_kind text, p_by bigint, p_reason_code text default null, p_reason text default null)
    returns change_set
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set  change_set;
begin
    update change_set c
       set state = p_state, version = c.version + 1, updated_at = now(),
           taken_by = case p_event when 'taken' then p_by when 'released' then null
                                   else c.taken_by end,
           reason_code = p_reason_code, reason = p_reason,
           decided_at = case when p_state in ('accepted', 'partly', 'refused') then now() end,
           decided_by = case when p_state in ('accepted', 'partly', 'refused')
                                  and p_kind = 'agent' then p_by end
     where c.id = p_id
    returning c.* into strict v_set;

    insert into change_event (tenant, set_id, version, event, by_kind, by_id)
    values (here(), p_id, v_set.version, p_event, p_kind, p_by);

    return v_set;
end
$$;

comment on function change_step(bigint, text, text, text, bigint, text, text) is
    'Moves a request, which the caller has locked, to another state and writes its history. Input: request, event, state, who (family, agent, town) and their id, the reason where there is one. Result: the request as it is then.';


create or replace function ready_words(p_code text, p_lang text) returns text
    language sql stable
    return (select coalesce(r.texts->>p_lang, r.texts->>'fr') from refusal r
             where r.code = p_code);

comment on function ready_words(text, text) is
    'The town''s ready words of that code, in that language where it has them, else in French.';


create or replace function change_mail(p_set change_set, p_template text) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_account  account;
begin
    select a.* into v_account
      from account a
     where a.id = p_set.account_id and a.state = 'active';

    if not found then
        return;
    end if;

    -- fields by name, never a value: a mailbox is no place for them
    perform post(gen_random_uuid(), v_account.email, v_account.email_mac, p_template,
                 v_account.lang,
                 jsonb_build_object('number', p_set.number, 'section', p_set.section,
                     'action', p_set.action, 'subject', p_set.subject,
                     'what', what_of(p_set.section, p_set.action),
                     'path', '/famille/demandes/' || p_set.id,
                     'due_on', p_set.due_on,
                     'reason', p_set.reason,
                     'ready_reason', ready_words(p_set.reason_code, v_account.lang),
                     'items', (select coalesce(jsonb_agg(jsonb_build_object(
                                          'field', i.field, 'refused', i.state = 'refused')
                                          order by f.rank), '[]')
                                 from change_item i
                                 left join field f on f.section = p_set.section
                                                  and f.name = i.field
                                where i.set_id = p_set.id)));
end
$$;

comment on function change_mail(change_set, text) is
    'Writes to who asked what has become of the request. Input: the request, the mail''s template.';


create or replace function stored_items(p_set bigint, p_accepted boolean) returns jsonb
    language sql stable
    return (select jsonb_agg(jsonb_build_object('field', i.field, 'asked', i.asked,
                       'mac', encode(i.asked_mac, 'hex'), 'hint', i.asked_hint,
                       'agreement', i.agreement))
              from change_item i
             where i.set_id = p_set
               and (i.state = 'accepted' or not p_accepted));

comment on function stored_items(bigint, boolean) is
    'The items of a request as asked_values() takes them: all, or the accepted ones.';


create or replace function change_values(p_set change_set) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_items  jsonb := stored_items(p_set.id, true);
begin
    return asked_values(case when p_set.action <> 'add'
                             then section_values(p_set.section, request_subject(p_set))
                             -- what an agent refuses of somebody new is a no
                             when p_set.section = 'child_contact'
                             then '{"collect": "no", "emergency": "no"}'
                             else '{}' end, v_items)
           || jsonb_build_object('_day', p_set.created_at::date,
               '_agreements', (select coalesce(jsonb_object_agg(i->>'field', i->'agreement'),
                                               '{}')
                                 from jsonb_array_elements(v_items) i));
end
$$;

comment on function change_values(change_set) is
    'A section as the accepted items of a request make it, over what the file holds now; null when whom it is about is no more.';


create or replace function change_faults(p_set change_set, p_values jsonb default null)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_values  jsonb := p_values;
begin
    if p_set.action in ('change', 'remove') and request_subject(p_set) is null
       or p_set.section like 'child%' and (p_set.action, p_set.section)
                                          <> ('add', 'child_general')
          and not exists (select
                            from child_family m
                           where m.family_id = p_set.family_id
                             and m.child_id = p_set.child_id)
    then
        return fault('', 'subject_gone');
    end if;

    if v_values is null and p_set.action in ('change', 'add') then
        v_values := change_values(p_set);
    end if;

    return case p_set.action
        when 'change' then section_faults(p_set.section, v_values)
        when 'add' then ask_faults(p_set.section, '{}', v_values)
                        || add_faults(p_set.section, p_set.family_id, p_set.child_id,
                                      v_values)
        when 'remove' then remove_faults(p_set.section, p_set.family_id)
        else '[]' end;
end
$$;

comment on function change_faults(change_set, jsonb) is
    'Why a request cannot be written into the file as it is now: whom it is about is gone, a family would be without a guardian, a list is full, what would be there does not go together. Input: the request, whose families the caller has locked; the section as it would be (null: as the accepted items make it). Whoever decides asks it before change_apply(), in the same transaction. Result: errors.';


create or replace function change_apply(p_set change_set) returns void
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_values  jsonb;
    v_id      bigint := request_subject(p_set);
begin
    case p_set.action

    when 'remove' then
        perform section_remove(p_set);

    when 'report' then
        perform record_ban(p_set);

    else
        v_values := change_values(p_set);

        if p_set.action = 'add' then
            v_id := section_add(p_set, v_values);
        end if;

        perform section_apply(p_set.section, v_id, v_values);

    end case;
end
$$;

comment on function change_apply(change_set) is
    'Writes a request into the file: the accepted items over what it holds now, whom it adds, whom it takes out, or what it reports. The caller has locked whom it is about, see lock_subject(), and has asked change_faults().';


create or replace function new_request(p_section text, p_action text, p_guardian bigint,
    p_child bigint, p_contact bigint, p_name text, p_replaces bigint, p_comment text,
    p_reverses change_set default null)
    returns change_set
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set    change_set;
    v_agent  boolean := (p_reverses).id is not null;
begin
    loop
        insert into change_set (tenant, number, family_id, section, action, guardian_id,
                                child_id, contact_id, subject, account_id, asker_id,
                                replaces, reverses, comment, due_on)
        select t.id, to_char(now(), 'YYYY') || '-'
                     || lpad(floor(random() * 10000000)::int::text, 7, '0'),
               case when v_agent then (p_reverses).family_id else my_family() end,
               p_section, p_action, p_guardian, p_child, p_contact, p_name, me(),
               (select u.guardian_id from subscription u
                 where u.account_id = me() and u.family_id = my_family()
                   and u.ended_at is null),
               p_replaces, (p_reverses).id, p_comment, current_date + t.validation_days
          from town t
         where t.id = here()
            on conflict (tenant, number) do nothing
        returning * into v_set;

        exit when found;
    end loop;

    insert into change_event (tenant, set_id, version, event, by_kind, by_id)
    values (here(), v_set.id, v_set.version, 'sent',
            case when v_agent then 'agent' else 'family' end,
            case when v_agent then my_agent() else me() end);

    return v_set;
end
$$;

comment on function new_request(text, text, bigint, bigint, bigint, text, bigint, text, change_set) is
    'Makes a request, without its items, and its receipt''s number. Input: section, action, whom it is about and their name, the request that it replaces, the family''s words; p_reverses: an agent undoes that one.';


create or replace function put_items(p_set bigint, p_items jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    delete from change_item i where i.set_id = p_set;

    insert into change_item (tenant, set_id, field, old, old_mac, old_hint, asked,
                             asked_mac, asked_hint, agreement, old_agreement)
    select here(), p_set, i->>'field', i->'old', decode(i->>'old_mac', 'hex'),
           i->>'old_hint', i->'asked', decode(i->>'mac', 'hex'), i->>'hint',
           nullif(i->'agreement', 'null'), nullif(i->'old_agreement', 'null')
      from jsonb_array_elements(p_items) i;
end
$$;

comment on function put_items(bigint, jsonb) is
    'Writes the items of a request anew. Input: request, [{"field", "old", "old_mac", "old_hint", "asked", "mac", "hint", and of an authorisation "agreement", "old_agreement"}].';



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
                                                        current_date),
                           'state', null)), '[]'))
                  from jsonb_array_elements(p_items) i)
               else e.value end)
      from json_each(p_form) e;
end;

comment on function checked_form(json, text, text, uuid, jsonb) is
    'The page of a section with what would be sent, to be looked at again. Input: section_form()''s document, the step, kind and seal id of the person, the items.';


create or replace function withdraw(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    perform change_step(p_set.id, 'withdrawn', 'withdrawn', 'family', me());
    perform note('withdraw_change', 'ok', 'change_set', p_set.id);
end
$$;

comment on function withdraw(change_set) is
    'The account takes its own open request back. The caller has locked the account.';


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
        v_set := change_step(v_set.id, 'completed', 'sent', 'family', me());
    else
        if v_set.id is not null then
            perform change_step(v_set.id, 'replaced', 'replaced', 'family', me());
        end if;

        v_set := new_request(p_section, p_action, p_guardian, p_child, p_contact, p_name,
                             v_set.id, p_comment);
    end if;

    perform put_items(v_set.id, p_items);
    perform name_uploads(v_set);
    update change_set c
       set urgent = urgent(p_section, p_items)
                    or contact_urgent(p_section, p_action, p_contact, p_items)
     where c.id = v_set.id
    returning c.* into v_set;
    perform tell_collect(v_set, p_items, v_before);

    if p_action = 'change' and not exists (select from jsonb_array_elements(p_items) i
                                            where i->>'validation' <> 'automatic')
    then
        update change_item i set state = 'accepted' where i.set_id = v_set.id;
        perform change_apply(v_set);
        v_set := change_step(v_set.id, 'accepted', 'accepted', 'town', null);
    end if;

    perform note('ask_change', v_set.state, 'change_set', v_set.id);
    if v_iban then
        perform iban_mail(v_set);
    end if;

    perform change_mail(v_set, case v_set.state when 'accepted' then 'change_accepted'
                                                else 'change_sent' end);
    return v_set;
end
$$;

comment on function send_change(text, text, bigint, bigint, bigint, text, jsonb, change_set, text) is
    'Makes or completes a request with these items, applies a change where the town lets all of them count without an agent, and writes the receipt. The caller has locked the account and the person. Result: the request.';


create or replace function lock_subject(p_guardian bigint, p_child bigint, p_family bigint)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_families  bigint[] := array(
                    select p_family where p_family is not null
                     union
                    select g.family_id from guardian g where g.id = p_guardian
                     union
                    select m.family_id from child_family m where m.child_id = p_child);
begin
    -- a change of one household may bump those that it shares a child with: all
    -- of them, in the order in which a change of the file bumps them
    perform 1
       from family f
      where f.id = any (v_families || other_households(here(), v_families))
      order by f.tenant, f.id
        for no key update;
end
$$;

comment on function lock_subject(bigint, bigint, bigint) is
    'Locks the families of whom something is about, and those that share a child with them, so that what is asked and decided about them comes one after the other. Whoever writes into the file, or ends what hangs on it, begins with this: rows of requests, subscriptions and codes come after their family. Input: guardian, child, the family itself; each may be null.';


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
               when 'remove' then remove_faults(input->>'section', p_family)
               else '[]' end;
end
$$;

comment on function asked_faults(jsonb, bigint, bigint, jsonb) is
    'What is wrong with what is asked for, whatever the action. Input: the form; family and child; the section as it would be.';


create or replace function ask_limit(p_section text, p_action text) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_wait  int;
begin
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
    'What stands side by side or writes to others is bounded: 60 additions and changes of contacts a day of an account. Result: null to go on, or 429 too_many with "wait".';


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
        return json_build_object('status', 404, 'errors', json_build_array());
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
    perform 1 from account a where a.id = me() and a.state = 'active' for no key update;

    if not found then
        -- closed while this one waited for it
        perform drop_upload(input);
        return done(input, json_build_object('status', 404, 'errors', json_build_array()));
    end if;

    perform lock_subject(v_who.guardian_id, v_who.child_id, my_family());

    v_open := open_request(v_section, v_action, v_who.guardian_id, v_who.child_id,
                           v_who.contact_id, to_id(input->>'request'));

    if input->>'drop' is not null then
        perform drop_kept(input, v_who.guardian_id, v_who.child_id, v_open.id);
    end if;

    v_form := section_form(input);
    v_refusal := coalesce(case when v_form->>'version' is null then v_form end,
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
        v_items := agreed_items(v_who.child_id, v_items, input, v_open.id);
    end if;

    v_after := asked_values(v_now, v_items);
    v_faults := asked_faults(input, my_family(), v_who.child_id, v_after)
                || case when v_step <> 'edit'
                        then document_faults(input, v_who.guardian_id, v_who.child_id,
                                             v_open.id) else '[]' end;

    if v_faults <> '[]' then
        return done(input, json_build_object('status', 422, 'errors', v_faults));
    end if;

    if v_step = 'check' or v_step = 'edit' then
        return checked_form(v_form, v_step, v_who.kind, v_who.seal_id, v_items);
    end if;

    if v_action = 'change' and v_items = '[]' then
        if v_open.id is null then
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

    return done(input, moved('/famille/demandes/' || v_set.id, null,
        case v_set.state when 'accepted' then 'change_done' else 'change_sent' end));
end
$$;

comment on function ask_change(jsonb) is
'Asks for changes of a section of a person, for somebody new, for somebody to be taken out of the file, or reports who must not collect a child. Input: section; action (change, add, remove, report; absent: change); guardian, child or contact; request: the open addition to be mended; the section''s fields (absent: stays as it is or as it is asked already; null: to be emptied; sealed ones sealed), none of a removal or report; comment, which these two cannot be without; version of the page that it was asked over (absent: any); step: check (shows what would be sent and stores nothing), edit (the form again, filled) or send, of a photo also remove: that it be taken out; drop: number of a file among "kept" that is to be forgotten, which is an edit; idempotency key.
Result: moved to the receipt; the page with "check" [{"field", "before", "asked", "state"}] for check, as section_form() for edit; 404; 409 file_changed when the page is older than the file; 422 with the errors of the fields, nothing_asked when nothing differs; 429 too_many, see ask_limit().
The account''s open request about the same is replaced, or completed when the town had asked for more; a change that asks for what the file holds withdraws it.';


-- my requests -------------------------------------------------------------

create or replace function form_path(p_back text, p_section text, p_action text,
    p_contact bigint, p_request bigint)
    returns text
    language sql stable
    return p_back || '/' || case
        when p_action = 'add' then
            case p_section when 'child_contact' then 'contacts/nouveau/'
                           when 'child_general' then 'enfants/ajout/'
                           else 'responsables/ajout/' end || p_request
        when p_action = 'report' then 'contacts/interdiction'
        when p_section = 'child_contact' then
            'contacts/' || p_contact
            || case p_action when 'remove' then '/retrait' else '/modifier' end
        when p_action = 'remove' then 'retrait'
        else (select s.path from section s where s.name = p_section) end;

comment on function form_path(text, text, text, bigint, bigint) is
    'Path of the form that a request was sent with, filled with it. Input: path of the person''s page, section, action, contact, request.';


create or replace function request_person(p_set change_set, out seal_id uuid, out kind text,
    out visible boolean, out path text)
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_who  record := subject(p_set.section, jsonb_strip_nulls(jsonb_build_object(
                         'action', p_set.action,
                         'guardian', p_set.guardian_id::text,
                         'child', p_set.child_id::text,
                         'contact', p_set.contact_id::text)));
begin
    seal_id := v_who.seal_id;
    kind := case when p_set.section like 'guardian%' then 'guardian' else 'child' end;
    -- words of one's own say nothing of whom one may no longer see
    visible := v_who.id is not null or p_set.action in ('remove', 'report');
    path := form_path(v_who.back, p_set.section, p_set.action, p_set.contact_id, p_set.id);
end
$$;

comment on function request_person(change_set) is
    'Whether the account may still see what a request of its own is about, how its sealed values open, and the path of its form; null when that is no more.';


create or replace function request_items(p_set change_set, p_kind text, p_seal uuid,
    p_hidden boolean)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (
    select coalesce(json_agg(json_build_object('field', i.field,
               'before', item_shown(p_set, '/famille', '-avant', p_kind, p_seal, i.field,
                                    coalesce(f.sealed, false), i.old, i.old_hint),
               'asked', item_shown(p_set, '/famille', '', p_kind, p_seal, i.field,
                                   coalesce(f.sealed, false), i.asked, i.asked_hint),
               'agreement', agreement_shown(i.agreement, (p_set).created_at::date),
               'picture', (p_set).section = 'child_photo', 'state', i.state,
               'refused', coalesce(i.state = 'refused', false))
               order by f.rank), '[]')
      from change_item i
      left join field f on f.section = (p_set).section and f.name = i.field
     where i.tenant = (p_set).tenant
       and i.set_id = (p_set).id
       and (p_hidden or not is_hidden((p_set).section, i.field)));
end
$$;

comment on function request_items(change_set, text, uuid, boolean) is
    'The items of a request as its asker sees them; p_hidden: also those of fields that the town has hidden since.';


create or replace function request_reason(p_set change_set) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case when (p_set).reason is not null or (p_set).reason_code is not null then
        json_build_object('code', (p_set).reason_code, 'text', (p_set).reason,
            'ready', ready_words((p_set).reason_code,
                                 (select a.lang from account a where a.id = me()))) end;
end
$$;

comment on function request_reason(change_set) is
    'Why a request was refused or more is asked for, or null.';


create or replace function request_document(p_set change_set,
    p_hidden boolean default false)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_who    record := request_person(p_set);
    v_open   boolean := p_set.state in ('sent', 'taken', 'incomplete');
    v_items  json := '[]';
begin
    if v_who.visible then
        v_items := request_items(p_set, v_who.kind, v_who.seal_id, p_hidden);
    end if;

    return json_build_object('id', p_set.id, 'number', p_set.number,
        'version', p_set.version, 'section', p_set.section, 'action', p_set.action,
        'what', what_of(p_set.section, p_set.action), 'adds', p_set.action = 'add',
        'has_items', json_array_length(v_items) > 0,
        'subject', p_set.subject, 'request_state', p_set.state,
        'open', v_open, 'waits', p_set.state in ('sent', 'taken'),
        'is_incomplete', p_set.state = 'incomplete',
        'is_accepted', p_set.state = 'accepted', 'is_partly', p_set.state = 'partly',
        'is_refused', p_set.state = 'refused', 'is_replaced', p_set.state = 'replaced',
        'is_withdrawn', p_set.state = 'withdrawn',
        'asked_at', p_set.created_at, 'due_on', p_set.due_on,
        'decided_at', p_set.decided_at, 'comment', p_set.comment,
        'reason', request_reason(p_set), 'visible', v_who.visible,
        'edit', case when v_open and v_who.visible then v_who.path end,
        'documents', case when v_who.visible then request_documents(p_set, '/famille')
                          else '[]'::json end,
        'has_documents', v_who.visible and has_documents(p_set),
        'items', v_items);
end
$$;

comment on function request_document(change_set, boolean) is
    'A request of the account as a document. What the account may no longer see is left out, and without p_hidden what the town hides.';


create or replace function asked_of(p_section text, p_action text, p_person record)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_set  change_set := open_request(p_section, p_action, p_person.guardian_id,
                                      p_person.child_id, null);
begin
    return case when v_set.id is not null then request_document(v_set) end;
end
$$;

comment on function asked_of(text, text, record) is
    'The account''s open request of that kind about a person, as a document, or null.';


create or replace function sections_of(p_kind text, p_id bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_base  text := case p_kind when 'guardian' then 'guardian_basic'
                                else 'child_general' end;
begin
    return (
        select json_object_agg(x.name, x.document)
          from (select s.name, json_build_object('section', s.name,
                           'edit', w.back || '/' || s.path, 'path', s.path,
                           'asked', asked_of(s.name, 'change', w)) as document
                  from section s
                 cross join lateral subject(s.name, jsonb_build_object(p_kind, p_id)) w
                 where starts_with(s.name, p_kind || '_')
                   and w.id is not null
                   and exists (select from field_policies(s.name) p
                                where p.policy <> 'hidden')
                 union all
                select 'remove', json_build_object('section', v_base, 'edit', null,
                           'path', w.back || '/retrait',
                           'asked', asked_of(v_base, 'remove', w))
                  from subject(v_base, jsonb_build_object(p_kind, p_id,
                                                          'action', 'remove')) w
                 where w.id is not null
                 union all
                select 'contacts', json_build_object('add', w.back || '/contacts/nouveau',
                           'report', w.back || '/contacts/interdiction',
                           'path', w.back || '/contacts', 'asked', asked_contacts(p_id))
                  from subject('child_contact', jsonb_build_object('child', p_id,
                                                                   'action', 'add')) w
                 where p_kind = 'child'
                   and w.id is not null) x);
end
$$;

comment on function sections_of(text, bigint) is
    'What the account may ask for about a person, but for sections that the town hides: {section: {"section", "edit": path of its form, "path", "asked": the account''s open request or null}}; "remove" is the request to take the person out, "path" its form; of a child "contacts" {"add", "report": paths of forms, "path": what contacts'' forms begin with, "asked": [the account''s open requests about contacts]}.';


create or replace function asked_contacts(p_child bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(json_agg(request_document(c) order by c.id), '[]')
              from change_set c
             where c.account_id = me()
               and c.family_id = my_family()
               and c.section = 'child_contact'
               and c.child_id = p_child
               and c.state in ('sent', 'taken', 'incomplete'));
end
$$;

comment on function asked_contacts(bigint) is
    'The account''s open requests about contacts of a child, as documents.';


create or replace function asked_additions() returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(json_agg(request_document(c) order by c.id), '[]')
              from change_set c
             where c.account_id = me()
               and c.family_id = my_family()
               and c.action = 'add'
               and c.section in ('child_general', 'guardian_basic')
               and c.state in ('sent', 'taken', 'incomplete'));
end
$$;

comment on function asked_additions() is
    'The account''s open requests to add somebody to the family, as documents.';


create or replace function my_requests(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    return (
        select json_build_object('status', 200,
                   'open', coalesce(json_agg(request_document(c) order by c.id desc)
                                    filter (where c.state in ('sent', 'taken', 'incomplete')),
                                    '[]'),
                   'past', coalesce(json_agg(request_document(c) order by c.id desc)
                                    filter (where c.state not in ('sent', 'taken',
                                                                  'incomplete')), '[]'))
          from (select r.*
                  from change_set r
                 where r.account_id = me()
                   and r.family_id = my_family()
                 order by r.id desc
                 limit 200) c);
end
$$;

comment on function my_requests(jsonb) is
    'The account''s own requests about the session''s family, the latest 200. Result: {"status": 200, "open": [request_document()], "past": [..]}. Those of other guardians are theirs.';


create or replace function my_request_row(input jsonb, p_lock boolean) returns change_set
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set  change_set;
begin
    if p_lock then
        perform 1 from account a where a.id = me() for no key update;
    end if;

    select c.* into v_set
      from change_set c
     where c.id = to_id(input->>'request')
       and c.account_id = me()
       and c.family_id = my_family();

    if p_lock and v_set.id is not null then
        perform lock_subject(v_set.guardian_id, v_set.child_id, v_set.family_id);
        select c.* into v_set from change_set c where c.id = v_set.id for update;
    end if;

    return v_set;
end
$$;

comment on function my_request_row(jsonb, boolean) is
    'A request of the account about the session''s family, locked where asked for, or null. Input: request.';


create or replace function my_request(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_set      change_set := my_request_row(input, false);
    v_request  json;
    v_events   json;
begin
    if v_set.id is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    v_request := request_document(v_set);

    select json_agg(json_build_object('at', e.at, 'event', e.event, 'by', e.by_kind)
                    order by e.version)
      into v_events
      from change_event e
     where e.set_id = v_set.id
       and e.event <> 'released';

    return json_build_object('status', 200, 'version', document_version(v_request),
        'request', v_request, 'events', v_events);
end
$$;

comment on function my_request(jsonb) is
'A request of the account. Input: request. Result: {"status": 200, "version", "request": request_document(), "events": [{"at", "event", "by": family | agent | town}]}; 404 for any other.';


create or replace function withdraw_request(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_refusal  json := repeated(input);
    v_set      change_set;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;

    v_set := my_request_row(input, true);

    if v_set.id is null then
        return done(input, json_build_object('status', 404, 'errors', json_build_array()));
    end if;

    v_refusal := stale(input, my_request(input)->>'version');

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    if v_set.state = 'withdrawn' then
        return done(input, moved('/famille/demandes/' || v_set.id, null, 'withdrawn'));
    end if;

    if v_set.state not in ('sent', 'taken', 'incomplete') then
        return done(input, refused('', 'request_decided', 409));
    end if;

    perform withdraw(v_set);

    return done(input, moved('/famille/demandes/' || v_set.id, null, 'withdrawn'));
end
$$;

comment on function withdraw_request(jsonb) is
'Takes back a request that is not decided yet. Input: request, idempotency key. Result: moved to the request; 404; 409 request_decided when the town was first.';


grant execute on function section_form(jsonb), ask_change(jsonb), my_requests(jsonb),
    my_request(jsonb), withdraw_request(jsonb) to portal_web;
