--
-- The later changes of a field are found without reading those before them.
--

set role portal_owner;
set search_path = portal, pg_temp;


drop index change_of_person;
create index change_of_person on change (tenant, person_kind, person_id, field, id);

reset role;
