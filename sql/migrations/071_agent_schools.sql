--
-- An agent may be for many schools: a large town has 170.
--

drop function if exists portal.limit_schools(text);

set role portal_owner;
set search_path = portal, pg_temp;

alter table agent
    drop constraint agent_schools_check,
    add constraint agent_schools_check check (cardinality(schools) between 1 and 400
                                              and array_position(schools, null) is null);

reset role;
