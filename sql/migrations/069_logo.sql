--
-- The town's logo, which its administrators send: it is prepared, looked at and
-- published with the theme.
--

set role portal_owner;
set search_path = portal, pg_temp;


create function logo_size(p_width int, p_height int) returns jsonb
    language sql immutable parallel safe
    return jsonb_build_object(
        'width', greatest(1, least(160, round(48.0 * p_width / p_height)))::int,
        'height', greatest(1, least(48, round(160.0 * p_height / p_width)))::int);

comment on function logo_size(int, int) is
    'How large the head of a page shows a logo: {"width", "height"}, 48 pixels high, and no more than 160 wide.';


create table logo (
    tenant   int not null references town,
    hash     text not null check (hash ~ '^[0-9a-f]{64}$'),
    sent_as  uuid not null,
    kind     text not null check (kind in ('png', 'jpeg')),
    width    smallint not null check (width between 1 and 480),
    height   smallint not null check (height between 1 and 480),
    bytes    bytea not null check (octet_length(bytes) between 1 and 131072),
    since    timestamptz not null default now(),
    sent_by  bigint not null,
    primary key (tenant, hash),
    foreign key (tenant, sent_by) references agent,
    constraint logo_named check (hash = encode(sha256(bytes), 'hex'))
);

comment on table logo is
    'Logos of the town, as the sandboxed program of photos has made them: the one that is shown, the one of before, the one that is being prepared, the last that was sent.';
comment on column logo.tenant is 'The town.';
comment on column logo.hash is 'SHA-256 of bytes, which its address names: that address is never another picture.';
comment on column logo.sent_as is 'The id under which the form that brought it last knows it.';
comment on column logo.kind is 'What it is.';
comment on column logo.width is 'Pixels.';
comment on column logo.height is 'Pixels.';
comment on column logo.bytes is 'The picture; it is for everybody to see, and not sealed.';
comment on column logo.since is 'When it was last sent.';
comment on column logo.sent_by is 'The administrator who sent it last.';

alter table logo enable row level security;
alter table logo force row level security;
create policy tenant on logo to portal_owner, portal_api
    using (tenant = current_setting('portal.tenant')::int)
    with check (tenant = current_setting('portal.tenant')::int);

grant select, insert, update, delete on logo to portal_api;


alter table town
    drop constraint town_logo_check,
    add constraint town_logo_check
        check (logo ~ '^(/static/|/logo/[0-9a-f]{64}[.](png|jpeg)$)'),
    add column logo_width   smallint not null default 48 check (logo_width between 1 and 480),
    add column logo_height  smallint not null default 48 check (logo_height between 1 and 480),
    add column logo_hash    text generated always as
                            (substring(logo from '^/logo/([0-9a-f]{64})[.]')) stored;

comment on column town.logo is
    'Path of the logo: a file of the operator''s, or /logo/HASH.KIND of one that an administrator has sent. What it shows, for who does not see it, is texts.logo_alt.';
comment on column town.logo_width is 'Width of the logo in pixels; with the height, its shape.';
comment on column town.logo_height is 'Height of the logo in pixels.';
comment on column town.logo_hash is 'The row of logo that is shown; null: a file of the operator''s.';

grant update (logo, logo_width, logo_height) on town to portal_api;


alter table town_theme
    add column logo       text,
    add column logo_alt   jsonb not null default '{}' check (jsonb_typeof(logo_alt) = 'object'),
    add column logo_hash  text generated always as
                          (substring(logo from '^/logo/([0-9a-f]{64})[.]')) stored;

comment on column town_theme.logo is 'As town.logo.';
comment on column town_theme.logo_alt is 'As texts.logo_alt of town: {language: what the logo shows}.';
comment on column town_theme.logo_hash is 'The row of logo that it is; null: a file of the operator''s.';

reset role;

-- what concerns the rows of all towns: the tables' owner sees those of one

alter table portal.town
    add constraint town_logo_fkey
        foreign key (id, logo_hash) references portal.logo (tenant, hash);

-- themes that stand beside the shown one had its logo
update portal.town_theme h
   set logo = t.logo
  from portal.town t
 where t.id = h.tenant;

alter table portal.town_theme
    alter column logo set not null,
    add constraint town_theme_logo_check
        check (logo ~ '^(/static/|/logo/[0-9a-f]{64}[.](png|jpeg)$)'),
    add constraint town_theme_logo_fkey
        foreign key (tenant, logo_hash) references portal.logo;
