--
-- « Journal »: the audit as an administrator reads it, and a chain that is
-- verified a piece at a time, round after round.
--

set role portal_owner;
set search_path = portal, pg_temp;


-- each way to read it is an index, in the order of its pages

drop index audit_at, audit_agent, audit_object;

create index audit_at on audit (tenant, at, id);
create index audit_agent on audit (tenant, agent_id, at, id) where agent_id is not null;
create index audit_action on audit (tenant, action, at, id);
create index audit_thing on audit (tenant, object, object_id, at, id)
 where object_id is not null;
create index audit_family on audit (tenant, family_id, at, id) where family_id is not null;


-- how far the chain is verified

comment on column job.ran_at is
    'When it last ran, on whichever node; of audit_round: when the round began; of audit_broken: when it was found.';
comment on column job.mark is
    'A place in the chain of the audit: of audit_head what the log was told last; of audit_round how far this round has come; of audit_verified where the last whole one ended; of audit_broken the first row that is not what it was; 0 elsewhere.';

insert into job (name) values ('audit_round'), ('audit_verified'), ('audit_broken');

grant select (chain, request, names) on audit to portal_api;
grant select on job to portal_api;

reset role;
