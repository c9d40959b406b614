--
-- Conflicts of one person are found by the person: under row-level security an
-- expression, as of import_conflict_of, goes by no index, so that a page of them
-- looked through all of the town's for each that it shows.
--

set role portal_owner;
set search_path = portal, pg_temp;


create index import_conflict_guardian on import_conflict (tenant, guardian_id)
 where guardian_id is not null;
create index import_conflict_child on import_conflict (tenant, child_id)
 where child_id is not null;
create index import_conflict_contact on import_conflict (tenant, contact_id)
 where contact_id is not null;

drop index import_conflict_of;

reset role;
