--
-- What an accepted removal takes out of the file is kept for a while, and put
-- back when the removal is undone: reversals.sql calls these, and change_apply().
--

set search_path = portal, pg_temp;


-- kept --------------------------------------------------------------------

create or replace function sets_about(p_column text, p_ids bigint[]) returns jsonb
    language sql stable
begin atomic
    select coalesce(jsonb_agg(jsonb_build_array(c.id, x.id) order by c.id), '[]')
      from change_set c
     cross join lateral (select case p_column when 'guardian_id' then c.guardian_id
                                              when 'asker_id' then c.asker_id
                                              when 'contact_id' then c.contact_id end) x (id)
     where x.id = any (p_ids);
end;

comment on function sets_about(text, bigint[]) is
    'The requests that name these people in that column: [[request, person]].';


create or replace function removed_guardian(p_id bigint) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select jsonb_build_object('guardian', to_jsonb(g), 'address', to_jsonb(a),
                       'tax', to_jsonb(t), 'bank', to_jsonb(b),
                       'verifications', (select coalesce(jsonb_agg(to_jsonb(v)), '[]')
                                           from verification v
                                          where v.guardian_id = g.id
                                             or v.by_guardian = g.id),
                       'account', (select u.account_id from subscription u
                                    where u.guardian_id = g.id and u.ended_at is null),
                       'about', sets_about('guardian_id', array[g.id]),
                       'asked', sets_about('asker_id', array[g.id]),
                       'answers', (select coalesce(jsonb_agg(to_jsonb(x)), '[]')
                                     from authorisation x
                                    where x.guardian_id = g.id),
                       'uploads', (select coalesce(jsonb_agg(u.id), '[]')
                                     from upload u
                                    where u.asker_id = g.id))
              from guardian g
              left join address a on a.tenant = g.tenant and a.guardian_id = g.id
              left join tax t on t.tenant = g.tenant and t.guardian_id = g.id
              left join bank b on b.tenant = g.tenant and b.guardian_id = g.id
             where g.id = p_id);
end
$$;

comment on function removed_guardian(bigint) is 'removed_rows() of a guardian.';


create or replace function removed_contacts(p_family bigint, p_child bigint, p_id bigint)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_ids  bigint[] := array(select k.id from contact k
                              where k.family_id = p_family and k.child_id = p_child
                                and (p_id is null or k.id = p_id));
begin
    return (select jsonb_build_object('contacts', coalesce(jsonb_agg(to_jsonb(k)
                           order by k.rank), '[]'),
                       'about', sets_about('contact_id', v_ids))
              from contact k
             where k.id = any (v_ids));
end
$$;

comment on function removed_contacts(bigint, bigint, bigint) is
    'removed_rows() of a contact, or (null) of all of a household''s contacts of a child.';


create or replace function removed_rows(p_set change_set) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case p_set.section
        when 'guardian_basic' then removed_guardian(p_set.guardian_id)
        when 'child_contact' then
            removed_contacts(p_set.family_id, p_set.child_id, p_set.contact_id)
        else
            removed_contacts(p_set.family_id, p_set.child_id, null)
            || jsonb_build_object('place', (select m.rank from child_family m
                                             where m.family_id = p_set.family_id
                                               and m.child_id = p_set.child_id)) end;
end
$$;

comment on function removed_rows(change_set) is
'What a removal takes out of the file with whom it is about, see removed. Input: the request, before it is written. Result: of a guardian {"guardian", "address", "tax", "bank": rows, "verifications": rows, "account": the one that was connected, "about", "asked": as sets_about(), "answers": rows of authorisation that are theirs, "uploads": ids of the files that were taken in for them}; of a contact {"contacts": rows, "about"}; of a child that, of all its household''s contacts, and "place": its rank in the family.';


