--
-- One person must not be able to make themselves the only one, or the second one,
-- where two are asked for: for seven days who was taken rights is still counted,
-- whom one administrator alone has given some is not, and a rule that was given up
-- holds.  Triggers keep what that is made of, see migration 089.
--

set search_path = portal, pg_temp;


create or replace function is_new(p_agent bigint) returns boolean
    language sql stable
    return exists (select from agent a
                    where a.id = p_agent and a.since > now() - interval '7 days');

comment on function is_new(bigint) is
    'Whether an agent has had from one administrator alone, in the last seven days, rights that nobody has confirmed: their word is no second one.';


create or replace function rule_holds(p_town int, p_rule text) returns boolean
    language sql stable
    return exists (select from town_rule r
                    where r.tenant = p_town and r.rule = p_rule and r.until > now());

comment on function rule_holds(int, text) is
    'Whether a rule that asks for two was given up in the last seven days and still holds. Input: the town; bank_agents, export_agents or purge_mode.';


create or replace function lists_first(p_town town) returns boolean
    language sql stable
    return (p_town).purge_mode = 'approval' or rule_holds((p_town).id, 'purge_mode');

comment on function lists_first(town) is
    'Whether what may be archives is destroyed from an approved list alone.';


create or replace function administrators_lately() returns setof bigint
    language sql stable
begin atomic
    select a.id
      from agent a
     where a.role = 'administrator'
       and a.state = 'active'
       and a.since <= now() - interval '7 days'
     union
    select f.agent_id
      from agent_former f
     where f.role = 'administrator'
       and f.until > now() - interval '7 days';
end;

comment on function administrators_lately() is
    'The town''s administrators, and who was one in the last seven days, but for who is_new().';
