--
-- The children's sections one by one, and what their requests do: changes,
-- additions, removals.  fields.sql, requests.sql and change_sets.sql call these.
--

set search_path = portal, pg_temp;


create or replace function school_year_of(p_day date) returns text
    language sql immutable
    return (select y || '-' || (y + 1)
              from (select extract(year from p_day - interval '8 months')::int) x (y));

comment on function school_year_of(date) is
    'The school year of a day, as 2026-2027; the next one begins with September.';


create or replace function school_year() returns text
    language sql stable
    return school_year_of(today());

comment on function school_year() is 'The school year of today.';


create or replace function answer_year_of(p_day date) returns text
    language sql stable
begin atomic
    -- towns prepare the coming year months before September
    select y || '-' || (y + 1)
      from (select extract(year from p_day)::int
                       - (to_char(p_day, 'MM-DD') < t.year_opens)::int
              from town t
             where t.id = here()) x (y);
end;

comment on function answer_year_of(date) is
    'The school year that an answer of a day is for: from the day on that the town sets (town.year_opens, 1 July where it has not) the one that begins in September.';


create or replace function answers_from() returns date
    language sql stable
begin atomic
    select make_date(left(school_year(), 4)::int + 1, left(t.year_opens, 2)::int,
                     right(t.year_opens, 2)::int)
      from town t
     where t.id = here();
end;

comment on function answers_from() is
    'The day of this school year from which an answer is for the next one, see answer_year_of().';


-- general information -----------------------------------------------------

create or replace function child_general_values(p_id bigint) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select jsonb_build_object('last_name', c.last_name, 'first_name', c.first_name,
                       'birth_date', c.birth_date, 'birth_place', c.birth_place,
                       'sex', c.sex, 'diet', c.diet, 'school_name', school_named(s.name),
                       'school_level', s.level, 'school_class', s.class,
                       'insurer', i.insurer, 'policy', i.policy, 'until', i.until)
              from child c
              left join schooling s on s.tenant = c.tenant and s.child_id = c.id
                                   and s.year = school_year()
              left join insurance i on i.tenant = c.tenant and i.child_id = c.id
             where c.id = p_id);
end
$$;

comment on function child_general_values(bigint) is 'section_values() of child_general.';


create or replace function child_general_faults(v jsonb) returns jsonb
    language sql immutable
    return (select coalesce(jsonb_agg(jsonb_build_object('field', x.field, 'code', x.code)),
                            '[]')
              from (values ('insurer', 'required',
                            coalesce(v->>'insurer', '') = ''
                            and (v->>'policy' is not null or v->>'until' is not null)),
                           ('school_level', 'school_first',
                            v->>'school_name' is null and v->>'school_level' is not null),
                           ('school_class', 'school_first',
                            v->>'school_name' is null and v->>'school_class' is not null))
                   as x (field, code, wrong)
             where x.wrong);

comment on function child_general_faults(jsonb) is 'section_faults() of child_general.';


create or replace function child_general_apply(p_id bigint, v jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update child c
       set last_name = v->>'last_name', first_name = v->>'first_name',
           birth_date = (v->>'birth_date')::date, birth_place = v->>'birth_place',
           sex = v->>'sex', diet = v->>'diet'
     where c.id = p_id;

    if v->>'school_name' is null then
        delete from schooling s where s.child_id = p_id and s.year = school_year();
    else
        insert into schooling (tenant, child_id, name, level, class, year)
        values (here(), p_id, v->>'school_name', v->>'school_level', v->>'school_class',
                school_year())
            on conflict (tenant, child_id, year) do update
           set name = excluded.name, level = excluded.level, class = excluded.class;
    end if;

    if v->>'insurer' is null then
        delete from insurance i where i.child_id = p_id;
    else
        insert into insurance (tenant, child_id, insurer, policy, until)
        values (here(), p_id, v->>'insurer', v->>'policy', (v->>'until')::date)
            on conflict (tenant, child_id) do update
           set insurer = excluded.insurer, policy = excluded.policy, until = excluded.until;
    end if;
end
$$;

comment on function child_general_apply(bigint, jsonb) is 'section_apply() of child_general.';


-- contacts ----------------------------------------------------------------

create or replace function child_contact_values(p_id bigint) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select jsonb_build_object('last_name', k.last_name, 'first_name', k.first_name,
                       'link', k.link, 'phone_mobile', k.phone_mobile,
                       'phone_home', k.phone_home, 'collect', yes_or_no(k.collect),
                       'emergency', yes_or_no(k.emergency),
                       'valid_from', k.valid_from, 'valid_until', k.valid_until,
                       'rank', k.rank)
              from contact k
             where k.id = p_id);
