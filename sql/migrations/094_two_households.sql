--
-- Somebody may be a guardian in both households of a child, and asks in each for
-- what is to change there.
--

set role portal_owner;
set search_path = portal, pg_temp;


drop index change_set_open;

create unique index change_set_open
    on change_set (tenant, account_id, family_id, section, action, coalesce(guardian_id, 0),
                   coalesce(child_id, 0), coalesce(contact_id, 0))
 where state in ('sent', 'taken', 'incomplete') and action <> 'add' and reverses is null
       and account_id is not null and (guardian_id is not null or child_id is not null)
       and (section <> 'child_contact' or action not in ('change', 'remove')
            or contact_id is not null);

drop index upload_once_child;

create unique index upload_once_child
    on upload (tenant, account_id, family_id, section, child_id, content_mac)
 where content_mac is not null and stored = pieces
       and account_id is not null and child_id is not null;

reset role;
