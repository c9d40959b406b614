--
-- The sections of the family file: who may ask about whom, what a section holds
-- now, and how an accepted request is written into it.
--

set search_path = portal, pg_temp;


create or replace function may(p_group text, p_viewer text) returns boolean
    language sql stable
    return coalesce((select v.ask from visibility v
                      where v.field_group = p_group and v.viewer = p_viewer), false);

comment on function may(text, text) is
    'Whether such a viewer may ask to change that group of fields.';


create or replace function field_policies(p_section text)
    returns table (name text, rank smallint, policy text, validation text, sealed boolean)
    language sql stable
begin atomic
    select f.name,
           case when w.authorisations ? f.name
                then (w.authorisations->f.name->>'rank')::smallint else f.rank end,
           -- what the file cannot be without stays so
           case when f.policy = 'required' and t.policy = 'editable' then 'required'
                else coalesce(t.policy, f.policy) end,
           coalesce(t.validation, f.validation), f.sealed
      from field f
      left join field_policy t on t.tenant = here() and t.section = f.section
                              and t.field = f.name
      left join town w on w.id = here() and f.section = 'child_authorisations'
     where f.section = p_section
       -- an authorisation is a field while it is on the town's list
       and case when w.authorisations ? f.name
                then not w.authorisations->f.name ? 'withdrawn'
                else w.id is null or f.name not like 'own\_%' end;
end;

comment on function field_policies(text) is
    'The fields of a section as this town has decided about them; of authorisations those that are on its list, see town.authorisations.';


create or replace function field_asked(p_field text, v jsonb) returns boolean
    language sql immutable parallel safe
    return case when p_field in ('pai_start', 'pai_end')
                then coalesce(v->>'pai' = 'yes', false)
                when p_field = 'vaccines_until' then coalesce(v->>'vaccines' = 'no', false)
                else p_field not in ('street_number', 'repetition') end;

comment on function field_asked(text, jsonb) is
    'Whether there has to be something in a field that a town requires: in what belongs to another answer only with that answer, and not every address has a number or an index. Input: field; values of the section, {} of a form that is not filled in.';


create or replace function is_hidden(p_section text, p_field text) returns boolean
    language sql stable
    return exists (select
                     from field_policies(p_section) p
                    where p.name = p_field
                      and p.policy = 'hidden');

comment on function is_hidden(text, text) is
    'Whether this town hides a field from families.';


create or replace function hidden_fields() returns jsonb
    language sql stable
begin atomic
    -- people are called by their names wherever they are met
    select jsonb_object_agg(h.section, h.fields)
      from (select s.name as section,
                   coalesce(jsonb_object_agg(p.name, true)
                            filter (where p.policy = 'hidden'
                                      and p.name not in ('last_name', 'first_name')), '{}')
                   || case when bool_and(p.policy = 'hidden') then '{"all": true}'
                           else '{}' end::jsonb as fields
              from section s
             cross join lateral field_policies(s.name) p
             group by s.name) h
     where h.fields <> '{}';
end;

comment on function hidden_fields() is
'What this town hides from families: {section: {field: true}}, with "all" where it hides the whole section; null when it hides nothing. A first and a last name are never among them: a town that hides them takes them out of the forms alone.';


create or replace function subject(p_section text, input jsonb, out id bigint,
    out kind text, out guardian_id bigint, out child_id bigint, out contact_id bigint,
    out name text, out seal_id uuid, out back text)
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_group   text := (select s.field_group from section s where s.name = p_section);
    v_action  text := coalesce(input->>'action', 'change');
    v_viewer  text := 'same_family';
begin
    if my_family() is null then
        return;
    end if;

    if v_action = 'add' and p_section in ('guardian_basic', 'child_general') then
        select f.id, 'family', f.label, coalesce(counter_place(), '/famille')
          into subject.id, kind, name, back
          from family f
         where f.id = my_family();

    elsif p_section like 'guardian%' then
        select g.id, 'guardian', g.id, g.first_name || ' ' || g.last_name, g.seal_id,
               coalesce(counter_place(), '/famille') || '/responsables/' || g.id,
               case when u.id is not null or g.id = counter_guardian() then 'self'
                    else 'same_family' end
          into subject.id, kind, guardian_id, name, seal_id, back, v_viewer
          from guardian g
          left join subscription u on u.tenant = g.tenant and u.guardian_id = g.id
                                  and u.account_id = me() and u.ended_at is null
         where g.family_id = my_family()
           and g.id = to_id(input->>'guardian');
    else
        select c.id, 'child', c.id, c.first_name || ' ' || c.last_name, c.seal_id,
               coalesce(counter_place(), '/famille') || '/enfants/' || c.id
          into subject.id, kind, child_id, name, seal_id, back
          from child_family m
          join child c on c.tenant = m.tenant and c.id = m.child_id
         where m.family_id = my_family()
           and c.id = to_id(input->>'child');

        if p_section = 'child_contact' and v_action in ('change', 'remove') then
            select k.id, 'contact', k.id,
                   left(k.first_name || ' ' || k.last_name || ' · ' || name, 250)
              into subject.id, kind, contact_id, name
              from contact k
             where k.family_id = my_family()
               and k.child_id = subject.child_id
               and k.id = to_id(input->>'contact');

            if not found then
                subject.id := null;
            end if;
        end if;
    end if;

    if not may(v_group, v_viewer)
       or p_section = 'child_authorisations' and not may_answer()
    then
        subject.id := null;
    end if;
