--
-- What a town decides about fields holds for what is shown of the file too.
--

set role portal_owner;
set search_path = portal, pg_temp;


-- which fields are shown is a part of every document of the town

create function field_policy_changed() returns trigger
    language plpgsql set search_path = portal, pg_temp as $$
begin
    update town t
       set version = t.version + 1
     where t.id in (old.tenant, new.tenant);

    return null;
end
$$;

comment on function field_policy_changed() is
    'Trigger of field_policy: the town has another version, so that no document made before counts.';

create trigger field_policy_changed after insert or update or delete on field_policy
    for each row execute function field_policy_changed();


-- what is shown of a request now takes whether hidden fields are left out

reset role;

drop function if exists request_document(change_set);
drop function if exists request_items(change_set, text, uuid);
