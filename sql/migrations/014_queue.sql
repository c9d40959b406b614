--
-- The queue of a town with many requests: what an agent has taken and what waits
-- for families are found without looking through the rest.
--

set role portal_owner;
set search_path = portal, pg_temp;


create index change_set_taken
    on change_set (tenant, taken_by, urgent desc, created_at, id)
 where state in ('sent', 'taken') and taken_by is not null;

create index change_set_incomplete
    on change_set (tenant, urgent desc, created_at, id)
 where state = 'incomplete';

create index change_set_done on change_set (tenant, id)
 where state in ('accepted', 'partly', 'refused');