create or replace function keep_removed(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    insert into removed (tenant, set_id, child_id, rows)
    values (here(), p_set.id, p_set.child_id, removed_rows(p_set));
end
$$;

comment on function keep_removed(change_set) is
    'Keeps what a removal takes out of the file. Input: the request, before it is written.';


create or replace function is_removed(p_set change_set) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return exists (select from removed r where r.set_id = p_set.id);
end
$$;

comment on function is_removed(change_set) is
    'Whether what a request has taken out of the file is still kept, so that it can come back.';


-- erased ------------------------------------------------------------------

create or replace function end_children(p_days int, p_limit int) returns int
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_before    timestamptz := now() - make_interval(days => p_days);
    v_children  bigint[];
    v_families  bigint[];
    v_count     int;
begin
    v_children := array(
        select c.id
          from child c
         where c.tenant = here()
           and c.left_at < v_before
           and not exists (select from removed r where r.child_id = c.id)
           and not exists (select from collect_ban b where b.child_id = c.id)
         order by c.left_at, c.id
         limit p_limit);

    if v_children = '{}' then
        return 0;
    end if;

    -- the families first, as who undoes a removal does, then the children, which an
    -- import may bring into another one; what somebody has now waits
    v_families := array(
        select f.id
          from family f
         where f.tenant = here()
           and f.id in (select s.family_id from change_set s
                         where s.child_id = any (v_children))
         order by f.tenant, f.id
           for no key update skip locked);
    v_children := array(
        select c.id
          from child c
         where c.id = any (v_children)
           and not exists (select from change_set s
                            where s.child_id = c.id
                              and s.family_id <> all (v_families))
         order by c.id
           for update skip locked);

    -- as they are now that nobody else has them
    v_children := array(
        select c.id
          from child c
         where c.id = any (v_children)
           and c.left_at < v_before
           and not exists (select from child_family m where m.child_id = c.id)
           and not exists (select from removed r where r.child_id = c.id)
           and not exists (select from collect_ban b where b.child_id = c.id));

    -- files go as others that have left the file: they may wait for a list
    update upload u
       set left_at = c.left_at
      from child c
      join child_photo p on p.tenant = c.tenant and p.child_id = c.id
     where c.id = any (v_children)
       and u.tenant = p.tenant and u.id = p.upload_id;
    delete from child_pai p where p.child_id = any (v_children);

    delete from child c where c.id = any (v_children);
    get diagnostics v_count = row_count;

    return v_count;
end
$$;

comment on function end_children(int, int) is
    'Erases the town''s children who are in no household any more for so many days, with all that is theirs alone: names, school, health, answers, insurance; requests about them stay as long as others, about nobody, and files as those that have left the file. Not while a removal can be undone, see removed, nor as long as a ban is kept. Input: days, how many at most. Result: how many.';


-- put back ----------------------------------------------------------------

create or replace function restore_code(p_set change_set, p_rows jsonb,
    p_holder guardian)
    returns text
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_guardian  jsonb := p_rows->'guardian';
    v_contact   jsonb := p_rows #> '{contacts,0}';
begin
    return case
        when p_set.section = 'guardian_basic' then case
            when exists (select from guardian g
                          where g.family_id = p_set.family_id
                            and g.search = v_guardian->>'search'
                            and (g.birth_date is null
                                 or v_guardian->>'birth_date' is null
                                 or g.birth_date = (v_guardian->>'birth_date')::date))
                then 'removed_back'
            when p_holder.family_id = p_set.family_id then 'number_elsewhere'
            when p_holder.id is not null then 'number_other_family'
            when exists (select from subscription u
                           join account a on a.tenant = u.tenant and a.id = u.account_id
                          where u.account_id = (p_rows->>'account')::bigint
                            and u.family_id = p_set.family_id
                            and u.ended_at is null)
                then 'account_elsewhere'
            when (select count(*) from guardian g
                   where g.family_id = p_set.family_id) >= 20
                then 'list_full' end
        when not exists (select from child c where c.id = p_set.child_id)
            then 'subject_gone'
        when p_set.section = 'child_contact' then case
            when not exists (select from child_family m
                              where m.family_id = p_set.family_id
                                and m.child_id = p_set.child_id)
                then 'subject_gone'
            when exists (select from contact k
                          where k.family_id = p_set.family_id
                            and k.child_id = p_set.child_id
                            and fold(k.last_name || k.first_name)
                                = fold((v_contact->>'last_name')
                                       || (v_contact->>'first_name')))
                then 'removed_back'
            when (select count(*) from contact k
                   where k.family_id = p_set.family_id
                     and k.child_id = p_set.child_id) >= 30
                then 'list_full' end
        -- the child itself, or one of its name and birth date
        when exists (select from child c
                       join child_family m on m.tenant = c.tenant and m.child_id = c.id
                       join child o on o.id = p_set.child_id
                      where m.family_id = p_set.family_id
                        and (c.id = o.id or c.search = o.search
                                            and c.birth_date = o.birth_date))
            then 'removed_back'
        when (select count(*) from child_family m
               where m.family_id = p_set.family_id) >= 30
            then 'list_full' end;
end
$$;

comment on function restore_code(change_set, jsonb, guardian) is
    'Why whom a request has taken out cannot come back: subject_gone (the child is no more, or not of the family), removed_back (they are there again, under this or another number), number_elsewhere, number_other_family (their external id is another guardian''s by now), account_elsewhere (their account is connected with the family as another guardian), list_full; null to go on. Input: the request, whose families the caller has locked; removed.rows; who has the external id now.';


create or replace function restore_refusal(p_set change_set, p_rows jsonb) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_number  text := p_rows #>> '{guardian,external_id}';
    v_holder  guardian := (select g from guardian g where g.external_id = v_number);
    v_code    text := restore_code(p_set, p_rows, v_holder);
begin
    -- who is of another family is not for each agent, see agent_sees()
    return case when v_code is not null then json_build_object('status', 409,
        'errors', json_build_array(json_strip_nulls(json_build_object('field', '',
            'code', v_code, 'number', v_number, 'former', p_set.subject,
            'name', case when v_holder.family_id = p_set.family_id
                         then v_holder.first_name || ' ' || v_holder.last_name end)))) end;
end
$$;

comment on function restore_refusal(change_set, jsonb) is
    'The answer where whom a request has taken out cannot come back, see restore_code(): with the external id, who had it ("former") and, in the family, who has it now ("name"). Input: as restore_code(). Result: null to go on.';


create or replace function restore_requests(p_column text, p_pairs jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- what was asked is found under them again, as far as it is still there
    update change_set c
       set guardian_id = case p_column when 'guardian_id' then x.person
                                       else c.guardian_id end,
           asker_id = case p_column when 'asker_id' then x.person else c.asker_id end,
           contact_id = case p_column when 'contact_id' then x.person
                                      else c.contact_id end
      from (select (p->>0)::bigint as id, (p->>1)::bigint as person
              from jsonb_array_elements(p_pairs) p) x
     where c.id = x.id;

    if p_column = 'guardian_id' then
        update upload u
           set guardian_id = (p->>1)::bigint
          from jsonb_array_elements(p_pairs) p
         where u.set_id = (p->>0)::bigint;
    end if;
end
$$;

comment on function restore_requests(text, jsonb) is
    'Lets requests name who is there again. Input: guardian_id, asker_id or contact_id; as of sets_about().';


create or replace function restore_guardian(p_set change_set, p_rows jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    g  guardian := jsonb_populate_record(null::guardian, p_rows->'guardian');
begin
    insert into guardian (tenant, id, family_id, rank, seal_id, title, last_name,
                          birth_name, first_name, birth_date, birth_place, link, authority,
                          payer, email, phone_mobile, phone_home, phone_work, profession,
                          employer, external_id, stranger_since)
    values (g.tenant, g.id, g.family_id,
            free_rank(g.rank, array(select o.rank from guardian o
                                     where o.family_id = g.family_id), 20),
            g.seal_id, g.title, g.last_name, g.birth_name, g.first_name, g.birth_date,
            g.birth_place, g.link, g.authority, g.payer, g.email, g.phone_mobile,
            g.phone_home, g.phone_work, g.profession, g.employer, g.external_id,
            g.stranger_since);

    insert into address select (jsonb_populate_record(null::address, a)).*
      from jsonb_path_query(p_rows, '$.address ? (@ != null)') a;
    insert into tax select (jsonb_populate_record(null::tax, t)).*
      from jsonb_path_query(p_rows, '$.tax ? (@ != null)') t;
    -- a mandate's reference may be somebody else's by now, see former_mandate()
    insert into bank select (jsonb_populate_record(null::bank, b
               || case when exists (select from bank o
                                     where o.mandate_reference = b->>'mandate_reference')
                       then jsonb_build_object('mandate_reference', new_mandate())
                       else '{}' end)).*
      from jsonb_path_query(p_rows, '$.bank ? (@ != null)') b;

    -- of two people who verified each other both have to be there
    insert into verification (tenant, section, guardian_id, child_id, family_id,
                              by_guardian, verified_on)
    select r.tenant, r.section, r.guardian_id, r.child_id, r.family_id, r.by_guardian,
           r.verified_on
      from jsonb_array_elements(p_rows->'verifications') x
     cross join lateral jsonb_populate_record(null::verification, x) r
     where exists (select from guardian o where o.id = r.by_guardian)
       and (r.guardian_id is null
            or exists (select from guardian o where o.id = r.guardian_id))
       and (r.child_id is null or exists (select from child c where c.id = r.child_id))
        on conflict do nothing;

    update change_set c set guardian_id = g.id where c.id = p_set.id;
    perform restore_requests('guardian_id', p_rows->'about');
    perform restore_requests('asker_id', p_rows->'asked');

    -- an answer is theirs again unless somebody has answered since
    update authorisation a
       set guardian_id = g.id
      from jsonb_array_elements(p_rows->'answers') x
     where a.child_id = (x->>'child_id')::bigint
       and a.code = x->>'code'
       and a.guardian_id is null
       and to_jsonb(a) - 'guardian_id' = x - 'guardian_id';

    update upload u
       set asker_id = g.id
      from jsonb_array_elements_text(p_rows->'uploads') x
     where u.id = x::uuid;
end
$$;

comment on function restore_guardian(change_set, jsonb) is
    'Puts a guardian back under their own number: address, tax, bank, what was verified, what they had asked and answered. Input: the request that does it, removed.rows.';


create or replace function restore_contacts(p_rows jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    k  contact;
begin
    for k in
        select r.*
          from jsonb_array_elements(p_rows->'contacts') x
         cross join lateral jsonb_populate_record(null::contact, x) r
         order by r.rank
    loop
        k.rank := free_rank(k.rank, array(select o.rank from contact o
                                           where o.family_id = k.family_id
                                             and o.child_id = k.child_id), 30);
        insert into contact select k.*;
    end loop;

    perform restore_requests('contact_id', p_rows->'about');
end
$$;

comment on function restore_contacts(jsonb) is
    'Puts contacts back under their own numbers. Input: removed.rows.';


create or replace function restore_removed(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_rows  jsonb := (select r.rows from removed r where r.set_id = p_set.reverses);
begin
    case p_set.section

    when 'guardian_basic' then
        perform restore_guardian(p_set, v_rows);

    when 'child_general' then
        insert into child_family (tenant, family_id, rank, child_id)
        select here(), p_set.family_id,
               free_rank((v_rows->>'place')::int,
                         array(select m.rank from child_family m
                                where m.family_id = p_set.family_id), 30), p_set.child_id;
        perform restore_contacts(v_rows);

    when 'child_contact' then
        perform restore_contacts(v_rows);
        update change_set c
           set contact_id = (v_rows #>> '{contacts,0,id}')::bigint
         where c.id = p_set.id;

    end case;

    -- imports may write there again, and what is in the file is kept once
    delete from import_removed d where d.set_id = p_set.reverses;
    delete from removed r where r.set_id = p_set.reverses;
end
$$;

comment on function restore_removed(change_set) is
    'Puts back whom a removal has taken out, as it was. Input: the request that does it, whose families the caller has locked; the caller has asked restore_refusal().';


-- undoing a removal -------------------------------------------------------

create or replace function restored_account(p_rows jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- not one that is being closed; nor one that its owner is just changing: who
    -- has it may wait for this family, so nobody waits here
    perform from account a where a.id = (p_rows->>'account')::bigint for share nowait;
end
$$;

comment on function restored_account(jsonb) is
    'Holds the account that will be connected again. Input: removed.rows. Raises 55P03, so that it is tried again, where somebody else has it.';


create or replace function restore_access(p_set change_set, p_rows jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- a subscription of its own: the one that has ended stays as it ended
    insert into subscription (tenant, account_id, family_id, guardian_id, effective_at)
    select t.id, a.id, p_set.family_id, p_set.guardian_id,
           case when t.subscription_effect = 'immediate' then now() end
      from town t
      join account a on a.id = (p_rows->>'account')::bigint and a.state = 'active'
     where t.id = here();
end
$$;

comment on function restore_access(change_set, jsonb) is
    'Connects a guardian''s account with them again, where it is still open. Input: the request that has put them back, removed.rows.';


create or replace function tell_restored(p_set change_set, p_rows jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set      change_set := p_set;
    v_contact  bigint;
begin
    perform post(gen_random_uuid(), a.email, a.email_mac, 'guardian_restored', a.lang,
                 jsonb_build_object('family', f.label))
       from account a
       join family f on f.tenant = a.tenant and f.id = p_set.family_id
      where a.id = (p_rows->>'account')::bigint and a.state = 'active';

    -- who may collect the child again is told as who is new, also where they have come
    -- back with the child
    v_set.section := 'child_contact';

    for v_contact in
        select (k->>'id')::bigint from jsonb_array_elements(p_rows->'contacts') k
    loop
        v_set.contact_id := v_contact;
        perform tell_collect(v_set, '[]', '[{"field": "collect", "asked": "no"}]');
    end loop;
end
$$;

comment on function tell_restored(change_set, jsonb) is
    'Writes to a guardian who is in the file again that their access is back, and to a child''s other guardians who may collect it again. Input: the request that did it, removed.rows.';


create or replace function reverse_removal(p_set change_set, input jsonb) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_rows     jsonb := (select r.rows from removed r where r.set_id = p_set.id);
    v_refusal  json;
    v_set      change_set;
    v_now      jsonb;
begin
    if v_rows is null then
        return refused('', 'removal_over', 409);
    end if;

    perform restored_account(v_rows);
    v_refusal := restore_refusal(p_set, v_rows);

    if v_refusal is not null then
        return v_refusal;
    end if;

    v_set := new_request(p_set.section, 'add', null, p_set.child_id, null, p_set.subject,
                         null, null, p_set);
    perform write_change(v_set);

    select c.* into v_set from change_set c where c.id = v_set.id;
    v_now := section_values(v_set.section, request_subject(v_set));
    perform put_items(v_set.id, (
        select jsonb_agg(jsonb_build_object('field', f.name, 'old', null,
                             'asked', v_now->f.name))
          from field f
         where f.section = v_set.section
           and coalesce(v_now->f.name, 'null') <> 'null'));
    update change_item i set state = 'accepted' where i.set_id = v_set.id;
    perform restore_access(v_set, v_rows);
    perform tell_restored(v_set, v_rows);

    return reversed(v_set, input);
end
$$;

comment on function reverse_removal(change_set, jsonb) is
    'Undoes an accepted removal: by a request that counts at once whom it has taken out is in the file again, and what hung on them, as it was. Result: moved to it; 409 removal_over: what it had taken out is no more kept; else restore_refusal(): nothing is written.';
