--
-- What the portal holds about the person who asks, and the end of it.
--

set search_path = portal, pg_temp;


create or replace function data_account(p_account account) returns json
    language sql stable
    return json_build_object('id', (p_account).id, 'first_name', (p_account).first_name,
        'last_name', (p_account).last_name, 'email', (p_account).email,
        'lang', (p_account).lang, 'signed_up_at', (p_account).signed_up_at,
        'confirmed_at', (p_account).confirmed_at,
        'address_since', (p_account).address_since,
        'last_used_on', (p_account).last_used_on, 'warned_on', (p_account).warned_on,
        'reminders', (p_account).reminders, 'reminded_year', (p_account).reminded_year);

comment on function data_account(account) is
    'An account as its owner reads it: all but what only the portal can read.';


create or replace function data_connections(p_account account) returns json
    language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('agent', s.agent,
               'opened_at', s.opened_at, 'until', s.absolute_until,
               'ended_at', s.ended_at,
               'live', s.ended_at is null and s.absolute_until > now()
                       and s.epoch = (p_account).epoch) order by s.opened_at desc),
               '[]'::json)
      from session s
     where s.account_id = (p_account).id;
end;

comment on function data_connections(account) is 'The sessions of an account, the newest first.';


create or replace function data_subscriptions(p_account account) returns json
    language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('family_number', f.number,
               'guardian', g.first_name || ' ' || g.last_name, 'since', u.since,
               'effective_at', u.effective_at, 'ended_at', u.ended_at) order by u.id),
               '[]'::json)
      from subscription u
      join family f on f.tenant = u.tenant and f.id = u.family_id
      left join guardian g on g.tenant = u.tenant and g.id = u.guardian_id
     where u.account_id = (p_account).id;
end;

comment on function data_subscriptions(account) is
    'The subscriptions of an account, those that ended too.';


create or replace function data_codes(p_account account) returns json
    language sql stable
begin atomic
    with mine as (
        select k.id
          from code k
         where k.used_by = (p_account).id
        union
        select k.id
          from subscription u
          join code k on k.tenant = u.tenant and k.family_id = u.family_id
                     and k.guardian_id = u.guardian_id
         where u.account_id = (p_account).id
           and u.ended_at is null
           and u.effective_at is not null)
    select coalesce(json_agg(json_build_object('family_number', f.number,
               'issued_at', k.issued_at, 'expires_at', k.expires_at,
               'revoked_at', k.revoked_at, 'used_at', k.used_at) order by k.id), '[]'::json)
      from code k
      join family f on f.tenant = k.tenant and f.id = k.family_id
     where k.id in (select m.id from mine m);
end;

comment on function data_codes(account) is
    'The codes abonné that an account has used, and those made for the guardians whom it is connected as; never their text.';


create or replace function data_verifications(p_account account) returns json
    language sql stable
begin atomic
    -- names of people of whom the account may no longer see anything are not told
    select coalesce(json_agg(json_build_object('section', v.section,
               'person', coalesce(g.first_name || ' ' || g.last_name,
                                  c.first_name || ' ' || c.last_name),
               'verified_on', v.verified_on) order by v.verified_on desc, v.id), '[]'::json)
      from subscription u
      join verification v on v.tenant = u.tenant and v.family_id = u.family_id
                         and v.by_guardian = u.guardian_id
      left join guardian g on g.tenant = v.tenant and g.id = v.guardian_id
      left join child_family m on m.tenant = v.tenant and m.family_id = v.family_id
                              and m.child_id = v.child_id
      left join child c on c.tenant = m.tenant and c.id = m.child_id
     where u.account_id = (p_account).id
       and u.ended_at is null
       and u.effective_at is not null;
end;

comment on function data_verifications(account) is
    'What an account has verified in its families, the latest day of each section.';


create or replace function data_devices(p_account account) returns json
    language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('first_at', d.first_at,
               'last_at', d.last_at) order by d.last_at desc), '[]'::json)
      from device d
     where d.account_id = (p_account).id;
end;

comment on function data_devices(account) is
    'The devices that an account has logged in from: when. What they are is nowhere.';


create or replace function data_mails(p_account account) returns json
    language sql stable
