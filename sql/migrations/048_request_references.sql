--
-- A request that is erased is looked for in those that took its place: without
-- an index those were all requests, each time.
--

set role portal_owner;

create index change_set_replaces on portal.change_set (tenant, replaces)
 where replaces is not null;

reset role;
