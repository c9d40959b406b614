--
-- The ready documents are read a thousand times for each change: two usual
-- families to a page instead of three, so that most hold one of their parts as
-- it is and none is looked for elsewhere, and lz4, which is opened in a part of
-- the time that pglz takes.  Half as much disk again.
--

set role portal_owner;
set search_path = portal, pg_temp;


-- nothing but a copy: made anew in the new form, as after each sql/migrate, and
-- the room of the old one given back
truncate family_document;

alter table family_document set (toast_tuple_target = 4080);

do $$
begin
    -- a server may have been built without it
    if exists (select
                 from pg_settings s
                where s.name = 'default_toast_compression'
                  and 'lz4' = any (s.enumvals))
    then
        alter table family_document
            alter column head set compression lz4,
            alter column guardians set compression lz4,
            alter column children set compression lz4;
    end if;
end
$$;

reset role;
