--
-- Administrators decide about the fields of the families' file, write the ready
-- words that refuse a request, and what the town says of itself.
--

set role portal_owner;
set search_path = portal, pg_temp;

grant insert, update (policy, validation) on field_policy to portal_api;

-- which its trigger counts up
grant update (version) on town to portal_api;

grant insert, update (rank, kind, texts), delete on refusal to portal_api;

grant update (service, family_service, phone, email, office, hours, counter, mail_from,
              mail_name, languages, texts)
   on town to portal_api;

reset role;
