--
-- « À vérifier pour la rentrée »: a guardian says of what the town holds that
-- nothing has changed, person by person, and is asked again only for what is no
-- more sure.
--

set search_path = portal, pg_temp;


-- for how long ------------------------------------------------------------

create or replace function verified_since(p_rule text, p_opens text, p_day date)
    returns date
    language sql immutable
    return (select case
               when p_rule like 'months\_%'
               then (p_day - make_interval(months => split_part(p_rule, '_', 2)::int))::date + 1
               else make_date(extract(year from p_day)::int
                                  - (to_char(p_day, 'MM-DD') < x.begins)::int,
                              left(x.begins, 2)::int, right(x.begins, 2)::int) end
              from (select case p_rule when 'january' then '01-01' when 'july' then '07-01'
                                       when 'september' then '09-01' else p_opens end)
                   as x (begins));

comment on function verified_since(text, text, date) is
    'The first day on which a verification was that still counts. Input: a rule of town.verify, but never; town.year_opens; the day of today.';


create or replace function verification_rules()
    returns table (section text, rule text, since date, by_all boolean, rank int)
    language sql stable
begin atomic
    -- a photo is looked at, not verified
    select s.name, r.rule, verified_since(r.rule, t.year_opens, today()),
           s.name = any (t.verify_both),
           (select min(f.rank)::int from field f where f.section = s.name)
      from town t
     cross join section s
     cross join lateral (select coalesce(t.verify->>s.name, 'year')) as r (rule)
     where t.id = here()
       and s.name <> 'child_photo'
       and r.rule <> 'never'
       and exists (select from field_policies(s.name) p where p.policy <> 'hidden');
end;

comment on function verification_rules() is
    'The sections that the town has verified, in their order: since when a verification counts, and whether each guardian has to.';


create or replace function verification_rows(p_family bigint, p_guardian bigint)
    returns table (kind text, id bigint, place smallint, section text, rank int,
                   verified_on date, due boolean, waits boolean)
    language sql stable
begin atomic
    with person as (
        select 'guardian' as kind, g.id, g.rank from guardian g where g.family_id = p_family
         union all
        select 'child', m.child_id, m.rank from child_family m where m.family_id = p_family
    ), given as materialized (
        select v.*
          from verification v
         where v.family_id = p_family
            or v.child_id in (select m.child_id from child_family m
                               where m.family_id = p_family)
    )
    select p.kind, p.id, p.rank, r.section, r.rank, d.day,
           coalesce(d.day < r.since, true) or a.asked,
           coalesce(d.day < r.since, true) and coalesce(d.mine >= r.since, false)
           and not a.asked
      from person p
      join verification_rules() r on split_part(r.section, '_', 1) = p.kind
     cross join lateral (
           -- contacts are a household's own
           select case when r.by_all
                       then (select case when bool_and(y.day is not null) then min(y.day) end
                               from (select max(g.verified_on) as day
                                       from child_family x
                                       join subscription u on u.tenant = x.tenant
                                                          and u.family_id = x.family_id
                                                          and u.ended_at is null
                                       join guardian w on w.tenant = u.tenant
                                                      and w.id = u.guardian_id
                                       left join given g on g.by_guardian = u.guardian_id
                                                        and g.section = r.section
                                                        and g.child_id = p.id
                                      where x.child_id = p.id
                                        and (r.section <> 'child_contact'
                                             or x.family_id = p_family)
                                        -- see may_answer()
                                        and (r.section <> 'child_authorisations'
                                             or w.authority is not false)
                                      group by u.guardian_id) y)
                       else max(g.verified_on) end as day,
                  max(g.verified_on) filter (where g.by_guardian = p_guardian) as mine
             from given g
            where g.section = r.section
              and case p.kind when 'guardian' then g.guardian_id else g.child_id end = p.id
              and (r.section <> 'child_contact' or g.family_id = p_family)) d
     cross join lateral (
           -- what has to be answered again is not as it should be, whoever has
           -- looked at it
           select r.section = 'child_authorisations'
                  and exists (select from authorisation x
                               where x.child_id = p.id
                                 and x.answer <> 'unanswered'
                                 and not answer_counts(x)
                                 and exists (select
                                               from field_policies('child_authorisations') o
                                              where o.name = x.code))
                  or r.section = 'child_authorisations'
                     and authorisation_added(p.id, d.day)
                  -- nor is a plan, or the day of missing vaccines, that has ended
                  -- since
                  or r.section = 'child_health'
                     and exists (select from health h
                                  where h.child_id = p.id
                                    and coalesce(d.day, '-infinity') <= greatest(
                                        case when h.pai_end < today()
                                             then h.pai_end end,
                                        case when h.vaccines_until < today()
                                             then h.vaccines_until end)) as asked) a;
