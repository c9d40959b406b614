--
-- How long things are kept: settings of the town, and what a closed account
-- leaves.
--

set role portal_owner;
set search_path = portal, pg_temp;


-- a town's periods, in days -------------------------------------------------

alter table town
    add column keep_unconfirmed  int not null default 7
                                 check (keep_unconfirmed between 2 and 60),
    add column keep_inactive     int not null default 1095
                                 check (keep_inactive between 180 and 3650),
    add column keep_closed       int not null default 365
                                 check (keep_closed between 1 and 1826),
    add column keep_audit        int not null default 365
                                 check (keep_audit between 180 and 1826),
    add column keep_mail         int not null default 30
                                 check (keep_mail between 1 and 365),
    add column keep_session      int not null default 30
                                 check (keep_session between 1 and 365),
    add column keep_token        int not null default 30
                                 check (keep_token between 1 and 365),
    add column keep_attempt      int not null default 2
                                 check (keep_attempt between 2 and 30);

comment on column town.keep_unconfirmed is
    'Days after its sign-up that an account which was never confirmed is kept; its link lives one.';
comment on column town.keep_inactive is
    'Days without a log-in after which an account is closed; a mail warns 30 days before.';
comment on column town.keep_closed is
    'Days that a closed account''s remainder (no name, no address) and its subscriptions are kept.';
comment on column town.keep_audit is
    'Days that traces of what was done are kept; CNIL: six months to a year as a rule.';
comment on column town.keep_mail is 'Days that a mail is kept once sent or given up.';
comment on column town.keep_session is 'Days that a session is kept after its end.';
comment on column town.keep_token is
    'Days that a link is kept after its end, so that it can say that it is too old.';
comment on column town.keep_attempt is 'Days that counters of attempts are kept; they count in 24 hours.';


-- what a closed account keeps: no name, no address, no password ---------------

alter table account
    alter column first_name drop not null,
    alter column last_name drop not null,
    alter column email drop not null,
    alter column email_mac drop not null,
    alter column password_hash drop not null,
    add column last_used_on  date not null default current_date,
    add column warned_on     date,
    add column closed_at     timestamptz,
    add constraint account_closed check ((state = 'closed') = (closed_at is not null)),
    add constraint account_known check (state = 'closed' or
        num_nulls(first_name, last_name, email, email_mac, password_hash) = 0),
    add constraint account_erased check (state <> 'closed' or
        num_nonnulls(first_name, last_name, email, email_mac, password_hash,
                     browser_mac, last_family_id) = 0);

comment on column account.last_used_on is 'Day of the latest log-in.';
comment on column account.warned_on is
    'Day that a mail said the account will be closed for want of use; null: none since the latest log-in.';
comment on column account.closed_at is 'When it was closed, and what names its owner erased.';

-- however an account becomes closed

create function account_closing() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    new.first_name := null;
    new.last_name := null;
    new.email := null;
    new.email_mac := null;
    new.password_hash := null;
    new.browser_mac := null;
    new.last_family_id := null;
    new.closed_at := now();
    new.epoch := greatest(new.epoch, old.epoch + 1);

    return new;
end
$$;

comment on function account_closing() is
    'Trigger of account: a closed one loses what names its owner, and all its sessions and links.';

create trigger account_closing before update of state on account
    for each row when (new.state = 'closed' and old.state <> 'closed')
    execute function account_closing();

create index account_inactive on account (tenant, last_used_on) where state = 'active';
create index account_remainder on account (tenant, closed_at) where state = 'closed';


-- a log-in is use: whichever way opens the session ------------------------------

create function account_used() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update account a
       set last_used_on = current_date, warned_on = null
     where a.tenant = new.tenant
       and a.id = new.account_id
       and (a.last_used_on < current_date or a.warned_on is not null);

    return null;
end
$$;

comment on function account_used() is
    'Trigger of session: the account was used today; a row is written once a day.';

create trigger account_used after insert on session
    for each row execute function account_used();


-- the audit may lose what is past its time, and nothing else ----------------------

create table audit_erased (
    tenant  int not null references town,
    chain   bigint not null,
    hash    bytea not null check (length(hash) = 32),
    at      timestamptz not null,
    primary key (tenant, chain)
);

create unique index audit_erased_chain on audit_erased (chain);

