--
-- Who must not collect a child: who has recorded it, and how it ends.  A report
-- has documents as other requests have.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table collect_ban
    add column recorded_by bigint,
    add column ended_by    bigint,
    add column end_reason  text check (length(end_reason) between 1 and 2000),
    add column version     int not null default 1,
    add check (ended_at is not null or (ended_by is null and end_reason is null)),
    add check (ended_by is null or end_reason is not null);

create index collect_ban_list on collect_ban (tenant, id desc);

comment on column collect_ban.recorded_by is
    'Agent who recorded it; null: it did not come through the portal.';
comment on column collect_ban.ended_by is 'Agent who ended it.';
comment on column collect_ban.end_reason is 'Why it has ended, in the agent''s words.';
comment on column collect_ban.version is 'Goes up when it is ended: who ends it names the version that they read.';

grant insert (recorded_by) on collect_ban to portal_apply;
grant update (ended_by, end_reason, version) on collect_ban to portal_api;

comment on column upload.section is
    'Section whose form it came with; of a report, action and section as what_of() says.';


-- jobs erase those that ended long ago

create policy batch on collect_ban to portal_batch using (true);
grant select (tenant, id, ended_at), delete on collect_ban to portal_batch;


-- the rows of all towns are looked through, which no town's owner may

reset role;

alter table collect_ban
    add foreign key (tenant, recorded_by) references agent,
    add foreign key (tenant, ended_by) references agent;

update portal.collect_ban b
   set recorded_by = c.decided_by
  from portal.change_set c
 where c.tenant = b.tenant
   and c.id = b.set_id;

drop function if exists upload_begin(jsonb, text, bigint, bigint);
drop function if exists is_own_family(change_set);
