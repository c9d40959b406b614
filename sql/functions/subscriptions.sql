--
-- Subscriptions: a code abonné connects an account with a guardian.
--

set search_path = portal, pg_temp;


create or replace function initial(name text) returns text
    language sql immutable
    return upper(left(name, 1)) || '.';

comment on function initial(text) is 'First letter of a name.';


create or replace function subscription_rows(p_id bigint)
    returns table (since timestamptz, document json)
    language sql stable
begin atomic
    select u.since,
           json_build_object('id', u.id, 'family', f.id, 'family_number', f.number,
               'current', coalesce(f.id = my_family(), false),
               'guardian', g.first_name || ' ' || g.last_name,
               'since', day_of(u.since), 'effective', u.effective_at is not null,
               'children', (select count(*)
                              from child_family c
                             where c.tenant = u.tenant and c.family_id = u.family_id),
               'first_names', case when u.effective_at is not null
                                   then first_names(f.id) end)
      from subscription u
      join family f on f.tenant = u.tenant and f.id = u.family_id
      join guardian g on g.tenant = u.tenant and g.id = u.guardian_id
     where u.account_id = me()
       and u.ended_at is null
       and (p_id is null or u.id = p_id);
end;

comment on function subscription_rows(bigint) is
    'The live subscriptions of the account, or the one of that id.';


