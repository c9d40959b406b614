--
-- The family file, read.  One way to make a guardian's and a child's document,
-- for the whole file as for one of its pages.
--

set search_path = portal, pg_temp;


create or replace function sealed_value(kind text, seal_id uuid, field text, value sealed)
    returns json
    language sql stable
    return case when value is not null then
        json_build_object('$sealed', kind || '/' || seal_id || '/' || field || '/' || value)
    end;

comment on function sealed_value(text, uuid, text, sealed) is
    'A sealed value and its place, which nginx replaces by the opened text; null for null.';


create or replace function seen_by(p_viewer text) returns text[]
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_seen  text[];
begin
    select array_agg(v.field_group)
           || (select case when p_viewer = 'same_family' then t.shared_groups end
                 from town t where t.id = here())
      into v_seen
      from visibility v
     where v.viewer = p_viewer
       and v.see;

    return v_seen;
end
$$;

comment on function seen_by(text) is
    'The groups of fields that such a viewer sees in this town.';


create or replace function guardian_documents(p_family bigint, p_id bigint, p_account bigint,
    p_self text[], p_same text[])
    returns table (rank smallint, document json)
    language sql stable
begin atomic
    select g.rank,
           json_build_object(
               'id', g.id, 'rank', g.rank, 'self', w.self,
               'title', g.title, 'last_name', g.last_name, 'birth_name', g.birth_name,
               'first_name', g.first_name,
               'birth_date', case when w.basic then g.birth_date end,
               'birth_place', case when w.basic then g.birth_place end,
               'link', g.link, 'authority', g.authority, 'payer', g.payer,
               'connected', u.id is not null,
               'email', case when w.basic then g.email end,
               'phone_mobile', case when w.basic then g.phone_mobile end,
               'phone_home', case when w.basic then g.phone_home end,
               'phone_work', case when w.basic then g.phone_work end,
               'profession', case when w.basic then g.profession end,
               'employer', case when w.basic then g.employer end,
               'address', case when w.address and a.guardian_id is not null then
                   json_build_object('street_number', a.street_number,
                       'repetition', a.repetition, 'street', a.street,
                       'complement', a.complement, 'locality', a.locality,
                       'postal_code', a.postal_code, 'city', a.city, 'country', a.country,
                       'hosted_by', a.hosted_by) end,
               'tax', case when w.tax and t.guardian_id is not null then
                   json_build_object(
                       'tax_number', sealed_value('guardian', g.seal_id, 'tax_number',
                           t.tax_number),
                       'notice_reference', sealed_value('guardian', g.seal_id,
                           'notice_reference', t.notice_reference),
                       'reference_income', sealed_value('guardian', g.seal_id,
                           'reference_income', t.reference_income),
                       'shares', trim_scale(t.shares)::text,
                       'quotient', t.quotient, 'quotient_date', t.quotient_date,
                       'scheme', t.scheme,
                       'caf_number', sealed_value('guardian', g.seal_id, 'caf_number',
                           t.caf_number)) end,
               'bank', case when w.bank and b.guardian_id is not null then
                   json_build_object('holder', b.holder, 'iban_last4', b.iban_last4,
                       'bic', b.bic, 'mandate_reference', b.mandate_reference,
                       'mandate_date', b.mandate_date) end,
               'tax_visible', w.tax, 'bank_visible', w.bank)
      from guardian g
      left join subscription u on u.tenant = g.tenant and u.guardian_id = g.id
                              and u.ended_at is null
      left join address a on a.tenant = g.tenant and a.guardian_id = g.id
      left join tax t on t.tenant = g.tenant and t.guardian_id = g.id
      left join bank b on b.tenant = g.tenant and b.guardian_id = g.id
     cross join lateral (
               select s.self,
                      'guardian_basic' = any (s.seen) as basic,
                      'guardian_address' = any (s.seen) as address,
                      'guardian_tax' = any (s.seen) as tax,
                      'guardian_bank' = any (s.seen) as bank
                 from (select coalesce(u.account_id = p_account, false) as self,
                              case when u.account_id = p_account then p_self
                                   else p_same end as seen) s) w
     where g.family_id = p_family
       and (p_id is null or g.id = p_id);
end;

comment on function guardian_documents(bigint, bigint, bigint, text[], text[]) is
    'The guardians of a family, or the one of that id, as the account sees them: p_self are the groups it sees of itself, p_same those of the others.';


create or replace function child_documents(p_family bigint, p_id bigint, p_same text[],
    p_day date)
    returns table (rank smallint, document json)
    language sql stable
