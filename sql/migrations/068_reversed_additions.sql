--
-- An accepted addition can be undone: the removal that does it has the agent's
-- reason, and no words of a family.  It outlives the request that it undoes.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table change_set
    drop constraint change_set_words,
    add constraint change_set_words
        check (action not in ('remove', 'report') or comment is not null
               or reverses is not null or state = 'accepted' and reason is not null);

reset role;
