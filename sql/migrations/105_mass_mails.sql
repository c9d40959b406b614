--
-- Which mails many get at once was written down wherever it was asked: in the
-- index of those that somebody waits for, in mail_claim() and in purge().
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table outbox add column mass boolean not null
    generated always as (template in ('verification_reminder', 'account_inactive')) stored;

comment on column outbox.mass is
    'One of those that many get at once, which let pass what somebody waits for.';

drop index outbox_awaited;
create index outbox_awaited on outbox (next_try)
 where state in ('queued', 'sending')
   and not mass;

reset role;