begin atomic
    select m.rank,
           json_build_object(
               'id', c.id, 'rank', m.rank, 'first_name', c.first_name,
               'last_name', c.last_name, 'birth_date', c.birth_date,
               'birth_place', c.birth_place, 'sex', c.sex,
               'photo', case when p.child_id is not null then
                   json_build_object('path', '/famille/enfants/' || c.id || '/photo.jpg',
                       'since', day_of(p.since)) end,
               'school', (select json_build_object('name', school_named(s.name), 'level', s.level,
                                     'class', s.class, 'year', s.year)
                            from schooling s
                           where s.tenant = c.tenant and s.child_id = c.id
                           order by s.year desc
                           limit 1),
               'diet', c.diet,
               'insurance', case when i.child_id is not null then
                   json_build_object('insurer', i.insurer, 'policy', i.policy,
                       'until', i.until) end,
               'authorisations', case when 'child_authorisations' = any (p_same) then
                   (select coalesce(json_agg(json_build_object('code', z.code,
                                        'answer', z.answer, 'date', z.answered_on,
                                        'school_year', z.school_year)), '[]')
                      from (select k.code, coalesce(a.answer, 'unanswered') as answer,
                                   a.answered_on, a.school_year
                              from authorisation_kinds() k
                              left join authorisation a on a.tenant = c.tenant
                                                       and a.child_id = c.id
                                                       and a.code = k.code
                             where k.withdrawn_on is null
                             order by k.rank) z)
                   else json_build_array() end,
               'health', case when 'child_health' = any (p_same) then
                   json_build_object('doctor_name', h.doctor_name,
                       'doctor_phone', h.doctor_phone, 'vaccines', h.vaccines,
                       'vaccines_until', h.vaccines_until,
                       'pai', h.pai, 'pai_start', h.pai_start, 'pai_end', h.pai_end,
                       'pai_documents', pai_documents(c.id),
                       'allergies', sealed_value('child', c.seal_id, 'allergies',
                           h.allergies),
                       'allergy_action', sealed_value('child', c.seal_id,
                           'allergy_action', h.allergy_action),
                       'treatment', sealed_value('child', c.seal_id, 'treatment',
                           h.treatment),
                       'notes', sealed_value('child', c.seal_id, 'notes', h.notes),
                       'glasses', h.glasses, 'hearing_aid', h.hearing_aid,
                       'swims', h.swims) end,
               'contacts', case when 'child_contacts' = any (p_same) then
                   coalesce((select json_agg(json_build_object('id', k.id, 'rank', k.rank,
                                        'last_name', k.last_name,
                                        'first_name', k.first_name, 'link', k.link,
                                        'phone_mobile', k.phone_mobile,
                                        'phone_home', k.phone_home, 'collect', k.collect,
                                        'emergency', k.emergency,
                                        'valid_from', k.valid_from,
                                        'valid_until', k.valid_until,
                                        'to_come', k.valid_from > p_day,
                                        'ended', k.valid_until < p_day))
                               from (select o.*
                                       from contact o
                                      where o.tenant = c.tenant
                                        and o.family_id = p_family
                                        and o.child_id = c.id
                                      order by o.rank) k), '[]'::json)
                   else json_build_array() end,
               'other_guardians', coalesce((
                   select json_agg(json_build_object('first_name', g.first_name,
                              'last_name', g.last_name, 'link', g.link,
                              'authority', g.authority) order by g.family_id, g.rank)
                     from child_family x
                     join guardian g on g.tenant = x.tenant
                                    and g.family_id = x.family_id
                    where x.tenant = c.tenant
                      and x.child_id = c.id
                      and x.family_id <> p_family), '[]'::json),
               'shared', exists (select
                                   from child_family x
                                  where x.tenant = c.tenant
                                    and x.child_id = c.id
                                    and x.family_id <> p_family))
      from child_family m
      join child c on c.tenant = m.tenant and c.id = m.child_id
      left join insurance i on i.tenant = c.tenant and i.child_id = c.id
      left join health h on h.tenant = c.tenant and h.child_id = c.id
      left join child_photo p on p.tenant = c.tenant and p.child_id = c.id
                             and 'child_photo' = any (p_same)
     where m.family_id = p_family
       and (p_id is null or c.id = p_id);
end;

comment on function child_documents(bigint, bigint, text[], date) is
    'The children of a family, or the one of that id, as its guardians see them: p_same are the groups they see, p_day the day they are read on, null in what is kept. Contacts are this household''s; of the other household names, link and authority only.';


create or replace function without_keys(p_list jsonb, p_keys jsonb) returns jsonb
    language sql immutable
    return coalesce((select jsonb_agg(x.e - array(select jsonb_object_keys(p_keys))
                                      order by x.n)
                       from jsonb_array_elements(p_list) with ordinality as x (e, n)),
                    '[]');

