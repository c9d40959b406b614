--
-- A child's photo is a part of the documents that are kept ready, as its other
-- parts are: what changes it bumps its families.
--

set role portal_owner;
set search_path = portal, pg_temp;

create trigger child_photo_insert_bump after insert on child_photo
    referencing new table as changed
    for each statement execute function child_part_changed();
create trigger child_photo_update_bump after update on child_photo
    referencing new table as changed
    for each statement execute function child_part_changed();
create trigger child_photo_delete_bump after delete on child_photo
    referencing old table as changed
    for each statement execute function child_part_changed();
create trigger child_photo_left after update on child_photo for each row
    when (old.child_id <> new.child_id)
    execute function child_part_left();
