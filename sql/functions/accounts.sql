--
-- Citizen accounts: sign-up, confirmation of the address, log-in, log-out.
-- An address that is taken and one that is not get the same answers.
--

set search_path = portal, pg_temp;


create or replace function email_hint(address text) returns text
    language sql immutable
    return left(address, 1) || '•••' || substring(address from '@[^@]*$');

comment on function email_hint(text) is 'An address as its owner knows it and others do not.';


create or replace function browser_of(input jsonb) returns bytea
    language sql immutable
    return decode(input->'_'->>'browser', 'hex');

comment on function browser_of(jsonb) is 'MAC of the visitor''s cookie, or null.';


create or replace function void_links(p_account bigint, p_purpose text default null)
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update token k
       set voided_at = now()
     where k.account_id = p_account
       and (p_purpose is null or k.purpose = p_purpose)
       and k.used_at is null
       and k.voided_at is null;
end
$$;

comment on function void_links(bigint, text) is
    'What was sent to an account and not used is good no more: the links of one purpose, or all.';


create or replace function confirmation_mail(p_account account, p_token jsonb) returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_until  timestamptz := now() + interval '24 hours';
begin
    perform void_links(p_account.id, 'confirm');

    insert into token (tenant, mac, purpose, account_id, epoch, outbox_id, expires_at)
    values (here(), decode(p_token->>'mac', 'hex'), 'confirm', p_account.id,
            p_account.epoch, (p_token->>'id')::uuid, v_until);

    perform post((p_token->>'id')::uuid, p_account.email, p_account.email_mac, 'confirm',
                 p_account.lang, '{"hours": 24}', p_token->>'sealed', v_until);
end
$$;

comment on function confirmation_mail(account, jsonb) is
    'Sends an account the link that confirms it, 24 hours good; older links are void.';