end;

comment on function verification_rows(bigint, bigint) is
    'The sections of a family''s people: when each was last verified (where each guardian has to, by the last of them; of authorisations those who may answer), whether that is due again, as answers to authorisations that the town asks for again are, those to one that it has added since, and health data where a plan (PAI) or the day of missing vaccines has ended since, and whether it waits for others alone. Input: family, the guardian who asks or null.';


create or replace function my_guardian() returns bigint
    language sql stable
begin atomic
    select u.guardian_id
      from subscription u
     where u.account_id = me()
       and u.family_id = my_family()
       and u.ended_at is null;
end;

comment on function my_guardian() is 'The guardian that the account is in the session''s family.';


create or replace function verified_days(p_kind text, p_id bigint, p_family bigint,
    p_groups text[] default null)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(jsonb_object_agg(r.section,
                       jsonb_build_object('verified_on', r.verified_on)), '{}')
              from verification_rows(p_family, null) r
              join section s on s.name = r.section
             where r.kind = p_kind
               and r.id = p_id
               and r.verified_on is not null
               and (p_groups is null or s.field_group = any (p_groups)));
end
$$;

comment on function verified_days(text, bigint, bigint, text[]) is
    'When the sections of a person were last verified: {section: {"verified_on"}}, without those that never were. Input: guardian or child, id, family; groups of fields that the reader sees (null: all).';


-- what a section holds, to be verified -------------------------------------

create or replace function verification_value(p_section text, p_id bigint) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if p_section <> 'child_contact' then
        return section_values(p_section, p_id);
    end if;

    return (select coalesce(jsonb_agg(child_contact_values(k.id) - 'rank' order by k.rank),
                            '[]')
              from contact k
             where k.family_id = my_family()
               and k.child_id = p_id);
end
$$;

comment on function verification_value(text, bigint) is
    'section_values(), of child_contact those of each of the household''s contacts of that child. Input: section, guardian or child.';


create or replace function verification_lacks(p_section text, p_value jsonb) returns text[]
    language sql stable
begin atomic
    select array_agg(p.name order by p.rank)
      from field_policies(p_section) p
     where p.policy = 'required'
       and exists (select
                     from jsonb_array_elements(case jsonb_typeof(p_value) when 'array'
                              then p_value else jsonb_build_array(p_value) end) v
                    where field_asked(p.name, v)
                      and coalesce(v->>p.name, 'unanswered') in ('', 'unanswered'));
end;

comment on function verification_lacks(text, jsonb) is
    'Fields of a section that are required and empty, so that nobody can say that it is as it should be; null: none. Input: section, verification_value().';


create or replace function renewals(p_child bigint)
    returns table (code text, answer text, lapsed boolean, reworded boolean, text_id bigint)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return query
    select a.code::text, a.answer::text, not answer_counts(a),
           -- another one in the language that it was read in
           exists (select
                     from authorisation_text o
                     join authorisation_text n on n.tenant = o.tenant and n.code = o.code
                                              and n.lang = o.lang and n.id > o.id
                    where o.tenant = a.tenant
                      and o.id = a.text_id), t.id
      from authorisation a
      join field_policies('child_authorisations') p
           on p.name = a.code and p.policy in ('editable', 'required')
      left join authorisation_texts() t on t.code = a.code
     where a.child_id = p_child
       and a.answer <> 'unanswered'
       and (a.school_year < answer_year_of(today()) or not answer_counts(a))
     order by p.rank;
end
$$;

comment on function renewals(bigint) is
    'A child''s answers to authorisations that are not yet for the school year which answers are for now. lapsed: they are none any more, see answer_counts(); reworded: the town asks with another text; text_id: the one that it asks with.';