begin atomic
    with mine as (
        -- to the address of today, from when it was this account's
        select o.id
          from outbox o
         where o.recipient_mac = (p_account).email_mac
           and o.created_at >= coalesce((p_account).address_since, (p_account).signed_up_at)
        union
        -- that brought a link, wherever; of one that was asked for and not used
        -- the list must not tell whose address that is
        select o.id
          from token k
          join outbox o on o.id = k.outbox_id
         where k.account_id = (p_account).id
           and (k.purpose <> 'address' or k.used_at is not null)
        union
        -- to an earlier address, which a link that undoes the change still
        -- names, from when that was this account's until it no longer was
        select o.id
          from token k
          join outbox o on o.recipient_mac = k.email_mac
         where k.account_id = (p_account).id
           and k.purpose = 'undo'
           and o.created_at <= k.created_at
           and o.created_at >= coalesce((select max(n.used_at)
                                           from token n
                                          where n.account_id = k.account_id
                                            and n.purpose = 'address'
                                            and n.used_at < k.created_at),
                                        (p_account).signed_up_at))
    select coalesce(json_agg(json_build_object('mail', o.template,
               'created_at', o.created_at, 'done_at', o.done_at, 'mail_state', o.state,
               'other_address', o.recipient_mac is distinct from (p_account).email_mac)
               order by o.created_at desc), '[]'::json)
      from outbox o
     where o.id in (select m.id from mine m);
end;

comment on function data_mails(account) is
    'The mails to an account as long as they are kept, what and when: to its address, and to another one as far as a link''s row tells that it was this account''s.';


create or replace function data_links(p_account account) returns json
    language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('purpose', k.purpose,
               'email', k.email, 'created_at', k.created_at,
               'expires_at', k.expires_at, 'used_at', k.used_at) order by k.created_at desc), '[]'::json)
      from token k
     where k.account_id = (p_account).id;
end;

comment on function data_links(account) is 'The links that mails have brought to an account.';


create or replace function data_events(p_account account, p_most int) returns json
    language sql stable
begin atomic
    select coalesce(json_agg(json_build_object('at', e.at, 'action', e.action,
               'outcome', e.outcome) order by e.at desc, e.id desc), '[]'::json)
      from (select a.at, a.id, a.action, a.outcome
              from audit a
             where a.account_id = (p_account).id
            union
            select a.at, a.id, a.action, a.outcome
              from audit a
             where a.object = 'account' and a.object_id = (p_account).id
             order by at desc, id desc
             limit p_most) e;
end;

comment on function data_events(account, int) is
    'The newest traces of what an account did and of what was done to it.';


create or replace function data_family(p_account bigint, p_family bigint) returns json
    language plpgsql stable set search_path = portal, pg_temp as $$
declare
    v_same  text[] := seen_by('same_family');
begin
    return (select json_build_object('number', f.number, 'updated', day_of(f.updated_at),
                'accounting_code', f.accounting_code,
                'notes', family_data_notes(f.id),
                'guardians', (select json_agg(json_build_object(
                                  'person', (g.document->>'first_name') || ' '
                                          || (g.document->>'last_name'),
                                  'of', g.document,
                                  'address_codes', case when g.document->>'address' is not null
                                      then address_codes((g.document->>'id')::bigint) end)
                                  order by g.rank)
                                from guardian_documents(f.id, null, p_account,
                                                        seen_by('self'), v_same) g),
                'children', coalesce((select json_agg(json_build_object(
                                          'person', (c.document->>'first_name') || ' '
                                                  || (c.document->>'last_name'),
                                          'of', with_texts(c.document),
                                          'former_authorisations', former_authorisations(
                                              (c.document->>'id')::bigint)) order by c.rank)
                                        from child_documents(f.id, null, v_same,
                                                             today()) c),
                                     '[]'::json))
              from family f
             where f.id = p_family);
end
$$;

comment on function data_family(bigint, bigint) is
    'A family as an account may see it: the documents of its pages, each with the person''s name; beside an address that is seen address_codes(), beside a child former_authorisations(). What the town hides on these is here (GDPR art. 15): the person is told all that is held and may be seen.';


create or replace function data_requests(p_account account) returns json
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_family  text := current_setting('portal.family');
    v_shown   text;
    v_set     change_set;
    v_all     json[] := '{}';
begin
    -- each as it is seen from its own family, while the account belongs to it
    for v_set in
        select c.* from change_set c where c.account_id = p_account.id order by c.id desc
    loop
        v_shown := set_config('portal.family',
            coalesce((select u.family_id
                        from subscription u
                       where u.account_id = p_account.id
                         and u.family_id = v_set.family_id
                         and u.ended_at is null
                         and u.effective_at is not null), 0)::text, true);
        v_all := v_all || request_document(v_set, true);
    end loop;

    v_shown := set_config('portal.family', v_family, true);

    return array_to_json(v_all);
