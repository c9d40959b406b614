--
-- Functions that now take something else, or that nobody calls: what they were
-- before goes, so that a database that was brought here is what a new one is.
--

set search_path = portal, pg_temp;


drop function if exists guess_counter(bytea, jsonb);
drop function if exists take_guess(bytea, jsonb);
drop function if exists give_back_guess(bytea, jsonb, boolean);
drop function if exists local_path(text, text);