end
$$;

comment on function subject(text, jsonb) is
'The person that a request is about, when the account, or the guardian at the counter, may ask about that section of them: id null for any other, existing or not. Input: action (absent: change), guardian, child, contact (from the address of the page). Who is added has no row yet: it is about the family, or the child that gets a contact. Authorisations are for who may_answer().';


create or replace function fault(field text, code text) returns jsonb
    language sql immutable
    return jsonb_build_array(jsonb_build_object('field', field, 'code', code));

comment on function fault(text, text) is 'One thing that is wrong with a request, as errors.';


create or replace function not_theirs(input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_section  text := input->>'section';
begin
    perform note('ask_change', 'not_allowed', v_section, case
                     when v_section like 'guardian%' then to_id(input->>'guardian')
                     else coalesce(to_id(input->>'contact'), to_id(input->>'child')) end);

    return json_build_object('status', 404, 'errors', json_build_array());
end
$$;

comment on function not_theirs(jsonb) is
    'The answer to who asks about what they may not ask about, existing or not; the audit says of which section and of whom, by the id that was given. Input: as of subject(). Result: 404.';


create or replace function seal_place(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_refusal  json := at_counter(input);
    v_who      record;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;

    v_who := subject(input->>'section', input);

    if v_who.id is null or v_who.seal_id is null then
        return not_theirs(input);
    end if;

    return json_build_object('status', 200, 'kind', v_who.kind, 'id', v_who.seal_id);
end
$$;

comment on function seal_place(jsonb) is
'The place for which nginx seals the fields of a form before it calls the form''s own function. Input: section, and guardian, child or contact; at the counter also as of at_counter(). Result: {"status": 200, "kind": guardian | child, "id"}; 404 for what the account may not ask about, see not_theirs(); 403 own_family.';


-- what a section holds ----------------------------------------------------

create or replace function yes_or_no(value boolean) returns text
    language sql immutable parallel safe
    return case when value then 'yes' when not value then 'no' else 'unanswered' end;

comment on function yes_or_no(boolean) is 'A boolean as forms and documents say it.';


create or replace function section_values(p_section text, p_id bigint) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    case p_section

    when 'guardian_basic' then
        return (select jsonb_build_object('title', g.title, 'last_name', g.last_name,
                           'birth_name', g.birth_name, 'first_name', g.first_name,
                           'birth_date', g.birth_date, 'birth_place', g.birth_place,
                           'link', g.link, 'authority', yes_or_no(g.authority),
                           'email', g.email, 'phone_mobile', g.phone_mobile,
                           'phone_home', g.phone_home, 'phone_work', g.phone_work,
                           'profession', g.profession, 'employer', g.employer)
                  from guardian g
                 where g.id = p_id);

    when 'guardian_address' then
        return address_values(p_id);

    when 'guardian_tax' then
        return tax_values(p_id);

    when 'guardian_bank' then
        return bank_values(p_id);

    when 'child_health' then
        return health_values(p_id);

    when 'child_general' then
        return child_general_values(p_id);

    when 'child_authorisations' then
        return child_authorisations_values(p_id);

    when 'child_contact' then
        return child_contact_values(p_id);

    when 'child_photo' then
        return child_photo_values(p_id);

    end case;
end
$$;

comment on function section_values(text, bigint) is
'What a section holds of a person now: {field: value}, with every field of the section; null when there is no such person. Sealed values are as they are stored, "_mac" {field: MAC in hex} and "_hint" {field: what may be shown} go with them.';


create or replace function section_input(p_section text, input jsonb, p_now jsonb,
    p_open bigint)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_input  jsonb := input;
begin
    -- of what is shown by its end alone the form has nothing to send back:
    -- left empty it stays
    select v_input - array_agg(f.name) into v_input
      from field f
      left join change_item i on i.tenant = here() and i.set_id = p_open
                             and i.field = f.name
     where f.section = p_section
       and input->f.name = 'null'
       and coalesce(i.asked_hint, p_now #>> array['_hint', f.name]) is not null
    having count(*) > 0;

    v_input := coalesce(v_input, input);

    return case p_section
        when 'guardian_address' then address_input(v_input, p_now, p_open)
        when 'guardian_bank' then bank_input(v_input, p_now, p_open)
        when 'child_health' then health_input(v_input, p_now, p_open)
        when 'child_photo' then child_photo_input(v_input)
        else v_input end;
end
$$;

comment on function section_input(text, jsonb, jsonb, bigint) is
'What a form asks for once its fields are read together. Input: section, the form''s fields, the section''s values now, the open request. Result: the fields, for asked_items().';


create or replace function section_about(p_section text, p_id bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return json_build_object(
        'creditor', case when p_section = 'guardian_bank' then creditor() end,
        'vaccines_for', case when p_section = 'child_health' then vaccines_for(p_id) end);
end
$$;

comment on function section_about(text, bigint) is
    'What the form of a section says besides its fields: {"creditor": of the SEPA mandate or null, "vaccines_for": compulsory ones of a child or null}.';


create or replace function urgent(p_section text, p_items jsonb) returns boolean
    language sql immutable
    return p_section = 'child_health' and p_items @? '$[*].field ? (@ == "allergies"
        || @ == "allergy_action" || @ == "treatment" || @ starts with "pai")';

comment on function urgent(text, jsonb) is
    'Whether a request concerns a child''s safety, so that the staff is shown it before it is decided. Input: section, items.';


create or replace function address_copies(p_guardian bigint) returns json
    language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('id', g.id,
               'name', g.first_name || ' ' || g.last_name,
               'link', case when not is_hidden('guardian_basic', 'link') then g.link end,
               'child', null)
               order by g.rank), '[]')
      from guardian g
      join address a on a.tenant = g.tenant and a.guardian_id = g.id
     where g.family_id = my_family()
       and g.id <> p_guardian
       and may('guardian_address', 'same_family');
end;

comment on function address_copies(bigint) is
    'The family''s other guardians whose address another one''s may be made of: who lives at the same place.';


create or replace function copied_address(p_guardian bigint, p_copy text) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select section_values('guardian_address', g.id) - 'hosted_by'
              from guardian g
              join address a on a.tenant = g.tenant and a.guardian_id = g.id
             where g.id = to_id(p_copy)
               and g.family_id = my_family()
               and g.id <> p_guardian
               and may('guardian_address', 'same_family'));
