--
-- What a link is worth is link_state()'s to say, whatever its purpose.
--

set search_path = portal, pg_temp;


drop function if exists token_state(token, account);
