--
-- Requests that an agent files at the counter for a guardian: who filed, how the
-- guardian was identified, and that who filed it does not decide it.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table change_set
    add column filed_at    timestamptz,
    add column filed_by    bigint,
    add column identified  text check (identified in ('document', 'known', 'letter',
                                                      'phone')),
    add constraint change_set_filed
        check (num_nulls(filed_at, filed_by, identified) in (0, 3));

comment on column change_set.filed_at is
    'When an agent filed or completed it at the counter; null: its family alone has sent it.';
comment on column change_set.filed_by is 'Agent who did.';
comment on column change_set.identified is
    'How the guardian who asked (asker_id) was identified: document (seen, no copy is kept), known to the service, by letter, by phone.';

grant insert (filed_at, filed_by, identified), update (filed_at, filed_by, identified)
   on change_set to portal_api;

alter table change_event
    drop constraint change_event_event_check,
    add constraint change_event_event_check
        check (event in ('sent', 'filed', 'taken', 'released', 'incomplete', 'completed',
                         'filed_more', 'accepted', 'partly', 'refused', 'replaced',
                         'withdrawn')),
    add constraint change_event_filed
        check (event not in ('filed', 'filed_more')
               or by_kind = 'agent' and by_id is not null);

comment on column change_event.event is
    'What happened; filed and filed_more are sent and completed at the counter, by an agent.';


-- two see a request that was filed at the counter, where the town has two

create function change_set_decided() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    if new.decided_by is not null and new.decided_by is distinct from old.decided_by
       and filing_bars(new, new.decided_by)
    then
        raise exception using errcode = 'check_violation',
            message = 'who filed a request does not decide it',
            constraint = 'change_set_decided';
    end if;

    return new;
end
$$;

comment on function change_set_decided() is
    'Trigger of change_set: who filed or completed a request at the counter does not decide it, unless the town has no other agent who may, see filing_bars().';

create trigger change_set_decided before update of decided_by on change_set
    for each row execute function change_set_decided();


-- files that an agent has sent with such a form

alter table upload
    add column agent_id  bigint,
    add column asker_id  bigint,
    add constraint upload_sender check (account_id is null or agent_id is null);

comment on column upload.account_id is
    'Who sent it; null: the account is no more, or an agent did at the counter.';
comment on column upload.agent_id is 'Agent who sent it at the counter.';
comment on column upload.asker_id is 'The guardian for whom.';

grant insert (agent_id, asker_id) on upload to portal_api;


-- the rows of all towns are looked through, which no town's owner may

reset role;

alter table change_set add foreign key (tenant, filed_by) references agent;

alter table upload
    add foreign key (tenant, agent_id) references agent,
    add foreign key (tenant, asker_id) references guardian on delete set null (asker_id);