create or replace function sign_up(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again    json := repeated(input);
    v_mac      bytea := decode(input->>'email_mac', 'hex');
    v_account  account;
begin
    if v_again is not null then
        return v_again;
    end if;

    insert into captcha_used (tenant, id, expires)
    values (here(), input->>'captcha_id',
            case when input->>'captcha_expires' ~ '^[0-9]{1,11}$'
                 then to_timestamp((input->>'captcha_expires')::bigint)
                 else coalesce((input->>'captcha_expires')::timestamptz,
                               now() + interval '1 day') end)
    on conflict do nothing;

    if not found then
        perform note('sign_up', 'captcha_used');
        return done(input, refused('captcha', 'captcha_used'));
    end if;

    -- five mails an hour to one address; beyond, nothing, and nobody is told
    if take('mail', v_mac, 5, '1 hour') > 0 then
        perform note('sign_up', 'too_many_mails');
        return done(input, moved('/inscription/envoyee'));
    end if;

    insert into account as a (tenant, first_name, last_name, email, email_mac,
                              password_hash, lang, browser_mac)
    values (here(), input->>'first_name', input->>'last_name', input->>'email', v_mac,
            input->>'password_hash', coalesce(input->'_'->>'lang', 'fr'),
            browser_of(input))
    on conflict (tenant, email_mac) do update set
        first_name = excluded.first_name, last_name = excluded.last_name,
        email = excluded.email, password_hash = excluded.password_hash,
        lang = excluded.lang, browser_mac = excluded.browser_mac,
        epoch = a.epoch + 1, signed_up_at = now()
     where a.state = 'unconfirmed'
    returning a.* into v_account;

    if found then
        perform confirmation_mail(v_account, input->'token');
        perform note('sign_up', 'ok', 'account', v_account.id, v_account.id);
        return done(input, moved('/inscription/envoyee'));
    end if;

    select a.* into v_account from account a where a.email_mac = v_mac;

    if v_account.state = 'active' then
        perform account_exists_mail(v_account);
    end if;

    perform note('sign_up', 'account_exists', 'account', v_account.id);
    return done(input, moved('/inscription/envoyee'));
end
$$;

comment on function sign_up(jsonb) is
'Makes an account that waits for its confirmation, or writes to the owner of the address that there is one.
Input: last_name, first_name, email, email_mac, password_hash, captcha_id, captcha_expires (seconds since 1970, or a timestamp), token {id: uuid of the mail, mac, sealed}; _.browser binds the link to this browser.
Result: 303 /inscription/envoyee, the same for a taken address; of an account never confirmed the newest sign-up wins. Errors: captcha captcha_used; idempotency_mismatch.';


create or replace function sign_up_sent(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
begin
    return json_build_object('status', 200);
end
$$;

comment on function sign_up_sent(jsonb) is
    'The page that tells to look into the mailbox. Result: {"status": 200}.';


create or replace function resend_confirmation(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again    json := repeated(input);
    v_mac      bytea := decode(input->>'email_mac', 'hex');
    v_wait     int;
    v_account  account;
begin
    if v_again is not null then
        return v_again;
    end if;

    -- by the one or by the other: a form cannot say that of its fields
    if v_mac is null and input->>'token_mac' is null then
        return done(input, refused('email', 'required'));
    end if;

    if v_mac is null then
        select a.email_mac into v_mac
          from token k
          join account a on a.tenant = k.tenant and a.id = k.account_id
         where k.mac = decode(input->>'token_mac', 'hex')
           and k.purpose = 'confirm';
    end if;

    -- the counter before the account, as sign_up() takes them
    v_wait := take('mail', v_mac, 5, '1 hour');

    select a.* into v_account
      from account a
     where a.email_mac = v_mac
       and a.state = 'unconfirmed'
       for no key update;

    if not found then
        perform note('resend_confirmation', 'nobody');

    elsif v_wait > 0 then
        perform note('resend_confirmation', 'too_many_mails', 'account', v_account.id);

    else
        -- the browser stays that of the sign-up: whoever asks for the mail
        -- again must not thereby confirm somebody else's password
        perform confirmation_mail(v_account, input->'token');
        perform note('resend_confirmation', 'ok', 'account', v_account.id);
    end if;

    return done(input, moved('/inscription/envoyee'));
end
$$;

comment on function resend_confirmation(jsonb) is
'Sends the link of the confirmation again, a new one. Input: email_mac, or token_mac of an old link; token {id, mac, sealed}.
Result: 303 /inscription/envoyee, whoever has the address; five mails an hour to one address at most. Errors: email required, where there is neither.';


create or replace function confirmation(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_token    token;
    v_account  account;
begin
    select k.* into v_token
      from token k
     where k.mac = decode(input->>'token_mac', 'hex')
       and k.purpose = 'confirm';

    select a.* into v_account from account a where a.id = v_token.account_id;

    return json_build_object('status', 200,
        'state', link_state(v_token, v_account),
        'same_browser', coalesce(v_account.browser_mac = browser_of(input), false),
        'email_hint', email_hint(v_account.email));
end
$$;

comment on function confirmation(jsonb) is
'What a link of a confirmation is worth; changes nothing. Input: token_mac; _.browser.
Result: {"status": 200, "state": as link_state(), "same_browser": the link was asked for in this browser, "email_hint": null when unknown}.';


create or replace function confirmation_secret(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_account  account;
begin
    select a.* into v_account
      from token k
      join account a on a.tenant = k.tenant and a.id = k.account_id
     where k.mac = decode(input->>'token_mac', 'hex')
       and k.purpose = 'confirm'
       and link_state(k, a) = 'valid';

    return json_build_object('status', 200, 'hash', v_account.password_hash,
        'account', v_account.id, 'epoch', v_account.epoch);
end
$$;

comment on function confirmation_secret(jsonb) is
'What nginx checks the password of a confirmation against; never shown. Input: token_mac.
Result: {"status": 200, "hash", "account", "epoch"}, all null unless the link is valid.';


create or replace function confirm(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again    json := repeated(input);
    v_mac      bytea := decode(input->>'token_mac', 'hex');
    v_new      text := input->>'password_hash';
    v_token    token;
    v_account  account;
    v_state    text;
begin
    if v_again is not null then
        return v_again;
    end if;

    if unchecked(input) then
        return done(input, refused('', 'busy', 503));
    end if;

    -- the account first, as who signs up with it again, or wants the mail again, does
    perform
       from token k
       join account a on a.tenant = k.tenant and a.id = k.account_id
      where k.mac = v_mac
        and k.purpose = 'confirm'
        for no key update of a;

    update token k
       set used_at = now()
      from account a
     where k.mac = v_mac
       and k.purpose = 'confirm'
       and k.used_at is null
       and k.voided_at is null
       and k.expires_at > now()
       and a.tenant = k.tenant
       and a.id = k.account_id
       and a.state = 'unconfirmed'
       and a.epoch = k.epoch
       and (a.browser_mac = browser_of(input)
            or v_new is not null
            or ((input->>'ok')::boolean and a.epoch = (input->>'epoch')::int))
    returning k.* into v_token;

    if not found then
        select k.* into v_token from token k where k.mac = v_mac and k.purpose = 'confirm';
        select a.* into v_account from account a where a.id = v_token.account_id;
        v_state := link_state(v_token, v_account);

        perform note('confirm', v_state, 'account', v_account.id);

        if v_state = 'valid' then
            return done(input, refused('password',
                case when input ? 'ok' then 'password_wrong' else 'password_needed' end));
        end if;

        return done(input, json_build_object('status', 410, 'state', v_state,
            'same_browser', false, 'email_hint', email_hint(v_account.email),
            'location', null, 'errors', json_build_array(), 'session', null));
    end if;

    -- a newer sign-up may be under way: the epoch says whether it was first
    update account a
       set state = 'active', confirmed_at = now(), browser_mac = null,
           password_hash = coalesce(v_new, a.password_hash),
           epoch = a.epoch + case when v_new is null then 0 else 1 end
     where a.id = v_token.account_id
       and a.state = 'unconfirmed'
       and a.epoch = v_token.epoch
    returning a.* into v_account;

    if not found then
        perform note('confirm', 'replaced', 'account', v_token.account_id);
        return done(input, json_build_object('status', 410, 'state', 'replaced',
            'same_browser', false, 'email_hint', null,
            'location', null, 'errors', json_build_array(), 'session', null));
    end if;

    perform void_links(v_account.id);

    if v_new is not null then
        update session s
           set ended_at = now()
         where s.account_id = v_account.id
           and s.ended_at is null;
    end if;

    perform note('confirm', case when v_new is null then 'ok' else 'new_password' end,
                 'account', v_account.id, v_account.id);

    return done(input, moved('/mon-espace',
        session_effect('open', v_account.id, null, input), 'confirmed'));
end
$$;

comment on function confirm(jsonb) is
'Consumes the link of a confirmation, once, and opens a session. Input: token_mac; and one of: _.browser the same as at the sign-up, ok with the epoch that the password was checked at, password_hash of a new password (which voids the first, all tokens and sessions).
Result: 303 /mon-espace with session open. Errors: 422 password password_needed | password_wrong; 410 {"state": as link_state(), "same_browser": false, "email_hint"}; 503 busy.';


create or replace function sign_in_lookup(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_mac      bytea := decode(input->>'email_mac', 'hex');
    v_wait     int;
    v_account  account;
begin
    v_wait := take_guess(v_mac, input);

    select a.* into v_account
      from account a
     where a.email_mac = v_mac
       and a.state <> 'closed'
       and v_wait = 0;

    return json_build_object('status', 200, 'hash', v_account.password_hash,
        'account', v_account.id, 'epoch', v_account.epoch, 'wait', v_wait);
end
$$;

comment on function sign_in_lookup(jsonb) is
'What nginx checks a password against; never shown. Counts the attempt before it is made, so that parallel ones cannot pass the limit; sign_in takes it off again. Input: email_mac; _ as take_guess().
Result: {"status": 200, "hash", "account", "epoch": null when unknown, "wait": seconds, 0 to go on}.';


create or replace function sign_in(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_mac      bytea := decode(input->>'email_mac', 'hex');
    v_ok       boolean := (input->>'ok')::boolean;
    v_account  account;
begin
    if v_ok is null then
        -- no password was checked (no room for it): it was no attempt
        perform give_back_guess(v_mac, input, false);
        return refused('', 'busy', 503);
    end if;

    select a.* into v_account
      from account a
     where a.email_mac = v_mac
       and v_ok
       and a.id = (input->>'account')::bigint
       and a.epoch = (input->>'epoch')::int
       and a.state <> 'closed'
       for no key update;

    if not found then
        perform note('sign_in', 'failed', 'account',
                     (select a.id from account a where a.email_mac = v_mac));
        return refused('', 'sign_in_failed');
    end if;

    perform give_back_guess(v_mac, input, true);

    if v_account.state = 'unconfirmed' then
        perform note('sign_in', 'unconfirmed', 'account', v_account.id);
        return json_build_object('status', 200, 'state', 'unconfirmed',
            'email_hint', email_hint(v_account.email), 'location', null,
            'errors', json_build_array(), 'session', null);
    end if;

    if input->>'rehash' is not null then
        update account a
           set password_hash = input->>'rehash'
         where a.id = v_account.id;
    end if;

    -- subscriptions that wait for the next log-in: this is it; their families first,
    -- as lock_subject() does with one
    perform
       from family f
      where f.id in (select u.family_id from subscription u
                      where u.account_id = v_account.id
                        and u.ended_at is null
                        and u.effective_at is null)
      order by f.tenant, f.id
        for no key update;

    if found then
        update subscription u
           set effective_at = now()
         where u.account_id = v_account.id
           and u.ended_at is null
           and u.effective_at is null;
    end if;

    perform note('sign_in', 'ok', 'account', v_account.id, v_account.id);
    perform device_seen(v_account, input);

    return moved(coalesce(local_path(input->>'next'), '/mon-espace'),
        session_effect('open', v_account.id, v_account.last_family_id, input));
end
$$;

comment on function sign_in(jsonb) is
'Logs in, once nginx has checked the password. Input: email_mac, account, epoch and ok as sign_in_lookup and the check gave them (ok null: the check could not be made), rehash (a hash with newer parameters), next (path to go on to); _ as device_seen().
Result: 303 next or /mon-espace with session open, subscriptions that waited being effective now; 200 {"state": "unconfirmed", "email_hint"} without session. Errors: sign_in_failed; 503 busy.';


create or replace function sign_out(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    -- sent again after a lost answer, or when the session is over: nothing is
    -- done a second time, but of what only nginx has forgotten
    update session s
       set ended_at = now()
     where s.hash = decode(input->'_'->>'over', 'hex')
       and s.ended_at is null;

    if found or me() is not null then
        perform note('sign_out', 'ok', 'account', me());
    end if;

    return moved('/', session_effect('close', null, null, input), 'signed_out');
end
$$;

comment on function sign_out(jsonb) is
    'Logs out. Input: _.over (MAC of a cookie that no live session belongs to). Result: 303 / with session close, also where there was none.';


create or replace function session_lost(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    update session s
       set ended_at = now()
     where s.hash = decode(input->>'session', 'hex')
       and s.ended_at is null;

    update agent_session s
       set ended_at = now()
     where s.hash = decode(input->>'session', 'hex')
       and s.ended_at is null;

    return json_build_object('status', 200);
end
$$;

comment on function session_lost(jsonb) is
    'Ends a session whose record could not be kept, so that no cookie was given. Input: session, its MAC. Result: {"status": 200}.';


create or replace function my_space(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_result  json;
begin
    select json_build_object('status', 200,
               'account', json_build_object('first_name', a.first_name,
                   'last_name', a.last_name, 'email', a.email),
               'subscriptions', s.total, 'has_family', s.effective > 0,
               'pending', s.effective < s.total)
      into v_result
      from account a
     cross join lateral (
               select count(*) as total, count(u.effective_at) as effective
                 from subscription u
                where u.tenant = a.tenant
                  and u.account_id = a.id
                  and u.ended_at is null) s
     where a.id = me();

    return coalesce(v_result, json_build_object('status', 404, 'account', null,
        'subscriptions', 0, 'has_family', false, 'pending', false));
end
$$;

comment on function my_space(jsonb) is
'The personal space. Result: {"status": 200, "account": {"first_name", "last_name", "email"}, "subscriptions": how many, "has_family": one is effective, "pending": one waits for the next log-in}.';


grant execute on function sign_up(jsonb), sign_up_sent(jsonb), resend_confirmation(jsonb),
    confirmation(jsonb), confirmation_secret(jsonb), confirm(jsonb), sign_in_lookup(jsonb),
    sign_in(jsonb), sign_out(jsonb),
    session_lost(jsonb), my_space(jsonb)
   to portal_web;
