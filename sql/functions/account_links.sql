--
-- Password and address of an account: forgotten, changed, taken back.  An
-- address that is known and one that is not get the same answers.
--

set search_path = portal, pg_temp;


create or replace function unchecked(input jsonb) returns boolean
    language sql immutable
    return coalesce(input->'ok' = 'null', false);

comment on function unchecked(jsonb) is
    'There was no room to check the password that was typed: nothing was tried.';


create or replace function take_guess(p_mac bytea, input jsonb, p_who text default 'sign_in')
    returns int
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_ip       bytea := decode(input->'_'->>'ip_mac', 'hex');
    v_net      bytea := decode(input->'_'->>'net_mac', 'hex');
    v_counter  record := guess_counter(p_mac, input, p_who);
    v_wait     int;
begin
    -- CNIL 2022-100, case 2: a wait of more than a minute after five failures,
    -- growing, 25 tries in 24 hours; on what was typed, whether it exists or
    -- not, and for the right password as well
    v_wait := take(v_counter.kind, v_counter.key, 5, '24 hours', 61, 25);

    -- a whole school may be one address: only what fails stays counted, and
    -- devices that are known do not wait for what others there have tried; who
    -- guesses agents' passwords and who guesses citizens' is the same
    if v_wait = 0 and v_counter.kind = p_who then
        v_wait := take('sign_in_ip', v_ip, 100, '15 minutes');

        if v_wait = 0 then
            v_wait := take('sign_in_net', v_net, 400, '15 minutes');

            if v_wait > 0 then
                perform give_back('sign_in_ip', v_ip);
            end if;
        end if;

        if v_wait > 0 then
            perform give_back(p_who, p_mac);
        end if;
    end if;

    return v_wait;
end
$$;

comment on function take_guess(bytea, jsonb, text) is
'Counts a password before it is checked, wherever it is asked for: on the address, or the known device, see guess_counter(); by client, 100 in 15 minutes (an IPv4 address or an IPv6 /64), and 400 by /48.
Input: MAC of the address; _.ip_mac, _.net_mac, _.device; whose, as guess_counter(). Result: 0 to go on, else the seconds to wait.';


create or replace function give_back_guess(p_mac bytea, input jsonb, p_all boolean,
    p_who text default 'sign_in')
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_counter  record := guess_counter(p_mac, input, p_who);
begin
    perform give_back(v_counter.kind, v_counter.key, p_all);

    if v_counter.kind = p_who then
        perform give_back('sign_in_ip', decode(input->'_'->>'ip_mac', 'hex')),
                give_back('sign_in_net', decode(input->'_'->>'net_mac', 'hex'));
    end if;
end
$$;

comment on function give_back_guess(bytea, jsonb, boolean, text) is
    'A password was right, or was not checked: see give_back().';


create or replace function end_sessions(p_account bigint) returns bytea[]
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_ended  bytea[];
begin
    with ended as (
        update session s
           set ended_at = now()
          from account a
         where a.id = p_account
           and s.tenant = a.tenant
           and s.account_id = a.id
           and s.epoch <> a.epoch
           and s.ended_at is null
        returning s.hash, s.opened_at)
    select array_agg(e.hash order by e.opened_at desc) into v_ended from ended e;

    update token k
       set voided_at = now()
      from account a
     where a.id = p_account
       and k.tenant = a.tenant
       and k.account_id = a.id
       and k.purpose <> 'undo'
       and k.epoch <> a.epoch
       and k.used_at is null
       and k.voided_at is null;

    return v_ended;
end
$$;

comment on function end_sessions(bigint) is
    'Ends what an account''s former epochs have left: sessions and links, but not the way back to an old address. Result: MACs of the sessions, the latest first, for ended_sessions(); null: none.';


create or replace function link_mail(p_purpose text, p_template text, p_account account,
    p_token jsonb, p_life interval, p_to text, p_to_mac bytea,
    p_email text default null, p_email_mac bytea default null, p_data jsonb default '{}')
    returns void
    language plpgsql set search_path = portal, pg_temp as $$
