--
-- A ready answer keeps the words that the family got: a town that changes them
-- later would else rewrite what it has answered to others.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table change_set
    add column reason_texts jsonb,
    add check (reason_texts is null or reason_code is not null);

comment on column change_set.reason_texts is
    'The ready words as they were when they were sent, by language, see refusal.texts.';

grant update (reason_texts) on change_set to portal_api;

reset role;

-- nothing of this is a change that somebody made
set local session_replication_role = replica;

update portal.change_set c
   set reason_texts = r.texts
  from portal.refusal r
 where r.tenant = c.tenant
   and r.code = c.reason_code;

set local session_replication_role = origin;
