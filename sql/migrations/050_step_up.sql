--
-- « Confirmez que c'est bien vous »: an agent's session in which the second
-- factor was given once more.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table agent_session
    add column confirmed_at  timestamptz,
    add constraint agent_session_confirmed_check check (confirmed_at >= opened_at);

comment on column agent_session.confirmed_at is
    'When a code was given in it besides the log-in''s, see stepped_up(); null: never.';

-- a session that is opened anew goes on with its time and with the log-in's moment
grant insert (opened_at, confirmed_at) on agent_session to portal_api;

reset role;
