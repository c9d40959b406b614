--
-- What pages and programs find by its id, and what comes seldom enough for a
-- counter, is numbered by town as lists and lots are (073): an id of the
-- installation would tell one town how much the others do.  Ids that are there
-- stay as they are, since addresses, the journal and messages name them.
--

set role portal_owner;
set search_path = portal, pg_temp;


alter table town_number
    drop constraint town_number_kind_check,
    add check (kind in ('elimination', 'letter_lot', 'collect_ban', 'family_note',
                        'import', 'import_conflict', 'school', 'webhook'));


create function numbered_id() returns trigger
    language plpgsql security definer set search_path = portal, pg_temp as $$
begin
    insert into town_number as n (tenant, kind, last)
    values (new.tenant, tg_table_name, 1)
        on conflict (tenant, kind) do update set last = n.last + 1
    returning n.last into new.id;

    return new;
end
$$;

comment on function numbered_id() is
    'Trigger: gives a row the next id of its kind in its town.';

reset role;

do $$
declare
    v_table  text;
begin
    foreach v_table in array array['collect_ban', 'family_note', 'import',
                                   'import_conflict', 'school', 'webhook']
    loop
        execute format('insert into portal.town_number (tenant, kind, last) '
                       'select tenant, %L, max(id) from portal.%I group by tenant',
                       v_table, v_table);
        execute format('alter table portal.%I alter column id drop identity', v_table);
        execute format('create trigger numbered_id before insert on portal.%I '
                       'for each row execute function portal.numbered_id()', v_table);
        execute format('comment on column portal.%I.id is %L', v_table,
                       'Number within the town, see town_number.');
    end loop;
end
$$;