declare
    v_until  timestamptz := now() + p_life;
begin
    insert into token (tenant, mac, purpose, account_id, epoch, outbox_id, expires_at,
                       email, email_mac)
    values (here(), decode(p_token->>'mac', 'hex'), p_purpose, p_account.id,
            p_account.epoch, (p_token->>'id')::uuid, v_until, p_email, p_email_mac);

    if p_to is not null then
        perform post((p_token->>'id')::uuid, p_to, p_to_mac, p_template, p_account.lang,
                     p_data, p_token->>'sealed', v_until);
    end if;
end
$$;

comment on function link_mail(text, text, account, jsonb, interval, text, bytea, text, bytea, jsonb) is
    'Makes a link and sends it. Input: its purpose, the mail''s template, the account, the token that nginx made, how long it is good, the address to write to (null: nobody gets it), the address that the account gets by it, the mail''s data.';


create or replace function account_exists_mail(p_account account) returns void
    language plpgsql set search_path = portal, pg_temp as $$
begin
    perform post(gen_random_uuid(), p_account.email, p_account.email_mac,
                 'account_exists', p_account.lang, '{}');
end
$$;

comment on function account_exists_mail(account) is
    'Tells the owner of an address that somebody gave it for a new account, or for another.';


create or replace function link_state(p_token token, p_account account) returns text
    language sql stable
    return case
        when p_token.mac is null then 'unknown'
        when p_token.used_at is not null
             or (p_token.purpose = 'confirm' and p_account.state = 'active') then 'used'
        when p_token.voided_at is null
             and p_token.expires_at > now()
             and p_account.state = case when p_token.purpose = 'confirm'
                                        then 'unconfirmed' else 'active' end
             and (p_token.purpose = 'undo' or p_token.epoch = p_account.epoch)
            then 'valid'
        -- each link that is made ends those before it, so one that is good is the
        -- newest, and who is sent to it is not sent back; but each way back to an
        -- old address is of a change of its own
        when p_token.purpose <> 'undo'
             and exists (select
                           from token k
                          where k.tenant = p_token.tenant
                            and k.account_id = p_token.account_id
                            and k.purpose = p_token.purpose
                            and k.epoch = p_account.epoch
                            and k.used_at is null
                            and k.voided_at is null
                            and k.expires_at > now())
            then 'replaced'
        when p_token.expires_at <= now() then 'expired'
        else 'void'
    end;

comment on function link_state(token, account) is
'What a link is worth, whatever its purpose: valid; replaced, a newer one of the same purpose is good; expired, its time is over; used, also of a confirmation whose account is confirmed; void, the password or the address has changed since, another link has undone the change, or the account is closed; unknown.';


create or replace function link(p_purpose text, input jsonb, out token token,
    out account account)
    language plpgsql stable set search_path = portal, pg_temp as $$
begin
    select k.* into token
      from token k
     where k.mac = decode(input->>'token_mac', 'hex')
       and k.purpose = p_purpose;

    select a.* into account from account a where a.id = (token).account_id;
end
$$;

comment on function link(text, jsonb) is
    'The link that a form or an address carries, and its account; both empty when there is no such link.';


create or replace function locked_link(p_purpose text, input jsonb, out token token,
    out account account, out state text)
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- account before token, in one order everywhere
    select a.* into account
      from token k
      join account a on a.tenant = k.tenant and a.id = k.account_id
     where k.mac = decode(input->>'token_mac', 'hex')
       and k.purpose = p_purpose
       for no key update of a;

    select k.* into token
      from token k
     where k.mac = decode(input->>'token_mac', 'hex')
       and k.purpose = p_purpose
       for no key update;

    state := link_state(token, account);
end
$$;

comment on function locked_link(text, jsonb) is
    'As link(), locked for a change, and its state.';


