--
-- As of a citizen's session: an agent who sends their code twice is led to the
-- session that the first has opened.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table agent_session add column renewed_as mac;

comment on column agent_session.renewed_as is
    'The session that took the place of this one, see agent_session_again(); null: it ended without one.';

grant update (renewed_as, confirmed_at) on agent_session to portal_api;

reset role;
