--
-- Statistics count without reading: log-ins that failed, by month, are a small
-- part of the audit of a year, and no row of it says more than the index.
--

set role portal_owner;
set search_path = portal, pg_temp;


create index audit_failed on audit (tenant, action, at)
 where action in ('sign_in', 'agent_sign_in') and outcome = 'failed';

reset role;
