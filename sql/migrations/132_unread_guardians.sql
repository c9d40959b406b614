--
-- Imports remember that a line could not be read which may name a guardian, and
-- say of a file that it is UTF-32.
--

set role portal_owner;
set search_path = portal, pg_temp;


comment on column import_key.kind is
    'Kind of the record; wrong_guardian: a guardian of a line that the reader found wrong; unread_guardian: one whom a line names that it could not read, key empty: whom, nobody can tell.';
comment on column import.failure is
    'Why it failed: {"code", "file", "line"}; code: cut, zip, encrypted, too_large, too_many_lines, unknown_file, empty, encoding, utf32, reader.';

reset role;