create or replace function renewed_items(p_child bigint, p_items jsonb, input jsonb)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return p_items || (
        select coalesce(jsonb_agg(jsonb_build_object('field', r.code, 'old', r.answer,
                   'asked', r.answer, 'sealed', false,
                   'validation', case when r.reworded then p.validation
                                      else 'automatic' end)), '[]')
          from renewals(p_child) r
          join field_policies('child_authorisations') p on p.name = r.code
         where not r.lapsed
           and input->>r.code = r.answer
           and not exists (select from jsonb_array_elements(p_items) i
                            where i->>'field' = r.code));
end
$$;

comment on function renewed_items(bigint, jsonb, jsonb) is
    'section_items() of child_authorisations with the answers that are given again for the coming school year: what the town has accepted counts at once, unless its text is another one now. Input: child, items, the form.';


-- the page ------------------------------------------------------------------

create or replace function asks_about(p_account bigint, p_family bigint, p_section text,
    p_kind text, p_id bigint)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (select from change_set c
                    where c.account_id = p_account
                      and c.family_id = p_family
                      and c.section = p_section
                      and case p_kind when 'guardian' then c.guardian_id
                                      else c.child_id end = p_id
                      and c.state in ('sent', 'taken', 'incomplete'));
end
$$;

comment on function asks_about(bigint, bigint, text, text, bigint) is
    'Whether the town has what an account had to say of a section, and has not answered yet. Input: account, family, section, guardian or child, id.';


create or replace function verification_due()
    returns table (kind text, id bigint, place smallint, name text, section text, rank int,
                   verified_on date, edit text, lacks text[], again boolean, value jsonb)
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_me  bigint := my_guardian();
begin
    return query
    select r.kind, r.id, r.place, w.name, r.section, r.rank, r.verified_on,
           w.back || case r.section when 'child_contact' then '#contacts'
               else '/' || (select s.path from section s where s.name = r.section) end,
           verification_lacks(r.section, v.value),
           r.section = 'child_authorisations'
               and exists (select from renewals(r.id) n where n.lapsed or n.reworded),
           v.value
      from verification_rows(my_family(), v_me) r
     cross join lateral subject(r.section, jsonb_build_object(r.kind, r.id::text, 'action',
                    case r.section when 'child_contact' then 'add' else 'change' end)) w
     cross join lateral verification_value(r.section, r.id) as v (value)
     where r.due
       and not r.waits
       and w.id is not null
       -- who is connected answers for themselves
       and (r.kind = 'child' or r.id = v_me
            or not exists (select from subscription u
                            where u.guardian_id = r.id and u.ended_at is null))
       and not asks_about(me(), my_family(), r.section, r.kind, r.id)
       -- no account to pay from is nothing to verify
       and not (r.section = 'guardian_bank' and v.value->>'iban' is null);
end
$$;

comment on function verification_due() is
    'What the account has to verify in its family, and may ask to change: sections of its children, of itself and of guardians who are not connected. edit: where it is changed, lacks: verification_lacks(), again: authorisations that have to be answered again, value: verification_value().';


create or replace function verification_person(p_kind text, p_id bigint, p_due text[])
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_person  jsonb;
begin
    if p_kind = 'guardian' then
        select without_hidden('guardian', g.document, hidden_fields())::jsonb into v_person
          from guardian_documents(my_family(), p_id, me(), seen_by('self'),
                                  seen_by('same_family')) g;

        return v_person - array(select x.key
                                  from (values ('guardian_address', 'address'),
                                               ('guardian_tax', 'tax'),
                                               ('guardian_bank', 'bank')) as x (section, key)
                                 where x.section <> all (p_due));
    end if;

    select without_hidden('child', c.document, hidden_fields())::jsonb into v_person
      from child_documents(my_family(), p_id, seen_by('same_family'), today()) c;

    -- an answer is given to the words that the town asks with
    if v_person ? 'authorisations' then
        v_person := v_person || jsonb_build_object('authorisations', (
            select coalesce(jsonb_agg(a.answer || jsonb_build_object('text', t.text)
                                      order by a.n), '[]')
              from jsonb_array_elements(v_person->'authorisations')
                   with ordinality as a (answer, n)
              left join authorisation_texts() t on t.code = a.answer->>'code'));
    end if;

    return v_person - '{other_guardians,photo}'::text[]
                    - array(select x.key
                              from (values ('child_health', 'health'),
                                           ('child_authorisations', 'authorisations'),
                                           ('child_contact', 'contacts')) as x (section, key)
                             where x.section <> all (p_due));
end
$$;

