--
-- Agents who have left: what lets them in goes after 30 days, their name when
-- nothing that is kept names them any more.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table agent
    alter column first_name drop not null,
    alter column last_name drop not null,
    alter column email drop not null,
    alter column email_mac drop not null,
    add column left_at  timestamptz,
    add constraint agent_named_check
        check (state = 'disabled'
               or (first_name, last_name, email, email_mac) is not null);

reset role;

update portal.agent set left_at = now() where state = 'disabled';

set role portal_owner;

alter table agent
    add constraint agent_left_check check ((state = 'disabled') = (left_at is not null));

comment on column agent.first_name is 'First name; null: they have left, and nothing names them any more.';
comment on column agent.last_name is 'Name; null with the first name.';
comment on column agent.email is 'Address that they log in with; null: they left more than 30 days ago.';
comment on column agent.email_mac is 'MAC of the normalised address: who is unique; null with the address.';
comment on column agent.left_at is 'When they were disabled; null: they are not.';


create function agent_left() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    new.left_at := case when new.state = 'disabled'
                        then coalesce(case when tg_op = 'UPDATE' then
                                          case when old.state = 'disabled'
                                               then coalesce(new.left_at, old.left_at) end end,
                                      now()) end;

    return new;
end
$$;

comment on function agent_left() is 'Trigger of agent: keeps since when somebody is disabled.';

create trigger agent_left before insert or update on agent
    for each row execute function agent_left();


-- what they have done, for is_named()
create index change_event_agent on change_event (tenant, by_id) where by_kind = 'agent';


create policy batch on agent to portal_batch using (true) with check (true);
create policy batch on agent_token to portal_batch using (true);
create policy batch on agent_recovery to portal_batch using (true);
grant select, delete on agent, agent_token, agent_recovery to portal_batch;
grant update (first_name, last_name, email, email_mac, password_hash, totp) on agent
   to portal_batch;

reset role;
