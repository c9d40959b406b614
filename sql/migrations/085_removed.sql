--
-- An accepted removal can be undone: what it takes out of the file is kept for
-- as long as a photo that is no more, and comes back by a request.
--

set role portal_owner;
set search_path = portal, pg_temp;


create table removed (
    tenant      int not null,
    set_id      bigint not null,
    child_id    bigint,
    removed_at  timestamptz not null default now(),
    rows        jsonb not null check (jsonb_typeof(rows) = 'object'),
    primary key (tenant, set_id),
    foreign key (tenant, set_id) references change_set on delete cascade,
    foreign key (tenant, child_id) references child on delete cascade
);

create index removed_child on removed (tenant, child_id) where child_id is not null;
create index removed_old on removed (tenant, removed_at);

comment on table removed is
    'What an accepted removal has taken out of the file, so that the removal can be undone, see restore_removed(); kept for town.keep_photo days. No page shows it.';
comment on column removed.tenant is 'The town.';
comment on column removed.set_id is 'The removal.';
comment on column removed.child_id is 'The child who was taken out, or whose contact was; with the child this goes.';
comment on column removed.removed_at is 'When it was accepted.';
comment on column removed.rows is
    'The rows as they were, sealed values sealed: see removed_rows().';

alter table removed enable row level security;
alter table removed force row level security;
create policy tenant on removed to portal_owner, portal_api, portal_apply
    using (tenant = current_setting('portal.tenant')::int)
    with check (tenant = current_setting('portal.tenant')::int);
create policy batch on removed to portal_batch using (true);

grant select on removed to portal_api;
grant select, insert, delete on removed to portal_apply;
grant select (tenant, set_id, removed_at), delete on removed to portal_batch;

comment on column town.keep_photo is
    'Days that a photo is kept which was refused, or is no longer the child''s, and what is needed to undo an accepted removal.';


-- what hangs on who comes back is written by who writes into the file

create policy apply on verification to portal_apply
    using (tenant = current_setting('portal.tenant')::int)
    with check (tenant = current_setting('portal.tenant')::int);

grant select, insert on verification to portal_apply;
grant update (asker_id) on change_set to portal_apply;
grant update (guardian_id, asker_id) on upload to portal_apply;


-- who takes somebody out again by undoing an addition gives an agent's reason,
-- and what puts somebody back has the words of nobody either

comment on column change_set.reverses is
    'Request whose accepted change this one undoes; of an addition it is the removal that it undoes.';

reset role;