comment on table audit_erased is
    'Links of the chain whose row of the audit was erased in its time, so that what follows can still be verified.';
comment on column audit_erased.chain is 'Place in the chain.';
comment on column audit_erased.hash is 'Hash that the row had.';
comment on column audit_erased.at is 'When what it told happened.';

create index audit_object on audit (tenant, object_id, id) where object = 'account';
create index audit_at on audit (tenant, at);

create index outbox_recipient on outbox (tenant, recipient_mac) where recipient_mac is not null;


-- the jobs' own -----------------------------------------------------------------

create table job (
    name    text primary key check (name ~ '^[a-z_]{1,40}$'),
    ran_at  timestamptz not null default '-infinity',
    more    boolean not null default false
);

comment on table job is 'Periodic jobs, so that several nodes do each once.';
comment on column job.name is 'Function that does it.';
comment on column job.ran_at is 'When it last ran, on whichever node.';
comment on column job.more is 'It did as much as one transaction may and is not done.';

insert into job (name) values ('purge');


create table retention_run (
    tenant  int not null references town,
    id      bigint generated always as identity,
    at      timestamptz not null default now(),
    kind    text not null check (kind ~ '^[a-z_]{1,40}$'),
    rows    int not null check (rows > 0),
    primary key (tenant, id)
);

create index retention_run_at on retention_run (tenant, at);

comment on table retention_run is 'What was erased, or warned of, because its time was over.';
comment on column retention_run.at is 'When.';
comment on column retention_run.kind is 'Kind of thing: a table, or account_warned, account_inactive, account_unconfirmed, account_closed.';
comment on column retention_run.rows is 'How many.';


do $$
declare
    v_table  text;
begin
    foreach v_table in array array['audit_erased', 'retention_run'] loop
        execute format('comment on column %I.tenant is %L', v_table, 'The town.');
        execute format('alter table %I enable row level security', v_table);
        execute format('alter table %I force row level security', v_table);
        execute format('create policy tenant on %I to portal_owner, portal_api '
            'using (tenant = current_setting(''portal.tenant'')::int) '
            'with check (tenant = current_setting(''portal.tenant'')::int)', v_table);
    end loop;

    comment on column retention_run.id is
        'Number within the installation; unique with the town.';

    foreach v_table in array array['audit_erased', 'retention_run', 'subscription'] loop
        execute format('create policy batch on %I to portal_batch '
            'using (true) with check (true)', v_table);
    end loop;
end
$$;


-- who may touch what --------------------------------------------------------------

grant update (email_mac, last_used_on, warned_on, closed_at) on account to portal_api;
grant select (recipient_mac, template, created_at, done_at) on outbox to portal_api;
grant select (account_id, family_id, at, action, outcome, object, object_id)
   on audit to portal_api;

grant select, delete on audit to portal_batch;
grant select, insert, delete on audit_erased, retention_run to portal_batch;
grant select, update (ran_at, more) on job to portal_batch;
grant select, delete on subscription to portal_batch;

-- a subscription that goes is a change of its family: see family_bump()
create policy batch on family to portal_batch using (true) with check (true);
grant select (tenant, id, version), update (version, updated_at) on family
   to portal_batch;


-- functions that other owners have by now

reset role;

create or replace function audit_kept() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if tg_op = 'UPDATE' then
        if old.hash is null
           and (new.tenant, new.id, new.at, new.action, new.outcome)
               = (old.tenant, old.id, old.at, old.action, old.outcome)
           and (new.account_id, new.family_id, new.object, new.object_id, new.request)
               is not distinct from
               (old.account_id, old.family_id, old.object, old.object_id, old.request)
        then
            return new;
        end if;

    elsif tg_op = 'DELETE' then
        if old.hash is not null
           and old.at < now() - make_interval(days =>
               (select t.keep_audit from town t where t.id = old.tenant))
        then
            insert into audit_erased (tenant, chain, hash, at)
            values (old.tenant, old.chain, old.hash, old.at);

            return old;
        end if;
    end if;

    raise exception using errcode = 'insufficient_privilege',
        message = 'rows of the audit are only added', constraint = 'audit_kept';
end
$$;

comment on function audit_kept() is
    'Trigger of audit: no change but the hash being filled in, once; no deletion before the town''s period is over, and then the link of the chain stays.';
