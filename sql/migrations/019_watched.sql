--
-- How much an agent may do in an hour: more than a person does, less than a
-- program that has taken a session over.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table town
    add column agent_decisions int not null default 300
               check (agent_decisions between 2 and 1000000),
    add column agent_readings  int not null default 300
               check (agent_readings between 2 and 1000000);

comment on column town.agent_decisions is
    'Decisions of an agent in an hour, at most; the next one waits.';
comment on column town.agent_readings is
    'Requests with sealed data, and documents, that an agent may open in an hour.';

comment on column attempt.key is
'MAC of an address, of a network prefix or of a device with its account, or the id of an account or an agent; empty: the town.';


-- what the chain of the audit ended with when the log was told

alter table job
    add column mark bigint not null default 0;

comment on column job.mark is
    'Of audit_head: the place in the chain that the log was told last; 0 elsewhere.';

insert into job (name) values ('audit_head');

reset role;
grant update (mark) on portal.job to portal_batch;