end
$$;

comment on function data_requests(account) is
    'What the account has asked the town to change, in any family; what it may no longer see is left out.';


create or replace function my_data(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_account  account;
    v_events   int := 2000;
begin
    select a.* into strict v_account from account a where a.id = me();

    if input->>'format' = 'csv' then
        perform note('my_data', 'csv', 'account', v_account.id);
    end if;

    return json_build_object('status', 200, 'account', data_account(v_account),
        'subscriptions', data_subscriptions(v_account), 'codes', data_codes(v_account),
        'families', coalesce((select json_agg(data_family(u.account_id, u.family_id)
                                              order by u.id)
                                from subscription u
                               where u.account_id = v_account.id
                                 and u.ended_at is null
                                 and u.effective_at is not null), '[]'::json),
        'requests', data_requests(v_account),
        'verifications', data_verifications(v_account),
        'connections', data_connections(v_account),
        'devices', data_devices(v_account), 'mails', data_mails(v_account),
        'links', data_links(v_account), 'events', data_events(v_account, v_events),
        'events_most', v_events,
        -- last: nginx writes here which sealed values it could not open
        'unreadable', '{"$unreadable" : []}'::json);
end
$$;

comment on function my_data(jsonb) is
'All that the portal holds about the account that asks. Input: format (csv: a file is taken away, which the audit tells).
Result: {"status": 200, "account", "subscriptions", "codes": data_codes(), "families": [{"number", "updated", "accounting_code": in the town''s accounts, or null, "notes": family_data_notes(), "guardians": [{"person", "of": as in family, "address_codes"}], "children": [{"person", "of", "former_authorisations"}]}] of effective subscriptions, "requests", "verifications": data_verifications(), "connections", "devices", "mails", "links", "events": the newest events_most of the audit, "unreadable": a mark that lets nginx go on where a sealed value does not open, and becomes the list of their places}. Of others what the table of visibility says, nothing more.';


create or replace function closing(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_pending  json;
    v_account  json := (select json_build_object('email', a.email)
                          from account a
                         where a.id = me());
begin
    select json_agg(json_build_object('matter', p.matter, 'since', p.since,
                        'page', p.page, 'number', p.number)
                    order by p.since)
      into v_pending
      from pending_matters(me()) p;

    return (select json_build_object('status', 200,
                'version', document_version(v_account, v_pending),
                'account', v_account,
                'pending', coalesce(v_pending, '[]'::json),
                'ready', v_pending is null, 'retention', retention(t))
              from town t
             where t.id = here());
end
$$;

comment on function closing(jsonb) is
'What the person reads before closing the account. Result: {"status": 200, "version": of account and pending, "account": {"email"}, "pending": [{"matter", "since", "page": path where it is seen or null, "number": a request''s, else null}], "ready": nothing is pending, "retention": the town''s periods}.';


create or replace function close_my_account(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_checked  record := my_account_checked('close_account', input);
    v_stale    json := stale(input, closing(input)->>'version');
    v_others   bytea[];
begin
    if v_checked.refusal is not null or v_stale is not null then
        return coalesce(v_checked.refusal, v_stale);
    end if;

    if exists (select from pending_matters(me())) then
        perform note('close_account', 'pending', 'account', me());
        return refused('', 'closing_pending');
    end if;

    -- their records have the owner's name
    select array_agg(s.hash order by s.opened_at desc) into v_others
      from session s
     where s.account_id = me()
       and s.ended_at is null
       and s.absolute_until > now()
       and s.hash <> decode(current_setting('portal.session'), 'hex');

    perform close_account(me(), 'person');

    return moved('/', ended_sessions(v_others, session_effect('close', null, null, input)),
                 'closed');
end
$$;

comment on function close_my_account(jsonb) is
'Closes the account of who is logged in, once nginx has checked its password: see close_account(). Input: ok, epoch.
Result: 303 / with session close, the others for nginx to forget, and notice closed. Errors: current_password password_wrong; closing_pending; 412 version_changed (of closing); 503 busy.';


grant execute on function my_data(jsonb), closing(jsonb), close_my_account(jsonb)
   to portal_web;
