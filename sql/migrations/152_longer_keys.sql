--
-- A key of a form or of Idempotency-Key may have 128 characters, and the table
-- took 64: what was in between ended with 500, where nothing refused it before.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table idempotency drop constraint idempotency_key_check;
alter table idempotency add check (length(key) between 1 and 128);

reset role;
