--
-- From when and until when a contact counts: who collects a child for a term,
-- or until the other parent is back.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table contact
    add column valid_from date,
    add column valid_until date,
    add constraint contact_period check (valid_until >= valid_from);

comment on column contact.valid_from is
    'First day on which the contact may collect the child or is called; null: no limit.';
comment on column contact.valid_until is 'Last such day, that day included; null: no limit.';


-- the children's documents say on which day they are read

drop function if exists child_documents(bigint, bigint, text[]);