create or replace function subscriptions(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_rows     json;
    v_waiting  boolean;
begin
    select json_agg(r.document order by r.since), bool_or(r.document->>'effective' = 'false')
      into v_rows, v_waiting
      from subscription_rows(null) r;

    return json_build_object('status', 200, 'subscriptions', coalesce(v_rows, '[]'::json),
        'effect', (select t.subscription_effect from town t where t.id = here()),
        'waiting', coalesce(v_waiting, false));
end
$$;

comment on function subscriptions(jsonb) is
'The account''s subscriptions. Result: {"status": 200, "subscriptions": [{"id", "family", "family_number", "current": it is the session''s, "guardian", "since", "effective", "children": how many, "first_names": first_names(), null until it is effective}], "effect": relogin | immediate, "waiting": one counts from the next log-in}.';


create or replace function subscription(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_row  json;
begin
    select r.document into v_row
      from subscription_rows(coalesce(to_id(input->>'subscription'), 0)) r;

    return json_build_object('status', case when v_row is null then 404 else 200 end,
        -- the same whichever family the session shows
        'version', case when v_row is not null
                        then document_version((v_row::jsonb - 'current')::json) end,
        'subscription', v_row,
        'open_requests', (select count(*)
                            from subscription u
                            join change_set c on c.tenant = u.tenant
                                             and c.account_id = u.account_id
                                             and c.family_id = u.family_id
                           where u.id = to_id(input->>'subscription')
                             and u.account_id = me()
                             and u.ended_at is null
                             and c.state in ('sent', 'taken', 'incomplete')));
end
$$;

comment on function subscription(jsonb) is
    'One subscription of the account. Input: subscription. Result: {"status": 200, "version", "subscription": as in subscriptions, "open_requests": how many of the account''s requests for this family the town has not answered: they stay, unseen by who ends it}; 404 with null when it is not the account''s.';


create or replace function new_subscription(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    return json_build_object('status', 200, 'found', null);
end
$$;

comment on function new_subscription(jsonb) is
    'The page that asks for a code. Result: {"status": 200, "found": null}.';


create or replace function code_refused(code text, wait int default null) returns json
    language sql stable
    return json_build_object('status', case when wait is null then 422 else 429 end,
        'found', null, 'wait', wait, 'location', null, 'session', null,
        'errors', json_build_array(json_build_object('field', 'code', 'code', code)));

comment on function code_refused(text, int) is
    'The answer to a code that is no good (422), or to too many (429 with the seconds to wait).';


create or replace function code_wait(input jsonb) returns int
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_me    bytea := int8send(me());
    v_ip    bytea := decode(input->'_'->>'ip_mac', 'hex');
    v_wait  int;
begin
    v_wait := take('code', v_me, 5, '15 minutes');

    if v_wait > 0 then
        return v_wait;
    end if;

    v_wait := take('code_ip', v_ip, 20, '1 hour');

    if v_wait = 0 then
        v_wait := take('code_town', '', 1000, '1 hour');

        if v_wait > 0 then
            perform give_back('code_ip', v_ip);
        end if;
    end if;

    if v_wait > 0 then
        perform give_back('code', v_me);
    end if;

    return v_wait;
end
$$;

comment on function code_wait(jsonb) is
    'Counts a code typed: 5 in 15 minutes by account, 20 an hour by address, 1000 an hour by town. Result: seconds to wait, 0 to go on. A good code is taken off again.';


create or replace function found_family(p_code code) returns json
    language sql stable
begin atomic
    select json_build_object(
               'guardian', initial(g.first_name) || ' ' || initial(g.last_name),
               'children', coalesce((select json_agg(initial(c.first_name) order by m.rank)
                                       from child_family m
                                       join child c on c.tenant = m.tenant
                                                   and c.id = m.child_id
                                      where m.tenant = g.tenant
                                        and m.family_id = g.family_id), '[]'::json),
               'family_number', f.number)
      from guardian g
      join family f on f.tenant = g.tenant and f.id = g.family_id
     where g.tenant = (p_code).tenant
       and g.id = (p_code).guardian_id;
end;

comment on function found_family(code) is
    'What a code shows before it is used: initials only.';


create or replace function adopt_requests(p_guardian bigint) returns void
    language sql
begin atomic
    -- one that stands where the account has one of its own stays without
    update change_set c
       set account_id = me()
      from guardian g
     where g.id = p_guardian
       and c.tenant = g.tenant
       and c.family_id = g.family_id
       and c.asker_id = g.id
       and c.account_id is null
       -- of an account that is no more it is not
       and (c.filed_by is not null or c.reverses is not null)
       and not exists (select
                         from change_set o
                        where o.tenant = c.tenant
                          and o.account_id = me()
                          and o.family_id = c.family_id
                          and o.section = c.section
                          and o.action = c.action
                          and o.action <> 'add'
                          and o.guardian_id is not distinct from c.guardian_id
                          and o.child_id is not distinct from c.child_id
                          and o.contact_id is not distinct from c.contact_id
                          and o.state in ('sent', 'taken', 'incomplete')
                          and c.state in ('sent', 'taken', 'incomplete'));
end;

comment on function adopt_requests(bigint) is
    'Makes what a guardian without an account has asked for at the counter the requests of the account that is connected as them now. The caller holds the family.';


create or replace function subscribe(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_step       text := coalesce(input->>'step', 'search');
    v_now        boolean;
    v_again      json;
    v_wait       int;
    v_code       code;
    v_id         bigint;
    v_session    json;
begin
    if v_step = 'add' then
        v_again := repeated(input);

        if v_again is not null then
            return v_again;
        end if;

        -- an account that is being closed meanwhile is connected with nobody any more
        perform from account a
          where a.id = me() and a.state = 'active'
            for no key update;

        if not found then
            raise exception using errcode = 'PT401', message = 'no such session';
        end if;

        -- before the counters: one of them is the whole town's, which must not wait
        -- for a family that somebody has
        perform lock_subject(null, null, (select k.family_id from code k
                                           where k.mac = decode(input->>'code_mac', 'hex')
                                             and k.used_at is null));
    end if;

    v_wait := code_wait(input);

    if v_wait > 0 then
        perform note('subscribe', 'too_many');
        return done_adding(v_step, input, code_refused('too_many', v_wait));
    end if;

    -- two who send the same code: the second waits here, then finds it used
    select k.tenant, k.id, k.family_id, k.guardian_id
      into v_code.tenant, v_code.id, v_code.family_id, v_code.guardian_id
      from code k
     where k.mac = decode(input->>'code_mac', 'hex')
       and k.used_at is null
       and k.revoked_at is null
       and k.expires_at > now()
       for no key update;

    if not found
       or exists (select
                    from subscription u
                   where u.guardian_id = v_code.guardian_id
                     and u.ended_at is null)
    then
        perform note('subscribe', 'code_refused');
        return done_adding(v_step, input, code_refused('code_refused'));
    end if;

    if exists (select
                 from subscription u
                where u.account_id = me()
                  and u.family_id = v_code.family_id
                  and u.ended_at is null)
    then
        perform note('subscribe', 'already_subscribed', 'family', v_code.family_id);
        return done_adding(v_step, input, code_refused('already_subscribed'));
    end if;

    perform give_back('code', int8send(me())),
            give_back('code_ip', decode(input->'_'->>'ip_mac', 'hex')),
            give_back('code_town', '');

    if v_step <> 'add' then
        perform note('subscribe', 'found', 'code', v_code.id);
        return json_build_object('status', 200, 'found', found_family(v_code),
            'wait', null, 'location', null, 'session', null, 'errors', json_build_array());
    end if;

    v_now := (select t.subscription_effect = 'immediate' from town t where t.id = here());

    insert into subscription (tenant, account_id, family_id, guardian_id, code_id,
                              effective_at)
    values (here(), me(), v_code.family_id, v_code.guardian_id, v_code.id,
            case when v_now then now() end)
    on conflict do nothing
    returning id into v_id;

    if v_id is null then
        perform note('subscribe', 'code_refused');
        return done_adding(v_step, input, code_refused('code_refused'));
    end if;

    update code k
       set used_at = now(), used_by = me()
     where k.id = v_code.id;

    perform adopt_requests(v_code.guardian_id);
    perform tell_family(v_code.family_id);
    perform note('subscribe', 'ok', 'subscription', v_id);

    if v_now then
        v_session := session_effect('renew', me(),
            coalesce(my_family(), v_code.family_id), input);
    end if;

    return done(input, moved('/mes-abonnements', v_session, 'subscribed'));
end
$$;

comment on function subscribe(jsonb) is
'Looks a code abonné up, or uses it. Input: code_mac, step (search | add).
Result: search: 200 {"found": {"guardian", "children": initials, "family_number"}}; add: 303 /mes-abonnements, with session renew where the town''s effect is immediate; what the guardian has asked for at the counter is the account''s from then on. The family''s other connected guardians get a mail.
Errors, with "found" null: 422 code code_refused (unknown, used, expired, revoked: the same), code already_subscribed (a good code of a family that the account has); 429 code too_many with "wait" in seconds.';


create or replace function done_adding(p_step text, input jsonb, result json) returns json
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if p_step = 'add' then
        return done(input, result);
    end if;

    return result;
end
$$;

comment on function done_adding(text, jsonb, json) is
    'done() for the step that claims an idempotency key.';


create or replace function tell_family(p_family bigint) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    perform post(gen_random_uuid(), a.email, a.email_mac, 'new_connection', a.lang,
                 jsonb_build_object('name', m.first_name || ' ' || m.last_name,
                     'guardian', g.first_name || ' ' || g.last_name,
                     'family_number', f.number,
                     'at', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))
       from subscription u
       join account a on a.tenant = u.tenant and a.id = u.account_id
       join family f on f.tenant = u.tenant and f.id = u.family_id
       join account m on m.id = me()
       join subscription n on n.tenant = m.tenant and n.account_id = m.id
                          and n.family_id = u.family_id and n.ended_at is null
       join guardian g on g.tenant = n.tenant and g.id = n.guardian_id
      where u.family_id = p_family
        and u.ended_at is null
        and u.account_id <> me();
end
$$;

comment on function tell_family(bigint) is
    'Writes to the connected guardians of a family that the account has joined them, and whose code it has used: a guardian''s name is known to all of the family, see visibility.';


create or replace function unsubscribe(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again    json := repeated(input);
    v_id       bigint := to_id(input->>'subscription');
    v_family   bigint;
    v_stale    json;
begin
    if v_again is not null then
        return v_again;
    end if;

    perform from account a where a.id = me() for no key update;
    perform lock_subject(null, null, (select u.family_id from subscription u
                                       where u.id = v_id and u.account_id = me()));
    perform from subscription u
      where u.id = v_id and u.account_id = me()
        for update;
    v_stale := stale(input, subscription(input)->>'version');

    if v_stale is not null then
        return done(input, v_stale);
    end if;

    update subscription u
       set ended_at = now()
     where u.id = v_id
       and u.account_id = me()
       and u.ended_at is null
    returning u.family_id into v_family;

    if v_family is null then
        perform note('unsubscribe', 'unknown');
        return done(input, json_build_object('status', 404, 'subscription', null,
            'location', null, 'errors', json_build_array(), 'session', null));
    end if;

    perform note('unsubscribe', 'ok', 'subscription', v_id);

    return done(input, moved('/mes-abonnements',
        session_effect('renew', me(), my_family(), input), 'unsubscribed'));
end
$$;

comment on function unsubscribe(jsonb) is
    'Ends a subscription of the account. Input: subscription. Result: 303 /mes-abonnements with session renew; 404 when it is not the account''s; 412 version_changed (of subscription).';


create or replace function choose_family(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again   json := repeated(input);
    v_family  bigint := to_id(input->>'family');
begin
    if v_again is not null then
        return v_again;
    end if;

    if v_family is null or family_of(me(), v_family) is distinct from v_family then
        perform note('choose_family', 'unknown');
        return done(input, json_build_object('status', 404, 'location', null,
            'errors', json_build_array(), 'session', null));
    end if;

    update account a
       set last_family_id = v_family
     where a.id = me();

    perform note('choose_family', 'ok', 'family', v_family);

    return done(input, moved('/famille',
        session_effect('renew', me(), v_family, input), 'family'));
end
$$;

comment on function choose_family(jsonb) is
    'Goes to another family of the account. Input: family. Result: 303 /famille with session renew; 404 when the account has no effective subscription to it.';


grant execute on function subscriptions(jsonb), subscription(jsonb), new_subscription(jsonb),
    subscribe(jsonb), unsubscribe(jsonb), choose_family(jsonb)
   to portal_web;
