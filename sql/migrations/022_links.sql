--
-- Functions that are no more, or that give more: what they were before goes.
-- What a link is worth is link_state()'s to say, whatever its purpose; what
-- keeps an account from being closed says its page.
--

set search_path = portal, pg_temp;


drop function if exists token_state(token, account);
drop function if exists pending_matters(bigint);
