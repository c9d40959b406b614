--
-- Ways that a large town's requests and jobs go, and that no index had: who is
-- connected with a family, which is asked whenever its document is made anew; what
-- goes with an account that is erased, for each of which whole tables were looked
-- through; and mails that somebody waits for, in front of those that many get.
--

drop function if exists portal.drop_mails();

set role portal_owner;
set search_path = portal, pg_temp;


create index subscription_of_family on subscription (tenant, family_id, guardian_id);
create index subscription_account on subscription (tenant, account_id);
create index token_account on token (tenant, account_id);
create index upload_account on upload (tenant, account_id) where account_id is not null;

-- the words of mail_claim(), which goes along it
create index outbox_awaited on outbox (next_try)
 where state in ('queued', 'sending')
   and template not in ('verification_reminder', 'account_inactive');

reset role;
