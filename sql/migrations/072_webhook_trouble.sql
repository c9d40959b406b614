--
-- A webhook that fails is noticed: since when, and whether the administrators
-- of the town have been told.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table webhook
    add column trouble_since  timestamptz,
    add column warned_at      timestamptz,
    add check (warned_at is null or trouble_since is not null);

comment on column webhook.trouble_since is
    'Since when messages are sent in vain; null: the last one was received, or none was sent.';
comment on column webhook.warned_at is
    'When the administrators were told of that by mail, which they are once.';

grant update (trouble_since, warned_at) on webhook to portal_api, portal_batch;

reset role;

-- those in trouble now

update portal.webhook w
   set trouble_since = w.state_at,
       warned_at = case when w.state <> 'active' then w.state_at end
 where w.state in ('failing', 'gone');