comment on function verification_person(text, bigint, text[]) is
    'A guardian''s or child''s document as its own page has it, without the parts that are not to be verified; authorisations with the texts of now. Input: guardian or child, id, sections that are.';


create or replace function verification_blocks() returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (
    with due as materialized (
        select d.*, d.lacks is null and not d.again as can,
               case when d.lacks is null then d.section end as alike
          from verification_due() d
    ), placed as (
        -- what is the same for several is asked once
        select d.*, min(d.id) over w as first, count(*) over w > 1
                    and d.section in ('guardian_address', 'child_contact') and d.can as shared
          from due d
        window w as (partition by d.kind, d.alike, d.value)
    ), keyed as (
        select p.*, case when p.shared
                    then case p.kind when 'guardian' then 'adresse-' else 'contacts-' end || p.first
                    else case p.kind when 'guardian' then 'responsable-' else 'enfant-' end || p.id
                    end as key
          from placed p
    ), block as (
        select k.key, min(k.kind) as kind, bool_or(k.shared) as shared, bool_or(k.can) as can,
               min(k.id) as id, min(k.place) as place,
               jsonb_agg(distinct jsonb_build_object('id', k.id, 'name', k.name,
                   'path', split_part(regexp_replace(k.edit, '/[a-z]+$', ''), '#', 1)))
                   as people,
               string_agg(distinct k.name, ', ' order by k.name) as name,
               array_agg(distinct k.section) as sections,
               jsonb_object_agg(k.section, jsonb_build_object('verified_on', k.verified_on,
                   'edit', k.edit, 'section', k.section, 'can', k.can, 'again', k.again,
                   'lacks', coalesce((select jsonb_agg(jsonb_build_object('field', f))
                                        from unnest(k.lacks) f), '[]'))) as due,
               document_version(json_agg(json_build_array(k.section, k.id, k.value, k.lacks,
                                    case k.section when 'child_authorisations'
                                    then (select json_agg(t.id order by t.code)
                                            from authorisation_texts() t) end)
                                    order by k.rank, k.id), hidden_fields()::json) as version
          from keyed k
         group by k.key
    )
    select coalesce(jsonb_agg(jsonb_build_object('block', b.key, 'version', b.version,
                        'shared', b.shared, 'can', b.can, 'name', b.name, 'people', b.people,
                        'guardian', case b.kind when 'guardian' then p.person end,
                        'child', case b.kind when 'child' then p.person end,
                        'due', b.due)
                    order by b.kind = 'child', b.shared, b.place, b.id), '[]')
      from block b
     cross join lateral verification_person(b.kind, b.id, b.sections) as p (person));
end
$$;

comment on function verification_blocks() is
    'What the account has to verify, each block by one gesture: a person with the sections that are due, or a section that is the same for several people: [{"block": what it is called by, "version": of what is shown, "shared", "can": something of it can be said to be unchanged, "name": of whom, "people": [{"id", "name", "path"}], "guardian" or "child": verification_person(), "due": {section: {"verified_on", "edit": where it is changed, "can", "again": it has to be answered again, "lacks": [{"field"}] required and empty}}}].';


