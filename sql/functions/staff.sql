--
-- The families as agents find and read them.  What an agent sees is the agent
-- column of sql/visibility.tsv; what is sealed, and health, each on a page of
-- its own that has to be asked for.
--

set search_path = portal, pg_temp;


create or replace function search_key(p_text text) returns jsonb
    language plpgsql immutable set search_path = portal, pg_temp as $$
declare
    v_digits  text := regexp_replace(p_text, '[^0-9]', '', 'g');
    v_number  text := upper(replace(p_text, ' ', ''));
begin
    return case
        when position('@' in p_text) > 0
        then jsonb_build_object('email', lower(p_text))
        when p_text ~ '^[+0-9 ()./-]+$'
        then jsonb_build_object('number', v_number, 'phone', case
            when length(v_digits) < 6 then null
            when p_text like '+%' then '+' || v_digits
            when v_digits like '00%' then '+' || substr(v_digits, 3)
            when v_digits like '0%' then '+33' || substr(v_digits, 2) end)
        else jsonb_build_object('names', nullif(fold(p_text), ''), 'number',
            case when p_text ~ '[0-9]' then v_number end) end;
end
$$;

comment on function search_key(text) is
    'What somebody means who searches a family, from what they typed: {"email"} with an @; of digits {"number"} of a file, and of six and more {"phone"}; else {"names"}, folded, first name or name in front. Null: not that.';


create or replace function begun(p_text text) returns text
    language sql immutable
    return p_text || chr(1114111);

comment on function begun(text) is
    'The end of what begins with a text, compared in bytes: an index serves >= text and < begun(text).';


create or replace function families_found(p_key jsonb, p_seen text[])
    returns setof bigint
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_number  text := p_key->>'number';
    v_names   text := p_key->>'names';
    v_basic   boolean := 'guardian_basic' = any (p_seen);
    v_email   text := case when v_basic then p_key->>'email' end;
    v_phone   text := case when v_basic then p_key->>'phone' end;
    v_birth   text := case when v_basic then v_names end;
    v_every   boolean := my_schools() is null;
begin
    -- a query for each index, that ends with the page; who is for a few schools
    -- may have to pass over many: their families are looked up once
    return query
    with kids as materialized (
        select x as id from my_children() x where not v_every
    ), mine as materialized (
        select f.family_id as id from child_family f where f.child_id in (select k.id from kids k)
    )
    (select f.id from family f
      where f.number collate "C" >= v_number
        and f.number collate "C" < begun(v_number)
        and (v_every or f.id in (select m.id from mine m))
      order by f.number collate "C" limit 51)
    union
    (select g.family_id from guardian g
      where g.search collate "C" >= v_names and g.search collate "C" < begun(v_names)
        and (v_every or g.family_id in (select m.id from mine m))
      order by g.search collate "C" limit 51)
    union
    (select g.family_id from guardian g
      where g.search_first collate "C" >= v_names
        and g.search_first collate "C" < begun(v_names)
        and (v_every or g.family_id in (select m.id from mine m))
      order by g.search_first collate "C" limit 51)
    union
    (select g.family_id from guardian g
      where g.search_birth collate "C" >= v_birth
        and g.search_birth collate "C" < begun(v_birth)
        and (v_every or g.family_id in (select m.id from mine m))
      order by g.search_birth collate "C" limit 51)
    union
    (select m.family_id from child_family m
      where m.child_id = any (array(
                select c.id from child c
                 where c.search collate "C" >= v_names
                   and c.search collate "C" < begun(v_names)
                   and (v_every or c.id in (select k.id from kids k))
                 order by c.search collate "C" limit 51)))
    union
    (select m.family_id from child_family m
      where m.child_id = any (array(
                select c.id from child c
                 where c.search_first collate "C" >= v_names
                   and c.search_first collate "C" < begun(v_names)
                   and (v_every or c.id in (select k.id from kids k))
                 order by c.search_first collate "C" limit 51)))
    union
    (select g.family_id from guardian g
      where g.search_email collate "C" >= v_email
        and g.search_email collate "C" < begun(v_email)
        and (v_every or g.family_id in (select m.id from mine m))
      order by g.search_email collate "C" limit 51)
    union
    (select u.family_id from subscription u
      where u.account_id = any (array(
                select a.id from account a
                 where a.search_email collate "C" >= v_email
                   and a.search_email collate "C" < begun(v_email)
                 order by a.search_email collate "C" limit 51))
        and u.ended_at is null
        and (v_every or u.family_id in (select m.id from mine m)))
    union
    (select g.family_id from guardian g
      where g.phone_mobile collate "C" >= v_phone
        and g.phone_mobile collate "C" < begun(v_phone)
        and (v_every or g.family_id in (select m.id from mine m))
      order by g.phone_mobile collate "C" limit 51)
    union
    (select g.family_id from guardian g
      where g.phone_home collate "C" >= v_phone
        and g.phone_home collate "C" < begun(v_phone)
        and (v_every or g.family_id in (select m.id from mine m))
      order by g.phone_home collate "C" limit 51)
    union
    (select g.family_id from guardian g
      where g.phone_work collate "C" >= v_phone
        and g.phone_work collate "C" < begun(v_phone)
        and (v_every or g.family_id in (select m.id from mine m))
      order by g.phone_work collate "C" limit 51);