end
$$;

comment on function child_contact_values(bigint) is 'section_values() of child_contact.';


create or replace function child_contact_faults(v jsonb) returns jsonb
    language sql immutable
    return case when coalesce(v->>'phone_mobile', v->>'phone_home', '') = ''
                then fault('phone_mobile', 'phone_needed')
                else '[]'::jsonb end
           || case when (v->>'valid_until')::date < (v->>'valid_from')::date
                   then fault('valid_until', 'valid_until_early')
                   else '[]'::jsonb end;

comment on function child_contact_faults(jsonb) is 'section_faults() of child_contact.';


create or replace function contact_period(v jsonb) returns daterange
    language sql stable
    return case when (v->>'valid_until')::date < (v->>'valid_from')::date then 'empty'
                else daterange((v->>'valid_from')::date, (v->>'valid_until')::date, '[]')
           end;

comment on function contact_period(jsonb) is
    'The days of a contact. Input: values as of child_contact_values(); of those that do not go together there is none.';


create or replace function late_faults(p_section text, p_items jsonb, v jsonb) returns jsonb
    language sql stable
    return case when p_section = 'child_contact'
                     and p_items @? '$[*].field ? (@ == "valid_until")'
                     and (v->>'valid_until')::date < today()
                     and not isempty(contact_period(v))
                then fault('valid_until', 'valid_until_past')
                when p_section = 'child_health'
                     and p_items @? '$[*].field ? (@ == "vaccines_until")'
                     and (v->>'vaccines_until')::date < today()
                then fault('vaccines_until', 'valid_until_past')
                else '[]'::jsonb end;

comment on function late_faults(text, jsonb, jsonb) is
    'What may be in the file but no more be asked for: a contact''s last day, or that of missing vaccines, that is past. Input: section, items, the section as it would be.';


create or replace function child_contact_apply(p_id bigint, v jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update contact k
       set last_name = v->>'last_name', first_name = v->>'first_name', link = v->>'link',
           phone_mobile = v->>'phone_mobile', phone_home = v->>'phone_home',
           collect = coalesce(v->>'collect' = 'yes', false),
           emergency = coalesce(v->>'emergency' = 'yes', false),
           valid_from = (v->>'valid_from')::date, valid_until = (v->>'valid_until')::date
     where k.id = p_id;

    -- in front of whoever has that place now; without one, last
    update contact k
       set rank = n.place
      from (select o.id, row_number() over (order by
                       case when o.id = p_id
                            then coalesce((v->>'rank')::int, 99) - 0.5 else o.place end)
                   as place
              from (select s.id, row_number() over (order by s.id = p_id, s.rank) as place
                      from contact c
                      join contact s on s.tenant = c.tenant and s.family_id = c.family_id
                                    and s.child_id = c.child_id
                     where c.id = p_id) o) n
     where k.id = n.id
       and k.rank <> n.place;
end
$$;

comment on function child_contact_apply(bigint, jsonb) is
    'section_apply() of child_contact; "rank" is the place in the household''s list, the others close up.';


create or replace function contact_copies(p_child bigint) returns json
    language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('id', k.id,
               'name', k.first_name || ' ' || k.last_name,
               'link', case when not is_hidden('child_contact', 'link') then k.link end,
               'child', c.first_name) order by m.rank, k.rank), '[]')
      from contact k
      join child c on c.tenant = k.tenant and c.id = k.child_id
      join child_family m on m.tenant = k.tenant and m.family_id = k.family_id
                         and m.child_id = k.child_id
     where k.family_id = my_family()
       and k.child_id <> p_child
       and agent_sees('child_contact', k.family_id, k.child_id)
       and not exists (select
                         from contact o
                        where o.tenant = k.tenant
                          and o.family_id = k.family_id
                          and o.child_id = p_child
                          and fold(o.last_name || o.first_name)
                              = fold(k.last_name || k.first_name));
