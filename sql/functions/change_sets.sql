--
-- A change set as a thing: how it is made, locked, moved from state to state, told,
-- and written into the file.  Whoever asks or decides uses these.
--

set search_path = portal, pg_temp;


create or replace function lock_families(p_families bigint[]) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- a change of one household may bump those that it shares a child with: all
    -- of them, in the order in which a change of the file bumps them
    perform 1
       from family f
      where f.id = any (p_families || other_households(here(), p_families))
      order by f.tenant, f.id
        for no key update;
end
$$;

comment on function lock_families(bigint[]) is
    'lock_subject() for what is about several families at once.';


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
    perform lock_families(v_families);
end
$$;

comment on function lock_subject(bigint, bigint, bigint) is
    'Locks the families of whom something is about, and those that share a child with them, so that what is asked and decided about them comes one after the other. Whoever writes into the file, or ends what hangs on it, begins with this: rows of requests, subscriptions and codes come after their family. Input: guardian, child, the family itself; each may be null.';


create or replace function change_step(p_id bigint, p_event text, p_state text,
    p_kind text, p_by bigint, p_reason_code text default null, p_reason text default null)
    returns change_set
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set  change_set;
begin
    update change_set c
       set state = p_state, version = c.version + 1, updated_at = now(),
           taken_by = case when p_event = 'taken' then p_by
                           when p_event not in ('released', 'agreed') then c.taken_by end,
           reason_code = p_reason_code, reason = p_reason,
           reason_texts = (select r.texts from refusal r where r.code = p_reason_code),
           rest = case when p_state in ('sent', 'taken', 'incomplete') then c.rest end,
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
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select coalesce(r.texts->>p_lang, r.texts->>'fr') from refusal r
             where r.code = p_code);
end
$$;

comment on function ready_words(text, text) is
    'The town''s ready words of that code as they are now, in that language where it has them, else in French.';


create or replace function words_sent(p_set change_set, p_lang text) returns text
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return coalesce(p_set.reason_texts->>p_lang, p_set.reason_texts->>'fr');
end
$$;

comment on function words_sent(change_set, text) is
    'The ready words with which a request was answered, as they were then, in that language where the town had them, else in French.';


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
                     -- whose access has ended cannot open it
                     'path', case when family_of(v_account.id, p_set.family_id)
                                       = p_set.family_id
                                  then '/famille/demandes/' || p_set.id end,
                     'due_on', p_set.due_on, 'identified', p_set.identified,
                     'reason', p_set.reason,
                     'ready_reason', words_sent(p_set, v_account.lang),
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
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return (select jsonb_agg(jsonb_build_object('field', i.field, 'asked', i.asked,
                       'mac', encode(i.asked_mac, 'hex'), 'hint', i.asked_hint,
                       'agreement', i.agreement))
              from change_item i
             where i.set_id = p_set
               and (i.state = 'accepted' or not p_accepted));
end
$$;

comment on function stored_items(bigint, boolean) is
    'The items of a request as asked_values() takes them: all, or the accepted ones.';


create or replace function agreement_now(p_set change_set, p_field text) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return case
        when p_set.section = 'child_authorisations' then agreement(p_set.child_id, p_field)
        when p_set.section = 'guardian_bank' and p_field = 'iban' then
            (select jsonb_build_object('reference', b.mandate_reference,
                        'date', b.mandate_date)
               from bank b
              where b.guardian_id = p_set.guardian_id
                and b.mandate_reference is not null)
        end;
end
$$;

comment on function agreement_now(change_set, text) is
    'What a field of the file, as it is now, was agreed to by, as change_item.found_agreement; null where there is no such thing.';


