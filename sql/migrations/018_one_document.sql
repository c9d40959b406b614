--
-- A document that comes twice at once, by a button pressed twice, is one.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table upload
    add column content_mac bytea check (octet_length(content_mac) = 32);

comment on column upload.content_mac is
    'Of a document that no request names yet: MAC of its bytes'' digest, by which it is told that it came twice; null once it is named.';

-- of what waits only: whose person or request is no more may be alike
create unique index upload_once on upload (tenant, account_id, section, guardian_id, content_mac)
 where content_mac is not null and stored = pieces
       and account_id is not null and guardian_id is not null;
create unique index upload_once_child on upload (tenant, account_id, section, child_id, content_mac)
 where content_mac is not null and stored = pieces
       and account_id is not null and child_id is not null;

grant insert (content_mac), update (content_mac) on upload to portal_api;
