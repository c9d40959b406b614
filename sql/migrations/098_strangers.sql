--
-- Taxes and mandates may come in an import of their own, without the names by
-- which it is seen that the software means somebody else.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table guardian add column stranger_since date;

comment on column guardian.stranger_since is
    'Since when imports name somebody else by external_id, see import_stranger(): what comes by it without a name is not this person''s. Null: they name this one.';

reset role;
