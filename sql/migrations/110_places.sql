--
-- Who comes several at once takes places as who comes alone, and why somebody
-- does not come back is told with what stands in the way: functions of other
-- arguments or results than before.
--

set search_path = portal, pg_temp;


drop function if exists free_rank(int, int[], int), next_rank(smallint[], int),
    restore_code(change_set, jsonb);

set role portal_owner;

comment on column attempt.key is
    'MAC of an e-mail or of a network prefix, or the id of an account or agent, of what an agent was shown with its id behind; empty: the town.';

reset role;
