--
-- A counter is written at each log-in, several times, and only its count and its
-- times change.  An index of the time that changes each time made every such
-- write one of all indexes: what purges looks for is found by the start of the
-- window, which is never later.
--

set role portal_owner;
set search_path = portal, pg_temp;


drop index attempt_old;

create index attempt_first on attempt (first_at);

alter table attempt set (fillfactor = 60);

reset role;