create or replace function keep_found(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_now  jsonb := case when p_set.action = 'change'
                         then section_values(p_set.section, request_subject(p_set)) end;
begin
    update change_item i
       set found = coalesce(v_now->i.field, 'null'),
           found_mac = value_mac(v_now, i.field),
           found_hint = v_now #>> array['_hint', i.field],
           found_agreement = agreement_now(p_set, i.field)
     where i.set_id = p_set.id
       and i.state = 'accepted'
       and v_now is not null;
end
$$;

comment on function keep_found(change_set) is
    'Keeps with the accepted items of a change what the file holds before change_apply() writes them: what undoing brings back.';


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
           || jsonb_build_object('_day', day_of(p_set.created_at), '_asker', p_set.asker_id,
               '_agreements', (select coalesce(jsonb_object_agg(i->>'field', i->'agreement'),
                                               '{}')
                                 from jsonb_array_elements(v_items) i));
end
$$;

comment on function change_values(change_set) is
    'A section as the accepted items of a request make it, over what the file holds now; null when whom it is about is no more.';


create or replace function subject_gone(p_set change_set) returns boolean
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    return p_set.action in ('change', 'remove') and request_subject(p_set) is null
           -- a child's row outlasts its place in the family, see end_children()
           or p_set.section like 'child%' and (p_set.action, p_set.section)
                                              <> ('add', 'child_general')
              and not exists (select
                                from child_family m
                               where m.family_id = p_set.family_id
                                 and m.child_id = p_set.child_id);
end
$$;

comment on function subject_gone(change_set) is
    'Whether whom a request is about is no more, or no more in the family''s file: it can only be refused, and not be undone.';


create or replace function change_faults(p_set change_set, p_values jsonb default null)
    returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_values  jsonb := p_values;
begin
    if subject_gone(p_set) then
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
begin
    case p_set.action

    when 'remove' then
        perform section_remove(p_set);

    when 'report' then
        perform record_ban(p_set);

    when 'add' then
        if p_set.reverses is not null then
            perform restore_removed(p_set);
        else
            v_values := change_values(p_set);
            perform section_apply(p_set.section, section_add(p_set, v_values), v_values);
        end if;

    else
        v_values := change_values(p_set);
        perform section_apply(p_set.section, request_subject(p_set), v_values);

        if p_set.section = 'child_health' then
            perform pai_apply(p_set);
        end if;

    end case;
end
$$;

comment on function change_apply(change_set) is
    'Writes a request into the file: the accepted items over what it holds now, whom it adds or puts back, whom it takes out, or what it reports. The caller has locked whom it is about, see lock_subject(), and has asked change_faults().';


create or replace function new_request(p_section text, p_action text, p_guardian bigint,
    p_child bigint, p_contact bigint, p_name text, p_replaces bigint, p_comment text,
    p_reverses change_set default null)
    returns change_set
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set      change_set;
    v_agent    boolean := (p_reverses).id is not null;
    v_account  bigint := asking_account();
begin
    -- not of an account that is being erased: who does that waits for this request
    if v_agent then
        select a.id into v_account
          from account a
         where a.id = (p_reverses).account_id
           for key share skip locked;
    end if;

    loop
        insert into change_set (tenant, number, family_id, section, action, guardian_id,
                                child_id, contact_id, subject, account_id, asker_id,
                                replaces, reverses, comment, due_on)
        select t.id, to_char(now(), 'YYYY') || '-'
                     || lpad(floor(random() * 10000000)::int::text, 7, '0'),
               case when v_agent then (p_reverses).family_id else my_family() end,
               p_section, p_action, p_guardian, p_child, p_contact, p_name, v_account,
               coalesce(counter_guardian(),
                   (select u.guardian_id from subscription u
                     where u.account_id = me() and u.family_id = my_family()
                       and u.ended_at is null)),
               p_replaces, (p_reverses).id, p_comment, today() + t.validation_days
          from town t
         where t.id = here()
            on conflict (tenant, number) do nothing
        returning * into v_set;

        exit when found;
    end loop;

    insert into change_event (tenant, set_id, version, event, by_kind, by_id)
    values (here(), v_set.id, v_set.version,
            case asks_as() when 'agent' then 'filed' else 'sent' end,
            case when v_agent then 'agent' else asks_as() end,
            case when v_agent then my_agent() else asks_by() end);

    return v_set;
end
$$;

comment on function new_request(text, text, bigint, bigint, bigint, text, bigint, text, change_set) is
    'Makes a request, without its items, and its receipt''s number. Input: section, action, whom it is about and their name, the request that it replaces, the family''s words; p_reverses: an agent undoes that one, and its asker reads this one too.';


create or replace function section_rest(p_set change_set) returns jsonb
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_now  jsonb;
begin
    if p_set.action <> 'change'
       or not exists (select from section s where s.name = p_set.section and s.whole)
    then
        return null;
    end if;

    v_now := section_values(p_set.section, request_subject(p_set));

    return (select jsonb_object_agg(f.name, case
                       when f.sealed then jsonb_build_object(
                            'mac', encode(value_mac(v_now, f.name), 'hex'),
                            'hint', v_now #>> array['_hint', f.name])
                       else jsonb_build_object('value', v_now->f.name) end)
              from field f
             where f.section = p_set.section
               and not exists (select from change_item i
                                where i.set_id = p_set.id and i.field = f.name));
end
$$;

comment on function section_rest(change_set) is
    'What the file holds of the fields that a change of a section decided whole does not ask about, as change_set.rest; null of any other request. Input: the request, whose items are there.';


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


create or replace function withdraw(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    perform change_step(p_set.id, 'withdrawn', 'withdrawn', 'family', me());
    perform note('withdraw_change', 'ok', 'change_set', p_set.id);
end
$$;

comment on function withdraw(change_set) is
    'The account takes its own open request back. The caller has locked the account.';


create or replace function end_requests(p_account bigint, p_family bigint, p_but bigint)
    returns jsonb
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_set    change_set;
    v_ended  jsonb := '[]';
begin
    for v_set in
        select c.*
          from change_set c
         where c.account_id = p_account
           and c.family_id = p_family
           and c.id <> p_but
           and c.state in ('sent', 'taken', 'incomplete')
         order by c.id
           for update
    loop
        perform change_step(v_set.id, 'withdrawn', 'withdrawn', 'town', null);
        perform note('end_change', 'ok', 'change_set', v_set.id);
        v_ended := v_ended || jsonb_build_object('number', v_set.number,
                       'what', what_of(v_set.section, v_set.action),
                       'subject', v_set.subject);
    end loop;

    return v_ended;
end
$$;

comment on function end_requests(bigint, bigint, bigint) is
    'The town ends an account''s open requests about a family that it can no more open. Input: account, the family, which the caller has locked, the request that is just being decided. Result: what a mail says of them: [{"number", "what", "subject"}].';


create or replace function end_access(p_set change_set) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_account  account;
    v_ended    jsonb;
begin
    if (p_set.section, p_set.action) <> ('guardian_basic', 'remove') then
        return;
    end if;

    for v_account in
        select a.*
          from subscription u
          join account a on a.tenant = u.tenant and a.id = u.account_id
         where u.guardian_id = p_set.guardian_id
           and u.ended_at is null
    loop
        v_ended := end_requests(v_account.id, p_set.family_id, p_set.id);

        if v_account.state = 'active' then
            perform post(gen_random_uuid(), v_account.email, v_account.email_mac,
                         'guardian_removed', v_account.lang,
                         jsonb_build_object('since', today(),
                             'family', (select f.label from family f
                                         where f.id = p_set.family_id),
                             'ended', v_ended, 'has_ended', v_ended <> '[]'));
        end if;
    end loop;
end
$$;

comment on function end_access(change_set) is
    'What ends with the access of whoever is connected as the guardian that a request takes out: their open requests about the family; and writes it to them, since no page will tell them. Input: a request that change_apply() will write next, whose family the caller has locked; any other: nothing is done.';


-- called for each row of the queue: a plan kept, and none for the usual states
create or replace function shown_state(p_set change_set) returns text
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    if p_set.state = 'withdrawn'
       and exists (select
                     from change_event e
                    where e.tenant = p_set.tenant
                      and e.set_id = p_set.id
                      and e.event = 'withdrawn' and e.by_kind = 'town')
    then
        return 'ended';
    end if;

    return p_set.state;
end
$$;

comment on function shown_state(change_set) is
    'The state of a request as pages say it: ended, where the town has withdrawn it.';


create or replace function shown_event(p_event change_event) returns text
    language sql immutable
    return case when ((p_event).event, (p_event).by_kind) = ('withdrawn', 'town')
                then 'ended' else (p_event).event end;

comment on function shown_event(change_event) is
    'A step of a request''s history as pages say it, see shown_state().';