end;

comment on function contact_copies(bigint) is
    'Contacts of the family''s other children that this one has not: what the form of a new one may begin with. At the counter of children that the agent sees.';


create or replace function copied_contact(p_child bigint, p_copy text) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select child_contact_values(k.id) - 'rank'
              from contact k
             where k.id = to_id(p_copy)
               and k.family_id = my_family()
               and k.child_id <> p_child
               and agent_sees('child_contact', k.family_id, k.child_id)
               and may('child_contacts', 'same_family'));
end
$$;

comment on function copied_contact(bigint, text) is
    'A contact of another child of the family as a new one''s values, or null.';


-- additions ---------------------------------------------------------------

create or replace function add_faults(p_section text, p_family bigint, p_child bigint,
    v jsonb)
    returns jsonb
    language sql stable
    return (select coalesce(jsonb_agg(jsonb_build_object('field', x.field, 'code', x.code)),
                            '[]')
              from (values
                    ('', 'list_full', p_section = 'child_general' and (
                        select count(*) from child_family m
                         where m.family_id = p_family) >= 30),
                    ('', 'list_full', p_section = 'guardian_basic' and (
                        select count(*) from guardian g
                         where g.family_id = p_family) >= 20),
                    ('', 'list_full', p_section = 'child_contact' and (
                        select count(*) from contact k
                         where k.family_id = p_family and k.child_id = p_child) >= 30))
                   as x (field, code, wrong)
             where x.wrong);

comment on function add_faults(text, bigint, bigint, jsonb) is
    'Why somebody cannot be added: a list that is full. Input: section, family, child of a contact, values.';


create or replace function is_same_child(p_search text, p_birth_date date, v jsonb)
    returns boolean
    language sql stable
    return p_search = fold((v->>'last_name') || (v->>'first_name'))
           and p_birth_date = (v->>'birth_date')::date;

comment on function is_same_child(text, date, jsonb) is
    'Whether a child of the file may be whom somebody asks to add: the same name, folded, and birth date. Input: child.search, child.birth_date, values.';


create or replace function namesakes(p_set change_set, v jsonb) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if p_set.action <> 'add' or p_set.reverses is not null then
        return '[]';
    end if;

    return (
    select coalesce(jsonb_agg(jsonb_build_object('name', x.first_name || ' ' || x.last_name,
               'birth_date', x.birth_date) order by x.id), '[]')
      from (select c.id, c.first_name, c.last_name, c.birth_date
              from child_family m
              join child c on c.tenant = m.tenant and c.id = m.child_id
             where p_set.section = 'child_general'
               and m.family_id = p_set.family_id
               and is_same_child(c.search, c.birth_date, v)
             union all
            -- a birth date that is not known is nobody else's, and a name may be
            -- the one that they had before they married
            select g.id, g.first_name, g.last_name, g.birth_date
              from guardian g
             where p_set.section = 'guardian_basic'
               and g.family_id = p_set.family_id
               and fold(g.first_name) = fold(v->>'first_name')
               and array_remove(array[fold(g.last_name), fold(g.birth_name)], null)
                   && array[fold(v->>'last_name'), fold(v->>'birth_name')]
               and not coalesce(g.birth_date <> (v->>'birth_date')::date, false)
             union all
            select k.id, k.first_name, k.last_name, null
              from contact k
             where p_set.section = 'child_contact'
               and k.family_id = p_set.family_id
               and k.child_id = p_set.child_id
               and fold(k.last_name || k.first_name)
                   = fold((v->>'last_name') || (v->>'first_name'))) x);
