--
-- « Durées de conservation »: what was erased, as administrators read it.
--

set role portal_owner;
set search_path = portal, pg_temp;


grant select on retention_run to portal_api;

reset role;