create or replace function verification(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_blocks  jsonb := verification_blocks();
    v_open    text := v_blocks #>> '{0,block}';
begin
    if v_blocks @> jsonb_build_array(jsonb_build_object('block', input->'open')) then
        v_open := input->>'open';
    end if;

    return json_build_object('status', 200,
        'version', document_version(jsonb_path_query_array(v_blocks, '$[*].version')::json),
        'school_year', answer_year_of(today()),
        'blocks', (select coalesce(jsonb_agg(b || jsonb_build_object('open',
                              b->>'block' = v_open) order by n), '[]')
                     from jsonb_array_elements(v_blocks) with ordinality as x (b, n)),
        'has_blocks', v_blocks <> '[]', 'left', jsonb_array_length(v_blocks),
        'many', jsonb_array_length(v_blocks) > 1,
        'waiting', (select coalesce(json_agg(json_build_object('section', r.section,
                               'name', (select c.first_name from child c where c.id = r.id))
                               order by r.place, r.rank), '[]')
                      from verification_rows(my_family(), my_guardian()) r
                     where r.waits),
        'reminders', (select a.reminders from account a where a.id = me()),
        'reminds', (select t.verify_reminder from town t where t.id = here()));
end
$$;

comment on function verification(jsonb) is
    '« À vérifier pour la rentrée »: what the account is asked to look at, with the values that the town holds; a page shows one block after the other. Input: open: the block that is shown (any other: the first). Result: {"status": 200, "version": of all blocks, "school_year": which answers are for now, "blocks": verification_blocks() with "open", "has_blocks", "left": how many blocks, "many": several, "waiting": [{"section", "name"}] that the account has verified and another guardian has to, "reminders": the account wants to be told by mail, "reminds": the town tells}.';


-- what it does ----------------------------------------------------------------

create or replace function verified(p_section text, p_guardian bigint, p_child bigint,
    p_family bigint, p_by bigint, p_day date)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if p_by is null or num_nonnulls(p_guardian, p_child) <> 1 then
        return;
    end if;

    insert into verification as v (tenant, section, guardian_id, child_id, family_id,
                                   by_guardian, verified_on)
    values (here(), p_section, p_guardian, p_child, p_family, p_by, p_day)
        on conflict (tenant, family_id, by_guardian, section, guardian_id, child_id) do update
       set verified_on = greatest(v.verified_on, excluded.verified_on);
end
$$;

comment on function verified(text, bigint, bigint, bigint, bigint, date) is
    'Keeps that a guardian has verified a section. Input: section, guardian or child, family, by whom (null: nothing is kept), day.';


create or replace function verified_by(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- the day on which they have looked, sending it or completing it
    perform verified(p_set.section, p_set.guardian_id, p_set.child_id, p_set.family_id,
                     p_set.asker_id,
                     (select day_of(max(e.at)) from change_event e
                       where e.set_id = p_set.id
                         and e.event in ('sent', 'completed', 'filed', 'filed_more')))
     where p_set.action <> 'report'
       and (p_set.action <> 'remove' or p_set.section = 'child_contact')
       and p_set.reverses is null;
end
$$;

comment on function verified_by(change_set) is
    'A request verifies the section that it is about: who asks for a change has looked at it. Not before it is accepted, since those who see the day need not see the request: until then its asker is not asked, see asks_about(). Input: the request, once it is in the file. A report and the removal of a person verify nothing.';


create or replace function renew(p_child bigint, p_name text) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_input  jsonb := (select jsonb_object_agg(r.code, r.answer) from renewals(p_child) r);
    v_items  jsonb := renewed_items(p_child, '[]', v_input);
begin
    if v_items <> '[]' then
        perform send_change('child_authorisations', 'change', null, p_child, null, p_name,
                            agreed_items(p_child, v_items, v_input, null), null, null);
    end if;
end
$$;

comment on function renew(bigint, text) is
    'Gives a child''s answers to authorisations again, for the coming school year: a request that counts at once, with its receipt. Input: child, its name.';


create or replace function verify(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_refusal  json := repeated(input);
    v_key      text[] := regexp_match(input->>'block',
                             '^(responsable|enfant|adresse|contacts)-([0-9]{1,18})$');
    v_kind     text := case when v_key[1] in ('responsable', 'adresse') then 'guardian'
                            else 'child' end;
    v_who      record := subject(case v_kind when 'guardian' then 'guardian_basic'
                                             else 'child_general' end,
                                 jsonb_build_object(v_kind, v_key[2]));
    v_page     json;
    v_block    jsonb;
    v_one      record;
begin
    if v_refusal is not null then
        return v_refusal;
    end if;

    if v_key is null or v_who.id is null then
        return done(input, not_theirs(jsonb_build_object('section',
            case v_kind when 'guardian' then 'guardian_basic' else 'child_general' end,
            v_kind, v_key[2])));
    end if;

    -- the account, then the families, as ask_change() does: what is verified is
    -- what stands there until this is done
    perform 1 from account a where a.id = me() and a.state = 'active' for no key update;
    perform lock_families(array[my_family()]);

    v_page := verification(input);

    select b into v_block
      from jsonb_array_elements((v_page->'blocks')::jsonb) b
     where b->>'block' = input->>'block';

    v_refusal := case
        when family_of(me(), my_family()) is distinct from my_family() then
            json_build_object('status', 404, 'errors', json_build_array())
        when stale(input, v_page->>'version') is not null then
            stale(input, v_page->>'version')
        -- the button was pressed twice, or another guardian was faster
        when v_block is null
             and exists (select from verification_rows(my_family(), my_guardian()) r
                          where r.kind = v_kind
                            and r.id = v_key[2]::bigint
                            and r.verified_on is not null)
            then moved('/famille/verification', null, 'verified')
        when v_block is null then
            json_build_object('status', 404, 'errors', json_build_array())
        when input->>'version' is distinct from v_block->>'version' then
            json_build_object('status', 409, 'errors', json_build_array(json_build_object(
                'field', '', 'code', 'verify_changed', 'name', v_block->'name')))
        when not (v_block->'can')::boolean then refused('', 'verify_lacks') end;

    if v_refusal is not null then
        return done(input, v_refusal);
    end if;

    for v_one in
        select d.key as section, (p->>'id')::bigint as id, p->>'name' as name
          from jsonb_each(v_block->'due') d
         cross join jsonb_array_elements(v_block->'people') p
         where (d.value->'can')::boolean
         order by 1, 2
    loop
        if v_one.section = 'child_authorisations' then
            perform renew(v_one.id, v_one.name);
        end if;

        perform verified(v_one.section, case v_kind when 'guardian' then v_one.id end,
                         case v_kind when 'child' then v_one.id end, my_family(),
                         my_guardian(), today());
        perform note('verify', 'ok', v_kind, v_one.id);
    end loop;

    return done(input, moved('/famille/verification', null, 'verified'));
end
$$;

comment on function verify(jsonb) is
'« Rien n''a changé »: verifies the sections of a block that are due, but those that lack something required or have to be answered again. Input: block, version of it as it was shown; If-Match of the page; idempotency key. Answers to authorisations are given again for the coming school year, see renew(). Result: moved to the page, with what is left; also when nothing of it is due any more, so that it may be sent twice. Errors: 404 for a person who is not the family''s; 412 version_changed; 409 verify_changed: what was shown is not what the town holds now; 422 verify_lacks: none of it can be verified.';


create or replace function set_reminders(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    update account a
       set reminders = input->>'reminders' = 'yes'
     where a.id = me();

    return moved('/famille/verification', null,
                 case input->>'reminders' when 'yes' then 'reminders_on'
                                          else 'reminders_off' end);
end
$$;

comment on function set_reminders(jsonb) is
    'Whether the account wants to be told by mail each year that there is something to verify. Input: reminders (yes | no). Result: moved to the page.';


-- the yearly mail -------------------------------------------------------------

create or replace function remind_accounts(p_limit int) returns int
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_town     town;
    v_account  account;
    v_year     text := answer_year_of(today());
    v_count    int := 0;
begin
    select t.* into v_town from town t where t.id = here();

    -- from the day that the year opens until the end of September: later it
    -- would be about what is long begun
    if not v_town.verify_reminder
       or to_char(today(), 'MM-DD') not between v_town.year_opens and '09-30'
    then
        return 0;
    end if;

    for v_account in
        select a.*
          from account a
         where a.state = 'active'
           and a.reminders
           and a.reminded_year is distinct from v_year
           and exists (select from subscription u
                        where u.account_id = a.id
                          and u.ended_at is null
                          and u.effective_at is not null)
         order by a.id
         limit p_limit
           for update skip locked
    loop
        update account a set reminded_year = v_year where a.id = v_account.id;

        if exists (select
                     from subscription u
                    cross join lateral verification_rows(u.family_id, u.guardian_id) r
                    where u.account_id = v_account.id
                      and u.ended_at is null
                      and u.effective_at is not null
                      and r.due and not r.waits
                      and (r.kind = 'child' or r.id = u.guardian_id)
                      and (r.section <> 'child_authorisations'
                           or may_answer(u.guardian_id))
                      and not asks_about(v_account.id, u.family_id, r.section, r.kind, r.id))
        then
            perform post(gen_random_uuid(), v_account.email, v_account.email_mac,
                         'verification_reminder', v_account.lang,
                         jsonb_build_object('school_year', v_year,
                                            'path', '/famille/verification'));
        end if;

        v_count := v_count + 1;
    end loop;

    return v_count;
end
$$;

comment on function remind_accounts(int) is
    'One batch of the mails that tell guardians, once a school year, that there is something to verify: where the town has switched it on and its owner not off, from the day that the year opens until 30 September. Who has nothing to verify then is not told. Input: how many accounts at most are looked at. Result: how many were, which are not looked at again that year, whether told or not.';


grant execute on function verification(jsonb), verify(jsonb), set_reminders(jsonb)
   to portal_web;