comment on function without_keys(jsonb, jsonb) is
    'A list of objects without the keys that p_keys has; null: as they are.';


create or replace function document_place(p_section text, p_field text) returns text[]
    language sql immutable
    return case
        when p_section in ('guardian_address', 'guardian_tax', 'guardian_bank', 'child_health')
        then array[split_part(p_section, '_', 2),
                   case p_field when 'iban' then 'iban_last4' when 'mandate' then 'mandate_date'
                                else p_field end]
        when p_field like 'school\_%' then array['school', split_part(p_field, '_', 2)]
        when p_field in ('insurer', 'policy', 'until') then array['insurance', p_field]
        else array[p_field] end;

comment on function document_place(text, text) is
    'Where the document of a guardian or child has a field: its name, or those of the part and of the field in it.';


create or replace function without_hidden(p_kind text, p_document json, p_hidden jsonb)
    returns json
    language plpgsql immutable set search_path = portal, pg_temp as $$
declare
    v_document  jsonb := p_document;
    v_general   jsonb := p_hidden->'child_general';
    v_path      text[];
begin
    if p_hidden is null or p_document is null then
        return p_document;
    end if;

    for v_path in
        select document_place(s.key, f.name)
          from jsonb_each(p_hidden) s
         cross join lateral jsonb_object_keys(s.value) f (name)
         where starts_with(s.key, p_kind)
           and s.key not in ('child_contact', 'child_authorisations')
        union all
        -- what belongs to a field that is hidden, and parts that nothing is left of
        select '{bank,mandate_reference}' where p_hidden @? '$.guardian_bank.mandate'
        union all
        select '{health,pai_documents}' where p_hidden @? '$.child_health.pai'
        union all
        select '{school,year}' where v_general ? 'school_name'
        union all
        select '{school}'
         where v_general ?& array['school_name', 'school_level', 'school_class']
        union all
        select '{insurance}' where v_general ?& array['insurer', 'policy', 'until']
        union all
        select array[x.part]
          from (values ('guardian_address', 'address'), ('guardian_tax', 'tax'),
                       ('guardian_bank', 'bank'), ('child_health', 'health'),
                       ('child_contact', 'contacts'),
                       ('child_authorisations', 'authorisations')) as x (section, part)
         where p_hidden->x.section ? 'all'
    loop
        v_document := v_document #- v_path;
    end loop;

    if v_document ? 'contacts' then
        v_document := v_document || jsonb_build_object('contacts',
            without_keys(v_document->'contacts', (p_hidden->'child_contact')
                || case when p_hidden @? '$.child_contact.valid_from'
                        then '{"to_come": true}' else '{}' end::jsonb
                || case when p_hidden @? '$.child_contact.valid_until'
                        then '{"ended": true}' else '{}' end::jsonb));
    end if;

    if v_document ? 'other_guardians' then
        v_document := v_document || jsonb_build_object('other_guardians',
            without_keys(v_document->'other_guardians', p_hidden->'guardian_basic'));
    end if;

    if jsonb_typeof(v_document->'authorisations') = 'array' then
        v_document := v_document || jsonb_build_object('authorisations', (
            select coalesce(jsonb_agg(x.answer order by x.n), '[]')
              from jsonb_array_elements(v_document->'authorisations')
                   with ordinality as x (answer, n)
             where (p_hidden->'child_authorisations' ? (x.answer->>'code')) is not true));
    end if;

    return v_document || jsonb_build_object('hidden', p_hidden);
end
$$;

comment on function without_hidden(text, json, jsonb) is
'A document as families are shown it. Input: guardian or child, guardian_documents()'' or child_documents()'' document, hidden_fields(). Result: the document without what is hidden, "hidden" saying what that is; as it came where nothing is. « Mes données » is made of the whole document: the person has a right to what is held of them (GDPR art. 15), and agents see it.';


create or replace function first_names(p_family bigint) returns text
    language sql stable
begin atomic
    select string_agg(c.first_name, ', ' order by m.rank)
      from child_family m
      join child c on c.tenant = m.tenant and c.id = m.child_id
     where m.tenant = here()
       and m.family_id = p_family;
end;

comment on function first_names(bigint) is
    'A family''s children, by which a parent of two families of one name tells them apart: « Léa, Tom »; null: it has none.';


create or replace function short_label(p_label text) returns text
    language sql immutable
    return case when octet_length(p_label) <= 48 then p_label
                else (select left(p_label, n) || '…'
                        from generate_series(45, 1, -1) n
                       where octet_length(left(p_label, n)) <= 45
                       order by n desc
                       limit 1) end;

comment on function short_label(text) is
    'A family''s label as a session has room for it, 48 bytes.';


