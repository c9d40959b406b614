--
-- What is over has an end: codes abonné that were used, taken back or have
-- expired, and subscriptions that ended while their account goes on.  What was
-- filed at the counter for a guardian who had no account becomes the account's
-- once there is one.
--

set role portal_owner;
set search_path = portal, pg_temp;


create index code_over on code (tenant, coalesce(revoked_at, used_at, expires_at));
create index code_of_guardian on code (tenant, guardian_id);
create index subscription_ended on subscription (tenant, ended_at) where ended_at is not null;
create index subscription_code on subscription (tenant, code_id) where code_id is not null;

grant select (used_at, revoked_at), delete on code to portal_batch;
grant update (account_id) on change_set to portal_api;

reset role;
