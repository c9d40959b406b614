--
-- Sessions as their owner sees them, and the devices that an account has
-- logged in from.
--

set role portal_owner;
set search_path = portal, pg_temp;


create index session_account on session (tenant, account_id, opened_at);


create table device (
    tenant      int not null,
    account_id  bigint not null,
    mac         mac not null,
    epoch       int not null,
    first_at    timestamptz not null default now(),
    last_at     timestamptz not null default now(),
    primary key (tenant, account_id, mac),
    foreign key (tenant, account_id) references account on delete cascade
);

create index device_old on device (last_at);

comment on table device is
    'Devices that an account has logged in from: a log-in from another one is told to its owner, and guesses made elsewhere do not lock these out.';
comment on column device.tenant is 'The town.';
comment on column device.account_id is 'The account.';
comment on column device.mac is 'MAC of the device''s cookie.';
comment on column device.epoch is
    'The account''s epoch at the latest log-in: after a new password a device has to show it first.';
comment on column device.first_at is 'First log-in from it.';
comment on column device.last_at is 'Latest log-in from it.';

alter table device enable row level security;
alter table device force row level security;

create policy tenant on device to portal_owner, portal_api
    using (tenant = current_setting('portal.tenant')::int)
    with check (tenant = current_setting('portal.tenant')::int);
create policy batch on device to portal_batch using (true) with check (true);

grant select on device to portal_api;
grant insert (tenant, account_id, mac, epoch), update (epoch, last_at)
   on device to portal_api;
grant select, delete on device to portal_batch;


comment on column attempt.key is
    'MAC of an e-mail, of a network prefix, of a device for one e-mail, or an account''s id; empty: the town.';
