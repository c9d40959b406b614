--
-- How long a mail waits is counted by what a server said of it: taking it while
-- no server was there (away) is none of that.
--

set search_path = portal, pg_temp;


set role portal_owner;

alter table outbox
    add column if not exists tries int not null default 0 check (tries >= 0);

comment on column outbox.tries is
    'How many times a server put it off; attempts counts each taking, also while no server was there.';

grant update (tries) on outbox to portal_batch;

reset role;
