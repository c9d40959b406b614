--
-- New bank details may want two agents: one agrees, another one accepts
-- (ASVS 2.3.5).
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table town
    add column bank_agents text not null default 'one' check (bank_agents in ('one', 'two'));

comment on column town.bank_agents is
    'How many agents it takes to accept a family''s new IBAN: one, or two where the town has another one who may, see second_bars().';

grant update (bank_agents) on town to portal_api;

alter table change_event
    drop constraint change_event_event_check,
    drop constraint change_event_filed,
    add constraint change_event_event_check
        check (event in ('sent', 'filed', 'taken', 'released', 'incomplete', 'completed',
                         'filed_more', 'agreed', 'accepted', 'partly', 'refused',
                         'replaced', 'withdrawn')),
    add constraint change_event_agent
        check (event not in ('filed', 'filed_more', 'agreed')
               or by_kind = 'agent' and by_id is not null);

comment on column change_event.event is
    'What happened; filed and filed_more are sent and completed at the counter, by an agent; agreed: an agent has accepted it, and another one has to.';

create function change_set_iban() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    -- what is put back was there before
    if new.decided_by is not null and new.decided_by is distinct from old.decided_by
       and new.reverses is null and gives_iban(new) and second_bars(new, new.decided_by)
    then
        raise exception using errcode = 'check_violation',
            message = 'two agents accept an IBAN in this town',
            constraint = 'change_set_iban';
    end if;

    return new;
end
$$;

comment on function change_set_iban() is
    'Trigger of change_set: no agent alone accepts an IBAN where the town wants two and has two, see second_bars().';

create trigger change_set_iban before update of decided_by on change_set
    for each row execute function change_set_iban();
