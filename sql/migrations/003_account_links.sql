--
-- Links of mails that change an account: a forgotten password, another
-- address, and the way back to the old one.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table account add column address_since timestamptz;

comment on column account.address_since is
    'When the address took another''s place; null: it is the first, or was restored.';


alter table token
    drop constraint token_purpose_check,
    add constraint token_purpose_check
        check (purpose in ('confirm', 'reset', 'address', 'undo')),
    add column email email,
    add column email_mac mac,
    add constraint token_address_check
        check ((email is not null) = (purpose in ('address', 'undo') and used_at is null
                                      and voided_at is null)
               and (email is null) = (email_mac is null));

comment on column token.purpose is
    'The only thing that it is good for: confirm a sign-up; reset a password; take an address; undo that.';
comment on column token.email is
    'Address that the account gets by it; erased once the link is good for nothing.';
comment on column token.email_mac is 'MAC of that address.';


create function token_ended() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    new.email := null;
    new.email_mac := null;

    return new;
end
$$;

comment on function token_ended() is
    'Trigger of token: what was consumed or is void names no address any more.';

create trigger token_ended before update of used_at, voided_at on token
    for each row when (new.used_at is not null or new.voided_at is not null)
    execute function token_ended();


grant update (email_mac, address_since) on account to portal_api;
grant insert (email, email_mac) on token to portal_api;
