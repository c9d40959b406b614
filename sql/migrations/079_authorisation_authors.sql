--
-- Whose answer an authorisation is, so that one guardian's does not take the place of
-- another's without anybody seeing it.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table authorisation
    add column guardian_id bigint,
    add check (answer <> 'unanswered' or guardian_id is null);

create index authorisation_guardian on authorisation (tenant, guardian_id)
 where guardian_id is not null;

comment on column authorisation.guardian_id is
    'The guardian who has answered, of whichever household; null: not known, or no more in the file.';

comment on column change_item.agreement is
    'Of an answer to an authorisation: {"text": id of what was read, "year": school year, "date": null for the day of the request, "guardian": whose it is, absent for who asks}; of an IBAN that comes back {"reference", "date"} of the mandate that it had.';

reset role;
set search_path = portal, pg_temp;

-- the rows of all towns are looked through, which no town's owner may
alter table authorisation
    add foreign key (tenant, guardian_id) references guardian
        on delete set null (guardian_id);