create or replace function family_choice(p_family family, p_names text) returns json
    language sql stable
    return json_build_object('id', (p_family).id, 'number', (p_family).number,
        'label', (p_family).label, 'first_names', p_names,
        'current', (p_family).id = my_family());

comment on function family_choice(family, text) is
    'A family as its account chooses it: {"id", "number", "label", "first_names", "current"}. Input: the family; first_names() of it, null where there is nothing to choose.';


create or replace function family_choices() returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select json_agg(family_choice(f, case when x.many then first_names(f.id) end)
                            order by x.id)
              from (select u.id, u.tenant, u.family_id, count(*) over () > 1 as many
                      from subscription u
                     where u.account_id = me()
                       and u.ended_at is null
                       and u.effective_at is not null) x
              join family f on f.tenant = x.tenant and f.id = x.family_id);
end
$$;

comment on function family_choices() is
    'The families that the account may open, each as family_choice(), in the order in which they came; null: none.';


create or replace function family_file(p_document family_document, p_families json,
    p_asked json)
    returns json
    language sql stable
    return json_build_object('status', 200,
        'family', (p_document).head,
        'families', p_families,
        'guardians', (p_document).guardians[array_position((p_document).viewers, me())],
        'children', (p_document).children,
        'asked', p_asked);

comment on function family_file(family_document, json, json) is
    'The answer of family() to one of the document''s viewers. Input: the document, family_choices(), asked_additions().';


create or replace function family(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_family    bigint := my_family();
    v_me        bigint := me();
    v_document  family_document;
    v_result    json;
begin
    -- One statement, and what few have is called for only where there is some:
    -- beginning a statement or a function costs more than what it finds here.
    select family_file(d,
               case when exists (select
                                   from subscription u
                                  where u.account_id = v_me
                                    and u.family_id <> v_family
                                    and u.ended_at is null
                                    and u.effective_at is not null)
                    then family_choices() else json_build_array(family_choice(f, null)) end,
               case when exists (select
                                   from change_set c
                                  where c.account_id = v_me
                                    and c.action = 'add')
                    then asked_additions() else '[]' end)
      into v_result
      from family_document d
      join family f on f.tenant = d.tenant and f.id = d.family_id and f.version = d.version
     where d.family_id = v_family
       and d.town_version = (select t.version from town t where t.id = here())
       and v_me = any (d.viewers);

    if found then
        return v_result;
    end if;

    v_document := made_document(v_family);
    perform keep_document(v_document);

    if v_me = any (v_document.viewers) then
        return family_file(v_document, family_choices(), asked_additions());
    end if;

    return json_build_object('status', 404, 'family', null,
        'families', json_build_array(), 'guardians', json_build_array(),
        'children', json_build_array(), 'asked', json_build_array());
end
$$;

comment on function family(jsonb) is
'The family file of the session''s family. Result: {"status": 200, "family": {"id", "number", "version", "updated"}, "families": family_choices(), "guardians": [..], "children": [..], "asked": [the account''s open requests to add somebody]}; 404, all empty, when the session has no family.';


create or replace function guardian(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_result  json;
begin
    select without_hidden('guardian', g.document, hidden_fields()) into v_result
      from guardian_documents(my_family(), coalesce(to_id(input->>'guardian'), 0), me(),
                              seen_by('self'), seen_by('same_family')) g;

    return json_build_object('status', case when v_result is null then 404 else 200 end,
        'guardian', v_result, 'sections', case when v_result is not null then
            sections_of('guardian', to_id(input->>'guardian')) end);
end
$$;

comment on function guardian(jsonb) is
    'A guardian of the session''s family. Input: guardian. Result: {"status": 200, "guardian": .., "sections": sections_of()}; 404 with null for any other, existing or not.';


create or replace function child(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_result  json;
begin
    select without_hidden('child', with_texts(c.document), hidden_fields()) into v_result
      from child_documents(my_family(), coalesce(to_id(input->>'child'), 0),
                           seen_by('same_family'), today()) c;

    return json_build_object('status', case when v_result is null then 404 else 200 end,
        'child', v_result, 'school_year', case when v_result is not null then
            school_year() end, 'may_answer', case when v_result is not null then
            may_answer() end, 'answers_from', case when v_result is not null then
            answers_from() end, 'sections', case when v_result is not null then
            sections_of('child', to_id(input->>'child')) end);
end
$$;

comment on function child(jsonb) is
    'A child of the session''s family. Input: child. Result: {"status": 200, "child": .., with_texts(), "school_year": of today, "may_answer": who asks has parental authority, as far as is known, "answers_from": day from which answers are for the next one, "sections": sections_of()}; 404 with null for any other, existing or not.';


grant execute on function family(jsonb), guardian(jsonb), child(jsonb) to portal_web;
