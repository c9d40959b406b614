--
-- Guesses of citizens' and of agents' passwords are counted by the same
-- functions, which say whose: what they were before goes.
--

set role portal_owner;
set search_path = portal, pg_temp;


drop function if exists guess_counter(bytea, jsonb);
drop function if exists take_guess(bytea, jsonb);
drop function if exists give_back_guess(bytea, jsonb, boolean);
