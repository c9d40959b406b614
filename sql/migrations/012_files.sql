--
-- Files that families send: photos of children, documents of requests.  Sealed
-- by nginx in pieces; what no request names goes after a day.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table town
    add column uploads_waiting int not null default 20
               check (uploads_waiting between 1 and 1000),
    add column upload_space    int not null default 50
               check (upload_space between 1 and 10000),
    add column keep_photo      int not null default 30
               check (keep_photo between 0 and 3650),
    add column keep_document   int check (keep_document between 0 and 3650);

comment on column town.uploads_waiting is
    'Files of a family that no request has named yet, at most.';
comment on column town.upload_space is
    'Megabytes of all files that are kept of a family, at most.';
comment on column town.keep_photo is
    'Days that a photo is kept once it is no longer the child''s, or was refused: so long its acceptance can be undone.';


comment on column town.keep_document is
    'Days that documents are kept once their request is decided, 0: until the next purge; null: as long as the request.';


create table section_document (
    tenant   int not null references town,
    section  text not null,
    needed   text not null check (needed in ('no', 'asked', 'required')),
    primary key (tenant, section)
);

comment on table section_document is
    'Where a town has decided whether a request needs a document; a row of a section that is no more counts for nothing.';
comment on column section_document.section is 'Section.';
comment on column section_document.needed is
    'no: none can be sent; asked: one can be; required: no request without one.';


create table upload (
    tenant       int not null references town,
    id           uuid not null,
    family_id    bigint,
    account_id   bigint,
    section      text not null,
    field        text not null check (field ~ '^[a-z][a-z0-9_]{0,39}$'),
    guardian_id  bigint,
    child_id     bigint,
    kind         text not null check (kind in ('jpeg', 'png', 'pdf')),
    size         int not null check (size between 1 and 52428800),
    pieces       smallint not null check (pieces between 1 and 200),
    stored       smallint not null default 0 check (stored between 0 and pieces),
    created_at   timestamptz not null default now(),
    set_id       bigint,
    left_at      timestamptz,
    primary key (tenant, id),
    foreign key (tenant, family_id) references family on delete set null (family_id),
    foreign key (tenant, account_id) references account on delete set null (account_id),
    foreign key (tenant, guardian_id) references guardian on delete set null (guardian_id),
    foreign key (tenant, child_id) references child on delete set null (child_id),
    foreign key (tenant, set_id) references change_set on delete set null (set_id)
);

create index upload_family on upload (tenant, family_id);
create index upload_set on upload (tenant, set_id) where set_id is not null;
create index upload_over on upload (tenant, created_at);

comment on table upload is
    'A file that somebody has sent with a form. It is the account''s until a request names it.';
comment on column upload.id is 'Random, made by nginx: its pieces are sealed for it.';
comment on column upload.family_id is 'The family.';
comment on column upload.account_id is 'Who sent it; null: the account is no more.';
comment on column upload.section is 'Section whose form it came with.';
comment on column upload.field is 'Field of that form.';
comment on column upload.guardian_id is 'Guardian whom the form was about.';
comment on column upload.child_id is 'Child whom the form was about.';
comment on column upload.kind is 'jpeg, png or pdf, by its first bytes; a name is never kept.';
comment on column upload.size is 'Bytes.';
comment on column upload.pieces is 'In how many pieces of 256 kB.';
comment on column upload.stored is 'Pieces that have come; it is whole when all have.';
comment on column upload.created_at is 'When it was sent.';
comment on column upload.set_id is 'Request that names it; null: none does, and it goes after a day.';
comment on column upload.left_at is 'Of a photo: when it was no longer the child''s.';


create table upload_piece (
    tenant     int not null,
    upload_id  uuid not null,
    piece      smallint not null check (piece >= 0),
    sealed     sealed not null,
    primary key (tenant, upload_id, piece),
    foreign key (tenant, upload_id) references upload on delete cascade
);

-- what is sealed does not get smaller
alter table upload_piece alter column sealed set storage external;

comment on table upload_piece is 'The bytes of a file, by pieces of 256 kB.';
comment on column upload_piece.upload_id is 'The file.';
comment on column upload_piece.piece is 'Which piece, from 0.';
comment on column upload_piece.sealed is 'Its bytes, sealed for file and piece.';


create table child_photo (
    tenant     int not null,
    child_id   bigint not null,
    upload_id  uuid not null,
    since      timestamptz not null default now(),
    primary key (tenant, child_id),
    unique (tenant, upload_id),
    foreign key (tenant, child_id) references child on delete cascade,
    foreign key (tenant, upload_id) references upload
);

comment on table child_photo is 'The photo that a child has in the file.';
comment on column child_photo.child_id is 'The child.';
comment on column child_photo.upload_id is 'The picture: a small JPEG.';
comment on column child_photo.since is 'When it was accepted.';


do $$
declare
    v_table  text;
begin
    foreach v_table in array array['section_document', 'upload', 'upload_piece',
                                   'child_photo']
    loop
        execute format('alter table portal.%I enable row level security', v_table);
        execute format('alter table portal.%I force row level security', v_table);
        execute format('create policy tenant on portal.%I to portal_owner, portal_api '
            'using (tenant = current_setting(''portal.tenant'')::int) '
            'with check (tenant = current_setting(''portal.tenant'')::int)', v_table);
        execute format('comment on column portal.%I.tenant is %L', v_table, 'The town.');
    end loop;
end
$$;

grant select, delete on upload to portal_api;
grant select on upload_piece, section_document to portal_api;
grant insert (tenant, id, family_id, account_id, section, field, guardian_id, child_id,
              kind, size, pieces),
      update (stored, set_id, left_at)
   on upload to portal_api;
grant insert on upload_piece to portal_api;
grant select on child_photo to portal_api;


-- an accepted photo is the child's

do $$
declare
    v_table  text;
begin
    foreach v_table in array array['upload', 'child_photo'] loop
        execute format('create policy apply on portal.%I to portal_apply '
            'using (tenant = current_setting(''portal.tenant'')::int) '
            'with check (tenant = current_setting(''portal.tenant'')::int)', v_table);
    end loop;
end
$$;

grant select, insert, update, delete on child_photo to portal_apply;
grant select, update (left_at) on upload to portal_apply;


-- jobs erase what is past its time

create policy batch on upload to portal_batch using (true) with check (true);
create policy batch on child_photo to portal_batch using (true);
grant select, delete on upload to portal_batch;
grant select on child_photo to portal_batch;