end
$$;

comment on function copied_address(bigint, text) is
    'The address of another guardian of the family, as values; null when there is none such.';


create or replace function section_faults(p_section text, v jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if p_section = 'guardian_bank' and v->>'mandate' = 'no' then
        return fault('mandate', 'mandate_needed');
    end if;

    return case p_section
               when 'guardian_address' then address_faults(v)
               when 'child_health' then health_faults(v)
               when 'child_general' then child_general_faults(v)
               when 'child_contact' then child_contact_faults(v)
               when 'child_photo' then child_photo_faults(v)
               else '[]' end;
end
$$;

comment on function section_faults(text, jsonb) is
'What is wrong between the fields of a section, that no form sees because it has only what is asked. Input: section, values as they would be. Result: errors.';


-- what an accepted request does -------------------------------------------

create or replace function section_apply(p_section text, p_id bigint, v jsonb)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    case p_section

    when 'guardian_basic' then
        update guardian g
           set title = v->>'title', last_name = v->>'last_name',
               birth_name = v->>'birth_name', first_name = v->>'first_name',
               birth_date = (v->>'birth_date')::date, birth_place = v->>'birth_place',
               link = v->>'link', email = v->>'email',
               phone_mobile = v->>'phone_mobile', phone_home = v->>'phone_home',
               phone_work = v->>'phone_work', profession = v->>'profession',
               employer = v->>'employer',
               authority = case v->>'authority' when 'yes' then true when 'no' then false end
         where g.id = p_id;

    when 'guardian_address' then
        perform address_apply(p_id, v);

    when 'guardian_tax' then
        perform tax_apply(p_id, v);

    when 'guardian_bank' then
        perform bank_apply(p_id, v);

    when 'child_health' then
        perform health_apply(p_id, v);

    when 'child_general' then
        perform child_general_apply(p_id, v);

    when 'child_authorisations' then
        perform child_authorisations_apply(p_id, v);

    when 'child_contact' then
        perform child_contact_apply(p_id, v);

    when 'child_photo' then
        perform child_photo_apply(p_id, v);

    end case;
end
$$;

comment on function section_apply(text, bigint, jsonb) is
    'Writes a section of a person. Input: section, id, every field''s value as section_values() gives them, "_day": when it was asked for. The caller has locked the person.';


grant execute on function seal_place(jsonb) to portal_web;