create or replace function gone(state text, hint text) returns json
    language sql stable
    return json_build_object('status', 410, 'state', state, 'email_hint', hint,
        'known', false, 'changed', false, 'location', null,
        'errors', json_build_array(), 'session', null);

comment on function gone(text, text) is
    'The answer to a link that is no longer good: what its page says.';


-- a forgotten password ----------------------------------------------------

create or replace function forgot_password(input jsonb) returns json
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

    v_wait := take('mail_ip', decode(input->'_'->>'ip_mac', 'hex'), 50, '1 hour');

    if v_wait > 0 then
        perform note('forgot_password', 'too_many');
        return done(input, json_build_object('status', 429, 'wait', v_wait,
            'location', null, 'session', null, 'errors', json_build_array(
                json_build_object('field', '', 'code', 'too_many'))));
    end if;

    -- five mails an hour to one address; beyond, nothing, and nobody is told;
    -- the counter before the account, as sign_up() takes them
    v_wait := take('mail', v_mac, 5, '1 hour');

    select a.* into v_account
      from account a
     where a.email_mac = v_mac
       for no key update;

    if v_wait > 0 then
        perform note('forgot_password', 'too_many_mails', 'account', v_account.id);

    elsif v_account.state = 'unconfirmed' then
        perform confirmation_mail(v_account, input->'token');
        perform note('forgot_password', 'unconfirmed', 'account', v_account.id);

    elsif v_account.state = 'active'
          and v_account.address_since > now() - interval '24 hours'
    then
        perform post(gen_random_uuid(), v_account.email, v_mac, 'reset_later',
                     v_account.lang, '{"hours": 24}');
        perform note('forgot_password', 'fresh_address', 'account', v_account.id);

    elsif v_account.state = 'active' then
        perform void_links(v_account.id, 'reset');

        perform link_mail('reset', 'reset', v_account, input->'token', '60 minutes',
                          v_account.email, v_mac);
        perform note('forgot_password', 'ok', 'account', v_account.id);

    else
        perform note('forgot_password', 'nobody', 'account', v_account.id);
    end if;

    return done(input, moved('/mot-de-passe/envoye'));
end
$$;

comment on function forgot_password(jsonb) is
'Sends the link by which a new password is chosen, 60 minutes good, older ones are void. An account that waits for its confirmation gets that link instead; an address that took another''s place less than 24 hours ago gets a mail that says to come back later.
Input: email_mac; token {id, mac, sealed}; _.ip_mac. Result: always 303 /mot-de-passe/envoye; five mails an hour to one address at most. Errors: 429 too_many by client, with "wait".';


