--
-- A button that is pressed twice: the browser drops the answer to the first
-- press, and with it the cookie of the session that was renewed.  What the same
-- form brings a moment later must be led to the session that took its place.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table session add column renewed_as mac;

comment on column session.renewed_as is
    'The session that took the place of this one, see session_again(); null: it ended without one.';

grant update (renewed_as) on session to portal_api;

reset role;