end
$$;

comment on function families_found(jsonb, text[]) is
    'Ids of families that one of these begins in, see search_key(): number; names of guardians, at birth too, and of children; addresses of guardians and of the accounts that are connected; telephones of guardians. What the agent does not see is not found. Input: the key, the groups that an agent sees.';


create or replace function search_row(p_family family) returns json
    language sql stable
    return json_build_object('id', (p_family).id, 'number', (p_family).number,
        'label', (p_family).label,
        'guardians', coalesce((
            select json_agg(json_build_object('first_name', g.first_name,
                       'last_name', g.last_name) order by g.rank)
              from guardian g
             where g.tenant = (p_family).tenant and g.family_id = (p_family).id), '[]'),
        'children', coalesce((
            select json_agg(json_build_object('first_name', c.first_name,
                       'last_name', c.last_name) order by m.rank)
              from child_family m
              join child c on c.tenant = m.tenant and c.id = m.child_id
             where m.tenant = (p_family).tenant and m.family_id = (p_family).id
               and agent_sees(null, null, c.id)), '[]'));

comment on function search_row(family) is
    'A family as a search shows it: who is in it, by name; of the children those that the agent sees.';


create or replace function family_search(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    perform require_agent();

    return json_build_object('status', 200, 'limits', my_limits(), 'searched', false);
end
$$;

comment on function family_search(jsonb) is
    'The page of search_families() before anything is looked for. Result: {"status": 200, "limits": my_limits(), "searched": false}. For agents.';


create or replace function search_families(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_text     text := regexp_replace(btrim(coalesce(input->>'search', '')), '\s+', ' ', 'g');
    v_key      jsonb;
    v_refusal  json;
    v_found    bigint[];
    v_rows     json;
begin
    perform require_agent();

    v_key := search_key(v_text);

    if coalesce(length(coalesce(v_key->>'names', v_key->>'email', v_key->>'number')), 0) < 2 then
        return refused('search', 'too_short');
    end if;

    v_refusal := agent_limit('readings');

    -- that they searched, never for whom
    perform note('search_families', case when v_refusal is null then 'ok' else 'too_many' end);

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_found := array(select families_found(v_key, agent_groups()));

    select json_agg(search_row(f) order by f.label, f.number)
      into v_rows
      from (select o.*
              from family o
             where o.id = any (v_found)
             order by o.label, o.number
             limit 51) f;

    return json_build_object('status', 200, 'limits', my_limits(), 'searched', true,
        'families', coalesce((select json_agg(r.row order by r.n)
                                from json_array_elements(v_rows)
                                     with ordinality as r (row, n)
                               where r.n <= 50), '[]'),
        'more', coalesce(json_array_length(v_rows) > 50, false), 'errors', json_build_array());
end
$$;

comment on function search_families(jsonb) is
'Families by what an agent knows of one, 50 at most. Each search counts as a reading, and the audit says that there was one, not for whom. Input: search, see search_key(). Result: {"status": 200, "limits": my_limits(), "searched": true, "families": [search_row()], "more": there are others}; 422 too_short; 429 too_many_readings. For agents.';


-- one family ---------------------------------------------------------------

create or replace function agent_family_row(input jsonb) returns family
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_family  family;
begin
    select f.* into v_family
      from family f
     where f.id = to_id(input->>'family')
       and agent_sees(null, f.id, null);

    return v_family;
end
$$;

comment on function agent_family_row(jsonb) is
    'The family that an agent asks for; all null when there is none of this id, or it is not theirs, see agent_sees(). Input: family.';


create or replace function agent_reads(p_action text, p_object text, p_id bigint) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_refusal  json := agent_limit('readings');
begin
    perform note(p_action, case when v_refusal is null then 'ok' else 'too_many' end,
                 p_object, p_id);

    return v_refusal;
end
$$;

comment on function agent_reads(text, text, bigint) is
    'Counts and keeps that an agent opens something of a family. Input: what the audit calls it, whose. Result: null to go on, or 429, see agent_limit().';


create or replace function own_sealed(p_family bigint, p_action text, p_object text, p_id bigint)
    returns json
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if not own_family(p_family) then
        return null;
    end if;

    perform note(p_action, 'own_family', p_object, p_id);

    return refused('', 'own_family', 403);
end
$$;

comment on function own_sealed(bigint, text, text, bigint) is
    'Why an agent may not open what is sealed of a family: it is their own, see own_family(), and the audit says that they tried. Input: family; what the audit calls it, whose. Result: null to go on, or 403 own_family.';


create or replace function agent_guardians(p_family bigint, p_seen text[]) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_own  boolean := own_family(p_family);
begin
    return (select coalesce(json_agg(json_build_object('guardian', g.document,
                       'account', (select json_build_object('email', a.email,
                                              'since', day_of(u.since))
                                     from subscription u
                                     join account a on a.tenant = u.tenant
                                                   and a.id = u.account_id
                                    where u.guardian_id = (g.document->>'id')::bigint
                                      and u.ended_at is null
                                      and 'guardian_basic' = any (p_seen)),
                       'codes', case when 'guardian_address' = any (p_seen)
                                     then address_codes((g.document->>'id')::bigint) end,
                       'tax_page', case when 'guardian_tax' = any (p_seen) and not v_own then
                           '/familles/' || p_family || '/responsables/'
                               || (g.document->>'id') || '/fiscales' end,
                       'iban_page', case when g.document #>> '{bank,iban_last4}' is not null
                                              and opens_ibans() and not v_own then
                           '/familles/' || p_family || '/responsables/'
                               || (g.document->>'id') || '/iban' end,
                       'verified', verified_days('guardian', (g.document->>'id')::bigint,
                                                 p_family, p_seen)) order by g.rank), '[]')
              from guardian_documents(p_family, null, null, array_remove(p_seen, 'guardian_tax'),
                                      array_remove(p_seen, 'guardian_tax')) g);
end
$$;

comment on function agent_guardians(bigint, text[]) is
    'The guardians of a family as agents see them: [{"guardian": of guardian_documents(), without the tax, "account": the one that is connected {"email", "since"} or null, "codes": address_codes(), "tax_page": where the tax is, "iban_page": where the account number is opened whole, "verified": verified_days()}]; their own family''s pages are null.';


create or replace function declared(p_child bigint, p_family bigint, p_seen text[],
    p_values boolean)
    returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_seal  uuid := (select c.seal_id from child c where c.id = p_child);
begin
    return (
    select coalesce(json_agg(json_build_object('id', r.id, 'number', r.number,
               'what', what_of(r.section, r.action), 'subject', r.subject,
               'asked_at', r.created_at,
               'words', case when r.action in ('remove', 'report') then r.comment end,
               'adds', false, 'items', r.items, 'has_items', r.items::text <> '[]')
               order by r.id), '[]')
      from (select c.*, (
                   select coalesce(json_agg(json_build_object('field', i.field,
                              'before', shown('child', v_seal, i.field, f.sealed, i.old,
                                              i.old_hint),
                              'asked', shown('child', v_seal, i.field, f.sealed, i.asked,
                                             i.asked_hint),
                              'agreement', null, 'state', null) order by f.rank), '[]')
                     from change_item i
                     join field f on f.section = c.section and f.name = i.field
                    where i.set_id = c.id
                      and (c.section <> 'child_health'
                           or p_values
                              and urgent(c.section, jsonb_build_array(
                                      jsonb_build_object('field', i.field))))) as items
              from change_set c
              join section s on s.name = c.section and s.field_group = any (p_seen)
             where c.child_id = p_child
               and c.urgent
               and c.state in ('sent', 'taken', 'incomplete')
               and (c.section = 'child_health' or not p_values)
               -- contacts are a household's own; who must not collect is not
               and (c.family_id = p_family or c.section = 'child_health'
                    or c.action = 'report')
               and agent_sees(c.section, c.family_id, c.child_id)) r);
end
$$;

comment on function declared(bigint, bigint, text[], boolean) is
    'What families have declared for a child''s safety and nobody has decided yet, for the staff that reads the child''s file: it counts for them from the moment it was sent. Input: child, family whose file it is, groups of fields that the agent sees; p_values: what is declared of its health, in words, and nothing else; else what is declared of its contacts, and that something is of its health. Result: [{"id", "number", "what", "subject", "asked_at", "words": of a removal or report, "items": [{"field", "before", "asked"}], "has_items"}], requests that wait.';


create or replace function agent_children(p_family bigint, p_seen text[]) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_own  boolean := own_family(p_family);
begin
    return (select coalesce(json_agg(json_build_object(
                       'child', (case when 'child_general' = any (p_seen)
                           then with_texts(c.document)::jsonb
                           else with_texts(c.document)::jsonb - '{birth_date,birth_place,sex,school,diet,insurance}'::text[]
                           end) || case when c.document->>'photo' is not null
                           then jsonb_build_object('photo', jsonb_build_object(
                               'path', '/familles/' || p_family || '/enfants/'
                                   || (c.document->>'id') || '/photo.jpg',
                               'since', c.document #> '{photo,since}')) else '{}' end,
                       'health_page', case when 'child_health' = any (p_seen) and not v_own then
                           '/familles/' || p_family || '/enfants/' || (c.document->>'id')
                               || '/sante' end,
                       'bans', case when v_own then '[]'
                                    else child_bans((c.document->>'id')::bigint) end,
                       'declared', case when v_own then '[]' else declared(
                           (c.document->>'id')::bigint, p_family, p_seen, false) end,
                       'verified', verified_days('child', (c.document->>'id')::bigint,
                                                 p_family, p_seen),
                       'other_families', (
                           select coalesce(json_agg(json_build_object('id', f.id,
                                      'number', f.number, 'label', f.label) order by f.id), '[]')
                             from child_family x
                             join family f on f.tenant = x.tenant and f.id = x.family_id
                            where x.child_id = (c.document->>'id')::bigint
                              and x.family_id <> p_family)) order by c.rank), '[]')
              from child_documents(p_family, null, array_remove(p_seen, 'child_health'),
                                   today()) c
             where agent_sees(null, null, (c.document->>'id')::bigint));
end
$$;

comment on function agent_children(bigint, text[]) is
    'The children of a family as agents see them, those of their schools: [{"child": of child_documents(), with_texts(), without health, "health_page": where that is, null for their own family, "bans": those that hold, "declared": declared(), none of their own family, "verified": verified_days(), "other_families": the other household}].';


create or replace function agent_family(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_family   family := agent_family_row(input);
    v_seen     text[] := agent_groups();
    v_refusal  json;
begin
    perform require_agent();

    if v_family.id is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    v_refusal := agent_reads('read_family', 'family', v_family.id);

    if v_refusal is not null then
        return v_refusal;
    end if;

    return json_build_object('status', 200,
        'family', json_build_object('id', v_family.id, 'number', v_family.number,
                      'label', v_family.label, 'updated', day_of(v_family.updated_at)),
        -- a template cannot look into a list
        'sees', (select json_object_agg(g, true) from unnest(v_seen) g),
        'guardians', agent_guardians(v_family.id, v_seen),
        'children', agent_children(v_family.id, v_seen), 'school_year', school_year(),
        'notes', agent_notes(v_family.id),
        'counter', case when my_role() in ('validator', 'administrator')
                             and not own_family(v_family.id)
                        then '/familles/' || v_family.id || '/guichet' end,
        'requests', (select coalesce(json_agg(queue_row(c) order by (c).id desc), '[]')
                       from (select s as c
                               from change_set s
                              where s.family_id = v_family.id
                                and agent_sees(s.section, s.family_id, s.child_id)
                                and not own_request(s)
                              order by s.id desc
                              limit 50) x));
end
$$;

comment on function agent_family(jsonb) is
'The file of a family as the town''s staff sees it; the audit says who has read it, and it counts as a reading. Input: family. Result: {"status": 200, "family": {"id", "number", "label", "updated"}, "sees": {group: true} for those of agent_groups(), "guardians": agent_guardians(), "children": agent_children(), "school_year", "notes": agent_notes(), "counter": path of counter() for who may file requests for the family, else null, "requests": [queue_row()], the latest 50}; 404; 429 too_many_readings. For agents.';


create or replace function with_paths(p_health json, p_family bigint) returns json
    language sql stable
    return (p_health::jsonb || jsonb_build_object('pai_documents', (
                select coalesce(jsonb_agg(d.e || jsonb_build_object('path',
                           replace(d.e->>'path', '/famille/', '/familles/' || p_family || '/'))
                           order by d.n), '[]')
                  from jsonb_array_elements(p_health::jsonb->'pai_documents')
                       with ordinality d (e, n))))::json;

comment on function with_paths(json, bigint) is
    'A child''s health data with the addresses at which agents are sent the documents of its plan. Input: "health" of child_documents(), family.';


create or replace function agent_health(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_family   family := agent_family_row(input);
    v_child    json;
    v_refusal  json;
begin
    perform require_agent();

    select c.document into v_child
      from child_documents(v_family.id, coalesce(to_id(input->>'child'), 0),
                           array(select unnest(agent_groups())
                                 intersect select 'child_health'), today()) c
     where 'child_health' = any (agent_groups())
       and agent_sees('child_health', null, (c.document->>'id')::bigint);

    if v_child is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    v_refusal := coalesce(
        own_sealed(v_family.id, 'read_health', 'child', (v_child->>'id')::bigint),
        agent_reads('read_health', 'child', (v_child->>'id')::bigint));

    return coalesce(v_refusal, json_build_object('status', 200, 'family',
        json_build_object('id', v_family.id, 'number', v_family.number),
        'child', json_build_object('id', v_child->'id', 'first_name', v_child->'first_name',
            'last_name', v_child->'last_name', 'health', with_paths(v_child->'health',
                                                                     v_family.id)),
        'declared', declared((v_child->>'id')::bigint, v_family.id, agent_groups(), true)));
end
$$;

comment on function agent_health(jsonb) is
    'A child''s health data, for who has asked to see it; the audit says so (read_health). Input: family, child. Result: {"status": 200, "family", "child": with "health", "declared": what is not validated yet, see declared()}; 404; 403 own_family; 429 too_many_readings. For agents.';


create or replace function agent_tax(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_family    family := agent_family_row(input);
    v_guardian  json;
    v_refusal   json;
begin
    perform require_agent();

    select g.document into v_guardian
      from guardian_documents(v_family.id, coalesce(to_id(input->>'guardian'), 0), null,
                              '{guardian_tax}', '{guardian_tax}') g
     where 'guardian_tax' = any (agent_groups());

    if v_guardian is null then
        return json_build_object('status', 404, 'errors', json_build_array());
    end if;

    v_refusal := coalesce(
        own_sealed(v_family.id, 'read_tax', 'guardian', (v_guardian->>'id')::bigint),
        agent_reads('read_tax', 'guardian', (v_guardian->>'id')::bigint));

    return coalesce(v_refusal, json_build_object('status', 200, 'family',
        json_build_object('id', v_family.id, 'number', v_family.number),
        'guardian', json_build_object('id', v_guardian->'id',
            'first_name', v_guardian->'first_name', 'last_name', v_guardian->'last_name',
            'tax', v_guardian->'tax')));
end
$$;

comment on function agent_tax(jsonb) is
    'A guardian''s tax data, for who has asked to see it; the audit says so (read_tax). Input: family, guardian. Result: {"status": 200, "family", "guardian": with "tax"}; 404; 403 own_family; 429 too_many_readings. For agents.';


create or replace function agent_child_photo(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_family  family := agent_family_row(input);
begin
    perform require_agent();

    return file_document((
        select p.upload_id
          from child_family m
          join child_photo p on p.tenant = m.tenant and p.child_id = m.child_id
         where m.family_id = v_family.id
           and m.child_id = to_id(input->>'child')
           and 'child_photo' = any (agent_groups())
           and agent_sees('child_photo', null, m.child_id)), input, 'photo.jpg', false);
end
$$;

comment on function agent_child_photo(jsonb) is
    'The photo of a child, as the family''s file shows it to agents; the audit says who has read that. Input: family, child, piece. Result: file_document(). For agents.';


grant execute on function search_families(jsonb), family_search(jsonb), agent_family(jsonb), agent_health(jsonb),
    agent_tax(jsonb), agent_child_photo(jsonb)
   to portal_web;