create or replace function reset_link(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_link  record := link('reset', input);
begin
    return json_build_object('status', 200,
        'state', link_state(v_link.token, v_link.account),
        'email_hint', email_hint((v_link.account).email));
end
$$;

comment on function reset_link(jsonb) is
'What a link of a forgotten password is worth; changes nothing. Input: token_mac.
Result: {"status": 200, "state": as link_state(), "email_hint": null when unknown}.';


create or replace function reset_password(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_link     record := locked_link('reset', input);
    v_account  account := v_link.account;
    v_ended    bytea[];
begin
    if v_link.state <> 'valid' then
        perform note('reset_password', v_link.state, 'account', v_account.id);
        return gone(v_link.state, email_hint(v_account.email));
    end if;

    update token k set used_at = now() where k.mac = (v_link.token).mac;

    update account a
       set password_hash = input->>'password_hash', epoch = a.epoch + 1
     where a.id = v_account.id
    returning a.* into v_account;

    v_ended := end_sessions(v_account.id);

    -- who was locked out by others' guesses is in again
    perform give_back('sign_in', v_account.email_mac, true);

    perform post(gen_random_uuid(), v_account.email, v_account.email_mac,
                 'password_changed', v_account.lang, '{}');
    perform note('reset_password', 'ok', 'account', v_account.id, v_account.id);

    return moved('/connexion', ended_sessions(v_ended, case when me() is not null
        then session_effect('close', null, null, input) end), 'password');
end
$$;

comment on function reset_password(jsonb) is
'Consumes the link of a forgotten password, once. Input: token_mac, password_hash.
All sessions and links of the account end, the wait after wrong passwords too, and a mail says so. Result: 303 /connexion, notice password, with session close where one was: who has only a mailbox is not logged in by it. Errors: 410 {"state": as link_state(), "email_hint"}.';


-- my account --------------------------------------------------------------

create or replace function my_account(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_epoch    json;
    v_account  json;
    v_pending  json;
begin
    select to_json(a.epoch),
           json_build_object('first_name', a.first_name,
               'last_name', a.last_name, 'email', a.email),
           (select json_build_object('email', k.email, 'until', k.expires_at)
              from token k
             where k.tenant = a.tenant
               and k.account_id = a.id
               and k.purpose = 'address'
               and link_state(k, a) = 'valid')
      into v_epoch, v_account, v_pending
      from account a
     where a.id = me();

    return json_build_object('status', 200,
        'version', document_version(v_epoch, v_account, v_pending),
        'account', v_account, 'pending', v_pending);
end
$$;

comment on function my_account(jsonb) is
'The account of who is logged in. Result: {"status": 200, "version": another one with each password and address, "account": {"first_name", "last_name", "email"}, "pending": {"email", "until"}, an address that waits for its confirmation, or null}.';


create or replace function my_password(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_account  account;
    v_wait     int;
begin
    select a.* into v_account from account a where a.id = me();

    v_wait := take_guess(v_account.email_mac, input);

    return json_build_object('status', 200,
        'hash', case when v_wait = 0 then v_account.password_hash end,
        'account', v_account.id, 'epoch', v_account.epoch, 'wait', v_wait);
end
$$;

comment on function my_password(jsonb) is
'What nginx checks the password against of who is logged in; never shown. Counted as a log-in is, see take_guess(). Input: _.ip_mac.
Result: {"status": 200, "hash", "account", "epoch", "wait": seconds, 0 to go on}.';


create or replace function my_account_checked(p_action text, input jsonb, out refusal json,
    out account account)
    language plpgsql set search_path = portal, pg_temp as $$
begin
    select a.* into account
      from account a
     where a.id = me()
       for no key update;

    if unchecked(input) then
        perform give_back_guess((account).email_mac, input, false);
        refusal := refused('', 'busy', 503);

    elsif not coalesce((input->>'ok')::boolean, false)
          or (account).epoch is distinct from (input->>'epoch')::int
    then
        perform note(p_action, 'password_wrong', 'account', me());
        refusal := refused('current_password', 'password_wrong');

    else
        perform give_back_guess((account).email_mac, input, true);
    end if;
end
$$;

comment on function my_account_checked(text, jsonb) is
    'The account of who is logged in, locked, once nginx has checked its password; or what to answer: 503 busy, 422 password_wrong. Input: what is being done; ok and epoch as my_password() and the check gave them.';


create or replace function change_password(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again    json := repeated(input);
    v_checked  record;
    v_stale    json;
    v_account  account;
    v_effect   json;
begin
    if v_again is not null then
        return v_again;
    end if;

    v_checked := my_account_checked('change_password', input);
    v_stale := stale(input, my_account(input)->>'version');

    if v_checked.refusal is not null or v_stale is not null then
        return done(input, coalesce(v_checked.refusal, v_stale));
    end if;

    update account a
       set password_hash = input->>'password_hash', epoch = a.epoch + 1
     where a.id = (v_checked.account).id
    returning a.* into v_account;

    v_effect := session_effect('renew', v_account.id, my_family(), input);
    v_effect := ended_sessions(end_sessions(v_account.id), v_effect);

    perform post(gen_random_uuid(), v_account.email, v_account.email_mac,
                 'password_changed', v_account.lang, '{}');
    perform note('change_password', 'ok', 'account', v_account.id);

    return done(input, moved('/mon-compte', v_effect, 'password_changed'));
end
$$;

comment on function change_password(jsonb) is
'Another password, once nginx has checked the current one. Input: ok, epoch; password_hash.
All other sessions and the links of the account end, this session is renewed, and a mail says so. Result: 303 /mon-compte, notice password_changed, with session renew. Errors: current_password password_wrong; 412 version_changed (of my_account); 503 busy; idempotency_mismatch.';


-- another address ---------------------------------------------------------

create or replace function change_address(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_again    json := repeated(input);
    v_mac      bytea := decode(input->>'email_mac', 'hex');
    v_wait     int;
    v_checked  record;
    v_stale    json;
    v_account  account;
    v_other    account;
    v_free     boolean;
    v_mails    boolean;
begin
    if v_again is not null then
        return v_again;
    end if;

    v_checked := my_account_checked('change_address', input);
    v_account := v_checked.account;
    v_stale := stale(input, my_account(input)->>'version');

    if v_checked.refusal is not null or v_stale is not null then
        return done(input, coalesce(v_checked.refusal, v_stale));
    end if;

    if v_mac = v_account.email_mac then
        perform note('change_address', 'same', 'account', v_account.id);
        return done(input, refused('email', 'address_same'));
    end if;

    v_wait := take('change_address', v_account.email_mac, 10, '24 hours');

    if v_wait > 0 then
        perform note('change_address', 'too_many', 'account', v_account.id);
        return done(input, json_build_object('status', 429, 'wait', v_wait,
            'location', null, 'session', null, 'errors', json_build_array(
                json_build_object('field', '', 'code', 'too_many'))));
    end if;

    perform void_links(v_account.id, 'address');

    select a.* into v_other from account a where a.email_mac = v_mac;
    v_free := v_other.id is null or v_other.state = 'unconfirmed';
    v_mails := take('mail', v_mac, 5, '1 hour') = 0;

    -- a taken address gets the same rows; the link goes to nobody, and its
    -- owner hears of it
    perform link_mail('address', 'address_confirm', v_account, input->'token', '24 hours',
                      case when v_free and v_mails then input->>'email' end, v_mac,
                      input->>'email', v_mac);

    if v_other.state = 'active' and v_mails then
        perform account_exists_mail(v_other);
    end if;

    perform link_mail('undo', 'address_asked', v_account, input->'undo', '7 days',
                      v_account.email, v_account.email_mac,
                      v_account.email, v_account.email_mac,
                      jsonb_build_object('email_hint', email_hint(input->>'email')));

    perform note('change_address', 'asked', 'account', v_account.id);

    return done(input, moved('/mon-compte', null, 'address_sent'));
end
$$;

comment on function change_address(jsonb) is
'Asks for another address, once nginx has checked the password. A link goes to the new address, 24 hours good; the old one is told at once, with a link to undo, 7 days good. An address that another account has gets the same answer, and its owner a mail.
Input: ok, epoch; email, email_mac; token and undo {id, mac, sealed}. Result: 303 /mon-compte, notice address_sent. Errors: current_password password_wrong; email address_same; 412 version_changed (of my_account); 429 too_many; 503 busy; idempotency_mismatch.';


create or replace function address_link(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_link  record := link('address', input);
begin
    return json_build_object('status', 200,
        'state', link_state(v_link.token, v_link.account),
        'known', coalesce((v_link.account).id = me(), false),
        'email_hint', email_hint((v_link.token).email));
end
$$;

comment on function address_link(jsonb) is
'What the link that confirms another address is worth; changes nothing. Input: token_mac.
Result: {"status": 200, "state": as link_state(), "known": who is logged in has this account, "email_hint": of the new address}.';


create or replace function address_password(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_link     record := link('address', input);
    v_account  account;
    v_wait     int := 0;
begin
    if link_state(v_link.token, v_link.account) = 'valid' then
        v_account := v_link.account;
        v_wait := take_guess(v_account.email_mac, input);
    end if;

    return json_build_object('status', 200,
        'hash', case when v_wait = 0 then v_account.password_hash end,
        'account', v_account.id, 'epoch', v_account.epoch, 'wait', v_wait);
end
$$;

comment on function address_password(jsonb) is
'What nginx checks the password against where another address is confirmed without being logged in; never shown. Counted as a log-in is. Input: token_mac; _.ip_mac.
Result: {"status": 200, "hash", "account", "epoch": null unless the link is valid, "wait": seconds, 0 to go on}.';


create or replace function put_address(p_account account, p_email text, p_mac bytea,
    p_hash text, p_since timestamptz)
    returns boolean
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- who signed up with that address and never confirmed it has not proven
    -- that it is theirs: that account is closed, which frees the address
    update account a
       set state = 'closed'
     where a.email_mac = p_mac
       and a.id <> p_account.id
       and a.state = 'unconfirmed';

    update account a
       set email = p_email, email_mac = p_mac, address_since = p_since,
           password_hash = coalesce(p_hash, a.password_hash), epoch = a.epoch + 1
     where a.id = p_account.id;

    return true;

exception when unique_violation then
    return false;
end
$$;

comment on function put_address(account, text, bytea, text, timestamptz) is
    'Gives an account another address, and a password''s hash when there is one. Result: false when another account has that address: of two that race for it one wins.';


create or replace function confirm_address(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_link     record := locked_link('address', input);
    v_old      account := v_link.account;
    v_token    token := v_link.token;
    v_known    boolean := coalesce(v_old.id = me(), false);
    v_right    boolean := coalesce((input->>'ok')::boolean, false)
                          and v_old.epoch = (input->>'epoch')::int;
    v_account  account;
    v_effect   json;
begin
    -- only of a link that is good a guess was counted, see address_password()
    if v_link.state <> 'valid' then
        perform note('confirm_address', v_link.state, 'account', v_old.id);
        return gone(v_link.state, email_hint(v_token.email));
    end if;

    if unchecked(input) then
        perform give_back_guess(v_old.email_mac, input, false);
        return refused('', 'busy', 503);
    end if;

    if not v_known and not v_right then
        perform note('confirm_address', 'password_wrong', 'account', v_old.id);
        return refused('current_password',
            case when input ? 'ok' then 'password_wrong' else 'required' end);
    end if;

    if v_right then
        perform give_back_guess(v_old.email_mac, input, true);
    end if;

    if not put_address(v_old, v_token.email, v_token.email_mac, null, now()) then
        update token k set voided_at = now() where k.mac = v_token.mac;
        perform note('confirm_address', 'taken', 'account', v_old.id);
        return gone('taken', email_hint(v_token.email));
    end if;

    update token k set used_at = now() where k.mac = v_token.mac;
    select a.* into v_account from account a where a.id = v_old.id;

    perform post(gen_random_uuid(), v_account.email, v_account.email_mac,
                 'address_changed', v_account.lang, '{}');
    perform link_mail('undo', 'address_left', v_account, input->'undo', '7 days',
                      v_old.email, v_old.email_mac, v_old.email, v_old.email_mac,
                      jsonb_build_object('email_hint', email_hint(v_account.email)));
    perform note('confirm_address', 'ok', 'account', v_account.id, v_account.id);

    -- whoever else is logged in here would be led past the log-in, and what was
    -- done with it
    if v_known then
        v_effect := session_effect('renew', v_account.id, my_family(), input);
    elsif me() is not null then
        v_effect := session_effect('close', null, null, input);
    end if;

    v_effect := ended_sessions(end_sessions(v_account.id), v_effect);

    return moved(case when v_known then '/mon-compte' else '/connexion' end, v_effect,
                 'address_changed');
end
$$;

comment on function confirm_address(jsonb) is
'Consumes the link of another address, once. Input: token_mac; undo {id, mac, sealed}; unless who is logged in has this account: ok and epoch, as address_password() and the check of the password gave them.
All other sessions and the links of the account end, both addresses get a mail, the old one with a link to undo, 7 days good. Result: 303, notice address_changed, /mon-compte with session renew, or /connexion, with session close where another account was logged in. Errors: current_password required | password_wrong; 410 {"state": as link_state(), or taken}; 503 busy.';


create or replace function undo_link(input jsonb) returns json
    language plpgsql stable security definer set search_path = portal, pg_temp as $$
declare
    v_link  record := link('undo', input);
begin
    return json_build_object('status', 200,
        'state', link_state(v_link.token, v_link.account),
        'changed', coalesce((v_link.account).email_mac
                            is distinct from (v_link.token).email_mac, false),
        'email_hint', email_hint((v_link.token).email));
end
$$;

comment on function undo_link(jsonb) is
'What the link that undoes a change of address is worth; changes nothing. Input: token_mac.
Result: {"status": 200, "state": as link_state(), "changed": the address has changed already, "email_hint": of the address that comes back}.';


create or replace function no_password() returns text
    language sql volatile
    return '$argon2id$v=19$m=19456,t=2,p=1$'
        || rtrim(encode(uuid_send(gen_random_uuid()), 'base64'), '=') || '$'
        || rtrim(encode(sha256(uuid_send(gen_random_uuid())
                               || uuid_send(gen_random_uuid())), 'base64'), '=');

comment on function no_password() is
    'A hash that no password has, and that costs as much to compare with.';


create or replace function undo_address(input jsonb) returns json
    language plpgsql security definer set search_path = portal, pg_temp as $$
declare
    v_link     record := locked_link('undo', input);
    v_old      account := v_link.account;
    v_token    token := v_link.token;
    v_account  account;
    v_ended    bytea[];
begin
    if v_link.state <> 'valid' then
        perform note('undo_address', v_link.state, 'account', v_old.id);
        return gone(v_link.state, email_hint(v_token.email));
    end if;

    -- whoever asked for the change knew the password: it is good no more
    if not put_address(v_old, v_token.email, v_token.email_mac, no_password(), null) then
        perform note('undo_address', 'taken', 'account', v_old.id);
        return gone('taken', email_hint(v_token.email));
    end if;

    update token k set used_at = now() where k.mac = v_token.mac;

    -- with it every way back to an address that came after, or to this one
    update token k
       set voided_at = now()
     where k.account_id = v_old.id
       and k.purpose = 'undo'
       and (k.created_at >= v_token.created_at or k.email_mac = v_token.email_mac)
       and k.used_at is null
       and k.voided_at is null;

    v_ended := end_sessions(v_old.id);

    select a.* into v_account from account a where a.id = v_old.id;

    perform link_mail('reset', 'address_undone', v_account, input->'token', '60 minutes',
                      v_account.email, v_account.email_mac);

    if v_old.email_mac <> v_account.email_mac then
        perform post(gen_random_uuid(), v_old.email, v_old.email_mac, 'address_lost',
                     v_account.lang, '{}');
    end if;

    perform note('undo_address', 'ok', 'account', v_account.id, v_account.id);

    return moved('/connexion', ended_sessions(v_ended, case when me() is not null
        then session_effect('close', null, null, input) end), 'address_undone');
end
$$;

comment on function undo_address(jsonb) is
'Takes a change of address back, whether it was confirmed or not. Input: token_mac; token {id, mac, sealed}.
The old address is the account''s again, all its sessions and links end, the password is void, and the old address gets a link to choose another. Result: 303 /connexion, notice address_undone, with session close where one was. Errors: 410 {"state": as link_state(), or taken: another account has that address now}.';


grant execute on function forgot_password(jsonb), reset_link(jsonb), reset_password(jsonb),
    my_account(jsonb), my_password(jsonb), change_password(jsonb), change_address(jsonb),
    address_link(jsonb), address_password(jsonb), confirm_address(jsonb), undo_link(jsonb),
    undo_address(jsonb)
   to portal_web;