end
$$;

comment on function namesakes(change_set, jsonb) is
    'Who is in a family''s file already and may be whom a request would add, since two guardians may each ask for the same person: of the same name, and of a child or guardian not of another birth date; contacts of the same child. Input: the request, values. Result: [{"name", "birth_date"}], for agents alone; empty of any other request.';


create or replace function child_known(p_section text, p_family bigint, v jsonb)
    returns jsonb
    language sql stable
    return case when p_section = 'child_general' and exists (
                    select
                      from child_family m
                      join child c on c.tenant = m.tenant and c.id = m.child_id
                     where m.family_id = p_family
                       and is_same_child(c.search, c.birth_date, v))
                then fault('first_name', 'child_known')
                else '[]'::jsonb end;

comment on function child_known(text, bigint, jsonb) is
    'A child that a family asks to add and has already; who decides meets it in namesakes(). Input: section, family, values. Result: errors.';


create or replace function added_twice(p_section text, p_action text, p_open bigint,
    v jsonb)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if (p_section, p_action) is distinct from ('child_general', 'add') then
        return '[]';
    end if;

    return (select coalesce(jsonb_agg(jsonb_build_object('field', 'first_name',
                       'code', 'child_asked', 'request', x.number)), '[]')
              from (select c.number
                      from change_set c
                      join change_item l on l.tenant = c.tenant and l.set_id = c.id
                                        and l.field = 'last_name'
                      join change_item f on f.tenant = c.tenant and f.set_id = c.id
                                        and f.field = 'first_name'
                      join change_item b on b.tenant = c.tenant and b.set_id = c.id
                                        and b.field = 'birth_date'
                     where c.family_id = my_family()
                       and asked_here(c)
                       and c.section = p_section
                       and c.action = p_action
                       and c.state in ('sent', 'taken', 'incomplete')
                       and c.id is distinct from p_open
                       and fold((l.asked #>> '{}') || (f.asked #>> '{}'))
                           = fold((v->>'last_name') || (v->>'first_name'))
                       and b.asked #>> '{}' = v->>'birth_date'
                     order by c.id
                     limit 1) x);
end
$$;

comment on function added_twice(text, text, bigint, jsonb) is
    'A child that the account has asked to add already, by another open request, which the error names. Input: section, action, the open request that is mended or null, values. Result: errors.';


create or replace function next_rank(p_taken smallint[], p_limit int, p_nth int default 1)
    returns int
    language sql immutable
    return coalesce((select n
                       from generate_series(1, p_limit) n
                      where n <> all (coalesce(p_taken, '{}'))
                      order by n < any (coalesce(p_taken, '{}')), n
                      limit 1
                     offset p_nth - 1), p_limit + 1);

comment on function next_rank(smallint[], int, int) is
    'Behind the last of a list, or, where that is its last place, a place that somebody has left; one more than there are, which no list takes, where all are taken. Input: the places that are taken (null: none), how many the list has, of several who come at once the how manieth.';


create or replace function free_rank(p_wanted int, p_taken int[], p_limit int)
    returns int
    language sql immutable
    return case when p_wanted = any (p_taken)
                then next_rank(p_taken::smallint[], p_limit)
                else p_wanted end;

comment on function free_rank(int, int[], int) is
    'The place that somebody had in a list, or, where another one has it now, next_rank(). Input: the place, those that are taken, how many the list has.';


create or replace function section_add(p_set change_set, v jsonb) returns bigint
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_id  bigint;
begin
    case p_set.section

    when 'child_general' then
        insert into child (tenant, last_name, first_name, birth_date)
        values (here(), v->>'last_name', v->>'first_name', (v->>'birth_date')::date)
        returning id into v_id;

        insert into child_family (tenant, family_id, rank, child_id)
        select here(), p_set.family_id, next_rank(array_agg(m.rank), 30), v_id
          from child_family m
         where m.family_id = p_set.family_id;

        update change_set c set child_id = v_id where c.id = p_set.id;

    when 'guardian_basic' then
        insert into guardian (tenant, family_id, rank, last_name, first_name, link)
        select here(), p_set.family_id, next_rank(array_agg(g.rank), 20), v->>'last_name',
               v->>'first_name', v->>'link'
          from guardian g
         where g.family_id = p_set.family_id
        returning id into v_id;

        update change_set c set guardian_id = v_id where c.id = p_set.id;

    when 'child_contact' then
        insert into contact (tenant, family_id, child_id, rank, last_name, first_name, link,
                             phone_mobile, phone_home)
        select here(), p_set.family_id, p_set.child_id, next_rank(array_agg(k.rank), 30),
               v->>'last_name', v->>'first_name', v->>'link', v->>'phone_mobile',
               v->>'phone_home'
          from contact k
         where k.family_id = p_set.family_id
           and k.child_id = p_set.child_id
        returning id into v_id;

        update change_set c set contact_id = v_id where c.id = p_set.id;

    end case;

    return v_id;
end
$$;

comment on function section_add(change_set, jsonb) is
    'Adds whom a request is about, last of their list, with what a row cannot be without; section_apply() writes the rest. Result: the new row''s id, which the request names from then on.';


-- removals ----------------------------------------------------------------

create or replace function remove_faults(p_section text, p_family bigint) returns jsonb
    language sql stable
    return case when p_section = 'guardian_basic'
                 and (select count(*) from guardian g where g.family_id = p_family) < 2
                then fault('', 'last_guardian')
                else '[]'::jsonb end;

comment on function remove_faults(text, bigint) is
    'Why somebody cannot be taken out of a family: a family keeps a guardian.';


create or replace function section_remove(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    perform keep_removed(p_set);

    case p_set.section

    when 'child_general' then
        insert into import_removed (tenant, kind, key, ref, set_id)
        select c.tenant, 'child_family', c.external_id, f.external_id, p_set.id
          from child c
          join family f on f.tenant = c.tenant and f.id = p_set.family_id
         where c.id = p_set.child_id
           and num_nulls(c.external_id, f.external_id) = 0
            on conflict (tenant, kind, key, ref) do update set set_id = excluded.set_id;

        -- the child itself stays, until end_children() finds it in no household
        delete from child_family m
         where m.family_id = p_set.family_id
           and m.child_id = p_set.child_id;

    when 'guardian_basic' then
        -- whoever comes second sees that the other one is gone
        if remove_faults(p_set.section, p_set.family_id) <> '[]' then
            raise exception using errcode = 'check_violation',
                message = 'a family keeps a guardian', constraint = 'last_guardian';
        end if;

        update subscription u
           set ended_at = now()
         where u.guardian_id = p_set.guardian_id
           and u.ended_at is null;

        insert into import_removed (tenant, kind, key, ref, set_id, names)
        select g.tenant, 'guardian', g.external_id, f.external_id, p_set.id,
               guardian_names(g)
          from guardian g
          join family f on f.tenant = g.tenant and f.id = g.family_id
         where g.id = p_set.guardian_id
           and num_nulls(g.external_id, f.external_id) = 0
            on conflict (tenant, kind, key, ref) do update
           set set_id = excluded.set_id, names = import_removed.names || excluded.names;

        delete from guardian g
         where g.id = p_set.guardian_id
           and g.family_id = p_set.family_id;

    when 'child_contact' then
        insert into import_removed (tenant, kind, key, ref, set_id)
        select here(), 'contact', p_set.child_id::text, contact_ref(p_set.family_id, n),
               p_set.id
          from unnest(contact_names(p_set.contact_id)) n
            on conflict (tenant, kind, key, ref) do update set set_id = excluded.set_id;

        delete from contact k
         where k.id = p_set.contact_id
           and k.family_id = p_set.family_id;

    end case;
end
$$;

comment on function section_remove(change_set) is
    'Takes whom a request is about out of the family: a contact, the child (its row stays), a guardian whose subscription ends with it; what else ends is end_access()''s. What goes is kept for a while, see removed. An import does not bring them back, see import_removed.';


create or replace function record_ban(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    insert into collect_ban (tenant, child_id, family_id, set_id, words, recorded_by)
    values (here(), p_set.child_id, p_set.family_id, p_set.id, p_set.comment, my_agent());
end
$$;

comment on function record_ban(change_set) is
    'Records what a parent has reported: who must not collect the child.';


-- what the child's safety hangs on ----------------------------------------

create or replace function contact_urgent(p_section text, p_action text, p_contact bigint,
    p_items jsonb)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_now  jsonb := coalesce(child_contact_values(p_contact), '{}');
begin
    return p_section = 'child_contact'
           and (p_action = 'report'
                or p_action in ('change', 'remove')
                   and coalesce(v_now->>'collect' = 'yes', false)
                   and (p_action = 'remove'
                        or exists (select
                                     from jsonb_array_elements(p_items) i
                                    where i->>'field' in ('collect', 'last_name',
                                                          'first_name'))
                        -- or on fewer days
                        or not contact_period(v_now)
                               <@ contact_period(asked_values(v_now, p_items))));
end
$$;

comment on function contact_urgent(text, text, bigint, jsonb) is
    'Whether the child''s safety cannot wait: somebody must not collect it, or no more, or no more on a day when they may. Input: section, action, contact, items.';


create or replace function lets_collect(p_set change_set, p_items jsonb, p_before jsonb)
    returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_now  jsonb;
    v_old  jsonb;
    v_new  jsonb;
begin
    if p_set.section <> 'child_contact' or p_set.action not in ('add', 'change') then
        return false;
    end if;

    v_now := coalesce(child_contact_values(p_set.contact_id), '{}');
    v_old := asked_values(v_now, p_before);
    v_new := asked_values(v_now, p_items);

    return coalesce(v_new->>'collect' = 'yes', false)
           and ((v_new->'collect', v_new->'last_name', v_new->'first_name')
                is distinct from
                (v_old->'collect', v_old->'last_name', v_old->'first_name')
                or not contact_period(v_new) <@ contact_period(v_old));
end
$$;

comment on function lets_collect(change_set, jsonb, jsonb) is
    'Whether somebody new may collect a child by a request, or on other days than so far. Input: the request, its items, and those of before, over what the file holds.';


create or replace function tell_collect(p_set change_set, p_items jsonb, p_before jsonb)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_new  jsonb;
begin
    if not lets_collect(p_set, p_items, p_before) then
        return;
    end if;

    v_new := asked_values(coalesce(child_contact_values(p_set.contact_id), '{}'), p_items);

    perform post(gen_random_uuid(), a.email, a.email_mac, 'contact_asked', a.lang,
                 jsonb_build_object('name', (v_new->>'first_name') || ' '
                                            || (v_new->>'last_name'),
                     'link', case when not is_hidden('child_contact', 'link')
                                  then v_new->'link' end,
                     -- undone by the town: nobody asks for it, and it counts
                     'back', p_set.reverses is not null,
                     'child', (select c.first_name from child c where c.id = p_set.child_id),
                     'path', '/famille/enfants/' || p_set.child_id))
       from account a
      where a.state = 'active'
        and a.id is distinct from asking_account()
        and a.id in (select u.account_id
                       from child_family m
                       join subscription u on u.tenant = m.tenant
                                          and u.family_id = m.family_id
                                          and u.ended_at is null
                      where m.child_id = p_set.child_id);
end
$$;

comment on function tell_collect(change_set, jsonb, jsonb) is
    'Writes to the child''s other guardians, of both households, who is to be allowed to collect it, or on other days than so far: name and link only; of a request that undoes another one, that they may again. Input: the request, its items, and those that it had or that the request before it had.';
